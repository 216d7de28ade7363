/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * The answer to a SYN, in memory: a SYN+ACK whose number is a cookie, and what of the sender's
 * options comes back with the acknowledgement. Beside answer.h, and native like that.
 */
#ifndef WEIR_BPF_ANSWER_SYN_H
#define WEIR_BPF_ANSWER_SYN_H

#include "../../abi/cookie.h"
#include "answer.h"
#include "parse_inner.h"

/* What one side's options say. */
struct tcp_told {
	__u32 stamp, echo;
	__u16 mss; /* 0: it does not say */
	__u8 scale;
	__u8 sack;
	__u8 time;
};

#define TCP_OPTION_MSS 2
#define TCP_OPTION_SACK 4
#define TCP_OPTION_TIME 8
#define TCP_OPTION_BYTES_MOST 10 /* of those that are read */
#define TCP_MSS_SILENT 536	 /* RFC 9293, 3.7.1 */

/* In the low bits of our time stamps, as in those of the kernel's own cookies. */
#define STAMP_SCALE 0x0f
#define STAMP_SACK 0x10
#define STAMP_BITS 6

/*
 * Segment sizes that a cookie can say, as the kernel's have them: a place of two bits. It stands
 * above the bits of the kernel's cookie that say its age in minutes, and half a step further, so
 * that a cookie of the kernel's own stack is none of ours.
 */
#define COOKIE_SIZES 4
/* 16 bits each, the smallest lowest. Not arrays: clang 14 gives those no place in its BTF. */
#define COOKIE_SIZES4 (536ULL | 1300ULL << 16 | 1440ULL << 32 | 1460ULL << 48)
#define COOKIE_SIZES6 (1220ULL | 1420ULL << 16 | 1440ULL << 32 | 8940ULL << 48)

static __always_inline __u32 cookie_shift(__u32 size)
{
	return size << 30 | 1U << 29;
}

static __always_inline __u16 cookie_size(bool is_v4, __u32 size)
{
	return (is_v4 ? COOKIE_SIZES4 : COOKIE_SIZES6) >> (size & 3) * 16;
}

/* The largest that is not above; comparisons without branches, as in the parser. */
static __always_inline __u32 cookie_size_of(bool is_v4, __u32 mss)
{
	__u32 above = 0;

#ifdef __clang__
#pragma unroll
#endif
	for (__u32 i = 1; i < COOKIE_SIZES; i++)
		above += is_below(mss, cookie_size(is_v4, i));
	return COOKIE_SIZES - 1 - above;
}

static __always_inline __u32 quote_be32(const __u8 *at)
{
	return (__u32)at[0] << 24 | (__u32)at[1] << 16 | (__u32)at[2] << 8 | at[3];
}

static __always_inline __u32 told_if(__u32 old, __u32 new, __u32 is_it)
{
	return old ^ ((old ^ new) & -is_it);
}

/* An option of this kind and length at `at`, of which TCP_OPTION_BYTES_MOST bytes can be read. */
static __always_inline void told_note(struct tcp_told *told, const __u8 *at)
{
	__u32 what = (__u32)at[0] << 8 | at[1], first = quote_be32(at + 2),
	      second = quote_be32(at + 6);
	__u32 is_mss = is_below(what ^ (TCP_OPTION_MSS << 8 | 4), 1);
	__u32 is_scale = is_below(what ^ (TCP_OPTION_SCALE << 8 | 3), 1);
	__u32 is_sack = is_below(what ^ (TCP_OPTION_SACK << 8 | 2), 1);
	__u32 is_stamp = is_below(what ^ (TCP_OPTION_TIME << 8 | 10), 1);
	__u32 scale = first >> 24, is_large = is_below(TCP_SCALE_MAX, scale);

	told->mss = told_if(told->mss, first >> 16, is_mss);
	told->scale = told_if(told->scale, told_if(scale, TCP_SCALE_MAX, is_large), is_scale);
	told->sack |= is_sack;
	told->time |= is_stamp;
	told->stamp = told_if(told->stamp, first, is_stamp);
	told->echo = told_if(told->echo, second, is_stamp);
}

/* Of the packet that was quoted; false where its header is not there whole. The place of the next
 * option goes through memory, or the verifier walks the loop once for each sum of lengths. */
static __always_inline bool told_read(const struct pkt *p, const struct answer *a,
				      struct tcp_told *ret_told)
{
	__u32 header = (__u32)p->l4_offset - p->l3_offset, end = header + p->tcp_words * 4;
	volatile __u16 next = header + sizeof(struct tcp_header);
	bool more = true;

	*ret_told = (struct tcp_told){ .scale = WEIR_COOKIE_NO_SCALE };
	if (end > a->quoted || end > ANSWER_QUOTE_BYTES)
		return false;
	LOOP_ROLLED
	for (__u32 i = 0; i < TCP_OPTIONS_MAX && more; i++) {
		__u32 here = next;

		if (here + 2 > end || here > ANSWER_QUOTE_BYTES - TCP_OPTION_BYTES_MOST)
			return true;
		const __u8 *at = a->quote + here;
		__u32 is_none = is_below(at[0] ^ TCP_OPTION_NONE, 1);
		__u32 length = at[1] * (1 - is_none) + is_none;

		more = at[0] && length && here + length <= end;
		if (more)
			told_note(ret_told, at);
		next = here + length;
	}
	return true;
}

struct syn_answer {
	struct tcp_told told; /* of the SYN */
	struct weir_cookie_constants offer;
	__u32 seq;
	__u32 clock_ms;
	__u8 is_closed; /* the window it announces: nothing may be sent yet */
};

static __always_inline __u32 answer_stamp(const struct syn_answer *with, bool has_scale,
					  bool has_sack)
{
	__u32 scale = has_scale ? with->told.scale : WEIR_COOKIE_NO_SCALE;

	return (with->clock_ms & ~((1U << STAMP_BITS) - 1)) | scale | (has_sack ? STAMP_SACK : 0);
}

/* In Linux's own order; words that are not sent are zero. Returns how many are. */
static __always_inline __u32 answer_options(const struct pkt *p, const struct syn_answer *with,
					    __be32 *options)
{
	const struct tcp_told *told = &with->told;
	bool has_time = with->offer.time && told->time;
	bool has_scale = has_time && with->offer.scale != WEIR_COOKIE_NO_SCALE &&
			 told->scale != WEIR_COOKIE_NO_SCALE;
	bool has_sack = has_time && with->offer.sack && told->sack;
	__u32 mss = p->seen & PKT_IPV4 ? with->offer.mss4 : with->offer.mss6;

	options[0] = be32(TCP_OPTION_MSS << 24 | 4 << 16 | mss);
	if (!has_time)
		return 1;
	options[1] = be32((has_sack ? TCP_OPTION_SACK << 24 | 2 << 16 :
				      TCP_OPTION_NONE << 24 | TCP_OPTION_NONE << 16) |
			  TCP_OPTION_TIME << 8 | 10);
	options[2] = be32(answer_stamp(with, has_scale, has_sack));
	options[3] = be32(told->stamp);
	if (!has_scale)
		return 4;
	options[4] =
		be32(TCP_OPTION_NONE << 24 | TCP_OPTION_SCALE << 16 | 3 << 8 | with->offer.scale);
	return 5;
}

#define ANSWER_SYN_WINDOW 65535

static __always_inline bool answer_syn_ack(const struct pkt *p, struct answer *a,
					   const struct syn_answer *with)
{
	if (p->l3_offset && !answer_link(&a->link))
		return false;
	__builtin_memset(a->quote, 0, sizeof(a->quote));
	__u32 words = TCP_WORDS_MIN + answer_options(p, with, a->tcp_options);
	__u32 bytes = words * 4;

	a->tcp = (struct tcp_header){
		.sport = p->dport,
		.dport = p->sport,
		.seq = be32(with->seq),
		.ack = be32(p->tcp_seq + 1),
		.offset = words << 4,
		.flags = TCP_SYN | TCP_ACK,
		.window = with->is_closed ? 0 : be16(ANSWER_SYN_WINDOW),
	};
	a->tcp.checksum = answer_transport_sum(a, sum_pseudo(p, PROTO_TCP, bytes));
	answer_ip(p, a, PROTO_TCP, bytes, 0);
	return true;
}

#endif
