/* SPDX-License-Identifier: Apache-2.0 */
/* Which row is whose, from one run to the next. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "base/kept.h"
#include "features/balance/balance_state.h"

#define ROWS_MAX (1u << 24)

static const struct weir_kept rows_kept = {
	.file = BALANCE_ROWS_FILE,
	.version = 1,
	.bytes_max = 1u << 28,
	.rest = "backends are counted anew",
};

static void row_put(const struct balance_tally_row *row, uint32_t value, struct weir_json_out *json)
{
	char key[17];

	snprintf(key, sizeof(key), "%016" PRIx64, row->identity);
	weir_json_put_uint(json, key, value);
}

static void rows_put(struct weir_json_out *json, const void *arg)
{
	const struct balance_rows *rows = arg;

	weir_json_put_uint(json, "room", rows->room);
	weir_json_open_object(json, "rows");
	for (uint32_t i = 0; i < rows->count; i++)
		row_put(&rows->at[i], rows->at[i].row, json);
	weir_json_close_object(json);
	weir_json_open_object(json, "numbers");
	for (uint32_t i = 0; i < rows->count; i++)
		if (rows->at[i].number)
			row_put(&rows->at[i], rows->at[i].number, json);
	weir_json_close_object(json);
}

int balance_rows_save(const char *dir, const struct balance_rows *rows)
{
	return weir_kept_save(&rows_kept, dir, rows_put, rows);
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

static int number_read(const char *key, const struct weir_json *value, void *arg)
{
	const struct balance_rows *rows = arg;
	int64_t number = weir_json_int(value, 0);
	const struct balance_tally_row *found = balance_rows_row(rows, strtoull(key, NULL, 16));

	if (!found || number < 1 || number > UINT16_MAX)
		return -EINVAL;
	rows->at[found - rows->at].number = (uint16_t)number;
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

static int rows_read(const struct weir_json *json, struct weir_diag *why, void *arg)
{
	const struct weir_json *object = weir_json_get(json, "rows"),
			       *numbers = weir_json_get(json, "numbers");
	int64_t room = weir_json_int(weir_json_get(json, "room"), 0);
	struct balance_rows *rows = arg;

	if (!object || weir_json_type(object) != WEIR_JSON_OBJECT)
		return weir_diag_error(why, NULL, "it has no rows");
	rows->room = room > 0 && room <= ROWS_MAX ? (uint32_t)room : 0;
	rows->at = calloc(weir_json_size(object) + 1, sizeof(*rows->at));
	if (!rows->at)
		return -ENOMEM;
	if (weir_json_each(object, row_read, rows) || rows_check(rows) ||
	    (numbers && weir_json_each(numbers, number_read, rows)))
		return weir_diag_error(why, NULL, "its rows are not those of counters");
	return 0;
}

int balance_rows_load(const char *dir, struct weir_diag *diag, struct balance_rows *ret_rows)
{
	_cleanup_balance_rows_ struct balance_rows rows = { 0 };
	int r = weir_kept_load(&rows_kept, dir, rows_read, &rows, diag);

	if (r)
		return r == -ENOMEM ? r : 0;
	*ret_rows = rows;
	rows = (struct balance_rows){ 0 };
	return 0;
}
