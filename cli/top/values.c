/* SPDX-License-Identifier: Apache-2.0 */
/* What a row has in a column: as a number, as a text, and which of two comes first. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/units.h"
#include "cli/top/rows.h"
#include "cli/view.h"

#define UNKNOWN "-"
#define INEXACT '~'
#define EVERY_PORT "all"

static double rate_of(const struct top_row *row, unsigned counters)
{
	double sum = 0;

	for (int i = 0; i < TOP_COUNTERS; i++)
		if (counters >> i & 1)
			sum += row->rates[i];
	return sum;
}

double top_row_number(const struct top_row *row, const struct top_column *column)
{
	if (column->kind == TOP_RATE || column->kind == TOP_RATE_SIZE)
		return rate_of(row, column->counters);
	return column->key ? weir_json_real(top_member(row->json, column->key), NAN) : NAN;
}

void top_end_add(const struct weir_json *row, const char *key, const char *port_key,
		 struct weir_buf *out)
{
	const char *address = weir_view_str(row, key), *ports = weir_view_str(row, port_key);

	if (*ports && strcmp(ports, EVERY_PORT) != 0)
		weir_buf_addf(out, strchr(address, ':') ? "[%s]:%s" : "%s:%s", address, ports);
	else
		weir_view_add_endpoint(out, row, key, port_key);
}

static void places_add(const struct weir_json *json, struct weir_buf *out)
{
	const char *in = weir_view_str(json, "in"), *leaves = weir_view_str(json, "out");

	weir_buf_addf(out, "%s%s>%s%s", in, *in ? " " : "", *leaves ? " " : "", leaves);
}

static void text_add(const struct top_row *row, const struct top_column *column,
		     struct weir_buf *out)
{
	const struct weir_json *member;

	if (column->kind == TOP_END) {
		top_end_add(row->json, column->key, column->port_key, out);
	} else if (column->kind == TOP_PLACES) {
		places_add(row->json, out);
	} else if (column->kind == TOP_TEXT) {
		member = top_member(row->json, column->key);
		if (weir_json_str(member, NULL))
			weir_buf_add_str(out, weir_json_str(member, ""));
		else if (member && weir_json_type(member) != WEIR_JSON_NULL)
			weir_json_add(member, out);
	}
}

static void number_add(enum top_kind kind, double number, struct weir_buf *out)
{
	uint64_t whole = (uint64_t)(number + 0.5);

	switch (kind) {
	case TOP_SIZE:
	case TOP_RATE_SIZE:
		weir_size_format(whole, out);
		break;
	case TOP_SECONDS:
		weir_duration_format(whole * WEIR_NS_PER_S, out);
		break;
	case TOP_REAL:
	case TOP_RATE:
		if (number < 10 && number > 0) {
			weir_buf_addf(out, "%.1f", number);
			break;
		}
		weir_count_format(whole, out);
		break;
	default:
		weir_count_format(whole, out);
	}
}

void top_row_text(const struct top_row *row, const struct top_column *column, struct weir_buf *out)
{
	double number;

	if (top_column_is_text(column)) {
		text_add(row, column, out);
		return;
	}
	number = top_row_number(row, column);
	if (isnan(number) || number < 0) {
		weir_buf_add_str(out, UNKNOWN);
		return;
	}
	if (row->is_inexact && (column->kind == TOP_RATE || column->kind == TOP_RATE_SIZE))
		weir_buf_add_char(out, INEXACT);
	number_add(column->kind, number, out);
}

void top_row_short(const struct top_row *row, const struct top_column *column,
		   struct weir_buf *text)
{
	static const char units[] = { ' ', 'k', 'M', 'G', 'T', 'P', 'E' };
	double number = top_row_number(row, column);
	size_t unit = 0;

	for (; number >= 999.95 && unit + 1 < sizeof(units); unit++)
		number /= 1000;
	weir_buf_clear(text);
	weir_buf_addf(text, "%.1f%c", number, units[unit]);
}

struct order {
	const struct top_column *column;
	bool is_reverse;
};

static int text_compare(const struct top_row *one, const struct top_row *other,
			const struct top_column *column)
{
	_cleanup_buf_ struct weir_buf left = { 0 }, right = { 0 };

	top_row_text(one, column, &left);
	top_row_text(other, column, &right);
	return strverscmp(weir_buf_str(&left), weir_buf_str(&right));
}

static int number_compare(double one, double other)
{
	one = isnan(one) ? -1 : one;
	other = isnan(other) ? -1 : other;
	return one > other ? -1 : one < other;
}

static int rows_compare(const void *left, const void *right, void *arg)
{
	const struct order *order = arg;
	const struct top_row *one = left, *other = right;
	int r = top_column_is_text(order->column) ?
			text_compare(one, other, order->column) :
			number_compare(top_row_number(one, order->column),
				       top_row_number(other, order->column));

	if (order->is_reverse)
		r = -r;
	for (int i = 0; !r && i < TOP_COUNTERS; i++)
		r = number_compare((double)one->counters[i], (double)other->counters[i]);
	return r ? r : strcmp(one->key, other->key);
}

void top_rows_sort(struct top_rows *rows, const struct top_column *column, bool is_reverse)
{
	struct order order = { column, is_reverse };

	if (rows->count)
		qsort_r(rows->at, rows->count, sizeof(*rows->at), rows_compare, &order);
}
