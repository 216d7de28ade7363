/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * The shortcut at TC: of the same packets as at XDP (balance_shortcut.bpf.h), and those whose
 * checksum is still to be computed, or that are still to be cut into segments. The kernel has made
 * an skb of each already, so what is saved is its way between the two hooks, and the second one.
 * docs/design/balancer.md
 */
#ifndef WEIR_BALANCE_ONWARD_BPF_H
#define WEIR_BALANCE_ONWARD_BPF_H

#include "../../bpf/lib/rewrite_onward.h"
#include "balance_forward.bpf.h"
#include "balance_shortcut.bpf.h"

#define ONWARD_TO_US 0 /* PACKET_HOST: by its link address */

/* What the kernel would take for itself or another device, or for nobody's, is its own. */
static __always_inline bool onward_may(const struct __sk_buff *skb, const struct pkt *p)
{
	return !skb->vlan_present && skb->pkt_type == ONWARD_TO_US && shortcut_may(p) &&
	       way_is_plain();
}

/* 1: it may be sent on, and served->way says where to. */
__noinline int balance_onward_look(struct __sk_buff *skb, struct pkt *p)
{
	struct served *served = served_work();

	if (!served_constants.onwards || !p || !served || !onward_may(skb, p) ||
	    !shortcut_ends(p, served))
		return 0;
	return !!shortcut_look(skb, HOOK_TC_IN, p, shortcut_from(p, served), shortcut_to(p, served),
			       forward_longest(skb, p), &served->way);
}

/* The other end than the service's, where clients are hidden. */
static __always_inline const struct served_end *onward_other(const struct served *served,
							     bool is_back)
{
	if (!served_constants.hides || !served->hides)
		return NULL;
	return is_back ? &served->client : &served->hidden;
}

/* 1: it is to be sent to served->way; 0: it could not be translated, and must not pass as it is.
 * The interface that it leaves by counts it itself. */
__noinline int balance_onward_put(struct __sk_buff *skb, const struct pkt *p)
{
	struct served *served = served_work();

	if (!served_constants.onwards || !p || !served)
		return 0;
	bool is_back = served->kind == SERVED_FROM_BACKEND;
	const struct served_end *own = is_back ? &served->service : &served->backend;
	const struct served_end *other = onward_other(served, is_back);

	if (!rewrite_skb_onward(skb, p, is_back ? own : other, is_back ? other : own,
				&served->way)) {
		balance_count(p, BALANCE_COUNT_NO_WAY);
		return 0;
	}
	shortcut_tally(p, is_back);
	return 1;
}

static __always_inline bool balance_onwards(struct __sk_buff *skb, struct pkt *p)
{
	return served_constants.onwards && shortcut_is_for(p) && balance_onward_look(skb, p);
}

#endif
