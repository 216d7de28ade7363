/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* The TC entries (TCX or clsact): context to cursor, pipeline, verdict. Glue only. */
#ifndef WEIR_BPF_TC_H
#define WEIR_BPF_TC_H

#include "lib/parse.h"
#include "pipeline.h"

#define TC_NEXT (-1) /* TCX_NEXT and TC_ACT_UNSPEC: whoever else is attached has its say */
#define TC_DROP 2    /* TC_ACT_SHOT */

/* What stands in cb[4] of an answer, where a probe has its interface: no interface has this number.
 */
#define TC_ANSWER 0xffffffffu
#define TC_DIRECT 0xfffffffeu /* likewise of what goes to a backend as it is */
#define TC_ONWARD 0xfffffffdu /* … and of what was let out here before */

/* Enough for every header but the longest extension chains; an skb keeps at least the link header
 * in its first part, often no more. */
#define TC_PULL_BYTES 256
/* All that parse.h can reach (its static assertion). */
#define TC_PULL_BYTES_MOST 17000

static __always_inline void tc_probe(struct __sk_buff *skb, struct pkt *p)
{
	__u32 words[5] = { skb->cb[0], skb->cb[1], skb->cb[2], skb->cb[3], skb->cb[4] };

	if (!probe_is_marked(words))
		return;
	p->probe = true;
	p->ifindex = words[4];
	p->iface_slot = iface_slot(p->ifindex);
}

/* An answer meets the other direction's program of its own device, whose rules are not about what
 * Weir says itself. The mark is taken off. */
static __always_inline enum weir_reason tc_is_answer(struct __sk_buff *skb)
{
	__u32 words[3] = { skb->cb[1], skb->cb[2], skb->cb[3] };
	__u32 mark = skb->cb[4];

	if (!(answers_are_sent() || served_constants.directs || served_constants.onwards) ||
	    mark < TC_ONWARD || !probe_is_ours(words))
		return WEIR_PASS;
	skb->cb[1] = 0; /* it is good for one hook, and not for that of a device below this one */
	skb->cb[4] = 0;
	if (mark == TC_ONWARD)
		return WEIR_PASS_ESTABLISHED;
	return mark == TC_ANSWER ? WEIR_PASS_ANSWER : WEIR_PASS_DIRECT;
}

/* Its first word is no probe's. */
static __always_inline void tc_mark(struct __sk_buff *skb, __u32 mark)
{
	skb->cb[0] = 0;
	skb->cb[1] = probe_constants.secret[1];
	skb->cb[2] = probe_constants.secret[2];
	skb->cb[3] = probe_constants.secret[3];
	skb->cb[4] = mark;
}

/* Back to where the packet came from: out of the device it came in by or, if it was about to leave,
 * in by that device, as if the other side had answered. */
static __always_inline int tc_reject(struct __sk_buff *skb, const struct pkt *p)
{
	if (!reject_skb(skb, p))
		return TC_DROP;
	tc_mark(skb, TC_ANSWER);
	return bpf_redirect(skb->ifindex, p->direction == WEIR_INGRESS ? 0 : BPF_F_INGRESS);
}

/* Of a connection that is relayed. */
static __always_inline int tc_relay(struct __sk_buff *skb, struct pkt *p)
{
	int end = synproxy_relay(skb, p);

	if (end != RELAY_RESETS)
		return end == RELAY_DROPS ? TC_DROP : TC_NEXT;
	p->reject = WEIR_REJECT_DEFAULT;
	return tc_reject(skb, p);
}

/* Back where the packet came from. Behind generic XDP it has no link header that could be turned
 * round (skb_begins_with_ip()), and the route says to whom it goes. */
static __always_inline int tc_answer(struct __sk_buff *skb, struct pkt *p)
{
	tc_mark(skb, TC_ANSWER);
	if (p->l3_offset)
		return bpf_redirect(skb->ifindex, 0);
	return rewrite_skb_link(skb, p) ? bpf_redirect_neigh(skb->ifindex, NULL, 0, 0) : TC_DROP;
}

/* To a backend that answers by itself. The neighbour is the kernel's to ask for. */
__noinline int tc_forward(struct __sk_buff *skb, struct pkt *p)
{
	struct forward_work *work = forward_work();

	if (!served_constants.directs || !p || !work)
		return TC_DROP;
	switch (balance_forward(skb, p)) {
	case FORWARD_STAYS:
		return TC_NEXT;
	case FORWARD_ANSWERS:
		return tc_answer(skb, p);
	case FORWARD_SENDS:
		tc_mark(skb, TC_DIRECT);
		return bpf_redirect_neigh(work->fib.ifindex, &work->hop, sizeof(work->hop), 0);
	}
	return TC_DROP;
}

/* On to where it leaves, or TC_NEXT: by the kernel. */
__noinline int tc_onward(struct __sk_buff *skb, struct pkt *p)
{
	struct served *served = served_work();

	if (!served_constants.onwards || !p || !served || !balance_onwards(skb, p) ||
	    !conntrack_lets_out(p))
		return TC_NEXT;
	int reason = pipeline_holds_back(p);

	if (reason) {
		conntrack_account(p, skb, HOOK_TC_OUT, reason, true);
		pipeline_end(p, reason);
		return TC_DROP;
	}
	if (!balance_onward_put(skb, p))
		return TC_DROP;
	tc_mark(skb, TC_ONWARD);
	return bpf_redirect(served->way.ifindex, 0);
}

/* What is to be done to a packet that passes. */
__noinline int tc_finish(struct __sk_buff *skb, struct pkt *p)
{
	if (!p)
		return TC_NEXT;
	if (p->has_mark)
		skb->mark = p->mark;
	if (served_constants.directs && p->relay == PKT_DIRECT)
		return tc_forward(skb, p);
	if (served_constants.checks && p->relay == PKT_CHECK)
		return balance_check_write(skb, p) ? TC_NEXT : TC_DROP;
	if (served_constants.enabled && p->relay >= PKT_NAT_QUOTE)
		return balance_translate(skb, p) ? TC_NEXT : TC_DROP;
	return cookie_constants.relays && p->relay ? tc_relay(skb, p) : TC_NEXT;
}

/* Headers that lie in page fragments are brought into reach. Copying costs, so no more than wanted.
 */
static __always_inline void tc_pull(struct __sk_buff *skb, __u32 wanted)
{
	__u32 linear = skb->data_end - skb->data;

	wanted = skb->len < wanted ? skb->len : wanted;
	if (linear < wanted && !skb_is_in_parts(skb))
		bpf_skb_pull_data(skb, wanted);
}

static __always_inline void tc_parse(struct __sk_buff *skb, struct pkt *p, bool raw_ip)
{
	if (skb->vlan_present) {
		p->vlan = skb->vlan_tci & TAG_ID_MASK;
		p->seen = PKT_VLAN;
		p->len += sizeof(struct tag_header);
	}
	struct cursor c = cursor_init((void *)(long)skb->data, (void *)(long)skb->data_end);

	if (raw_ip)
		parse_ip(&c, p, skb->protocol);
	else
		parse_packet(&c, p);
	/* Still there is more: what lies beyond could not be had, for want of memory. */
	if (p->seen & PKT_CUT_SHORT && (__u32)(skb->data_end - skb->data) < skb->len)
		p->seen |= PKT_UNREADABLE;
}

/* The rare second time is a seam, and so is a device without link headers: the verifier would walk
 * all of it twice. The first of Ethernet is none, since a call there costs every packet 10 ns. */
__noinline int tc_parse_ethernet(struct __sk_buff *skb, struct pkt *p)
{
	if (p)
		tc_parse(skb, p, false);
	return 0;
}

__noinline int tc_parse_ip(struct __sk_buff *skb, struct pkt *p)
{
	if (p)
		tc_parse(skb, p, true);
	return 0;
}

static __always_inline struct pkt tc_packet(const struct __sk_buff *skb,
					    const struct weir_iface_cell *cell,
					    enum weir_direction direction)
{
	return (struct pkt){ .len = skb->len,
			     .ifindex = skb->ifindex,
			     .iface_slot = cell ? cell->slot : 0,
			     .direction = direction };
}

/* A packet is parsed again with all its headers in reach when they turn out to be longer. */
static __always_inline int tc_run(struct __sk_buff *skb, enum weir_direction direction)
{
	const struct weir_iface_cell *cell = iface_cell(skb->ifindex);
	enum weir_reason told = tc_is_answer(skb);
	struct pkt p = tc_packet(skb, cell, direction);

	if (told) {
		if (skb->gso_size && !skb->gso_segs) /* so the headers say how many it is */
			tc_parse_ethernet(skb, &p);
		pipeline_told(&p, skb, told);
		return TC_NEXT;
	}
	tc_pull(skb, TC_PULL_BYTES);
	if (cell && cell->raw_ip)
		tc_parse_ip(skb, &p);
	else
		tc_parse(skb, &p, false);
	if (p.seen & PKT_UNREADABLE) {
		tc_pull(skb, TC_PULL_BYTES_MOST);
		p = tc_packet(skb, cell, direction);
		if (cell && cell->raw_ip)
			tc_parse_ip(skb, &p);
		else
			tc_parse_ethernet(skb, &p);
	}
	tc_probe(skb, &p);
	if (direction == WEIR_INGRESS && pipeline_holds(&p, skb, HOOK_TC_IN))
		return TC_DROP;
	bool drop = pipeline_run(&p, skb, direction == WEIR_INGRESS ? HOOK_TC_IN : HOOK_TC_OUT);

	if (reject_is_wanted(&p))
		return tc_reject(skb, &p);
	if (drop)
		return TC_DROP;
	if (served_constants.onwards && direction == WEIR_INGRESS && shortcut_is_for(&p)) {
		int sent = tc_onward(skb, &p);

		if (sent != TC_NEXT)
			return sent;
	}
	return p.finishes && !p.probe ? tc_finish(skb, &p) : TC_NEXT;
}

static __always_inline bool tc_is_marked(struct __sk_buff *skb, const struct pkt *p)
{
	struct cursor c = skb_cursor(skb);

	return parse_urgent(&c, p) == proof_mark();
}

/* Of a packet that XDP let pass to a service, or an error about one. */
static __always_inline int tc_balance(struct __sk_buff *skb, struct pkt *p)
{
	if (served_constants.checks && balance_check_look(p, 0))
		return balance_check_write(skb, p) ? TC_NEXT : TC_DROP;
	served_begin();
	generation_read(p);
	bool is_error = conntrack_is_error(p);

	if (is_error) {
		if (conn_embedded_tc(skb, p))
			balance_look_error(HOOK_TC_IN);
	} else if (!conntrack_fragment_stage(p)) {
		balance_look_stage(p, HOOK_TC_IN);
	}
	if (!conntrack_owned(p, is_error) || !balance_again(p)) {
		if (!served_is_astray(p))
			return TC_NEXT;
		balance_count(p, BALANCE_COUNT_NO_WAY);
		return TC_DROP;
	}
	if (served_constants.directs && p->relay == PKT_DIRECT)
		return tc_forward(skb, p);
	return balance_translate(skb, p) ? TC_NEXT : TC_DROP;
}

/* Behind XDP: what that has found proven, and marked, is handed to its listener; and what it let
 * pass of relayed connections, and to services, is translated. */
SEC("tc")
int weir_tc_proof(struct __sk_buff *skb)
{
	if (!cookie_constants.enabled && !served_constants.enabled)
		return TC_NEXT;
	tc_pull(skb, TC_PULL_BYTES);
	struct pkt p = { .len = skb->len, .ifindex = skb->ifindex, .direction = WEIR_INGRESS };

	if (skb_begins_with_ip(skb)) {
		p.len += sizeof(struct eth_header); /* as on the wire */
		tc_parse_ip(skb, &p);
	} else {
		tc_parse_ethernet(skb, &p);
	}
	if (cookie_constants.relays && conntrack_relayed(skb, &p))
		return tc_relay(skb, &p);
	if (cookie_constants.hands && tc_is_marked(skb, &p) && cookie_check(&p) == COOKIE_OURS &&
	    synproxy_told_tc(skb, &p))
		synproxy_hand_over(skb, &p);
	return served_constants.enabled ? tc_balance(skb, &p) : TC_NEXT;
}

SEC("tc")
int weir_tc_in(struct __sk_buff *skb)
{
	return tc_run(skb, WEIR_INGRESS);
}

SEC("tc")
int weir_tc_out(struct __sk_buff *skb)
{
	return tc_run(skb, WEIR_EGRESS);
}

#endif
