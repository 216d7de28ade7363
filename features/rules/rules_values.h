/* SPDX-License-Identifier: Apache-2.0 */
/* Sets of numbers, as sorted ranges that do not touch: what a field of a rule allows. */
#ifndef WEIR_RULES_VALUES_H
#define WEIR_RULES_VALUES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct rules_span {
	uint32_t from, to; /* both belong to it */
};

struct rules_values {
	struct rules_span *at;
	uint32_t count, capacity;
};

void rules_values_done(struct rules_values *values);
#define _cleanup_values_ __attribute__((cleanup(rules_values_done)))
/* In any order; sorted and merged by rules_values_seal(). -ENOMEM. */
int rules_values_add(struct rules_values *values, uint32_t from, uint32_t to);
void rules_values_seal(struct rules_values *values);
/* What is in `from` and not in `less`, both sealed. -ENOMEM. */
int rules_values_subtract(const struct rules_values *from, const struct rules_values *less,
			  struct rules_values *ret_values);
bool rules_values_has(const struct rules_values *values, uint32_t value);
/* Whether every value of `inner` is in `outer`. */
bool rules_values_cover(const struct rules_values *outer, const struct rules_values *inner);
bool rules_values_equal(const struct rules_values *a, const struct rules_values *b);

#endif
