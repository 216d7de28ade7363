/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Every rule against those before it that decide. Nearly all pairs differ where one look at a few
 * numbers tells, so all of them are looked at rather than an index kept: 50 million for 10,000
 * rules. A bound holds where they are not so easily told apart.
 */
#include "features/rules/rules_overlap.h"

#include <errno.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "features/rules/rules_overlap_shape.h"

/* Dimensions of which the smallest and the largest value are compared first. */
static const uint8_t hull_dimensions[] = {
	RULES_SHAPE_DST,
	RULES_SHAPE_SRC,
	RULES_KEY_WIDE(RULES_DPORT),
	RULES_KEY_FIELD(RULES_PROTO),
	RULES_KEY_WIDE(RULES_SPORT),
};

#define HULLS WEIR_ARRAY_SIZE(hull_dimensions)

/* What is looked at first. */
struct outline {
	uint32_t asks; /* bits of dimensions */
	uint32_t low[HULLS], high[HULLS];
};

/* Rules that each take a part of one dimension of the rule looked at. */
struct parts {
	struct rules_values values;
	uint32_t first, last;
	uint32_t rules, count; /* of a rule for services there may be several */
};

struct search {
	const struct rules_section *section;
	const struct weir_services *services;
	struct rules_shaper shaper;
	struct rules_rule *rules; /* and parts of such */
	uint32_t *indexes;	  /* of rules in the section */
	uint32_t *part_counts;	  /* of the section's rules, by their index */
	uint32_t rule_count;
	struct rules_shape *shapes;
	struct outline *asked, *met;
	uint32_t *deciding; /* shapes that decide, in order */
	uint32_t deciding_count;
	struct parts parts[RULES_SHAPE_SETS];
	struct rules_findings *findings;
};

static bool decides(const struct rules_shape *shape)
{
	return shape->rule->text->action < RULES_COUNT;
}

static void finding_add(struct search *search, const struct rules_finding *finding)
{
	search->findings->at[search->findings->count++] = *finding;
}

static bool is_open(const struct rules_shape *shape, uint8_t dimension)
{
	bool is_end = dimension == RULES_SHAPE_SRC || dimension == RULES_SHAPE_DST;
	return is_end && shape->unknown[dimension - RULES_SHAPE_SRC].in;
}

/* Lists of other features may hold any address, less what is known to be out. */
static void outline_open(const struct search *search, const struct rules_shape *shape,
			 uint8_t dimension, struct rules_span *hull)
{
	const struct rules_values *sets = search->shaper.pool.sets;
	const struct rules_values *out =
		&sets[shape->unknown[dimension - RULES_SHAPE_SRC].out_known];
	*hull = sets[search->shaper.full[dimension]].at[0];
	if (out->count && out->at[0].from == hull->from)
		hull->from = out->at[0].to + 1;
	if (out->count && out->at[out->count - 1].to == hull->to)
		hull->to = out->at[out->count - 1].from - 1;
}

static void outline_make(const struct search *search, const struct rules_shape *shape,
			 const uint32_t sets[RULES_SHAPE_SETS], struct outline *outline)
{
	outline->asks = rules_shape_asks(&search->shaper, shape, sets);
	for (size_t i = 0; i < HULLS; i++) {
		uint8_t dimension = hull_dimensions[i];
		const struct rules_values *values = &search->shaper.pool.sets[sets[dimension]];
		struct rules_span hull = { 0, 0 };
		if (is_open(shape, dimension))
			outline_open(search, shape, dimension, &hull);
		else if (values->count)
			hull = (struct rules_span){ values->at[0].from,
						    values->at[values->count - 1].to };
		outline->low[i] = hull.from;
		outline->high[i] = hull.to;
	}
}

/*
 * Dimensions in which `outer` surely does not cover `inner`, as bits; all bits when the two have no
 * packet in common.
 */
static uint32_t outlines_compare(const struct outline *outer, const struct outline *inner)
{
	uint32_t fails = outer->asks & ~inner->asks;
	for (size_t i = 0; i < HULLS; i++) {
		if (outer->low[i] > inner->high[i] || outer->high[i] < inner->low[i])
			return UINT32_MAX;
		if (outer->low[i] > inner->low[i] || outer->high[i] < inner->high[i])
			fails |= 1u << hull_dimensions[i];
	}
	return fails;
}

static bool is_more_than_one(uint32_t bits)
{
	return bits & (bits - 1);
}

/* Every dimension; stops at the second that fails. */
static uint32_t shapes_compare(struct search *search, const struct rules_shape *outer,
			       const struct rules_shape *inner, uint32_t fails)
{
	uint32_t asks = search->asked[outer - search->shapes].asks & ~fails;
	for (unsigned i = 0; asks >> i && !is_more_than_one(fails); i++)
		if (asks >> i & 1 && !rules_shape_covers(&search->shaper, outer, inner, i))
			fails |= 1u << i;
	return fails;
}

static uint32_t pair_compare(struct search *search, uint32_t outer, uint32_t inner)
{
	uint32_t fails = outlines_compare(&search->asked[outer], &search->met[inner]);
	return is_more_than_one(fails) ? fails :
					 shapes_compare(search, &search->shapes[outer],
							&search->shapes[inner], fails);
}

/* `outer` shadows `inner`: in which way. */
static enum rules_finding_kind kind_of(struct search *search, uint32_t outer, uint32_t inner)
{
	const struct rules_shape *a = &search->shapes[outer], *b = &search->shapes[inner];
	if (!decides(b) || pair_compare(search, inner, outer))
		return RULES_SHADOWED;
	return a->rule->text->action == b->rule->text->action ? RULES_DUPLICATE :
								RULES_CONTRADICTED;
}

static void parts_forget(struct search *search)
{
	for (unsigned i = 0; i < RULES_SHAPE_SETS; i++)
		search->parts[i].values.count = search->parts[i].count = search->parts[i].rules = 0;
}

/* Which lists of other features hold what is not known, so they are no part that could be added. */
static bool may_be_part(const struct rules_shape *outer, const struct rules_shape *inner,
			unsigned dimension)
{
	if (dimension != RULES_SHAPE_SRC && dimension != RULES_SHAPE_DST)
		return dimension < RULES_SHAPE_SETS;
	return !outer->unknown[dimension - RULES_SHAPE_SRC].out &&
	       !inner->unknown[dimension - RULES_SHAPE_SRC].in;
}

/* `outer` covers `inner` but for this dimension. */
static int part_add(struct search *search, uint32_t outer, uint32_t inner, uint32_t fails)
{
	unsigned dimension = (unsigned)__builtin_ctz(fails);
	const struct rules_shape *a = &search->shapes[outer], *b = &search->shapes[inner];
	if (a->index == b->index || !may_be_part(a, b, dimension))
		return 0;
	const struct rules_values *values = &search->shaper.pool.sets[a->asked[dimension]];
	struct parts *parts = &search->parts[dimension];
	int r = 0;
	rules_pool_spend(&search->shaper.pool, 4 * (uint64_t)values->count);
	for (uint32_t i = 0; r == 0 && i < values->count; i++)
		r = rules_values_add(&parts->values, values->at[i].from, values->at[i].to);
	if (!parts->count++)
		parts->first = a->index;
	parts->rules += !parts->rules || parts->last != a->index;
	parts->last = a->index;
	return r;
}

static void parts_look(struct search *search, uint32_t inner)
{
	const struct rules_shape *shape = &search->shapes[inner];
	for (unsigned i = 0; i < RULES_SHAPE_SETS; i++) {
		struct parts *parts = &search->parts[i];
		if (parts->count < 2)
			continue;
		rules_values_seal(&parts->values);
		rules_pool_spend(&search->shaper.pool, 8 * (uint64_t)parts->values.count);
		if (!rules_values_cover(&parts->values, &search->shaper.pool.sets[shape->met[i]]))
			continue;
		bool is_one = parts->rules == 1;
		finding_add(search,
			    &(struct rules_finding){
				    .kind = is_one ? RULES_SHADOWED : RULES_SHADOWED_TOGETHER,
				    .rule = shape->index,
				    .by = parts->first,
				    .last = is_one ? 0 : parts->last,
				    .others = is_one ? 0 : parts->rules - 2,
			    });
		return;
	}
}

/* Against all before it that decide. */
static int rule_look(struct search *search, uint32_t inner)
{
	struct rules_pool *pool = &search->shaper.pool;
	parts_forget(search);
	if (!rules_pool_spend(pool, search->deciding_count))
		return 0;
	for (uint32_t i = 0; i < search->deciding_count && pool->steps; i++) {
		uint32_t outer = search->deciding[i];
		uint32_t fails = pair_compare(search, outer, inner);
		if (!fails) {
			finding_add(search, &(struct rules_finding){
						    .kind = kind_of(search, outer, inner),
						    .rule = search->shapes[inner].index,
						    .by = search->shapes[outer].index,
					    });
			return 0;
		}
		int r = is_more_than_one(fails) ? 0 : part_add(search, outer, inner, fails);
		if (r < 0)
			return r;
	}
	parts_look(search, inner);
	return 0;
}

/* What narrowed may itself be what other conditions came down to. */
static uint8_t given_key(const struct rules_shape *shape, uint8_t dimension)
{
	const struct rules_rule *rule = shape->rule;
	bool is_given = dimension < RULES_KEYS	     ? rule->given >> dimension & 1 :
			dimension == RULES_SHAPE_SRC ? rule->src.is_given :
			dimension == RULES_SHAPE_DST ? rule->dst.is_given :
						       true;
	return is_given ? dimension : RULES_SHAPE_DIMENSIONS;
}

static int shape_add(struct search *search, uint32_t number)
{
	struct rules_shape *shape = &search->shapes[number];
	int r = rules_shape_make(&search->shaper, &search->rules[number], search->indexes[number],
				 shape);
	if (r < 0)
		return r;
	if (shape->is_empty) {
		finding_add(search,
			    &(struct rules_finding){ .kind = RULES_NOTHING,
						     .rule = shape->index,
						     .key = given_key(shape, shape->key),
						     .with = given_key(shape, shape->with) });
		return 0;
	}
	outline_make(search, shape, shape->asked, &search->asked[number]);
	outline_make(search, shape, shape->met, &search->met[number]);
	r = rule_look(search, number);
	if (decides(shape))
		search->deciding[search->deciding_count++] = number;
	return r;
}

/* Behind a rule that matches everything, all are alike. */
static void rest_add(struct search *search, uint32_t all)
{
	uint32_t others = 0;
	if (all + 1 >= search->rule_count)
		return;
	for (uint32_t i = all + 2; i < search->rule_count; i++)
		others += search->indexes[i] != search->indexes[i - 1];
	finding_add(search, &(struct rules_finding){ .kind = RULES_BEHIND_ALL,
						     .rule = search->indexes[all + 1],
						     .by = search->indexes[all],
						     .others = others });
}

static int search_run(struct search *search)
{
	for (uint32_t i = 0; i < search->rule_count; i++) {
		const struct rules_shape *shape = &search->shapes[i];
		int r = shape_add(search, i);
		if (r < 0)
			return r;
		if (!search->shaper.pool.steps) {
			search->findings->is_partial = true;
			return 0;
		}
		if (!shape->is_empty && decides(shape) && !search->asked[i].asks) {
			rest_add(search, i);
			return 0;
		}
	}
	return 0;
}

static bool acts(const struct rules_section *section, uint32_t index)
{
	return section->enabled && section->rules[index].enabled &&
	       rules_group_is_on(section, section->rules[index].group);
}

/* Takes the parts. */
static void parts_collect(struct search *search, uint32_t index, struct rules_parts *parts)
{
	search->part_counts[index] = parts->lacks_some ? UINT32_MAX : parts->count;
	for (uint32_t i = 0; i < parts->count; i++) {
		search->rules[search->rule_count] = parts->at[i];
		search->indexes[search->rule_count++] = index;
	}
	parts->count = 0;
}

/* Rules were found right when the configuration was read. */
static int rules_collect(struct search *search)
{
	const struct rules_section *section = search->section;
	struct weir_diag told = { 0 };
	int r = 0;
	for (uint32_t i = 0; r == 0 && i < section->rule_count; i++) {
		_cleanup_parts_ struct rules_parts parts = { 0 };
		if (!acts(section, i))
			continue;
		r = rules_parts_read(&section->rules[i], "", &told, search->services, &parts);
		if (r == 0)
			parts_collect(search, i, &parts);
	}
	weir_diag_done(&told);
	return r;
}

static int search_alloc(struct search *search)
{
	size_t count = rules_section_weight(search->section) + 1u;
	search->rules = calloc(count, sizeof(*search->rules));
	search->indexes = calloc(count, sizeof(*search->indexes));
	search->part_counts = calloc(count, sizeof(*search->part_counts));
	search->shapes = calloc(count, sizeof(*search->shapes));
	search->asked = calloc(count, sizeof(*search->asked));
	search->met = calloc(count, sizeof(*search->met));
	search->deciding = calloc(count, sizeof(*search->deciding));
	search->findings->at = calloc(count, sizeof(*search->findings->at));
	bool has_all = search->rules && search->indexes && search->part_counts && search->shapes &&
		       search->asked && search->met && search->deciding && search->findings->at;
	return has_all ? 0 : -ENOMEM;
}

static void search_done(struct search *search)
{
	for (uint32_t i = 0; i < search->rule_count; i++)
		rules_rule_done(&search->rules[i]);
	for (unsigned i = 0; i < RULES_SHAPE_SETS; i++)
		rules_values_done(&search->parts[i].values);
	free(search->rules);
	free(search->indexes);
	free(search->part_counts);
	free(search->shapes);
	free(search->asked);
	free(search->met);
	free(search->deciding);
	rules_shaper_done(&search->shaper);
}

int rules_overlap_find(const struct rules_section *section, const struct weir_services *services,
		       uint64_t steps, struct rules_findings *ret_findings)
{
	_cleanup_findings_ struct rules_findings findings = { 0 };
	struct search search = { .section = section, .services = services, .findings = &findings };
	search.shaper.section = section;
	int r = search_alloc(&search);
	if (r == 0)
		r = rules_collect(&search);
	if (r == 0)
		r = rules_shaper_init(&search.shaper, section, search.rules, search.rule_count,
				      steps);
	if (r == 0)
		r = search_run(&search);
	if (r == 0)
		rules_findings_merge(&findings, search.part_counts);
	search_done(&search);
	if (r < 0)
		return r;
	*ret_findings = findings;
	findings = (struct rules_findings){ 0 };
	return 0;
}
