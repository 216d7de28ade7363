/* SPDX-License-Identifier: Apache-2.0 */
/* The table of clients that are remembered, from user space. Packets change it meanwhile. */
#ifndef WEIR_BALANCE_AFFINITY_H
#define WEIR_BALANCE_AFFINITY_H

#include "features/balance/balance_state.h"

struct balance_affinity_table {
	struct balance_affinity *at; /* BALANCE_AFFINITY_WAYS a set */
	uint32_t count;
};

struct balance_affinity_table balance_affinity_table(const struct weir_map_memory *memory);
/* As conntrack counts them. */
uint32_t balance_affinity_now(void);
bool balance_affinity_is_there(const struct balance_affinity *place, uint32_t now);
/* Whoever is remembered in the one is so in the other, which no packet knows yet; where his set is
 * full, those who would be forgotten first are left out. */
void balance_affinity_bring(const struct balance_affinity_table *from,
			    const struct balance_affinity_table *to, uint32_t now);

#endif
