/* SPDX-License-Identifier: Apache-2.0 */
/* What a state does to the shares of a service. */
#include <stdlib.h>
#include <string.h>

#include "features/balance/health_set.h"

static int by_bytes(const void *a, const void *b)
{
	return memcmp(a, b, sizeof(struct health_key));
}

struct health_set *health_set_new(size_t room)
{
	struct health_set *set =
		calloc(1, sizeof(*set) + room * (sizeof(set->keys[0]) + sizeof(set->notes[0])));

	if (set)
		set->notes = (void *)&set->keys[room];
	return set;
}

const struct health_key *health_set_find(const struct health_set *set, const struct health_key *key)
{
	return set ? bsearch(key, set->keys, set->count, sizeof(*key), by_bytes) : NULL;
}

static bool is_down(const struct health_set *set, const struct balance_end *service,
		    const struct balance_end *backend)
{
	const struct health_key key = { *service, *backend };

	return health_set_find(set, &key);
}

/* Of those that would get connections. */
static bool all_are_down(const struct health_set *set, const struct balance_end *service,
			 const struct balance_end *backends,
			 const struct balance_maglev_backend *shares, unsigned count)
{
	for (unsigned i = 0; i < count; i++)
		if (shares[i].weight && !is_down(set, service, &backends[i]))
			return false;
	return true;
}

void health_set_apply(const struct health_set *set, const struct balance_text *text,
		      const struct balance_end *service, const struct balance_end *backends,
		      struct balance_maglev_backend *shares)
{
	unsigned count = text->backend_count;

	if (!set || text->health.type == HEALTH_NONE ||
	    (text->on_all_down == HEALTH_KEEP_ALL &&
	     all_are_down(set, service, backends, shares, count)))
		return;
	for (unsigned i = 0; i < count; i++)
		if (is_down(set, service, &backends[i]))
			shares[i].weight = 0;
}

bool health_set_leaves(const struct health_set *set, const struct balance_text *text,
		       const struct balance_end *service, const struct balance_end *backend,
		       const struct balance_maglev_backend *share)
{
	return text->health.type != HEALTH_NONE && !share->weight && is_down(set, service, backend);
}
