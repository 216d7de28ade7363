/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* What was found out of a packet to or from a service is done to its bytes. At TC only: XDP cannot
 * tell checksums that are still to be computed. */
#ifndef WEIR_BALANCE_NAT_BPF_H
#define WEIR_BALANCE_NAT_BPF_H

#include "../../bpf/lib/rewrite_nat.h"
#include "balance.bpf.h"

static __always_inline struct nat_change change_to(const struct served_end *end, bool is_source)
{
	return (struct nat_change){
		.to = end->addr,
		.to_port = end->port,
		.is_source = is_source,
	};
}

static __always_inline bool end_is(const struct weir_addr *addr, const struct served_end *end)
{
	return addr->be64[0] == end->addr.be64[0] && addr->be64[1] == end->addr.be64[1];
}

/* What an error holds went the other way than the error does. A router on the way speaks for
 * itself, and keeps its address. */
static __always_inline bool quote_translate(struct __sk_buff *skb, const struct pkt *p,
					    const struct served *served)
{
	struct pkt *inner = embedded();
	bool is_for_backend = served->kind == SERVED_TO_SERVICE;
	const struct served_end *end = is_for_backend ? &served->backend : &served->service;
	struct nat_change held = change_to(end, is_for_backend);
	struct nat_change outer = change_to(end, !is_for_backend);
	bool speaks = is_for_backend || end_is(&p->src, &served->backend);

	if (!inner)
		return false;
	*inner = (struct pkt){};
	return rewrite_skb_nat_quote(skb, p, inner, speaks ? &outer : NULL, &held) == NAT_DONE;
}

/* 1: done; 0: it cannot be, and must not pass as it is. */
__noinline int balance_translate(struct __sk_buff *skb, const struct pkt *p)
{
	const struct served *served = served_work();

	if (!served_constants.enabled || !p || !served)
		return 0;
	bool is_from_backend = served->kind == SERVED_FROM_BACKEND;

	bool is_to_client = is_from_backend || (served->is_quote && served->is_turned);

	balance_count(p, is_to_client ? BALANCE_COUNT_TO_CLIENTS : BALANCE_COUNT_TO_BACKENDS);
	balance_tally_packet(p, is_to_client ? BALANCE_TO_CLIENT : BALANCE_TO_BACKEND);
	if (served->is_quote)
		return quote_translate(skb, p, served);
	struct nat_change change =
		change_to(is_from_backend ? &served->service : &served->backend, is_from_backend);

	return rewrite_skb_nat(skb, p, &change) == NAT_DONE;
}

#endif
