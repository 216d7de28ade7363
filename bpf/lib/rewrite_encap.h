/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * A packet goes one hop further, and gets the headers of encap.h in front of it. The third file
 * that writes packet bytes.
 *
 * At TC the kernel is told that there is a packet in the packet: a checksum still to be computed
 * stays the inner one's, and segments still to be cut each get the outer headers. At XDP no program
 * can tell that a checksum is still to be computed, and such a packet leaves with a wrong one,
 * where nothing on the way mends it: XDP is for what comes from a wire.
 */
#ifndef WEIR_BPF_REWRITE_ENCAP_H
#define WEIR_BPF_REWRITE_ENCAP_H

#include "encap.h"
#include "nat.h"

#define LINK_BYTES (sizeof(struct eth_header))

/* The first bytes of an IP header, by either version's names. */
struct encap_seen {
	union {
		struct {
			__u8 v4_version_ihl, v4_tos;
			__be16 v4_length, v4_id, v4_fragment;
			__be16 v4_hops; /* TTL and protocol, of which the checksum sees one word */
			__be16 v4_sum;
		};
		struct {
			__be32 v6_version_class_flow;
			__be16 v6_length;
			__u8 v6_next, v6_hop_limit;
		};
	};
};

_Static_assert(sizeof(struct encap_seen) == 12, "as on the wire");

static __always_inline __u16 encap_hop(__be16 hops)
{
	return be16(be16(hops) - 0x100);
}

static __always_inline __u8 encap_tos(const struct encap_seen *seen, bool is_v4)
{
	return is_v4 ? seen->v4_tos : be32(seen->v6_version_class_flow) >> 20;
}

/* --- TC ----------------------------------------------------------------------------------- */

/* Behind the outermost tag, the next: the kernel has taken it out of the bytes by then. */
static __always_inline bool skb_pop_inner_tag(struct __sk_buff *skb, struct pkt *p)
{
	if (!skb->vlan_present)
		return true;
	p->l3_offset -= sizeof(struct tag_header);
	if (p->l4_offset)
		p->l4_offset -= sizeof(struct tag_header);
	return !bpf_skb_vlan_pop(skb);
}

/*
 * An Ethernet header and nothing else stands before the IP header afterwards: tags would lead into
 * the network that the packet came from, and devices without link header have none. 1: done; 0:
 * what stands there leads elsewhere (more than two tags, labels, PPPoE).
 */
__noinline int rewrite_skb_link(struct __sk_buff *skb, struct pkt *p)
{
	if (!p || (skb->vlan_present && (bpf_skb_vlan_pop(skb) || !skb_pop_inner_tag(skb, p))))
		return 0;
	if (p->l3_offset)
		return p->l3_offset == LINK_BYTES;
	if (bpf_skb_change_head(skb, LINK_BYTES, 0))
		return 0;
	p->l3_offset += LINK_BYTES;
	if (p->l4_offset)
		p->l4_offset += LINK_BYTES;
	return 1;
}

/* The sum that a device has taken of all the packet stays right for IPv4, where the header's own
 * takes the difference back. */
static __always_inline bool skb_put_hops(struct __sk_buff *skb, const struct pkt *p,
					 const struct encap_seen *seen)
{
	if (!(p->seen & PKT_IPV4)) {
		__u8 hops = p->ttl - 1;

		return !bpf_skb_store_bytes(
			skb, p->l3_offset + __builtin_offsetof(struct ipv6_header, hop_limit),
			&hops, sizeof(hops), BPF_F_RECOMPUTE_CSUM);
	}
	__u16 words[2] = { encap_hop(seen->v4_hops) };

	words[1] = nat_sum(seen->v4_sum, nat_difference(seen->v4_hops, words[0]), false);
	return !bpf_skb_store_bytes(skb, p->l3_offset + __builtin_offsetof(struct ipv4_header, ttl),
				    words, sizeof(words), 0);
}

/* One hop further, as a router does it: there must be one left. Gives the packet's DSCP and ECN, or
 * -1. */
__noinline int rewrite_skb_hop(struct __sk_buff *skb, const struct pkt *p)
{
	struct encap_seen seen;

	if (!p || bpf_skb_load_bytes(skb, p->l3_offset, &seen, sizeof(seen)) ||
	    !skb_put_hops(skb, p, &seen))
		return -1;
	return encap_tos(&seen, p->seen & PKT_IPV4);
}

#define SKB_ENCAP_ROOM_MAC 1 /* BPF_ADJ_ROOM_MAC: right behind the link header */

/* Segments stay as long as they are: who calls has seen that each fits with what it gets. */
static __always_inline bool skb_encap_room(struct __sk_buff *skb, const struct encap *e)
{
	bool is_v4 = addr_is_v4(&e->dst);
	__u64 flags = BPF_F_ADJ_ROOM_FIXED_GSO |
		      (is_v4 ? BPF_F_ADJ_ROOM_ENCAP_L3_IPV4 : BPF_F_ADJ_ROOM_ENCAP_L3_IPV6);

	if (e->forward == WEIR_FORWARD_GUE)
		flags |= BPF_F_ADJ_ROOM_ENCAP_L4_UDP;
	return !bpf_skb_adjust_room(skb, encap_bytes(e->forward, is_v4), SKB_ENCAP_ROOM_MAC, flags);
}

/* A constant to each, for the verifier. */
static __always_inline bool skb_put_outer(struct __sk_buff *skb, const struct encap *e,
					  const struct encap_header *h)
{
	bool is_v4 = addr_is_v4(&e->dst), is_gue = e->forward == WEIR_FORWARD_GUE;
	__be16 ethertype = is_v4 ? be16(WIRE_IPV4) : be16(WIRE_IPV6);
	__u64 flags = BPF_F_RECOMPUTE_CSUM;
	long r;

	if (is_v4 && is_gue)
		r = bpf_skb_store_bytes(skb, LINK_BYTES, h->bytes, 28, flags);
	else if (is_v4)
		r = bpf_skb_store_bytes(skb, LINK_BYTES, h->bytes, 20, flags);
	else if (is_gue)
		r = bpf_skb_store_bytes(skb, LINK_BYTES, h->bytes, 48, flags);
	else
		r = bpf_skb_store_bytes(skb, LINK_BYTES, h->bytes, 40, flags);
	return !r && !bpf_skb_store_bytes(skb, LINK_BYTES - sizeof(ethertype), &ethertype,
					  sizeof(ethertype), 0);
}

/* After rewrite_skb_link(). *h is room for the headers. 1: done; 0: it cannot be (the packet bears
 * another already that is still to be cut), or memory is wanting: it is to be dropped. */
__noinline int rewrite_skb_encap(struct __sk_buff *skb, const struct pkt *p, const struct encap *e,
				 struct encap_header *h)
{
	if (!p || !e || !h || p->l3_offset != LINK_BYTES)
		return 0;
	__u32 bytes = skb->gso_size ? skb->len - LINK_BYTES : p->ip_len;

	/* What pads the frame is not the packet's, and would be the outer one's. */
	encap_make(p, e, bytes, h);
	return skb_encap_room(skb, e) && skb_put_outer(skb, e, h);
}

/* --- XDP ---------------------------------------------------------------------------------- */

static __always_inline bool xdp_encap_at(struct cursor *c, __u32 at, __u32 bytes)
{
	c->offset = at & CURSOR_OFFSET_MASK;
	return cursor_peek(c, bytes) == CURSOR_WHOLE;
}

/* The packet's DSCP and ECN, or -1. */
static __always_inline int rewrite_xdp_tos(struct xdp_md *ctx, const struct pkt *p)
{
	struct cursor c = xdp_cursor(ctx);

	if (!xdp_encap_at(&c, p->l3_offset, sizeof(struct encap_seen)))
		return -1;
	return encap_tos((const struct encap_seen *)(long)c.at, p->seen & PKT_IPV4);
}

/* As rewrite_skb_hop(). */
__noinline int rewrite_xdp_hop(struct xdp_md *ctx, const struct pkt *p)
{
	struct cursor c = xdp_cursor(ctx);

	if (!p || !xdp_encap_at(&c, p->l3_offset, sizeof(struct encap_seen)))
		return -1;
	struct encap_seen *seen = (void *)(long)c.at;
	bool is_v4 = p->seen & PKT_IPV4;

	if (!is_v4) {
		seen->v6_hop_limit--;
		return encap_tos(seen, false);
	}
	__u16 hops = encap_hop(seen->v4_hops);

	seen->v4_sum = nat_sum(seen->v4_sum, nat_difference(seen->v4_hops, hops), false);
	seen->v4_hops = hops;
	return encap_tos(seen, true);
}

static __always_inline bool xdp_put_outer(struct cursor *c, const struct encap_header *h,
					  __u32 bytes)
{
	if (!xdp_encap_at(c, LINK_BYTES, bytes))
		return false;
	__u16 *to = (__u16 *)(long)c->at;

#pragma unroll
	for (__u32 i = 0; i < bytes / 2; i++)
		to[i] = h->words[i];
	return true;
}

static __always_inline bool xdp_put_by_size(struct cursor *c, const struct encap_header *h,
					    __u32 bytes)
{
	switch (bytes) {
	case 20:
		return xdp_put_outer(c, h, 20);
	case 28:
		return xdp_put_outer(c, h, 28);
	case 40:
		return xdp_put_outer(c, h, 40);
	case 48:
		return xdp_put_outer(c, h, 48);
	}
	return false;
}

/* As rewrite_skb_encap(), for packets right behind a plain Ethernet header, whose addresses are
 * left to whoever sends it. */
__noinline int rewrite_xdp_encap(struct xdp_md *ctx, const struct pkt *p, const struct encap *e,
				 struct encap_header *h)
{
	if (!p || !e || !h || p->l3_offset != LINK_BYTES)
		return 0;
	__u32 bytes = encap_bytes(e->forward, addr_is_v4(&e->dst));
	struct cursor c = xdp_cursor(ctx);
	struct eth_header link;

	if (!xdp_encap_at(&c, 0, LINK_BYTES))
		return 0;
	link = *(const struct eth_header *)c.at;
	link.ethertype = addr_is_v4(&e->dst) ? be16(WIRE_IPV4) : be16(WIRE_IPV6);
	encap_make(p, e, p->ip_len, h);
	if (bpf_xdp_adjust_head(ctx, -(int)bytes))
		return 0;
	c = xdp_cursor(ctx);
	if (!xdp_encap_at(&c, 0, LINK_BYTES))
		return 0;
	*(struct eth_header *)(long)c.at = link;
	return xdp_put_by_size(&c, h, bytes);
}

#endif
