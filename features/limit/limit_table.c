/* SPDX-License-Identifier: Apache-2.0 */
/* The buckets, seen from user space: taken over from the object, and swept. */
#include <errno.h>

#include "base/secret.h"
#include "features/limit/limit_state.h"

/* So many a tick: half a millisecond. All of the largest table come by in 18 minutes, where a word
 * has 11 days. */
#define SWEEP_LINES 16384

int limit_table_take(struct limit *state, struct weir_object *object)
{
	struct weir_map *map = weir_object_map(object, "st_limit");
	struct weir_map *shared = weir_object_map(object, "cfg_limit");
	struct weir_map_memory memory = {};
	struct limit_shared value = {};
	uint32_t zero = 0;
	int r = map && shared ? weir_map_get(shared, &zero, &value) : -ENOENT;

	if (!r && !value.seed) {
		r = weir_random_bytes(&value.seed, sizeof(value.seed));
		value.seed |= 1;
		if (!r)
			r = weir_map_set(shared, &zero, &value);
	}
	if (!r)
		r = weir_map_memory_open(map, &memory);
	if (r)
		return r;
	weir_map_memory_done(&state->buckets);
	state->buckets = memory;
	state->lines = weir_map_capacity(map);
	state->sweep = 0;
	state->owing = 0;
	return 0;
}

/* A packet may have written the word since it was read: then it stays. */
static uint64_t line_sweep(struct limit_line *line, uint64_t now)
{
	uint64_t owing = 0;

	for (unsigned i = 0; i < LIMIT_WAYS; i++) {
		uint64_t word = *(volatile __u64 *)&line->words[i];

		if (limit_debt(word, now))
			owing++;
		else if (word)
			__sync_val_compare_and_swap(&line->words[i], word, 0);
	}
	return owing;
}

void limit_table_sweep(struct limit *state, uint64_t now_ns)
{
	struct limit_line *lines = state->buckets.at;
	uint64_t now = limit_time(now_ns);

	for (uint32_t i = 0; lines && i < SWEEP_LINES; i++) {
		state->owing += line_sweep(&lines[state->sweep++], now);
		if (state->sweep < state->lines)
			continue;
		state->owing_seen = state->owing;
		state->owing = 0;
		state->sweep = 0;
		return;
	}
}
