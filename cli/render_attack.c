/* SPDX-License-Identifier: Apache-2.0 */
/* How much each interface is under attack: a line each in status, and every rate in attack show. */
#include <string.h>

#include "base/cleanup.h"
#include "base/units.h"
#include "cli/render.h"

static enum weir_color level_color(const char *level)
{
	return strcmp(level, "attack") == 0   ? WEIR_COLOR_BAD :
	       strcmp(level, "elevated") == 0 ? WEIR_COLOR_WARN :
						WEIR_COLOR_GOOD;
}

/* "52,310/s" */
static void rate_cell(struct weir_table *table, enum weir_color color, uint64_t per_second)
{
	_cleanup_buf_ struct weir_buf text = { 0 };

	weir_count_format(per_second, &text);
	weir_buf_add_str(&text, "/s");
	weir_table_cell(table, color, weir_buf_str(&text));
}

static void interface_line(const struct weir_view *view, const struct weir_json *interface)
{
	const char *level = weir_view_str(interface, "level");

	weir_buf_add_visible(view->out, weir_view_str(interface, "interface"));
	weir_buf_add_str(view->out, ": ");
	weir_view_add_colored(view, level_color(level), level);
	weir_buf_addf(view->out, " since %s", weir_view_str(interface, "since"));
	if (weir_view_str(interface, "rate")[0]) {
		weir_buf_addf(view->out, ", %s ", weir_view_str(interface, "rate"));
		weir_view_add_scalar(view->out, "", weir_json_get(interface, "per_second"));
		weir_buf_add_str(view->out, "/s, at most ");
		weir_view_add_scalar(view->out, "", weir_json_get(interface, "peak"));
		weir_buf_add_str(view->out, "/s, threshold ");
		weir_view_add_scalar(view->out, "", weir_json_get(interface, "threshold"));
		weir_buf_add_str(view->out, "/s");
	}
	weir_buf_add_char(view->out, '\n');
}

void weir_render_attack_status(const struct weir_view *view, const struct weir_json *attack)
{
	const struct weir_json *interfaces = weir_json_get(attack, "interfaces");

	if (!weir_view_bool(attack, "on"))
		return;
	weir_view_heading(view, "Attack");
	if (weir_json_size(interfaces) == 0)
		weir_buf_add_str(view->out, "no interface is judged yet\n");
	for (size_t i = 0; i < weir_json_size(interfaces); i++)
		interface_line(view, weir_json_at(interfaces, i));
}

/* A threshold that was learned has a mark: it is not the written one. */
static void threshold_cell(struct weir_table *table, const struct weir_json *rate,
			   const char *level)
{
	const struct weir_json *threshold = weir_json_get(rate, level);
	bool is_learned = strcmp(weir_view_str(threshold, "threshold_is"), "learned") == 0;

	rate_cell(table, is_learned ? WEIR_COLOR_WARN : WEIR_COLOR_DIM,
		  weir_view_uint(threshold, "threshold"));
	weir_table_cell(table, WEIR_COLOR_DIM, is_learned ? "learned" : "");
}

static void rate_row(struct weir_table *table, const struct weir_json *rate)
{
	const char *level = weir_view_str(rate, "level");
	bool is_measured = weir_view_bool(rate, "measured");

	weir_table_cell(table, WEIR_COLOR_PLAIN, weir_view_str(rate, "rate"));
	weir_table_cell(table, is_measured ? level_color(level) : WEIR_COLOR_DIM,
			is_measured ? level : "not measured");
	rate_cell(table, WEIR_COLOR_PLAIN, weir_view_uint(rate, "per_second"));
	rate_cell(table, WEIR_COLOR_PLAIN, weir_view_uint(rate, "peak"));
	rate_cell(table, WEIR_COLOR_PLAIN, weir_view_uint(rate, "usual"));
	threshold_cell(table, rate, "elevated");
	threshold_cell(table, rate, "attack");
	weir_table_count(table, WEIR_COLOR_PLAIN, weir_view_uint(rate, "packets"));
	weir_table_cell(table, WEIR_COLOR_DIM, weir_view_str(rate, "since"));
}

static void rates_show(const struct weir_view *view, const struct weir_json *rates)
{
	static const struct weir_column columns[] = {
		{ "rate", false }, { "level", false },	 { "now", true },    { "peak", true },
		{ "usual", true }, { "elevated", true }, { "", false },	     { "attack", true },
		{ "", false },	   { "packets", true },	 { "since", false },
	};
	_cleanup_table_ struct weir_table table = {
		.columns = columns,
		.column_count = WEIR_ARRAY_SIZE(columns),
		.color = view->color,
		.indent = 2,
	};

	for (size_t i = 0; i < weir_json_size(rates); i++)
		rate_row(&table, weir_json_at(rates, i));
	weir_table_print(&table, view->out);
}

void weir_render_attack(const struct weir_view *view)
{
	const struct weir_json *interfaces = weir_json_get(view->answer, "interfaces");

	if (!weir_view_bool(view->answer, "enabled")) {
		weir_buf_add_str(view->out, "attack is off; `attack: {enabled: true}` in weir.yaml "
					    "switches it on\n");
		return;
	}
	if (weir_json_size(interfaces) == 0)
		weir_buf_add_str(view->out, "no interface is judged yet\n");
	for (size_t i = 0; i < weir_json_size(interfaces); i++) {
		const struct weir_json *interface = weir_json_at(interfaces, i);

		interface_line(view, interface);
		rates_show(view, weir_json_get(interface, "rates"));
	}
}
