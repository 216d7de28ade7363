/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * A packet of a flow that XDP has sent on a moment ago (microflow.h): found by headers as they
 * mostly are, and translated as the one before. Whatever is odd, and whatever may change the state
 * of its flow, is left to the stages. Reads packet bytes and writes them.
 */
#ifndef WEIR_BPF_REWRITE_MICROFLOW_H
#define WEIR_BPF_REWRITE_MICROFLOW_H

#include "count.h"
#include "encap.h"
#include "microflow.h"
#include "nat.h"
#include "rewrite_shortcut.h"
#include "served.h"

/* What a packet says of itself. */
struct microflow_packet {
	struct microflow_key key;
	__u16 bits; /* enum microflow_bits */
	__u16 ip_len;
	__u8 proto, ttl, tcp_flags;
};

#define MICROFLOW_V4_START (4 << 4 | IPV4_IHL_MIN)
#define MICROFLOW_V4_PART (IPV4_MORE | IPV4_OFFSET_MASK | 0x8000)
#define MICROFLOW_OFFSET_MASK 0x7f /* of what is read here */

static __always_inline __be32 microflow_fold(const struct weir_addr *addr)
{
	return addr->be32[0] ^ addr->be32[1] ^ addr->be32[2] ^ addr->be32[3];
}

/* A checksum that is still to be computed is the sum of the pseudo header (rewrite_shortcut.h). */
static __always_inline bool microflow_is_whole(__u64 pseudo, __u16 sum)
{
	return (__u16)~sum_fold(pseudo) != sum;
}

/* An acknowledgement, with data or without: what else there is belongs to the stages. */
static __always_inline bool microflow_tcp(const struct tcp_header *h, __u32 bytes,
					  struct microflow_packet *m)
{
	__u32 header = (h->offset >> 4) * 4;

	m->key.sport = h->sport;
	m->key.dport = h->dport;
	m->bits |= MICROFLOW_TCP;
	m->tcp_flags = h->flags;
	return microflow_is_ack(h->flags) && header >= sizeof(*h) && header <= bytes;
}

static __always_inline bool microflow_udp(const struct udp_header *h, __u32 bytes,
					  struct microflow_packet *m)
{
	m->key.sport = h->sport;
	m->key.dport = h->dport;
	return bytes >= sizeof(*h) && be16(h->length) == bytes;
}

/* `bytes` from the transport header on. */
static __always_inline bool microflow_transport(struct xdp_md *ctx, void *at, __u8 proto,
						__u32 bytes, __u64 pseudo,
						struct microflow_packet *m)
{
	void *end = (void *)(long)ctx->data_end;
	struct tcp_header *tcp = at;
	struct udp_header *udp = at;

	pseudo += be16(proto) + be16(bytes);
	/* Of NAT each segment has its window checked. */
	bool wants_tcp = served_constants.directs && proto == PROTO_TCP;

	if (proto == PROTO_UDP)
		return (void *)(udp + 1) <= end && microflow_udp(udp, bytes, m) &&
		       microflow_is_whole(pseudo, udp->checksum);
	return wants_tcp && (void *)(tcp + 1) <= end && microflow_tcp(tcp, bytes, m) &&
	       microflow_is_whole(pseudo, tcp->checksum);
}

static __always_inline bool microflow_v4(struct xdp_md *ctx, struct microflow_packet *m)
{
	struct ipv4_header *h = (void *)(long)ctx->data + sizeof(struct eth_header);

	if ((void *)(h + 1) > (void *)(long)ctx->data_end || h->version_ihl != MICROFLOW_V4_START ||
	    h->fragment & be16(MICROFLOW_V4_PART))
		return false;
	m->key.src = h->src;
	m->key.dst = h->dst;
	m->ip_len = be16(h->total_length);
	m->ttl = h->ttl;
	m->proto = h->proto;
	return m->ip_len > sizeof(*h) &&
	       microflow_transport(ctx, h + 1, m->proto, m->ip_len - sizeof(*h),
				   (__u64)h->src + h->dst, m);
}

static __always_inline bool microflow_v6(struct xdp_md *ctx, struct microflow_packet *m)
{
	struct ipv6_header *h = (void *)(long)ctx->data + sizeof(struct eth_header);
	__u64 pseudo = 0;

	if ((void *)(h + 1) > (void *)(long)ctx->data_end || be32(h->version_class_flow) >> 28 != 6)
		return false;
	__u32 bytes = be16(h->payload_length);

	m->bits = MICROFLOW_V6;
	m->key.src = microflow_fold(&h->src);
	m->key.dst = microflow_fold(&h->dst);
	m->ip_len = sizeof(*h) + bytes;
	m->ttl = h->hop_limit;
	m->proto = h->next;
#pragma unroll
	for (__u32 i = 0; i < 4; i++)
		pseudo += (__u64)h->src.be32[i] + h->dst.be32[i];
	return bytes && bytes <= 0xffff - sizeof(*h) &&
	       microflow_transport(ctx, h + 1, m->proto, bytes, pseudo, m);
}

static __always_inline bool microflow_read(struct xdp_md *ctx, struct microflow_packet *m)
{
	struct eth_header *link = (void *)(long)ctx->data;
	bool is_known = false;

	if ((void *)(link + 1) > (void *)(long)ctx->data_end)
		return false;
	if (link->ethertype == be16(WIRE_IPV4))
		is_known = microflow_v4(ctx, m);
	else if (link->ethertype == be16(WIRE_IPV6))
		is_known = microflow_v6(ctx, m);
	return is_known && m->ttl > 1;
}

static __always_inline bool microflow_addrs_are(struct xdp_md *ctx,
						const struct microflow_addrs *addrs)
{
	struct ipv6_header *h = (void *)(long)ctx->data + sizeof(struct eth_header);

	return (void *)(h + 1) <= (void *)(long)ctx->data_end &&
	       way_addr_is(&h->src, &addrs->src) && way_addr_is(&h->dst, &addrs->dst);
}

static __always_inline bool microflow_is_first(struct xdp_md *ctx, const struct microflow_set *set,
					       const struct microflow_packet *m)
{
	return microflow_is(&set->first, &m->key, m->bits) &&
	       (!(m->bits & MICROFLOW_V6) || microflow_addrs_are(ctx, &set->addrs));
}

/* Behind one of IPv6 stand its addresses, of which others choose the bytes. */
static __always_inline bool microflow_is_second(const struct microflow_set *set,
						const struct microflow_packet *m)
{
	return !((m->bits | set->first.bits) & MICROFLOW_V6) &&
	       microflow_is(&set->second, &m->key, m->bits);
}

/* Where it was found, to be asked for once more: a pointer goes by no seam. */
struct microflow_found {
	__u32 row;
	__u32 is_second;
};

static __always_inline struct microflow_set *microflow_set_at(const struct microflow_found *found)
{
	__u32 row = found->row;

	return bpf_map_lookup_elem(&tmp_microflow, &row);
}

/* NULL: nothing is remembered of it. */
static __always_inline struct microflow *microflow_find(struct xdp_md *ctx,
							const struct microflow_packet *m,
							struct microflow_found *ret_found)
{
	struct microflow_at at = microflow_at(&m->key, m->bits);
	const __u8 *tags = microflow_tags_of(&at);

	if (!tags || (tags[0] != at.tag && tags[1] != at.tag))
		return NULL;
	struct microflow_set *set = microflow_set_of(&at);
	bool is_first = set && tags[0] == at.tag && microflow_is_first(ctx, set, m);

	*ret_found = (struct microflow_found){ .row = at.first + at.set, .is_second = !is_first };
	if (is_first)
		return &set->first;
	return set && tags[1] == at.tag && microflow_is_second(set, m) ? &set->second : NULL;
}

/* An end of the packet, which is one of two: NULL where it is not in reach. The pointer that was
 * compared is the one that is used, as in cursor_peek(). */
static __always_inline void *microflow_bytes(struct xdp_md *ctx, __u32 offset, __u32 bytes)
{
	__u8 *at = (__u8 *)(long)ctx->data + (offset & MICROFLOW_OFFSET_MASK);

	__asm__ volatile("" : "+r"(at));
	return at + bytes > (__u8 *)(long)ctx->data_end ? NULL : at;
}

static __always_inline void microflow_tell_v4(struct xdp_md *ctx, struct pkt *p)
{
	struct ipv4_header *h = (void *)(long)ctx->data + sizeof(struct eth_header);
	struct udp_header *ports = (void *)(h + 1); /* TCP begins likewise */

	if ((void *)(ports + 1) > (void *)(long)ctx->data_end)
		return;
	p->src = (struct weir_addr){ .be32 = { 0, 0, be32(0xffff), h->src } };
	p->dst = (struct weir_addr){ .be32 = { 0, 0, be32(0xffff), h->dst } };
	p->sport = ports->sport;
	p->dport = ports->dport;
	p->ethertype = be16(WIRE_IPV4);
}

static __always_inline void microflow_tell_v6(struct xdp_md *ctx, struct pkt *p)
{
	struct ipv6_header *h = (void *)(long)ctx->data + sizeof(struct eth_header);
	struct udp_header *ports = (void *)(h + 1);

	if ((void *)(ports + 1) > (void *)(long)ctx->data_end)
		return;
	p->src = h->src;
	p->dst = h->dst;
	p->sport = ports->sport;
	p->dport = ports->dport;
	p->ethertype = be16(WIRE_IPV6);
}

/* What a packet that was found says besides, for whoever has to ask: where it comes from and goes,
 * as it arrived. */
static __always_inline void microflow_tell_ends(struct xdp_md *ctx, struct pkt *p)
{
	if (p->seen & PKT_IPV4)
		microflow_tell_v4(ctx, p);
	else
		microflow_tell_v6(ctx, p);
	p->seen |= PKT_PORTS;
}

static __always_inline bool microflow_put_v4(struct xdp_md *ctx, const struct microflow *flow,
					     __u32 end, __u64 *ret_difference)
{
	struct ipv4_header *h = (void *)(long)ctx->data + sizeof(struct eth_header);
	__be32 *addr = microflow_bytes(ctx, end, sizeof(*addr));

	if (!addr || (void *)(h + 1) > (void *)(long)ctx->data_end)
		return false;
	*ret_difference = (__u64)(__u32) ~*addr + flow->to;
	*addr = flow->to;
	h->ttl--;
	h->checksum = nat_sum(h->checksum, *ret_difference + NAT_HOP, false);
	return true;
}

static __always_inline bool microflow_put_v6(struct xdp_md *ctx, const struct weir_addr *to,
					     __u32 end, __u64 *ret_difference)
{
	struct ipv6_header *h = (void *)(long)ctx->data + sizeof(struct eth_header);
	struct weir_addr *addr = microflow_bytes(ctx, end, sizeof(*addr));

	if (!addr || (void *)(h + 1) > (void *)(long)ctx->data_end)
		return false;
#pragma unroll
	for (__u32 i = 0; i < 4; i++)
		*ret_difference += (__u64)(__u32)~addr->be32[i] + to->be32[i];
	*addr = *to;
	h->hop_limit--;
	return true;
}

static __always_inline bool microflow_put_udp(struct xdp_md *ctx, const struct microflow *flow,
					      __u32 l4, __u64 difference)
{
	__u32 end =
		flow->bits & MICROFLOW_SOURCE ? 0 : __builtin_offsetof(struct udp_header, dport);
	__be16 *port = microflow_bytes(ctx, l4 + end, sizeof(*port));
	__u16 *sum = microflow_bytes(ctx, l4 + NAT_UDP_SUM, sizeof(*sum));

	if (!port || !sum)
		return false;
	difference += nat_difference(*port, flow->to_port);
	*port = flow->to_port;
	if (*sum)
		*sum = nat_sum(*sum, difference, true);
	return true;
}

/* Of UDP. All of it is in reach, or it would not have been read: the verifier alone does not know.
 */
static __always_inline bool microflow_put(struct xdp_md *ctx, const struct microflow *flow,
					  const struct microflow_set *set)
{
	bool is_v4 = !(flow->bits & MICROFLOW_V6), is_source = flow->bits & MICROFLOW_SOURCE;
	__u32 end = sizeof(struct eth_header) + nat_address_offset(is_v4, is_source);
	__u32 l4 = sizeof(struct eth_header) +
		   (is_v4 ? sizeof(struct ipv4_header) : sizeof(struct ipv6_header));
	__u64 difference = 0;

	return (is_v4 ? microflow_put_v4(ctx, flow, end, &difference) :
			microflow_put_v6(ctx, &set->addrs.to, end, &difference)) &&
	       microflow_put_udp(ctx, flow, l4, difference) && shortcut_put_link(ctx, &flow->way);
}

#endif
