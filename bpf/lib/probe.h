/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Probes: told about, not counted. Costs a packet from a wire one comparison. */
#ifndef WEIR_BPF_PROBE_H
#define WEIR_BPF_PROBE_H

#include "../../abi/limit.h"
#include "../../abi/probe.h"
#include "pkt.h"
#include "served.h"

/*
 * writes: the data path, for probes only; core/probe.c runs one at a time
 * reads: core/probe.c
 * full: cannot be: the last probe replaces the one before
 */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__uint(map_flags, BPF_F_MMAPABLE);
	__type(key, __u32);
	__type(value, struct weir_probe_result);
} tmp_probe SEC(".maps");

struct probe_constants {
	__u32 secret[4];
	__u32 learns; /* a private copy: probes leave behind what packets would */
};

const volatile struct probe_constants probe_constants = {};

/* An object whose secret was never set knows no probes. */
static __always_inline bool probe_is_marked(const __u32 *words)
{
	return probe_constants.secret[0] && words[0] == probe_constants.secret[0] &&
	       words[1] == probe_constants.secret[1] && words[2] == probe_constants.secret[2] &&
	       words[3] == probe_constants.secret[3];
}

__noinline int probe_tell(struct pkt *p, __u32 reason)
{
	__u32 zero = 0;
	struct weir_probe_result *result = bpf_map_lookup_elem(&tmp_probe, &zero);

	if (!p || !result)
		return 0;
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
