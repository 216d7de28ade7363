/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * The answer to a rejected packet, in memory: a TCP reset or an ICMP error, with its checksums.
 * rewrite.h fetches what it is made from and puts it on the wire. Compiles natively too.
 */
#ifndef WEIR_BPF_ANSWER_H
#define WEIR_BPF_ANSWER_H

#include "cursor.h"
#include "endian.h"
#include "pkt.h"
#include "wire.h"

/* What an ICMP error carries of the packet: more than IPv4 asks for (RFC 792: header and 64 bits),
 * so no answer is much longer than what it answers. */
#define ANSWER_QUOTE_BYTES 128
#define ANSWER_LINK_BYTES 30 /* Ethernet and WEIR_TAGS_MAX tags */
#define ANSWER_BYTES (sizeof(struct ipv6_header) + sizeof(struct icmp_header) + ANSWER_QUOTE_BYTES)

struct link_header {
	__be16 dst[3];
	__be16 src[3];
	__be16 tags[9]; /* EtherTypes and tags, then whatever follows them */
};

/*
 * The transport header stands in one place for both versions, the shorter IP header right before
 * it. All is zero until it is filled in: checksums are taken over the whole, padding included.
 */
struct answer {
	union {
		__u8 bytes[ANSWER_BYTES];
		__u32 words[ANSWER_BYTES / 4];
		struct {
			union {
				struct ipv6_header v6;
				struct {
					__u8 unused[sizeof(struct ipv6_header) -
						    sizeof(struct ipv4_header)];
					struct ipv4_header v4;
				};
			};
			union {
				struct {
					struct tcp_header tcp;
					__be32 tcp_options[5];
				};
				struct {
					struct icmp_header icmp;
					/* The packet, from its IP header on; first of all. */
					__u8 quote[ANSWER_QUOTE_BYTES];
				};
			};
		};
	};
	struct link_header link; /* of the packet, then of the answer; none on raw IP devices */
	__u16 quoted;		 /* bytes of the packet in quote */
	__u16 start;		 /* where in bytes the IP header begins */
	__u16 length;		 /* from there */
};

#define ANSWER_WORDS (ANSWER_BYTES / 4)
#define ANSWER_TRANSPORT_WORD (sizeof(struct ipv6_header) / 4)
#define ANSWER_V4_WORD (ANSWER_TRANSPORT_WORD - sizeof(struct ipv4_header) / 4)
#define ANSWER_TTL 64
#define IPV4_DONT_FRAGMENT 0x4000
#define IPV4_PRECEDENCE_CONTROL 0xc0 /* RFC 1812, 4.3.2.5 */

_Static_assert(sizeof(struct link_header) == ANSWER_LINK_BYTES, "as on the wire");
_Static_assert(ANSWER_LINK_BYTES ==
		       sizeof(struct eth_header) + WEIR_TAGS_MAX * sizeof(struct tag_header),
	       "every tag that is read is sent back");
_Static_assert(ANSWER_BYTES % 4 == 0 &&
		       __builtin_offsetof(struct answer, quote) + ANSWER_QUOTE_BYTES ==
			       ANSWER_BYTES,
	       "the transport header is last");

/* RFC 1071: a sum of 16-bit words as they lie in memory is right in either byte order. */
static __always_inline __u16 sum_fold(__u64 sum)
{
	sum = (sum & 0xffffffff) + (sum >> 32);
	sum = (sum & 0xffffffff) + (sum >> 32);
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return ~sum;
}

static __always_inline __u64 sum_words(const struct answer *a, __u32 from, __u32 to)
{
	__u64 sum = 0;

#ifdef __clang__
#pragma unroll
#endif
	for (__u32 i = from; i < to; i++)
		sum += a->words[i];
	return sum;
}

/* Both versions' pseudo header sums up to this; addresses of IPv4 as ::ffff:a.b.c.d add 0xffff,
 * which is zero. */
static __always_inline __u64 sum_pseudo(const struct pkt *p, __u8 proto, __u32 bytes)
{
	__u64 sum = be16(proto) + be16(bytes);

#ifdef __clang__
#pragma unroll
#endif
	for (__u32 i = 0; i < 4; i++)
		sum += (__u64)p->src.be32[i] + p->dst.be32[i];
	return sum;
}

static __always_inline __u16 answer_transport_sum(const struct answer *a, __u64 pseudo)
{
	return sum_fold(pseudo + sum_words(a, ANSWER_TRANSPORT_WORD, ANSWER_WORDS));
}

/* No traffic class of the sender's choice. */
static __always_inline void answer_ip_from(const struct pkt *p, struct answer *a,
					   const struct weir_addr *from, const struct weir_addr *to,
					   __u8 proto, __u32 bytes, __u8 tos)
{
	if (p->seen & PKT_IPV4) {
		a->v4 = (struct ipv4_header){
			.version_ihl = 4 << 4 | IPV4_IHL_MIN,
			.tos = tos,
			.total_length = be16(sizeof(a->v4) + bytes),
			.fragment = be16(IPV4_DONT_FRAGMENT),
			.ttl = ANSWER_TTL,
			.proto = proto,
			.src = from->be32[3],
			.dst = to->be32[3],
		};
		a->v4.checksum = sum_fold(sum_words(a, ANSWER_V4_WORD, ANSWER_TRANSPORT_WORD));
		a->start = sizeof(a->v6) - sizeof(a->v4);
		a->length = sizeof(a->v4) + bytes;
		return;
	}
	a->v6 = (struct ipv6_header){
		.version_class_flow = be32(6U << 28),
		.payload_length = be16(bytes),
		.next = proto,
		.hop_limit = ANSWER_TTL,
		.src = *from,
		.dst = *to,
	};
	a->start = 0;
	a->length = sizeof(a->v6) + bytes;
}

/* From whom the packet went to whom. */
static __always_inline void answer_ip(const struct pkt *p, struct answer *a, __u8 proto,
				      __u32 bytes, __u8 tos)
{
	answer_ip_from(p, a, &p->dst, &p->src, proto, bytes, tos);
}

/* RFC 9293, 3.10.7.1: acknowledge all that a segment without ACK holds; else the sender has said
 * itself which number it will believe. */
static __always_inline bool answer_reset(const struct pkt *p, struct answer *a)
{
	__u32 at = (__u32)p->l4_offset - p->l3_offset;

	if (at > ANSWER_QUOTE_BYTES - sizeof(struct tcp_header) ||
	    a->quoted < at + sizeof(struct tcp_header))
		return false;
	const struct tcp_header *t = (const void *)(a->quote + at);
	__u32 headers = at + (t->offset >> 4) * 4, bytes = p->ip_len;
	__u32 segment = (bytes > headers ? bytes - headers : 0) + !!(p->tcp_flags & TCP_SYN) +
			!!(p->tcp_flags & TCP_FIN);
	struct tcp_header reset = {
		.sport = p->dport,
		.dport = p->sport,
		.offset = TCP_WORDS_MIN << 4,
		.flags = TCP_RST,
	};

	if (p->tcp_flags & TCP_ACK) {
		reset.seq = t->ack;
	} else {
		reset.ack = be32(be32(t->seq) + segment);
		reset.flags |= TCP_ACK;
	}
	__builtin_memset(a->quote, 0, sizeof(a->quote));
	a->tcp = reset;
	a->tcp.checksum =
		answer_transport_sum(a, sum_pseudo(p, PROTO_TCP, sizeof(struct tcp_header)));
	answer_ip(p, a, PROTO_TCP, sizeof(struct tcp_header), 0);
	return true;
}

/* "Port unreachable" and "administratively prohibited", of IPv4 and of IPv6. */
enum icmp_unreachable {
	ICMP_UNREACHABLE = 3,
	ICMP_PORT = 3,
	ICMP_PROHIBITED = 13,
	ICMPV6_UNREACHABLE = 1,
	ICMPV6_PORT = 4,
	ICMPV6_PROHIBITED = 1,
};

static __always_inline bool answer_unreachable(const struct pkt *p, struct answer *a)
{
	bool admin = p->reject == WEIR_REJECT_ADMIN;
	__u32 at = (__u32)p->l4_offset - p->l3_offset, bytes = sizeof(a->icmp) + a->quoted;

	/* Without the ports its stack finds no socket to tell. */
	if (at > ANSWER_QUOTE_BYTES - sizeof(struct ports_header) || a->quoted < at)
		return false;
	if (p->seen & PKT_IPV4) {
		a->icmp = (struct icmp_header){
			.type = ICMP_UNREACHABLE,
			.code = admin ? ICMP_PROHIBITED : ICMP_PORT,
		};
		a->icmp.checksum = answer_transport_sum(a, 0);
		answer_ip(p, a, PROTO_ICMP, bytes, IPV4_PRECEDENCE_CONTROL);
		return true;
	}
	a->icmp = (struct icmp_header){
		.type = ICMPV6_UNREACHABLE,
		.code = admin ? ICMPV6_PROHIBITED : ICMPV6_PORT,
	};
	a->icmp.checksum = answer_transport_sum(a, sum_pseudo(p, PROTO_ICMPV6, bytes));
	answer_ip(p, a, PROTO_ICMPV6, bytes, 0);
	return true;
}

static __always_inline bool answer_is_reset(const struct pkt *p)
{
	return p->reject == WEIR_REJECT_DEFAULT && p->seen & PKT_TCP;
}

/* One host: not multicast, not broadcast, not "this network", not reserved (RFC 1122, 3.2.2). Which
 * addresses are a subnet's broadcast is not known here: the link header tells (rewrite.h). */
static __always_inline bool addr_is_one_host(const struct weir_addr *addr, bool v4)
{
	if (v4)
		return addr->bytes[12] && addr->bytes[12] < 224;
	return addr->bytes[0] != 0xff && addr->be64[0] | addr->be64[1];
}

#define ICMP_BIT(type) (1U << (type))
#define ICMP_QUERY_LAST 18
/* Unreachable, source quench, redirect, time exceeded, parameter problem. */
#define ICMP_ERRORS (ICMP_BIT(3) | ICMP_BIT(4) | ICMP_BIT(5) | ICMP_BIT(11) | ICMP_BIT(12))
#define ICMPV6_QUERY_FIRST 128
#define ICMPV6_REDIRECT 137

static __always_inline bool icmp_is_query(const struct pkt *p)
{
	if (p->seen & PKT_IPV4)
		return p->icmp_type <= ICMP_QUERY_LAST && !(ICMP_ERRORS >> p->icmp_type & 1);
	return p->icmp_type >= ICMPV6_QUERY_FIRST && p->icmp_type != ICMPV6_REDIRECT;
}

/* Who may be answered at all: RFC 9293, 3.5.2; RFC 1122, 3.2.2; RFC 4443, 2.4 (e). */
static __always_inline bool answer_is_due(const struct pkt *p)
{
	const __u32 never = PKT_LATER_FRAGMENT | PKT_MALFORMED | PKT_TOO_DEEP | PKT_MPLS;
	bool v4 = p->seen & PKT_IPV4;

	if (!p->reject || !p->l4_offset || p->seen & never)
		return false;
	if (p->seen & PKT_ICMP && !icmp_is_query(p))
		return false;
	if (answer_is_reset(p) && p->tcp_flags & TCP_RST)
		return false;
	return addr_is_one_host(&p->src, v4) && addr_is_one_host(&p->dst, v4);
}

/* Back to where it came from; false when a group was addressed, or sent it. Tags stay. */
static __always_inline bool answer_link(struct link_header *link)
{
	const struct link_header was = *link;

	if ((was.dst[0] | was.src[0]) & be16(0x0100))
		return false;
	for (int i = 0; i < 3; i++) {
		link->dst[i] = was.src[i];
		link->src[i] = was.dst[i];
	}
	return true;
}

/* Makes the answer from what has been taken of the packet (quote, quoted, link). */
static __always_inline bool answer_make(const struct pkt *p, struct answer *a)
{
	if (p->l3_offset && !answer_link(&a->link))
		return false;
	return answer_is_reset(p) ? answer_reset(p, a) : answer_unreachable(p, a);
}

#endif
