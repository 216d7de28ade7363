/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The rules that act, in order, with their counters; and which addresses they ask for. Made when
 * ranges are collected, kept in the image until classes are known.
 */
#ifndef WEIR_RULES_PLAN_H
#define WEIR_RULES_PLAN_H

#include "features/rules/rules_parts.h"
#include "features/rules/rules_state.h"

/* Who asks for some addresses: a rule by its rank, for its source or destination, and how. */
struct rules_use {
	uint32_t rank;
	uint8_t dimension; /* RULES_SRC or RULES_DST */
	bool is_negated;
};

/* Addresses that bear one label, or one name. */
struct rules_atom {
	struct weir_range *ranges; /* NULL for a set of another feature */
	uint32_t range_count;
	struct rules_use *uses;
	uint32_t use_count;
};

struct rules_plan {
	const struct rules_section *section;
	struct rules_rule *rules; /* by rank; parts of one follow one another */
	uint32_t *rows;		  /* counter of each */
	uint32_t count;
	struct rules_atom *atoms; /* ranges: atom i has the label with tag i */
	uint32_t atom_count;
	struct rules_atom *named; /* sets of other features, by their number in the image */
	uint32_t named_count;
	uint32_t *atom_slots; /* atoms by hash of their ranges, open addressing, 0 = free */
	uint32_t atom_slot_count;
	struct rules_addresses *sets;  /* of the configuration, flattened, in its order */
	struct weir_services services; /* empty where no rule that acts names one */
};

/* Whether this is a part of the rule before it: they have one counter, and one limit. */
static inline bool rules_plan_goes_on(const struct rules_plan *plan, uint32_t rank)
{
	return rank && plan->rules[rank].text == plan->rules[rank - 1].text;
}

/* Collects everything; adds labels and ranges to compile->image. */
int rules_plan_new(struct weir_compile *compile, struct rules_plan **ret_plan);
void rules_plan_free(void *plan);

/* rules_atoms.c: the addresses of one condition. */
int rules_plan_end(struct rules_plan *plan, struct weir_compile *compile,
		   const struct rules_end *end, uint32_t rank, enum rules_dimension dimension,
		   const char *path);
/* Told of services, named by the rule, that there are not: refused, or warned of, as with sets. */
int rules_plan_services_check(const struct rules_plan *plan, struct weir_compile *compile,
			      const struct rules_text *text, const char *path);
/* Sets that have the name of a list: refused in an apply, else warned of. */
int rules_plan_set_names(const struct rules_plan *plan, struct weir_compile *compile);
/* compile NULL: names of other features' lists are taken as they stand, not looked for. */
int rules_plan_sets(struct rules_plan *plan, struct weir_compile *compile);
int rules_plan_labels(struct rules_plan *plan, struct weir_compile *compile);
void rules_plan_atoms_done(struct rules_plan *plan);

#endif
