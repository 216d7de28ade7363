/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rules as boxes: a set of numbers for each dimension, equal sets kept once. Of the analysis of
 * overlaps; the compiled policy knows nothing of it.
 */
#ifndef WEIR_RULES_OVERLAP_SHAPE_H
#define WEIR_RULES_OVERLAP_SHAPE_H

#include "features/rules/rules_rule.h"
#include "features/rules/rules_state.h"

/* Sets by number: whoever adds one that is there gets its number. 0 is the empty set. */
struct rules_pool {
	struct rules_values *sets;
	uint32_t count;
	uint32_t *slots; /* open addressing, 0 = free */
	uint32_t slot_count;
	uint64_t steps; /* that are left; at 0 the result is partial */
};

int rules_pool_init(struct rules_pool *pool, uint64_t steps);
void rules_pool_done(struct rules_pool *pool);
/* Takes what is in `values`, also on failure; seals it. */
int rules_pool_add(struct rules_pool *pool, struct rules_values *values, uint32_t *ret_set);
bool rules_pool_covers(struct rules_pool *pool, uint32_t outer, uint32_t inner);
/* What is in both. */
int rules_pool_meet(struct rules_pool *pool, uint32_t a, uint32_t b, uint32_t *ret_set);
/* Whether there were `steps` left; they are taken. */
bool rules_pool_spend(struct rules_pool *pool, uint64_t steps);

/* Every key of a rule; direction; addresses by their segments. */
enum {
	RULES_SHAPE_WAY = RULES_KEYS,
	RULES_SHAPE_SRC,
	RULES_SHAPE_DST,
	RULES_SHAPE_SETS,
	RULES_SHAPE_IFACE = RULES_SHAPE_SETS, /* not a set of numbers */
	RULES_SHAPE_DIMENSIONS,
};

/*
 * The address space, cut wherever a condition begins or ends: addresses of one segment are alike to
 * all rules. Segments are numbered, IPv4 first.
 */
struct rules_segments {
	uint32_t *v4;	       /* first addresses, ascending from 0 */
	unsigned __int128 *v6; /* likewise */
	uint32_t v4_count, v6_count;
};

int rules_segments_init(struct rules_segments *segments, const struct rules_rule *rules,
			uint32_t rule_count, const struct rules_addresses *sets,
			uint32_t set_count);
void rules_segments_done(struct rules_segments *segments);
int rules_segments_add(const struct rules_segments *segments, const struct rules_addresses *from,
		       struct rules_values *values);

/* What an address condition says of lists of other features, whose addresses are not known here. */
struct rules_unknown {
	bool is_any;	    /* every address is in, but for what is out */
	uint32_t in;	    /* set of the lists that are in, by number */
	uint32_t out;	    /* of those that are out */
	uint32_t out_known; /* segments that are out */
};

/* What the rules are read against. */
struct rules_shaper {
	const struct rules_section *section;
	struct rules_addresses *sets; /* of the section, flattened */
	struct rules_segments segments;
	struct rules_pool pool;
	uint32_t full[RULES_SHAPE_SETS]; /* everything there is */
	uint32_t family[2];		 /* segments of each */
	char **lists;			 /* names of lists of other features */
	uint32_t list_count;
};

/* A rule. `asked` is what it says, `met` only what packets can have that meet all of it. */
struct rules_shape {
	const struct rules_rule *rule;
	uint32_t index; /* in the section */
	uint32_t asked[RULES_SHAPE_SETS], met[RULES_SHAPE_SETS];
	struct rules_unknown unknown[2]; /* of src, of dst */
	bool is_empty;
	uint8_t key, with; /* is_empty: why */
};

/* `rules` are those to come, for the segments. -ENOMEM. */
int rules_shaper_init(struct rules_shaper *shaper, const struct rules_section *section,
		      const struct rules_rule *rules, uint32_t rule_count, uint64_t steps);
void rules_shaper_done(struct rules_shaper *shaper);
int rules_shape_make(struct rules_shaper *shaper, const struct rules_rule *rule, uint32_t index,
		     struct rules_shape *ret_shape);
/* rules_overlap_imply.c: narrows shape->met by what one condition says of another. */
int rules_shape_narrow(struct rules_shaper *shaper, struct rules_shape *shape);
/* Whether all that packets of `inner` can have there is asked for by `outer`. */
bool rules_shape_covers(struct rules_shaper *shaper, const struct rules_shape *outer,
			const struct rules_shape *inner, unsigned dimension);
/* Whether a rule asks for anything there; bits. */
uint32_t rules_shape_asks(const struct rules_shaper *shaper, const struct rules_shape *shape,
			  const uint32_t sets[RULES_SHAPE_SETS]);

/* rules_overlap_names.c */
bool rules_names_cover(const struct rules_names *outer, const struct rules_names *inner);
bool rules_names_are_all(const struct rules_names *names);
bool rules_names_are_none(const struct rules_names *names);

#endif
