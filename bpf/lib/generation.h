/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Which compiled policy is live. Read once a packet: everything a packet meets comes from that one
 * image. */
#ifndef WEIR_BPF_GENERATION_H
#define WEIR_BPF_GENERATION_H

#include "../../abi/maps.h"
#include "../../abi/policy_head.h"
#include "image.h"
#include "pkt.h"

/*
 * writes: core/commit.c, one 64-bit store a swap; at the end of a start the rest of it
 * reads: every packet, once; the rest by packets of services behind an upgrade
 * full: cannot be: one entry
 */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__uint(map_flags, BPF_F_MMAPABLE);
	__type(key, __u32);
	__type(value, struct weir_live);
} cfg_live SEC(".maps");

struct policy_image {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE | BPF_F_INNER_MAP);
	__uint(max_entries, 1);
	__uint(key_size, sizeof(__u32));
	__uint(value_size, sizeof(struct weir_line)); /* by size: clang leaves its BTF out here */
};

/*
 * writes: core/commit.c, only the slot that is not live
 * reads: every packet
 * full: cannot be: two slots; the size of what they hold is checked against `memory:` when it is
 * compiled
 */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(max_entries, WEIR_POLICY_SLOTS);
	__type(key, __u32);
	__array(values, struct policy_image);
} tab_policy SEC(".maps");

/*
 * writes: core/commit.c, only the slot that is not live, together with tab_policy's
 * reads: every packet
 * full: cannot be: two slots of a fixed size
 */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, WEIR_POLICY_SLOTS);
	__uint(map_flags, BPF_F_MMAPABLE);
	__type(key, __u32);
	__type(value, struct weir_policy_head);
} tab_head SEC(".maps");

/*
 * writes: core/near.c, only the slot that is not live; patched sections in place, for an interface
 * that no program is attached to yet
 * reads: packets of features with near sections
 * full: a policy that does not fit makes a new object with a larger map
 */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, WEIR_POLICY_SLOTS *WEIR_NEAR_LINES);
	__uint(map_flags, BPF_F_MMAPABLE);
	__type(key, __u32);
	__type(value, struct weir_line);
} tab_near SEC(".maps");

const volatile struct weir_near_constants near_constants = { .lines = WEIR_NEAR_LINES };

/* The one read of the word: after it, p->slot is what everything goes by. */
static __always_inline void generation_read(struct pkt *p)
{
	__u32 zero = 0;
	struct weir_live *live = bpf_map_lookup_elem(&cfg_live, &zero);
	__u64 word = live ? *(volatile __u64 *)&live->word : 0;

	p->generation = word >> 1;
	p->slot = word & 1;
}

/* How the policy this packet goes by begins; NULL before the first one. */
static __always_inline const struct weir_policy_head *policy_head(const struct pkt *p)
{
	__u32 slot = p->slot;
	const struct weir_policy_head *head = bpf_map_lookup_elem(&tab_head, &slot);

	return head && head->header.magic == WEIR_IMAGE_MAGIC ? head : NULL;
}

/* Its lines; NULL before the first one. Looked up where it is needed: a map cannot be kept in
 * struct pkt. */
static __always_inline void *policy_image(const struct pkt *p)
{
	__u32 slot = p->slot;

	return bpf_map_lookup_elem(&tab_policy, &slot);
}

/* Line `line` of a section; NULL when the policy has no such section. */
static __always_inline void *policy_line(const struct pkt *p, enum weir_section section, __u32 line)
{
	const struct weir_policy_head *head = policy_head(p);
	__u32 first = head ? head->header.first_line[section] : 0;
	void *image = first ? policy_image(p) : NULL;

	return image ? image_line(image, first + line) : NULL;
}

/* Where the lines of this packet's slot begin in tab_near. */
static __always_inline __u32 near_lines(const struct pkt *p)
{
	return p->slot * near_constants.lines;
}

/* A line of tab_near, counted from the map's first; compiled in place, so it costs no call. */
static __always_inline void *near_at(__u32 at)
{
	return bpf_map_lookup_elem(&tab_near, &at);
}

/* A line in the slot of this packet. */
static __always_inline void *near_line(const struct pkt *p, __u32 line)
{
	return near_at(near_lines(p) + line);
}

#endif
