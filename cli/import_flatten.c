/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Jumps become the rules they lead to, each with the condition of the jump; a return takes its
 * packets out of what follows in its chain.
 */
#include <errno.h>

#include "cli/import_flat.h"

#define DEPTH_MAX 16	  /* as deep as nft lets chains call one another */
#define VISITS_MAX 100000 /* of chains; two jumps to each next chain double with each level */

#define PROTO_TCP 6
#define PROTO_UDP 17
#define PROTO_DCCP 33
#define PROTO_SCTP 132
#define PROTO_UDPLITE 136

struct walk {
	struct import *import;
	struct import_flats *flats;
	unsigned visits;
};

/* One visit of a chain: `scope` shrinks by what returns. */
struct visit {
	const struct import_chain *chain;
	struct import_match scope;
	const struct import_rule *through;
	unsigned depth;
};

int import_flats_add(struct import *import, struct import_flats *flats,
		     const struct import_flat *flat)
{
	if (flats->count >= IMPORT_RULES_MAX)
		return import_cannot(import, "this makes more than %u rules", IMPORT_RULES_MAX);
	struct import_flat *grown =
		import_grow(&import->arena, flats->at, flats->count, sizeof(*grown));
	if (!grown)
		return -ENOMEM;
	flats->at = grown;
	grown[flats->count++] = *flat;
	return 0;
}

static bool has_ports_only(struct import *import, const struct import_match *match)
{
	static const uint32_t protos[] = { PROTO_TCP, PROTO_UDP, PROTO_DCCP, PROTO_SCTP,
					   PROTO_UDPLITE };
	struct import_spans all = { 0 };

	for (size_t i = 0; i < sizeof(protos) / sizeof(protos[0]); i++)
		all = import_spans_union(&import->arena, all,
					 import_spans_one(&import->arena, protos[i], protos[i]));
	return import_match_has(match, IMPORT_PROTO) &&
	       import_spans_within(&import->arena, match->number[IMPORT_PROTO], all);
}

static int flat_emit(struct walk *walk, const struct visit *visit, struct import_rule *rule,
		     const struct import_match *match, enum import_action action)
{
	struct import_flat flat = {
		.rule = rule,
		.through = visit->through,
		.match = *match,
		.action = action,
		.log = rule->log,
		.has_mark = rule->has_mark,
		.mark = rule->mark,
	};

	return import_flats_add(walk->import, walk->flats, &flat);
}

/* What goes on to the next rule. */
static enum import_action passing_action(const struct import_rule *rule)
{
	if (rule->has_mark)
		return IMPORT_TO_MARK;
	return rule->log ? IMPORT_TO_LOG : IMPORT_TO_COUNT;
}

static int chain_visit(struct walk *walk, struct visit visit);

static int branch_jump(struct walk *walk, const struct visit *visit, struct import_rule *rule,
		       const struct import_branch *branch, const struct import_match *match)
{
	const struct import_chain *target =
		import_chain_find(walk->import, visit->chain->table, branch->target);

	if (!target)
		return import_cannot(walk->import, "'%s' is no chain of this table",
				     branch->target);
	if (visit->depth >= DEPTH_MAX)
		return import_cannot(walk->import, "jumps go round, or more than %u deep",
				     DEPTH_MAX);
	return chain_visit(walk, (struct visit){ .chain = target,
						 .scope = *match,
						 .through = rule,
						 .depth = visit->depth + 1 });
}

/* Packets that match leave this chain for the rule behind the one that led here. */
static int branch_return(struct walk *walk, struct visit *visit, struct import_rule *rule,
			 const struct import_branch *branch, const struct import_match *match)
{
	if (visit->depth == 0)
		return flat_emit(walk, visit, rule, match, IMPORT_TO_POLICY);
	return import_match_without(walk->import, &visit->scope, &branch->match);
}

static int branch_follow(struct walk *walk, struct visit *visit, struct import_rule *rule,
			 const struct import_branch *branch, const struct import_match *match)
{
	int result = 0;

	if ((rule->log || rule->has_mark) && !(branch->verdict == IMPORT_RETURN && !visit->depth))
		result = flat_emit(walk, visit, rule, match, passing_action(rule));
	if (result == 0 && branch->verdict != IMPORT_RETURN)
		result = branch_jump(walk, visit, rule, branch, match);
	if (result == 0 && branch->verdict != IMPORT_JUMP)
		result = branch_return(walk, visit, rule, branch, match);
	return result;
}

static int branch_emit(struct walk *walk, struct visit *visit, struct import_rule *rule,
		       const struct import_branch *branch)
{
	struct import_match match = visit->scope;
	int result = import_match_and(walk->import, &match, &branch->match);

	if (result < 0 || match.never)
		return result;
	if (match.any_transport && !has_ports_only(walk->import, &match))
		return import_cannot(walk->import, "it reads ports of any protocol: name those it "
						   "means (TCP, UDP …)");
	switch (branch->verdict) {
	case IMPORT_ACCEPT:
		return flat_emit(walk, visit, rule, &match, IMPORT_TO_ALLOW);
	case IMPORT_DROP:
		return flat_emit(walk, visit, rule, &match, IMPORT_TO_DENY);
	case IMPORT_REJECT:
		return flat_emit(walk, visit, rule, &match, IMPORT_TO_REJECT);
	case IMPORT_RETURN:
	case IMPORT_JUMP:
	case IMPORT_GOTO:
		return branch_follow(walk, visit, rule, branch, &match);
	case IMPORT_NO_VERDICT:
	default:
		return flat_emit(walk, visit, rule, &match, passing_action(rule));
	}
}

/* All of its branches or none. */
static int rule_emit(struct walk *walk, struct visit *visit, struct import_rule *rule)
{
	size_t before = walk->flats->count;
	struct import_match scope = visit->scope;
	int result = 0;

	if (rule->why) {
		walk->import->why = rule->why;
		result = -EOPNOTSUPP;
	}
	for (size_t i = 0; i < rule->branch_count && result == 0; i++)
		result = branch_emit(walk, visit, rule, &rule->branches[i]);
	if (result == 0)
		return 0;
	walk->flats->count = before;
	visit->scope = scope;
	import_rule_fail(walk->import, rule, walk->import->why ? walk->import->why : "no memory");
	struct import_flat place = { .rule = rule, .through = visit->through, .why = rule->told };
	(void)import_flats_add(walk->import, walk->flats, &place);
	return result;
}

/*
 * Behind a return that is not taken over, each rule would decide about packets that should not have
 * come so far.
 */
static void rest_fail(struct walk *walk, const struct visit *visit, size_t from)
{
	for (size_t i = from; i < visit->chain->rule_count; i++) {
		struct import_rule *rule = &visit->chain->rules[i];
		rule->is_reached = true;
		import_rule_fail(walk->import, rule,
				 rule->why ? rule->why :
					     "it stands behind a return that is not taken over");
		struct import_flat place = { .rule = rule,
					     .through = visit->through,
					     .why = rule->told };
		(void)import_flats_add(walk->import, walk->flats, &place);
	}
}

static int chain_visit(struct walk *walk, struct visit visit)
{
	if (++walk->visits > VISITS_MAX)
		return import_cannot(walk->import, "its chains jump to one another too often");
	for (size_t i = 0; i < visit.chain->rule_count && !visit.scope.never; i++) {
		struct import_rule *rule = &visit.chain->rules[i];
		rule->is_reached = true;
		if (rule_emit(walk, &visit, rule) < 0 && rule->may_return && visit.depth > 0) {
			rest_fail(walk, &visit, i + 1);
			return 0;
		}
	}
	return 0;
}

void import_flatten(struct import *import, const struct import_chain *chain,
		    struct import_flats *ret_flats)
{
	struct import_flats flats = { 0 };
	struct walk walk = { .import = import, .flats = &flats };
	struct visit visit = { .chain = chain };

	(void)import_match_number(import, &visit.scope, IMPORT_FAMILY, chain->family);
	struct import_name_field devices = { .in = chain->devices };
	(void)import_match_iface(import, &visit.scope,
				 chain->hook == IMPORT_HOOK_EGRESS ? IMPORT_OUT : IMPORT_IN,
				 &devices);
	(void)chain_visit(&walk, visit);
	*ret_flats = flats;
}
