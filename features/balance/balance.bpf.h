/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Which packets are of a service, and which backend they belong to. Found before the flow is looked
 * for, so that it is one flow on both sides; chosen once the rules have let a connection in.
 * docs/design/balancer.md
 */
#ifndef WEIR_BALANCE_BPF_H
#define WEIR_BALANCE_BPF_H

#include "../../abi/reason.h"
#include "../../bpf/lib/embedded.h"
#include "../../bpf/lib/served.h"
#include "../../bpf/lib/route.h"
#include "balance_choose.bpf.h"
#include "balance_count.bpf.h"
#include "balance_counter.bpf.h"
#include "balance_find.bpf.h"
#include "balance_lines.bpf.h"
#include "balance_port.bpf.h"
#include "balance_recent.bpf.h"

static __always_inline bool end_is(const struct weir_addr *addr, const struct served_end *end)
{
	return addr->be64[0] == end->addr.be64[0] && addr->be64[1] == end->addr.be64[1];
}

static __always_inline void hidden_note(struct served *served,
					const struct balance_service *service)
{
	served->hidden.addr = service->source;
	served->hides = !!(service->source.be64[0] | service->source.be64[1]);
}

__noinline int balance_look_backend(struct pkt *p, __u32 kind)
{
	struct served *served = served_work();
	int found = p && served ? end_find(p, kind == SERVED_TO_BACKEND, BALANCE_BACKEND) : 0;
	const struct balance_backend *backend = found ? backend_at(p, found - 1) : NULL;
	const struct balance_service *service = backend ? service_at(p, backend->service) : NULL;

	if (!served || !backend || !service)
		return 0;
	served->kind = kind;
	served->number = backend->number;
	served->row = backend->service;
	served->tally = backend->tally;
	served->backend.addr = backend->addr;
	served->backend.port = kind == SERVED_TO_BACKEND ? p->dport : p->sport;
	served->service.addr = service->addr;
	served->service.port = port_shift(served->backend.port, -(__u32)backend->shift);
	hidden_note(served, service);
	/* What goes the other way than it began bears it as its destination. */
	if (served_constants.hides && served->hides &&
	    end_is(kind == SERVED_TO_BACKEND ? &p->src : &p->dst, &served->hidden))
		balance_port_client(p, kind == SERVED_TO_BACKEND);
	return 1;
}

/* How the service's packets go on; a line is read where it may not be by NAT. */
static __always_inline void forward_look(const struct pkt *p, struct served *served)
{
	const struct balance_service *service =
		served_constants.directs ? service_at(p, served->row) : NULL;

	served->forward = service ? service->forward : WEIR_FORWARD_NAT;
}

static __always_inline enum pkt_relay forward_by(const struct served *served, enum pkt_relay nat)
{
	return served_constants.directs && served->forward ? PKT_DIRECT : nat;
}

static __always_inline bool service_look(const struct pkt *p, bool is_dst)
{
	struct served *served = served_work();
	const struct recent_service *recent = is_dst ? recent_service_at(p) : NULL;

	if (served && recent && recent_service_is(recent, p)) {
		served->kind = SERVED_TO_SERVICE;
		served->row = recent->row;
		served->service.port = p->dport;
		served->forward = recent->forward;
		return true;
	}
	int found = served ? end_find(p, is_dst, BALANCE_SERVICE) : 0;

	if (!found)
		return false;
	served->kind = SERVED_TO_SERVICE;
	served->row = found - 1;
	served->service.port = is_dst ? p->dport : p->sport;
	forward_look(p, served);
	if (is_dst)
		recent_service_keep(p, served);
	return true;
}

/*
 * What is to a service, and may be a backend's answer to a port of `source` that stands for a
 * client: a service of many ports has nearly all of those. The client's it is where he has a flow
 * with that backend, which is found out later (served_turn_back()), so nobody gets there by a
 * backend's address alone. Not the other way about: the service would take every answer.
 */
__noinline int balance_look_hidden(struct pkt *p, __u32 kind)
{
	struct served *served = served_work();

	if (!served_constants.hides || !p || !served)
		return 0;
	served->instead.row = served->row;
	served->instead.port = served->service.port;
	served->instead.forward = served->forward;
	if (!balance_look_backend(p, kind))
		return 0;
	if (!served->is_hidden) {
		served_be_instead(served);
		return 0;
	}
	served->forward = WEIR_FORWARD_NAT;
	served->is_either = true;
	return 1;
}

/* Others have no second look. */
static __always_inline bool may_be_hidden(__be16 port)
{
	return served_constants.hides &&
	       (__u32)be16(port) - BALANCE_PORT_FIRST < BALANCE_PORT_COUNT;
}

/*
 * What leaves for a backend, of a service that hides its clients. Where it comes from one, too, it
 * may be an answer to him as a client: of a service of many ports the one that he asks from is one
 * of his as a backend. It is where a port stands for him there.
 */
__noinline int balance_look_answer(struct pkt *p)
{
	struct served *served = served_work();

	if (!served_constants.hides || !p || !served || !served->hides)
		return 0;
	if (!balance_look_backend(p, SERVED_FROM_BACKEND))
		return 0;
	if (served->hides && balance_port_of(p, PORT_LOOK))
		return 1;
	return balance_look_backend(p, SERVED_TO_BACKEND);
}

/* … as it leaves, or of what an error holds, with a source that is not turned yet. */
static __always_inline int leaving_look(struct pkt *p)
{
	if (!balance_look_backend(p, SERVED_TO_BACKEND))
		return balance_look_backend(p, SERVED_FROM_BACKEND);
	return served_constants.hides && balance_look_answer(p);
}

__noinline int balance_look(struct pkt *p, __u32 hook)
{
	if (!served_constants.enabled || !p || !(p->seen & PKT_PORTS))
		return 0;
	if (hook == HOOK_TC_OUT)
		return leaving_look(p);
	if (service_look(p, true))
		return may_be_hidden(p->dport) && balance_look_hidden(p, SERVED_FROM_BACKEND);
	return balance_look_backend(p, SERVED_FROM_BACKEND);
}

/* The same of what an ICMP error holds, which went the other way: where the service was its source,
 * the error is for a backend. */
__noinline int balance_look_quote(__u32 hook)
{
	struct served *served = served_work();
	struct pkt *inner = embedded();

	if (!served_constants.enabled || !served || !inner || !(inner->seen & PKT_PORTS))
		return 0;
	served->is_quote = true;
	if (hook != HOOK_TC_OUT && service_look(inner, false))
		return may_be_hidden(inner->sport) && balance_look_hidden(inner, SERVED_TO_BACKEND);
	return leaving_look(inner);
}

/* Before conntrack, which finds a backend's packets among the flows of its service. */
static __always_inline enum weir_reason balance_look_stage(struct pkt *p, enum hook hook)
{
	if (served_constants.enabled && (hook != HOOK_XDP || served_constants.behind_xdp))
		balance_look(p, hook);
	return WEIR_PASS;
}

/* Of an error, once it is known what it holds. */
static __always_inline void balance_look_error(enum hook hook)
{
	if (hook != HOOK_XDP || served_constants.behind_xdp)
		balance_look_quote(hook);
}

/* What the hook is to make of an end of the packet. */
static __always_inline void to_set(struct pkt *p, struct served *served,
				   const struct served_end *end, bool is_source)
{
	served->to = *end;
	served->to_source = is_source;
	p->relay = forward_by(served, served->is_quote ? PKT_NAT_QUOTE : PKT_NAT);
}

/* Somebody is chosen, for what begins or is begun anew. False: nobody is to be had. The flow stays
 * whose it was then: of nobody it would be this host's, for as long as its client asks. */
static __always_inline bool owner_choose(struct pkt *p, struct served *served, bool is_begun)
{
	__u16 owner = served->owner;

	served->owner = balance_choose(p, served->row);
	served->is_chosen = balance_owner(p) != OWNER_IS_NOT;
	if (!served->is_chosen) {
		served->owner = owner;
		return false;
	}
	balance_count(p, BALANCE_COUNT_CHOSEN);
	if (is_begun)
		balance_tally_begun(p);
	return true;
}

/* Where nobody else is to be had, datagrams go on to the one they went to: it may be there,
 * whatever its checks say, and a connection would live on. */
static __always_inline bool owner_stays(const struct pkt *p)
{
	return p->proto == PROTO_UDP && balance_owner(p);
}

/* The backend that a packet to a service goes to. False: there is none. */
static __always_inline bool backend_settle(struct pkt *p, struct served *served)
{
	int found = balance_owner(p);
	bool is_in_vain = found == OWNER_IS_DOWN && asks_anew(p);
	bool is_there = found && !is_in_vain;

	if (!is_there)
		is_there = owner_choose(p, served, is_in_vain || p->pending == PKT_BEGINS);
	if (!is_there && is_in_vain)
		is_there = owner_stays(p);
	if (is_there)
		to_set(p, served, &served->backend, false);
	else
		balance_count(p, BALANCE_COUNT_NO_BACKEND);
	return is_there;
}

/*
 * Of an error about a flow to a service, by what it holds. Nobody is chosen: it is for who sent
 * that. The end that changes there is the source where the error arrives, since what it holds went
 * the other way, and the destination as it leaves.
 */
__noinline int balance_settle_quote(struct pkt *p, __u32 is_out)
{
	struct served *served = served_work();
	const struct pkt *inner = embedded();

	if (!p || !served || !inner)
		return 0;
	bool is_turned = served->is_turned;
	bool is_hidden = served_constants.hides && served->is_hidden;
	bool hides = served_constants.hides && served->hides;

	served->stood = inner->dst;
	if (!is_out && served->kind == SERVED_TO_SERVICE && served->owner && balance_owner(p))
		to_set(p, served, &served->backend, true);
	if (!is_out && served->kind == SERVED_TO_BACKEND && is_turned && is_hidden)
		to_set(p, served, &served->client, true);
	if (is_out && served->kind == SERVED_TO_BACKEND && is_turned) {
		served->stood = served->backend.addr;
		to_set(p, served, &served->service, false);
	}
	if (is_out && served->kind == SERVED_FROM_BACKEND && is_turned && hides &&
	    balance_port_of(inner, PORT_LOOK))
		to_set(p, served, &served->hidden, false);
	return 0;
}

/* Of a service that hides its clients, on the backend's side. False: no port was free. */
static __always_inline bool hidden_settle(struct pkt *p, struct served *served, __u32 hook)
{
	if (hook == HOOK_TC_OUT && served->kind == SERVED_TO_BACKEND) {
		if (!balance_port_of(p, p->probe ? PORT_LOOK : PORT_TAKE))
			return p->probe;
		to_set(p, served, &served->hidden, true);
	}
	if (hook != HOOK_TC_OUT && served->kind == SERVED_FROM_BACKEND && served->is_hidden) {
		balance_port_keep(p);
		to_set(p, served, &served->client, false);
	}
	return true;
}

/* Nobody gets it, which its sender is told (reject.h), but where the service wants silence. */
__noinline int balance_refuse(struct pkt *p, __u32 row)
{
	const struct balance_service *service = p ? service_at(p, row) : NULL;

	if (p)
		p->reject = service && service->choice & BALANCE_REFUSES ? WEIR_REJECT_DEFAULT :
									   WEIR_REJECT_NONE;
	return WEIR_DROP_NO_BACKEND;
}

/* A packet that passes: a reason to drop it, or 0. */
__noinline int balance_serve(struct pkt *p, __u32 hook)
{
	struct served *served = served_work();

	if (!served_constants.enabled || !p || !served)
		return 0;
	if (served->is_quote)
		return balance_settle_quote(p, hook == HOOK_TC_OUT);
	if (served->kind == SERVED_FROM_BACKEND && served->is_turned && !served->is_answered)
		balance_tally_answer(p);
	if (served->kind == SERVED_FROM_BACKEND && served->is_turned && hook == HOOK_TC_OUT)
		to_set(p, served, &served->service, true);
	if (served_constants.hides && served->hides && served->is_turned &&
	    !hidden_settle(p, served, hook))
		return WEIR_DROP_NO_PORT;
	if (p->pending == PKT_BEGINS)
		served->owner = 0; /* of a connection before, between the same ends */
	/* What begins no connection, and belongs to none, is for this host to refuse. */
	if (served->kind != SERVED_TO_SERVICE || (!served->owner && p->pending != PKT_BEGINS))
		return 0;
	return backend_settle(p, served) ? 0 : balance_refuse(p, served->row);
}

/* Behind XDP, for a packet of a flow that has a backend, or an error about one. */
__noinline int balance_again(struct pkt *p)
{
	struct served *served = served_work();

	if (!served_constants.enabled || !p || !served)
		return 0;
	if (served->is_quote)
		balance_settle_quote(p, 0);
	else if (served->kind == SERVED_TO_SERVICE && balance_owner(p))
		to_set(p, served, &served->backend, false);
	else if (served_constants.hides && served->is_hidden)
		to_set(p, served, &served->client, false);
	return p->relay >= PKT_NAT_QUOTE;
}

/* Behind the rules, which speak of services and not of backends. */
static __always_inline enum weir_reason balance_stage(struct pkt *p, enum hook hook,
						      enum weir_reason reason)
{
	if (!served_constants.enabled)
		return reason;
	reason = balance_serve(p, hook) ?: reason;
	if (served_constants.actives)
		balance_active_note(p);
	if (served_constants.remembers)
		balance_affinity_refresh(p);
	return reason;
}

#endif
