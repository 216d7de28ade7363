/* SPDX-License-Identifier: Apache-2.0 */
/* What check and replay found. */
#include "base/clock.h"
#include "base/units.h"
#include "cli/render.h"

#include <string.h>

void weir_render_check(const struct weir_view *view)
{
	const struct weir_json *answer = view->answer;

	weir_buf_add_visible(view->out, weir_view_str(answer, "file"));
	weir_buf_add_str(view->out, " is ");
	weir_view_add_colored(view, WEIR_COLOR_GOOD, "right");
	weir_buf_add_str(view->out, ": ");
	weir_view_add_plural(view->out, weir_view_uint(answer, "interfaces"), "interface",
			     "interfaces");
	weir_buf_add_str(view->out, ", ");
	weir_view_add_plural(view->out, weir_view_uint(answer, "classes"), "address class",
			     "address classes");
	weir_buf_add_str(view->out, ", policy of ");
	weir_size_format(weir_view_uint(answer, "bytes"), view->out);
	weir_buf_add_str(view->out, " (");
	weir_size_format(weir_view_uint(answer, "limit_bytes"), view->out);
	weir_buf_add_str(view->out, " allowed)\n");
}

static void replay_head(const struct weir_view *view)
{
	const struct weir_json *answer = view->answer;
	uint64_t packets = weir_view_uint(answer, "packets");
	uint64_t took_ms = weir_view_uint(answer, "took_ms");
	uint64_t cut_short = weir_view_uint(answer, "cut_short");

	weir_view_add_plural(view->out, packets, "packet", "packets");
	weir_buf_add_str(view->out, ", ");
	weir_size_format(weir_view_uint(answer, "bytes"), view->out);
	weir_buf_add_str(view->out, ", ");
	weir_duration_format(weir_view_uint(answer, "duration_ms") * WEIR_NS_PER_MS, view->out);
	weir_buf_add_str(view->out, " of traffic");
	if (took_ms) {
		weir_buf_add_str(view->out, ", judged in ");
		weir_view_add_seconds(view->out, took_ms);
	}
	if (cut_short) {
		weir_buf_add_str(view->out, "; ");
		weir_count_format(cut_short, view->out);
		weir_buf_add_str(view->out, " captured only in part");
	}
	weir_buf_add_char(view->out, '\n');
}

static void sources_table(const struct weir_view *view, const struct weir_json *sources)
{
	static const struct weir_column columns[] = {
		{ "source", false },
		{ "passed", true },
		{ "dropped", true },
		{ "bytes", true },
	};
	_cleanup_table_ struct weir_table table = {
		.columns = columns,
		.column_count = 4,
		.color = view->color,
	};

	for (size_t i = 0; i < weir_json_size(sources); i++) {
		const struct weir_json *source = weir_json_at(sources, i);
		uint64_t dropped = weir_view_uint(source, "dropped");
		_cleanup_buf_ struct weir_buf bytes = { 0 };

		weir_size_format(weir_view_uint(source, "bytes"), &bytes);
		weir_table_cell(&table, WEIR_COLOR_PLAIN, weir_view_str(source, "source"));
		weir_table_count(&table, WEIR_COLOR_PLAIN, weir_view_uint(source, "passed"));
		weir_table_count(&table, dropped ? WEIR_COLOR_BAD : WEIR_COLOR_PLAIN, dropped);
		weir_table_cell(&table, WEIR_COLOR_PLAIN, weir_buf_str(&bytes));
	}
	weir_table_print(&table, view->out);
}

void weir_render_replay(const struct weir_view *view)
{
	const struct weir_json *sources = weir_json_get(view->answer, "sources");
	uint64_t count = weir_view_uint(view->answer, "source_count");
	uint64_t shown = weir_json_size(sources);

	replay_head(view);
	if (weir_json_size(weir_json_get(view->answer, "reasons")) == 0)
		return;
	weir_view_heading(view, "How they end");
	weir_render_reasons(view, weir_json_get(view->answer, "reasons"));
	if (shown == 0)
		return;
	weir_view_heading(view, "Sources");
	sources_table(view, sources);
	if (shown == count)
		return;
	weir_buf_add_str(view->out, "and ");
	weir_count_format(count - shown, view->out);
	weir_buf_add_str(view->out, " more\n");
}

static int account_add(const char *name, const struct weir_json *count, void *arg)
{
	struct weir_buf *out = arg;
	uint64_t packets = weir_view_uint(count, "packets");

	if (!packets || strcmp(name, "flow") == 0)
		return 0;
	weir_buf_add_str(out, out->len ? ", " : "");
	weir_count_format(packets, out);
	weir_buf_addf(out, " %s", name);
	return 0;
}

void weir_render_replay_flows(const struct weir_view *view)
{
	const struct weir_json *account = weir_json_get(view->answer, "account");
	_cleanup_buf_ struct weir_buf which = { 0 };

	replay_head(view);
	weir_view_heading(view, "Flows");
	weir_render_flow_records(view);
	weir_view_add_plural(view->out, weir_view_uint(view->answer, "made"), "flow", "flows");
	(void)weir_json_each(account, account_add, &which);
	if (which.len)
		weir_buf_addf(view->out, "; in none: %s", weir_buf_str(&which));
	weir_buf_add_char(view->out, '\n');
}
