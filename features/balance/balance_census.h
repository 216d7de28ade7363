/* SPDX-License-Identifier: Apache-2.0 */
/* How many connections backends have in the table of flows: counted on request, and every few
 * seconds for who is told without asking. */
#ifndef WEIR_BALANCE_CENSUS_H
#define WEIR_BALANCE_CENSUS_H

#include <stdbool.h>
#include <stdint.h>

struct weir_engine;
struct balance;
struct balance_place;

struct balance_flows {
	uint32_t active;   /* answered, and not over */
	uint32_t inactive; /* all others */
};

void balance_flows_add(struct balance_flows *to, const struct balance_flows *from);
/* Looks at every flow, so it is for a worker's turn. ret_flows: of each place, zeros before. */
void balance_flows_count(struct weir_engine *engine, const struct balance *state,
			 struct balance_flows *ret_flows);

struct balance_census;
int balance_census_new(struct weir_engine *engine, struct balance_census **ret_census);
void balance_census_free(struct balance_census *census);
/* Loop, once a second or so. */
void balance_census_tick(struct balance_census *census, const struct balance *state,
			 uint64_t now_ns);
/* Whether anybody has counted yet. */
bool balance_census_is_taken(const struct balance_census *census);
/* Of a backend, as it was counted last; of one that came since, zeros. */
struct balance_flows balance_census_of(const struct balance_census *census,
				       const struct balance_place *place);

#endif
