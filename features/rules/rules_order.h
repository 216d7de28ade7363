/* SPDX-License-Identifier: Apache-2.0 */
/*
 * All rules there are, those of the configuration and those of run time, in the order in which
 * packets meet them. Rules that are switched off stand in it too: they keep their counters.
 */
#ifndef WEIR_RULES_ORDER_H
#define WEIR_RULES_ORDER_H

#include "features/rules/rules_list.h"

struct rules_section;

enum rules_origin {
	RULES_FROM_FILE,
	RULES_FROM_RUNTIME,
};

extern const char *const rules_origin_names[];

struct rules_standing {
	const struct rules_text *text; /* borrowed from the section or the list */
	uint64_t identity;	       /* what its counter goes by, never 0 */
	enum rules_origin origin;
	uint32_t index; /* in the section, or in the list */
	uint32_t row;	/* of ctr_rule, and its number for people; 0: it could get none */
	uint32_t over;	/* RULES_LIMIT: the row of what was over it */
	bool acts;	/* it, its group and the section are switched on */
	bool is_lost;	/* its anchor is gone: it stands behind all others */
};

struct rules_order {
	struct rules_standing *at;
	uint32_t count;
	uint32_t left_out; /* of run time, past RULES_MAX */
	uint16_t *by_row;  /* place + 1 by row, RULES_ROWS of them; rules_order_rows() */
};

/* -ENOMEM. */
int rules_order_new(const struct rules_section *section, const struct rules_list *list,
		    struct rules_order **ret_order);
void rules_order_free(struct rules_order *order);
static inline void rules_order_freep(struct rules_order **order)
{
	rules_order_free(*order);
}
/* When all rows are given out: makes them findable. */
void rules_order_rows(struct rules_order *order);
/* The rule of that name or, written in digits, the rule without a name of that number; NULL: there
 * is none. */
struct rules_standing *rules_order_find(const struct rules_order *order, const char *name);
struct rules_standing *rules_order_by_row(const struct rules_order *order, uint32_t row);
/* What an entry keeps to find the rule again: its name or, without one, "=" and its identity. */
char *rules_anchor_of(const struct rules_standing *standing);

#endif
