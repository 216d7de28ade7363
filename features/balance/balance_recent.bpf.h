/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Services and backends that packets were of lately, one near line each in the place of two or
 * three of the policy behind calls and hashes. What is found here is what the policy of the packet
 * says: a cell is of one generation.
 */
#ifndef WEIR_BALANCE_RECENT_BPF_H
#define WEIR_BALANCE_RECENT_BPF_H

#include "../../bpf/lib/scratch.h"
#include "../../bpf/lib/served.h"
#include "balance.h"

struct recent_service {
	struct weir_addr addr;
	__be16 port;
	__u8 proto;
	__u8 forward;
	__u32 generation; /* 0: there is none */
	__u32 row;
	__u32 spare;
};

struct recent_backend {
	struct weir_addr addr;
	__u32 generation;
	__u32 service;
	__u32 tally : 31, is_down : 1;
	__u16 number;
	__u16 shift;
};

#define RECENT_EACH (SCRATCH_BYTES / sizeof(struct recent_backend))

_Static_assert(sizeof(struct recent_service) == sizeof(struct recent_backend), "half a line each");

#define RECENT_GOLDEN 0x9e3779b97f4a7c15ULL

/* By the highest bits of a hash: a row of scratch, and a cell of it. */
static __always_inline void *recent_at(enum scratch_row first, __u64 hash)
{
	__u64 at = hash * RECENT_GOLDEN >> (64 - SCRATCH_RECENT_BITS);
	__u32 row = first + at / RECENT_EACH;
	struct recent_backend *cells = bpf_map_lookup_elem(&tmp_scratch, &row);

	return cells ? &cells[at % RECENT_EACH] : NULL;
}

static __always_inline struct recent_service *recent_service_at(const struct pkt *p)
{
	return recent_at(SCRATCH_SERVICES,
			 p->dst.be64[0] ^ p->dst.be64[1] ^ (__u64)p->dport << 32 ^ p->proto);
}

static __always_inline bool recent_service_is(const struct recent_service *cell,
					      const struct pkt *p)
{
	return cell->generation == p->generation && cell->addr.be64[1] == p->dst.be64[1] &&
	       cell->addr.be64[0] == p->dst.be64[0] && cell->port == p->dport &&
	       cell->proto == p->proto;
}

static __always_inline void recent_service_keep(const struct pkt *p, const struct served *served)
{
	struct recent_service *cell = recent_service_at(p);

	if (!cell)
		return;
	cell->addr = p->dst;
	cell->port = p->dport;
	cell->proto = p->proto;
	cell->forward = served->forward;
	cell->generation = p->generation;
	cell->row = served->row;
}

static __always_inline struct recent_backend *recent_backend_at(__u32 service, __u16 number)
{
	return recent_at(SCRATCH_BACKENDS, (__u64)service << 16 | number);
}

static __always_inline bool recent_backend_is(const struct recent_backend *cell,
					      const struct pkt *p, const struct served *served)
{
	return cell->generation == p->generation && cell->service == served->row &&
	       cell->number == served->owner;
}

#endif
