/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * The way back: by which interface would an answer to this packet leave? Asked of the kernel's own
 * routing tables and rules, for packets that arrive.
 */
#ifndef WEIR_BPF_ROUTE_H
#define WEIR_BPF_ROUTE_H

#include "pkt.h"

#define ROUTE_INET 2 /* AF_INET and AF_INET6 of every Linux */
#define ROUTE_INET6 10

enum hook {
	HOOK_XDP,
	HOOK_TC_IN,
	HOOK_TC_OUT, /* nothing arrives there */
};

enum route {
	ROUTE_NONE = 0, /* no route, or one that refuses; greater: index of the interface */
	ROUTE_UNKNOWN = -1,
	ROUTE_NO_FORWARDING = -2, /* the kernel answers only on interfaces that forward */
};

#define ROUTE_LINK_ADDRESS 6 /* bytes */

/* Where a packet goes on. */
struct route_way {
	__u32 ifindex;
	__u8 link[2 * ROUTE_LINK_ADDRESS]; /* destination, source, as in the header */
};

/* Whether a neighbour is known or the packet would fit does not matter: the interface is set. */
static __always_inline int route_of(long result, __u32 ifindex)
{
	switch (result) {
	case BPF_FIB_LKUP_RET_SUCCESS:
	case BPF_FIB_LKUP_RET_NO_NEIGH:
	case BPF_FIB_LKUP_RET_FRAG_NEEDED:
		return ifindex;
	case BPF_FIB_LKUP_RET_BLACKHOLE:
	case BPF_FIB_LKUP_RET_UNREACHABLE:
	case BPF_FIB_LKUP_RET_PROHIBIT:
	case BPF_FIB_LKUP_RET_NOT_FWDED:
		return ROUTE_NONE;
	case BPF_FIB_LKUP_RET_FWD_DISABLED:
		return ROUTE_NO_FORWARDING;
	default:
		return ROUTE_UNKNOWN;
	}
}

/* Both of one family; `from` all zero where it is not known. */
static __always_inline void route_ends(struct bpf_fib_lookup *fib, bool is_v4,
				       const struct weir_addr *from, const struct weir_addr *to)
{
	if (is_v4) {
		fib->family = ROUTE_INET;
		fib->ipv4_src = from->be32[3];
		fib->ipv4_dst = to->be32[3];
		return;
	}
	fib->family = ROUTE_INET6;
	for (int i = 0; i < 4; i++) {
		fib->ipv6_src[i] = from->be32[i];
		fib->ipv6_dst[i] = to->be32[i];
	}
}

static __always_inline long route_ask(void *ctx, const struct pkt *p, const struct weir_addr *from,
				      const struct weir_addr *to, __u32 *ret_ifindex)
{
	struct bpf_fib_lookup fib = { .ifindex = p->ifindex };

	route_ends(&fib, p->seen & PKT_IPV4, from, to);
	long result = bpf_fib_lookup(ctx, &fib, sizeof(fib), 0);

	*ret_ifindex = fib.ifindex;
	return result;
}

static __always_inline int route_back(void *ctx, const struct pkt *p)
{
	__u32 ifindex;
	long result = route_ask(ctx, p, &p->dst, &p->src, &ifindex);

	return route_of(result, ifindex);
}

enum route_place {
	ROUTE_NOWHERE, /* or it is not known; who must not be answered for another's sake, is not */
	ROUTE_HERE,    /* for this host: there is no way on, or nothing goes on here */
	ROUTE_AWAY,    /* it is forwarded */
};

/* Where a packet that arrives goes. */
static __always_inline enum route_place route_place(void *ctx, const struct pkt *p)
{
	__u32 ifindex;
	long result = route_ask(ctx, p, &p->src, &p->dst, &ifindex);

	if (result == BPF_FIB_LKUP_RET_NOT_FWDED || result == BPF_FIB_LKUP_RET_FWD_DISABLED)
		return ROUTE_HERE;
	return route_of(result, ifindex) > 0 ? ROUTE_AWAY : ROUTE_NOWHERE;
}

#endif
