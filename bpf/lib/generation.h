/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Which compiled policy is live. Read once a packet: everything a packet meets comes from that one image. */
#ifndef WEIR_BPF_GENERATION_H
#define WEIR_BPF_GENERATION_H

#include "../../abi/image.h"
#include "../../abi/maps.h"
#include "image.h"
#include "pkt.h"

/*
 * writes: core/commit.c, one 64-bit store a swap
 * reads: every packet, once
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
 * full: cannot be: two slots; the size of what they hold is checked against `memory:` when it is compiled
 */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(max_entries, WEIR_POLICY_SLOTS);
	__type(key, __u32);
	__array(values, struct policy_image);
} tab_policy SEC(".maps");

/* Fills in generation, image and header; the last two stay NULL before the first policy. */
static __always_inline void generation_read(struct pkt *p)
{
	__u32 zero = 0;
	struct weir_live *live = bpf_map_lookup_elem(&cfg_live, &zero);
	__u64 word = live ? *(volatile __u64 *)&live->word : 0;
	__u32 slot = word & 1;
	void *image = bpf_map_lookup_elem(&tab_policy, &slot);
	const struct weir_image_header *header = image ? image_line(image, 0) : NULL;

	p->generation = word >> 1;
	if (!header || header->magic != WEIR_IMAGE_MAGIC)
		return;
	p->image = image;
	p->header = header;
}

/* First line of a section of the live policy, 0 when it has none. */
static __always_inline __u32 policy_section(const struct pkt *p, enum weir_section section)
{
	return p->header ? p->header->first_line[section] : 0;
}

#endif
