/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* The packet that an ICMP error holds, between the stages that ask about it. */
#ifndef WEIR_BPF_EMBEDDED_H
#define WEIR_BPF_EMBEDDED_H

#include "pkt.h"
#include "scratch.h"

SCRATCH_HOLDS(struct pkt);

static __always_inline struct pkt *embedded(void)
{
	return scratch(SCRATCH_EMBEDDED);
}

/* For the same policy as the packet that holds it. */
static __always_inline struct pkt *embedded_new(const struct pkt *p)
{
	struct pkt *inner = embedded();

	if (inner)
		*inner = (struct pkt){ .slot = p->slot, .probe = p->probe };
	return inner;
}

#endif
