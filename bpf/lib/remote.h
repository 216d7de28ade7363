/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * The remote end of a packet: its source where it arrives, its destination where it leaves. Its
 * address is looked up once; every feature indexes its own section by the class that comes of it.
 */
#ifndef WEIR_BPF_REMOTE_H
#define WEIR_BPF_REMOTE_H

#include "classify.h"
#include "generation.h"
#include "pkt.h"

static __always_inline const struct weir_addr *remote_addr(const struct pkt *p)
{
	return p->direction == WEIR_INGRESS ? &p->src : &p->dst;
}

_Static_assert(WEIR_INGRESS == 0 && WEIR_EGRESS == 1 &&
		       __builtin_offsetof(struct pkt, dst) == sizeof(struct weir_addr),
	       "an end is addressed by direction");

enum remote_end {
	END_REMOTE, /* its source where a packet arrives; into p->class */
	END_LOCAL,  /* the other; into p->local_class */
};

/*
 * Sets the class of an end. A global function, like every seam between the stages: the verifier
 * walks it once and not once for each way a packet can be parsed (that was 409,000 instructions a
 * program). Returns 0, or 1 when there is no policy yet.
 */
__noinline int end_classify(struct pkt *p, __u32 end)
{
	if (!p)
		return 1;
	const struct weir_policy_head *head = policy_head(p);
	void *image = policy_image(p);

	if (!head || !image)
		return 1;
	/* By number and not by branch: the verifier would walk the table once for each end. */
	struct weir_addr addr = (&p->src)[(p->direction ^ end) & 1];
	__u32 class = classify_addr(image, &head->addresses, &addr, p->seen & PKT_IPV4);

	if (end == END_REMOTE)
		p->class = class;
	else
		p->local_class = class;
	return 0;
}

#endif
