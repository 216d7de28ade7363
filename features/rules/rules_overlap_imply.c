/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What one condition says of others: bpf/lib/parse.h gives a packet ports, TCP flags or an ICMP
 * type only where its protocol, its version and its place among fragments allow it.
 */
#include <string.h>

#include "base/cleanup.h"
#include "features/rules/rules_overlap_shape.h"

#define SPANS_MAX 6

/* A packet whose value of `key` is one of `spans` has `then` among `then_spans`. */
struct implication {
	uint8_t key, then;
	struct rules_span spans[SPANS_MAX], then_spans[SPANS_MAX]; /* none at 0: past the last */
};

#define SPORT RULES_KEY_WIDE(RULES_SPORT)
#define DPORT RULES_KEY_WIDE(RULES_DPORT)
#define PROTO RULES_KEY_FIELD(RULES_PROTO)
#define FLAGS RULES_KEY_FIELD(RULES_FLAGS)
#define TYPE RULES_KEY_FIELD(RULES_TYPE)
#define CODE RULES_KEY_FIELD(RULES_CODE)
#define FAMILY RULES_KEY_FIELD(RULES_FAMILY)
#define FRAGMENT RULES_KEY_FIELD(RULES_FRAGMENT)

/* clang-format off */
#define WITH_PORTS { { 6, 6 }, { 17, 17 }, { 33, 33 }, { 132, 132 }, { 136, 136 } }
#define WITHOUT_PORTS { { 0, 5 }, { 7, 16 }, { 18, 32 }, { 34, 131 }, { 133, 135 }, { 137, 255 } }
#define PORT { { 0, 65535 } }
#define NO_PORT { { 65536, 65536 } }
#define SOME_FLAGS { { 0, 255 } }
#define NO_FLAGS { { 256, 256 } }
#define SOME_TYPE { { 0, 511 } }
#define NO_TYPE { { 512, 512 } }
#define NOT_V4_TYPE { { 256, 512 } }
#define NOT_V6_TYPE { { 0, 255 }, { 512, 512 } }
#define SOME_CODE { { 0, 255 } }
#define NO_CODE { { 256, 256 } }
#define TCP { { 6, 6 } }
#define NOT_TCP { { 0, 5 }, { 7, 255 } }
#define ICMP { { 1, 1 } }
#define NOT_ICMP { { 0, 0 }, { 2, 255 } }
#define ICMPV6 { { 58, 58 } }
#define NOT_ICMPV6 { { 0, 57 }, { 59, 255 } }
#define EITHER_ICMP { { 1, 1 }, { 58, 58 } }
#define V4_TYPE { { 0, 255 } }
#define V6_TYPE { { 256, 511 } }
#define V4 { { 0, 0 } }
#define V6 { { 1, 1 } }
#define LATER { { 2, 2 } }
#define NOT_LATER { { 0, 1 } }
/* clang-format on */

static const struct implication implications[] = {
	{ SPORT, PROTO, PORT, WITH_PORTS },
	{ DPORT, PROTO, PORT, WITH_PORTS },
	{ SPORT, FRAGMENT, PORT, NOT_LATER },
	{ DPORT, FRAGMENT, PORT, NOT_LATER },
	{ SPORT, TYPE, PORT, NO_TYPE },
	{ DPORT, TYPE, PORT, NO_TYPE },
	{ SPORT, DPORT, PORT, PORT },
	{ DPORT, SPORT, PORT, PORT },
	{ SPORT, DPORT, NO_PORT, NO_PORT },
	{ DPORT, SPORT, NO_PORT, NO_PORT },
	{ SPORT, FLAGS, NO_PORT, NO_FLAGS },
	{ PROTO, SPORT, WITHOUT_PORTS, NO_PORT },
	{ FLAGS, PROTO, SOME_FLAGS, TCP },
	{ PROTO, FLAGS, NOT_TCP, NO_FLAGS },
	{ FLAGS, SPORT, SOME_FLAGS, PORT },
	{ TYPE, PROTO, SOME_TYPE, EITHER_ICMP },
	{ TYPE, FRAGMENT, SOME_TYPE, NOT_LATER },
	{ TYPE, CODE, SOME_TYPE, SOME_CODE },
	{ CODE, TYPE, SOME_CODE, SOME_TYPE },
	{ TYPE, CODE, NO_TYPE, NO_CODE },
	{ CODE, TYPE, NO_CODE, NO_TYPE },
	{ TYPE, SPORT, SOME_TYPE, NO_PORT },
	{ PROTO, TYPE, NOT_ICMP, NOT_V4_TYPE },
	{ PROTO, TYPE, NOT_ICMPV6, NOT_V6_TYPE },
	{ FAMILY, TYPE, V4, NOT_V6_TYPE },
	{ FAMILY, TYPE, V6, NOT_V4_TYPE },
	{ TYPE, PROTO, V4_TYPE, ICMP },
	{ TYPE, PROTO, V6_TYPE, ICMPV6 },
	{ TYPE, FAMILY, V4_TYPE, V4 },
	{ TYPE, FAMILY, V6_TYPE, V6 },
	{ FRAGMENT, SPORT, LATER, NO_PORT },
	{ FRAGMENT, TYPE, LATER, NO_TYPE },
};

/* Those of static storage are not changed, and only their count is not in the table. */
static struct rules_values spans_of(const struct rules_span spans[SPANS_MAX])
{
	struct rules_values values = { .at = (struct rules_span *)spans, .count = 1 };
	while (values.count < SPANS_MAX && spans[values.count].to)
		values.count++;
	return values;
}

static int narrow_to(struct rules_shaper *shaper, struct rules_shape *shape, uint8_t key,
		     uint8_t then, const struct rules_values *allowed)
{
	const struct rules_values *now = &shaper->pool.sets[shape->met[then]];
	_cleanup_values_ struct rules_values less = { 0 }, left = { 0 };
	if (shape->is_empty || rules_values_cover(allowed, now))
		return 0;
	int r = rules_values_subtract(now, allowed, &less);
	if (r == 0)
		r = rules_values_subtract(now, &less, &left);
	if (r == 0)
		r = rules_pool_add(&shaper->pool, &left, &shape->met[then]);
	if (r < 0)
		return r;
	if (!shape->met[then]) {
		shape->is_empty = true;
		shape->key = key;
		shape->with = then;
	}
	return 1;
}

/* 1: something was narrowed. */
static int imply(struct rules_shaper *shaper, struct rules_shape *shape,
		 const struct implication *implication)
{
	const struct rules_values *now = &shaper->pool.sets[shape->met[implication->key]];
	struct rules_values spans = spans_of(implication->spans),
			    then = spans_of(implication->then_spans);
	if (!rules_values_cover(&spans, now))
		return 0;
	return narrow_to(shaper, shape, implication->key, implication->then, &then);
}

/* Both ends of a packet are of one family. Lists of other features may hold either. */
static int imply_family(struct rules_shaper *shaper, struct rules_shape *shape, uint8_t end,
			uint32_t family)
{
	static const struct rules_span alone[][SPANS_MAX] = { V4, V6 };
	struct rules_values only = spans_of(alone[family]);
	const struct rules_values *sets = shaper->pool.sets,
				  *segments = &sets[shaper->family[family]];
	if (shape->unknown[end - RULES_SHAPE_SRC].in)
		return 0;
	if (rules_values_cover(&only, &sets[shape->met[FAMILY]]))
		return narrow_to(shaper, shape, FAMILY, end, segments);
	if (rules_values_cover(segments, &sets[shape->met[end]]))
		return narrow_to(shaper, shape, end, FAMILY, &only);
	return 0;
}

/* Everything once. 1: something was narrowed. */
static int imply_all(struct rules_shaper *shaper, struct rules_shape *shape)
{
	int r = 0, changed = 0;
	for (size_t i = 0; r >= 0 && i < WEIR_ARRAY_SIZE(implications); i++) {
		r = imply(shaper, shape, &implications[i]);
		changed |= r;
	}
	for (uint32_t i = 0; r >= 0 && i < 4; i++) {
		r = imply_family(shaper, shape, RULES_SHAPE_SRC + i / 2, i % 2);
		changed |= r;
	}
	return r < 0 ? r : changed;
}

int rules_shape_narrow(struct rules_shaper *shaper, struct rules_shape *shape)
{
	int changed = 1;
	while (changed > 0 && !shape->is_empty)
		changed = imply_all(shaper, shape);
	return changed < 0 ? changed : 0;
}
