/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Whether a packet may be a service's, by its addresses alone: of later fragments, which have no
 * ports. */
#ifndef WEIR_BALANCE_ABOUT_BPF_H
#define WEIR_BALANCE_ABOUT_BPF_H

#include "balance_lines.bpf.h"

static __always_inline bool address_is_met(const struct pkt *p, const struct weir_addr *addr,
					   __u32 kind, __u32 lines)
{
	__u32 bit = balance_address_bit(addr, kind) & (lines * BALANCE_ADDRESS_BITS - 1);
	const struct weir_line *line = balance_line(p, 1 + bit / BALANCE_ADDRESS_BITS);

	return line && line->u8[bit % BALANCE_ADDRESS_BITS / 8] >> bit % 8 & 1;
}

/* 1: to the address of a service, or from one that is a backend's. Sometimes of another. */
__noinline int balance_is_about(struct pkt *p)
{
	if (!served_constants.enabled || !p)
		return 0;
	generation_read(p);
	const struct balance_head *head = balance_head(p);
	__u32 lines = head && head->cells ? head->cells - 1 : 0;

	return lines && (address_is_met(p, &p->dst, BALANCE_SERVICE, lines) ||
			 address_is_met(p, &p->src, BALANCE_BACKEND, lines));
}

#endif
