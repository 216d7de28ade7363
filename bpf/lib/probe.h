/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Probes: told about, not counted. Costs a packet from a wire one comparison. */
#ifndef WEIR_BPF_PROBE_H
#define WEIR_BPF_PROBE_H

#include "../../abi/limit.h"
#include "../../abi/probe.h"
#include "pkt.h"
#include "room.h"
#include "served.h"

/*
 * writes: the data path, for probes only; core/probe.c, one at a time, what a replay tells
 * reads: the same two
 * full: cannot be: the last probe replaces the one before
 */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__uint(map_flags, BPF_F_MMAPABLE);
	__type(key, __u32);
	__type(value, struct weir_probe_row);
} tmp_probe SEC(".maps");

struct probe_constants {
	__u32 secret[4];
	__u32 learns; /* a private copy: probes leave behind what packets would */
};

const volatile struct probe_constants probe_constants = {};

/*
 * No program reads it: they have it as constants.
 *
 * writes: core/object.c, once, the words of the load before
 * reads: the same, of the next run of the daemon
 * full: cannot be: one row
 */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct weir_mark);
} cfg_mark SEC(".maps");

/* An object whose secret was never set knows no probes. */
static __always_inline bool probe_is_marked(const __u32 *words)
{
	return probe_constants.secret[0] && words[0] == probe_constants.secret[0] &&
	       words[1] == probe_constants.secret[1] && words[2] == probe_constants.secret[2] &&
	       words[3] == probe_constants.secret[3];
}

/* By a program of this load, or of the one before or behind it. */
static __always_inline bool probe_is_ours(const __u32 *words)
{
	return probe_constants.secret[0] && words[0] == probe_constants.secret[1] &&
	       words[1] == probe_constants.secret[2] && words[2] == probe_constants.secret[3];
}

/* What a replay tells of its packet; NULL, and no code at all, in what judges live ones. */
static __always_inline const struct weir_probe_told *probe_told(void)
{
	if (!probe_constants.learns)
		return NULL;
	__u32 zero = 0;
	const struct weir_probe_row *row = bpf_map_lookup_elem(&tmp_probe, &zero);

	return row ? &row->told : NULL;
}

/* When a packet came that is replayed; 0: ask the clock. */
static __always_inline __u64 probe_told_ns(void)
{
	const struct weir_probe_told *told = probe_told();

	return told ? told->now_ns : 0;
}

/* Its bytes on the wire. */
static __always_inline __u32 probe_told_bytes(__u32 bytes)
{
	const struct weir_probe_told *told = probe_told();

	return told && told->bytes ? told->bytes : bytes;
}

/* Every program has it, and no packet from a wire comes here. */
__noinline int probe_tell(struct pkt *p, __u32 reason)
{
	__u32 zero = 0;
	struct weir_probe_row *row = bpf_map_lookup_elem(&tmp_probe, &zero);

	room_leave();
	if (!p || !row)
		return 0;
	struct weir_probe_result *result = &row->result;
	__u32 sequence = result->sequence + 1;

	*result = (struct weir_probe_result){
		.src = p->src,
		.dst = p->dst,
		.reason = reason,
		.seen = p->seen,
		.ifindex = p->ifindex,
		.generation = p->generation,
		.class_id = p->class,
		.list = p->list,
		.hit = p->hit,
		.rule = p->rule,
		.held = p->allowed ? LIMIT_NEVER : p->held,
		.mark = p->mark,
		.backend = served_tally(),
		.ethertype = p->ethertype,
		.sport = p->sport,
		.dport = p->dport,
		.vlan = p->vlan,
		.proto = p->proto,
		.tcp_flags = p->tcp_flags,
		.icmp_type = p->icmp_type,
		.icmp_code = p->icmp_code,
		.ttl = p->ttl,
		.dscp = p->dscp,
		.direction = p->direction,
		.state = p->state,
		.sequence = sequence,
	};
	return 0;
}

#endif
