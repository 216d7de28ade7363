/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which registers hold known numbers is followed along the branches that may be taken, until
 * nothing changes any more (Wegman and Zadeck's conditional constants, over registers alone: what
 * lies in memory is not followed).
 */
#include "prune.h"

#include <linux/bpf.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "facts.h"
#include "insn.h"

struct walk {
	struct bpf_insn *insns;
	size_t count;
	bool *joins;		  /* more than one way leads there */
	bool *starts;		  /* of a function */
	bool *stays;		  /* so far: it may be come to */
	struct weir_facts *facts; /* of joins */
	bool *is_due;		  /* a join whose facts are others than when it was walked from */
	bool is_any_due;
};

static void way_add(struct walk *walk, size_t at, const struct weir_facts *facts)
{
	struct weir_facts *there = &walk->facts[at];

	if (there->is_reached && !weir_facts_meet(there, facts))
		return;
	if (!there->is_reached)
		*there = *facts;
	there->is_reached = true;
	walk->is_due[at] = walk->is_any_due = true;
}

/* A function may be called with anything. */
static void function_enter(struct walk *walk, size_t at)
{
	const struct weir_facts nothing = { .known = 0 };

	way_add(walk, at, &nothing);
}

/* True where it goes on behind the instruction. */
static bool jump_step(struct walk *walk, size_t at, const struct weir_facts *facts)
{
	const struct bpf_insn *insn = &walk->insns[at];
	size_t target = weir_insn_target(walk->insns, at, walk->count);
	enum weir_decision is;

	if (weir_insn_is_call(insn)) {
		if (target < walk->count)
			function_enter(walk, target);
		return true;
	}
	if (BPF_OP(insn->code) == BPF_EXIT)
		return false;
	is = BPF_OP(insn->code) == BPF_JA ? WEIR_ALWAYS : weir_facts_decide(facts, insn);
	if (is != WEIR_NEVER)
		way_add(walk, target, facts);
	return is != WEIR_ALWAYS;
}

/* From a join to the next one, or to where the way ends. */
static void stretch_walk(struct walk *walk, size_t at)
{
	struct weir_facts facts = walk->facts[at];

	for (;;) {
		const struct bpf_insn *insn = &walk->insns[at];

		walk->stays[at] = true;
		if (weir_insn_is_function(insn))
			function_enter(walk, weir_insn_target(walk->insns, at, walk->count));
		if (weir_insn_jumps(insn) && !jump_step(walk, at, &facts))
			return;
		if (!weir_insn_jumps(insn) || weir_insn_is_call(insn))
			weir_facts_step(&facts, insn);
		at += 1u + weir_insn_is_wide(insn);
		if (at >= walk->count)
			return;
		if (walk->joins[at]) {
			way_add(walk, at, &facts);
			return;
		}
	}
}

/* In their order, as nearly all ways lead forward: a round or two will do. */
static void ways_walk(struct walk *walk)
{
	function_enter(walk, 0);
	while (walk->is_any_due) {
		walk->is_any_due = false;
		for (size_t at = 0; at < walk->count; at++) {
			if (!walk->is_due[at])
				continue;
			walk->is_due[at] = false;
			stretch_walk(walk, at);
		}
	}
}

/* By what is known in the end: a branch that is always taken is a jump, and one that never is
 * goes. */
static void branches_settle(struct walk *walk)
{
	struct weir_facts facts = { .known = 0 };

	for (size_t at = 0; at < walk->count; at++) {
		struct bpf_insn *insn = &walk->insns[at];

		if (!walk->stays[at])
			continue;
		if (walk->joins[at])
			facts = walk->facts[at];
		if (weir_insn_branches(insn)) {
			enum weir_decision is = weir_facts_decide(&facts, insn);

			walk->stays[at] = is != WEIR_NEVER;
			if (is == WEIR_ALWAYS)
				*insn = (struct bpf_insn){ .code = BPF_JMP | BPF_JA,
							   .off = insn->off };
		} else if (!weir_insn_jumps(insn) || weir_insn_is_call(insn)) {
			weir_facts_step(&facts, insn);
		}
		if (weir_insn_is_wide(insn))
			walk->stays[++at] = true;
	}
}

static size_t places_count(const struct walk *walk, uint32_t *where)
{
	uint32_t count = 0;

	for (size_t at = 0; at < walk->count; at++) {
		where[at] = count;
		count += walk->stays[at];
	}
	return where[walk->count] = count;
}

/* True where some went: others may lead to the next one then. */
static bool idle_jumps_drop(struct walk *walk, const uint32_t *where)
{
	bool dropped = false;

	for (size_t at = 0; at < walk->count; at++) {
		if (!walk->stays[at] || walk->starts[at] || !weir_insn_goes(&walk->insns[at]) ||
		    where[weir_insn_target(walk->insns, at, walk->count)] != where[at] + 1)
			continue;
		walk->stays[at] = false;
		dropped = true;
	}
	return dropped;
}

static void insns_move(const struct walk *walk, const uint32_t *where)
{
	for (size_t at = 0; at < walk->count; at++) {
		size_t target = weir_insn_target(walk->insns, at, walk->count);

		if (!walk->stays[at])
			continue;
		/* Places only come nearer, so nothing that is yet to be read is written over. */
		struct bpf_insn moved = walk->insns[at];

		if (target < walk->count)
			weir_insn_aim(&moved, (int32_t)where[target] - (int32_t)where[at] - 1);
		walk->insns[where[at]] = moved;
		if (weir_insn_is_wide(&moved)) {
			at++;
			walk->insns[where[at]] = walk->insns[at];
		}
	}
}

static void joins_mark(struct walk *walk)
{
	walk->joins[0] = walk->starts[0] = true;
	for (size_t at = 0; at < walk->count; at++) {
		const struct bpf_insn *insn = &walk->insns[at];
		size_t target = weir_insn_target(walk->insns, at, walk->count);

		if (target < walk->count) {
			walk->joins[target] = true;
			walk->starts[target] |=
				weir_insn_is_call(insn) || weir_insn_is_function(insn);
		}
		at += weir_insn_is_wide(insn);
	}
}

static size_t walk_prune(struct walk *walk, uint32_t *where)
{
	joins_mark(walk);
	ways_walk(walk);
	branches_settle(walk);
	do
		places_count(walk, where);
	while (idle_jumps_drop(walk, where));
	insns_move(walk, where);
	return where[walk->count];
}

size_t weir_prune(struct bpf_insn *insns, size_t count, uint32_t *where)
{
	_cleanup_free_ bool *marks = calloc(4 * count, sizeof(*marks));
	_cleanup_free_ struct weir_facts *facts = calloc(count, sizeof(*facts));
	struct walk walk = { .insns = insns, .count = count, .facts = facts };

	if (!count || !marks || !facts) {
		for (size_t at = 0; at <= count; at++)
			where[at] = (uint32_t)at;
		return count;
	}
	walk.joins = marks;
	walk.starts = marks + count;
	walk.stays = marks + 2 * count;
	walk.is_due = marks + 3 * count;
	return walk_prune(&walk, where);
}

size_t weir_prune_records(void *records, size_t count, size_t size, const uint32_t *where,
			  uint32_t left, bool is_whole)
{
	char *const bytes = records;
	uint32_t last = UINT32_MAX, at;
	size_t kept = 0;

	for (size_t i = 0; i < count; i++) {
		memcpy(&at, bytes + i * size, sizeof(at));
		if (where[at] >= left || (is_whole && where[at + 1] == where[at]))
			continue;
		kept += where[at] != last;
		last = where[at];
		memmove(bytes + (kept - 1) * size, bytes + i * size, size);
		memcpy(bytes + (kept - 1) * size, &last, sizeof(last));
	}
	return kept;
}
