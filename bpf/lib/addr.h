/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* What an address is. */
#ifndef WEIR_BPF_ADDR_H
#define WEIR_BPF_ADDR_H

#include "endian.h"
#include "pkt.h"

/* As addresses are kept, ::ffff:a.b.c.d. What a packet is, its own header says: of one whose
 * address is written so in IPv6 this is true, too. */
static __always_inline bool addr_is_v4(const struct weir_addr *addr)
{
	return !addr->be64[0] && addr->be32[2] == be32(0xffff);
}

static __always_inline bool addr_is_none(const struct weir_addr *addr)
{
	return !(addr->be64[0] | addr->be64[1]);
}

#endif
