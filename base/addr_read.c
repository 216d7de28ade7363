/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reads addresses and ranges. By hand: inet_pton() wants a copy with a NUL, does not tell where an
 * address ends, and takes 170 ns for an IPv6 one where this takes 65; imports read millions.
 */
#include <errno.h>

#include "base/addr.h"
#include "base/addr_number.h"

/* Where the reading stands in text that ends at `end`, not at a NUL. */
struct cursor {
	const char *p;
	const char *end;
};

/* '\0' at the end of the text: no character of an address. */
static inline char cursor_peek(const struct cursor *c)
{
	return c->p < c->end ? *c->p : '\0';
}

static inline unsigned cursor_digit(const struct cursor *c)
{
	return (unsigned)(unsigned char)cursor_peek(c) - '0';
}

/* 0 to 255, no leading zero. A digit too many is left standing for the caller to stumble on. */
static inline bool cursor_read_octet(struct cursor *c, uint32_t *ret_octet)
{
	unsigned digit = cursor_digit(c);
	if (digit > 9)
		return false;
	c->p++;

	uint32_t octet = digit;
	for (int more = 0; more < 2 && octet; more++) {
		digit = cursor_digit(c);
		if (digit > 9)
			break;
		octet = octet * 10 + digit;
		c->p++;
	}
	*ret_octet = octet;
	return octet <= 255;
}

static inline bool cursor_read_v4(struct cursor *c, uint32_t *ret_v4)
{
	uint32_t v4 = 0;
	for (int i = 0; i < 4; i++) {
		uint32_t octet;
		if (i && cursor_peek(c) != '.')
			return false;
		if (i)
			c->p++;
		if (!cursor_read_octet(c, &octet))
			return false;
		v4 = v4 << 8 | octet;
	}
	*ret_v4 = v4;
	return true;
}

/* By value + 1, so that what is not named is 0: not a digit. */
static const uint8_t hex_values[256] = {
	['0'] = 1,  ['1'] = 2,	['2'] = 3,  ['3'] = 4,	['4'] = 5,  ['5'] = 6,
	['6'] = 7,  ['7'] = 8,	['8'] = 9,  ['9'] = 10, ['a'] = 11, ['b'] = 12,
	['c'] = 13, ['d'] = 14, ['e'] = 15, ['f'] = 16, ['A'] = 11, ['B'] = 12,
	['C'] = 13, ['D'] = 14, ['E'] = 15, ['F'] = 16,
};

/* One to four hexadecimal digits; returns how many there were. */
static inline int cursor_read_group(struct cursor *c, uint32_t *ret_group)
{
	uint32_t group = 0;
	int digits = 0;
	while (digits < 4 && c->p < c->end) {
		unsigned value = hex_values[(unsigned char)*c->p];
		if (!value)
			break;
		group = group << 4 | (value - 1);
		c->p++;
		digits++;
	}
	*ret_group = group;
	return digits;
}

/* The eight groups of an IPv6 address while they are read. */
struct v6_groups {
	addr_number number; /* all groups read, the last in the lowest bits */
	int count;
	int gap; /* how many groups stood before "::", -1 without one */
};

/* "::" is passed; whether a group must follow is the answer. */
static inline bool cursor_read_gap(struct cursor *c, struct v6_groups *groups)
{
	c->p += 2;
	groups->gap = groups->count;
	return hex_values[(unsigned char)cursor_peek(c)];
}

/* The last two groups may be written as an IPv4 address; the cursor goes back to where it began. */
static bool cursor_read_embedded(struct cursor *c, const char *start, struct v6_groups *groups)
{
	uint32_t v4;
	c->p = start;
	if (groups->count > 6 || !cursor_read_v4(c, &v4))
		return false;
	groups->number = groups->number << V4_BITS | v4;
	groups->count += 2;
	return true;
}

/* Groups up to the end of the address. False when the text is not one whatever follows. */
static inline bool cursor_read_groups(struct cursor *c, struct v6_groups *groups)
{
	while (groups->count < 8) {
		const char *start = c->p;
		uint32_t group;
		if (!cursor_read_group(c, &group))
			return false;
		if (cursor_peek(c) == '.')
			return cursor_read_embedded(c, start, groups);
		groups->number = groups->number << 16 | group;
		groups->count++;

		if (cursor_peek(c) != ':' || groups->count == 8)
			break;
		if (c->p + 1 == c->end || c->p[1] != ':')
			c->p++;
		else if (groups->gap >= 0)
			return false;
		else if (!cursor_read_gap(c, groups))
			break;
	}
	return true;
}

static inline bool cursor_read_v6(struct cursor *c, addr_number *ret_number)
{
	struct v6_groups groups = { .gap = -1 };
	bool starts_with_gap = c->end - c->p >= 2 && c->p[0] == ':' && c->p[1] == ':';
	if ((!starts_with_gap || cursor_read_gap(c, &groups)) && !cursor_read_groups(c, &groups))
		return false;
	if (groups.gap < 0) {
		*ret_number = groups.number;
		return groups.count == 8;
	}
	if (groups.count == 8)
		return false;

	/*
	 * What was read after the gap stays at the low end, what was read before it moves to the
	 * high one.
	 */
	int low_bits = 16 * (groups.count - groups.gap);
	addr_number low = groups.number & (((addr_number)1 << low_bits) - 1);
	addr_number high = groups.gap ? groups.number >> low_bits : 0;
	if (groups.gap)
		high <<= V6_BITS - 16 * groups.gap;
	*ret_number = high | low;
	return true;
}

/* The families are told apart by how they are written: it decides what a prefix length counts. */
static inline bool cursor_read_addr(struct cursor *c, addr_number *ret_number, int *ret_bits)
{
	const char *start = c->p;
	uint32_t v4;
	if (cursor_read_v4(c, &v4)) {
		*ret_number = (addr_number)V4_MAPPED << V4_BITS | v4;
		*ret_bits = V4_BITS;
		return true;
	}
	c->p = start;
	*ret_bits = V6_BITS;
	return cursor_read_v6(c, ret_number);
}

int weir_addr_from_string(const char *text, size_t len, struct weir_addr *ret_addr)
{
	struct cursor c = { text, text + len };
	addr_number number;
	int bits;
	if (!cursor_read_addr(&c, &number, &bits) || c.p != c.end)
		return -EINVAL;
	*ret_addr = addr_from_number(number);
	return 0;
}

/* A range while it is read: numbers, and why it is refused. */
struct range_reading {
	struct cursor c;
	addr_number from;
	addr_number to;
	bool had_host_bits;
	const char *why;
};

static int range_refuse(struct range_reading *reading, const char *why)
{
	reading->why = why;
	return -EINVAL;
}

static int range_read_length(struct range_reading *reading, int bits)
{
	uint32_t length;
	bool is_number = cursor_read_octet(&reading->c, &length);
	if (!is_number || reading->c.p != reading->c.end || length > (uint32_t)bits)
		return range_refuse(reading, bits == V4_BITS ? "a v4 prefix length is 0 to 32" :
							       "a v6 prefix length is 0 to 128");

	int host_bits = bits - (int)length;
	addr_number hosts = number_host_mask(host_bits);
	/*
	 * ::ffff:192.0.2.0/24 means 24 bits of 192.0.2.0 to whoever writes it, and 24 bits of "::"
	 * by the book.
	 */
	if (host_bits > V4_BITS && number_is_v4(reading->from))
		return range_refuse(reading,
				    "an IPv4 address written as IPv6 takes a prefix length of "
				    "96 to 128; write it as a.b.c.d/0 to 32");
	reading->had_host_bits = reading->from & hosts;
	reading->from &= ~hosts;
	reading->to = reading->from | hosts;
	return 0;
}

static int range_read_end(struct range_reading *reading)
{
	int bits;
	if (!cursor_read_addr(&reading->c, &reading->to, &bits) || reading->c.p != reading->c.end)
		return range_refuse(reading, "what follows '-' is not an IPv4 or IPv6 address");
	if (number_is_v4(reading->from) == number_is_v4(reading->to) && reading->from > reading->to)
		return range_refuse(reading,
				    "a range is written from its lower to its higher address");
	return 0;
}

static int range_read_rest(struct range_reading *reading, int bits)
{
	if (reading->c.p == reading->c.end) {
		reading->to = reading->from;
		return 0;
	}
	switch (*reading->c.p++) {
	case '/':
		return range_read_length(reading, bits);
	case '-':
		return range_read_end(reading);
	case '%':
		return range_refuse(reading, "an address with a zone (%interface) is not taken");
	default:
		return range_refuse(reading, "not an IPv4 or IPv6 address, CIDR or range");
	}
}

static int range_read(struct range_reading *reading)
{
	int bits;
	if (!cursor_read_addr(&reading->c, &reading->from, &bits))
		return range_refuse(reading, "not an IPv4 or IPv6 address, CIDR or range");
	int r = range_read_rest(reading, bits);
	if (r < 0)
		return r;
	if (number_is_v4(reading->from) != number_is_v4(reading->to))
		return range_refuse(reading, "both ends must be of one family, and ::ffff:0:0 to "
					     "::ffff:ffff:ffff are IPv4");
	return 0;
}

int weir_range_from_string(const char *text, size_t len, struct weir_range *ret_range,
			   bool *ret_had_host_bits, const char **ret_why)
{
	struct range_reading reading = { .c = { text, text + len } };
	int r = range_read(&reading);
	if (r < 0) {
		if (ret_why)
			*ret_why = reading.why;
		return r;
	}
	ret_range->from = addr_from_number(reading.from);
	ret_range->to = addr_from_number(reading.to);
	if (ret_had_host_bits)
		*ret_had_host_bits = reading.had_host_bits;
	return 0;
}
