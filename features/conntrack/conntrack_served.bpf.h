/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Flows of services: whose one is, and what is told of it to who shares them out. */
#ifndef WEIR_CONNTRACK_SERVED_BPF_H
#define WEIR_CONNTRACK_SERVED_BPF_H

#include "conntrack.bpf.h"

/* An error is about a flow to a service, by what it holds: embedded(), turned where that bears a
 * backend's address. */
__noinline int conn_relate_served(struct pkt *p)
{
	struct conn_work *work = conn_work();
	struct pkt *inner = embedded();

	if (!p || !work || !inner || !embedded_is_for(inner, p))
		return 0;
	served_turn(inner);
	if (!key_of(work, inner) || !conn_search(inner, work) || !conn_is_owned(work)) {
		served_turn_back(inner);
		return 0;
	}
	p->state = WEIR_CONN_RELATED;
	p->granted = true;
	if (conn_writes(p))
		conn_count(CONNTRACK_COUNT_RELATED);
	return 0;
}

static __always_inline bool conntrack_is_error(const struct pkt *p)
{
	return conntrack_constants.enabled && p->seen & PKT_ICMP && icmp_is_error(p);
}

/* Of an error that conntrack has not found a flow of, under the address that it bears. */
static __always_inline void conntrack_relate_served(struct pkt *p)
{
	if (p->state != WEIR_CONN_INVALID) {
		served_settle_bare();
		return;
	}
	if (served_holds_backend())
		conn_relate_served(p);
	if (p->state == WEIR_CONN_INVALID && !cookie_constants.enabled && conn_writes(p))
		conn_count(CONNTRACK_COUNT_INVALID);
}

/* The backend that a flow had is there no more, and another was chosen for it. */
__noinline int conn_own(const struct pkt *p)
{
	const struct conn_work *work = conn_work();
	struct conntrack_flow *flow = work ? flow_at(work->table, work->index) : NULL;

	if (p && flow && conn_writes(p))
		flow->backend = served_owner();
	return 0;
}

static __always_inline void conntrack_own(const struct pkt *p)
{
	const struct served *served = served_work();

	if (conntrack_constants.enabled && served && served->is_chosen && p->pending != PKT_BEGINS)
		conn_own(p);
}

static __always_inline bool conn_find_owned(const struct pkt *p, const struct pkt *of)
{
	struct conn_work *work = conn_work();

	return work && key_of(work, of) && conn_find_or_fetch(p, work) && conn_is_owned(work);
}

/* 1: what stood for a hidden client who has no flow is of one with the service it is to. */
__noinline int conn_owned_instead(const struct pkt *p, struct pkt *of)
{
	return p && of && served_turn_to_service(of) && conn_find_owned(p, of);
}

/* Behind XDP, which has judged the packet: whether its flow has a backend, whose it then is. Of an
 * error it is the flow of what it holds. */
__noinline int conntrack_owned(struct pkt *p, int is_error)
{
	struct pkt *of = is_error ? embedded() : p;

	if (!served_constants.enabled || !p || !of)
		return 0;
	if (is_error && !embedded_is_for(of, p))
		return 0;
	if (served_constants.hides)
		served_turn_hidden(of);
	bool is_owned =
		conn_find_owned(p, of) || (served_constants.hides && conn_owned_instead(p, of));

	return is_owned && served_owner();
}

/* 1: a packet that was let in where it arrived is also let in where it would leave. */
__noinline int conntrack_lets_out(const struct pkt *p)
{
	const struct conn_work *work = conn_work();
	const struct conntrack_flow *flow = work ? flow_at(work->table, work->index) : NULL;
	const struct served *served = served_work();

	if (!served_sends_on() || !p || !flow || !served)
		return 0;
	struct pkt out = { .ifindex = served->way.ifindex,
			   .direction = WEIR_EGRESS,
			   .generation = p->generation };

	return flow_is_let_in(flow, &out, work->segment.side);
}

/* Who sees one direction only does not see the other side close. */
static __always_inline bool conn_has_ended(__u32 marks)
{
	return conntrack_is_over(marks) ||
	       (served_is_one_way() && marks & CONNTRACK_FIN * CONNTRACK_BOTH);
}

/* For who counts connections: the packet that ends one. Two that do so on two CPUs at once may both
 * be it. */
static __always_inline void conntrack_note_end(const struct pkt *p)
{
	const struct conn_work *work = conn_work();
	struct served *served = served_work();

	if (!served_constants.actives || !conntrack_constants.enabled || !work || !served ||
	    (p->state != WEIR_CONN_NEW && p->state != WEIR_CONN_ESTABLISHED) ||
	    p->pending == PKT_BEGINS || p->proto != PROTO_TCP)
		return;
	served->has_ended = conn_has_ended(work->flow.marks) && !conn_has_ended(work->word);
}

/* For who remembers clients while they have connections. */
static __always_inline void conntrack_note_refresh(const struct pkt *p)
{
	const struct conn_work *work = conn_work();
	struct served *served = served_work();

	if (served_constants.remembers && conntrack_constants.enabled && work && served &&
	    p->state == WEIR_CONN_ESTABLISHED)
		served->is_refreshed = work->is_refreshed;
}

/* For what is kept of a packet's flow elsewhere: until when, as far as it shows now. */
static __always_inline void conntrack_note_time(void)
{
	const struct conn_work *work = conn_work();

	if ((served_constants.hides || served_constants.remembers || served_constants.shortcuts) &&
	    work)
		served_note_time(work->now,
				 work->now + conn_lifetime(work->key.proto, work->flow.marks));
}

#endif
