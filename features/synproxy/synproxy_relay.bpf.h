/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Connections that are relayed: what conntrack has decided (conntrack_relay.bpf.h) is done to the
 * bytes. At TC only: XDP cannot tell checksums that are still to be computed. */
#ifndef WEIR_SYNPROXY_RELAY_BPF_H
#define WEIR_SYNPROXY_RELAY_BPF_H

#include "../../bpf/lib/relay_work.h"
#include "synproxy.bpf.h"

enum relay_end {
	RELAY_PASSES,
	RELAY_DROPS,
	RELAY_RESETS, /* its sender */
};

/* What was made is put in the packet's place. */
__noinline int synproxy_put(struct __sk_buff *skb, const struct pkt *p,
			    const struct relay_made *made)
{
	__u32 zero = 0;
	struct answer *a = bpf_map_lookup_elem(&tmp_answer, &zero);

	return cookie_constants.relays && p && a && made && relay_make(p, a, made) &&
	       rewrite_skb_put(skb, p, a);
}

/* The SYN that the client would have sent the server, of what proves that it has sent one. The
 * number before may be asked with, too. */
static __always_inline int relay_syn(struct __sk_buff *skb, struct pkt *p, struct relay_work *relay)
{
	const struct cookie_work *cookie = cookie_work();

	p->tcp_seq = relay->first;
	if (!cookie || cookie_check(p) != COOKIE_OURS || !synproxy_told_tc(skb, p))
		return RELAY_DROPS;
	bool scales = cookie->told.scale != WEIR_COOKIE_NO_SCALE;
	__u32 window = (__u32)p->tcp_window << (scales ? cookie->told.scale & 15 : 0);

	relay->made = (struct relay_made){
		.says = cookie->told,
		.seq = relay->first - 1,
		.window = window < 0xffff ? window : 0xffff,
		.flags = TCP_SYN,
	};
	relay->made.says.echo = 0;
	if (!synproxy_put(skb, p, &relay->made))
		return RELAY_DROPS;
	synproxy_count(p, SYNPROXY_RELAYED);
	return RELAY_PASSES;
}

/* The server gets the acknowledgement, and the client, with what is left, its window. */
static __always_inline int relay_open_both(struct __sk_buff *skb, struct pkt *p,
					   struct relay_work *relay)
{
	struct answer *a = answer_new();

	if (!a || !rewrite_skb_take(skb, p, a) || !synproxy_put(skb, p, &relay->made) ||
	    bpf_clone_redirect(skb, skb->ifindex, BPF_F_INGRESS))
		return RELAY_DROPS;
	if (p->l3_offset && !answer_link(&a->link)) /* as it was */
		return RELAY_DROPS;
	return synproxy_put(skb, p, &relay->update) ? RELAY_PASSES : RELAY_DROPS;
}

static __always_inline int relay_quote(struct __sk_buff *skb, struct pkt *p,
				       struct relay_work *relay)
{
	relay->inner = (struct pkt){};
	/* Its number is the client's: back to what the server knows it by. */
	return rewrite_skb_quote(skb, p, &relay->inner, -relay->change.seq) ? RELAY_PASSES :
									      RELAY_DROPS;
}

__noinline int synproxy_relay(struct __sk_buff *skb, struct pkt *p)
{
	struct relay_work *relay = relay_work();

	if (!cookie_constants.relays || !p || !relay)
		return RELAY_PASSES;
	switch (p->relay) {
	case PKT_RELAY_SYN:
		return relay_syn(skb, p, relay);
	case PKT_RELAY_OPENS:
		return relay_open_both(skb, p, relay);
	case PKT_RELAY_CHANGES:
		return rewrite_skb_relay(skb, p, &relay->header, &relay->change) ? RELAY_PASSES :
										   RELAY_DROPS;
	case PKT_RELAY_QUOTE:
		return relay_quote(skb, p, relay);
	case PKT_RELAY_RESETS:
		return RELAY_RESETS;
	}
	return RELAY_PASSES;
}

#endif
