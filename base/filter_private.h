/* SPDX-License-Identifier: Apache-2.0 */
/* A filter inside, and its reading. For base/filter*.c only. */
#ifndef WEIR_BASE_FILTER_PRIVATE_H
#define WEIR_BASE_FILTER_PRIVATE_H

#include "base/addr_number.h"
#include "base/filter.h"

/* Where a test leads to when not to another test. */
#define FILTER_PASS UINT16_MAX
#define FILTER_FAIL (UINT16_MAX - 1)
#define FILTER_ANYTHING '\0' /* '*' in a pattern: no text has this byte */

/* One value, or a range with both its ends, as the type of the field has it. */
union filter_span {
	struct {
		addr_number from;
		addr_number to;
	} addr;
	struct {
		uint64_t from;
		uint64_t to;
	} number;
	struct {
		uint16_t start; /* in patterns[] */
		uint16_t len;
	} text;
};

/*
 * One comparison: does any value of the field lie in any of the spans, or is any one of the words?
 * next[] is where to go on, by the answer.
 */
struct filter_test {
	uint16_t next[2];
	uint16_t field;
	uint16_t first_span;
	uint16_t span_count;
	uint8_t type;
	uint64_t words; /* a bit a word */
};

/*
 * `and`, `or`, `not` and parentheses are nothing but the order and the ways between the tests: ways
 * lead to the right only, so a search ends after as many steps as there are tests.
 */
struct weir_filter {
	uint16_t start; /* 0, or FILTER_PASS when there is no test */
	uint16_t test_count;
	uint16_t span_count;
	uint16_t pattern_bytes;
	struct filter_test tests[WEIR_FILTER_TESTS_MAX];
	union filter_span spans[WEIR_FILTER_LISTED_MAX];
	char patterns[WEIR_FILTER_TEXT_MAX];
};

enum filter_token_kind {
	FILTER_END,
	FILTER_BARE,   /* a field, or a value */
	FILTER_QUOTED, /* a value; the quotes belong to the token */
	FILTER_COMPARE,
	FILTER_COMMA,
	FILTER_OPEN,
	FILTER_CLOSE,
	FILTER_AND,
	FILTER_OR,
	FILTER_NOT,
};

enum filter_relation {
	FILTER_EQUAL,
	FILTER_UNEQUAL,
	FILTER_BELOW, /* from here on: order */
	FILTER_AT_MOST,
	FILTER_ABOVE,
	FILTER_AT_LEAST,
};

struct filter_token {
	enum filter_token_kind kind;
	enum filter_relation relation; /* of FILTER_COMPARE */
	const char *from;
	size_t len;
};

/* The reading of one text. `token` is the one that was not used yet. */
struct filter_reading {
	const char *text;
	const char *next; /* behind `token` */
	struct filter_token token;
	const struct weir_filter_field *fields;
	struct weir_diag *diag;
	struct weir_filter *filter;
	unsigned depth;
};

/* A comparison while its values are read. */
struct filter_comparison {
	const struct weir_filter_field *field;
	struct filter_token sign;
	struct filter_test *test;
};

/* filter_token.c: fills in `token` with the next one, or refuses. */
int filter_token_next(struct filter_reading *reading);
/*
 * The value a token stands for, without quotes and backslashes, at most `len` bytes of the token
 * and no NUL behind. Each '*' with no backslash before it becomes `star`. Returns its length.
 */
size_t filter_token_value(const struct filter_token *token, char star, char *ret_value);

/* filter_value.c: adds `token` to what the comparison asks for. */
int filter_value_read(struct filter_reading *reading, const struct filter_comparison *comparison);

/* filter_read.c: the whole text, into `filter`. */
int filter_read(struct filter_reading *reading);

/* filter_refuse.c: each tells what is wrong `at` a place of the text and returns -EINVAL. */
int filter_refuse(const struct filter_reading *reading, const char *at, const char *mend,
		  const char *format, ...) __attribute__((format(printf, 4, 5)));
int filter_refuse_field(const struct filter_reading *reading);
/* Where a comparison should begin, but does not. */
int filter_refuse_start(const struct filter_reading *reading);
/* Behind a whole comparison. */
int filter_refuse_rest(const struct filter_reading *reading);
int filter_refuse_no_operator(const struct filter_reading *reading,
			      const struct weir_filter_field *field);
int filter_refuse_order(const struct filter_reading *reading,
			const struct filter_comparison *comparison);
int filter_refuse_no_value(const struct filter_reading *reading,
			   const struct filter_comparison *comparison);
/* `why` stands behind the value and a colon. */
int filter_refuse_value(const struct filter_reading *reading,
			const struct filter_comparison *comparison, const char *why);
int filter_refuse_word(const struct filter_reading *reading,
		       const struct filter_comparison *comparison);

#endif
