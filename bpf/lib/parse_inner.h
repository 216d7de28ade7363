/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* What only some packets are asked for, once they are parsed: the packet an ICMP error holds, the
 * options of a SYN, the tags of SCTP. Reads bytes, as parse.h does, and compiles natively as that
 * does. */
#ifndef WEIR_BPF_PARSE_INNER_H
#define WEIR_BPF_PARSE_INNER_H

#include "parse.h"

/* Extension headers that are followed in the packet of an error: with more of them it is about
 * nothing that is known. Each is a turn of a loop that the verifier walks. */
#define EMBEDDED_EXTENSIONS 3

/* A set of bits, not a chain of comparisons, as in proto_is_extension(). */
static __always_inline bool proto_has_ports(__u32 proto)
{
	__u64 ports = proto & 0x80 ? HIGH_BIT(PROTO_SCTP) | HIGH_BIT(PROTO_UDPLITE) :
				     LOW_BIT(PROTO_TCP) | LOW_BIT(PROTO_UDP) | LOW_BIT(PROTO_DCCP);

	return !(proto & 0x40) && ports >> (proto & 0x3f) & 1;
}

/*
 * The packet that an ICMP error holds, of which 8 bytes of the transport header are all that is
 * sure to be there (RFC 792). The cursor is at the first byte of the buffer; *p is zeroed, `outer`
 * is the packet around it. Returns whether addresses and what comes of the ports were there.
 */
static __always_inline bool parse_embedded(struct cursor *c, struct pkt *p, const struct pkt *outer)
{
	c->offset = (outer->l4_offset + sizeof(struct icmp_header)) & CURSOR_OFFSET_MASK;
	p->len = outer->len;
	if (outer->seen & PKT_IPV4 ? !parse_ipv4(c, p) : !parse_ipv6(c, p))
		return false;
	struct ip_payload payload = payload_of(p);

	/* What follows the error is no part of it. */
	__u32 end = outer->l3_offset + outer->ip_len;

	c->limit = c->limit < end ? c->limit : end;
	if (!parse_extensions(c, p, &payload, EMBEDDED_EXTENSIONS) ||
	    payload.fragment & IPV6_OFFSET_MASK)
		return false;
	bool is_icmp = payload.next == payload.icmp, has_ports = proto_has_ports(payload.next);

	if (!is_icmp && !has_ports)
		return true;
	if (!header_peek(c, sizeof(struct ports_header), p))
		return false;
	if (is_icmp) {
		const struct icmp_header *icmp = c->at;

		p->icmp_type = icmp->type;
		p->icmp_id = icmp->id;
		p->seen |= PKT_ICMP;
	} else {
		const struct ports_header *h = c->at;

		p->sport = h->sport;
		p->dport = h->dport;
		p->seen |= PKT_PORTS;
	}
	return true;
}

/* 1 or 0, by arithmetic, and so that clang does not see it: the verifier would walk each side of a
 * branch, in each round of a loop. */
static __always_inline __u32 is_below(__u32 a, __u32 b)
{
	__u64 difference = (__u64)a - b;

	__asm__ volatile("" : "+r"(difference));
	return difference >> 63;
}

/*
 * The window scale option of a SYN (RFC 7323, 2.2), of which more than 14 means 14; -1: there is
 * none. The cursor is at the first byte of the buffer. Where the next option begins goes through
 * memory, or the verifier walks the loop once for each sum of lengths; behind the end when this is
 * the last.
 */
static __always_inline int parse_window_scale(struct cursor *c, const struct pkt *p)
{
	volatile __u16 at = p->l4_offset + sizeof(struct tcp_header);
	__u32 end = p->l4_offset + p->tcp_words * 4, value = 0;
	bool more = true;

	LOOP_ROLLED
	for (__u32 i = 0; i < TCP_OPTIONS_MAX && more; i++) {
		__u32 here = at;

		c->offset = here & CURSOR_OFFSET_MASK;
		if (here + sizeof(struct tcp_option) > end ||
		    cursor_peek(c, sizeof(struct tcp_option)) != CURSOR_WHOLE)
			return -1;
		const struct tcp_option *option = c->at;
		__u32 is_none = is_below(option->kind ^ TCP_OPTION_NONE, 1);
		__u32 length = option->length * (1 - is_none) + is_none;
		__u32 is_last = is_below(option->kind, 1) | (is_below(length, 2) & ~is_none);

		value = option->value;
		more = (option->kind ^ TCP_OPTION_SCALE) | (length ^ sizeof(struct tcp_option));
		at = here + length + (is_last << 15);
	}
	if (more)
		return -1;
	return value > TCP_SCALE_MAX ? TCP_SCALE_MAX : value;
}

/*
 * Of an SCTP packet whose common header is there: what the flow goes by (RFC 9260, 3.1 and 3.3.2).
 * What is not there is 0, and so is a tag that no association has. The cursor is at the first byte
 * of the buffer.
 */
static __always_inline void parse_chunk(struct cursor *c, struct pkt *p)
{
	c->offset = p->l4_offset & CURSOR_OFFSET_MASK;
	if (cursor_peek(c, SCTP_HEADER_BYTES) != CURSOR_WHOLE)
		return;
	p->sctp_tag = be32(((const struct sctp_header *)c->at)->tag);
	if (cursor_peek(c, SCTP_HEADER_BYTES + SCTP_CHUNK_BYTES) != CURSOR_WHOLE)
		return;
	p->chunk_flags = ((const struct sctp_header *)c->at)->flags;
	if (cursor_peek(c, sizeof(struct sctp_header)) != CURSOR_WHOLE)
		return;
	p->sctp_initiate = be32(((const struct sctp_header *)c->at)->initiate);
}

/* An INIT bears no tag, and gives one. */
static __always_inline bool sctp_is_init(const struct pkt *p)
{
	return p->chunk == SCTP_INIT && !p->sctp_tag && p->sctp_initiate;
}

/* As it lies in the header of a TCP segment; 0 where there is none. */
static __always_inline __be16 parse_urgent(struct cursor *c, const struct pkt *p)
{
	c->offset = p->l4_offset & CURSOR_OFFSET_MASK;
	if (!(p->seen & PKT_TCP) || cursor_peek(c, sizeof(struct tcp_header)) != CURSOR_WHOLE)
		return 0;
	return ((const struct tcp_header *)c->at)->urgent;
}

/* Of at the most `last`. What is compared is what is used: clang would compare a copy of it, of
 * which the verifier before Linux 6.8 does not learn. */
static __always_inline bool parse_word(struct cursor *c, __u8 *data, __u64 at, __u64 last)
{
	__asm__ volatile("" : "+r"(at));
	if (at > last)
		return false;
	c->offset = at & CURSOR_OFFSET_MASK;
	if (cursor_peek(c, sizeof(__u64)) != CURSOR_WHOLE)
		return false;
	__builtin_memcpy(data + at, c->at, sizeof(__u64));
	return true;
}

/*
 * A frame as it is, of 8 to `size` bytes, into `data`: words, of which the last begins as much
 * ahead as it has to. False: not all of it is in reach. (`size` is a constant, a multiple of 8.)
 */
static __always_inline bool parse_frame(struct cursor *c, __u8 *data, __u32 bytes, __u32 size)
{
	__u64 last = (__u64)bytes - sizeof(__u64), most = size - sizeof(__u64);

	LOOP_ROLLED
	for (__u64 i = 0; i < size; i += sizeof(__u64)) {
		if (i >= last)
			break;
		if (!parse_word(c, data, i, most))
			return false;
	}
	return parse_word(c, data, last, most);
}

#ifdef __bpf__
/* For stages that look further into a packet once it is parsed, from either kind of context. */
static __always_inline struct cursor xdp_cursor(struct xdp_md *ctx)
{
	return cursor_init((void *)(long)ctx->data, (void *)(long)ctx->data_end);
}

static __always_inline struct cursor skb_cursor(struct __sk_buff *skb)
{
	return cursor_init((void *)(long)skb->data, (void *)(long)skb->data_end);
}

static __always_inline bool parse_embedded_xdp(struct xdp_md *ctx, struct pkt *p,
					       const struct pkt *outer)
{
	struct cursor c = xdp_cursor(ctx);

	return parse_embedded(&c, p, outer);
}

static __always_inline bool parse_embedded_skb(struct __sk_buff *skb, struct pkt *p,
					       const struct pkt *outer)
{
	struct cursor c = skb_cursor(skb);

	return parse_embedded(&c, p, outer);
}

static __always_inline __u32 payload_offset(const struct pkt *p)
{
	return p->l4_offset + p->tcp_words * 4;
}

/* The first `size` bytes of what a TCP segment carries, into `data`; what it has not is 0 there. */
static __always_inline void parse_payload(struct cursor *c, const struct pkt *p, __u8 *data,
					  __u32 size)
{
	__u32 start = payload_offset(p);
	__u32 bytes = p->tcp_bytes < size ? p->tcp_bytes : size;
	bool more = true;

	LOOP_ROLLED
	for (__u32 i = 0; i < size && more; i++) {
		c->offset = (start + i) & CURSOR_OFFSET_MASK;
		more = i < bytes && cursor_peek(c, 1) == CURSOR_WHOLE;
		data[i] = more ? *(const __u8 *)c->at : 0;
	}
}

/* The last byte of what a TCP segment carries; 0 when it is out of reach. */
static __always_inline __u8 parse_payload_last(struct cursor *c, const struct pkt *p)
{
	c->offset = (payload_offset(p) + p->tcp_bytes - 1) & CURSOR_OFFSET_MASK;
	return cursor_peek(c, 1) == CURSOR_WHOLE ? *(const __u8 *)c->at : 0;
}

static __always_inline __u8 parse_payload_last_xdp(struct xdp_md *ctx, const struct pkt *p)
{
	struct cursor c = xdp_cursor(ctx);

	return parse_payload_last(&c, p);
}

/* What a socket sends lies in pages that only the kernel reaches. */
static __always_inline __u8 parse_payload_last_skb(struct __sk_buff *skb, const struct pkt *p)
{
	__u8 last = 0;

	if (bpf_skb_load_bytes(skb, payload_offset(p) + p->tcp_bytes - 1, &last, sizeof(last)))
		return 0;
	return last;
}

static __always_inline void parse_payload_xdp(struct xdp_md *ctx, const struct pkt *p, __u8 *data,
					      __u32 size)
{
	struct cursor c = xdp_cursor(ctx);

	parse_payload(&c, p, data, size);
}

static __always_inline void parse_payload_skb(struct __sk_buff *skb, const struct pkt *p,
					      __u8 *data, __u32 size)
{
	__u32 bytes = p->tcp_bytes < size ? p->tcp_bytes : size;

	__u32 last = bytes - 1;

	__builtin_memset(data, 0, size);
	/* What is compared is what the kernel is given; and before Linux 6.8 its verifier does not
	 * learn from "not 0" that it is at least 1. */
	__asm__ volatile("" : "+r"(last));
	if (last < size)
		bpf_skb_load_bytes(skb, payload_offset(p), data, last + 1);
}

/* parse_frame() of the packet itself. */
static __always_inline bool parse_frame_xdp(struct xdp_md *ctx, __u8 *data, __u32 bytes, __u32 size)
{
	struct cursor c = xdp_cursor(ctx);

	return parse_frame(&c, data, bytes, size);
}

/* The kernel's own, which reaches all of it. */
static __always_inline bool parse_frame_skb(struct __sk_buff *skb, __u8 *data, __u32 bytes,
					    __u32 size)
{
	__u32 last = bytes - 1;

	__asm__ volatile("" : "+r"(last)); /* as above */
	return last < size && !bpf_skb_load_bytes(skb, 0, data, last + 1);
}

/* Whether TC sees the IP header first, as behind generic XDP on Linux 6.18, though the device has a
 * link header. */
static __always_inline bool skb_begins_with_ip(struct __sk_buff *skb)
{
	__u64 first[2], network[2];

	if (bpf_skb_load_bytes(skb, 0, first, sizeof(first)) ||
	    bpf_skb_load_bytes_relative(skb, 0, network, sizeof(network), BPF_HDR_START_NET))
		return false;
	return !((first[0] ^ network[0]) | (first[1] ^ network[1]));
}

/*
 * SCTP leaves it to devices to cut what is longer than the path takes: the skb's own bytes end with
 * the common header, and behind it hangs a part for each packet that it becomes (GSO_BY_FRAGS). The
 * kernel stops for good in skb_segment() where a part has lost bytes to the head, as by
 * bpf_skb_pull_data(), so of such a packet none may be pulled; bpf_skb_load_bytes() reads them.
 */
static __always_inline bool skb_is_in_parts(const struct __sk_buff *skb)
{
	return skb->gso_size == 0xffff;
}

static __always_inline int parse_window_scale_xdp(struct xdp_md *ctx, const struct pkt *p)
{
	struct cursor c = xdp_cursor(ctx);

	return parse_window_scale(&c, p);
}

static __always_inline int parse_window_scale_skb(struct __sk_buff *skb, const struct pkt *p)
{
	struct cursor c = skb_cursor(skb);

	return parse_window_scale(&c, p);
}

static __always_inline void parse_chunk_xdp(struct xdp_md *ctx, struct pkt *p)
{
	struct cursor c = xdp_cursor(ctx);

	parse_chunk(&c, p);
}

/* Where it lies in the first part, and the parser saw none. Each has a chunk, and room for its tag
 * or what stands in that place: parts are as long as the path takes. */
static __always_inline void parse_chunk_part(struct __sk_buff *skb, struct pkt *p)
{
	struct sctp_header header;

	if (bpf_skb_load_bytes(skb, p->l4_offset, &header, sizeof(header)))
		return;
	p->chunk = header.chunk;
	p->chunk_flags = header.flags;
	p->sctp_initiate = be32(header.initiate);
}

static __always_inline void parse_chunk_skb(struct __sk_buff *skb, struct pkt *p)
{
	struct cursor c = skb_cursor(skb);

	parse_chunk(&c, p);
	if (skb_is_in_parts(skb))
		parse_chunk_part(skb, p);
}
#endif

#endif
