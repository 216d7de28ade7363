/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/csv.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/units.h"

#define NAME_MAX_BYTES 128

struct column {
	char name[NAME_MAX_BYTES];
	const struct weir_json *cell; /* of the row at hand */
};

struct sheet {
	struct column *columns;
	size_t count, next; /* next: where the next member most likely is */
	char prefix[NAME_MAX_BYTES];
	bool failed;
};

static struct column *column_add(struct sheet *sheet, const char *name)
{
	struct column *grown = reallocarray(sheet->columns, sheet->count + 1, sizeof(*grown));

	if (!grown) {
		sheet->failed = true;
		return NULL;
	}
	sheet->columns = grown;
	grown[sheet->count] = (struct column){ .cell = NULL };
	snprintf(grown[sheet->count].name, sizeof(grown[0].name), "%s", name);
	return &grown[sheet->count++];
}

/* Rows are alike, so their members come in the order of the columns. */
static struct column *column_of(struct sheet *sheet, const char *name)
{
	for (size_t i = 0; i < sheet->count; i++) {
		size_t at = (sheet->next + i) % sheet->count;

		if (strcmp(sheet->columns[at].name, name) != 0)
			continue;
		sheet->next = at + 1;
		return &sheet->columns[at];
	}
	return column_add(sheet, name);
}

static int member_take(const char *key, const struct weir_json *value, void *arg)
{
	struct sheet *sheet = arg;
	char name[NAME_MAX_BYTES];
	size_t len = strlen(sheet->prefix);

	snprintf(name, sizeof(name), "%s%s", sheet->prefix, key);
	if (weir_json_type(value) == WEIR_JSON_OBJECT) {
		snprintf(sheet->prefix + len, sizeof(sheet->prefix) - len, "%s.", key);
		(void)weir_json_each(value, member_take, sheet);
		sheet->prefix[len] = '\0';
		return 0;
	}
	struct column *column = column_of(sheet, name);

	if (column)
		column->cell = value;
	return 0;
}

static void row_take(struct sheet *sheet, const struct weir_json *row)
{
	for (size_t i = 0; i < sheet->count; i++)
		sheet->columns[i].cell = NULL;
	sheet->next = 0;
	(void)weir_json_each(row, member_take, sheet);
}

static void scalar_add(struct weir_buf *out, const struct weir_json *value)
{
	switch (weir_json_type(value)) {
	case WEIR_JSON_BOOL:
		weir_buf_add_str(out, weir_json_bool(value, false) ? "true" : "false");
		break;
	case WEIR_JSON_INTEGER:
		weir_buf_addf(out, "%" PRId64, weir_json_int(value, 0));
		break;
	case WEIR_JSON_REAL:
		weir_real_format(weir_json_real(value, 0), out);
		break;
	case WEIR_JSON_STRING:
		weir_buf_add_str(out, weir_json_str(value, ""));
		break;
	case WEIR_JSON_ARRAY:
		for (size_t i = 0; i < weir_json_size(value); i++) {
			weir_buf_add_str(out, i ? " " : "");
			scalar_add(out, weir_json_at(value, i));
		}
		break;
	default:
		break;
	}
}

static void text_add(struct weir_buf *out, const char *text)
{
	if (!strpbrk(text, ",\"\r\n")) {
		weir_buf_add_str(out, text);
		return;
	}
	weir_buf_add_char(out, '"');
	for (; *text; text++) {
		if (*text == '"')
			weir_buf_add_char(out, '"');
		weir_buf_add_char(out, *text);
	}
	weir_buf_add_char(out, '"');
}

static void row_add(struct weir_buf *out, const struct sheet *sheet)
{
	struct weir_buf cell = { 0 };

	for (size_t i = 0; i < sheet->count; i++) {
		weir_buf_add_str(out, i ? "," : "");
		weir_buf_clear(&cell);
		if (sheet->columns[i].cell)
			scalar_add(&cell, sheet->columns[i].cell);
		if (cell.len)
			text_add(out, weir_buf_str(&cell));
		out->failed = out->failed || cell.failed;
	}
	weir_buf_add_str(out, "\r\n");
	weir_buf_done(&cell);
}

struct found {
	const struct weir_json *rows; /* NULL: none */
	bool is_list;		      /* there is an array that could have rows, and has none */
};

static int array_find(const char *key, const struct weir_json *value, void *arg)
{
	struct found *found = arg;

	if (weir_json_type(value) != WEIR_JSON_ARRAY)
		return 0;
	if (!weir_json_size(value))
		found->is_list = found->is_list || strcmp(key, "warnings") != 0;
	else if (weir_json_type(weir_json_at(value, 0)) == WEIR_JSON_OBJECT &&
		 weir_json_size(value) > weir_json_size(found->rows))
		found->rows = value;
	return 0;
}

static void names_add(struct weir_buf *out, const struct sheet *sheet)
{
	for (size_t i = 0; i < sheet->count; i++) {
		weir_buf_add_str(out, i ? "," : "");
		text_add(out, sheet->columns[i].name);
	}
	weir_buf_add_str(out, "\r\n");
}

void weir_csv_write(const struct weir_json *answer, struct weir_buf *out)
{
	struct found found = { .rows = NULL };
	struct sheet sheet = { .count = 0 };

	(void)weir_json_each(answer, array_find, &found);
	const struct weir_json *rows = found.rows;

	if (!rows && found.is_list)
		return;
	size_t count = rows ? weir_json_size(rows) : 1;

	for (size_t i = 0; i < count; i++)
		row_take(&sheet, rows ? weir_json_at(rows, i) : answer);
	names_add(out, &sheet);
	for (size_t i = 0; i < count; i++) {
		row_take(&sheet, rows ? weir_json_at(rows, i) : answer);
		row_add(out, &sheet);
	}
	out->failed = out->failed || sheet.failed;
	free(sheet.columns);
}
