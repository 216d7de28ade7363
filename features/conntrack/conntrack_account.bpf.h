/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * A packet that is judged is counted, once at each interface and direction: in its flow, or as
 * unaccounted, and why. In a flow once however many interfaces it meets: where it arrives, or where
 * it leaves the host that sent it. docs/design/flows.md
 */
#ifndef WEIR_CONNTRACK_ACCOUNT_BPF_H
#define WEIR_CONNTRACK_ACCOUNT_BPF_H

#include "conntrack.bpf.h"

#define ACCOUNT_LOOPBACK 1 /* its interface's index in every network namespace */
#define UDP_HEADER_BYTES 8

/* Of a packet, what its flow has got. */
enum account_added {
	ACCOUNT_PACKETS = 1 << 0,
	ACCOUNT_BYTES = 1 << 1,
	ACCOUNT_ALL = ACCOUNT_PACKETS | ACCOUNT_BYTES,
};

/* What the end of a packet says of where it is counted; WEIR_ACCOUNT_FLOW: its flow is to be found.
 */
static __always_inline enum weir_account account_of(const struct pkt *p, __u32 reason, bool drop)
{
	if (drop)
		return WEIR_ACCOUNT_DROPPED;
	if (reason == WEIR_PASS_ANSWER || reason == WEIR_PASS_SYN_ANSWERED)
		return WEIR_ACCOUNT_ANSWER;
	if (reason == WEIR_PASS_DIRECT)
		return WEIR_ACCOUNT_FORWARDED;
	if (reason == WEIR_PASS_FRAGMENT)
		return WEIR_ACCOUNT_FRAGMENT;
	if (!(p->seen & PKT_IP))
		return WEIR_ACCOUNT_NOT_IP;
	if (p->state == WEIR_CONN_INVALID)
		return WEIR_ACCOUNT_INVALID;
	if (p->state == WEIR_CONN_UNTRACKED)
		return WEIR_ACCOUNT_UNTRACKED;
	return p->seen & PKT_ICMP && icmp_is_error(p) ? WEIR_ACCOUNT_ERROR : WEIR_ACCOUNT_FLOW;
}

static __always_inline __u32 account_side(const struct conn_work *work, __u32 word)
{
	return work->side != !!(word & CONNTRACK_SECOND);
}

/* Of the turn and the side that adds, in a byte. */
static __always_inline __u8 account_turn_pack(__u64 turn, __u32 side)
{
	return turn >> CONNTRACK_SUM_TURN_SHIFT << 1 | side;
}

static __always_inline __u64 account_turn_unpack(__u8 packed)
{
	return (__u64)(packed >> 1) << CONNTRACK_SUM_TURN_SHIFT;
}

/* Adds a packet to its flow: first the packet, then the bytes. A flow that ends in between leaves
 * either to be counted elsewhere, so each of them is counted once. */
__noinline int conn_account_flow(const struct pkt *p, __u32 packets, __u32 bytes)
{
	const struct conn_work *work = conn_work();
	__u32 word = 0;
	const struct conntrack_flow *flow = p && work ? flow_of_key(work, &word) : NULL;
	struct conntrack_sum *sum = flow ? sum_at(work->table, work->index) : NULL;

	if (!p || !work || !sum)
		return 0;
	__u32 side = account_side(work, word) & 1;
	__u64 turn = conntrack_sum_turn(word), flags = p->seen & PKT_TCP ? p->tcp_flags : 0;
	int added = 0;

	if (packets && sum_add(&sum->words[CONNTRACK_SUM_PACKETS + side], turn,
			       packets | flags << CONNTRACK_SUM_FLAGS_SHIFT, CONNTRACK_SUM_PACKETS))
		added |= ACCOUNT_PACKETS;
	if (bytes &&
	    sum_add(&sum->words[CONNTRACK_SUM_BYTES + side], turn, bytes, CONNTRACK_SUM_BYTES))
		added |= ACCOUNT_BYTES;
	if (added)
		*(volatile __u64 *)&sum->last_ns[side] = work->now_ns;
	if (served_constants.shortcuts)
		served_note_sum(work->table == CONN_PROVEN && added == ACCOUNT_ALL, work->index,
				account_turn_pack(turn, side));
	return added;
}

/* As conn_account_flow(), of a packet that conntrack did not see: where one before it was counted.
 * A flow that has lost its place since has it no more. */
__noinline int conn_account_known(const struct pkt *p)
{
	const struct served *served = served_work();

	if (!p || !served)
		return 0;
	__u32 side = served->sum_turn & 1;
	struct conntrack_sum *sum = sum_at(CONN_PROVEN, served->sum_row);
	__u64 turn = account_turn_unpack(served->sum_turn);
	__u64 flags = p->seen & PKT_TCP ? p->tcp_flags : 0;
	struct wire counted = {}, left = { 1, p->len };

	if (sum && sum_add(&sum->words[CONNTRACK_SUM_PACKETS + side], turn,
			   1 | flags << CONNTRACK_SUM_FLAGS_SHIFT, CONNTRACK_SUM_PACKETS))
		counted.packets = left.packets--;
	if (sum &&
	    sum_add(&sum->words[CONNTRACK_SUM_BYTES + side], turn, p->len, CONNTRACK_SUM_BYTES)) {
		counted.bytes = left.bytes;
		left.bytes = 0;
		*(volatile __u64 *)&sum->last_ns[side] = clock_ns();
	}
	count_account(p, WEIR_INGRESS, WEIR_ACCOUNT_FLOW, &counted);
	if (left.bytes | left.packets)
		count_account(p, WEIR_INGRESS, WEIR_ACCOUNT_NO_PLACE, &left);
	return 0;
}

/* 1: the packet arrived at an interface of this host where Weir has met it, and counted it. The
 * loopback device hands on what leaves by it. */
__noinline int conn_account_is_forwarded(struct __sk_buff *skb)
{
	const struct conn_work *work = conn_work();
	__u32 from = skb->ingress_ifindex, word = 0;

	if (skb->ifindex == ACCOUNT_LOOPBACK)
		return 1;
	if (!from || !work)
		return 0;
	if (iface_slot(from))
		return 1;
	/* From a bridge, say, whose port is watched. */
	const struct conntrack_flow *flow = flow_of_key(work, &word);
	struct pkt came = { .direction = WEIR_INGRESS };

	return flow &&
	       *(volatile __u64 *)&flow->let_in >> let_in_shift(&came, account_side(work, word)) &
		       CONNTRACK_PLACE;
}

/* What could not be added where the flow was found is where it has gone to: it moved just then. */
__noinline int conn_account_again(const struct pkt *p, __u32 packets, __u32 bytes)
{
	struct conn_work *work = conn_work();

	return p && work && conn_catch(work) ? conn_account_flow(p, packets, bytes) : 0;
}

/* From an old table it may have gone on to the proven ones while it was followed. */
static __always_inline void account_add(const struct pkt *p, __u32 direction,
					const struct wire *wire)
{
	struct wire left = *wire;
	int added = conn_account_flow(p, left.packets, left.bytes);

	LOOP_ROLLED
	for (int i = 0; i < 1 + !!old_state.exists && added != ACCOUNT_ALL; i++) {
		left.packets = added & ACCOUNT_PACKETS ? 0 : wire->packets;
		left.bytes = added & ACCOUNT_BYTES ? 0 : wire->bytes;
		added |= conn_account_again(p, left.packets, left.bytes);
	}
	if (added == ACCOUNT_ALL) {
		count_account(p, direction, WEIR_ACCOUNT_FLOW, wire);
		return;
	}
	left.packets = added & ACCOUNT_PACKETS ? 0 : wire->packets;
	left.bytes = added & ACCOUNT_BYTES ? 0 : wire->bytes;
	const struct wire counted = { wire->packets - left.packets, wire->bytes - left.bytes };

	count_account(p, direction, WEIR_ACCOUNT_FLOW, &counted);
	count_account(p, direction, WEIR_ACCOUNT_NO_PLACE, &left);
}

static __always_inline void account_end(const struct pkt *p, __u32 direction, __u32 account,
					const struct wire *wire)
{
	if (account == WEIR_ACCOUNT_FLOW)
		account_add(p, direction, wire);
	else
		count_account(p, direction, account, wire);
}

/*
 * What the kernel has put together on arrival, or the device is to cut up, is on the wire as many
 * packets, each with the headers. Of what leaves the kernel has worked it out, tunnels included.
 */
static __always_inline struct wire wire_of(const struct __sk_buff *skb, const struct pkt *p,
					   __u32 direction)
{
	struct wire wire = { 1, p->len };
	__u32 size = skb->gso_size, packets = skb->gso_segs, tag = p->len - skb->len,
	      headers = p->l4_offset + (p->seen & PKT_TCP ? p->tcp_words * 4u : UDP_HEADER_BYTES);

	if (!size)
		return wire;
	if (!packets) /* from a guest, who need not say */
		packets = (skb->len - headers + size - 1) / size;
	wire.packets = packets;
	wire.bytes = direction == WEIR_EGRESS ? skb->wire_len + packets * tag :
						p->len + (packets - 1) * (headers + tag);
	return wire;
}

/* One a kind of context. At XDP a packet is what came by the wire. */
__noinline int conn_account_xdp(struct pkt *p, __u32 reason, __u32 drop)
{
	if (!p)
		return 0;
	const struct wire wire = { 1, probe_told_bytes(p->len) };

	/* Until it was counted in its flow. */
	if (served_constants.shortcuts)
		served_note_sum(false, 0, 0);
	account_end(p, p->direction & 1, account_of(p, reason, drop), &wire);
	return 0;
}

__noinline int conn_account_tc(struct __sk_buff *skb, struct pkt *p, __u32 reason, __u32 drop)
{
	if (!p)
		return 0;
	__u32 account = account_of(p, reason, drop);
	/* One that is dropped before it comes to where it would leave is as it arrived. */
	const struct wire wire =
		wire_of(skb, p, p->ifindex == skb->ifindex ? p->direction : WEIR_INGRESS);

	if (account == WEIR_ACCOUNT_FLOW && p->direction == WEIR_EGRESS &&
	    conn_account_is_forwarded(skb))
		account = WEIR_ACCOUNT_FORWARDED;
	account_end(p, p->direction & 1, account, &wire);
	return 0;
}

/* Of a packet that XDP sends on as it did the one before. */
static __always_inline void conntrack_account_known(const struct pkt *p)
{
	if (conntrack_constants.accounts)
		conn_account_known(p);
}

/* Once for each packet, at its end. */
static __always_inline void conntrack_account(struct pkt *p, void *ctx, enum hook hook,
					      __u32 reason, bool drop)
{
	if (!conntrack_constants.accounts || !conn_writes(p))
		return;
	if (hook == HOOK_XDP)
		conn_account_xdp(p, reason, drop);
	else
		conn_account_tc(ctx, p, reason, drop);
}

#endif
