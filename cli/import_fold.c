/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The hooks of netfilter on the two places where Weir judges: prerouting and input where a packet
 * arrives, output and postrouting where it leaves, forward at one of them. Weir does not know
 * whether a packet is for this machine or goes through it, so what only that tells apart is told to
 * the user.
 */
#include <stdlib.h>
#include <string.h>

#include "cli/import_flat.h"

struct base {
	struct import_chain *chain;
	struct import_flats flats;
	enum import_way way;
	size_t index;
	bool shares; /* forward, where a chain of this machine's own traffic is judged too */
};

struct fold {
	struct import *import;
	struct base *bases;
	size_t count;
	struct import_flats out;
};

static bool overlaps(const struct fold *fold, const struct base *a, const struct base *b)
{
	return import_spans_both(&fold->import->arena, a->chain->family, b->chain->family).count >
	       0;
}

static bool is_inert(const struct base *base)
{
	return base->flats.count == 0 && !base->chain->policy_drop;
}

/* A packet is for this machine, from it, or goes through it. */
static bool is_other_path(const struct base *a, const struct base *b)
{
	enum import_hook x = a->chain->hook, y = b->chain->hook;

	return x != y && (x == IMPORT_HOOK_FORWARD || y == IMPORT_HOOK_FORWARD) &&
	       (x == IMPORT_HOOK_INPUT || x == IMPORT_HOOK_OUTPUT || y == IMPORT_HOOK_INPUT ||
		y == IMPORT_HOOK_OUTPUT);
}

static bool flats_use(const struct import_flats *flats, enum import_way way)
{
	for (size_t i = 0; i < flats->count; i++) {
		const struct import_name_field *field = &flats->at[i].match.iface[way];
		if (field->in.count || field->out.count)
			return true;
	}
	return false;
}

static enum import_way way_of(const struct base *base)
{
	switch (base->chain->hook) {
	case IMPORT_HOOK_OUTPUT:
	case IMPORT_HOOK_POSTROUTING:
	case IMPORT_HOOK_EGRESS:
		return IMPORT_OUT;
	case IMPORT_HOOK_FORWARD:
		return flats_use(&base->flats, IMPORT_OUT) && !flats_use(&base->flats, IMPORT_IN) ?
			       IMPORT_OUT :
			       IMPORT_IN;
	default:
		return IMPORT_IN;
	}
}

static const char *chain_where(struct import *import, const struct import_chain *chain)
{
	return import_format(&import->arena, "%s %s", chain->table, chain->name);
}

static void chain_problem(struct import *import, const struct import_chain *chain, const char *why)
{
	import_problem(import, chain_where(import, chain), chain->type_text, why);
}

static void chain_note(struct import *import, const struct import_chain *chain, const char *why)
{
	import_note(import, chain_where(import, chain), chain->type_text, why);
}

/* A chain that is refused as a whole. */
static void chain_refuse(struct import *import, struct import_chain *chain)
{
	for (size_t i = 0; i < chain->rule_count; i++) {
		chain->rules[i].is_reached = true;
		import_rule_fail(import, &chain->rules[i], chain->why);
	}
	if (chain->policy_drop)
		chain_problem(import, chain, chain->why);
}

static int base_compare(const void *a, const void *b)
{
	const struct base *x = a, *y = b;

	if (x->chain->hook != y->chain->hook)
		return x->chain->hook < y->chain->hook ? -1 : 1;
	if (x->chain->priority != y->chain->priority)
		return x->chain->priority < y->chain->priority ? -1 : 1;
	return x->index < y->index ? -1 : 1;
}

static void bases_find(struct fold *fold)
{
	struct import *import = fold->import;

	fold->bases = import_alloc(&import->arena, import->chain_count, sizeof(*fold->bases));
	for (size_t i = 0; fold->bases && i < import->chain_count; i++) {
		struct import_chain *chain = import->chains[i];
		if (chain->why)
			chain_refuse(import, chain);
		else if (chain->hook != IMPORT_NO_HOOK)
			fold->bases[fold->count++] = (struct base){ .chain = chain, .index = i };
	}
	if (fold->count)
		qsort(fold->bases, fold->count, sizeof(*fold->bases), base_compare);
	for (size_t i = 0; i < fold->count; i++) {
		import_flatten(import, fold->bases[i].chain, &fold->bases[i].flats);
		fold->bases[i].way = way_of(&fold->bases[i]);
	}
}

static bool shares_place(const struct fold *fold, const struct base *base)
{
	for (size_t i = 0; i < fold->count; i++) {
		const struct base *other = &fold->bases[i];
		if (other->way == base->way && !is_inert(other) && is_other_path(base, other) &&
		    overlaps(fold, base, other))
			return true;
	}
	return false;
}

/* Says what a hook became. */
static void base_tell(struct fold *fold, struct base *base)
{
	if (is_inert(base))
		return;
	if (base->chain->hook == IMPORT_HOOK_INPUT)
		chain_note(fold->import, base->chain,
			   "judged where packets arrive: those that only go through this machine "
			   "are judged by it as well");
	if (base->chain->hook == IMPORT_HOOK_OUTPUT)
		chain_note(fold->import, base->chain,
			   "judged where packets leave (on interfaces with egress: true): those "
			   "that only go through this machine are judged by it as well");
	if (base->chain->hook != IMPORT_HOOK_FORWARD)
		return;
	base->shares = shares_place(fold, base);
	if (base->shares)
		chain_problem(fold->import, base->chain,
			      "Weir cannot tell what goes through this machine from what is for it "
			      "or from it, and another chain is about that: only rules that name "
			      "the interface were taken, behind that chain's, without this policy");
	else
		chain_note(fold->import, base->chain,
			   base->way == IMPORT_IN ?
				   "judged where packets arrive: those for this machine itself "
				   "are judged by it as well" :
				   "judged where packets leave (on interfaces with egress: true): "
				   "those of this machine itself are judged by it as well");
}

/* Whether a chain behind this one judges again what this one accepts of these families. */
static const struct base *next_of(const struct fold *fold, const struct base *base,
				  struct import_spans family)
{
	for (const struct base *next = base + 1; next < fold->bases + fold->count; next++)
		if (next->way == base->way && !is_inert(next) && !is_other_path(base, next) &&
		    import_spans_both(&fold->import->arena, family, next->chain->family).count)
			return next;
	return NULL;
}

static struct import_spans flat_family(const struct base *base, const struct import_flat *flat)
{
	return import_match_has(&flat->match, IMPORT_FAMILY) ? flat->match.number[IMPORT_FAMILY] :
							       base->chain->family;
}

static void flat_fail(struct fold *fold, struct import_flat *flat, const char *why)
{
	import_rule_fail(fold->import, flat->rule, why);
	flat->why = flat->rule->told;
}

static bool names_iface(const struct import_flat *flat, enum import_way way)
{
	return flat->match.iface[way].in.count || flat->match.iface[way].out.count;
}

/* What ends this chain only, and ends it where nothing but accepting follows, decides nothing. */
static void flat_accept(struct fold *fold, const struct base *base, struct import_flat *flat)
{
	const struct base *next = next_of(fold, base, flat_family(base, flat));

	if (!next)
		return;
	if (flat->matters) {
		flat_fail(fold, flat,
			  import_format(&fold->import->arena,
					"it ends only this chain, and '%s' judges the packet again",
					chain_where(fold->import, next->chain)));
		return;
	}
	flat->action = flat->has_mark ? IMPORT_TO_MARK :
		       flat->log      ? IMPORT_TO_LOG :
					IMPORT_TO_COUNT;
}

static void flat_settle(struct fold *fold, const struct base *base, struct import_flat *flat)
{
	enum import_way other = base->way == IMPORT_IN ? IMPORT_OUT : IMPORT_IN;

	if (flat->why)
		return;
	if (names_iface(flat, other))
		flat_fail(fold, flat,
			  "Weir judges a packet where it arrives or where it leaves and does not "
			  "know the other interface");
	else if (base->shares && !names_iface(flat, base->way))
		flat_fail(fold, flat,
			  "it is about forwarded packets only, and Weir cannot tell those apart");
	else if (flat->action == IMPORT_TO_ALLOW)
		flat_accept(fold, base, flat);
}

static void flats_settle(struct fold *fold, struct base *base)
{
	bool matters = base->chain->policy_drop;

	for (size_t i = base->flats.count; i > 0; i--) {
		struct import_flat *flat = &base->flats.at[i - 1];
		flat->way = base->way;
		flat->matters = matters;
		if (flat->action == IMPORT_TO_POLICY)
			flat->action = base->chain->policy_drop ? IMPORT_TO_DENY : IMPORT_TO_ALLOW;
		matters |= flat->why || flat->action != IMPORT_TO_ALLOW;
	}
	for (size_t i = 0; i < base->flats.count; i++) {
		struct import_flat *flat = &base->flats.at[i];
		flat_settle(fold, base, flat);
		if (import_flats_add(fold->import, &fold->out, flat) < 0 && !flat->why)
			import_rule_fail(fold->import, flat->rule, fold->import->why);
	}
}

/* The end of a chain that is not about all packets of a place is one more rule. */
static void policy_as_rule(struct fold *fold, const struct base *base)
{
	struct import *import = fold->import;
	struct import_flat flat = { .action = IMPORT_TO_DENY, .way = base->way };
	struct import_name_field devices = { .in = base->chain->devices };

	flat.where = import_format(&import->arena, "%s %s policy", base->chain->table,
				   base->chain->name);
	(void)import_match_number(import, &flat.match, IMPORT_FAMILY, base->chain->family);
	(void)import_match_iface(import, &flat.match, base->way, &devices);
	(void)import_flats_add(import, &fold->out, &flat);
}

static bool all_deny(const struct fold *fold, enum import_way way)
{
	struct import_spans denied = { 0 };

	for (size_t i = 0; i < fold->count; i++) {
		const struct base *base = &fold->bases[i];
		if (base->way == way && base->chain->policy_drop && !base->shares &&
		    !base->chain->devices.count && !next_of(fold, base, base->chain->family))
			denied = import_spans_union(&fold->import->arena, denied,
						    base->chain->family);
	}
	return denied.count == 1 && denied.at[0].from == 0 && denied.at[0].to == 1;
}

static void base_policy(struct fold *fold, const struct base *base, const bool deny[IMPORT_WAYS])
{
	if (!base->chain->policy_drop || base->shares)
		return;
	if (next_of(fold, base, base->chain->family))
		chain_problem(fold->import, base->chain,
			      "its policy is drop, and a chain behind it judges what it accepts");
	else if (base->chain->devices.count || !deny[base->way])
		policy_as_rule(fold, base);
}

static void rules_count(struct import *import)
{
	for (size_t i = 0; i < import->chain_count; i++)
		for (size_t j = 0; j < import->chains[i]->rule_count; j++) {
			const struct import_rule *rule = &import->chains[i]->rules[j];
			if (!rule->is_reached)
				import_note(import, rule->where, rule->text,
					    "left out: no packet comes to it");
			else if (!rule->told)
				import->result->mapped++;
		}
}

void import_fold(struct import *import, struct import_flats *ret_flats, bool ret_deny[IMPORT_WAYS])
{
	struct fold fold = { .import = import };

	bases_find(&fold);
	for (size_t i = 0; i < fold.count; i++)
		base_tell(&fold, &fold.bases[i]);
	for (int way = 0; way < IMPORT_WAYS; way++)
		ret_deny[way] = all_deny(&fold, (enum import_way)way);
	for (size_t i = 0; i < fold.count; i++) {
		flats_settle(&fold, &fold.bases[i]);
		base_policy(&fold, &fold.bases[i], ret_deny);
	}
	rules_count(import);
	*ret_flats = fold.out;
}
