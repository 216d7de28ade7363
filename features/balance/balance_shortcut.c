/* SPDX-License-Identifier: Apache-2.0 */
/* Which interfaces XDP may send packets of services on to (bpf/lib/shortcut.h): none while ways
 * depend on more than it asks with. */
#include <string.h>

#include "core/senders.h"
#include "features/balance/balance_state.h"

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
