/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What to show of many things: "src=10.0.0.0/8 and port=443 and state=established". The text is
 * read once, then each thing is asked. Knows nothing of the things: their fields are a table, their
 * values come from a callback. docs/user/filters.md is the grammar.
 */
#ifndef WEIR_BASE_FILTER_H
#define WEIR_BASE_FILTER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "abi/packet.h"
#include "base/diag.h"

#define WEIR_FILTER_TEXT_MAX 4096  /* bytes of a filter */
#define WEIR_FILTER_DEPTH_MAX 32   /* parentheses in parentheses */
#define WEIR_FILTER_TESTS_MAX 128  /* comparisons */
#define WEIR_FILTER_LISTED_MAX 512 /* values behind the operators, all comparisons together */
#define WEIR_FILTER_VALUE_MAX 255  /* bytes of one value */
#define WEIR_FILTER_WORDS_MAX 64   /* words of a field */
#define WEIR_FILTER_EITHER_MAX 8   /* values a thing may have in one field */
#define WEIR_FILTER_KEY "filter"   /* what problems name as their key */

enum weir_filter_type {
	WEIR_FILTER_ADDRESS,  /* an address, a CIDR, or FROM-TO */
	WEIR_FILTER_NUMBER,   /* a number (also 0x…), or FROM-TO */
	WEIR_FILTER_BYTES,    /* the same with units of size */
	WEIR_FILTER_DURATION, /* the same with units of time; the value is in ns */
	WEIR_FILTER_WORD,     /* one of a few words, in whatever case */
	WEIR_FILTER_TEXT,     /* any text, in exactly this case; '*' stands for anything */
};

/*
 * A row of a table, whose last one has no name. Names and words are written in small letters and
 * found in whatever case; `and`, `or` and `not` are no names.
 */
struct weir_filter_field {
	const char *name;
	const char *help;
	enum weir_filter_type type;
	const char *const *words; /* of a WORD, NULL-terminated; the value is the index */
	uint64_t max;		  /* of numbers: a larger one is refused, 0 = there is none */
};

/* Which member: by the type of the field; numbers of all three types are in `number`. */
union weir_filter_value {
	struct weir_addr addr;
	uint64_t number;
	size_t word;
	const char *text; /* never NULL; must last until weir_filter_matches() returns */
};

/*
 * Fills in what the item has in the field (index in the table) and returns how many values that
 * are: one as a rule, several where any of them may be meant (port: source or destination), none
 * where the item has no such thing. "=" holds when any is equal, "!=" when none is.
 */
typedef size_t weir_filter_get(const void *item, size_t field,
			       union weir_filter_value ret_values[WEIR_FILTER_EITHER_MAX]);

struct weir_filter;

/*
 * Borrows `fields` only while it reads. An empty text is a filter that everything passes. -EINVAL:
 * diag (may be NULL) has one problem: key WEIR_FILTER_KEY, column in bytes from 1 with no line; the
 * sentence says the column too. -ENOMEM: nothing was told.
 */
int weir_filter_new(const char *text, const struct weir_filter_field *fields,
		    struct weir_diag *diag, struct weir_filter **ret_filter);
/* Whether anything of this field (its index) is asked. */
bool weir_filter_asks(const struct weir_filter *filter, size_t field);
void weir_filter_free(struct weir_filter *filter);
void weir_filter_freep(struct weir_filter **filter);
#define _cleanup_filter_ __attribute__((cleanup(weir_filter_freep)))

/*
 * Asks `get` from left to right for as much as decides, at most once a comparison. Allocates
 * nothing; may run in several threads at once on one filter.
 */
bool weir_filter_matches(const struct weir_filter *filter, weir_filter_get *get, const void *item);

#endif
