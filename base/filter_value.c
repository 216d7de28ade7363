/* SPDX-License-Identifier: Apache-2.0 */
/* Reads the values of a comparison, by the type of its field. */
#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/addr.h"
#include "base/filter_private.h"
#include "base/units.h"

/* A value as text, and what it is for. */
struct value {
	struct filter_reading *reading;
	const struct filter_comparison *comparison;
	char text[WEIR_FILTER_VALUE_MAX + 1];
	size_t len;
};

static int value_refuse(const struct value *value, const char *why)
{
	return filter_refuse_value(value->reading, value->comparison, why);
}

static int span_add(const struct value *value, const union filter_span *span)
{
	struct weir_filter *filter = value->reading->filter;
	if (filter->span_count == WEIR_FILTER_LISTED_MAX)
		return filter_refuse(value->reading, value->reading->token.from,
				     "ask for less at once, or write ranges", "more than %d values",
				     WEIR_FILTER_LISTED_MAX);
	filter->spans[filter->span_count++] = *span;
	value->comparison->test->span_count++;
	return 0;
}

static int value_read_address(const struct value *value)
{
	struct weir_range range;
	const char *why;
	if (weir_range_from_string(value->text, value->len, &range, NULL, &why) < 0)
		return value_refuse(value, why);
	return span_add(value,
			&(union filter_span){
				.addr = { addr_to_number(&range.from), addr_to_number(&range.to) },
			});
}

/* Decimal, or hexadecimal behind 0x: marks and the like are written so. */
static int plain_number_from_string(const char *text, uint64_t *ret_number)
{
	bool is_hex = text[0] == '0' && (text[1] == 'x' || text[1] == 'X');
	const char *digits = is_hex ? text + 2 : text;
	if (!*digits || digits[strspn(digits, is_hex ? "0123456789abcdefABCDEF" : "0123456789")])
		return -EINVAL;

	uint64_t number = 0;
	for (; *digits; digits++) {
		unsigned digit = (unsigned char)*digits;
		digit = digit <= '9' ? digit - '0' : (digit | 0x20) - 'a' + 10;
		if (__builtin_mul_overflow(number, is_hex ? 16 : 10, &number) ||
		    __builtin_add_overflow(number, digit, &number))
			return -ERANGE;
	}
	*ret_number = number;
	return 0;
}

static int number_refuse_large(const struct value *value)
{
	char why[64];
	uint64_t max = value->comparison->field->max;
	snprintf(why, sizeof(why), "too large, %" PRIu64 " is the most", max);
	return value_refuse(value, max ? why : "too large");
}

static int number_read(const struct value *value, const char *text, uint64_t *ret_number)
{
	const struct weir_filter_field *field = value->comparison->field;
	int r;
	if (field->type == WEIR_FILTER_BYTES)
		r = weir_size_from_string(text, ret_number);
	else if (field->type == WEIR_FILTER_DURATION)
		r = weir_duration_from_string(text, ret_number);
	else
		r = plain_number_from_string(text, ret_number);

	if (r == -ERANGE || (r == 0 && field->max && *ret_number > field->max))
		return number_refuse_large(value);
	if (r == 0)
		return 0;
	static const char *const why[] = {
		[WEIR_FILTER_NUMBER] = "not a number",
		[WEIR_FILTER_BYTES] = "not a number of bytes",
		[WEIR_FILTER_DURATION] = "not a duration",
	};
	return value_refuse(value, why[field->type]);
}

/* The numbers that are so to `number`; false when there is none below 0 or above all. */
static bool order_span(enum filter_relation relation, uint64_t number, union filter_span *ret_span)
{
	uint64_t from = 0, to = UINT64_MAX;
	if (relation == FILTER_BELOW && number == 0)
		return false;
	if (relation == FILTER_ABOVE && number == UINT64_MAX)
		return false;
	if (relation == FILTER_BELOW || relation == FILTER_AT_MOST)
		to = number - (relation == FILTER_BELOW);
	else
		from = number + (relation == FILTER_ABOVE);
	ret_span->number.from = from;
	ret_span->number.to = to;
	return true;
}

static int value_read_ordered(const struct value *value)
{
	enum filter_relation relation = value->comparison->sign.relation;
	union filter_span span;
	uint64_t number;
	int r = number_read(value, value->text, &number);
	if (r < 0 || !order_span(relation, number, &span))
		return r;
	return span_add(value, &span);
}

static int value_read_number(struct value *value)
{
	if (value->comparison->sign.relation >= FILTER_BELOW)
		return value_read_ordered(value);

	uint64_t from, to;
	char *dash = strchr(value->text, '-');
	if (dash)
		*dash = '\0';
	int r = number_read(value, value->text, &from);
	if (r < 0)
		return r;
	to = from;
	if (dash)
		r = number_read(value, dash + 1, &to);
	if (r < 0)
		return r;
	if (from > to)
		return value_refuse(value, "a range goes from its lower to its higher end");
	return span_add(value, &(union filter_span){ .number = { from, to } });
}

static int value_read_word(const struct value *value)
{
	const char *const *words = value->comparison->field->words;
	for (size_t i = 0; words[i]; i++) {
		assert(i < WEIR_FILTER_WORDS_MAX);
		if (strcasecmp(words[i], value->text) != 0)
			continue;
		value->comparison->test->words |= 1ull << i;
		return 0;
	}
	return filter_refuse_word(value->reading, value->comparison);
}

/* Patterns together are no longer than the text they stand in. */
static int value_read_text(const struct value *value)
{
	struct weir_filter *filter = value->reading->filter;
	char *pattern = filter->patterns + filter->pattern_bytes;
	size_t len = filter_token_value(&value->reading->token, FILTER_ANYTHING, pattern);
	union filter_span span = { .text = { filter->pattern_bytes, (uint16_t)len } };
	filter->pattern_bytes = (uint16_t)(filter->pattern_bytes + len);
	return span_add(value, &span);
}

int filter_value_read(struct filter_reading *reading, const struct filter_comparison *comparison)
{
	const struct filter_token *token = &reading->token;
	if (token->kind != FILTER_BARE && token->kind != FILTER_QUOTED)
		return filter_refuse_no_value(reading, comparison);
	if (token->len > WEIR_FILTER_VALUE_MAX)
		return filter_refuse(reading, token->from, "write a shorter one",
				     "a value of %zu bytes, %d are the most", token->len,
				     WEIR_FILTER_VALUE_MAX);
	struct value value = { .reading = reading, .comparison = comparison };
	value.len = filter_token_value(token, '*', value.text);
	switch (comparison->field->type) {
	case WEIR_FILTER_ADDRESS:
		return value_read_address(&value);
	case WEIR_FILTER_NUMBER:
	case WEIR_FILTER_BYTES:
	case WEIR_FILTER_DURATION:
		return value_read_number(&value);
	case WEIR_FILTER_WORD:
		return value_read_word(&value);
	case WEIR_FILTER_TEXT:
		return value_read_text(&value);
	}
	assert(!"a type of field that is none");
	return -EINVAL;
}
