/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * A packet becomes the answer to itself: what is needed of it is taken into memory, and the answer
 * that was made there (answer.h) is put in its place. With rewrite_nat.h the only writer of packet
 * bytes in the project. Two halves, since XDP before Linux 5.18 has no helper that copies bytes,
 * and an skb must not be written to directly: the kernel would then copy every cloned skb before
 * the program runs.
 */
#ifndef WEIR_BPF_REWRITE_H
#define WEIR_BPF_REWRITE_H

#include "answer.h"
#include "cursor.h"
#include "parse_inner.h"
#include "relay.h"

#define FRAME_BYTES_MIN 60 /* shorter ones are padded here: not every device does it for XDP_TX */

/* Only plain tags lie between the Ethernet and the IP header. PPPoE carries a length of its own,
 * and labels lead nowhere on the way back. */
static __always_inline bool rewrite_knows_link(struct cursor *c, const struct pkt *p)
{
	if (p->l3_offset < sizeof(struct eth_header))
		return !p->l3_offset;
	c->offset = (p->l3_offset - sizeof(__be16)) & CURSOR_OFFSET_MASK;
	return cursor_peek(c, sizeof(__be16)) == CURSOR_WHOLE &&
	       *(const __be16 *)c->at == p->ethertype;
}

/* How much of the packet there is to quote, padding of the frame not counted. What is longer than
 * its length field can say is long enough. */
static __always_inline __u32 rewrite_quotable(const struct pkt *p)
{
	return p->len <= 0xffff && p->ip_len < ANSWER_QUOTE_BYTES ? p->ip_len : ANSWER_QUOTE_BYTES;
}

static __always_inline bool xdp_take_link(struct cursor *c, const struct pkt *p, struct answer *a)
{
	c->offset = 0;
	if (cursor_peek(c, sizeof(a->link)) != CURSOR_WHOLE)
		return false;
	a->link = *(const struct link_header *)c->at;
	return rewrite_knows_link(c, p);
}

/*
 * Where the chunk begins that would begin at n: the last one lies within `bytes` and overlaps the
 * one before, and those after it are the last one again. So every length takes the same way, of as
 * many turns, and the verifier walks it once. It must not become a branch, or it is walked once for
 * each length.
 */
#define CHUNK_BYTES 8

static __always_inline __u32 chunk_at(__u32 n, __u32 bytes)
{
	int over = (int)(bytes - CHUNK_BYTES) - (int)n, sign = over >> 31;

	__asm__ volatile("" : "+r"(sign));
	return n + (over & sign);
}

static __always_inline bool xdp_take_quote(struct cursor *c, const struct pkt *p, struct answer *a)
{
	__u32 bytes = rewrite_quotable(p), n = 0;
	__u32 there = (__u32)(c->data_end - c->data) - p->l3_offset;
	bool more = true;

	bytes = bytes < there ? bytes : there;
	if (bytes < sizeof(struct ipv4_header))
		return false;
	LOOP_ROLLED
	while (more && n < ANSWER_QUOTE_BYTES) {
		__u32 at = chunk_at(n, bytes) & (ANSWER_QUOTE_BYTES - 1);

		c->offset = (p->l3_offset + at) & CURSOR_OFFSET_MASK;
		more = cursor_peek(c, CHUNK_BYTES) == CURSOR_WHOLE;
		if (more) {
			*(__u64 *)(a->quote + at) = *(const __u64 *)c->at;
			n += CHUNK_BYTES;
		}
	}
	a->quoted = bytes;
	return more;
}

/* Global, like each of these steps, so that the verifier walks it once. 1: taken. */
__noinline int rewrite_xdp_take(struct xdp_md *ctx, const struct pkt *p, struct answer *a)
{
	if (!p || !a)
		return 0;
	struct cursor c = cursor_init((void *)(long)ctx->data, (void *)(long)ctx->data_end);

	return xdp_take_link(&c, p, a) && xdp_take_quote(&c, p, a);
}

/* Room is made at the front: every byte is written anew, so it does not matter where it comes from,
 * and not every driver leaves room at the end. */
static __always_inline bool xdp_resize(struct xdp_md *ctx, const struct pkt *p, __u32 frame)
{
	int spare = (int)p->len - (int)frame;

	if (spare < 0)
		return !bpf_xdp_adjust_head(ctx, spare);
	return !spare || !bpf_xdp_adjust_tail(ctx, -spare);
}

/* The mask changes no start there is: it tells the verifier, which then sees that what lies behind
 * bytes, from there, is the link header at most. */
#define ANSWER_START_MASK 0x1f

_Static_assert(ANSWER_V4_WORD * 4 <= ANSWER_START_MASK &&
		       ANSWER_START_MASK + ANSWER_BYTES <= sizeof(struct answer),
	       "the mask changes no start, and bytes from there end within the answer");

static __always_inline const __u8 *answer_bytes(const struct answer *a)
{
	return a->bytes + (a->start & ANSWER_START_MASK);
}

static __always_inline bool xdp_put_bytes(struct cursor *c, const struct pkt *p, const __u8 *from,
					  __u32 bytes)
{
	__u32 n = 0;
	bool more = true;

	LOOP_ROLLED
	while (more && n < ANSWER_BYTES) {
		__u32 at = chunk_at(n, bytes);

		c->offset = (p->l3_offset + at) & CURSOR_OFFSET_MASK;
		more = at <= ANSWER_BYTES - CHUNK_BYTES &&
		       cursor_peek(c, CHUNK_BYTES) == CURSOR_WHOLE;
		if (more) {
			*(__u64 *)c->at = *(const __u64 *)(from + at);
			n += CHUNK_BYTES;
		}
	}
	return more;
}

/* 1: the packet is the answer now. */
__noinline int rewrite_xdp_put(struct xdp_md *ctx, const struct pkt *p, const struct answer *a)
{
	if (!p || !a || !a->length)
		return 0;
	__u32 bytes = a->length;

	if (p->l3_offset + bytes < FRAME_BYTES_MIN)
		bytes = FRAME_BYTES_MIN - p->l3_offset;
	if (!xdp_resize(ctx, p, p->l3_offset + bytes))
		return 0;
	struct cursor c = cursor_init((void *)(long)ctx->data, (void *)(long)ctx->data_end);

	if (cursor_peek(&c, sizeof(a->link)) != CURSOR_WHOLE)
		return 0;
	*(struct link_header *)c.at = a->link;
	return xdp_put_bytes(&c, p, answer_bytes(a), bytes);
}

/*
 * Puts a number where a segment without URG has an urgent pointer, which nobody reads; in its place
 * the checksum says what it said (RFC 1624). XDP's own room for notes, ahead of the packet, is not
 * had from every driver, and not found behind generic XDP, where Linux 6.18 leaves the link header
 * out of what TC sees.
 */
__noinline int rewrite_xdp_mark(struct xdp_md *ctx, const struct pkt *p, __u32 mark)
{
	if (!p)
		return 0;
	struct cursor c = cursor_init((void *)(long)ctx->data, (void *)(long)ctx->data_end);

	c.offset = p->l4_offset & CURSOR_OFFSET_MASK;
	if (cursor_peek(&c, sizeof(struct tcp_header)) != CURSOR_WHOLE)
		return 0;
	struct tcp_header *tcp = (struct tcp_header *)c.at;
	__u64 sum = (__u16)~tcp->checksum + (__u16)~tcp->urgent + (mark & 0xffff);

	tcp->urgent = mark;
	tcp->checksum = sum_fold(sum);
	return 1;
}

/*
 * Around the comparisons that bound a length for a helper: clang would leave out what it knows to
 * be so, and make one comparison of two, and the verifier learns nothing from either. Nor does it
 * learn from "not 0" that a number is at least 1, before Linux 6.8.
 */
#define VERIFIER_SEES(number) __asm__ volatile("" : "+r"(number))

__noinline int rewrite_skb_take(struct __sk_buff *skb, const struct pkt *p, struct answer *a)
{
	if (!p || !a)
		return 0;
	struct cursor c = cursor_init((void *)(long)skb->data, (void *)(long)skb->data_end);

	if (!rewrite_knows_link(&c, p) ||
	    (p->l3_offset && bpf_skb_load_bytes(skb, 0, &a->link, sizeof(a->link))))
		return 0;
	__u32 quotable = rewrite_quotable(p);
	__u32 there = skb->len - p->l3_offset;

	quotable = quotable < there ? quotable : there;
	VERIFIER_SEES(quotable);
	if (quotable > ANSWER_QUOTE_BYTES)
		return 0;
	VERIFIER_SEES(quotable);
	if (quotable < sizeof(struct ipv4_header) ||
	    bpf_skb_load_bytes(skb, p->l3_offset, a->quote, quotable))
		return 0;
	a->quoted = quotable;
	return 1;
}

/* How far behind the transport header a checksum may begin that is left to the device: that of the
 * inner packet of a tunnel. */
#define SKB_INNER_BYTES 256
#define SKB_ROOM_MAC 1 /* BPF_ADJ_ROOM_MAC: right behind the link header */

/*
 * Gives the skb its new length and takes from it what the device was to do with the old one:
 * segmentation, and a checksum still to be computed (CHECKSUM_PARTIAL: anything local or from a
 * virtual machine), which would land in the middle of the answer. No program can see that mark, but
 * the kernel does not cut a packet short of where such a checksum belongs; so when it can be cut
 * before the transport header, there is none. Otherwise the packet is moved forward past the place,
 * and the kernel then forgets the checksum (skb_postpull_rcsum()). docs/design/reject.md
 */
static __always_inline bool skb_resize(struct __sk_buff *skb, const struct pkt *p, __u32 frame)
{
	int past = p->l4_offset + SKB_INNER_BYTES;

	if (!bpf_skb_change_tail(skb, p->l4_offset, 0))
		return !bpf_skb_change_tail(skb, frame, 0);
	return !bpf_skb_change_tail(skb, frame + past, 0) &&
	       !bpf_skb_adjust_room(skb, -past, SKB_ROOM_MAC, 0);
}

__noinline int rewrite_skb_put(struct __sk_buff *skb, const struct pkt *p, const struct answer *a)
{
	if (!p || !a)
		return 0;
	__u32 bytes = a->length;

	if (bytes > ANSWER_BYTES || !skb_resize(skb, p, p->l3_offset + bytes))
		return 0;
	VERIFIER_SEES(bytes);
	if (bytes < sizeof(struct ipv4_header))
		return 0;
	if (p->l3_offset && bpf_skb_store_bytes(skb, 0, &a->link, sizeof(a->link), 0))
		return 0;
	return !bpf_skb_store_bytes(skb, p->l3_offset, answer_bytes(a), bytes,
				    BPF_F_INVALIDATE_HASH);
}

/* Of an skb whose checksum is left to the device, the kernel knows not to change it. */
static __always_inline bool skb_sum_by(struct __sk_buff *skb, __u32 at, __s64 difference)
{
	return !bpf_l4_csum_replace(skb, at, 0, difference, 0);
}

/* Translates the header of a segment. 1: done. */
__noinline int rewrite_skb_relay(struct __sk_buff *skb, const struct pkt *p,
				 struct relay_header *header, const struct relay_change *change)
{
	if (!p || !header || !change)
		return 0;
	__u32 bytes = p->tcp_words * 4;

	VERIFIER_SEES(bytes);
	if (bytes > TCP_HEADER_BYTES_MOST)
		return 0;
	VERIFIER_SEES(bytes);
	if (bytes < sizeof(struct tcp_header) ||
	    bpf_skb_load_bytes(skb, p->l4_offset, header->bytes, bytes))
		return 0;
	__s64 sum = bpf_csum_diff((void *)header->bytes, TCP_HEADER_BYTES_MOST, NULL, 0, 0);

	relay_translate(header, bytes, change);
	sum = bpf_csum_diff(NULL, 0, (void *)header->bytes, TCP_HEADER_BYTES_MOST, sum);
	VERIFIER_SEES(bytes);
	if (bytes > TCP_HEADER_BYTES_MOST)
		return 0;
	VERIFIER_SEES(bytes);
	if (bytes < sizeof(struct tcp_header))
		return 0;
	return sum >= 0 && !bpf_skb_store_bytes(skb, p->l4_offset, header->bytes, bytes, 0) &&
	       skb_sum_by(skb, p->l4_offset + __builtin_offsetof(struct tcp_header, checksum), sum);
}

/* Adds to the sequence number of the segment that an ICMP error holds. The sum is the error's own:
 * that of the segment need not be there. 1: done. */
__noinline int rewrite_skb_quote(struct __sk_buff *skb, const struct pkt *p, struct pkt *inner,
				 __u32 change)
{
	struct cursor c = skb_cursor(skb);
	__be32 number[2];

	if (!p || !inner || !parse_embedded(&c, inner, p))
		return 0;
	__u32 at = (c.offset & CURSOR_OFFSET_MASK) + __builtin_offsetof(struct tcp_header, seq);

	if (bpf_skb_load_bytes(skb, at, &number[0], sizeof(number[0])))
		return 0;
	number[1] = be32(be32(number[0]) + change);
	return !bpf_skb_store_bytes(skb, at, &number[1], sizeof(number[1]), 0) &&
	       !bpf_l4_csum_replace(skb,
				    p->l4_offset + __builtin_offsetof(struct icmp_header, checksum),
				    number[0], number[1], sizeof(number[0]));
}

#endif
