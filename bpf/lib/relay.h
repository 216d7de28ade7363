/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Connections of which each side has shaken hands with Weir: their sequence numbers, clocks and
 * window scales differ, and what goes from one to the other is translated, in memory. rewrite.h has
 * the bytes. Compiles natively too. docs/design/synproxy.md
 */
#ifndef WEIR_BPF_RELAY_H
#define WEIR_BPF_RELAY_H

#include "answer_syn.h"

/* What is added to the numbers of a segment. Edges of SACK (RFC 2018) are the other side's numbers,
 * as the acknowledgement is. */
struct relay_change {
	__u32 seq, ack;
	__u32 stamp, echo; /* TSval, TSecr (RFC 7323, 3.2) */
	__u8 up, down;	   /* bits its window goes up by, then down */
};

#define TCP_HEADER_BYTES_MOST 60
#define TCP_OPTION_EDGES 5
#define TCP_EDGES_MAX 8 /* of four blocks */

/* With room for what is read behind an option that begins at its end. */
struct relay_header {
	union {
		__u8 bytes[TCP_HEADER_BYTES_MOST + 40];
		struct tcp_header tcp;
	};
};

struct relay_options {
	__u32 stamp; /* where the option begins; 0: it is not there */
	__u32 edges, edges_bytes;
};

/* Its bits hide nothing: no header is longer. */
#define RELAY_OFFSET_MASK 63

static __always_inline void relay_add(struct relay_header *h, __u32 at, __u32 change)
{
	__u8 *bytes = h->bytes + at;
	__u32 number = quote_be32(bytes) + change;

	bytes[0] = number >> 24;
	bytes[1] = number >> 16;
	bytes[2] = number >> 8;
	bytes[3] = number;
}

/* A window that is open stays open. */
static __always_inline __u16 relay_window(__u16 window, const struct relay_change *change)
{
	__u32 bytes = (__u32)window << (change->up & 15), scaled = bytes >> (change->down & 15);

	scaled += is_below(scaled, 1) & is_below(0, bytes);
	return told_if(scaled, 0xffff, is_below(0xffff, scaled));
}

static __always_inline void relay_option(struct relay_options *options, const __u8 *at, __u32 here)
{
	__u32 what = (__u32)at[0] << 8 | at[1];
	__u32 is_stamp = is_below(what ^ (TCP_OPTION_TIME << 8 | 10), 1);
	__u32 is_edges = is_below(at[0] ^ TCP_OPTION_EDGES, 1);

	options->stamp = told_if(options->stamp, here, is_stamp);
	options->edges = told_if(options->edges, here, is_edges);
	options->edges_bytes = told_if(options->edges_bytes, at[1], is_edges);
}

/* The place of the next option goes through memory, as in told_read(). */
static __always_inline void relay_find(const struct relay_header *h, __u32 end,
				       struct relay_options *options)
{
	volatile __u16 next = sizeof(struct tcp_header);
	bool more = true;

	LOOP_ROLLED
	for (__u32 i = 0; i < TCP_OPTIONS_MAX && more; i++) {
		__u32 here = next;

		if (here + 2 > end || here > TCP_HEADER_BYTES_MOST - 2)
			return;
		const __u8 *at = h->bytes + here;
		__u32 is_none = is_below(at[0] ^ TCP_OPTION_NONE, 1);
		__u32 length = at[1] * (1 - is_none) + is_none;

		more = at[0] && length && here + length <= end;
		if (more)
			relay_option(options, at, here);
		next = here + length;
	}
}

/* Translates a header of `end` bytes; its checksum is left as it was. */
static __always_inline void relay_translate(struct relay_header *h, __u32 end,
					    const struct relay_change *change)
{
	struct relay_options options = {};
	__u32 acks = -(__u32) !!(h->tcp.flags & TCP_ACK);

	relay_find(h, end, &options);
	relay_add(h, __builtin_offsetof(struct tcp_header, seq), change->seq);
	relay_add(h, __builtin_offsetof(struct tcp_header, ack), change->ack & acks);
	h->tcp.window = be16(relay_window(be16(h->tcp.window), change));
	if (options.stamp) {
		__u32 at = options.stamp & RELAY_OFFSET_MASK;

		relay_add(h, at + 2, change->stamp);
		relay_add(h, at + 6, change->echo & acks);
	}
	if (!options.edges || !change->ack)
		return;
	LOOP_ROLLED
	for (__u32 i = 0; i < TCP_EDGES_MAX; i++) {
		if (i * 4 + 6 > options.edges_bytes)
			return;
		relay_add(h, (options.edges & RELAY_OFFSET_MASK) + 2 + i * 4, change->ack);
	}
}

/* A segment without data that is made of another. */
struct relay_made {
	struct tcp_told says; /* its options; no mss: none of it */
	__u32 seq, ack;
	__u16 window;
	__u8 flags;
	__u8 goes_back; /* to whom the other came from */
};

static __always_inline __u32 relay_options_put(__be32 *options, const struct tcp_told *says)
{
	__u32 words = 0;

	if (says->mss)
		options[words++] = be32(TCP_OPTION_MSS << 24 | 4 << 16 | says->mss);
	if (says->time) {
		options[words++] =
			be32((says->sack ? TCP_OPTION_SACK << 24 | 2 << 16 :
					   TCP_OPTION_NONE << 24 | TCP_OPTION_NONE << 16) |
			     TCP_OPTION_TIME << 8 | 10);
		options[words++] = be32(says->stamp);
		options[words++] = be32(says->echo);
	}
	if (says->scale != WEIR_COOKIE_NO_SCALE)
		options[words++] =
			be32(TCP_OPTION_NONE << 24 | TCP_OPTION_SCALE << 16 | 3 << 8 | says->scale);
	return words;
}

/* False: the link header names a group. */
static __always_inline bool relay_make(const struct pkt *p, struct answer *a,
				       const struct relay_made *made)
{
	if (made->goes_back && p->l3_offset && !answer_link(&a->link))
		return false;
	__builtin_memset(a->quote, 0, sizeof(a->quote));
	__u32 bytes = (TCP_WORDS_MIN + relay_options_put(a->tcp_options, &made->says)) * 4;

	a->tcp = (struct tcp_header){
		.sport = made->goes_back ? p->dport : p->sport,
		.dport = made->goes_back ? p->sport : p->dport,
		.seq = be32(made->seq),
		.ack = be32(made->ack),
		.offset = bytes << 2,
		.flags = made->flags,
		.window = be16(made->window),
	};
	a->tcp.checksum = answer_transport_sum(a, sum_pseudo(p, PROTO_TCP, bytes));
	if (made->goes_back)
		answer_ip(p, a, PROTO_TCP, bytes, 0);
	else
		answer_ip_from(p, a, &p->src, &p->dst, PROTO_TCP, bytes, 0);
	return true;
}

#endif
