/* SPDX-License-Identifier: Apache-2.0 */
/* The text of a field: items between commas, each perhaps negated. Reading one kind of item is the
 * caller's. */
#ifndef WEIR_RULES_ITEMS_H
#define WEIR_RULES_ITEMS_H

#include <stdbool.h>
#include <stddef.h>

#include "core/packet_names.h"
#include "features/rules/rules_rule.h"

#define RULES_ITEM_BYTES 128

struct rules_item {
	char text[RULES_ITEM_BYTES]; /* without `not`, trimmed */
	bool is_negated;
};

/*
 * Takes the next item off *text; separators are the characters of `between`. 1: an item; 0: no
 * more; -EINVAL with *ret_why: an empty item, or one too long.
 */
int rules_item_next(const char **text, const char *between, struct rules_item *item,
		    const char **ret_why);

/* What a numeric item means, added to `values`. NULL, or why it means nothing. */
struct rules_kind {
	const char *key;  /* in weir.yaml */
	uint32_t last;	  /* of the values that `not` takes from */
	const char *mend; /* how to write one */
	const char *(*read)(const struct rules_kind *kind, const char *item, unsigned families,
			    struct rules_values *values);
	const struct rules_word *words; /* names of values; up to one without a name */
	const char *between;		/* NULL: "," */
	bool is_named;			/* numbers are not taken, only names */
	bool has_names;			/* those of `names` are known too */
	enum weir_packet_names names;
};

struct rules_word {
	const char *name;
	uint32_t from, to;
};

/* Families a rule can be about: bits. */
#define RULES_V4 1u
#define RULES_V6 2u

extern const struct rules_kind rules_kinds[RULES_KEYS];
/* The whole field. -EINVAL with a message about `key`, -ENOMEM. */
int rules_values_read(const struct rules_kind *kind, const char *text, const char *key,
		      unsigned families, struct weir_diag *diag, struct rules_values *ret_values);

/* "22" or "8000-8100", in digits or from 0x; NULL, or why it is not. */
const char *rules_range_read(const char *item, uint32_t most, uint32_t *ret_from, uint32_t *ret_to);

/* rules_flags.c, rules_schedule.c, rules_icmp.c */
const char *rules_flags_read(const struct rules_kind *kind, const char *item, unsigned families,
			     struct rules_values *values);
const char *rules_minutes_read(const struct rules_kind *kind, const char *item, unsigned families,
			       struct rules_values *values);
const char *rules_icmp_read(const struct rules_kind *kind, const char *item, unsigned families,
			    struct rules_values *values);

#endif
