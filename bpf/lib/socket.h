/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Whose socket of this host a packet is for. */
#ifndef WEIR_BPF_SOCKET_H
#define WEIR_BPF_SOCKET_H

#include "pkt.h"

/* What the kernel's look-ups take; gives its size, which says the family. */
static __always_inline __u32 socket_tuple(const struct pkt *p, struct bpf_sock_tuple *tuple)
{
	if (p->seen & PKT_IPV4) {
		tuple->ipv4.saddr = p->src.be32[3];
		tuple->ipv4.daddr = p->dst.be32[3];
		tuple->ipv4.sport = p->sport;
		tuple->ipv4.dport = p->dport;
		return sizeof(tuple->ipv4);
	}
	__builtin_memcpy(tuple->ipv6.saddr, &p->src, sizeof(p->src));
	__builtin_memcpy(tuple->ipv6.daddr, &p->dst, sizeof(p->dst));
	tuple->ipv6.sport = p->sport;
	tuple->ipv6.dport = p->dport;
	return sizeof(tuple->ipv6);
}

#endif
