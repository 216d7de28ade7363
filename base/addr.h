/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Addresses, prefixes and ranges as text and as numbers. struct weir_addr is in network byte order;
 * v4 is ::ffff:a.b.c.d.
 */
#ifndef WEIR_BASE_ADDR_H
#define WEIR_BASE_ADDR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "abi/packet.h"

#define WEIR_ADDR_TEXT 46 /* longest address and its NUL */
#define WEIR_RANGE_TEXT (2 * WEIR_ADDR_TEXT)
#define WEIR_RANGE_PREFIXES_MAX 254 /* the fewest prefixes that cover any range are never more */

/*
 * Both ends belong to it; both are of one family, from <= to. A v6 range holds no IPv4 address,
 * also where the block in which those stand lies between its ends, as in ::/0: "all of IPv6" must
 * not mean IPv4 too.
 */
struct weir_range {
	struct weir_addr from;
	struct weir_addr to;
};

/* `length` counts in the 128-bit address: a v4 /24 is 120. Host bits are zero. */
struct weir_prefix {
	struct weir_addr addr;
	uint8_t length;
};

bool weir_addr_is_v4(const struct weir_addr *addr);
/* By number: below 0, 0 or above 0, as memcmp(). */
int weir_addr_compare(const struct weir_addr *a, const struct weir_addr *b);
/* The next address of its family; false when addr was the last. */
bool weir_addr_next(const struct weir_addr *addr, struct weir_addr *ret_next);
/* The one before in its family; false when addr was the first. */
bool weir_addr_previous(const struct weir_addr *addr, struct weir_addr *ret_previous);
/*
 * Text of exactly `len` bytes, no NUL needed. Dotted quad or RFC 4291 text; no zone, no leading
 * zeros in v4. -EINVAL otherwise.
 */
int weir_addr_from_string(const char *text, size_t len, struct weir_addr *ret_addr);
/* RFC 5952 text, NUL-terminated; returns `text`. */
const char *weir_addr_to_string(const struct weir_addr *addr, char text[WEIR_ADDR_TEXT]);

/*
 * "192.0.2.1", "192.0.2.0/24", "192.0.2.10-192.0.2.20", "2001:db8::/32" and so on, `len` bytes, no
 * spaces. On failure (-EINVAL) ret_why (may be NULL) is a static sentence for a person, e.g. "a v4
 * prefix length is 0 to 32". A CIDR with host bits set is accepted as its network;
 * *ret_had_host_bits (may be NULL) says so.
 */
int weir_range_from_string(const char *text, size_t len, struct weir_range *ret_range,
			   bool *ret_had_host_bits, const char **ret_why);
/* The shortest form: an address, a CIDR if it is one, else "from-to". Returns `text`. */
const char *weir_range_to_string(const struct weir_range *range, char text[WEIR_RANGE_TEXT]);
bool weir_range_contains(const struct weir_range *range, const struct weir_addr *addr);
bool weir_range_overlaps(const struct weir_range *a, const struct weir_range *b);
/* By start, then by end: larger range first. */
int weir_range_compare(const struct weir_range *a, const struct weir_range *b);
/* Whether one prefix covers exactly the range, and which. */
bool weir_range_is_prefix(const struct weir_range *range, struct weir_prefix *ret_prefix);
/*
 * The fewest prefixes that cover exactly from..to by number, in address order; returns how many
 * (<= WEIR_RANGE_PREFIXES_MAX).
 */
size_t weir_range_to_prefixes(const struct weir_range *range,
			      struct weir_prefix prefixes[WEIR_RANGE_PREFIXES_MAX]);
void weir_prefix_to_range(const struct weir_prefix *prefix, struct weir_range *ret_range);
/* "192.0.2.0/24": v4 lengths as v4 people write them. Returns `text`. */
const char *weir_prefix_to_string(const struct weir_prefix *prefix, char text[WEIR_RANGE_TEXT]);

#endif
