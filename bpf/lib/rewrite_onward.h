/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * What becomes of a packet that TC sends on (shortcut.h): one end or both are others, it has a hop
 * less, and the next link addresses. All in one write, since each is a call of the kernel's, and as
 * in rewrite_nat.h the kernel keeps checksums that are not whole yet. Beside rewrite.h, writes
 * packet bytes.
 */
#ifndef WEIR_BPF_REWRITE_ONWARD_H
#define WEIR_BPF_REWRITE_ONWARD_H

#include "rewrite_nat.h"
#include "scratch.h"
#include "served.h"
#include "shortcut.h"

/* Bytes from the IP header to behind the ports. */
#define ONWARD_V4 (sizeof(struct ipv4_header) + 2 * sizeof(__be16))
#define ONWARD_V6 (sizeof(struct ipv6_header) + 2 * sizeof(__be16))

/* A packet as far as its ports. */
struct onward_head {
	__u16 unused; /* so that what follows stands as the kernel aligns packets */
	struct eth_header link;
	union {
		struct {
			struct ipv4_header ip;
			__be16 ports[2];
		} v4;
		struct {
			struct ipv6_header ip;
			__be16 ports[2];
		} v6;
		__u32 words[ONWARD_V6 / sizeof(__u32)];
	};
};

SCRATCH_HOLDS(struct onward_head);
_Static_assert(__builtin_offsetof(struct onward_head, v4.ports) ==
			       __builtin_offsetof(struct onward_head, words) +
				       sizeof(struct ipv4_header) &&
		       __builtin_offsetof(struct onward_head, v6.ports) ==
			       __builtin_offsetof(struct onward_head, words) +
				       sizeof(struct ipv6_header) &&
		       __builtin_offsetof(struct onward_head, words) ==
			       __builtin_offsetof(struct onward_head, link) +
				       sizeof(struct eth_header),
	       "as in a packet");

/* Differences, as sums of 16-bit words (sum_fold()). */
struct onward_sums {
	__u64 address, port, hop;
};

/* `bytes`: a constant, for the verifier. */
static __always_inline bool onward_copy(struct cursor *c, struct onward_head *head, __u32 bytes)
{
	if (cursor_peek(c, bytes) != CURSOR_WHOLE)
		return false;
#pragma unroll
	for (__u32 i = 0; i < bytes / sizeof(__u32); i++)
		head->words[i] = ((const __u32 *)c->at)[i];
	return true;
}

static __always_inline bool onward_read(struct __sk_buff *skb, const struct pkt *p,
					struct onward_head *head)
{
	struct cursor c = skb_cursor(skb);

	c.offset = sizeof(struct eth_header);
	return p->seen & PKT_IPV4 ? onward_copy(&c, head, ONWARD_V4) :
				    onward_copy(&c, head, ONWARD_V6);
}

static __always_inline void onward_put_port(__be16 *port, __be16 to, struct onward_sums *sums)
{
	if (!to || *port == to)
		return;
	sums->port += nat_difference(*port, to);
	*port = to;
}

static __always_inline void onward_put_v4(struct onward_head *head, const struct served_end *end,
					  bool is_source, struct onward_sums *sums)
{
	__be32 *at = is_source ? &head->v4.ip.src : &head->v4.ip.dst;

	sums->address += (__u64)(__u32) ~*at + end->addr.be32[3];
	*at = end->addr.be32[3];
	onward_put_port(&head->v4.ports[!is_source], end->port, sums);
}

static __always_inline void onward_put_v6(struct onward_head *head, const struct served_end *end,
					  bool is_source, struct onward_sums *sums)
{
	struct weir_addr *at = is_source ? &head->v6.ip.src : &head->v6.ip.dst;

#pragma unroll
	for (__u32 i = 0; i < 4; i++)
		sums->address += (__u64)(__u32)~at->be32[i] + end->addr.be32[i];
	*at = end->addr;
	onward_put_port(&head->v6.ports[!is_source], end->port, sums);
}

/* `end`: NULL where it stays. */
static __always_inline void onward_put_end(struct onward_head *head, const struct pkt *p,
					   const struct served_end *end, bool is_source,
					   struct onward_sums *sums)
{
	if (!end)
		return;
	if (p->seen & PKT_IPV4)
		onward_put_v4(head, end, is_source, sums);
	else
		onward_put_v6(head, end, is_source, sums);
}

/* What a router changes. */
static __always_inline void onward_put_hop(struct onward_head *head, const struct pkt *p,
					   const struct route_way *way, struct onward_sums *sums)
{
	__builtin_memcpy(&head->link, way->link, sizeof(way->link));
	if (!(p->seen & PKT_IPV4)) {
		head->link.ethertype = be16(WIRE_IPV6);
		head->v6.ip.hop_limit--;
		sums->hop = (__u16)~be16(1);
		return;
	}
	head->link.ethertype = be16(WIRE_IPV4);
	head->v4.ip.ttl--;
	head->v4.ip.checksum = nat_sum(head->v4.ip.checksum, sums->address + NAT_HOP, false);
}

static __always_inline bool onward_write(struct __sk_buff *skb, const struct pkt *p,
					 const struct onward_head *head)
{
	const struct eth_header *from = &head->link;

	return p->seen & PKT_IPV4 ?
		       !bpf_skb_store_bytes(skb, 0, from, sizeof(*from) + ONWARD_V4, 0) :
		       !bpf_skb_store_bytes(skb, 0, from, sizeof(*from) + ONWARD_V6, 0);
}

/* Datagrams of IPv4 may have none. */
static __always_inline bool onward_has_sum(struct __sk_buff *skb, const struct pkt *p, __u32 at)
{
	__u16 sum = 0;
	struct cursor c = skb_cursor(skb);

	return p->proto == PROTO_TCP || !nat_reaches(&c, at, sizeof(sum)) || *(const __u16 *)c.at;
}

/* As nat_skb_put_transport(); the device's sum over all of the packet as nat_skb_put_address(). */
static __always_inline bool onward_put_sums(struct __sk_buff *skb, const struct pkt *p,
					    const struct onward_sums *sums)
{
	__u32 at = p->l4_offset + nat_sum_offset(p->proto, true);
	__u64 mark = p->proto == PROTO_UDP ? BPF_F_MARK_MANGLED_0 : 0;
	__u64 counted = p->seen & PKT_IPV4 ? 0 : sums->address + sums->hop;
	bool has_sum = onward_has_sum(skb, p, at);

	if (!has_sum)
		counted += sums->port;
	if (counted)
		bpf_csum_update(skb, nat_fold_32(counted));
	if (!has_sum)
		return true;
	return !bpf_l4_csum_replace(skb, at, 0, nat_fold_32(sums->address),
				    BPF_F_PSEUDO_HDR | mark) &&
	       (!sums->port || !bpf_l4_csum_replace(skb, at, 0, nat_fold_32(sums->port), mark));
}

/* Of a packet that shortcut_may() go on. False: it could not be read or written, for want of
 * memory, and is to be dropped. */
static __always_inline bool rewrite_skb_onward(struct __sk_buff *skb, const struct pkt *p,
					       const struct served_end *source,
					       const struct served_end *destination,
					       const struct route_way *way)
{
	struct onward_head *head = scratch(SCRATCH_ONWARD);
	struct onward_sums sums = {};

	if (!head || !onward_read(skb, p, head))
		return false;
	onward_put_end(head, p, source, true, &sums);
	onward_put_end(head, p, destination, false, &sums);
	onward_put_hop(head, p, way, &sums);
	return onward_write(skb, p, head) && onward_put_sums(skb, p, &sums);
}

#endif
