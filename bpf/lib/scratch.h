/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * What stages keep of a packet that would not fit on the stack: a row each in one map, since a
 * program can use 64 maps at the most.
 */
#ifndef WEIR_BPF_SCRATCH_H
#define WEIR_BPF_SCRATCH_H

#include "pkt.h"

#define SCRATCH_BYTES 256
#define SCRATCH_RECENT_BITS 8 /* so many cells, of 32 bytes */
#define SCRATCH_RECENT_ROWS ((1 << SCRATCH_RECENT_BITS) * 32 / SCRATCH_BYTES)

enum scratch_row {
	SCRATCH_EMBEDDED, /* embedded.h */
	SCRATCH_WAY,	  /* way.h */
	SCRATCH_PORT,	  /* the next: features/balance */
	SCRATCH_BEST,
	SCRATCH_AFFINITY,
	SCRATCH_FORWARD,
	SCRATCH_MICROFLOW,
	SCRATCH_ONWARD,
	SCRATCH_SERVICES, /* balance_recent.bpf.h: several rows each */
	SCRATCH_BACKENDS = SCRATCH_SERVICES + SCRATCH_RECENT_ROWS,
	SCRATCH_ROWS = SCRATCH_BACKENDS + SCRATCH_RECENT_ROWS,
};

struct scratch {
	__u64 words[SCRATCH_BYTES / 8];
};

/*
 * writes: the data path, each CPU its own
 * reads: the same packet
 * full: cannot be: a row a use
 */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, SCRATCH_ROWS);
	__type(key, __u32);
	__type(value, struct scratch);
} tmp_scratch SEC(".maps");

#define SCRATCH_HOLDS(type) \
	_Static_assert(sizeof(type) <= SCRATCH_BYTES, "a row of tmp_scratch holds it")

static __always_inline void *scratch(enum scratch_row row)
{
	__u32 key = row;

	return bpf_map_lookup_elem(&tmp_scratch, &key);
}

#endif
