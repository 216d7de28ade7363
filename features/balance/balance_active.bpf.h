/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* How many connections backends have, and which of some candidates has the fewest for its weight.
 * docs/design/balancer.md */
#ifndef WEIR_BALANCE_ACTIVE_BPF_H
#define WEIR_BALANCE_ACTIVE_BPF_H

#include "../../bpf/lib/scratch.h"
#include "../../bpf/lib/served.h"
#include "balance_lines.bpf.h"

/*
 * writes: the data path, all CPUs, `begun` and `ended`; balance_active.c the rest
 * reads: the data path, where a backend is chosen
 * full: cannot be: with ctr_backend; what lies behind it has no connections
 */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__uint(map_flags, BPF_F_MMAPABLE);
	__type(key, __u32);
	__type(value, struct balance_active);
} ctr_active SEC(".maps");

struct balance_best {
	__u64 count;
	__u32 weight;
	__u32 number; /* of the backend; 0: there was no candidate yet */
};

SCRATCH_HOLDS(struct balance_best);

static __always_inline struct balance_best *best_work(void)
{
	return scratch(SCRATCH_BEST);
}

static __always_inline void balance_active_begin(void)
{
	struct balance_best *best = best_work();

	if (best)
		*best = (struct balance_best){};
}

static __always_inline int balance_active_best(void)
{
	const struct balance_best *best = best_work();

	return best ? best->number : 0;
}

/* A candidate. 1: it is another than the best by now, or the first. Of equals the first stays,
 * which slots have chosen by weight. */
__noinline int balance_active_try(const struct pkt *p, __u32 row)
{
	const struct balance_backend *backend = p ? backend_at(p, row) : NULL;
	struct balance_best *best = best_work();

	if (!best || !backend || !backend->weight || best->number == backend->number)
		return 0;
	__u32 tally = backend->tally;
	const struct balance_active *active = bpf_map_lookup_elem(&ctr_active, &tally);
	__u64 count = active ? balance_active_count(active) : 0;

	if (best->number && count * best->weight >= best->count * backend->weight)
		return 1;
	best->count = count;
	best->weight = backend->weight;
	best->number = backend->number;
	return 1;
}

/* Once for each packet that passes: a connection that begins at a backend, or ends there. */
__noinline int balance_active_note(const struct pkt *p)
{
	const struct served *served = served_work();

	if (!p || p->probe || !served || !served->tally || served->is_quote ||
	    !(served->is_chosen | served->has_ended))
		return 0;
	__u32 tally = served->tally;
	struct balance_active *active = bpf_map_lookup_elem(&ctr_active, &tally);

	if (!active)
		return 0;
	if (served->is_chosen)
		__sync_fetch_and_add(&active->begun, 1);
	if (served->has_ended)
		__sync_fetch_and_add(&active->ended, 1);
	return 0;
}

#endif
