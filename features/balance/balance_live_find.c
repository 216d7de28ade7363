/* SPDX-License-Identifier: Apache-2.0 */
/* Who of the services in force has a name, an address, or a port. */
#include "features/balance/balance_live_find.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/hash.h"

#define INDEX_SEED 0x6c697665ULL

static bool name_is(const void *list, uint32_t at, const void *key)
{
	const struct balance_live *live = list;

	return strcmp(live->all.services[at].name, key) == 0;
}

uint32_t *balance_live_name_cell(const struct balance_live *live, const char *name)
{
	return balance_index_cell(&live->names, weir_hash_bytes(name, strlen(name), INDEX_SEED),
				  name_is, live, name);
}

static bool end_is(const void *list, uint32_t at, const void *key)
{
	const struct balance_live *live = list;

	return memcmp(&live->uses[at].key, key, sizeof(struct balance_end)) == 0;
}

uint32_t *balance_live_end_cell(const struct balance_live *live, const struct balance_end *end)
{
	return balance_index_cell(&live->ends, weir_hash_bytes(end, sizeof(*end), INDEX_SEED),
				  end_is, live, end);
}

const struct balance_use *balance_live_use(const struct balance_live *live,
					   const struct balance_end *end)
{
	uint32_t at = *balance_live_end_cell(live, end);

	return at ? &live->uses[at - 1] : NULL;
}

int balance_live_service(const struct balance_live *live, const char *name)
{
	return live->names.cells ? (int)*balance_live_name_cell(live, name) - 1 : -1;
}

int balance_live_find(const struct balance_live *live, const char *name, const char *key,
		      struct weir_diag *diag)
{
	int service = balance_live_service(live, name);

	if (service < 0)
		weir_diag_key(diag, key, "see `weir service list`", "there is no service '%.40s'",
			      name);
	return service;
}

int balance_live_acting(const struct balance_live *live, const struct balance_runtime *runtime,
			const char *name, const char *key, struct weir_diag *diag)
{
	int service = balance_live_find(live, name, key, diag);
	char mend[sizeof("weir service enable ") + BALANCE_NAME_MAX];

	if (service < 0)
		return -ENOENT;
	if (!runtime->is_off && live->services[service].is_enabled)
		return service;
	snprintf(mend, sizeof(mend), "weir service enable %s", name);
	return weir_diag_key(diag, key, runtime->is_off ? "weir lb enable" : mend,
			     "the service '%s' does not act", name);
}

int balance_live_end(const struct balance_live *live, const struct balance_end *end,
		     int *ret_backend)
{
	const struct balance_use *use = live->ends.cells ? balance_live_use(live, end) : NULL;

	*ret_backend = use && !use->is_service ? (int)use->at : -1;
	return use ? (int)use->service : -1;
}

int balance_live_met(const struct balance_live *live, const struct balance_end *end)
{
	const struct balance_use *use = live->ends.cells ? balance_live_use(live, end) : NULL;
	const struct balance_span *wide =
		use && use->is_service ? NULL : balance_spans_service(&live->spans, end);

	if (use && use->is_service)
		return (int)use->service;
	return wide ? (int)wide->service : -1;
}

struct balance_span balance_live_span(const struct balance_live *live,
				      const struct balance_use *use)
{
	struct balance_span span =
		balance_span_of(use->service, use->is_service ? -1 : (int)use->at,
				&live->services[use->service].end, &use->end);

	span.is_leaving = use->is_leaving;
	return span;
}

/* Those of one port are not among the spans: only who has several is held against each. */
int balance_live_clash(const struct balance_live *live, const struct balance_span *span)
{
	const struct balance_span *other = balance_spans_clash(&live->spans, span);
	bool is_wide = balance_end_is_wide(&span->end);

	for (unsigned i = 0; !other && is_wide && i < live->use_count; i++) {
		const struct balance_use *use = &live->uses[i];
		struct balance_span single = balance_live_span(live, use);

		if (use->end.proto == span->end.proto && !use->key.only_in &&
		    memcmp(&use->end.addr, &span->end.addr, sizeof(use->end.addr)) == 0 &&
		    !balance_span_gives_way(&single, span) && balance_span_clashes(&single, span))
			return (int)use->service;
	}
	return other ? (int)other->service : -1;
}

int balance_live_backend(const struct balance_live *live, unsigned service,
			 const struct balance_end *end)
{
	struct balance_end key = balance_end_in(&live->all, service, end);
	int backend, owner = balance_live_end(live, &key, &backend);

	return owner == (int)service ? backend : -1;
}
