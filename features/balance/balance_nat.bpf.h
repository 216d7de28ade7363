/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* What was found out of a packet to or from a service is done to its bytes. At TC only: XDP cannot
 * tell checksums that are still to be computed. */
#ifndef WEIR_BALANCE_NAT_BPF_H
#define WEIR_BALANCE_NAT_BPF_H

#include "../../bpf/lib/answer_path.h"
#include "../../bpf/lib/rewrite_nat.h"
#include "balance.bpf.h"

static __always_inline struct nat_change change_of(const struct served *served, bool is_source)
{
	return (struct nat_change){
		.to = served->to.addr,
		.to_port = served->to.port,
		.is_source = is_source,
	};
}

/* What an error holds went the other way than the error does. A router on the way speaks for
 * itself, and keeps its address. */
static __always_inline bool quote_translate(struct __sk_buff *skb, const struct pkt *p,
					    const struct served *served)
{
	struct pkt *inner = embedded();
	struct nat_change held = change_of(served, served->to_source);
	struct nat_change outer = change_of(served, !served->to_source);
	bool speaks = served->to_source || (p->src.be64[0] == served->stood.be64[0] &&
					    p->src.be64[1] == served->stood.be64[1]);

	if (!inner)
		return false;
	*inner = (struct pkt){};
	return rewrite_skb_nat_quote(skb, p, inner, speaks ? &outer : NULL, &held) == NAT_DONE;
}

/* By where it goes: to a client what leaves in a service's name, or arrives for a hidden one. */
static __always_inline bool is_to_client(const struct served *served)
{
	return served->is_quote ? served->kind == SERVED_TO_BACKEND :
				  served->kind == SERVED_FROM_BACKEND;
}

static __always_inline void count_translated(const struct pkt *p, const struct served *served)
{
	bool is_back = is_to_client(served);

	balance_count(p, is_back ? BALANCE_COUNT_TO_CLIENTS : BALANCE_COUNT_TO_BACKENDS);
	balance_tally_packet(p, is_back ? BALANCE_TO_CLIENT : BALANCE_TO_BACKEND);
}

/* Of a client who is hidden both sides are translated, and counted is the service's. */
static __always_inline bool is_services_side(const struct pkt *p, const struct served *served)
{
	return is_to_client(served) ? p->direction == WEIR_EGRESS : p->direction == WEIR_INGRESS;
}

/* This host tells a client what kept his packet from its backend: nothing that the backend sent. */
static __always_inline bool is_own_error(const struct __sk_buff *skb, const struct pkt *p,
					 const struct served *served)
{
	return served->is_quote && p->direction == WEIR_EGRESS && !skb->ingress_ifindex;
}

static __always_inline enum balance_counter why_error(const struct pkt *p)
{
	bool is_v4 = p->seen & PKT_IPV4;

	if (p->icmp_type == (is_v4 ? ICMP_TIME_EXCEEDED : ICMPV6_TIME_EXCEEDED))
		return BALANCE_COUNT_EXPIRED;
	return (is_v4 ? p->icmp_code == ICMP_FRAGMENTATION : p->icmp_type == ICMPV6_TOO_BIG) ?
		       BALANCE_COUNT_TOO_BIG :
		       BALANCE_COUNT_NO_WAY;
}

static __always_inline void count_done(const struct __sk_buff *skb, const struct pkt *p,
				       const struct served *served)
{
	if (!is_services_side(p, served))
		return;
	if (is_own_error(skb, p, served))
		balance_count(p, why_error(p));
	else
		count_translated(p, served);
}

static __always_inline bool translate(struct __sk_buff *skb, const struct pkt *p,
				      const struct served *served)
{
	if (served->is_quote)
		return quote_translate(skb, p, served);
	struct nat_change change = change_of(served, served->to_source);

	return rewrite_skb_nat(skb, p, &change) == NAT_DONE;
}

/* 1: done; 0: it cannot be, and must not pass as it is. */
__noinline int balance_translate(struct __sk_buff *skb, const struct pkt *p)
{
	const struct served *served = served_work();

	if (!served_constants.enabled || !p || !served)
		return 0;
	bool is_done = translate(skb, p, served);

	if (is_done)
		count_done(skb, p, served);
	else if (!served->is_quote)
		balance_count(p, BALANCE_COUNT_NO_WAY);
	return is_done;
}

#endif
