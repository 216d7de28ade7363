/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * The headers that a packet gets in front of its own, in memory: rewrite_encap.h puts them there.
 *
 *   IPIP   an IP header of either version before one of either version (RFC 2003, 2473, 4213)
 *   GUE    that and UDP, variant 1: the packet follows at once, and its version says which it is
 *          (draft-ietf-intarea-gue-09, 4). The source port goes by the flow, for receivers and
 *          routers that share out by ports. The checksum is 0: the packet has its own, and RFC 6935
 *          allows it of tunnels over IPv6.
 *
 * Outer DSCP and ECN are the packet's (RFC 6040, 4.1, normal mode). IPv4 is never fragmented.
 */
#ifndef WEIR_BPF_ENCAP_H
#define WEIR_BPF_ENCAP_H

#include "../../abi/served.h"
#include "addr.h"
#include "answer.h"

#define PROTO_IPIP 4
#define PROTO_IPV6 41
#define GUE_PORT_FIRST 0xc000 /* of 49152 to 65535: 14 bits (RFC 8086, 3.2.1) */
#define GUE_PORT_BITS 14
#define FLOW_LABEL_MASK 0xfffff

struct udp_header {
	__be16 sport;
	__be16 dport;
	__be16 length;
	__be16 checksum;
} WIRE_HEADER;

struct encap {
	struct weir_addr src, dst; /* of one family; v4 as ::ffff:a.b.c.d */
	__u32 hash;		   /* of the flow: encap_hash() */
	__u8 forward;		   /* WEIR_FORWARD_IPIP or WEIR_FORWARD_GUE */
	__u8 tos;		   /* the packet's */
	__u16 spare;
};

#define ENCAP_BYTES_MOST (sizeof(struct ipv6_header) + sizeof(struct udp_header))

struct encap_header {
	union {
		__u8 bytes[ENCAP_BYTES_MOST];
		__u16 words[ENCAP_BYTES_MOST / 2];
		struct {
			struct ipv4_header v4;
			struct udp_header v4_udp;
		};
		struct {
			struct ipv6_header v6;
			struct udp_header v6_udp;
		};
	};
};

_Static_assert(sizeof(struct udp_header) == 8, "as on the wire");

static __always_inline __u32 encap_bytes(__u8 forward, bool is_v4)
{
	__u32 ip = is_v4 ? sizeof(struct ipv4_header) : sizeof(struct ipv6_header);

	if (forward == WEIR_FORWARD_GUE)
		return ip + sizeof(struct udp_header);
	return forward == WEIR_FORWARD_IPIP ? ip : 0;
}

static __always_inline __u64 encap_mix(__u64 hash, __u64 word)
{
	hash = (hash ^ word) * 0x9e3779b97f4a7c15ULL;
	return hash ^ (hash >> 32);
}

/* Later fragments have their ports by now (conntrack), and so the path of their first. */
static __always_inline __u32 encap_hash(const struct pkt *p)
{
	__u64 hash = encap_mix(0x656e636170ULL, p->src.be64[0] ^ p->src.be64[1]);

	hash = encap_mix(hash, p->dst.be64[0] ^ p->dst.be64[1]);
	hash = encap_mix(hash, (__u64)p->sport << 32 | (__u64)p->dport << 16 | p->proto);
	return hash >> 32;
}

static __always_inline struct udp_header encap_udp(const struct encap *e, __u32 bytes)
{
	return (struct udp_header){
		.sport = be16(GUE_PORT_FIRST | e->hash >> (32 - GUE_PORT_BITS)),
		.dport = be16(WEIR_GUE_PORT),
		.length = be16(sizeof(struct udp_header) + bytes),
	};
}

static __always_inline __u16 encap_sum(const struct encap_header *h)
{
	__u64 sum = 0;

#ifdef __clang__
#pragma unroll
#endif
	for (__u32 i = 0; i < sizeof(h->v4) / 2; i++)
		sum += h->words[i];
	return sum_fold(sum);
}

/* In front of `bytes` of a packet of the version that `inner` is the protocol number of. */
static __always_inline void encap_v4(const struct encap *e, __u8 inner, __u32 bytes,
				     struct encap_header *h)
{
	bool is_gue = e->forward == WEIR_FORWARD_GUE;
	__u32 udp = is_gue ? sizeof(struct udp_header) : 0;

	h->v4 = (struct ipv4_header){
		.total_length = be16(sizeof(h->v4) + udp + bytes),
		.fragment = be16(IPV4_DONT_FRAGMENT),
		.src = e->src.be32[3],
		.dst = e->dst.be32[3],
	};
	/* Version, header length and DSCP; TTL and protocol. As words, which are read again: a load
	 * of what two stores wrote waits for all that was stored before, in far lines too. */
	h->words[0] = be16((4 << 4 | IPV4_IHL_MIN) << 8 | e->tos);
	h->words[4] = be16(ANSWER_TTL << 8 | (is_gue ? PROTO_UDP : inner));
	h->v4.checksum = encap_sum(h);
	h->v4_udp = encap_udp(e, bytes);
}

/* The flow label goes by the flow (RFC 6438). */
static __always_inline void encap_v6(const struct encap *e, __u8 inner, __u32 bytes,
				     struct encap_header *h)
{
	bool is_gue = e->forward == WEIR_FORWARD_GUE;
	__u32 udp = is_gue ? sizeof(struct udp_header) : 0;

	h->v6 = (struct ipv6_header){
		.version_class_flow =
			be32(6U << 28 | (__u32)e->tos << 20 | (e->hash & FLOW_LABEL_MASK)),
		.payload_length = be16(udp + bytes),
		.src = e->src,
		.dst = e->dst,
	};
	h->words[3] = be16((is_gue ? PROTO_UDP : inner) << 8 | ANSWER_TTL); /* and hop limit */
	h->v6_udp = encap_udp(e, bytes);
}

/* A length that no header can say is one of segments still to be cut, which get their own. */
static __always_inline void encap_make(const struct pkt *p, const struct encap *e, __u32 bytes,
				       struct encap_header *h)
{
	__u8 inner = p->seen & PKT_IPV4 ? PROTO_IPIP : PROTO_IPV6;

	if (addr_is_v4(&e->dst))
		encap_v4(e, inner, bytes, h);
	else
		encap_v6(e, inner, bytes, h);
}

#endif
