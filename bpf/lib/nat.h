/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * One end of a packet, its source or its destination, becomes another: where in the packet that is,
 * and what the address, the port and each checksum become (RFC 1624, equation 3: by what changes,
 * so that a checksum that was wrong stays wrong, and none is taken over data that is not here).
 * rewrite_nat.h writes it. Reads bytes, as parse.h does, and compiles natively as that does.
 *
 * Old bytes are read from the packet, and not told by the caller or taken from *p, which may be
 * turned: sums are right whatever the caller believes.
 *
 * What is changed besides the address, where it is there:
 *   TCP, UDP, UDP-Lite, DCCP   port and checksum. UDP without a checksum stays without one, and a
 *                              result of 0 is sent as 0xffff (RFC 768).
 *   ICMPv6                     checksum, which covers the addresses; that of ICMP does not.
 *   SCTP                       port, and CRC32c, which covers no address. It is changed by what
 *                              changes, and stays 0 where it is left to the device. Another port in
 *                              the first of fragments is refused (NAT_CANNOT): the sum covers more
 *                              than is here. In what an error quotes it stays: nobody sums that.
 *   any other protocol         nothing. Where one sums addresses by itself (AH, HIP, over IPv6
 *                              OSPF), its receiver refuses what is translated.
 *   later fragments            nothing: they have neither ports nor checksum. That of the first
 *                              covers the whole datagram and is changed there.
 * An IPv6 routing header with segments left is not followed: the checksum is about the last of
 * them, which stays.
 */
#ifndef WEIR_BPF_NAT_H
#define WEIR_BPF_NAT_H

#include "answer.h"
#include "crc32c.h"
#include "parse_inner.h"

struct nat_change {
	struct weir_addr to; /* of the packet's family; v4 as ::ffff:a.b.c.d */
	__be16 to_port;	     /* 0: it stays. Without meaning where there are no ports */
	__u8 is_source;	     /* which end: 1 the source, 0 the destination */
};

enum nat_end {
	NAT_FAILED, /* not parsed so far, or out of reach */
	NAT_DONE,
	NAT_CANNOT, /* another port for a fragment of SCTP */
};

/* Where that lies which changes, in bytes from the start of the buffer; 0: it is not there, or it
 * stays. */
struct nat_place {
	__u16 address;
	__u16 ip_sum; /* of an IPv4 header */
	__u16 port;
	__u16 sum; /* of the transport */
	bool is_v4;
	bool zero_is_none; /* a sum of 0 says that there is none */
};

struct nat_bytes {
	struct weir_addr address; /* v4: the first word */
	__u16 ip_sum, port, sum;
};

/* Differences are sums of 16-bit words, as in sum_fold(). */
struct nat_work {
	struct nat_place place;
	struct nat_bytes old;
	__u16 ip_sum, sum;   /* what they become */
	__u64 address, port; /* differences */
};

#define NAT_UDP_SUM 6 /* of UDP, UDP-Lite and DCCP alike */

/* Of the checksum that covers the addresses, behind the start of the transport header. */
static __always_inline __u32 nat_sum_offset(__u8 proto, bool is_v4)
{
	switch (proto) {
	case PROTO_TCP:
		return __builtin_offsetof(struct tcp_header, checksum);
	case PROTO_UDP:
	case PROTO_UDPLITE:
	case PROTO_DCCP:
		return NAT_UDP_SUM;
	case PROTO_ICMPV6:
		return is_v4 ? 0 : __builtin_offsetof(struct icmp_header, checksum);
	}
	return 0;
}

static __always_inline __u32 nat_address_offset(bool is_v4, bool is_source)
{
	if (is_v4)
		return is_source ? __builtin_offsetof(struct ipv4_header, src) :
				   __builtin_offsetof(struct ipv4_header, dst);
	return is_source ? __builtin_offsetof(struct ipv6_header, src) :
			   __builtin_offsetof(struct ipv6_header, dst);
}

/* l4 is 0 where there is no transport header. */
static __always_inline struct nat_place nat_place(const struct pkt *p, __u32 l3, __u32 l4,
						  const struct nat_change *change)
{
	bool is_v4 = p->seen & PKT_IPV4;
	__u32 sum = nat_sum_offset(p->proto, is_v4);
	__u32 port = change->is_source ? __builtin_offsetof(struct ports_header, sport) :
					 __builtin_offsetof(struct ports_header, dport);

	return (struct nat_place){
		.address = l3 + nat_address_offset(is_v4, change->is_source),
		.ip_sum = is_v4 ? l3 + __builtin_offsetof(struct ipv4_header, checksum) : 0,
		.port = l4 && p->seen & PKT_PORTS && change->to_port ? l4 + port : 0,
		.sum = l4 && sum ? l4 + sum : 0,
		.is_v4 = is_v4,
		.zero_is_none = sum == NAT_UDP_SUM && p->proto != PROTO_DCCP,
	};
}

static __always_inline bool nat_reaches(struct cursor *c, __u32 at, __u32 bytes)
{
	c->offset = at & CURSOR_OFFSET_MASK;
	return cursor_peek(c, bytes) == CURSOR_WHOLE;
}

static __always_inline bool nat_read_16(struct cursor *c, __u32 at, __u16 *ret_old)
{
	if (!at)
		return true;
	if (!nat_reaches(c, at, sizeof(*ret_old)))
		return false;
	*ret_old = *(const __u16 *)c->at;
	return true;
}

/* A constant to each comparison: the verifier does not know that a size goes by the family. */
static __always_inline bool nat_read_address(struct cursor *c, const struct nat_place *place,
					     struct weir_addr *ret_old)
{
	if (place->is_v4) {
		if (!nat_reaches(c, place->address, sizeof(ret_old->be32[0])))
			return false;
		ret_old->be32[0] = *(const __be32 *)c->at;
		return true;
	}
	if (!nat_reaches(c, place->address, sizeof(*ret_old)))
		return false;
	*ret_old = *(const struct weir_addr *)c->at;
	return true;
}

/* Of what an error quotes, the checksum may lie behind the end: that of TCP often does. Half of one
 * says nothing and stays. */
static __always_inline bool nat_read_sum(struct cursor *c, struct nat_place *place, __u16 *ret_old)
{
	if (c->limit < place->sum + sizeof(*ret_old))
		place->sum = 0;
	return nat_read_16(c, place->sum, ret_old);
}

static __always_inline __u64 nat_difference(__u16 from, __u16 to)
{
	return (__u64)(__u16)~from + to;
}

static __always_inline __u64 nat_address_difference(const struct nat_work *work,
						    const struct weir_addr *to)
{
	const struct weir_addr *from = &work->old.address;
	__u64 sum = 0;

	if (work->place.is_v4)
		return (__u64)(__u32)~from->be32[0] + to->be32[3];
#ifdef __clang__
#pragma unroll
#endif
	for (__u32 i = 0; i < 4; i++)
		sum += (__u64)(__u32)~from->be32[i] + to->be32[i];
	return sum;
}

/* A hop less: nat_difference() of TTL and protocol, whatever they are. What is added to the sum
 * itself instead gives ffff where the whole header would give 0 (RFC 1624, 3). */
#define NAT_HOP ((__u16)~be16(0x100))

static __always_inline __u16 nat_sum(__u16 old, __u64 difference, bool zero_is_none)
{
	__u16 sum = sum_fold((__u64)(__u16)~old + difference);

	return !sum && zero_is_none ? 0xffff : sum;
}

/* As pkt_forget_path(): offsets read back are the same to the verifier for every kind of packet. */
static __always_inline void nat_forget_path(struct nat_work *work)
{
	__asm__ volatile("" : : "r"(work) : "memory");
}

/* What is to be written where, for the packet, or the one that an error holds, whose headers begin
 * at l3 and l4. */
static __always_inline int nat_prepare(struct cursor *c, const struct pkt *p, __u32 l3, __u32 l4,
				       const struct nat_change *change, struct nat_work *work)
{
	struct nat_place *place = &work->place;
	struct nat_bytes *old = &work->old;

	*place = nat_place(p, l3, l4, change);
	nat_forget_path(work);
	if (!nat_read_address(c, place, &old->address) ||
	    !nat_read_16(c, place->ip_sum, &old->ip_sum) ||
	    !nat_read_16(c, place->port, &old->port) || !nat_read_sum(c, place, &old->sum))
		return NAT_FAILED;
	if (place->port && old->port == change->to_port)
		place->port = 0;
	if (place->zero_is_none && !old->sum)
		place->sum = 0;
	work->address = nat_address_difference(work, &change->to);
	work->port = place->port ? nat_difference(old->port, change->to_port) : 0;
	work->ip_sum = nat_sum(old->ip_sum, work->address, false);
	work->sum = nat_sum(old->sum, work->address + work->port, place->zero_is_none);
	nat_forget_path(work);
	return NAT_DONE;
}

/* A sum that covers no address, and follows the port by itself. */
static __always_inline bool nat_is_sctp(const struct pkt *p, const struct nat_work *work)
{
	return p->proto == PROTO_SCTP && work->place.port;
}

#define NAT_SCTP_SUM __builtin_offsetof(struct sctp_header, checksum)

/* Global, so that the verifier walks its loops once. */
__noinline __u32 nat_sctp_change(__u32 difference, __u32 bytes)
{
	return crc32c_change(difference, bytes);
}

/* Of one that is left to the device, 0, nothing is known. */
static __always_inline __u32 nat_sctp_sum(const struct pkt *p, const struct nat_work *work,
					  __be16 to_port, __u32 old)
{
	__u32 end = p->l3_offset + p->ip_len;

	return old ? old ^ nat_sctp_change(work->old.port ^ to_port, end - work->place.port) : 0;
}

/* Without a transport header there must be a reason why, or its checksum would be left wrong. */
static __always_inline bool nat_knows(const struct pkt *p)
{
	return p->seen & PKT_IP && (p->l4_offset || !(p->seen & (PKT_MALFORMED | PKT_TOO_DEEP)));
}

/* Likewise for the packet in an error: the cursor is left behind its IP header. */
static __always_inline int nat_prepare_quote(struct cursor *c, const struct pkt *p,
					     struct pkt *inner, const struct nat_change *change,
					     struct nat_work *work)
{
	if (!(p->seen & PKT_ICMP) || !parse_embedded(c, inner, p))
		return NAT_FAILED;
	return nat_prepare(c, inner, p->l4_offset + sizeof(struct icmp_header), c->offset, change,
			   work);
}

/* What an error's own checksum has to follow: that of the IPv4 header in it, and that of the
 * transport where it is quoted, take back what they sum. */
static __always_inline __u64 nat_quote_difference(const struct nat_work *work)
{
	__u64 sum = work->address + work->port;

	if (work->place.ip_sum)
		sum += nat_difference(work->old.ip_sum, work->ip_sum);
	if (work->place.sum)
		sum += nat_difference(work->old.sum, work->sum);
	return sum;
}

static __always_inline __u32 nat_icmp_sum(const struct pkt *p)
{
	return p->l4_offset + __builtin_offsetof(struct icmp_header, checksum);
}

#endif
