/* SPDX-License-Identifier: Apache-2.0 */
/* Rules: in their order, by hits, and what became of one. */
#include <string.h>

#include "base/cleanup.h"
#include "base/units.h"
#include "cli/render.h"

static void name_cell(struct weir_table *table, const struct weir_json *rule)
{
	const char *name = weir_view_str(rule, "name");

	if (name[0])
		weir_table_cell(table, WEIR_COLOR_PLAIN, name);
	else
		weir_table_cellf(table, WEIR_COLOR_DIM, "%llu",
				 (unsigned long long)weir_view_uint(rule, "id"));
}

/* " 100/s burst 50 per source, 12 over it" */
static void limit_add(struct weir_buf *out, const struct weir_json *rule)
{
	static const char *const keys[] = { "burst", "per" };

	if (!weir_view_str(rule, "rate")[0])
		return;
	weir_buf_add_char(out, ' ');
	weir_buf_add_visible(out, weir_view_str(rule, "rate"));
	for (size_t i = 0; i < WEIR_ARRAY_SIZE(keys); i++) {
		const char *value = weir_view_str(rule, keys[i]);

		weir_buf_addf(out, "%s%s%s", value[0] ? " " : "", value[0] ? keys[i] : "",
			      value[0] ? " " : "");
		weir_buf_add_visible(out, value);
	}
	if (!weir_json_get(rule, "over"))
		return;
	weir_buf_add_str(out, ", ");
	weir_count_format(weir_view_uint(rule, "over"), out);
	weir_buf_add_str(out, " over it");
}

/* What it does besides, in the cell of its action. */
static void action_cell(struct weir_table *table, const struct weir_json *rule)
{
	const char *action = weir_view_str(rule, "action"), *mark = weir_view_str(rule, "mark");
	bool has_log = weir_view_bool(rule, "log");

	_cleanup_buf_ struct weir_buf limit = { 0 };

	limit_add(&limit, rule);
	weir_table_cellf(table, weir_view_verdict_color(action), "%s%s%s%s%s", action,
			 weir_buf_str(&limit), has_log && strcmp(action, "log") != 0 ? ", log" : "",
			 mark[0] ? " mark " : "", mark);
}

static void group_cell(struct weir_table *table, const struct weir_json *rule)
{
	const char *group = weir_view_str(rule, "group");

	weir_table_cellf(table, WEIR_COLOR_DIM, "%s%s%s", group,
			 group[0] && !weir_view_bool(rule, "acts") ? ", " : "",
			 weir_view_bool(rule, "acts") ? "" : "off");
}

static void rule_row(struct weir_table *table, const struct weir_json *rule)
{
	weir_table_count(table, WEIR_COLOR_DIM, weir_view_uint(rule, "place"));
	name_cell(table, rule);
	weir_table_cell(table, WEIR_COLOR_DIM, weir_view_str(rule, "origin"));
	group_cell(table, rule);
	weir_table_cell(table, WEIR_COLOR_PLAIN, weir_view_str(rule, "conditions"));
	action_cell(table, rule);
	weir_table_count(table, WEIR_COLOR_PLAIN, weir_view_uint(rule, "packets"));
	weir_table_count(table, WEIR_COLOR_PLAIN, weir_view_uint(rule, "bytes"));
	weir_table_cell(table, WEIR_COLOR_DIM, weir_view_str(rule, "comment"));
}

static void total_add(const struct weir_view *view, uint64_t shown)
{
	uint64_t total = weir_view_uint(view->answer, "total");

	weir_buf_add_str(view->out, weir_color_on(WEIR_COLOR_DIM, view->color));
	if (shown < total) {
		weir_count_format(shown, view->out);
		weir_buf_add_str(view->out, " of ");
	}
	weir_view_add_plural(view->out, total, "rule", "rules");
	if (shown < total)
		weir_buf_add_str(view->out, "; --limit shows more");
	weir_buf_add_str(view->out, weir_color_off(WEIR_COLOR_DIM, view->color));
	weir_buf_add_char(view->out, '\n');
}

void weir_render_rules(const struct weir_view *view)
{
	static const struct weir_column columns[] = {
		{ "", true },	     { "rule", false },		{ "origin", false },
		{ "group", false },  { "packets that", false }, { "action", false },
		{ "packets", true }, { "bytes", true },		{ "comment", false },
	};
	_cleanup_table_ struct weir_table table = {
		.columns = columns,
		.column_count = sizeof(columns) / sizeof(columns[0]),
		.color = view->color,
	};
	const struct weir_json *rules = weir_json_get(view->answer, "rules");

	for (size_t i = 0; i < weir_json_size(rules); i++)
		rule_row(&table, weir_json_at(rules, i));
	weir_table_print(&table, view->out);
	total_add(view, weir_json_size(rules));
}

void weir_render_rule_hits(const struct weir_view *view)
{
	static const struct weir_column columns[] = {
		{ "packets", true }, { "bytes", true },	  { "rule", false },
		{ "origin", false }, { "action", false }, { "packets that", false },
	};
	_cleanup_table_ struct weir_table table = {
		.columns = columns,
		.column_count = sizeof(columns) / sizeof(columns[0]),
		.color = view->color,
	};
	const struct weir_json *rules = weir_json_get(view->answer, "rules");
	uint64_t never = weir_view_uint(view->answer, "never");

	for (size_t i = 0; i < weir_json_size(rules); i++) {
		const struct weir_json *rule = weir_json_at(rules, i);

		weir_table_count(&table, WEIR_COLOR_PLAIN, weir_view_uint(rule, "packets"));
		weir_table_count(&table, WEIR_COLOR_PLAIN, weir_view_uint(rule, "bytes"));
		name_cell(&table, rule);
		weir_table_cell(&table, WEIR_COLOR_DIM, weir_view_str(rule, "origin"));
		action_cell(&table, rule);
		weir_table_cell(&table, WEIR_COLOR_PLAIN, weir_view_str(rule, "conditions"));
	}
	weir_table_print(&table, view->out);
	if (!weir_json_get(view->answer, "never"))
		return; /* one rule was asked about */
	weir_view_add_plural(view->out, never, "rule", "rules");
	weir_buf_add_str(view->out, " that no packet has met yet; --never shows them\n");
}

/* "rule a added" */
static void edit_add(const struct weir_view *view, const char *noun)
{
	weir_buf_addf(view->out, "%s ", noun);
	weir_buf_add_visible(view->out, weir_view_str(view->answer, "name"));
	weir_buf_addf(view->out, " %s", weir_view_str(view->answer, "result"));
}

static void revision_add(const struct weir_view *view)
{
	weir_buf_addf(view->out, ", revision %llu\n",
		      (unsigned long long)weir_view_uint(view->answer, "revision"));
}

void weir_render_limit_edit(const struct weir_view *view)
{
	edit_add(view, "limit");
	revision_add(view);
}

void weir_render_rule_edit(const struct weir_view *view)
{
	const struct weir_json *answer = view->answer;
	const char *action = weir_view_str(answer, "action");

	edit_add(view, "rule");
	if (action[0]) {
		weir_buf_add_str(view->out, ": ");
		weir_view_add_colored(view, weir_view_verdict_color(action), action);
		weir_buf_addf(view->out, ", place %llu of %llu",
			      (unsigned long long)weir_view_uint(answer, "place"),
			      (unsigned long long)weir_view_uint(answer, "of"));
	}
	revision_add(view);
}

void weir_render_rule_name(struct weir_buf *out, const struct weir_json *rule)
{
	const char *name = weir_view_str(rule, "name"), *action = weir_view_str(rule, "action");

	if (name[0])
		weir_buf_add_visible(out, name);
	else
		weir_buf_addf(out, "number %llu", (unsigned long long)weir_view_uint(rule, "id"));
	if (action[0])
		weir_buf_addf(out, " (%s, %s)", action, weir_view_str(rule, "origin"));
}

static void policy_add(const struct weir_view *view, const struct weir_json *policy)
{
	static const char *const ways[] = { "ingress", "egress" };

	weir_buf_addf(view->out, "default on %s:", weir_view_str(policy, "interface"));
	for (size_t i = 0; i < WEIR_ARRAY_SIZE(ways); i++) {
		const char *action = weir_view_str(policy, ways[i]);

		weir_buf_addf(view->out, "%s %s ", i ? "," : "", ways[i]);
		weir_view_add_colored(
			view, strcmp(action, "deny") == 0 ? WEIR_COLOR_BAD : WEIR_COLOR_GOOD,
			action);
	}
	weir_buf_add_str(view->out, "\n");
}

void weir_render_rules_status(const struct weir_view *view, const struct weir_json *rules)
{
	const struct weir_json *policies = weir_json_get(rules, "policy");

	weir_view_heading(view, "Rules");
	weir_view_add_plural(view->out, weir_view_uint(rules, "file"), "rule", "rules");
	weir_buf_add_str(view->out, " of the file, ");
	weir_count_format(weir_view_uint(rules, "runtime"), view->out);
	weir_buf_add_str(view->out, " of run time; ");
	weir_count_format(weir_view_uint(rules, "acting"), view->out);
	weir_buf_add_str(view->out, " of at most ");
	weir_count_format(weir_view_uint(rules, "most"), view->out);
	weir_buf_add_str(view->out, " act\n");
	for (size_t i = 0; i < weir_json_size(policies); i++)
		policy_add(view, weir_json_at(policies, i));
	if (weir_json_size(policies) == 0)
		weir_buf_add_str(view->out, "default everywhere: allow\n");
}
