/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Bytes to struct pkt. The only reader of packet headers in the project; compiles natively as it
 * is, for fuzzing and unit tests. Judges nothing: what is odd becomes a bit of pkt.seen, and the
 * stages decide.
 */
#ifndef WEIR_BPF_PARSE_H
#define WEIR_BPF_PARSE_H

#include "cursor.h"
#include "endian.h"
#include "pkt.h"
#include "wire.h"

#define EXTENSION_BYTES_MAX (256 * 8) /* any but AH: 8 bytes for each of (length + 1) */

_Static_assert(sizeof(struct eth_header) + WEIR_TAGS_MAX * sizeof(struct tag_header) +
			       sizeof(struct pppoe_header) +
			       WEIR_LABELS_MAX * sizeof(struct label_header) +
			       sizeof(struct ipv6_header) +
			       WEIR_EXTENSIONS_MAX * EXTENSION_BYTES_MAX +
			       sizeof(struct tcp_header) <=
		       CURSOR_OFFSET_MASK,
	       "the mask must change no offset that can be reached");

/* What the extension headers and the transport need to know of the IP header before them. */
struct ip_payload {
	__u64 low_extensions;  /* bit n: protocol n is an extension header here, n below 64 */
	__u64 high_extensions; /* likewise for protocol 128 + n */
	/*
	 * As in an IPv6 fragment header: offset in bytes, and IPV6_MORE. Parsing branches on this
	 * and never on p->seen, which is a constant on each path: the verifier would then tell all
	 * its values apart.
	 */
	__u16 fragment;
	__u8 next;
	__u8 icmp; /* protocol number of this version's ICMP */
};

#define LOW_BIT(proto) (1ULL << (proto))
#define HIGH_BIT(proto) (1ULL << ((proto)-128))

#define IPV4_EXTENSIONS LOW_BIT(PROTO_AH) /* the one both versions share */
#define IPV6_EXTENSIONS                                                                 \
	(LOW_BIT(PROTO_HOP_BY_HOP) | LOW_BIT(PROTO_ROUTING) | LOW_BIT(PROTO_FRAGMENT) | \
	 LOW_BIT(PROTO_AH) | LOW_BIT(PROTO_DESTINATION))
#define IPV6_HIGH_EXTENSIONS \
	(HIGH_BIT(PROTO_MOBILITY) | HIGH_BIT(PROTO_HIP) | HIGH_BIT(PROTO_SHIM6))

/* Whether the next `size` bytes are all there, then at c->at; otherwise p->seen tells why not. */
static __always_inline bool header_peek(struct cursor *c, __u32 size, struct pkt *p)
{
	enum cursor_reach reach = cursor_peek(c, size);

	if (reach == CURSOR_PAST_LIMIT)
		p->seen |= PKT_MALFORMED;
	if (reach == CURSOR_PAST_BUFFER)
		p->seen |= PKT_MALFORMED | PKT_CUT_SHORT;
	return reach == CURSOR_WHOLE;
}

static __always_inline bool ethertype_is_tag(__be16 ethertype)
{
	return ethertype == be16(WIRE_TAG) || ethertype == be16(WIRE_SERVICE_TAG) ||
	       ethertype == be16(WIRE_OLD_SERVICE_TAG);
}

static __always_inline bool ethertype_is_mpls(__be16 ethertype)
{
	return ethertype == be16(WIRE_MPLS) || ethertype == be16(WIRE_MPLS_UPSTREAM);
}

/* A tag the device has already taken off (p->seen has PKT_VLAN before the first byte is read) is
 * the outermost. */
static __always_inline void parse_tags(struct cursor *c, struct pkt *p)
{
	bool more = ethertype_is_tag(p->ethertype);

	LOOP_ROLLED
	for (__u32 tags = p->seen & PKT_VLAN ? 1 : 0; tags < WEIR_TAGS_MAX && more; tags++) {
		if (!header_peek(c, sizeof(struct tag_header), p))
			return;
		const struct tag_header *tag = c->at;
		__u16 id = be16(tag->tci) & TAG_ID_MASK;

		if (!(p->seen & PKT_VLAN))
			p->vlan = id;
		if (tags == 1)
			p->inner_vlan = id | PKT_TAGGED;
		p->seen |= PKT_VLAN;
		p->ethertype = tag->ethertype;
		cursor_advance(c, sizeof(*tag));
		more = ethertype_is_tag(p->ethertype);
	}
	if (more)
		p->seen |= PKT_TOO_DEEP;
}

/* A subscriber's IP packet must not pass a list because it is dialled in. */
static __always_inline void parse_pppoe(struct cursor *c, struct pkt *p)
{
	if (!header_peek(c, sizeof(struct pppoe_header), p))
		return;
	const struct pppoe_header *h = c->at;

	bool compressed = h->ppp[0] & 1;
	__u32 ppp = compressed ? h->ppp[0] : (__u32)h->ppp[0] << 8 | h->ppp[1];

	cursor_advance(c, sizeof(*h) - compressed);
	if (ppp == PPP_IPV4)
		p->ethertype = be16(WIRE_IPV4);
	else if (ppp == PPP_IPV6)
		p->ethertype = be16(WIRE_IPV6);
	else if (ppp == PPP_MPLS)
		p->ethertype = be16(WIRE_MPLS);
}

/* Labels do not say what they carry: the first half byte of the payload is the IP version, if it is
 * IP (RFC 4928, 3). */
static __always_inline void parse_labels(struct cursor *c, struct pkt *p)
{
	bool bottom = false;

	LOOP_ROLLED
	for (__u32 labels = 0; labels < WEIR_LABELS_MAX && !bottom; labels++) {
		if (!header_peek(c, sizeof(struct label_header), p))
			return;
		const struct label_header *h = c->at;

		p->seen |= PKT_MPLS;
		bottom = h->bottom & LABEL_BOTTOM;
		cursor_advance(c, sizeof(*h));
	}
	if (!bottom) {
		p->seen |= PKT_TOO_DEEP;
		return;
	}
	if (!header_peek(c, sizeof(__u8), p))
		return;
	__u8 version = *(const __u8 *)c->at >> 4;

	if (version == 4)
		p->ethertype = be16(WIRE_IPV4);
	else if (version == 6)
		p->ethertype = be16(WIRE_IPV6);
}

/*
 * Where the packet ends by its own length, which follows `header` bytes. Zero means "longer than
 * the field can say" when the frame is: so the kernel writes it in what it has merged or not yet
 * cut (BIG TCP), and so do jumbograms (RFC 2675).
 */
static __always_inline __u32 ip_limit(const struct cursor *c, const struct pkt *p, __u32 header,
				      __u32 length)
{
	if (!length && p->len > 0xffff)
		length = p->len;
	return c->offset + header + length;
}

/* Returns whether what follows the header can be read on; the addresses are set wherever there is a
 * header at all. */
static __always_inline bool parse_ipv4(struct cursor *c, struct pkt *p)
{
	if (!header_peek(c, sizeof(struct ipv4_header), p))
		return false;
	const struct ipv4_header *h = c->at;

	__u32 header = (h->version_ihl & 0xf) * 4;
	__u32 total = be16(h->total_length);
	__u32 fragment = be16(h->fragment);

	if (h->version_ihl >> 4 != 4) {
		p->seen |= PKT_MALFORMED;
		return false;
	}
	p->src.be32[2] = p->dst.be32[2] = be32(0xffff);
	p->src.be32[3] = h->src;
	p->dst.be32[3] = h->dst;
	p->seen |= PKT_IPV4;
	p->ttl = h->ttl;
	p->ip_len = total;
	p->dscp = h->tos >> 2;
	p->proto = h->proto;
	p->fragment = (fragment & IPV4_OFFSET_MASK) * 8 | (fragment & IPV4_MORE ? IPV6_MORE : 0);
	p->fragment_id = h->id;
	if (header > IPV4_IHL_MIN * 4)
		p->seen |= PKT_OPTIONS;
	c->limit = ip_limit(c, p, 0, total);
	cursor_advance(c, header);
	if (header < IPV4_IHL_MIN * 4 || c->offset > c->limit) {
		p->seen |= PKT_MALFORMED;
		return false;
	}
	p->fragment_bytes = c->limit - c->offset;
	return true;
}

static __always_inline __u16 ipv6_length(__u32 payload)
{
	__u32 length = sizeof(struct ipv6_header) + payload;

	return length > 0xffff ? 0xffff : length;
}

static __always_inline bool parse_ipv6(struct cursor *c, struct pkt *p)
{
	if (!header_peek(c, sizeof(struct ipv6_header), p))
		return false;
	const struct ipv6_header *h = c->at;

	__u32 version_class_flow = be32(h->version_class_flow);

	if (version_class_flow >> 28 != 6) {
		p->seen |= PKT_MALFORMED;
		return false;
	}
	p->src = h->src;
	p->dst = h->dst;
	p->seen |= PKT_IPV6;
	p->ttl = h->hop_limit;
	p->ip_len = ipv6_length(be16(h->payload_length));
	p->dscp = version_class_flow >> 22 & 0x3f;
	p->proto = h->next;
	/* Without meaning until there is a fragment header. But a zero that stays on some paths is
	 * another state to the verifier for each of them. */
	p->fragment = p->fragment_bytes = h->payload_length;
	p->fragment_id = h->version_class_flow;
	c->limit = ip_limit(c, p, sizeof(*h), be16(h->payload_length));
	cursor_advance(c, sizeof(*h));
	return true;
}

/*
 * What follows either header. Made of what was written to memory, and the same way for both: of
 * what stands in registers the verifier knows which version it was, and walks all that follows once
 * for each.
 */
static __always_inline struct ip_payload payload_of(const struct pkt *p)
{
	__u64 is_v6 = -(__u64)(*(const volatile __u32 *)&p->seen / PKT_IPV6 & 1);

	__asm__ volatile("" : "+r"(is_v6));
	return (struct ip_payload){
		.low_extensions = IPV4_EXTENSIONS | (IPV6_EXTENSIONS & is_v6),
		.high_extensions = IPV6_HIGH_EXTENSIONS & is_v6,
		.fragment = *(const volatile __u16 *)&p->fragment & ~is_v6,
		.next = *(const volatile __u8 *)&p->proto,
		.icmp = PROTO_ICMP ^ ((PROTO_ICMP ^ PROTO_ICMPV6) & is_v6),
	};
}

/* A set of bits, not a chain of comparisons: the verifier walks each branch, and this stands in a
 * loop. */
static __always_inline bool proto_is_extension(const struct ip_payload *payload)
{
	__u64 extensions =
		payload->next & 0x80 ? payload->high_extensions : payload->low_extensions;

	return !(payload->next & 0x40) && extensions >> (payload->next & 0x3f) & 1;
}

static __always_inline bool payload_is_later_fragment(const struct ip_payload *payload)
{
	return payload->fragment & IPV6_OFFSET_MASK;
}

/* A fragment header with offset 0 and no more to come leaves a whole packet (RFC 6946): no fragment
 * at all. */
static __always_inline void payload_note_fragment(const struct ip_payload *payload, struct pkt *p)
{
	if (payload->fragment)
		p->seen |= PKT_FRAGMENT;
	if (payload_is_later_fragment(payload))
		p->seen |= PKT_LATER_FRAGMENT;
}

static __always_inline __u32 extension_bytes(__u8 proto, __u8 length)
{
	if (proto == PROTO_FRAGMENT)
		return sizeof(struct extension_header);
	if (proto == PROTO_AH)
		return ((__u32)length + 2) * 4;
	return ((__u32)length + 1) * 8;
}

/*
 * Returns whether a transport header stands at the cursor. Nothing beyond a fragment header is read
 * in a later fragment: those bytes are data that only look like headers.
 */
static __always_inline bool parse_extensions(struct cursor *c, struct pkt *p,
					     struct ip_payload *payload, __u32 most)
{
	LOOP_ROLLED
	for (__u32 extensions = 0; extensions < most; extensions++) {
		if (payload_is_later_fragment(payload))
			return false;
		if (!proto_is_extension(payload))
			return true;
		if (!header_peek(c, sizeof(struct extension_header), p))
			return false;
		const struct extension_header *h = c->at;

		if (payload->next == PROTO_FRAGMENT) {
			payload->fragment |= be16(h->fragment) & (IPV6_OFFSET_MASK | IPV6_MORE);
			p->fragment = payload->fragment;
			p->fragment_id = h->id;
			p->fragment_bytes = c->limit - c->offset - sizeof(*h);
		}
		cursor_advance(c, extension_bytes(payload->next, h->length));
		payload->next = h->next;
		p->proto = h->next;
		p->seen |= PKT_OPTIONS;
	}
	if (payload_is_later_fragment(payload))
		return false;
	if (proto_is_extension(payload)) {
		p->seen |= PKT_TOO_DEEP;
		return false;
	}
	return true;
}

/* `bytes` is what the protocol always has of a header, never less than struct ports_header. */
static __always_inline bool parse_ports(struct cursor *c, struct pkt *p, __u32 bytes)
{
	if (!header_peek(c, bytes, p))
		return false;
	const struct ports_header *h = c->at;

	p->sport = h->sport;
	p->dport = h->dport;
	p->seen |= PKT_PORTS;
	return true;
}

/*
 * Its length covers header and data. A fragment has less than that, and one too large for the field
 * says 0 (RFC 2675, and what the kernel has merged). Signs of differences instead of comparisons:
 * the verifier would walk what follows once for each way through them.
 */
static __always_inline bool parse_udp(struct cursor *c, struct pkt *p,
				      const struct ip_payload *payload)
{
	if (!parse_ports(c, p, sizeof(struct ports_header)))
		return false;
	__u64 length = be32(((const struct ports_header *)c->at)->rest) >> 16;
	__u64 room = c->limit - c->offset;
	__u64 is_wrong = (length - sizeof(struct ports_header)) | (room - length);
	__u64 is_whole = (__u64)payload->fragment - 1, is_larger = 0xffff - room;

	p->seen |= (is_wrong & is_whole & ~is_larger) >> 63 << PKT_MALFORMED_BIT;
	return true;
}

static __always_inline bool parse_tcp(struct cursor *c, struct pkt *p)
{
	if (!header_peek(c, sizeof(struct tcp_header), p))
		return false;
	const struct tcp_header *h = c->at;

	__u32 words = h->offset >> 4;

	p->sport = h->sport;
	p->dport = h->dport;
	p->tcp_flags = h->flags;
	p->tcp_seq = be32(h->seq);
	p->tcp_ack = be32(h->ack);
	p->tcp_window = be16(h->window);
	p->tcp_words = words;
	p->tcp_bytes = c->limit - c->offset - words * 4;
	p->seen |= PKT_PORTS | PKT_TCP;
	if (words < TCP_WORDS_MIN || c->offset + words * 4 > c->limit)
		p->seen |= PKT_MALFORMED;
	return true;
}

/* A packet may end behind the common header: then it has no chunk. */
static __always_inline bool parse_sctp(struct cursor *c, struct pkt *p)
{
	if (!parse_ports(c, p, SCTP_HEADER_BYTES))
		return false;
	p->chunk = SCTP_NO_CHUNK;
	if (cursor_peek(c, SCTP_HEADER_BYTES + 1) == CURSOR_WHOLE)
		p->chunk = ((const __u8 *)c->at)[SCTP_HEADER_BYTES];
	return true;
}

/*
 * Neighbour discovery is never fragmented (RFC 6980), and one that came through a router is forged:
 * both are left plain ICMP, since a stage lets neighbour discovery pass where it would refuse the
 * rest.
 */
static __always_inline bool parse_icmp(struct cursor *c, struct pkt *p,
				       const struct ip_payload *payload)
{
	if (!header_peek(c, sizeof(struct icmp_header), p))
		return false;
	const struct icmp_header *h = c->at;

	p->icmp_type = h->type;
	p->icmp_code = h->code;
	p->icmp_id = h->id;
	p->seen |= PKT_ICMP;
	if (payload->next == PROTO_ICMPV6 && p->ttl == NEIGHBOUR_HOP_LIMIT && !h->code &&
	    h->type >= NEIGHBOUR_TYPE_FIRST && h->type <= NEIGHBOUR_TYPE_LAST && !payload->fragment)
		p->seen |= PKT_NEIGHBOUR;
	return true;
}

/* Whether the transport header, if the protocol is one that is known, was there whole. */
static __always_inline bool parse_known_transport(struct cursor *c, struct pkt *p,
						  const struct ip_payload *payload)
{
	switch (payload->next) {
	case PROTO_TCP:
		return parse_tcp(c, p);
	case PROTO_UDP:
		return parse_udp(c, p, payload);
	case PROTO_UDPLITE:
		return parse_ports(c, p, sizeof(struct ports_header));
	case PROTO_SCTP:
		return parse_sctp(c, p);
	case PROTO_DCCP:
		return parse_ports(c, p, DCCP_HEADER_BYTES);
	case PROTO_NO_NEXT:
		header_peek(c, 0, p);
		return false;
	case PROTO_ICMP:
	case PROTO_ICMPV6:
		if (payload->next == payload->icmp)
			return parse_icmp(c, p, payload);
		return header_peek(c, 0, p);
	default:
		return header_peek(c, 0, p);
	}
}

static __always_inline void parse_transport(struct cursor *c, struct pkt *p,
					    const struct ip_payload *payload)
{
	if (parse_known_transport(c, p, payload))
		p->l4_offset = c->offset;
}

/*
 * A constant offset is a different one for each number of tags and labels, and so are the bytes the
 * verifier then knows to be there; it would walk all that follows once for each. Through memory the
 * offset becomes "some 16-bit number" and stays that. Plus one, since a zero is remembered even in
 * memory.
 */
static __always_inline void cursor_forget_path(struct cursor *c, struct pkt *p)
{
	p->l3_offset = c->offset + 1;
	c->offset = (*(volatile __u16 *)&p->l3_offset - 1u) & CURSOR_OFFSET_MASK;
}

/* Likewise for *p and the stages: what stands in a register is known for each path, what is read
 * back is not. */
static __always_inline void pkt_forget_path(struct pkt *p)
{
	__asm__ volatile("" : : "r"(p) : "memory");
}

/*
 * Parses from the header after the link header, for devices that have none (tun, wireguard):
 * `ethertype` is what the device says the buffer holds. The caller has zeroed *p and set what it
 * knows: len always (parsing reads it), and when the device keeps the outermost tag beside the
 * packet (skb metadata), vlan and PKT_VLAN.
 */
static __always_inline void parse_ip(struct cursor *c, struct pkt *p, __be16 ethertype)
{
	bool whole = false;

	p->ethertype = ethertype;
	if (ethertype != be16(WIRE_IPV4) && ethertype != be16(WIRE_IPV6)) {
		cursor_forget_path(c, p); /* most packets come without: theirs is one path, and
					     saves a nanosecond */
		parse_tags(c, p);
		if (p->ethertype == be16(WIRE_PPPOE))
			parse_pppoe(c, p);
		if (ethertype_is_mpls(p->ethertype))
			parse_labels(c, p);
	}
	p->l3_offset = c->offset;
	if (p->ethertype == be16(WIRE_IPV4))
		whole = parse_ipv4(c, p);
	else if (p->ethertype == be16(WIRE_IPV6))
		whole = parse_ipv6(c, p);
	else if (p->ethertype == be16(WIRE_ARP))
		p->seen |= PKT_ARP;
	struct ip_payload payload = payload_of(p);

	if (whole && parse_extensions(c, p, &payload, WEIR_EXTENSIONS_MAX))
		parse_transport(c, p, &payload);
	payload_note_fragment(&payload, p);
	pkt_forget_path(p);
}

/* Parses an Ethernet frame; *p as for parse_ip. */
static __always_inline void parse_packet(struct cursor *c, struct pkt *p)
{
	if (!header_peek(c, sizeof(struct eth_header), p))
		return;
	const struct eth_header *h = c->at;

	cursor_advance(c, sizeof(*h));
	parse_ip(c, p, h->ethertype);
}

#endif
