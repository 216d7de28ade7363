/* SPDX-License-Identifier: Apache-2.0 */
/* Conditions joined and taken out. Addresses are import_addrs.c. */
#include "cli/import_match.h"

#include <errno.h>
#include <fnmatch.h>
#include <string.h>

#include "cli/import_addrs.h"
#include "cli/import_source.h"

#define FLAG_PAIRS_MAX 64

/* `everywhere`: each IP packet has it, so that matching all values matches all packets. */
static const struct {
	uint32_t max;
	bool everywhere;
} numbers[IMPORT_NUMBERS] = {
	[IMPORT_FAMILY] = { 1, true },
	[IMPORT_PROTO] = { UINT8_MAX, true },
	[IMPORT_SPORT] = { UINT16_MAX, false },
	[IMPORT_DPORT] = { UINT16_MAX, false },
	[IMPORT_ICMP_TYPE] = { UINT8_MAX, false },
	[IMPORT_ICMP_CODE] = { UINT8_MAX, false },
	[IMPORT_STATE] = { IMPORT_UNTRACKED, true },
	[IMPORT_FRAGMENT] = { 2, true },
	[IMPORT_LENGTH] = { UINT16_MAX, true },
	[IMPORT_DSCP] = { 63, true },
	[IMPORT_VLAN] = { 4095, false },
	[IMPORT_DAY] = { 6, true },
	[IMPORT_SECOND] = { 86399, true },
};

uint32_t import_number_max(enum import_number number)
{
	return numbers[number].max;
}

bool import_match_has(const struct import_match *match, enum import_number number)
{
	return match->has & (1u << number);
}

static bool is_all(struct import_spans spans, enum import_number number)
{
	return spans.count == 1 && spans.at[0].from == 0 && spans.at[0].to == numbers[number].max;
}

int import_match_number(struct import *import, struct import_match *match,
			enum import_number number, struct import_spans spans)
{
	if (import_match_has(match, number))
		spans = import_spans_both(&import->arena, match->number[number], spans);
	match->has |= 1u << number;
	match->number[number] = spans;
	if (numbers[number].everywhere && is_all(spans, number))
		match->has &= ~(1u << number);
	match->never |= spans.count == 0;
	return 0;
}

static bool words_equal(struct import_words a, struct import_words b)
{
	for (size_t i = 0; i < a.count && i < b.count; i++)
		if (strcmp(a.at[i], b.at[i]) != 0)
			return false;
	return a.count == b.count;
}

/* Patterns end in one '*' and have no other, so of two that share names one holds the other. */
static struct import_words words_both(struct import *import, struct import_words a,
				      struct import_words b)
{
	const char **both = import_alloc(&import->arena, a.count * b.count, sizeof(*both));
	struct import_words result = { .at = both };

	for (size_t i = 0; both && i < a.count; i++)
		for (size_t j = 0; j < b.count; j++) {
			if (fnmatch(b.at[j], a.at[i], 0) == 0)
				both[result.count++] = a.at[i];
			else if (fnmatch(a.at[i], b.at[j], 0) == 0)
				both[result.count++] = b.at[j];
		}
	return result;
}

static struct import_words words_joined(struct import *import, struct import_words a,
					struct import_words b)
{
	const char **all = import_alloc(&import->arena, a.count + b.count, sizeof(*all));

	if (!all)
		return a;
	for (size_t i = 0; i < a.count; i++)
		all[i] = a.at[i];
	for (size_t i = 0; i < b.count; i++)
		all[a.count + i] = b.at[i];
	return (struct import_words){ .at = all, .count = a.count + b.count };
}

int import_match_iface(struct import *import, struct import_match *match, enum import_way side,
		       const struct import_name_field *field)
{
	struct import_name_field *mine = &match->iface[side];

	if (field->in.count && mine->in.count) {
		mine->in = words_both(import, mine->in, field->in);
		match->never |= mine->in.count == 0;
	} else if (field->in.count) {
		mine->in = field->in;
	}
	if (field->out.count && !words_equal(field->out, mine->out))
		mine->out = words_joined(import, mine->out, field->out);
	return 0;
}

/* Both alternatives at once; false when they contradict each other. */
static bool pair_both(struct import_flag_pair a, struct import_flag_pair b,
		      struct import_flag_pair *ret)
{
	if ((a.value ^ b.value) & a.mask & b.mask)
		return false;
	*ret = (struct import_flag_pair){ a.value | b.value, a.mask | b.mask };
	return true;
}

int import_match_flags(struct import *import, struct import_match *match, struct import_flags flags)
{
	if (!match->has_flags) {
		match->has_flags = true;
		match->flags = flags;
		match->never |= flags.count == 0;
		return 0;
	}
	if (match->flags.count * flags.count > FLAG_PAIRS_MAX)
		return import_cannot(import, "too many TCP flag combinations for one rule");
	struct import_flag_pair *pairs =
		import_alloc(&import->arena, match->flags.count * flags.count, sizeof(*pairs));
	size_t count = 0;
	for (size_t i = 0; pairs && i < match->flags.count; i++)
		for (size_t j = 0; j < flags.count; j++)
			count += pair_both(match->flags.at[i], flags.at[j], &pairs[count]);
	match->flags = (struct import_flags){ .at = pairs, .count = count };
	match->never |= count == 0;
	return 0;
}

/* Where at least one bit differs: an alternative a bit. */
struct import_flags import_flags_not(struct import *import, struct import_flag_pair pair)
{
	struct import_flag_pair *pairs = import_alloc(&import->arena, 8, sizeof(*pairs));
	size_t count = 0;

	for (unsigned bit = 1; pairs && bit <= 0x80; bit <<= 1)
		if (pair.mask & bit)
			pairs[count++] = (struct import_flag_pair){ (uint8_t)(~pair.value & bit),
								    (uint8_t)bit };
	return (struct import_flags){ .at = pairs, .count = count };
}

int import_match_and(struct import *import, struct import_match *match,
		     const struct import_match *other)
{
	struct import_match both = *match;
	int result = 0;

	for (int i = 0; i < IMPORT_NUMBERS && result == 0; i++)
		if (import_match_has(other, (enum import_number)i))
			result = import_match_number(import, &both, (enum import_number)i,
						     other->number[i]);
	for (int i = 0; i < IMPORT_ENDS && result == 0; i++)
		result = import_match_addr(import, &both, (enum import_end)i, &other->addr[i]);
	for (int i = 0; i < IMPORT_WAYS && result == 0; i++)
		result = import_match_iface(import, &both, (enum import_way)i, &other->iface[i]);
	if (other->has_flags && result == 0)
		result = import_match_flags(import, &both, other->flags);
	both.any_transport |= other->any_transport;
	both.never |= other->never;
	if (result == 0)
		*match = both;
	return result;
}

/* Conditions of `other` which do not hold already where `match` does. */
struct left_over {
	unsigned count;
	int number, end, iface; /* the last one found, -1 = none of that kind */
	bool other_kind;
};

static void left_numbers(struct import *import, const struct import_match *match,
			 const struct import_match *other, struct left_over *left)
{
	/* An address given by name or number says its family too. */
	bool has_addr = other->addr[IMPORT_SRC].in.count || other->addr[IMPORT_DST].in.count;

	for (int i = 0; i < IMPORT_NUMBERS; i++) {
		enum import_number number = (enum import_number)i;
		if (!import_match_has(other, number) || (i == IMPORT_FAMILY && has_addr))
			continue;
		if (import_match_has(match, number) &&
		    import_spans_within(&import->arena, match->number[i], other->number[i]))
			continue;
		left->count++;
		left->number = i;
	}
}

static struct left_over left_over_of(struct import *import, const struct import_match *match,
				     const struct import_match *other)
{
	struct left_over left = { .number = -1, .end = -1, .iface = -1 };

	left_numbers(import, match, other, &left);
	for (int i = 0; i < IMPORT_ENDS; i++)
		if (other->addr[i].in.count || other->addr[i].out.count) {
			left.count++;
			left.end = i;
		}
	for (int i = 0; i < IMPORT_WAYS; i++)
		if (other->iface[i].in.count || other->iface[i].out.count) {
			left.count++;
			left.iface = i;
		}
	left.other_kind = other->has_flags;
	return left;
}

static int without_number(struct import *import, struct import_match *match,
			  enum import_number number, struct import_spans spans)
{
	/* Where it is asked for already, every packet has it. */
	if (!numbers[number].everywhere && !import_match_has(match, number))
		return import_cannot(import, "its opposite cannot be said in one rule");
	return import_match_number(import, match, number,
				   import_spans_not(&import->arena, spans, numbers[number].max));
}

int import_match_without(struct import *import, struct import_match *match,
			 const struct import_match *other)
{
	struct left_over left = left_over_of(import, match, other);

	if (other->never)
		return 0;
	if (left.count == 0 && !left.other_kind) {
		match->never = true;
		return 0;
	}
	if (left.count != 1 || left.other_kind)
		return import_cannot(import, "its opposite cannot be said in one rule");
	if (left.number >= 0)
		return without_number(import, match, (enum import_number)left.number,
				      other->number[left.number]);
	if (left.end >= 0) {
		struct import_addr_field field = other->addr[left.end];
		if (field.in.count && field.out.count)
			return import_cannot(import, "its opposite cannot be said in one rule");
		struct import_addr_field opposite = { .in = field.out, .out = field.in };
		return import_match_addr(import, match, (enum import_end)left.end, &opposite);
	}
	struct import_name_field field = other->iface[left.iface];
	if (field.in.count && field.out.count)
		return import_cannot(import, "its opposite cannot be said in one rule");
	struct import_name_field opposite = { .in = field.out, .out = field.in };
	return import_match_iface(import, match, (enum import_way)left.iface, &opposite);
}
