/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Packets between a client and one of the backends of a service. On the client's side they bear the
 * service's address, on the backend's side the backend's. Every stage sees them by the service's,
 * as one flow: what stands on the wire is put back only in the bytes. Who knows services is a
 * feature; conntrack knows whose a flow is, and the hook writes. docs/design/balancer.md
 */
#ifndef WEIR_BPF_SERVED_H
#define WEIR_BPF_SERVED_H

#include <stdbool.h>

#include "../../abi/served.h"
#include "generation.h"
#include "pkt.h"
#include "route.h"

const volatile struct weir_served_constants served_constants = {};

/* Behind an upgrade that begins with empty tables, connections of before are known again by and by,
 * each by its client's next packet: CLOCK_MONOTONIC until when that is waited for where the upgrade
 * never ends (core/object.c), else cfg_live says; 0: the tables have all there is. */
const volatile __u64 served_settles_ns = 0;

/* Whether some packets are sent on past the kernel, and the hook where they leave. */
static __always_inline bool served_sends_on(void)
{
	return served_constants.shortcuts || served_constants.onwards;
}

enum served_kind {
	SERVED_NOT,
	SERVED_TO_SERVICE,   /* to a service's address */
	SERVED_TO_BACKEND,   /* leaves for an address that is a backend's */
	SERVED_FROM_BACKEND, /* from one */
};

/* An end of a packet. */
struct served_end {
	struct weir_addr addr;
	__be16 port;
};

struct served {
	struct served_end
		service; /* of SERVED_TO_BACKEND and SERVED_FROM_BACKEND: in the backend's place */
	struct served_end backend; /* once it is known that it is to be translated */
	/* Of a service that hides its clients: what a backend sees instead, and who that is. */
	struct served_end hidden, client;
	struct served_end to;	/* what the hook makes of an end of the packet … */
	struct weir_addr stood; /* … of an error: and of what it holds, where this stood */
	__u32 kind;		/* enum served_kind */
	__u32 row;		/* the service's, of whoever found it */
	__u32 tally;		/* where the backend is counted, 0 for none */
	__u16 number;		/* of the backend whose address was met */
	__u16 owner;		/* of the backend whose the flow is, 0 for none; what is chosen */
	__u8 is_turned;		/* struct pkt bears the service's end */
	__u8 is_chosen;		/* the owner is, for this very packet */
	__u8 is_quote;		/* all this is about what an ICMP error holds: embedded() */
	__u8 hides;		/* `hidden` has an address */
	__u8 is_hidden;	      /* the packet bears it, and struct pkt the client once it is turned */
	struct route_way way; /* where XDP sends it on to */
	__u32 now, expires;   /* conntrack's clock, and when the flow ends by it; for those who ask
				 (conntrack_note_time()) */
	__u8 forward;	      /* enum weir_forward, of SERVED_TO_SERVICE */
	__u8 is_answered;  /* the flow's responder was seen before this packet, or may have been */
	__u8 to_source;	   /* `to` is for the source, of an error: of what it holds */
	__u8 has_ended;	   /* with this packet its connection is over */
	__u8 reason;	   /* enum weir_reason: why it passes */
	__u8 is_refreshed; /* its flow's time was written, as it is once a second */
	/* Where conntrack counts what the flow carries, for packets that it does not see. */
	__u32 sum_row;
	__u8 sum_turn;	     /* and whose the row is: conntrack's, no one else reads it */
	__u8 is_uncounted;   /* it should, and cannot in that way */
	__u8 is_turned_back; /* from a backend, of no flow of its service */
	/* A port that stands for a client may be a service's too: what the packet is where that
	 * client has no flow. */
	struct {
		__u32 row;
		__be16 port;
		__u8 forward;
	} instead;
	__u8 is_either;
};

/*
 * Scratch, one a CPU, as tmp_answer (reject.h).
 *
 * writes: the data path, each CPU its own
 * reads: the same packet
 * full: cannot be: one row
 */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct served);
} tmp_served SEC(".maps");

static __always_inline struct served *served_work(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&tmp_served, &zero);
}

/* Nothing is known of a packet that begins its way. */
static __always_inline void served_begin(void)
{
	struct served *served = served_constants.enabled ? served_work() : NULL;

	if (!served)
		return;
	served->kind = SERVED_NOT;
	served->owner = 0;
	served->tally = 0;
	served->is_turned = false;
	served->is_turned_back = false;
	served->is_chosen = false;
	served->is_quote = false;
	served->hides = false;
	served->has_ended = false;
	served->is_refreshed = false;
	served->is_uncounted = false;
	served->is_hidden = false;
	served->is_either = false;
	served->forward = WEIR_FORWARD_NAT;
}

/* Of a packet to a service that may be a backend's answer to a client's port: it is the former. */
static __always_inline void served_be_instead(struct served *served)
{
	served->kind = SERVED_TO_SERVICE;
	served->row = served->instead.row;
	served->service.port = served->instead.port;
	served->forward = served->instead.forward;
	served->tally = 0;
	served->hides = false;
	served->is_hidden = false;
	served->is_either = false;
}

static __always_inline bool served_holds_backend(void)
{
	const struct served *served = served_work();

	return served && served->is_quote &&
	       (served->kind == SERVED_TO_BACKEND || served->kind == SERVED_FROM_BACKEND);
}

static __always_inline void served_put_end(struct pkt *p, const struct served_end *end,
					   bool is_source)
{
	if (is_source) {
		p->src = end->addr;
		p->sport = end->port;
	} else {
		p->dst = end->addr;
		p->dport = end->port;
	}
}

/* The end of struct pkt that is a backend's becomes the service's, and back; the other one, where
 * it stands for a client, his. */
static __always_inline void served_put(struct pkt *p, const struct served *served,
				       const struct served_end *end, const struct served_end *other)
{
	bool is_source = served->kind == SERVED_FROM_BACKEND;

	served_put_end(p, end, is_source);
	if (served_constants.hides && served->is_hidden)
		served_put_end(p, other, !is_source);
}

/* 1: the packet may belong to a flow to a service, and stands as if it did. */
__noinline int served_turn(struct pkt *p)
{
	struct served *served = served_work();

	if (!served_constants.enabled || !p || !served ||
	    (served->kind != SERVED_TO_BACKEND && served->kind != SERVED_FROM_BACKEND))
		return 0;
	served_put(p, served, &served->service, &served->client);
	served->is_turned = true;
	return 1;
}

/* The address that stands for a backend's end is not the one on the wire. */
static __always_inline bool served_is_turned(void)
{
	const struct served *served = served_constants.enabled ? served_work() : NULL;

	return served && served->is_turned;
}

/* Behind XDP: only what bears something in a client's place is translated there. */
static __always_inline void served_turn_hidden(struct pkt *p)
{
	const struct served *served = served_work();

	if (served && served->is_hidden)
		served_turn(p);
}

/* It does not: it is as it was, and nobody's but its own, or that of a service which it is to. */
__noinline int served_turn_back(struct pkt *p)
{
	struct served *served = served_work();

	if (!served_constants.enabled || !p || !served)
		return 0;
	served_put(p, served, &served->backend, &served->hidden);
	served->is_turned = false;
	served->is_turned_back = served->kind == SERVED_FROM_BACKEND;
	served->kind = SERVED_NOT;
	if (served_constants.hides && served->is_either) {
		served->owner = 0; /* of what it was taken for */
		served_be_instead(served);
	}
	return 0;
}

/* 1: a packet that stood for a hidden client is taken to be to a service. */
static __always_inline int served_turn_to_service(struct pkt *p)
{
	const struct served *served = served_constants.hides ? served_work() : NULL;

	if (!served || !served->is_either)
		return 0;
	served_turn_back(p);
	return 1;
}

/* The same of what an error holds, whose flow was found under what it bears. */
static __always_inline void served_settle_bare(void)
{
	struct served *served = served_constants.hides ? served_work() : NULL;

	if (served && served->is_either && !served->is_turned)
		served_be_instead(served);
}

static __always_inline __u64 served_settles_until(void)
{
	__u32 zero = 0;
	const volatile struct weir_live *live = bpf_map_lookup_elem(&cfg_live, &zero);
	__u64 until_ns = live ? live->settles_ns : 0;

	return until_ns ? until_ns : served_settles_ns;
}

static __always_inline bool served_is_settling(const struct pkt *p)
{
	return served_settles_ns && !p->probe && bpf_ktime_get_ns() < served_settles_until();
}

/* As it is it would be no client's, who answers by a reset; whoever does not get it sends it again.
 * Where it leaves it may have a flow of its own, begun by a program that did not know the
 * connection either. Datagrams may be what the backend says for itself, and are not said again. */
static __always_inline bool served_is_early(const struct pkt *p, bool has_flow)
{
	const struct served *served =
		p->seen & PKT_TCP && served_is_settling(p) ? served_work() : NULL;

	return served && served->is_turned_back && (!has_flow || p->direction == WEIR_EGRESS);
}

/* To a service, and of no flow: behind XDP it would be for this host to refuse, datagrams too. */
static __always_inline bool served_is_astray(const struct pkt *p)
{
	const struct served *served =
		p->seen & PKT_PORTS && served_is_settling(p) ? served_work() : NULL;

	return served && served->kind == SERVED_TO_SERVICE;
}

/* Whose the flow is that a packet was found to have. False: it is not the one that it was taken
 * for. */
static __always_inline bool served_own(__u32 owner, bool is_answered)
{
	struct served *served = served_work();

	if (!served)
		return false;
	served->owner = owner;
	served->is_answered = is_answered;
	return !served->is_turned || (owner && owner == served->number);
}

static __always_inline void served_note_time(__u32 now, __u32 expires)
{
	struct served *served = served_work();

	if (!served)
		return;
	served->now = now;
	served->expires = expires;
}

/* Where packets of the flow are counted; NULL: nowhere that could be said. */
static __always_inline void served_note_sum(bool is_known, __u32 row, __u8 turn)
{
	struct served *served = served_work();

	if (!served)
		return;
	served->is_uncounted = !is_known;
	served->sum_row = row;
	served->sum_turn = turn;
}

/* Why the packet passes, for what is remembered of its flow. */
static __always_inline void served_note_reason(__u32 reason)
{
	struct served *served = served_constants.shortcuts ? served_work() : NULL;

	if (served)
		served->reason = reason;
}

/* Where the backend is counted that the packet belongs to, 0 for none. */
static __always_inline __u32 served_tally(void)
{
	const struct served *served = served_constants.enabled ? served_work() : NULL;

	return served && served->kind != SERVED_NOT ? served->tally : 0;
}

/* … and its number in its service, which is known where only the flow is. */
static __always_inline __u16 served_flow_owner(void)
{
	const struct served *served = served_constants.enabled ? served_work() : NULL;

	return served && served->kind != SERVED_NOT ? served->owner : 0;
}

/* What a flow that begins is to remember. */
static __always_inline __u16 served_owner(void)
{
	const struct served *served = served_constants.enabled ? served_work() : NULL;

	return served ? served->owner : 0;
}

/* Its answers do not come by here: they go from the backend to the client. */
static __always_inline bool served_is_one_way(void)
{
	const struct served *served = served_constants.directs ? served_work() : NULL;

	return served && served->kind == SERVED_TO_SERVICE && served->forward && !served->is_quote;
}

#endif
