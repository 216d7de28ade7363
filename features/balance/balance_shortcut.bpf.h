/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Packets of services that XDP sends on from where they arrive: those of a flow that was let in at
 * both its places, so that no stage has anything more to say. All others take the way through the
 * kernel, and are translated at TC. docs/design/balancer.md
 */
#ifndef WEIR_BALANCE_SHORTCUT_BPF_H
#define WEIR_BALANCE_SHORTCUT_BPF_H

#include "../../bpf/lib/count.h"
#include "../../bpf/lib/rewrite_shortcut.h"
#include "../../bpf/lib/rewrite_nat.h"
#include "balance_microflow.bpf.h"

/* Both ends as they will stand: struct pkt bears one of them already, where it is turned. */
static __always_inline bool shortcut_ends(struct pkt *p, struct served *served)
{
	const struct balance_service *service = service_at(p, served->row);

	if (served->kind == SERVED_TO_SERVICE) {
		if (p->relay != PKT_NAT || !service)
			return false;
		hidden_note(served, service);
		return !served_constants.hides || !served->hides || balance_port_of(p, PORT_KEEP);
	}
	/* A backend may answer a hidden client by his own address, which it was told. */
	return served->kind == SERVED_FROM_BACKEND && served->is_turned &&
	       (!served_constants.hides || served->hides == served->is_hidden);
}

static __always_inline const struct weir_addr *shortcut_from(const struct pkt *p,
							     const struct served *served)
{
	return served_constants.hides && served->hides && served->kind == SERVED_TO_SERVICE ?
		       &served->hidden.addr :
		       &p->src;
}

static __always_inline const struct weir_addr *shortcut_to(const struct pkt *p,
							   const struct served *served)
{
	return served->kind == SERVED_FROM_BACKEND ? &p->dst : &served->backend.addr;
}

/* 1: it may be sent on, and served->way says where to. */
__noinline int balance_shortcut_look(struct xdp_md *ctx, struct pkt *p)
{
	struct served *served = served_work();

	if (!served_constants.shortcuts || !p || !served || !shortcut_may(p) ||
	    !shortcut_ends(p, served))
		return 0;
	bool is_back = served->kind == SERVED_FROM_BACKEND;
	bool is_hidden = served_constants.hides && served->is_hidden;

	if (shortcut_is_partial(ctx, p, is_back ? &served->backend.addr : &p->src,
				is_hidden ? &served->hidden.addr : &p->dst)) {
		balance_count(p, BALANCE_COUNT_UNSUMMED);
		return 0;
	}
	const struct way_cell *cell =
		shortcut_look(ctx, HOOK_XDP, p, shortcut_from(p, served), shortcut_to(p, served),
			      p->ip_len, &served->way);

	if (cell)
		microflow_note(p, served, is_back ? &served->service : &served->backend, cell->mtu);
	return !!cell;
}

__noinline int balance_shortcut_end(struct xdp_md *ctx, const struct pkt *p,
				    const struct served_end *end, __u32 is_source)
{
	if (!p || !end)
		return NAT_FAILED;
	struct nat_change change = {
		.to = end->addr,
		.to_port = end->port,
		.is_source = is_source,
	};

	return rewrite_xdp_nat(ctx, p, &change);
}

/* The other end, where clients are hidden: what was translated so far cannot go another way. */
static __always_inline int shortcut_other_end(struct xdp_md *ctx, const struct pkt *p,
					      const struct served *served, bool is_back)
{
	if (!served_constants.hides || !served->hides)
		return NAT_DONE;
	return balance_shortcut_end(ctx, p, is_back ? &served->client : &served->hidden, !is_back);
}

static __always_inline void shortcut_tally(const struct pkt *p, bool is_back)
{
	balance_count(p, is_back ? BALANCE_COUNT_TO_CLIENTS : BALANCE_COUNT_TO_BACKENDS);
	balance_tally_packet(p, is_back ? BALANCE_TO_CLIENT : BALANCE_TO_BACKEND);
}

/* Counted where it leaves as well, as if that interface's program had seen it. */
static __always_inline void shortcut_count(const struct pkt *p, const struct served *served,
					   bool is_back)
{
	struct pkt out = { .len = p->len,
			   .iface_slot = iface_slot(served->way.ifindex),
			   .direction = WEIR_EGRESS };

	count_reason(&out, WEIR_PASS_ESTABLISHED);
	shortcut_tally(p, is_back);
}

/* XDP_REDIRECT, or XDP_DROP of what could not be translated, which cannot be. */
__noinline int balance_shortcut_put(struct xdp_md *ctx, const struct pkt *p)
{
	struct served *served = served_work();

	if (!served_constants.shortcuts || !p || !served)
		return XDP_DROP;
	bool is_back = served->kind == SERVED_FROM_BACKEND;
	const struct served_end *end = is_back ? &served->service : &served->backend;

	if (balance_shortcut_end(ctx, p, end, is_back) != NAT_DONE ||
	    shortcut_other_end(ctx, p, served, is_back) != NAT_DONE ||
	    !shortcut_put(ctx, p, &served->way))
		return XDP_DROP;
	shortcut_count(p, served, is_back);
	if (!(p->hit | p->allowed)) /* where it leaves: a list that counts each packet */
		balance_microflow_keep();
	return bpf_redirect(served->way.ifindex, 0);
}

/* Nothing of it, or of its flow, is left to be done but what a shortcut does. */
static __always_inline bool shortcut_is_for(const struct pkt *p)
{
	return !p->probe && !p->pending && !p->turned && p->state == WEIR_CONN_ESTABLISHED;
}

static __always_inline bool balance_shortcuts(struct xdp_md *ctx, struct pkt *p)
{
	return served_constants.shortcuts && shortcut_is_for(p) && balance_shortcut_look(ctx, p);
}

#endif
