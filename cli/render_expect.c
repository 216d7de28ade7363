/* SPDX-License-Identifier: Apache-2.0 */
/* What became of expectations. */
#include "cli/render.h"

static void by_add(struct weir_buf *out, const char *name)
{
	if (!name[0])
		return;
	weir_buf_add_str(out, " by ");
	weir_buf_add_visible(out, name);
}

/* "allowed by office (pass_allowed)", "denied by rule 12 (drop_rule)" */
static void found_add(const struct weir_view *view, const struct weir_json *found)
{
	const struct weir_json *rule = weir_json_get(found, "rule");
	const char *name = weir_view_str(rule, "name");

	weir_buf_add_visible(view->out, weir_view_str(found, "outcome"));
	if (rule && !name[0])
		weir_buf_addf(view->out, " by rule %llu",
			      (unsigned long long)weir_view_uint(rule, "id"));
	else
		by_add(view->out, rule ? name : weir_view_str(found, "list"));
	weir_buf_addf(view->out, " (%s)", weir_view_str(found, "reason"));
}

static void failure_add(const struct weir_view *view, const struct weir_json *failure)
{
	const struct weir_json *expected = weir_json_get(failure, "expected"),
			       *found = weir_json_get(failure, "found");

	weir_buf_add_visible(view->out, weir_view_str(view->answer, "file"));
	weir_buf_addf(view->out, ":%llu: ", (unsigned long long)weir_view_uint(failure, "line"));
	weir_view_add_colored(view, WEIR_COLOR_BAD, "expected ");
	weir_buf_add_visible(view->out, weir_view_str(expected, "outcome"));
	by_add(view->out, weir_view_str(expected, "by"));
	if (found) {
		weir_buf_add_str(view->out, ", found ");
		found_add(view, found);
	} else {
		weir_buf_add_str(view->out, ", but cannot be asked: ");
		weir_buf_add_visible(view->out, weir_view_str(failure, "error"));
	}
	weir_buf_add_str(view->out, "\n    ");
	weir_buf_add_visible(view->out, weir_view_str(failure, "text"));
	weir_buf_add_char(view->out, '\n');
}

void weir_render_expectations(const struct weir_view *view)
{
	const struct weir_json *failures = weir_json_get(view->answer, "failures");

	for (size_t i = 0; i < weir_json_size(failures); i++)
		failure_add(view, weir_json_at(failures, i));
	weir_buf_addf(view->out, "%llu passed, %llu failed\n",
		      (unsigned long long)weir_view_uint(view->answer, "passed"),
		      (unsigned long long)weir_view_uint(view->answer, "failed"));
}
