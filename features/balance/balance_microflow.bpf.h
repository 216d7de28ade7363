/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Flows whose packets XDP sends on, remembered so that the next packet meets one line of them and
 * no stage (bpf/lib/microflow.h). Of what changes no state: datagrams, and acknowledgements to
 * backends that answer by themselves, whose windows nobody checks. docs/design/balancer.md
 */
#ifndef WEIR_BALANCE_MICROFLOW_BPF_H
#define WEIR_BALANCE_MICROFLOW_BPF_H

#include "../../bpf/lib/probe.h"
#include "../../bpf/lib/rewrite_microflow.h"
#include "balance.bpf.h"
#include "balance_forward.bpf.h"

/* For so long no stage sees packets of a flow, and none writes when it was seen: an eighth of its
 * time, and at most this. */
#define MICROFLOW_TICKS_MOST ((__u32)(4 * 1000000000ULL >> MICROFLOW_TICK_SHIFT))
#define MICROFLOW_SHARE_SHIFT 3

#define MICROFLOW_DIRECT -1 /* balance_direct_put() sends it on */

struct microflow_draft {
	struct microflow flow;
	struct microflow_addrs addrs;
	struct microflow_found found;
};

SCRATCH_HOLDS(struct microflow_draft);

static __always_inline struct microflow_draft *microflow_draft(void)
{
	return scratch(SCRATCH_MICROFLOW);
}

/* --- what is remembered ------------------------------------------------------------------- */

/* No list, rule or mark has a say in it, or counts it, and it changes nothing of its flow. */
static __always_inline bool microflow_may(const struct pkt *p, const struct served *served)
{
	bool is_plain =
		p->proto == PROTO_UDP || (served->forward && microflow_is_ack(p->tcp_flags));

	return is_plain && !(p->hit | p->list | p->rule | p->allowed | p->has_mark | p->briefly) &&
	       !p->pending && served->reason == WEIR_PASS_ESTABLISHED && !served->hides &&
	       !served->is_chosen && !served->is_uncounted;
}

static __always_inline __u32 microflow_until(const struct served *served)
{
	__u32 share = (served->expires - served->now) >> MICROFLOW_SHARE_SHIFT;
	/* Clients are remembered while packets of theirs come, to a second. */
	__u32 most =
		served_constants.remembers ? BALANCE_AFFINITY_STEP_TICKS : MICROFLOW_TICKS_MOST;

	return served->now + (share < most ? share : most);
}

/* As it arrived: struct pkt bears the service's end in the place of a backend's. */
static __always_inline struct microflow_key microflow_key_of(const struct pkt *p,
							     const struct weir_addr *src,
							     __be16 sport)
{
	bool is_v4 = p->seen & PKT_IPV4;

	return (struct microflow_key){
		.src = is_v4 ? src->be32[3] : microflow_fold(src),
		.dst = is_v4 ? p->dst.be32[3] : microflow_fold(&p->dst),
		.sport = sport,
		.dport = p->dport,
	};
}

static __always_inline __u32 microflow_bits_of(const struct pkt *p)
{
	return (p->seen & PKT_IPV4 ? 0 : MICROFLOW_V6) |
	       (p->proto == PROTO_TCP ? MICROFLOW_TCP : 0);
}

static __always_inline void microflow_note_ends(struct microflow_draft *draft, const struct pkt *p,
						const struct served *served)
{
	bool is_back = served->kind == SERVED_FROM_BACKEND;
	const struct weir_addr *src = is_back ? &served->backend.addr : &p->src;

	draft->flow.key = microflow_key_of(p, src, is_back ? served->backend.port : p->sport);
	draft->flow.bits = microflow_bits_of(p) | (is_back ? MICROFLOW_SOURCE : 0) |
			   served->forward << MICROFLOW_FORWARD_SHIFT;
	draft->addrs.src = *src;
	draft->addrs.dst = p->dst;
}

/* A connection begins. One that was reset a moment ago, between the same ends, may have had another
 * backend: nothing is to go by it. What other CPUs remember stays, who get none of its packets as
 * long as cards share them out by their ends. */
__noinline int balance_microflow_forget(const struct pkt *p)
{
	if (!microflow_constants.enabled || !p)
		return 0;
	struct microflow_key key = microflow_key_of(p, &p->src, p->sport);
	struct microflow_at at = microflow_at(&key, microflow_bits_of(p));
	__u8 *tags = microflow_tags_of(&at);

	if (tags && tags[0] == at.tag)
		tags[0] = 0;
	if (tags && tags[1] == at.tag)
		tags[1] = 0;
	return 0;
}

/* NULL: the packet is not to be remembered. */
static __always_inline struct microflow_draft *microflow_begin(const struct pkt *p,
							       const struct served *served)
{
	struct microflow_draft *draft = microflow_draft();

	if (!microflow_constants.enabled || !draft)
		return NULL;
	draft->flow.generation = 0;
	if (!draft->flow.ways || !microflow_may(p, served))
		return NULL;
	microflow_note_ends(draft, p, served);
	draft->flow.until = microflow_until(served);
	draft->flow.tally = served->tally;
	draft->flow.way = served->way;
	draft->flow.sum_row = served->sum_row;
	draft->flow.sum_turn = served->sum_turn;
	draft->flow.slot = p->iface_slot;
	draft->flow.out = iface_slot(served->way.ifindex);
	draft->flow.generation = p->generation;
	return draft;
}

/* A packet that is translated, as it arrived; remembered by balance_microflow_keep(), once it is
 * sent. `mtu` of its way. */
static __always_inline void microflow_note(const struct pkt *p, const struct served *served,
					   const struct served_end *end, __u32 mtu)
{
	struct microflow_draft *draft = microflow_begin(p, served);

	if (!draft)
		return;
	draft->flow.to = end->addr.be32[3];
	draft->flow.to_port = end->port;
	draft->flow.mtu = mtu;
	draft->addrs.to = end->addr;
}

/* Likewise of one that goes to a backend as it is; a packet within one of the other family is not
 * remembered. */
static __always_inline void microflow_note_direct(const struct pkt *p, const struct served *served,
						  const struct encap *encap, __u32 mtu)
{
	struct microflow_draft *draft = microflow_begin(p, served);
	bool is_v4 = p->seen & PKT_IPV4;

	if (!draft)
		return;
	if (encap->forward != WEIR_FORWARD_L2 && is_v4 != addr_is_v4(&encap->dst))
		draft->flow.generation = 0;
	draft->flow.mtu = mtu - encap_bytes(encap->forward, is_v4);
	draft->flow.to = encap->dst.be32[3];
	draft->flow.from = is_v4 ? encap->src.be32[3] : encap->hash;
	draft->flow.hash_high = encap->hash >> 16;
	draft->addrs.to = encap->dst;
	draft->addrs.from = encap->src;
}

/* What holds goes seldom: where there are more flows than places, those that have one keep it,
 * rather than that all lose theirs in turn. */
static __always_inline bool microflow_yields(const struct microflow *flow)
{
	return !flow->generation || (__s32)(flow->until - microflow_ticks(clock_ns())) <= 0 ||
	       microflow_is_lucky();
}

/* Its own, or of two the one that ends first. NULL: neither yields. */
static __always_inline struct microflow *microflow_place(struct microflow_set *set,
							 const struct microflow *flow)
{
	__u32 bits = flow->bits & MICROFLOW_BITS_KEY;

	if (microflow_is(&set->first, &flow->key, bits) || !set->first.generation)
		return &set->first;
	if (microflow_is(&set->second, &flow->key, bits) || !set->second.generation)
		return &set->second;
	struct microflow *older =
		(__s32)(set->first.until - set->second.until) < 0 ? &set->first : &set->second;

	return microflow_yields(older) ? older : NULL;
}

static __always_inline void microflow_keep_v4(struct microflow_set *set, __u8 *tags, __u8 tag,
					      const struct microflow *flow)
{
	if (set->first.bits & MICROFLOW_V6) {
		if (!microflow_yields(&set->first))
			return;
		*set = (struct microflow_set){};
		tags[0] = tags[1] = 0;
	}
	struct microflow *place = microflow_place(set, flow);

	if (!place)
		return;
	*place = *flow;
	if (place == &set->first)
		tags[0] = tag;
	else
		tags[1] = tag;
}

/* Both places, of which the second is one only behind a flow of IPv4. */
static __always_inline void microflow_keep_v6(struct microflow_set *set, __u8 *tags, __u8 tag,
					      const struct microflow_draft *draft)
{
	__u32 bits = draft->flow.bits & MICROFLOW_BITS_KEY;
	bool is_own = microflow_is(&set->first, &draft->flow.key, bits);
	bool has_second = !(set->first.bits & MICROFLOW_V6);

	if (!is_own &&
	    (!microflow_yields(&set->first) || (has_second && !microflow_yields(&set->second))))
		return;
	set->first = draft->flow;
	set->addrs = draft->addrs;
	tags[0] = tag;
	tags[1] = 0;
}

__noinline int balance_microflow_keep(void)
{
	const struct microflow_draft *draft = microflow_draft();

	if (!microflow_constants.enabled || !draft || !draft->flow.generation)
		return 0;
	struct microflow_at at =
		microflow_at(&draft->flow.key, draft->flow.bits & MICROFLOW_BITS_KEY);
	struct microflow_set *set = microflow_set_of(&at);
	__u8 *tags = microflow_tags_of(&at);

	if (!set || !tags)
		return 0;
	if (draft->flow.bits & MICROFLOW_V6)
		microflow_keep_v6(set, tags, at.tag, draft);
	else
		microflow_keep_v4(set, tags, at.tag, &draft->flow);
	return 0;
}

/* --- and gone by -------------------------------------------------------------------------- */

static __always_inline void microflow_count(const struct pkt *p, const struct microflow *flow)
{
	bool is_back = flow->bits & MICROFLOW_SOURCE;
	struct pkt out = { .len = p->len, .iface_slot = flow->out, .direction = WEIR_EGRESS };

	count_reason(&out, WEIR_PASS_ESTABLISHED);
	balance_count(p, is_back ? BALANCE_COUNT_TO_CLIENTS : BALANCE_COUNT_TO_BACKENDS);
	balance_tally_packet(p, is_back ? BALANCE_TO_CLIENT : BALANCE_TO_BACKEND);
}

/* For balance_direct_put(), which does with it as with one that came by the stages. */
static __always_inline int microflow_direct(struct pkt *p, const struct microflow *flow,
					    const struct microflow_set *set, struct served *served)
{
	struct forward_work *work = forward_work();
	struct encap *encap = work ? &work->encap : NULL;

	if (!encap)
		return XDP_DROP;
	served->way = flow->way;
	encap->forward = flow->bits >> MICROFLOW_FORWARD_SHIFT;
	if (flow->bits & MICROFLOW_V6) {
		encap->dst = set->addrs.to;
		encap->src = set->addrs.from;
		encap->hash = flow->hash;
		return MICROFLOW_DIRECT;
	}
	encap->dst = (struct weir_addr){ .be32 = { 0, 0, be32(0xffff), flow->to } };
	encap->src = (struct weir_addr){ .be32 = { 0, 0, be32(0xffff), flow->from } };
	encap->hash = (__u32)flow->hash_high << 16;
	return MICROFLOW_DIRECT;
}

static __always_inline int microflow_send(struct xdp_md *ctx, struct pkt *p,
					  const struct microflow *flow,
					  const struct microflow_set *set)
{
	struct served *served = served_work();

	if (!served)
		return XDP_PASS;
	served->tally = flow->tally;
	served_note_sum(true, flow->sum_row, flow->sum_turn);
	if (flow->bits >> MICROFLOW_FORWARD_SHIFT) {
		count_reason(p, WEIR_PASS_ESTABLISHED);
		return microflow_direct(p, flow, set, served);
	}
	if (!microflow_put(ctx, flow, set))
		return XDP_DROP;
	count_reason(p, WEIR_PASS_ESTABLISHED);
	microflow_count(p, flow);
	return bpf_redirect(flow->way.ifindex, 0);
}

/* What counting and sending go by. */
static __always_inline void microflow_tell(struct pkt *p, const struct microflow_packet *m,
					   __u32 slot)
{
	p->iface_slot = slot;
	p->proto = m->proto;
	p->tcp_flags = m->tcp_flags;
	p->ip_len = m->ip_len;
	p->ttl = m->ttl;
	p->l3_offset = sizeof(struct eth_header);
	p->seen = (m->bits & MICROFLOW_TCP ? PKT_TCP : 0) |
		  (m->bits & MICROFLOW_V6 ? PKT_IPV6 : PKT_IPV4);
}

/* It may be a probe. */
static __always_inline bool xdp_has_mark(struct xdp_md *ctx)
{
	struct weir_probe_mark *mark = (void *)(long)ctx->data_meta;

	return (void *)(mark + 1) <= (void *)(long)ctx->data;
}

/* 1: what became of the packet before it is remembered and holds; *p says what is to be known of
 * this one. 0: it is to be judged, and *p is as it was. */
__noinline int balance_microflow_find(struct xdp_md *ctx, struct pkt *p)
{
	struct microflow_draft *draft = microflow_draft();
	struct microflow_packet m = {};
	__u32 ways = way_changed();

	if (!p || !microflow_constants.enabled || !draft)
		return 0;
	/* For microflow_begin(), as it was before the stages asked for anything. */
	draft->flow.ways = ways;
	if (!ways || xdp_has_mark(ctx) || !microflow_read(ctx, &m) ||
	    sizeof(struct eth_header) + m.ip_len > p->len)
		return 0;
	struct microflow *flow = microflow_find(ctx, &m, &draft->found);
	__u32 slot = iface_slot(p->ifindex);

	if (!flow || !slot || flow->slot != slot || m.ip_len > flow->mtu ||
	    !microflow_holds(flow, ways))
		return 0;
	microflow_tell(p, &m, slot);
	return 1;
}

/* What XDP is to do with a packet that was found, or MICROFLOW_DIRECT. */
__noinline int balance_microflow_send(struct xdp_md *ctx, struct pkt *p)
{
	const struct microflow_draft *draft = microflow_draft();
	struct microflow_set *set = p && draft ? microflow_set_at(&draft->found) : NULL;

	if (!microflow_constants.enabled || !set)
		return XDP_PASS;
	balance_count(p, BALANCE_COUNT_CACHE_HIT);
	return microflow_send(ctx, p, draft->found.is_second ? &set->second : &set->first, set);
}

#endif
