/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* The programs that only measure, beside the packet programs at TC, behind them: an object of their
 * own, so that what they need of stack and maps is theirs, and nothing of it is there when nobody
 * measures. They judge nothing. */
#include <linux/bpf.h>
#include <stdbool.h>
#include <stddef.h>
#include <bpf/bpf_helpers.h>

#include "lib/parse.h"
#include "lib/parse_inner.h"
#include "../features/quality/quality.bpf.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

#define MEASURE_NEXT (-1) /* TCX_NEXT and TC_ACT_UNSPEC */
#define MEASURE_PULL_BYTES 256

enum measure_link {
	MEASURE_ETHERNET,
	MEASURE_RAW_IP,
};

static __always_inline void measure_parse(struct __sk_buff *skb, struct pkt *p,
					  enum measure_link link)
{
	struct cursor c = skb_cursor(skb);

	*p = (struct pkt){ .len = skb->len };
	if (link == MEASURE_ETHERNET)
		parse_packet(&c, p);
	else
		parse_ip(&c, p, skb->protocol);
}

/* Seams: the verifier walks what follows once, and not for each way through the parser. */
__noinline int measure_parse_ethernet(struct __sk_buff *skb, struct pkt *p)
{
	if (p)
		measure_parse(skb, p, MEASURE_ETHERNET);
	return 0;
}

__noinline int measure_parse_ip(struct __sk_buff *skb, struct pkt *p)
{
	if (p)
		measure_parse(skb, p, MEASURE_RAW_IP);
	return 0;
}

/* Generic XDP leaves it to the kernel whether there is a link header before the packet. */
static __always_inline void measure_look(struct __sk_buff *skb, struct pkt *p,
					 enum measure_link link)
{
	if (link == MEASURE_RAW_IP || skb_begins_with_ip(skb))
		measure_parse_ip(skb, p);
	else
		measure_parse_ethernet(skb, p);
}

static __always_inline void measure(struct __sk_buff *skb, enum measure_link link)
{
	struct pkt p = {};

	measure_look(skb, &p, link);
	if (p.seen & PKT_CUT_SHORT && (__u32)(skb->data_end - skb->data) < skb->len &&
	    !skb_is_in_parts(skb)) {
		bpf_skb_pull_data(skb,
				  skb->len < MEASURE_PULL_BYTES ? skb->len : MEASURE_PULL_BYTES);
		measure_look(skb, &p, link);
	}
	if (!quality_take(skb, &p))
		return;
	quality_flow_note();
	quality_count_told();
}

static __always_inline int measure_timed(struct __sk_buff *skb, enum measure_link link)
{
	__u32 zero = 0, runs_row = QUALITY_RUNS;
	struct quality_control *control = bpf_map_lookup_elem(&cfg_quality, &zero);
	__u64 *runs = bpf_map_lookup_elem(&ctr_q_sum, &runs_row), began_ns = 0;

	if (!control || !control->sample || !runs)
		return MEASURE_NEXT;
	bool is_timed = (*runs)++ % QUALITY_TIMED_EACH == 0;

	if (is_timed)
		began_ns = bpf_ktime_get_ns();
	measure(skb, link);
	if (is_timed)
		quality_cost(bpf_ktime_get_ns() - began_ns);
	return MEASURE_NEXT;
}

SEC("tc")
int weir_quality(struct __sk_buff *skb)
{
	return measure_timed(skb, MEASURE_ETHERNET);
}

SEC("tc")
int weir_quality_ip(struct __sk_buff *skb)
{
	return measure_timed(skb, MEASURE_RAW_IP);
}
