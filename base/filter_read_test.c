/* SPDX-License-Identifier: Apache-2.0 */
/* Tests of `and`, `or`, `not` and parentheses, against C's own and formulas made at random. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/filter.h"

/* Four switches, and the same formula in C. */
static size_t switch_get(const void *item, size_t field,
			 union weir_filter_value values[WEIR_FILTER_EITHER_MAX])
{
	values[0].number = *(const unsigned *)item >> field & 1;
	return 1;
}

static const struct weir_filter_field switches[] = {
	{ "a", "", WEIR_FILTER_NUMBER },
	{ "b", "", WEIR_FILTER_NUMBER },
	{ "c", "", WEIR_FILTER_NUMBER },
	{ "d", "", WEIR_FILTER_NUMBER },
	{ NULL },
};

static bool formula_holds(const char *text, unsigned item)
{
	_cleanup_filter_ struct weir_filter *filter = NULL;
	_cleanup_diag_ struct weir_diag diag = { 0 };
	if (weir_filter_new(text, switches, &diag, &filter) < 0)
		fail_msg("'%s': %s", text, diag.entries[0].what);
	return weir_filter_matches(filter, switch_get, &item);
}

static void precedence_is_that_of_c(void **state)
{
	for (unsigned item = 0; item < 16; item++) {
		bool a = item & 1, b = item & 2, c = item & 4, d = item & 8;
		const struct {
			const char *text;
			bool holds;
		} rows[] = {
			{ "a=1 or b=1 and c=1", a || (b && c) },
			{ "a=1 and b=1 or c=1", (a && b) || c },
			{ "a=1 and b=1 or c=1 and d=1", (a && b) || (c && d) },
			{ "a=1 or b=1 and c=1 or d=1", a || (b && c) || d },
			{ "(a=1 or b=1) and (c=1 or d=1)", (a || b) && (c || d) },
			{ "not a=1 and b=1", !a && b },
			{ "not (a=1 and b=1) or c=1", !(a && b) || c },
			{ "not (a=1 or b=1 c=1) d=1", !(a || (b && c)) && d },
			{ "a=1 and not (b=1 or not (c=1 and d=0))", a && !(b || !(c && !d)) },
			{ "a!=1 or not b!=1", !a || b },
			{ "!(!(a=1 b=1) || c=1)", a && b && !c },
		};
		for (size_t i = 0; i < WEIR_ARRAY_SIZE(rows); i++)
			if (formula_holds(rows[i].text, item) != rows[i].holds)
				fail_msg("'%s' of %u", rows[i].text, item);
	}
}

/* xorshift64*: the same formulas in every run, so that a failure comes again. */
static uint64_t random_below(uint64_t *seed, uint64_t below)
{
	*seed ^= *seed >> 12;
	*seed ^= *seed << 25;
	*seed ^= *seed >> 27;
	return (*seed * 0x2545f4914f6cdd1dull >> 32) % below;
}

/* Writes a formula and returns where it holds: bit i, for the item i. Worked out on the way. */
static unsigned formula_make(uint64_t *seed, struct weir_buf *text, int depth)
{
	static const unsigned holds[] = { 0xaaaa, 0xcccc, 0xf0f0, 0xff00 };
	static const char *const ands[] = { " and ", "&&", " " };
	static const char *const ors[] = { " or ", "||" };
	unsigned any = 0;
	uint64_t terms = 1 + random_below(seed, 3);
	for (uint64_t i = 0; i < terms; i++) {
		unsigned all = 0xffff;
		uint64_t factors = 1 + random_below(seed, 3);
		weir_buf_add_str(text, i ? ors[random_below(seed, 2)] : "");
		for (uint64_t j = 0; j < factors; j++) {
			uint64_t field = random_below(seed, 4);
			bool is_not = random_below(seed, 3) == 0;
			weir_buf_add_str(text, j ? ands[random_below(seed, 3)] : "");
			weir_buf_add_str(text, !is_not ? "" : random_below(seed, 2) ? "!" : "not ");
			unsigned one = holds[field];
			if (depth && random_below(seed, 3) == 0) {
				weir_buf_add_char(text, '(');
				one = formula_make(seed, text, depth - 1);
				weir_buf_add_char(text, ')');
			} else {
				weir_buf_addf(text, "%c=1", (char)('a' + field));
			}
			all &= is_not ? ~one : one;
		}
		any |= all;
	}
	return any & 0xffff;
}

static void random_formulas_hold_where_their_making_says(void **state)
{
	uint64_t seed = 1;
	for (int i = 0; i < 5000; i++) {
		_cleanup_buf_ struct weir_buf text = { 0 };
		_cleanup_filter_ struct weir_filter *filter = NULL;
		unsigned expected = formula_make(&seed, &text, 2), found = 0;
		assert_int_equal(weir_filter_new(weir_buf_str(&text), switches, NULL, &filter), 0);
		for (unsigned item = 0; item < 16; item++)
			found |= (unsigned)weir_filter_matches(filter, switch_get, &item) << item;
		if (found != expected)
			fail_msg("'%s': %04x, not %04x", weir_buf_str(&text), found, expected);
	}
}

/* Counts how often it was asked. */
static size_t counting_get(const void *item, size_t field,
			   union weir_filter_value values[WEIR_FILTER_EITHER_MAX])
{
	unsigned *asked = *(unsigned *const *)item;
	asked[field]++;
	values[0].number = 0;
	return 1;
}

static void what_is_decided_is_not_asked_for(void **state)
{
	_cleanup_filter_ struct weir_filter *filter = NULL;
	unsigned asked[4] = { 0 }, *item = asked;
	assert_int_equal(weir_filter_new("(a=1 and b=1 or c=0) or d=0", switches, NULL, &filter),
			 0);
	assert_true(weir_filter_matches(filter, counting_get, &item));
	assert_int_equal(asked[0], 1);
	assert_int_equal(asked[1], 0);
	assert_int_equal(asked[2], 1);
	assert_int_equal(asked[3], 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(precedence_is_that_of_c),
		cmocka_unit_test(random_formulas_hold_where_their_making_says),
		cmocka_unit_test(what_is_decided_is_not_asked_for),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
