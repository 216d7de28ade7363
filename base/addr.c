/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Addresses and ranges as numbers: order, neighbours, prefixes. Reading text is addr_read.c,
 * writing it addr_text.c.
 */
#include "base/addr.h"

#include <string.h>

#include "base/addr_number.h"

bool weir_addr_is_v4(const struct weir_addr *addr)
{
	return number_is_v4(addr_to_number(addr));
}

int weir_addr_compare(const struct weir_addr *a, const struct weir_addr *b)
{
	return memcmp(a, b, sizeof(*a));
}

/* Steps over the block in the middle of IPv6 where IPv4 stands. */
bool weir_addr_next(const struct weir_addr *addr, struct weir_addr *ret_next)
{
	addr_number number = addr_to_number(addr);
	addr_number next = number + 1;
	if (number_is_v4(number) ? !number_is_v4(next) : next == 0)
		return false;
	if (!number_is_v4(number) && number_is_v4(next))
		next += (addr_number)1 << V4_BITS;
	*ret_next = addr_from_number(next);
	return true;
}

bool weir_addr_previous(const struct weir_addr *addr, struct weir_addr *ret_previous)
{
	addr_number number = addr_to_number(addr);
	addr_number previous = number - 1;
	if (number_is_v4(number) ? !number_is_v4(previous) : number == 0)
		return false;
	if (!number_is_v4(number) && number_is_v4(previous))
		previous -= (addr_number)1 << V4_BITS;
	*ret_previous = addr_from_number(previous);
	return true;
}

bool weir_range_contains(const struct weir_range *range, const struct weir_addr *addr)
{
	return weir_addr_is_v4(&range->from) == weir_addr_is_v4(addr) &&
	       weir_addr_compare(&range->from, addr) <= 0 &&
	       weir_addr_compare(addr, &range->to) <= 0;
}

bool weir_range_overlaps(const struct weir_range *a, const struct weir_range *b)
{
	return weir_addr_is_v4(&a->from) == weir_addr_is_v4(&b->from) &&
	       weir_addr_compare(&a->from, &b->to) <= 0 && weir_addr_compare(&b->from, &a->to) <= 0;
}

int weir_range_compare(const struct weir_range *a, const struct weir_range *b)
{
	int order = weir_addr_compare(&a->from, &b->from);
	return order ? order : weir_addr_compare(&b->to, &a->to);
}

/* Trailing zero bits, 128 for zero. */
static int number_trailing_zeros(addr_number number)
{
	if ((uint64_t)number)
		return __builtin_ctzll((uint64_t)number);
	return number ? 64 + __builtin_ctzll((uint64_t)(number >> 64)) : V6_BITS;
}

/* Bits needed to write the number, 0 for zero. */
static int number_bit_length(addr_number number)
{
	uint64_t high = (uint64_t)(number >> 64), low = (uint64_t)number;
	if (high)
		return V6_BITS - __builtin_clzll(high);
	return low ? 64 - __builtin_clzll(low) : 0;
}

/* Host bits of the largest prefix that begins at `from` and does not pass `to`. */
static int number_largest_block(addr_number from, addr_number to)
{
	addr_number span = to - from;
	int aligned = number_trailing_zeros(from);
	int fits = span == ~(addr_number)0 ? V6_BITS : number_bit_length(span + 1) - 1;
	return aligned < fits ? aligned : fits;
}

size_t weir_range_to_prefixes(const struct weir_range *range,
			      struct weir_prefix prefixes[WEIR_RANGE_PREFIXES_MAX])
{
	addr_number from = addr_to_number(&range->from), to = addr_to_number(&range->to);
	size_t count = 0;
	for (;;) {
		int host_bits = number_largest_block(from, to);
		prefixes[count++] = (struct weir_prefix){
			.addr = addr_from_number(from),
			.length = (uint8_t)(V6_BITS - host_bits),
		};
		addr_number last = from | number_host_mask(host_bits);
		if (last == to)
			return count;
		from = last + 1;
	}
}

bool weir_range_is_prefix(const struct weir_range *range, struct weir_prefix *ret_prefix)
{
	addr_number from = addr_to_number(&range->from), to = addr_to_number(&range->to);
	int host_bits = number_largest_block(from, to);
	if ((from | number_host_mask(host_bits)) != to)
		return false;
	*ret_prefix = (struct weir_prefix){ range->from, (uint8_t)(V6_BITS - host_bits) };
	return true;
}

void weir_prefix_to_range(const struct weir_prefix *prefix, struct weir_range *ret_range)
{
	addr_number hosts = number_host_mask(V6_BITS - prefix->length);
	addr_number from = addr_to_number(&prefix->addr) & ~hosts;
	*ret_range = (struct weir_range){ addr_from_number(from), addr_from_number(from | hosts) };
}
