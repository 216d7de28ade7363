/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * SYN cookies by the kernel's own secret (helpers of Linux 6.0): the number of an answer, and
 * whether an acknowledgement repeats one. Without cookie_constants.enabled the verifier follows
 * none of it, so kernels that have no such helpers load it.
 */
#ifndef WEIR_BPF_COOKIE_H
#define WEIR_BPF_COOKIE_H

#include "relay.h"
#include "clock.h"
#include "probe.h"
#include "rewrite.h"

const volatile struct weir_cookie_constants cookie_constants = {
	.scale = WEIR_COOKIE_NO_SCALE,
	.mss4 = 1460,
	.mss6 = 1440,
};

struct cookie_work {
	union {
		struct ipv4_header v4;
		struct ipv6_header v6;
	};
	struct tcp_header tcp;
	struct syn_answer answer;
	struct tcp_told told; /* of the connection that an acknowledgement has proven */
	__u32 size;	      /* its place in COOKIE_SIZES4 or 6 */
};

/*
 * writes: the data path, each CPU its own
 * reads: the same packet
 * full: cannot be: one row
 */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct cookie_work);
} tmp_cookie SEC(".maps");

static __always_inline struct cookie_work *cookie_work(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&tmp_cookie, &zero);
}

/* All that the helpers read of a packet; its options are ours to remember. */
static __always_inline void cookie_headers(struct cookie_work *work, const struct pkt *p, __u32 seq,
					   __u32 ack)
{
	if (p->seen & PKT_IPV4) {
		work->v4.src = p->src.be32[3];
		work->v4.dst = p->dst.be32[3];
	} else {
		work->v6.src = p->src;
		work->v6.dst = p->dst;
	}
	work->tcp = (struct tcp_header){
		.sport = p->sport,
		.dport = p->dport,
		.seq = be32(seq),
		.ack = be32(ack),
		.offset = TCP_WORDS_MIN << 4,
	};
}

static __always_inline __s64 cookie_make(struct cookie_work *work, const struct pkt *p)
{
	cookie_headers(work, p, p->tcp_seq, 0);
	return p->seen & PKT_IPV4 ?
		       bpf_tcp_raw_gen_syncookie_ipv4((void *)&work->v4, (void *)&work->tcp,
						      sizeof(work->tcp)) :
		       bpf_tcp_raw_gen_syncookie_ipv6((void *)&work->v6, (void *)&work->tcp,
						      sizeof(work->tcp));
}

/* Global, so that the verifier walks the options once. */
__noinline int cookie_read_told(const struct pkt *p, const struct answer *a, struct tcp_told *told)
{
	return cookie_constants.enabled && p && a && told && told_read(p, a, told);
}

/* The answer to a SYN that was taken into `a`. */
__noinline int cookie_answer(const struct pkt *p, struct answer *a)
{
	struct cookie_work *work = cookie_work();

	if (!cookie_constants.enabled || !p || !a || !work)
		return 0;
	struct syn_answer *with = &work->answer;
	__s64 cookie = cookie_make(work, p);

	if (cookie < 0 || !cookie_read_told(p, a, &with->told))
		return 0;
	bool is_v4 = p->seen & PKT_IPV4;

	with->seq = (__u32)cookie +
		    cookie_shift(cookie_size_of(is_v4, with->told.mss ?: TCP_MSS_SILENT));
	with->clock_ms = clock_ns() / 1000000;
	with->offer.scale = cookie_constants.scale;
	with->offer.sack = cookie_constants.sack;
	with->offer.time = cookie_constants.time;
	with->offer.mss4 = cookie_constants.mss4;
	with->offer.mss6 = cookie_constants.mss6;
	return answer_syn_ack(p, a, with);
}

/* Whether it acknowledges a cookie that stood `shift` higher, were its own number `ahead` more. */
__noinline int cookie_is_of(const struct pkt *p, __u32 shift, __u32 ahead)
{
	struct cookie_work *work = cookie_work();

	if (!cookie_constants.enabled || !p || !work)
		return 0;
	cookie_headers(work, p, p->tcp_seq + ahead, p->tcp_ack - shift);
	return !(p->seen & PKT_IPV4 ?
			 bpf_tcp_raw_check_syncookie_ipv4((void *)&work->v4, (void *)&work->tcp) :
			 bpf_tcp_raw_check_syncookie_ipv6((void *)&work->v6, (void *)&work->tcp));
}

/* What XDP marks a proven packet with, for the program behind it. Who guesses it gains nothing: the
 * cookie is checked again. */
static __always_inline __u16 proof_mark(void)
{
	return probe_constants.secret[1] | 1;
}

enum cookie_kind {
	COOKIE_NONE,
	COOKIE_OURS,
	COOKIE_KERNELS, /* its stack has sent it, and knows it */
};

/*
 * The most frequent size first. The kernel's check takes any of four numbers, which to its stack
 * say four segment sizes. Ours are made of the lowest, so the number is the right one when the next
 * is wrong; it is the one before where a client asks whether there is room.
 */
__noinline int cookie_check(const struct pkt *p)
{
	struct cookie_work *work = cookie_work();

	if (!cookie_constants.enabled || !p || !work)
		return COOKIE_NONE;
	LOOP_ROLLED
	for (__u32 i = 0; i < COOKIE_SIZES; i++) {
		work->size = COOKIE_SIZES - 1 - i;
		__u32 shift = cookie_shift(COOKIE_SIZES - 1 - i);

		if (cookie_is_of(p, shift, 0))
			return cookie_is_of(p, shift, 1) ? COOKIE_NONE : COOKIE_OURS;
	}
	return cookie_is_of(p, 0, 0) ? COOKIE_KERNELS : COOKIE_NONE;
}

/* What the SYN said, from the acknowledgement that was taken into `a`. */
__noinline int cookie_told(const struct pkt *p, struct answer *a)
{
	struct cookie_work *work = cookie_work();

	if (!cookie_constants.enabled || !p || !a || !work)
		return 0;
	struct tcp_told *told = &work->told;

	if (!cookie_read_told(p, a, told))
		return 0;
	told->mss = cookie_size(p->seen & PKT_IPV4, work->size);
	told->scale = told->time ? told->echo & STAMP_SCALE : WEIR_COOKIE_NO_SCALE;
	told->sack = told->time && told->echo & STAMP_SACK;
	return 1;
}

#endif
