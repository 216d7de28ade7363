/* SPDX-License-Identifier: Apache-2.0 */
/* Which row is whose, from one run to the next. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "features/balance/balance_state.h"

#define FILE_VERSION 1
#define FILE_BYTES_MAX (1u << 28)
#define FILE_MODE 0600
#define ROWS_MAX (1u << 24)

int balance_rows_save(const char *dir, const struct balance_rows *rows)
{
	_cleanup_free_ char *path = dir ? weir_path_join(dir, BALANCE_ROWS_FILE) : NULL;
	_cleanup_buf_ struct weir_buf text = { 0 };
	struct weir_json_out json = { .out = &text };
	char key[17];

	if (!dir)
		return 0;
	weir_json_open_object(&json, NULL);
	weir_json_put_uint(&json, "version", FILE_VERSION);
	weir_json_put_uint(&json, "room", rows->room);
	weir_json_open_object(&json, "rows");
	for (uint32_t i = 0; i < rows->count; i++) {
		snprintf(key, sizeof(key), "%016" PRIx64, rows->at[i].identity);
		weir_json_put_uint(&json, key, rows->at[i].row);
	}
	weir_json_close_object(&json);
	weir_json_close_object(&json);
	weir_buf_add_char(&text, '\n');
	if (!path || text.failed)
		return -ENOMEM;
	return weir_file_replace(path, text.data, text.len, FILE_MODE);
}

static int row_read(const char *key, const struct weir_json *value, void *arg)
{
	struct balance_rows *rows = arg;
	int64_t row = weir_json_int(value, 0);
	uint64_t identity = strtoull(key, NULL, 16);

	if (!identity || row < 1 || row > ROWS_MAX)
		return -EINVAL;
	rows->at[rows->count++] =
		(struct balance_tally_row){ .identity = identity, .row = (uint32_t)row };
	return 0;
}

static int row_compare(const void *a, const void *b)
{
	const struct balance_tally_row *x = a, *y = b;

	return x->row < y->row ? -1 : x->row > y->row;
}

static int identity_compare(const void *a, const void *b)
{
	const struct balance_tally_row *x = a, *y = b;

	return x->identity < y->identity ? -1 : x->identity > y->identity;
}

static int rows_check(struct balance_rows *rows)
{
	qsort(rows->at, rows->count, sizeof(*rows->at), row_compare);
	for (uint32_t i = 1; i < rows->count; i++)
		if (rows->at[i].row == rows->at[i - 1].row)
			return -EINVAL;
	qsort(rows->at, rows->count, sizeof(*rows->at), identity_compare);
	return 0;
}

static int text_read(const struct weir_buf *text, struct balance_rows *rows)
{
	_cleanup_json_ struct weir_json *json = NULL;
	int r = weir_json_parse(weir_buf_str(text), text->len, NULL, NULL, &json);

	if (r)
		return r;
	const struct weir_json *object = weir_json_get(json, "rows");

	if (weir_json_int(weir_json_get(json, "version"), 0) != FILE_VERSION || !object ||
	    weir_json_type(object) != WEIR_JSON_OBJECT)
		return -EINVAL;
	int64_t room = weir_json_int(weir_json_get(json, "room"), 0);

	rows->room = room > 0 && room <= ROWS_MAX ? (uint32_t)room : 0;
	rows->at = calloc(weir_json_size(object) + 1, sizeof(*rows->at));
	if (!rows->at)
		return -ENOMEM;
	r = weir_json_each(object, row_read, rows);
	return r ? r : rows_check(rows);
}

int balance_rows_load(const char *dir, struct weir_diag *diag, struct balance_rows *ret_rows)
{
	_cleanup_free_ char *path = dir ? weir_path_join(dir, BALANCE_ROWS_FILE) : NULL,
			    *kept = NULL;
	_cleanup_buf_ struct weir_buf text = { 0 };
	_cleanup_balance_rows_ struct balance_rows rows = { 0 };

	if (!path)
		return dir ? -ENOMEM : 0;
	int r = weir_file_read(path, FILE_BYTES_MAX, &text);

	if (r == -ENOENT)
		return 0;
	if (!r)
		r = text_read(&text, &rows);
	if (r == -ENOMEM)
		return r;
	if (r) {
		weir_file_keep_aside(path, &kept);
		return weir_diag_warning(diag, NULL,
					 "%s is damaged: backends are counted anew; it is kept as "
					 "%s",
					 path, kept ? kept : "a file beside it");
	}
	*ret_rows = rows;
	rows = (struct balance_rows){ 0 };
	return 0;
}
