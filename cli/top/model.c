/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/top/model.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "cli/view.h"

void top_model_done(struct top_model *model)
{
	top_rows_done(&model->rows);
	top_look_free(model->look);
	weir_json_free(model->status);
	for (size_t i = 0; i < TOP_FILTERS; i++)
		free(model->filters[i]);
	free(model->problem);
	free(model->mend);
	free(model->selected);
	*model = (struct top_model){ 0 };
}

const struct top_way *top_model_way(const struct top_model *model)
{
	return &top_tabs[model->tab].ways[model->ways[model->tab]];
}

const char *top_model_filter(const struct top_model *model)
{
	const char *text = model->filters[top_model_way(model)->filtered];

	return text ? text : "";
}

int top_model_filter_set(struct top_model *model, const char *text)
{
	char **filter = &model->filters[top_model_way(model)->filtered];
	char *copy = strdup(text);

	if (!copy)
		return -ENOMEM;
	free(*filter);
	*filter = copy;
	return 0;
}

/* At first by the first rate, which is what a glance is for. */
struct top_sorting *top_model_sorting(struct top_model *model)
{
	struct top_sorting *sorting = &model->sorting[model->tab][model->ways[model->tab]];
	const struct top_column *columns = top_model_way(model)->columns;

	if (sorting->is_chosen)
		return sorting;
	sorting->is_chosen = true;
	for (size_t i = 0; columns[i].title; i++)
		if (columns[i].kind == TOP_RATE_SIZE || columns[i].kind == TOP_RATE) {
			sorting->column = i;
			break;
		}
	return sorting;
}

/* Of many rows the daemon tells the largest: by what they are sorted by here. */
static const char *measure_of(const struct top_model *model)
{
	const struct top_way *way = top_model_way(model);
	const struct top_sorting *sorting = &model->sorting[model->tab][model->ways[model->tab]];
	const char *key = way->columns[sorting->column].key;

	if (way->filtered != TOP_FILTER_FLOWS || !sorting->is_chosen || !key)
		return way->by;
	return strcmp(key, "packets") == 0 || strcmp(key, "flows") == 0 ? key : way->by;
}

struct top_look *top_model_ask(const struct top_model *model)
{
	struct top_look *look =
		top_look_new(model->tab, model->ways[model->tab], top_model_filter(model));

	if (look)
		look->by = measure_of(model);
	return look;
}

static struct top_totals totals_of(const struct weir_json *status)
{
	return (struct top_totals){
		.kernel_dropped = weir_json_real(top_member(status, "drops.packets"), NAN),
		.ended = weir_json_real(top_member(status, "conntrack.account.ended_packets"), NAN),
	};
}

static const struct weir_json *device_of(const struct weir_json *list,
					 const struct weir_json *device)
{
	for (size_t i = 0; i < weir_json_size(list); i++) {
		const struct weir_json *one = weir_json_at(list, i);

		if (weir_view_uint(one, "ifindex") == weir_view_uint(device, "ifindex") &&
		    strcmp(weir_json_str(weir_json_get(one, "name"), ""),
			   weir_json_str(weir_json_get(device, "name"), "")) == 0)
			return one;
	}
	return NULL;
}

/* Of devices that both looks have, and which went on: who comes or goes brings or takes all that
 * it ever counted. NAN: there is none of them. */
static double growth_of(const struct weir_json *now, const struct weir_json *before,
			const char *path)
{
	const struct weir_json *list = weir_json_get(now, "interfaces");
	double sum = weir_json_size(list) ? NAN : 0;

	for (size_t i = 0; i < weir_json_size(list); i++) {
		const struct weir_json *device = weir_json_at(list, i);
		const struct weir_json *old =
			device_of(weir_json_get(before, "interfaces"), device);
		const struct weir_json *count = top_member(device, path),
				       *was = top_member(old, path);
		double more = weir_json_real(count, 0) - weir_json_real(was, 0);

		if (old && !count == !was && more >= 0)
			sum = (isnan(sum) ? 0 : sum) + more;
	}
	return sum;
}

static double pace_of(double more, uint64_t ns)
{
	return ns && more >= 0 ? more * WEIR_NS_PER_S / (double)ns : NAN;
}

/* `ns` 0: nothing was known before. */
static void pace_find(struct top_model *model, const struct weir_json *status,
		      const struct top_totals *totals, uint64_t ns)
{
	const struct weir_json *before = model->status;

	model->pace = (struct top_pace){
		.in_bytes = pace_of(growth_of(status, before, "device.rx_bytes"), ns),
		.in_packets = pace_of(growth_of(status, before, "device.rx_packets"), ns),
		.out_bytes = pace_of(growth_of(status, before, "device.tx_bytes"), ns),
		.out_packets = pace_of(growth_of(status, before, "device.tx_packets"), ns),
		.dropped = pace_of(growth_of(status, before, "ingress_counts.drop_packets") +
					   growth_of(status, before, "egress_counts.drop_packets"),
				   ns),
		.kernel_dropped =
			pace_of(totals->kernel_dropped - model->totals.kernel_dropped, ns),
	};
	top_history_add(&model->in, model->pace.in_bytes);
	top_history_add(&model->out, model->pace.out_bytes);
}

static const char *totals_since(const struct top_look *look)
{
	return weir_json_str(top_member(look->answer, "ended.since"), "");
}

/* Counters of a run of the daemon are another's when it began later. */
static bool is_same_run(const struct top_model *model, const struct top_look *look)
{
	return !top_model_way(model)->is_per_run ||
	       weir_view_uint(look->status, "uptime_s") >=
		       weir_view_uint(model->status, "uptime_s");
}

static bool is_sequel(const struct top_model *model, const struct top_look *look)
{
	const struct top_look *before = model->look;

	return before && look->tab == before->tab && look->way == before->way &&
	       look->by == before->by && strcmp(look->filter, before->filter) == 0 &&
	       strcmp(totals_since(look), totals_since(before)) == 0 && is_same_run(model, look);
}

/* Ended as flows were looked at, this time or the last: it may be in neither look, or late in one.
 */
static bool was_late(const struct top_look *look, const struct top_look *before)
{
	return weir_json_int(top_member(look->answer, "meanwhile.packets"), 0) ||
	       weir_json_int(top_member(before->answer, "meanwhile.packets"), 0) ||
	       weir_json_int(top_member(look->answer, "unknown.packets"), 0) !=
		       weir_json_int(top_member(before->answer, "unknown.packets"), 0);
}

static struct top_step step_of(const struct top_model *model, const struct top_look *look,
			       bool ended_some)
{
	const struct top_way *way = top_model_way(model);
	const struct top_look *before = is_sequel(model, look) ? model->look : NULL;
	bool has_ended = weir_json_get(look->answer, "ended");

	return (struct top_step){
		.before_ns = before ? before->at_ns : 0,
		.at_ns = look->at_ns,
		.lost_some = before && way->has_ended &&
			     (has_ended ? was_late(look, before) : ended_some),
		.has_ended = has_ended,
		.is_unsteady =
			!way->birth && !weir_json_bool(weir_json_get(look->answer, "steady"), true),
	};
}

static void rows_clear(struct top_model *model)
{
	top_rows_done(&model->rows);
	top_look_free(model->look);
	model->look = NULL;
}

static void problem_take(struct top_model *model, struct top_look *look)
{
	free(model->problem);
	free(model->mend);
	model->problem = weir_take(look->problem);
	model->mend = weir_take(look->mend);
	if (look->fate == TOP_GONE && !model->is_gone)
		model->gone_since_ns = look->at_ns;
	model->is_gone = look->fate == TOP_GONE;
}

static void rows_sort(struct top_model *model)
{
	const struct top_sorting *sorting = top_model_sorting(model);

	top_rows_sort(&model->rows, &top_model_way(model)->columns[sorting->column],
		      sorting->is_reverse);
}

static bool selected_find(const struct top_model *model, size_t *ret_index)
{
	for (size_t i = 0; model->selected && i < model->rows.count; i++)
		if (strcmp(model->rows.at[i].key, model->selected) == 0) {
			*ret_index = i;
			return true;
		}
	return false;
}

/* True: the look is kept. */
static bool rows_take(struct top_model *model, struct top_look *look, bool ended_some)
{
	const struct top_way *way = top_model_way(model);
	struct top_rows none = { 0 }, rows = { 0 };
	struct top_step step = step_of(model, look, ended_some);

	if (top_rows_read(way, way->target ? look->answer : look->status,
			  step.before_ns ? &model->rows : &none, &step, &rows))
		return false;
	size_t index = top_model_selected(model);

	rows_clear(model);
	model->rows = rows;
	model->look = look;
	rows_sort(model);
	if (model->selected && !selected_find(model, &index))
		top_model_select(model, index);
	return true;
}

/* The status is there even when what was asked for is refused. Its owner is the model from here on:
 * rows may be of it. */
static void status_take(struct top_model *model, struct top_look *look,
			const struct top_totals *totals)
{
	weir_json_free(model->status);
	model->status = weir_take(look->status);
	model->totals = *totals;
	model->totals_at_ns = look->at_ns;
}

void top_model_take(struct top_model *model, struct top_look *look)
{
	struct top_totals totals = totals_of(look->status);
	/* Not told, or NAN, is not equal: then some may have been lost. */
	bool ended_some = !(totals.ended == model->totals.ended), is_kept = false;

	if (look->tab != model->tab || look->way != model->ways[model->tab]) {
		top_look_free(look);
		return;
	}
	problem_take(model, look);
	if (look->status)
		pace_find(model, look->status, &totals,
			  model->status ? look->at_ns - model->totals_at_ns : 0);
	if (look->fate == TOP_ANSWERED)
		is_kept = rows_take(model, look, ended_some);
	else if (look->fate == TOP_REFUSED && !look->is_trial)
		rows_clear(model);
	if (look->status)
		status_take(model, look, &totals);
	if (!is_kept)
		top_look_free(look);
}

static void view_change(struct top_model *model)
{
	rows_clear(model);
	free(weir_take(model->problem));
	free(weir_take(model->mend));
	free(weir_take(model->selected));
	model->first = 0;
}

void top_model_tab(struct top_model *model, size_t tab)
{
	if (tab == model->tab)
		return;
	model->tab = tab;
	view_change(model);
}

void top_model_way_next(struct top_model *model)
{
	size_t count = top_ways_count(&top_tabs[model->tab]);

	if (count < 2)
		return;
	model->ways[model->tab] = (model->ways[model->tab] + 1) % count;
	view_change(model);
}

void top_model_sort_column(struct top_model *model, size_t column)
{
	struct top_sorting *sorting = top_model_sorting(model);

	if (!top_column_sorts(&top_model_way(model)->columns[column]))
		return;
	sorting->column = column;
	sorting->is_reverse = false;
	rows_sort(model);
}

void top_model_sort_step(struct top_model *model, int step)
{
	const struct top_way *way = top_model_way(model);
	size_t count = top_columns_count(way), column = top_model_sorting(model)->column;

	do {
		column = (column + count + (size_t)step) % count;
	} while (!top_column_sorts(&way->columns[column]));
	top_model_sort_column(model, column);
}

void top_model_sort_reverse(struct top_model *model)
{
	struct top_sorting *sorting = top_model_sorting(model);

	sorting->is_reverse = !sorting->is_reverse;
	rows_sort(model);
}

size_t top_model_selected(const struct top_model *model)
{
	size_t index = 0;

	selected_find(model, &index);
	return index;
}

const struct top_row *top_model_row(const struct top_model *model)
{
	return model->rows.count ? &model->rows.at[top_model_selected(model)] : NULL;
}

/* By its key: it stays selected wherever the next look puts it, so that what is blocked is what was
 * meant. */
void top_model_select(struct top_model *model, size_t index)
{
	if (!model->rows.count)
		return;
	if (index >= model->rows.count)
		index = model->rows.count - 1;
	free(model->selected);
	model->selected = strdup(model->rows.at[index].key);
}

void top_model_move(struct top_model *model, long step)
{
	long index = (long)top_model_selected(model) + step;

	top_model_select(model, index > 0 ? (size_t)index : 0);
}

void top_model_scroll(struct top_model *model, size_t height)
{
	size_t at = top_model_selected(model);

	if (at < model->first)
		model->first = at;
	if (at >= model->first + height)
		model->first = at - height + 1;
	if (model->first + height > model->rows.count)
		model->first = model->rows.count > height ? model->rows.count - height : 0;
}
