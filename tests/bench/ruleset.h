/* SPDX-License-Identifier: Apache-2.0 */
/* Rules drawn at random: by shape, one after the other. ruleset.c makes packets for them. */
#ifndef WEIR_BENCH_RULESET_H
#define WEIR_BENCH_RULESET_H

#include <stdbool.h>
#include <stdint.h>

#include "tests/bench/bench_state.h"

struct ruleset_shape {
	const char *name; /* "v4-five", ... */
	bool is_v4;
	/* Rule `at` of `count`. */
	struct bench_rule (*draw)(bool is_v4, uint32_t at, uint32_t count);
};

const struct ruleset_shape *ruleset_shape_find(const char *name);

uint64_t ruleset_random(void);
/* 0 to n - 1 */
uint32_t ruleset_below(uint32_t n);
/* An address that no stage takes for a mistake. */
struct weir_addr ruleset_address(bool is_v4);

#endif
