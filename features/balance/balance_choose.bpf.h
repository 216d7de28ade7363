/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Who gets a connection that begins, and who has one that is there. docs/design/balancer.md
 */
#ifndef WEIR_BALANCE_CHOOSE_BPF_H
#define WEIR_BALANCE_CHOOSE_BPF_H

#include "../../bpf/lib/parse_inner.h"
#include "../../bpf/lib/served.h"
#include "balance_active.bpf.h"
#include "balance_affinity.bpf.h"
#include "balance_counter.bpf.h"
#include "balance_find.bpf.h"
#include "balance_lines.bpf.h"
#include "balance_recent.bpf.h"
#include "balance_slot.bpf.h"

/* 1 + the row of a backend by its number; 0: there is no such one any more. */
static __always_inline int number_find(const struct pkt *p, __u32 service, __u16 number)
{
	struct balance_cell key = { .port = number, .kind = BALANCE_NUMBER };

	key.addr.be32[3] = service;
	return number ? balance_find(p, &key) : 0;
}

/* By a slot of the service: the number of a backend, 0 where there is none. */
__noinline int balance_draw(const struct pkt *p, __u32 row, __u32 draw)
{
	const struct balance_service *service = p ? service_at(p, row) : NULL;

	if (!service || !service->slots)
		return 0;
	__u32 slot = slot_choose(p, row, service, draw);
	const struct weir_line *line = balance_line(p, service->slot + slot / BALANCE_SLOTS_EACH);

	return line ? line->u16[slot % BALANCE_SLOTS_EACH] : 0;
}

/* Draws until there are two candidates; few backends are all candidates, behind the first. */
static __always_inline void candidates_try(const struct pkt *p, __u32 row,
					   const struct balance_choice *choice)
{
	__u32 first = choice->first, count = choice->count, at = first;
	int found = 0;

	LOOP_ROLLED
	for (__u32 i = 0; i < BALANCE_DRAWS && found < 2; i++) {
		int number = number_find(p, row, balance_draw(p, row, i));

		found += number && balance_active_try(p, number - 1);
		at = found ? number : at;
		if (count <= BALANCE_FEW)
			break;
	}
	LOOP_ROLLED
	for (__u32 i = 0; i < BALANCE_FEW && count <= BALANCE_FEW && i < count; i++, at++)
		balance_active_try(p, at < first + count ? at : at - count);
}

/* Of some candidates the one with the fewest connections for its weight; 0: the service does not
 * choose so. */
__noinline int balance_choose_active(const struct pkt *p, __u32 row)
{
	const struct balance_service *service = p ? service_at(p, row) : NULL;
	const struct balance_choice *choice = service ? choice_at(p, row) : NULL;

	if (!choice || !(service->choice & BALANCE_BY_ACTIVE))
		return 0;
	balance_active_begin();
	candidates_try(p, row, choice);
	return balance_active_best();
}

/* The backend that the client had, where it gets new connections still. */
__noinline int balance_recall(const struct pkt *p, __u32 row)
{
	int number = p ? balance_affinity_find(p, row) : 0;
	int found = number ? number_find(p, row, number) : 0;
	const struct balance_backend *backend = found ? backend_at(p, found - 1) : NULL;

	return backend && backend->weight ? number : 0;
}

static __always_inline int balance_choose(const struct pkt *p, __u32 row)
{
	int number = served_constants.remembers ? balance_recall(p, row) : 0;

	if (number) {
		balance_count(p, BALANCE_COUNT_REMEMBERED);
		balance_affinity_prolong(p);
		return number;
	}
	number = served_constants.actives ? balance_choose_active(p, row) : 0;
	number = number ?: balance_draw(p, row, 0);
	return served_constants.remembers ? balance_affinity_keep(p, number) : number;
}

static __always_inline bool owner_find(const struct pkt *p, const struct served *served,
				       struct recent_backend *recent)
{
	int found = number_find(p, served->row, served->owner);
	const struct balance_backend *backend = found ? backend_at(p, found - 1) : NULL;

	if (!backend)
		return false;
	recent->addr = backend->addr;
	recent->service = served->row;
	recent->number = served->owner;
	recent->tally = backend->tally;
	recent->is_down = !!backend->is_down;
	recent->shift = backend->shift;
	recent->generation = p->generation;
	return true;
}

enum balance_owner {
	OWNER_IS_NOT, /* there is no such backend */
	OWNER_IS_THERE,
	OWNER_IS_DOWN, /* … and its checks say that it does not serve */
};

/* enum balance_owner: who the flow belongs to, where the packet is to go. */
__noinline int balance_owner(const struct pkt *p)
{
	struct served *served = served_work();
	struct recent_backend *recent =
		p && served ? recent_backend_at(served->row, served->owner) : NULL;

	if (!p || !served || !recent || !served->owner)
		return OWNER_IS_NOT;
	if (!recent_backend_is(recent, p, served) && !owner_find(p, served, recent))
		return OWNER_IS_NOT;
	served->tally = recent->tally;
	served->backend.addr = recent->addr;
	served->backend.port = port_shift(served->service.port, recent->shift);
	return recent->is_down ? OWNER_IS_DOWN : OWNER_IS_THERE;
}

/*
 * The packet asks anew for what nobody gives where its backend is down. Who sends his first SYN or
 * INIT again has another chance by that. And one whose connection died with the backend may begin
 * the next one by the same port: where the backend has not told by here that it is gone, as by DSR
 * it never does, the flow is still its own. A datagram stands for itself: a client that sends all
 * of his from one port keeps his flow alive, and would send them to nobody for ever.
 */
static __always_inline bool asks_anew(const struct pkt *p)
{
	__u32 flags = p->turned ? p->own_flags : p->tcp_flags;

	if (p->proto == PROTO_TCP)
		return (flags & (TCP_SYN | TCP_ACK)) == TCP_SYN;
	return p->proto == PROTO_UDP || (p->proto == PROTO_SCTP && sctp_is_init(p));
}

#endif
