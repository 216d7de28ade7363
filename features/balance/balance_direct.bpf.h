/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * A packet to a backend that answers by itself is sent on from where it arrived, if XDP can do all
 * that is to be done to it. All else goes by the kernel to balance_forward.bpf.h, at TC: what has
 * no neighbour yet, does not fit, must be answered, or waits for its checksum.
 */
#ifndef WEIR_BALANCE_DIRECT_BPF_H
#define WEIR_BALANCE_DIRECT_BPF_H

#include "../../bpf/lib/count.h"
#include "../../bpf/lib/rewrite_encap.h"
#include "../../bpf/lib/rewrite_shortcut.h"
#include "balance_forward.bpf.h"
#include "balance_microflow.bpf.h"

static __always_inline enum way_kind direct_kind(const struct encap *encap)
{
	if (encap->forward == WEIR_FORWARD_L2)
		return WAY_BY_DESTINATION;
	return addr_is_none(&encap->src) ? WAY_WITH_SOURCE : WAY_BY_ENDS;
}

static __always_inline bool direct_way(struct xdp_md *ctx, const struct pkt *p,
				       struct served *served, struct encap *encap)
{
	enum way_kind kind = direct_kind(encap);
	__u32 bytes = p->ip_len + encap_bytes(encap->forward, addr_is_v4(&encap->dst));
	const struct way_cell *cell =
		way_look(ctx, HOOK_XDP, p, &encap->src, &served->backend.addr, bytes, kind);

	if (!cell || !shortcut_takes(cell->way.ifindex))
		return false;
	served->way = cell->way;
	if (kind == WAY_WITH_SOURCE)
		encap->src = cell->from;
	microflow_note_direct(p, served, encap, cell->mtu);
	return true;
}

/* 1: it may be sent on; served->way says where to, and forward_work() behind what. */
__noinline int balance_direct_look(struct xdp_md *ctx, const struct pkt *p)
{
	struct served *served = served_work();
	struct forward_work *work = forward_work();

	if (!served_constants.shortcuts || !served_constants.directs || !p || !served || !work)
		return 0;
	if (p->proto == PROTO_TCP && p->tcp_flags & TCP_SYN)
		balance_microflow_forget(p);
	if (!shortcut_may(p))
		return 0;
	if (shortcut_is_partial(ctx, p, &p->src, &p->dst)) {
		balance_count(p, BALANCE_COUNT_UNSUMMED);
		return 0;
	}
	work->encap.forward = served->forward;
	work->encap.dst = served->backend.addr;
	work->encap.hash = encap_hash(p);
	return forward_source(p, served, addr_is_v4(&work->encap.dst), &work->encap.src) &&
	       direct_way(ctx, p, served, &work->encap);
}

/* Counted where it leaves as well, as if that interface's program had seen it, if it has one. */
static __always_inline void direct_count(const struct pkt *p, const struct served *served,
					 __u32 bytes)
{
	struct pkt out = { .len = p->len + bytes,
			   .iface_slot = iface_slot(served->way.ifindex),
			   .direction = WEIR_EGRESS };

	if (out.iface_slot)
		count_reason(&out, WEIR_PASS_DIRECT);
	balance_count(p, BALANCE_COUNT_TO_BACKENDS);
	balance_tally_packet(p, BALANCE_TO_BACKEND);
}

/* Gives what XDP is to do. XDP_PASS: there is no room before it, and TC makes some. */
__noinline int balance_direct_put(struct xdp_md *ctx, struct pkt *p)
{
	struct served *served = served_work();
	struct forward_work *work = forward_work();

	if (!served_constants.shortcuts || !served_constants.directs || !p || !served || !work)
		return XDP_PASS;
	__u32 bytes = encap_bytes(work->encap.forward, addr_is_v4(&work->encap.dst));
	int tos = rewrite_xdp_tos(ctx, p);

	work->encap.tos = tos;
	if (tos < 0 || (bytes && !rewrite_xdp_encap(ctx, p, &work->encap, &work->header)))
		return XDP_PASS;
	p->l3_offset += bytes;
	if (rewrite_xdp_hop(ctx, p) < 0 || !shortcut_put_link(ctx, &served->way))
		return XDP_DROP;
	direct_count(p, served, bytes);
	return served->way.ifindex == p->ifindex ? XDP_TX : bpf_redirect(served->way.ifindex, 0);
}

static __always_inline int balance_direct_send(struct xdp_md *ctx, struct pkt *p)
{
	int sent = balance_direct_put(ctx, p);

	if (sent != XDP_PASS)
		balance_microflow_keep();
	return sent;
}

/* Of connections that begin too: nothing is judged where such packets leave. */
static __always_inline bool balance_directs(struct xdp_md *ctx, const struct pkt *p)
{
	return served_constants.shortcuts && served_constants.directs && p->relay == PKT_DIRECT &&
	       !p->probe && !p->turned && !p->shaken && balance_direct_look(ctx, p);
}

#endif
