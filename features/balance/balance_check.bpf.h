/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Health checks of backends that answer clients themselves go the way that clients' packets go. The
 * daemon's socket speaks to the backend's own address; as its packets leave they get the service's,
 * and the headers of the tunnel, and what comes back from the service's address gets the backend's.
 * So neither the socket nor routing ever sees the service's address, which often is this host's.
 */
#ifndef WEIR_BALANCE_CHECK_BPF_H
#define WEIR_BALANCE_CHECK_BPF_H

#include "balance_forward.bpf.h"
#include "balance_nat.bpf.h"

/*
 * Sockets of checks that are under way, by the port that each has for itself.
 *
 * writes: features/balance/health_tunnel.c; the data path, `seen` and `own`
 * reads: the data path
 * full: the check is not made, and counts as unasked; there are not so many at a time
 */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1);
	__type(key, struct balance_check_key);
	__type(value, struct balance_check);
} set_check SEC(".maps");

static __always_inline struct balance_check *check_of(const struct pkt *p, bool is_out)
{
	struct balance_check_key key = {
		.port = is_out ? p->sport : p->dport,
		.proto = p->proto,
		.is_v4 = addr_is_v4(&p->src),
	};

	return bpf_map_lookup_elem(&set_check, &key);
}

static __always_inline bool check_end_is(const struct pkt *p, const struct balance_check *check,
					 bool is_out)
{
	const struct weir_addr *far = is_out ? &p->dst : &p->src;
	const struct weir_addr *wanted = is_out ? &check->backend : &check->service;

	if ((far->be64[0] ^ wanted->be64[0]) | (far->be64[1] ^ wanted->be64[1]) |
	    ((is_out ? p->dport : p->sport) ^ check->port))
		return false;
	return is_out ||
	       !((p->dst.be64[0] ^ check->own.be64[0]) | (p->dst.be64[1] ^ check->own.be64[1]));
}

/* 1: the packet is of a check: it fits a socket, and whom that speaks to. */
__noinline int balance_check_look(struct pkt *p, __u32 is_out)
{
	if (!served_constants.checks || !p || !(p->seen & PKT_PORTS) || p->probe)
		return 0;
	struct balance_check *check = check_of(p, is_out);

	if (!check || !check_end_is(p, check, is_out))
		return 0;
	p->relay = PKT_CHECK;
	return 1;
}

static __always_inline bool check_encap(struct __sk_buff *skb, const struct pkt *p,
					const struct balance_check *check)
{
	struct forward_work *work = forward_work();
	int tos = rewrite_skb_hop(skb, p);

	if (!work || tos < 0)
		return false;
	work->encap = (struct encap){
		.src = addr_is_none(&check->source) ? p->src : check->source,
		.dst = check->backend,
		.hash = encap_hash(p),
		.forward = check->forward,
		.tos = tos,
	};
	return rewrite_skb_encap(skb, p, &work->encap, &work->header);
}

/* The way to the backend is the one that the packet is on. 1: done; 0: it must not go as it is. */
__noinline int balance_check_write(struct __sk_buff *skb, const struct pkt *p)
{
	if (!served_constants.checks || !p)
		return 0;
	bool is_out = p->direction == WEIR_EGRESS;
	struct balance_check *check = check_of(p, is_out);
	struct nat_change change = { .is_source = !is_out };

	if (!check)
		return 0;
	if (is_out)
		check->own = p->src; /* whom alone answers are for */
	change.to = is_out ? check->service : check->backend;
	change.to_port = check->port;
	if (rewrite_skb_nat(skb, p, &change) != NAT_DONE)
		return 0;
	if (!is_out)
		return 1;
	check->seen = 1;
	return check->forward == WEIR_FORWARD_L2 || check_encap(skb, p, check);
}

#endif
