/* SPDX-License-Identifier: Apache-2.0 */
/* Lists and the live set in the status: gathered from the metrics that features give, where each
 * value has labels as text. */
#include <string.h>

#include "base/cleanup.h"
#include "base/units.h"
#include "cli/render.h"

#define LABEL_BYTES 64

struct list_row {
	char name[LABEL_BYTES];
	char action[LABEL_BYTES];
	char origin[LABEL_BYTES];
	uint64_t v4, v6, hits;
};

/* The value of list="name",action="deny" and so on, unescaped, cut to size; "" when it is not among
 * them. */
static void label_read(const char *labels, const char *key, char value[LABEL_BYTES])
{
	size_t key_len = strlen(key);
	size_t len = 0;

	value[0] = '\0';
	while (*labels) {
		bool found = strncmp(labels, key, key_len) == 0 &&
			     strncmp(labels + key_len, "=\"", 2) == 0;

		labels = strchr(labels, '"');
		if (!labels)
			return;
		for (labels++; *labels && *labels != '"'; labels++) {
			labels += *labels == '\\' && labels[1];
			if (found && len < LABEL_BYTES - 1)
				value[len++] = *labels;
		}
		if (found) {
			value[len] = '\0';
			return;
		}
		labels += *labels == '"';
		labels += *labels == ',';
	}
}

static struct list_row *row_find(struct weir_buf *rows, const char *labels)
{
	struct list_row row = { 0 };

	label_read(labels, "list", row.name);
	label_read(labels, "action", row.action);
	for (size_t at = 0; at < rows->len; at += sizeof(row)) {
		struct list_row *known = (void *)(rows->data + at);

		if (strcmp(known->name, row.name) == 0 && strcmp(known->action, row.action) == 0)
			return known;
	}
	if (weir_buf_add(rows, &row, sizeof(row)) < 0)
		return NULL;
	return (void *)(rows->data + rows->len - sizeof(row));
}

static void sample_take(struct weir_buf *rows, const struct weir_json *sample)
{
	const char *metric = weir_view_str(sample, "metric");
	const char *labels = weir_view_str(sample, "labels");
	uint64_t value = (uint64_t)weir_json_real(weir_json_get(sample, "value"), 0);
	bool entries = strcmp(metric, "list_entries") == 0;
	char family[LABEL_BYTES];

	if (!entries && strcmp(metric, "list_hits_packets_total") != 0)
		return;
	struct list_row *row = row_find(rows, labels);
	if (!row)
		return;
	if (!entries) {
		row->hits += value;
		return;
	}
	label_read(labels, "family", family);
	label_read(labels, "origin", row->origin);
	if (strcmp(family, "ipv6") == 0)
		row->v6 += value;
	else
		row->v4 += value;
}

static void rows_show(const struct weir_view *view, const struct weir_buf *rows)
{
	static const struct weir_column columns[] = {
		{ "list", false }, { "action", false }, { "IPv4", true },
		{ "IPv6", true },  { "hits", true },	{ "origin", false },
	};
	_cleanup_table_ struct weir_table table = {
		.columns = columns,
		.column_count = WEIR_ARRAY_SIZE(columns),
		.color = view->color,
	};

	for (size_t at = 0; at < rows->len; at += sizeof(struct list_row)) {
		const struct list_row *row = (const void *)(rows->data + at);

		weir_table_cell(&table, WEIR_COLOR_PLAIN, row->name);
		weir_table_cell(&table, weir_view_verdict_color(row->action), row->action);
		weir_table_count(&table, WEIR_COLOR_PLAIN, row->v4);
		weir_table_count(&table, WEIR_COLOR_PLAIN, row->v6);
		weir_table_count(&table, row->hits ? WEIR_COLOR_HEAD : WEIR_COLOR_PLAIN, row->hits);
		weir_table_cell(&table, WEIR_COLOR_DIM, row->origin);
	}
	weir_view_heading(view, "Lists");
	weir_table_print(&table, view->out);
}

static uint64_t sample_value(const struct weir_json *samples, const char *metric)
{
	for (size_t i = 0; i < weir_json_size(samples); i++) {
		const struct weir_json *sample = weir_json_at(samples, i);

		if (strcmp(weir_view_str(sample, "metric"), metric) == 0)
			return (uint64_t)weir_json_real(weir_json_get(sample, "value"), 0);
	}
	return 0;
}

void weir_render_samples(const struct weir_view *view, const struct weir_json *samples)
{
	_cleanup_buf_ struct weir_buf rows = { 0 };
	uint64_t capacity = sample_value(samples, "block_live_capacity");

	for (size_t i = 0; i < weir_json_size(samples); i++)
		sample_take(&rows, weir_json_at(samples, i));
	if (rows.len > 0)
		rows_show(view, &rows);
	if (capacity == 0)
		return;
	weir_count_format(sample_value(samples, "block_live_entries"), view->out);
	weir_buf_add_str(view->out, " of ");
	weir_count_format(capacity, view->out);
	weir_buf_add_str(view->out, " places of the live set in use\n");
}
