/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An address as one 128-bit number, for what base does with them. Not for others: they see struct
 * weir_addr.
 */
#ifndef WEIR_BASE_ADDR_NUMBER_H
#define WEIR_BASE_ADDR_NUMBER_H

#include <endian.h>
#include <stdbool.h>
#include <stdint.h>

#include "abi/packet.h"

#define V4_MAPPED 0xffffull /* the 32 bits above an IPv4 address that stands in an IPv6 one */
#define V4_BITS 32
#define V6_BITS 128

/* Order, masks and carries are easy on it. */
__extension__ typedef unsigned __int128 addr_number;

static inline addr_number addr_to_number(const struct weir_addr *addr)
{
	return (addr_number)be64toh(addr->be64[0]) << 64 | be64toh(addr->be64[1]);
}

static inline struct weir_addr addr_from_number(addr_number number)
{
	return (struct weir_addr){
		.be64 = { htobe64((uint64_t)(number >> 64)), htobe64((uint64_t)number) },
	};
}

/* The block ::ffff:0:0/96. */
static inline bool number_is_v4(addr_number number)
{
	return (uint64_t)(number >> 64) == 0 && (uint64_t)number >> V4_BITS == V4_MAPPED;
}

static inline addr_number number_host_mask(int host_bits)
{
	return host_bits == V6_BITS ? ~(addr_number)0 : ((addr_number)1 << host_bits) - 1;
}

#endif
