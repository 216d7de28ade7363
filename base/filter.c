/* SPDX-License-Identifier: Apache-2.0 */
/* Asks things whether they pass. Reading a filter is filter_read.c. */
#include "base/filter.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/filter_private.h"

int weir_filter_new(const char *text, const struct weir_filter_field *fields,
		    struct weir_diag *diag, struct weir_filter **ret_filter)
{
	_cleanup_filter_ struct weir_filter *filter = calloc(1, sizeof(*filter));
	if (!filter)
		return -ENOMEM;

	struct filter_reading reading = {
		.text = text,
		.next = text,
		.fields = fields,
		.diag = diag,
		.filter = filter,
	};
	int r = filter_read(&reading);
	if (r < 0)
		return r;
	*ret_filter = weir_take(filter);
	return 0;
}

bool weir_filter_asks(const struct weir_filter *filter, size_t field)
{
	for (uint16_t i = 0; i < filter->test_count; i++)
		if (filter->tests[i].field == field)
			return true;
	return false;
}

void weir_filter_free(struct weir_filter *filter)
{
	free(filter);
}

void weir_filter_freep(struct weir_filter **filter)
{
	weir_filter_free(*filter);
}

/*
 * Where a '*' was met, the text behind it is tried at each place from left to right. Only the last
 * '*' is ever gone back to, so the worst case is the product of both lengths.
 */
static bool pattern_matches(const char *pattern, size_t len, const char *text)
{
	const char *end = pattern + len, *behind_star = NULL, *tried = NULL;
	for (;;) {
		if (pattern < end && *pattern == FILTER_ANYTHING) {
			behind_star = ++pattern;
			tried = text;
		} else if (!*text) {
			return pattern == end;
		} else if (pattern < end && *pattern == *text) {
			pattern++;
			text++;
		} else if (behind_star) {
			pattern = behind_star;
			text = ++tried;
		} else {
			return false;
		}
	}
}

/* A range of IPv6 holds no IPv4 address, also where that block lies between its ends. */
static inline bool span_has_addr(const union filter_span *span, addr_number number)
{
	return number >= span->addr.from && number <= span->addr.to &&
	       number_is_v4(number) == number_is_v4(span->addr.from);
}

static inline bool span_has_text(const struct weir_filter *filter, const union filter_span *span,
				 const char *text)
{
	return pattern_matches(filter->patterns + span->text.start, span->text.len, text);
}

static bool spans_have_addr(const struct weir_filter *filter, const struct filter_test *test,
			    const struct weir_addr *addr)
{
	const union filter_span *span = &filter->spans[test->first_span];
	addr_number number = addr_to_number(addr);
	for (size_t i = 0; i < test->span_count; i++)
		if (span_has_addr(&span[i], number))
			return true;
	return false;
}

static bool spans_have_number(const struct weir_filter *filter, const struct filter_test *test,
			      uint64_t number)
{
	const union filter_span *span = &filter->spans[test->first_span];
	for (size_t i = 0; i < test->span_count; i++)
		if (number >= span[i].number.from && number <= span[i].number.to)
			return true;
	return false;
}

static bool spans_have_text(const struct weir_filter *filter, const struct filter_test *test,
			    const char *text)
{
	const union filter_span *span = &filter->spans[test->first_span];
	for (size_t i = 0; i < test->span_count; i++)
		if (span_has_text(filter, &span[i], text))
			return true;
	return false;
}

static bool test_holds_for(const struct weir_filter *filter, const struct filter_test *test,
			   const union weir_filter_value *value)
{
	switch ((enum weir_filter_type)test->type) {
	case WEIR_FILTER_ADDRESS:
		return spans_have_addr(filter, test, &value->addr);
	case WEIR_FILTER_NUMBER:
	case WEIR_FILTER_BYTES:
	case WEIR_FILTER_DURATION:
		return spans_have_number(filter, test, value->number);
	case WEIR_FILTER_WORD:
		return value->word < WEIR_FILTER_WORDS_MAX && test->words >> value->word & 1;
	case WEIR_FILTER_TEXT:
		return spans_have_text(filter, test, value->text);
	}
	return false;
}

bool weir_filter_matches(const struct weir_filter *filter, weir_filter_get *get, const void *item)
{
	uint16_t at = filter->start;
	while (at < filter->test_count) {
		const struct filter_test *test = &filter->tests[at];
		union weir_filter_value values[WEIR_FILTER_EITHER_MAX];
		size_t count = get(item, test->field, values);
		bool holds = false;
		for (size_t i = 0; i < count && !holds; i++)
			holds = test_holds_for(filter, test, &values[i]);
		at = test->next[holds];
	}
	return at == FILTER_PASS;
}
