/* SPDX-License-Identifier: Apache-2.0 */
/* Shows an answer nobody wrote a view for: a new operation is readable from its first day. */
#include <string.h>

#include "cli/view.h"

#define INDENT 2

static bool is_object(const struct weir_json *value)
{
	return weir_json_type(value) == WEIR_JSON_OBJECT;
}

/* Times of a clock that means nothing to people: programs tell by them what is the same. Ages and
 * times of day stand beside. */
static bool is_mark(const char *key)
{
	return strcmp(key, "born_ns") == 0 || strcmp(key, "as_of_ns") == 0;
}

static bool is_rows(const struct weir_json *value)
{
	return weir_json_type(value) == WEIR_JSON_ARRAY && weir_json_size(value) > 0 &&
	       is_object(weir_json_at(value, 0));
}

/* The columns of a table of objects: every key of every row, in the order they turn up. */
struct columns {
	const char *keys[WEIR_TABLE_COLUMNS_MAX];
	bool numbers[WEIR_TABLE_COLUMNS_MAX];
	size_t count;
};

static int column_add(const char *key, const struct weir_json *value, void *arg)
{
	struct columns *columns = arg;
	size_t at = 0;

	while (at < columns->count && strcmp(columns->keys[at], key) != 0)
		at++;
	if (at == WEIR_TABLE_COLUMNS_MAX || is_mark(key))
		return 0;
	if (at == columns->count) {
		columns->keys[columns->count++] = key;
		columns->numbers[at] = true;
	}
	if (weir_json_type(value) != WEIR_JSON_INTEGER && weir_json_type(value) != WEIR_JSON_REAL &&
	    weir_json_type(value) != WEIR_JSON_NULL)
		columns->numbers[at] = false;
	return 0;
}

static void rows_show(const struct weir_view *view, const struct weir_json *rows, unsigned indent)
{
	struct columns columns = { .count = 0 };
	struct weir_column titles[WEIR_TABLE_COLUMNS_MAX];
	_cleanup_buf_ struct weir_buf labels = { 0 };
	size_t starts[WEIR_TABLE_COLUMNS_MAX];

	for (size_t i = 0; i < weir_json_size(rows); i++)
		(void)weir_json_each(weir_json_at(rows, i), column_add, &columns);
	for (size_t i = 0; i < columns.count; i++) {
		starts[i] = labels.len;
		weir_view_add_label(&labels, columns.keys[i]);
		weir_buf_add(&labels, "", 1);
	}
	if (labels.failed || columns.count == 0)
		return;
	for (size_t i = 0; i < columns.count; i++)
		titles[i] = (struct weir_column){ labels.data + starts[i], columns.numbers[i] };
	_cleanup_table_ struct weir_table table = {
		.columns = titles,
		.column_count = columns.count,
		.color = view->color,
		.indent = indent,
	};
	for (size_t row = 0; row < weir_json_size(rows); row++)
		for (size_t i = 0; i < columns.count; i++) {
			_cleanup_buf_ struct weir_buf text = { 0 };

			weir_view_add_scalar(&text, columns.keys[i],
					     weir_json_get(weir_json_at(rows, row),
							   columns.keys[i]));
			weir_table_cell(&table, weir_view_verdict_color(weir_buf_str(&text)),
					weir_buf_str(&text));
		}
	weir_table_print(&table, view->out);
}

struct members {
	const struct weir_view *view;
	struct weir_table *table;
	unsigned indent;
	bool nested; /* the second pass: what is no scalar */
};

static int member_show(const char *key, const struct weir_json *value, void *arg)
{
	struct members *members = arg;
	bool nested = is_object(value) || is_rows(value);
	_cleanup_buf_ struct weir_buf label = { 0 };
	_cleanup_buf_ struct weir_buf text = { 0 };

	/* Nulls say nothing, and warnings were told already, on standard error. */
	if (nested != members->nested || weir_json_type(value) == WEIR_JSON_NULL || is_mark(key) ||
	    (members->indent == 0 && strcmp(key, "warnings") == 0))
		return 0;
	weir_view_add_label(&label, key);
	if (!nested) {
		if (weir_json_type(value) == WEIR_JSON_ARRAY && !weir_json_size(value))
			weir_buf_add_str(&text, "none");
		weir_view_add_scalar(&text, key, value);
		weir_table_cell(members->table, WEIR_COLOR_DIM, weir_buf_str(&label));
		weir_table_cell(members->table, weir_view_verdict_color(weir_buf_str(&text)),
				weir_buf_str(&text));
		return 0;
	}
	if (members->indent == 0)
		weir_view_heading(members->view, "%s", weir_buf_str(&label));
	else
		weir_buf_addf(members->view->out, "%*s%s\n", (int)members->indent, "",
			      weir_buf_str(&label));
	weir_view_generic(members->view, value, members->indent + INDENT);
	return 0;
}

void weir_view_generic(const struct weir_view *view, const struct weir_json *value, unsigned indent)
{
	static const struct weir_column columns[] = { { "", false }, { "", false } };
	_cleanup_table_ struct weir_table table = {
		.columns = columns,
		.column_count = 2,
		.color = view->color,
		.indent = indent,
	};
	struct members members = { view, &table, indent, false };

	if (is_rows(value)) {
		rows_show(view, value, indent);
		return;
	}
	if (!is_object(value)) {
		weir_buf_addf(view->out, "%*s", (int)indent, "");
		weir_view_add_scalar(view->out, "", value);
		weir_buf_add_char(view->out, '\n');
		return;
	}
	(void)weir_json_each(value, member_show, &members);
	weir_table_print(&table, view->out);
	members.nested = true;
	(void)weir_json_each(value, member_show, &members);
}
