/* SPDX-License-Identifier: Apache-2.0 */
/* Changes of policy: what applied, what would change, what was taken back or away. */
#include <string.h>

#include "base/clock.h"
#include "base/units.h"
#include "cli/render.h"

/* Milliseconds of a step, rounded; 0: it took none, or less than half of one. */
static uint64_t step_ms(const struct weir_view *view, const char *step)
{
	const struct weir_json *steps = weir_json_get(view->answer, "steps_ms");

	return (uint64_t)(weir_json_real(weir_json_get(steps, step), 0) + 0.5);
}

static void step_add(const struct weir_view *view, const char *step)
{
	weir_buf_addf(view->out, "%s ", step);
	weir_view_add_seconds(view->out, step_ms(view, step));
}

/* What came over into tables of another size, besides what packets fetched themselves. */
static void moved_add(const struct weir_view *view, const struct weir_json *state)
{
	uint64_t dropped = weir_view_uint(state, "dropped");

	weir_view_add_plural(view->out, weir_view_uint(state, "moved"), "flow", "flows");
	weir_buf_add_str(view->out, " moved in ");
	weir_view_add_seconds(view->out, step_ms(view, "settle"));
	weir_buf_add_str(view->out, dropped ? ", " : ", none dropped");
	if (dropped) {
		weir_count_format(dropped, view->out);
		weir_buf_add_str(view->out, " dropped");
	}
}

static void state_add(const struct weir_view *view)
{
	const struct weir_json *state = weir_json_get(view->answer, "state");
	uint64_t forgotten = weir_view_uint(state, "forgotten"),
		 adopted = weir_view_uint(state, "adopted");

	if (!state)
		return;
	weir_buf_add_str(view->out, ", ");
	if (forgotten) {
		weir_view_add_plural(view->out, forgotten, "flow", "flows");
		weir_buf_add_str(view->out, " forgotten, nothing is tracked now");
	} else if (adopted) {
		weir_view_add_plural(view->out, adopted, "connection", "connections");
		weir_buf_add_str(view->out, " taken over from the kernel");
	} else {
		moved_add(view, state);
	}
}

static void program_add(const struct weir_view *view)
{
	if (strcmp(weir_view_str(view->answer, "program"), "replaced"))
		return;
	weir_buf_add_str(view->out, ": program replaced (");
	step_add(view, "load");
	weir_buf_add_str(view->out, ", ");
	step_add(view, "switch");
	state_add(view);
	weir_buf_add_char(view->out, ')');
}

static void revision_line(const struct weir_view *view)
{
	weir_buf_addf(view->out, "revision %llu",
		      (unsigned long long)weir_view_uint(view->answer, "revision"));
	uint64_t ms = weir_json_get(view->answer, "ms") ? weir_view_uint(view->answer, "ms") :
							  view->elapsed_ms;
	if (ms) {
		weir_buf_add_str(view->out, " live in ");
		weir_view_add_seconds(view->out, ms);
	} else {
		weir_buf_add_str(view->out, " is live");
	}
	program_add(view);
	weir_buf_add_char(view->out, '\n');
}

#define TREE_LINES_MAX 12 /* of what one change added or took away */
#define TREE_ITEMS_MAX 4  /* of a list of plain values: it may have a million */

/* Lines of what stands in a mapping or list, as they are written in the configuration. */
struct tree {
	struct weir_buf *out;
	int indent;
	bool is_behind_dash; /* the next member stands in the line of its dash */
};

static bool is_plain(const struct weir_json *value)
{
	enum weir_json_type type = weir_json_type(value);

	return type != WEIR_JSON_OBJECT &&
	       (type != WEIR_JSON_ARRAY || weir_json_size(value) == 0 ||
		weir_json_type(weir_json_at(value, 0)) != WEIR_JSON_OBJECT);
}

static void plain_add(struct weir_buf *out, const struct weir_json *value)
{
	size_t count = weir_json_type(value) == WEIR_JSON_ARRAY ? weir_json_size(value) : 0;

	if (count == 0)
		weir_view_add_scalar(out, "", value);
	for (size_t i = 0; i < count && i < TREE_ITEMS_MAX; i++) {
		weir_buf_add_str(out, i ? ", " : "");
		weir_view_add_scalar(out, "", weir_json_at(value, i));
	}
	if (count > TREE_ITEMS_MAX)
		weir_buf_addf(out, " and %zu more", count - TREE_ITEMS_MAX);
}

static void tree_add(struct weir_buf *out, int indent, const struct weir_json *value);

static int tree_member(const char *key, const struct weir_json *value, void *arg)
{
	struct tree *tree = arg;

	if (tree->is_behind_dash)
		weir_buf_add_char(tree->out, ' ');
	else
		weir_buf_addf(tree->out, "\n%*s", tree->indent, "");
	tree->is_behind_dash = false;
	weir_buf_add_visible(tree->out, key);
	weir_buf_add_char(tree->out, ':');
	if (!is_plain(value)) {
		tree_add(tree->out, tree->indent + 2, value);
		return 0;
	}
	weir_buf_add_char(tree->out, ' ');
	plain_add(tree->out, value);
	return 0;
}

/* Recursion ends where the configuration's own depth does. */
static void tree_add(struct weir_buf *out, int indent, const struct weir_json *value)
{
	struct tree tree = { .out = out, .indent = indent };

	if (weir_json_type(value) == WEIR_JSON_OBJECT)
		(void)weir_json_each(value, tree_member, &tree);
	for (size_t i = 0; weir_json_type(value) == WEIR_JSON_ARRAY && i < weir_json_size(value);
	     i++) {
		struct tree item = { out, indent + 2, true };

		weir_buf_addf(out, "\n%*s-", indent, "");
		if (is_plain(weir_json_at(value, i))) {
			weir_buf_add_char(out, ' ');
			plain_add(out, weir_json_at(value, i));
		} else {
			(void)weir_json_each(weir_json_at(value, i), tree_member, &item);
		}
	}
}

/* A value behind its key: in the line when it is plain, else the first lines of it below. */
static void value_add(struct weir_buf *out, const struct weir_json *value)
{
	_cleanup_buf_ struct weir_buf lines = { 0 };
	size_t count = 0, shown = 0;

	if (!value || is_plain(value)) {
		weir_buf_add_char(out, ' ');
		plain_add(out, value);
		return;
	}
	tree_add(&lines, 4, value);
	const char *text = weir_buf_str(&lines);
	for (size_t i = 0; text[i]; i++) {
		count += text[i] == '\n';
		shown = count <= TREE_LINES_MAX ? i + 1 : shown;
	}
	weir_buf_add(out, text, shown);
	if (count > TREE_LINES_MAX)
		weir_buf_addf(out, "\n    … and %zu more lines", count - TREE_LINES_MAX);
}

/* The sign, key and values of one structural change. */
static void change_show(const struct weir_view *view, const struct weir_json *change)
{
	const char *text = weir_json_str(change, NULL);
	const char *op = weir_view_str(change, "op");
	bool add = strcmp(op, "add") == 0;
	bool remove = strcmp(op, "remove") == 0;
	enum weir_color color = add ? WEIR_COLOR_GOOD : remove ? WEIR_COLOR_BAD : WEIR_COLOR_WARN;
	_cleanup_buf_ struct weir_buf line = { 0 };

	if (text) {
		weir_buf_add_visible(&line, text);
	} else {
		weir_buf_add_str(&line, add ? "+ " : remove ? "- " : "~ ");
		weir_buf_add_visible(&line, weir_view_str(change, "key"));
		weir_buf_add_char(&line, ':');
		if (!add)
			value_add(&line, weir_json_get(change, "from"));
		if (!add && !remove)
			weir_buf_add_str(&line, " ->");
		if (!remove)
			value_add(&line, weir_json_get(change, "to"));
	}
	if (text && text[0] == '+')
		color = WEIR_COLOR_GOOD;
	else if (text && text[0] == '-')
		color = WEIR_COLOR_BAD;
	else if (text)
		color = WEIR_COLOR_PLAIN;
	weir_buf_add_str(view->out, weir_color_on(color, view->color));
	weir_buf_add_str(view->out, weir_buf_str(&line));
	weir_buf_add_str(view->out, weir_color_off(color, view->color));
	weir_buf_add_char(view->out, '\n');
}

static void changes_show(const struct weir_view *view)
{
	const struct weir_json *changes = weir_json_get(view->answer, "changes");

	for (size_t i = 0; i < weir_json_size(changes); i++)
		change_show(view, weir_json_at(changes, i));
}

void weir_render_trial(const struct weir_view *view)
{
	const struct weir_json *trial = weir_json_get(view->answer, "confirm");
	_cleanup_buf_ struct weir_buf line = { 0 };

	if (!trial)
		return;
	weir_buf_add_str(&line, "on trial: rolled back in ");
	weir_duration_format(weir_view_uint(trial, "seconds_left") * WEIR_NS_PER_S, &line);
	weir_buf_add_str(&line, " unless 'weir confirm' comes before");
	weir_view_add_colored(view, WEIR_COLOR_WARN, weir_buf_str(&line));
	weir_buf_add_char(view->out, '\n');
}

void weir_render_apply(const struct weir_view *view)
{
	if (!weir_json_bool(weir_json_get(view->answer, "changed"), true)) {
		weir_buf_addf(view->out, "nothing to change; revision %llu stays\n",
			      (unsigned long long)weir_view_uint(view->answer, "revision"));
		weir_render_trial(view);
		return;
	}
	changes_show(view);
	revision_line(view);
	weir_render_trial(view);
}

void weir_render_confirm(const struct weir_view *view)
{
	weir_buf_addf(view->out, "revision %llu stays\n",
		      (unsigned long long)weir_view_uint(view->answer, "revision"));
}

void weir_render_diff(const struct weir_view *view)
{
	if (weir_json_size(weir_json_get(view->answer, "changes")) == 0)
		weir_buf_add_str(view->out, weir_view_bool(view->answer, "changed") ?
						    "only the text differs, not what it means\n" :
						    "no difference\n");
	changes_show(view);
}

void weir_render_rollback(const struct weir_view *view)
{
	weir_buf_add_str(view->out, "back to the policy before; ");
	revision_line(view);
}

void weir_render_config(const struct weir_view *view)
{
	const char *text = weir_view_str(view->answer, "text");
	size_t len = strlen(text);

	/* The text alone, so that it can be sent to a file and applied again. */
	weir_buf_add_str(view->out, text);
	if (len > 0 && text[len - 1] != '\n')
		weir_buf_add_char(view->out, '\n');
}

static void failed_show(const struct weir_view *view, const struct weir_json *failed)
{
	weir_view_add_colored(view, WEIR_COLOR_BAD, "not removed ");
	weir_buf_add_visible(view->out, weir_view_str(failed, "what"));
	weir_buf_add_str(view->out, ": ");
	weir_buf_add_visible(view->out, weir_view_str(failed, "why"));
	weir_buf_add_char(view->out, '\n');
}

void weir_render_cleanup(const struct weir_view *view)
{
	const struct weir_json *removed = weir_json_get(view->answer, "removed");
	const struct weir_json *failed = weir_json_get(view->answer, "failed");

	if (weir_json_size(removed) == 0 && weir_json_size(failed) == 0)
		weir_buf_add_str(view->out, "nothing of Weir's is there\n");
	for (size_t i = 0; i < weir_json_size(removed); i++) {
		weir_buf_add_str(view->out, "removed ");
		weir_view_add_scalar(view->out, "id", weir_json_at(removed, i));
		weir_buf_add_char(view->out, '\n');
	}
	for (size_t i = 0; i < weir_json_size(failed); i++)
		failed_show(view, weir_json_at(failed, i));
	if (weir_view_bool(view->answer, "daemon"))
		weir_buf_add_str(view->out,
				 "a daemon still runs and may attach again; stop it first\n");
}
