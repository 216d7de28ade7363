/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * The block stage: is the remote address on a list? Allow wins over deny, whichever of the compiled
 * tables and the live set says so. Looks at addresses only, so every fragment, tag and protocol is
 * treated alike.
 */
#ifndef WEIR_BLOCK_BPF_H
#define WEIR_BLOCK_BPF_H

#include "../../bpf/lib/clock.h"
#include "../../bpf/lib/generation.h"
#include "../../bpf/lib/remote.h"
#include "block.h"

const volatile struct block_constants block_constants = { .enabled = 1 };

/*
 * writes: features/block/block_live.c, entry by entry
 * reads: packets whose remote address may be in it (cfg_block)
 * full: the addition is refused with the numbers; nothing is evicted
 */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, BLOCK_LIVE_DEFAULT);
	__type(key, struct block_live_key);
	__type(value, struct block_live);
} set_block SEC(".maps");

/*
 * writes: features/block/block_live.c
 * reads: every IP packet
 * full: cannot be: one row, with room for every prefix length there is
 */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct block_lengths);
} cfg_block SEC(".maps");

/* What was found so far, by action. */
struct block_found {
	__u32 list[BLOCK_VERDICTS];
	__u32 hit[BLOCK_VERDICTS];
};

static __always_inline void block_find_class(const struct pkt *p, struct block_found *found)
{
	struct weir_line *line = p->class ? policy_line(p, WEIR_SECTION_BLOCK, p->class / 4) : NULL;

	if (!line)
		return;
	struct block_class *entry = (struct block_class *)line + p->class % 4;

	for (int action = 0; action < BLOCK_VERDICTS; action++) {
		found->list[action] = entry->action[action].list;
		found->hit[action] = entry->action[action].hit;
	}
}

static __always_inline void block_mask(struct weir_addr *addr, __u32 length)
{
	__u64 high = length >= 64 ? ~0ULL : ~(~0ULL >> (length & 63));
	__u64 low = length >= 128 ? ~0ULL : length <= 64 ? 0 : ~(~0ULL >> (length & 63));

	addr->be64[0] &= be64(high);
	addr->be64[1] &= be64(low);
}

/* Global, so that the verifier walks it once and not once for each of the lengths a packet may ask
 * for. */
__noinline int block_find_prefix(const struct pkt *p, __u32 length, struct block_found *found)
{
	if (!p || !found)
		return 0;
	struct block_live_key key = { .addr = *remote_addr(p), .length = length };

	block_mask(&key.addr, length);
	struct block_live *live = bpf_map_lookup_elem(&set_block, &key);

	if (!live)
		return 0;
	for (int action = 0; action < BLOCK_VERDICTS; action++) {
		const struct block_live_side *side = &live->action[action];

		if (found->list[action] || !side->list ||
		    (side->expires_ns && side->expires_ns <= clock_ns()))
			continue;
		found->list[action] = side->list;
		found->hit[action] = side->hit;
	}
	return 0;
}

/* Asks for each prefix length in use, longest first, and all of them: an allow may be the shorter
 * one. */
static __always_inline void block_find_live(const struct pkt *p, struct block_found *found)
{
	__u32 zero = 0;
	struct block_lengths *lengths = bpf_map_lookup_elem(&cfg_block, &zero);

	if (!lengths)
		return;
	bool v4 = p->seen & PKT_IPV4;
	const __u8 *length = v4 ? lengths->v4 : lengths->v6;
	__u32 count = v4 ? lengths->v4_count : lengths->v6_count;

	LOOP_ROLLED
	for (__u32 i = 0; i < sizeof(lengths->v6) && i < count; i++)
		block_find_prefix(p, length[i], found);
}

static __always_inline enum weir_reason block_judge(struct pkt *p)
{
	struct block_found found = {};

	block_find_class(p, &found);
	block_find_live(p, &found);
	if (found.list[BLOCK_ALLOW]) {
		p->list = found.list[BLOCK_ALLOW];
		p->hit = found.hit[BLOCK_ALLOW];
		p->allowed = true;
		return WEIR_PASS;
	}
	if (found.list[BLOCK_DENY]) {
		p->list = found.list[BLOCK_DENY];
		p->hit = found.hit[BLOCK_DENY];
		return WEIR_DROP_BLOCKED;
	}
	return WEIR_PASS;
}

static __always_inline enum weir_reason block_stage(struct pkt *p)
{
	return block_constants.enabled ? block_judge(p) : WEIR_PASS;
}

#endif
