/* SPDX-License-Identifier: Apache-2.0 */
/* From rules as they were read to boxes of numbers. */
#include "features/rules/rules_overlap_shape.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "features/rules/rules_plan.h"

/* What a packet may have of each key, "absent" included. */
static const uint32_t key_values[RULES_KEYS] = {
	[RULES_KEY_WIDE(RULES_SPORT)] = 65537,
	[RULES_KEY_WIDE(RULES_DPORT)] = 65537,
	[RULES_KEY_WIDE(RULES_LENGTH)] = 65536,
	[RULES_KEY_WIDE(RULES_VLAN)] = RULES_NO_VLAN + 1,
	[RULES_KEY_FIELD(RULES_PROTO)] = 256,
	[RULES_KEY_FIELD(RULES_FLAGS)] = 257,
	[RULES_KEY_FIELD(RULES_TYPE)] = 513,
	[RULES_KEY_FIELD(RULES_CODE)] = 257,
	[RULES_KEY_FIELD(RULES_DSCP)] = 64,
	[RULES_KEY_FIELD(RULES_FAMILY)] = 2,
	[RULES_KEY_FIELD(RULES_FRAGMENT)] = 3,
	[RULES_KEY_FIELD(RULES_STATE)] = WEIR_CONN_STATES,
	[RULES_KEY_FIELD(RULES_MINUTE)] = RULES_FIELD_VALUES,
};

static int set_add_span(struct rules_pool *pool, uint32_t from, uint32_t to, uint32_t *ret_set)
{
	_cleanup_values_ struct rules_values values = { 0 };
	int r = rules_values_add(&values, from, to);
	return r ? r : rules_pool_add(pool, &values, ret_set);
}

static int shaper_fill(struct rules_shaper *shaper)
{
	const struct rules_segments *segments = &shaper->segments;
	uint32_t v4 = segments->v4_count, all = v4 + segments->v6_count;
	struct rules_pool *pool = &shaper->pool;
	int r = 0;
	for (unsigned key = 0; r == 0 && key < RULES_KEYS; key++)
		r = set_add_span(pool, 0, key_values[key] - 1, &shaper->full[key]);
	if (r == 0)
		r = set_add_span(pool, RULES_IN, RULES_OUT, &shaper->full[RULES_SHAPE_WAY]);
	if (r == 0)
		r = set_add_span(pool, 0, all - 1, &shaper->full[RULES_SHAPE_SRC]);
	if (r == 0)
		r = set_add_span(pool, 0, v4 - 1, &shaper->family[0]);
	if (r == 0)
		r = set_add_span(pool, v4, all - 1, &shaper->family[1]);
	shaper->full[RULES_SHAPE_DST] = shaper->full[RULES_SHAPE_SRC];
	return r;
}

/* As rules_plan.h has them; nothing is compiled. */
static int sets_flatten(struct rules_shaper *shaper)
{
	struct rules_plan plan = { .section = shaper->section };
	int r = rules_plan_sets(&plan, NULL);
	shaper->sets = plan.sets;
	return r;
}

int rules_shaper_init(struct rules_shaper *shaper, const struct rules_section *section,
		      const struct rules_rule *rules, uint32_t rule_count, uint64_t steps)
{
	*shaper = (struct rules_shaper){ .section = section };
	int r = rules_pool_init(&shaper->pool, steps);
	if (r == 0)
		r = sets_flatten(shaper);
	if (r == 0)
		r = rules_segments_init(&shaper->segments, rules, rule_count, shaper->sets,
					section->set_count);
	return r ? r : shaper_fill(shaper);
}

void rules_shaper_done(struct rules_shaper *shaper)
{
	struct rules_plan plan = { .section = shaper->section, .sets = shaper->sets };
	rules_plan_atoms_done(&plan);
	for (uint32_t i = 0; i < shaper->list_count; i++)
		free(shaper->lists[i]);
	free(shaper->lists);
	rules_segments_done(&shaper->segments);
	rules_pool_done(&shaper->pool);
}

static int list_number(struct rules_shaper *shaper, const char *name, uint32_t *ret_number)
{
	for (*ret_number = 0; *ret_number < shaper->list_count; ++*ret_number)
		if (strcmp(shaper->lists[*ret_number], name) == 0)
			return 0;
	char **lists = reallocarray(shaper->lists, shaper->list_count + 1, sizeof(*lists));
	if (!lists)
		return -ENOMEM;
	shaper->lists = lists;
	lists[shaper->list_count] = strdup(name);
	return lists[shaper->list_count] ? shaper->list_count++, 0 : -ENOMEM;
}

static const struct rules_addresses *set_of_section(const struct rules_shaper *shaper,
						    const char *name)
{
	for (unsigned i = 0; i < shaper->section->set_count; i++)
		if (strcmp(shaper->section->sets[i].name, name) == 0)
			return &shaper->sets[i];
	return NULL;
}

static int lists_add(struct rules_shaper *shaper, const char *name, struct rules_values *lists)
{
	uint32_t number;
	int r = list_number(shaper, name, &number);
	return r ? r : rules_values_add(lists, number, number);
}

/* One side of a condition: segments, and lists that are not known here. */
static int side_add(struct rules_shaper *shaper, const struct rules_addresses *side,
		    struct rules_values *segments, struct rules_values *lists)
{
	int r = rules_segments_add(&shaper->segments, side, segments);
	for (uint32_t i = 0; r == 0 && i < side->set_count; i++) {
		const struct rules_addresses *set = set_of_section(shaper, side->sets[i]);
		if (set)
			r = rules_segments_add(&shaper->segments, set, segments);
		else
			r = lists_add(shaper, side->sets[i], lists);
		for (uint32_t j = 0; set && r == 0 && j < set->set_count; j++)
			r = lists_add(shaper, set->sets[j], lists);
	}
	rules_values_seal(segments);
	rules_pool_spend(&shaper->pool, 4 * (uint64_t)segments->count);
	return r;
}

struct end_sides {
	struct rules_values in, out, in_lists, out_lists;
};

static void end_sides_done(struct end_sides *sides)
{
	rules_values_done(&sides->in);
	rules_values_done(&sides->out);
	rules_values_done(&sides->in_lists);
	rules_values_done(&sides->out_lists);
}

/* The sides become sets; what is in and out is out. */
static int end_settle(struct rules_shaper *shaper, struct end_sides *sides, uint32_t *ret_set,
		      struct rules_unknown *ret_unknown)
{
	_cleanup_values_ struct rules_values left = { 0 };
	struct rules_pool *pool = &shaper->pool;
	const struct rules_values *all = &pool->sets[shaper->full[RULES_SHAPE_SRC]];
	bool says_nothing = !sides->in.count && !sides->in_lists.count;
	ret_unknown->is_any = says_nothing || rules_values_equal(&sides->in, all);
	int r = rules_values_subtract(says_nothing ? all : &sides->in, &sides->out, &left);
	if (r == 0)
		r = rules_pool_add(pool, &left, ret_set);
	if (r == 0)
		r = rules_pool_add(pool, &sides->in_lists, &ret_unknown->in);
	if (r == 0)
		r = rules_pool_add(pool, &sides->out_lists, &ret_unknown->out);
	return r ? r : rules_pool_add(pool, &sides->out, &ret_unknown->out_known);
}

static int end_shape(struct rules_shaper *shaper, const struct rules_end *end, uint32_t *ret_set,
		     struct rules_unknown *ret_unknown)
{
	_cleanup_(end_sides_done) struct end_sides sides = { 0 };
	int r = side_add(shaper, &end->in, &sides.in, &sides.in_lists);
	if (r == 0)
		r = side_add(shaper, &end->out, &sides.out, &sides.out_lists);
	return r ? r : end_settle(shaper, &sides, ret_set, ret_unknown);
}

static int values_copy(const struct rules_values *from, struct rules_values *to)
{
	int r = 0;
	for (uint32_t i = 0; r == 0 && i < from->count; i++)
		r = rules_values_add(to, from->at[i].from, from->at[i].to);
	return r;
}

static int keys_shape(struct rules_shaper *shaper, struct rules_shape *shape)
{
	int r = 0;
	for (unsigned key = 0; r == 0 && key < RULES_KEYS; key++) {
		_cleanup_values_ struct rules_values values = { 0 };
		if (!(shape->rule->given & 1u << key))
			continue;
		r = values_copy(&shape->rule->keys[key], &values);
		if (r == 0)
			r = rules_pool_add(&shaper->pool, &values, &shape->asked[key]);
	}
	if (r == 0 && shape->rule->direction != RULES_BOTH)
		r = set_add_span(&shaper->pool, (uint32_t)shape->rule->direction,
				 (uint32_t)shape->rule->direction, &shape->asked[RULES_SHAPE_WAY]);
	return r;
}

/* A condition that contradicts itself. What lists of other features leave is not known. */
static void shape_check_alone(struct rules_shape *shape)
{
	for (uint8_t i = RULES_SHAPE_SRC; i <= RULES_SHAPE_DST; i++)
		if (!shape->asked[i] && !shape->unknown[i - RULES_SHAPE_SRC].in) {
			shape->is_empty = true;
			shape->key = shape->with = i;
		}
	if (rules_names_are_none(&shape->rule->interface)) {
		shape->is_empty = true;
		shape->key = shape->with = RULES_SHAPE_IFACE;
	}
}

int rules_shape_make(struct rules_shaper *shaper, const struct rules_rule *rule, uint32_t index,
		     struct rules_shape *ret_shape)
{
	struct rules_shape shape = { .rule = rule, .index = index };
	memcpy(shape.asked, shaper->full, sizeof(shape.asked));
	int r = keys_shape(shaper, &shape);
	if (r == 0)
		r = end_shape(shaper, &rule->src, &shape.asked[RULES_SHAPE_SRC], &shape.unknown[0]);
	if (r == 0)
		r = end_shape(shaper, &rule->dst, &shape.asked[RULES_SHAPE_DST], &shape.unknown[1]);
	memcpy(shape.met, shape.asked, sizeof(shape.met));
	shape_check_alone(&shape);
	if (r == 0)
		r = rules_shape_narrow(shaper, &shape);
	if (r == 0)
		*ret_shape = shape;
	return r;
}

/* Lists are compared by name: what is in one is in it for both. */
static bool end_covers(struct rules_shaper *shaper, const struct rules_shape *outer,
		       const struct rules_shape *inner, unsigned dimension)
{
	const struct rules_unknown *o = &outer->unknown[dimension - RULES_SHAPE_SRC],
				   *i = &inner->unknown[dimension - RULES_SHAPE_SRC];
	struct rules_pool *pool = &shaper->pool;
	if (!rules_pool_covers(pool, outer->asked[dimension], inner->met[dimension]) ||
	    !rules_pool_covers(pool, i->out, o->out))
		return false;
	if (!i->in)
		return true;
	return (o->is_any || rules_pool_covers(pool, o->in, i->in)) &&
	       rules_pool_covers(pool, i->out_known, o->out_known);
}

bool rules_shape_covers(struct rules_shaper *shaper, const struct rules_shape *outer,
			const struct rules_shape *inner, unsigned dimension)
{
	if (dimension == RULES_SHAPE_IFACE)
		return rules_names_cover(&outer->rule->interface, &inner->rule->interface);
	if (dimension == RULES_SHAPE_SRC || dimension == RULES_SHAPE_DST)
		return end_covers(shaper, outer, inner, dimension);
	return rules_pool_covers(&shaper->pool, outer->asked[dimension], inner->met[dimension]);
}

uint32_t rules_shape_asks(const struct rules_shaper *shaper, const struct rules_shape *shape,
			  const uint32_t sets[RULES_SHAPE_SETS])
{
	uint32_t asks = 0;
	for (unsigned i = 0; i < RULES_SHAPE_SETS; i++)
		if (sets[i] != shaper->full[i])
			asks |= 1u << i;
	for (unsigned i = 0; i < 2; i++)
		if (shape->unknown[i].in || shape->unknown[i].out)
			asks |= 1u << (RULES_SHAPE_SRC + i);
	if (!rules_names_are_all(&shape->rule->interface))
		asks |= 1u << RULES_SHAPE_IFACE;
	return asks;
}
