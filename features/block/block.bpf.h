/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * The block stage: is the remote address on a list? Allow wins over deny, whichever of the compiled tables and the live set
 * says so. Looks at addresses only, so every fragment, tag and protocol is treated alike.
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
	__u32 list[BLOCK_ACTIONS];
	__u32 hit[BLOCK_ACTIONS];
};

static __always_inline void block_find_class(const struct pkt *p, struct block_found *found)
{
	__u32 section = policy_section(p, WEIR_SECTION_BLOCK);

	if (!p->class || !section)
		return;
	struct weir_line *line = image_line(p->image, section + p->class / 4);

	if (!line)
		return;
	struct block_class *entry = (struct block_class *)line + p->class % 4;

	for (int action = 0; action < BLOCK_ACTIONS; action++) {
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

static __always_inline void block_find_prefix(const struct weir_addr *addr, __u32 length, struct block_found *found)
{
	struct block_live_key key = { .addr = *addr, .length = length };

	block_mask(&key.addr, length);
	struct block_live *live = bpf_map_lookup_elem(&set_block, &key);

	if (!live)
		return;
	for (int action = 0; action < BLOCK_ACTIONS; action++) {
		const struct block_live_side *side = &live->action[action];

		if (found->list[action] || !side->list || (side->expires_ns && side->expires_ns <= clock_ns()))
			continue;
		found->list[action] = side->list;
		found->hit[action] = side->hit;
	}
}

/* Asks for each prefix length in use, longest first, and all of them: an allow may be the shorter one. */
static __noinline int block_find_live(struct pkt *p, struct block_found *found)
{
	__u32 zero = 0;
	struct block_lengths *lengths = bpf_map_lookup_elem(&cfg_block, &zero);

	if (!p || !found || !lengths)
		return 0;
	const struct weir_addr *addr = remote_addr(p);
	bool v4 = p->seen & PKT_IPV4;

	LOOP_ROLLED
	for (__u32 i = 0; i < BLOCK_V6_LENGTHS; i++) {
		if (i >= (v4 ? lengths->v4_count : lengths->v6_count) || (v4 && i >= BLOCK_V4_LENGTHS))
			break;
		block_find_prefix(addr, v4 ? lengths->v4[i % (BLOCK_V4_LENGTHS + 3)] : lengths->v6[i], found);
	}
	return 0;
}

static __always_inline bool block_live_is_used(void)
{
	__u32 zero = 0;
	struct block_lengths *lengths = bpf_map_lookup_elem(&cfg_block, &zero);

	return lengths && (lengths->v4_count || lengths->v6_count);
}

static __always_inline enum weir_reason block_stage(struct pkt *p)
{
	struct block_found found = {};

	if (!block_constants.enabled)
		return WEIR_PASS;
	block_find_class(p, &found);
	if (block_live_is_used())
		block_find_live(p, &found);
	for (int action = 0; action < BLOCK_ACTIONS; action++) {
		if (!found.list[action])
			continue;
		p->list = found.list[action];
		p->hit = found.hit[action];
		if (action == BLOCK_DENY)
			return WEIR_DROP_BLOCKED;
		p->allowed = true;
		break;
	}
	return WEIR_PASS;
}

#endif
