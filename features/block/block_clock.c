/* SPDX-License-Identifier: Apache-2.0 */
/* Until when an entry holds, as a time of day, where that was set meanwhile. */
#include <stdlib.h>

#include "base/clock.h"
#include "features/block/block_state.h"

#define SET_NS (2 * WEIR_NS_PER_S) /* less is the clock being disciplined */

static void list_follow(struct block_list *list, const struct block_now *now)
{
	for (size_t i = 0; i < list->single_count; i++) {
		struct block_single *single = &list->singles[i];

		if (single->expires_ns <= now->monotonic_ns)
			continue;
		single->until_ns = now->real_ns + (single->expires_ns - now->monotonic_ns);
		list->is_dirty = true;
	}
}

void block_clock_follow(struct block_state *state)
{
	struct block_now now = block_now();
	int64_t ahead_ns = (int64_t)(now.real_ns - now.monotonic_ns);
	bool is_first = !state->ahead_ns;

	if (!is_first && llabs(ahead_ns - state->ahead_ns) < (int64_t)SET_NS)
		return;
	state->ahead_ns = ahead_ns;
	for (size_t i = 0; !is_first && i < state->runtime.count; i++)
		list_follow(state->runtime.at[i], &now);
}
