/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* The time stamps of a TCP segment (RFC 7323, 3), for who measures: from an skb, whose headers need
 * not lie in one piece. */
#ifndef WEIR_BPF_PARSE_STAMP_H
#define WEIR_BPF_PARSE_STAMP_H

#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

#include "endian.h"
#include "pkt.h"
#include "wire.h"

#define TCP_OPTION_STAMP 8
#define TCP_STAMP_BYTES 10
#define TCP_STAMP_ALONE 0x0101080au /* as nearly all send it: two bytes to fill up, then this */

struct tcp_stamp {
	__u32 value, echo;
	__u32 is_there;
};

struct tcp_options {
	__u8 bytes[TCP_OPTIONS_MAX + TCP_STAMP_BYTES]; /* can be read past their end */
};

static __always_inline __u32 stamp_be32(const __u8 *at)
{
	return (__u32)at[0] << 24 | (__u32)at[1] << 16 | (__u32)at[2] << 8 | at[3];
}

/* The place of the next option goes through memory, or the verifier walks the loop once for each
 * sum of lengths. */
static __always_inline void stamp_look(const struct tcp_options *options, __u32 end,
				       struct tcp_stamp *ret_stamp)
{
	volatile __u16 next = 0;
	bool more = true;

	LOOP_ROLLED
	for (__u32 i = 0; i < TCP_OPTIONS_MAX && more; i++) {
		__u32 here = next;

		if (here + TCP_STAMP_BYTES > end || here >= TCP_OPTIONS_MAX)
			return;
		const __u8 *at = options->bytes + here;
		__u32 length = at[0] == TCP_OPTION_NONE ? 1 : at[1];

		if (at[0] == TCP_OPTION_STAMP && length == TCP_STAMP_BYTES) {
			ret_stamp->value = stamp_be32(at + 2);
			ret_stamp->echo = stamp_be32(at + 6);
			ret_stamp->is_there = 1;
			return;
		}
		more = at[0] != TCP_OPTION_END && length && here + length <= end;
		next = here + length;
	}
}

/* Nothing where there is none. `p` was parsed and has a whole TCP header. */
static __always_inline void parse_stamp(struct __sk_buff *skb, const struct pkt *p,
					struct tcp_stamp *ret_stamp)
{
	struct tcp_options options = {};
	__u32 bytes = ((__u32)p->tcp_words - TCP_WORDS_MIN) * 4, last = bytes - 1;

	*ret_stamp = (struct tcp_stamp){};
	/* What is compared is what the kernel is given; and before Linux 6.8 its verifier does not
	 * learn from "not 0" that it is at least 1. */
	__asm__ volatile("" : "+r"(last));
	if (last >= TCP_OPTIONS_MAX)
		return;
	if (bpf_skb_load_bytes(skb, p->l4_offset + sizeof(struct tcp_header), options.bytes,
			       last + 1))
		return;
	if (stamp_be32(options.bytes) != TCP_STAMP_ALONE) {
		stamp_look(&options, bytes, ret_stamp);
		return;
	}
	ret_stamp->value = stamp_be32(options.bytes + 4);
	ret_stamp->echo = stamp_be32(options.bytes + 8);
	ret_stamp->is_there = bytes >= TCP_STAMP_BYTES + 2;
}

#endif
