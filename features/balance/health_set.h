/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who is down, as the policy is compiled by it. The worker that compiles reads a set while the loop
 * goes on checking; so a set never changes, and is replaced only before a worker begins
 * (health_change.c).
 */
#ifndef WEIR_HEALTH_SET_H
#define WEIR_HEALTH_SET_H

#include "features/balance/balance_maglev.h"
#include "features/balance/balance_state.h"
#include "features/balance/health_machine.h"

/* A backend as part of a service. Compared as bytes. */
struct health_key {
	struct balance_end service, backend;
};
_Static_assert(sizeof(struct health_key) == 48, "no bytes that nobody sets");

/* What else is kept of it beyond the end of the daemon (health_kept.c). */
struct health_note {
	uint64_t check; /* what its check went by: another check knows nothing */
	char reason[HEALTH_REASON_TEXT];
};

struct health_set {
	uint32_t count;
	struct health_note *notes; /* of each key, behind the last of them */
	struct health_key keys[];  /* in the order of their bytes */
};

/* Room for so many, of which it has none; to be freed with free(). NULL: -ENOMEM. */
struct health_set *health_set_new(size_t room);

/* health_change.c: NULL where there are none, and where nobody checks. */
const struct health_set *health_downs(const struct balance *state);
/* NULL: it is not in there. */
const struct health_key *health_set_find(const struct health_set *set,
					 const struct health_key *key);
/* Takes the weight of those that are down, or of nobody where all are and the service wants them
 * kept. `set` may be NULL. */
void health_set_apply(const struct health_set *set, const struct balance_text *text,
		      const struct balance_end *service, const struct balance_end *backends,
		      struct balance_maglev_backend *shares);
/* … behind that: whether what asks anew is to leave a backend, whoever else took its weight too. */
bool health_set_leaves(const struct health_set *set, const struct balance_text *text,
		       const struct balance_end *service, const struct balance_end *backend,
		       const struct balance_maglev_backend *share);

#endif
