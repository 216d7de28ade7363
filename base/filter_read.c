/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reads a filter from left to right into tests that are asked from left to right; there is no tree
 * between. Only parentheses recurse.
 */
#include <string.h>
#include <strings.h>

#include "base/filter_private.h"

#define WAY_NONE UINT16_MAX

/*
 * A read part of a filter. Where its tests lead when it is decided is not known until what follows
 * is read. Those ways are two chains, by the decision: each open next[] holds which is the next
 * open one, as 2 * test + answer. (Backpatching: Aho, Sethi, Ullman, Compilers, 1986, 8.6.)
 */
struct part {
	uint16_t first; /* its leftmost test */
	uint16_t open[2];
};

static uint16_t *way_at(struct weir_filter *filter, uint16_t way)
{
	return &filter->tests[way / 2].next[way % 2];
}

static void ways_lead_to(struct weir_filter *filter, uint16_t way, uint16_t target)
{
	while (way != WAY_NONE) {
		uint16_t *next = way_at(filter, way);
		way = *next;
		*next = target;
	}
}

static uint16_t ways_join(struct weir_filter *filter, uint16_t a, uint16_t b)
{
	if (a == WAY_NONE)
		return b;
	uint16_t *last = way_at(filter, a);
	while (*last != WAY_NONE)
		last = way_at(filter, *last);
	*last = b;
	return a;
}

static void part_negate(struct part *part)
{
	uint16_t open = part->open[0];
	part->open[0] = part->open[1];
	part->open[1] = open;
}

/* `asked` is what left must be for right to be asked: true for `and`, false for `or`. */
static void part_append(struct weir_filter *filter, struct part *left, const struct part *right,
			bool asked)
{
	ways_lead_to(filter, left->open[asked], right->first);
	left->open[asked] = right->open[asked];
	left->open[!asked] = ways_join(filter, left->open[!asked], right->open[!asked]);
}

static const struct weir_filter_field *field_find(const struct filter_reading *reading)
{
	const struct filter_token *token = &reading->token;
	const struct weir_filter_field *field = reading->fields;
	for (; field->name; field++)
		if (strlen(field->name) == token->len &&
		    strncasecmp(field->name, token->from, token->len) == 0)
			return field;
	return NULL;
}

/* The field and what stands between it and its first value. */
static int comparison_begin(struct filter_reading *reading, struct filter_comparison *comparison)
{
	if (reading->token.kind != FILTER_BARE)
		return filter_refuse_start(reading);
	comparison->field = field_find(reading);
	if (!comparison->field)
		return filter_refuse_field(reading);

	struct weir_filter *filter = reading->filter;
	if (filter->test_count == WEIR_FILTER_TESTS_MAX)
		return filter_refuse(reading, reading->token.from,
				     "write values of one field as a list, as in port=80,443",
				     "more than %d comparisons", WEIR_FILTER_TESTS_MAX);
	int r = filter_token_next(reading);
	if (r < 0)
		return r;
	if (reading->token.kind != FILTER_COMPARE)
		return filter_refuse_no_operator(reading, comparison->field);
	comparison->sign = reading->token;
	comparison->test = &filter->tests[filter->test_count++];
	*comparison->test = (struct filter_test){
		.next = { WAY_NONE, WAY_NONE },
		.field = (uint16_t)(comparison->field - reading->fields),
		.first_span = filter->span_count,
		.type = (uint8_t)comparison->field->type,
	};
	return filter_token_next(reading);
}

static int comparison_read_values(struct filter_reading *reading,
				  const struct filter_comparison *comparison)
{
	for (;;) {
		int r = filter_value_read(reading, comparison);
		if (r < 0)
			return r;
		r = filter_token_next(reading);
		if (r < 0 || reading->token.kind != FILTER_COMMA)
			return r;
		if (comparison->sign.relation >= FILTER_BELOW)
			return filter_refuse(reading, reading->token.from,
					     "write a list behind = or != only",
					     "'%.*s' takes one value", (int)comparison->sign.len,
					     comparison->sign.from);
		r = filter_token_next(reading);
		if (r < 0)
			return r;
	}
}

static int comparison_read(struct filter_reading *reading, struct part *part)
{
	struct filter_comparison comparison;
	int r = comparison_begin(reading, &comparison);
	if (r < 0)
		return r;
	if (comparison.sign.relation >= FILTER_BELOW &&
	    comparison.field->type != WEIR_FILTER_NUMBER &&
	    comparison.field->type != WEIR_FILTER_BYTES &&
	    comparison.field->type != WEIR_FILTER_DURATION)
		return filter_refuse_order(reading, &comparison);
	r = comparison_read_values(reading, &comparison);
	if (r < 0)
		return r;

	uint16_t index = (uint16_t)(comparison.test - reading->filter->tests);
	part->first = index;
	part->open[0] = (uint16_t)(2 * index);
	part->open[1] = (uint16_t)(2 * index + 1);
	if (comparison.sign.relation == FILTER_UNEQUAL)
		part_negate(part);
	return 0;
}

static int any_read(struct filter_reading *reading, struct part *part);

/* The worst is WEIR_FILTER_DEPTH_MAX of these on the stack. */
static int parentheses_read(struct filter_reading *reading, struct part *part)
{
	const char *open = reading->token.from;
	if (reading->depth == WEIR_FILTER_DEPTH_MAX)
		return filter_refuse(reading, open, "take out those that change nothing",
				     "more than %d parentheses in one another",
				     WEIR_FILTER_DEPTH_MAX);
	reading->depth++;
	int r = filter_token_next(reading);
	if (r < 0)
		return r;
	r = any_read(reading, part);
	if (r < 0)
		return r;
	reading->depth--;
	if (reading->token.kind == FILTER_END)
		return filter_refuse(reading, open, "write ) where it ends",
				     "this '(' is not closed");
	if (reading->token.kind != FILTER_CLOSE)
		return filter_refuse_rest(reading);
	return filter_token_next(reading);
}

/* A comparison or parentheses, with any number of `not` before it. */
static int one_read(struct filter_reading *reading, struct part *part)
{
	bool is_negated = false;
	for (; reading->token.kind == FILTER_NOT; is_negated = !is_negated) {
		int r = filter_token_next(reading);
		if (r < 0)
			return r;
	}
	int r = reading->token.kind == FILTER_OPEN ? parentheses_read(reading, part) :
						     comparison_read(reading, part);
	if (r == 0 && is_negated)
		part_negate(part);
	return r;
}

/* `and` may be left out: whatever begins another comparison means it too. */
static bool token_goes_on(const struct filter_token *token)
{
	return token->kind == FILTER_AND || token->kind == FILTER_BARE ||
	       token->kind == FILTER_NOT || token->kind == FILTER_OPEN;
}

static int all_read(struct filter_reading *reading, struct part *part)
{
	int r = one_read(reading, part);
	while (r == 0 && token_goes_on(&reading->token)) {
		struct part right;
		if (reading->token.kind == FILTER_AND)
			r = filter_token_next(reading);
		if (r == 0)
			r = one_read(reading, &right);
		if (r == 0)
			part_append(reading->filter, part, &right, true);
	}
	return r;
}

static int any_read(struct filter_reading *reading, struct part *part)
{
	int r = all_read(reading, part);
	while (r == 0 && reading->token.kind == FILTER_OR) {
		struct part right;
		r = filter_token_next(reading);
		if (r == 0)
			r = all_read(reading, &right);
		if (r == 0)
			part_append(reading->filter, part, &right, false);
	}
	return r;
}

int filter_read(struct filter_reading *reading)
{
	struct weir_filter *filter = reading->filter;
	size_t len = strlen(reading->text);
	if (len > WEIR_FILTER_TEXT_MAX)
		return filter_refuse(reading, reading->text + WEIR_FILTER_TEXT_MAX,
				     "ask for less at once",
				     "a filter of %zu bytes, %d are the most", len,
				     WEIR_FILTER_TEXT_MAX);
	int r = filter_token_next(reading);
	if (r < 0)
		return r;
	filter->start = FILTER_PASS;
	if (reading->token.kind == FILTER_END)
		return 0;

	struct part whole;
	r = any_read(reading, &whole);
	if (r < 0)
		return r;
	if (reading->token.kind != FILTER_END)
		return filter_refuse_rest(reading);
	ways_lead_to(filter, whole.open[true], FILTER_PASS);
	ways_lead_to(filter, whole.open[false], FILTER_FAIL);
	filter->start = whole.first;
	return 0;
}
