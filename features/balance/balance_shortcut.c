/* SPDX-License-Identifier: Apache-2.0 */
/* Which interfaces XDP may send packets of services on to (bpf/lib/shortcut.h): none while ways
 * depend on more than it asks with. */
#include <string.h>

#include "core/senders.h"
#include "features/balance/balance_state.h"

/* One in so many of a second's packets: by chance a whole checksum is taken for one still to be
 * computed, once in 65,536. */
#define UNSUMMED_SHARE 1000

struct found {
	uint32_t cells[SHORTCUT_CELLS];
};

static void sender_note(void *arg, uint32_t ifindex)
{
	struct found *found = arg;
	uint32_t *cell = &found->cells[ifindex % SHORTCUT_CELLS];

	if (!*cell) /* of two with the same place the kernel forwards to one */
		*cell = ifindex;
}

void balance_shortcut_look(struct balance *state)
{
	struct found found = { 0 };

	if (!state->shortcut)
		return;
	if (balance_section_of(state)->shortcut == BALANCE_SHORTCUT_XDP && !state->ways.by.by_more)
		weir_senders_each(sender_note, &found);
	bool has_changed = false;

	for (uint32_t i = 0; i < SHORTCUT_CELLS; i++)
		if (found.cells[i] != state->senders[i] &&
		    weir_map_set(state->shortcut, &i, &found.cells[i]) == 0) {
			state->senders[i] = found.cells[i];
			has_changed = true;
		}
	if (has_changed)
		balance_ways_changed(state);
}

void balance_unsummed_look(struct balance *state)
{
	struct balance_unsummed *seen = &state->unsummed;
	uint64_t sums[BALANCE_COUNTER_COUNT];

	if (balance_section_of(state)->shortcut != BALANCE_SHORTCUT_XDP)
		return;
	balance_sums(state, sums);
	uint64_t all = sums[BALANCE_COUNT_TO_BACKENDS] + sums[BALANCE_COUNT_TO_CLIENTS];
	uint64_t packets = sums[BALANCE_COUNT_UNSUMMED];

	/* At first they are of who knows when. */
	if (seen->all && all > seen->all)
		seen->is_told = packets > seen->packets &&
				(packets - seen->packets) * UNSUMMED_SHARE > all - seen->all;
	seen->packets = packets;
	seen->all = all;
}
