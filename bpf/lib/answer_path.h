/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * What a router says of a packet that cannot go on: it does not fit, or it has no hop left. In the
 * name of whom it was sent to: whoever sent it believes that one as well, and no other address of
 * ours need be known to him.
 */
#ifndef WEIR_BPF_ANSWER_PATH_H
#define WEIR_BPF_ANSWER_PATH_H

#include "reject.h"

enum answer_path {
	ICMP_FRAGMENTATION = 4, /* code of "unreachable" */
	ICMP_TIME_EXCEEDED = 11,
	ICMPV6_TOO_BIG = 2,
	ICMPV6_TIME_EXCEEDED = 3,
	IPV6_MTU_MIN = 1280, /* less is not believed (RFC 8201, 4) */
};

/* mtu 0: no hop was left. */
static __always_inline struct icmp_header answer_path_v4(__u32 mtu)
{
	return (struct icmp_header){
		.type = mtu ? ICMP_UNREACHABLE : ICMP_TIME_EXCEEDED,
		.code = mtu ? ICMP_FRAGMENTATION : 0,
		.rest = be32(mtu),
	};
}

static __always_inline struct icmp_header answer_path_v6(__u32 mtu)
{
	return (struct icmp_header){
		.type = mtu ? ICMPV6_TOO_BIG : ICMPV6_TIME_EXCEEDED,
		.rest = be32(mtu && mtu < IPV6_MTU_MIN ? IPV6_MTU_MIN : mtu),
	};
}

/* Who lets routers fragment his packets is not told that one did not fit (RFC 1812, 5.2.7.1). */
static __always_inline bool answer_path_is_due(const struct pkt *p, const struct answer *a,
					       __u32 mtu)
{
	const struct ipv4_header *ip = (const void *)a->quote;

	return !(mtu && p->seen & PKT_IPV4) || ip->fragment & be16(IPV4_DONT_FRAGMENT);
}

/* Of a packet taken into *a. False: its link header names a group. */
__noinline int answer_path_make(const struct pkt *p, struct answer *a, __u32 mtu)
{
	if (!p || !a || !answer_path_is_due(p, a, mtu) || (p->l3_offset && !answer_link(&a->link)))
		return 0;
	__u32 bytes = sizeof(a->icmp) + a->quoted;

	if (p->seen & PKT_IPV4) {
		a->icmp = answer_path_v4(mtu);
		a->icmp.checksum = answer_transport_sum(a, 0);
		answer_ip(p, a, PROTO_ICMP, bytes, IPV4_PRECEDENCE_CONTROL);
		return 1;
	}
	a->icmp = answer_path_v6(mtu);
	a->icmp.checksum = answer_transport_sum(a, sum_pseudo(p, PROTO_ICMPV6, bytes));
	answer_ip(p, a, PROTO_ICMPV6, bytes, 0);
	return 1;
}

/* Errors, later fragments and groups are never answered, and nobody more often than rejected
 * packets are. 1: the packet is its own answer now. */
__noinline int answer_path_skb(struct __sk_buff *skb, struct pkt *p, __u32 mtu)
{
	if (!p)
		return 0;
	p->reject = WEIR_REJECT_ADMIN;
	if (!answer_is_due(p) || !reject_admit())
		return 0;
	struct answer *a = answer_new();

	return a && rewrite_skb_take(skb, p, a) && answer_path_make(p, a, mtu) &&
	       rewrite_skb_put(skb, p, a);
}

#endif
