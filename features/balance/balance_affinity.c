/* SPDX-License-Identifier: Apache-2.0 */
/* Clients that are remembered: the keys of `affinity`, and the table where it is made anew. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/hash.h"
#include "base/units.h"
#include "features/balance/balance_affinity.h"

#define AFFINITY(member) offsetof(struct balance_affinity_text, member)
#define NAME_SEED 0x616666696eULL
#define LEAST_NS WEIR_NS_PER_S
#define TICK_SHIFT 24 /* of conntrack: 16.8 ms */
#define V4_BITS 32

const struct weir_field balance_affinity_fields[] = {
	{ .key = "timeout",
	  .type = WEIR_FIELD_DURATION,
	  .offset = AFFINITY(timeout),
	  .wants_value = true,
	  .least = LEAST_NS,
	  .most = BALANCE_AFFINITY_MOST_NS,
	  .help = "For how long behind the last packet of his connections. Without: nobody is "
		  "remembered." },
	{ .key = "client-prefix",
	  .type = WEIR_FIELD_UINT,
	  .offset = AFFINITY(client_prefix),
	  .least = 1,
	  .most = 128,
	  .wants_value = true,
	  .help = "How many bits of an address say who a client is. Without: all." },
	{ 0 },
};

int balance_affinity_check(const struct balance_section *section, unsigned index,
			   struct weir_diag *diag)
{
	char key[64];

	snprintf(key, sizeof(key), "balance.services[%u].affinity.client-prefix", index);
	return balance_affinity_prefix_check(&section->services[index], key,
					     "write `timeout: 10m` beside it, or leave it out",
					     diag);
}

int balance_affinity_prefix_check(const struct balance_text *service, const char *key,
				  const char *mend, struct weir_diag *diag)
{
	const struct balance_affinity_text *affinity = &service->affinity;
	struct balance_end end;

	if (affinity->client_prefix && !affinity->timeout.value)
		return weir_diag_key(diag, key, mend, "without a timeout nobody is remembered");
	if (affinity->client_prefix <= V4_BITS ||
	    balance_service_read_as(service, "", NULL, &end) || !weir_addr_is_v4(&end.addr))
		return 0;
	return weir_diag_key(diag, key, "write 1 to 32", "an IPv4 address has %d bits, not %u",
			     V4_BITS, affinity->client_prefix);
}

int balance_affinity_parse(const char *text, struct weir_diag *diag,
			   struct balance_affinity_text *ret_affinity)
{
	uint64_t ns = 0;

	if (weir_duration_from_string(text, &ns) || ns < LEAST_NS || ns > BALANCE_AFFINITY_MOST_NS)
		return weir_diag_key(diag, "affinity", "write 1s to 30d",
				     "'%.20s' is no time to remember a client for", text);
	ret_affinity->timeout.value = ns - ns % WEIR_NS_PER_S;
	return 0;
}

uint64_t balance_affinity_name(const struct balance_end *service)
{
	return weir_hash_bytes(service, sizeof(*service), NAME_SEED) | 1;
}

void balance_affinity_write(const struct balance_affinity_text *text,
			    const struct balance_end *service, struct balance_choice *choice)
{
	choice->name = balance_affinity_name(service);
	choice->timeout_ticks = (uint32_t)(text->timeout.value >> TICK_SHIFT);
	choice->mask = balance_prefix_mask(text->client_prefix, weir_addr_is_v4(&service->addr));
}

uint32_t balance_affinity_now(void)
{
	return (uint32_t)(weir_clock_coarse_ns() >> TICK_SHIFT);
}

bool balance_affinity_is_there(const struct balance_affinity *place, uint32_t now)
{
	return place->word & BALANCE_AFFINITY_NUMBER && !(place->word & BALANCE_AFFINITY_WRITTEN) &&
	       (int32_t)(place->expires_ticks - now) > 0;
}

struct balance_affinity_table balance_affinity_table(const struct weir_map_memory *memory)
{
	return (struct balance_affinity_table){
		.at = memory->at,
		.count = (uint32_t)(memory->bytes / sizeof(struct balance_affinity)),
	};
}

/* The place in his set that is free, or whose client would be forgotten first. */
static struct balance_affinity *place_for(const struct balance_affinity_table *table,
					  const struct balance_affinity *client, uint32_t now)
{
	uint64_t sets = table->count / BALANCE_AFFINITY_WAYS;
	struct balance_affinity *set =
		&table->at[(balance_affinity_hash(client) * sets >> 32) * BALANCE_AFFINITY_WAYS];
	struct balance_affinity *best = set;
	uint32_t least = UINT32_MAX;

	for (uint32_t i = 0; i < BALANCE_AFFINITY_WAYS; i++) {
		uint32_t left =
			balance_affinity_is_there(&set[i], now) ? set[i].expires_ticks - now : 0;

		if (left >= least)
			continue;
		least = left;
		best = &set[i];
	}
	return best;
}

void balance_affinity_bring(const struct balance_affinity_table *from,
			    const struct balance_affinity_table *to, uint32_t now)
{
	for (uint32_t i = 0; i < from->count; i++) {
		const struct balance_affinity client = from->at[i];

		if (!balance_affinity_is_there(&client, now))
			continue;
		struct balance_affinity *place = place_for(to, &client, now);

		if (!balance_affinity_is_there(place, now) ||
		    (int32_t)(client.expires_ticks - place->expires_ticks) > 0)
			*place = client;
	}
}

/* One set is a table for nobody. Nothing is in a larger one that is not known yet. */
static bool is_new(const struct balance_affinity_table *table)
{
	bool is = table->count > BALANCE_AFFINITY_WAYS;

	for (uint32_t i = 0; i < table->count && is; i++)
		is = !table->at[i].word;
	return is;
}

/* Where it has another size, who is remembered comes along. The program before may remember some
 * more until it is gone: they are not. */
int balance_affinity_attach(struct balance *state, struct weir_object *object)
{
	const struct weir_map *map = weir_object_map(object, "st_affinity");
	struct weir_map_memory memory = { 0 };
	int r = map ? weir_map_memory_open(map, &memory) : -ENOENT;

	if (r)
		return r;
	struct balance_affinity_table before = balance_affinity_table(&state->affinity),
				      now = balance_affinity_table(&memory);

	if (before.count > BALANCE_AFFINITY_WAYS && is_new(&now))
		balance_affinity_bring(&before, &now, balance_affinity_now());
	weir_map_memory_done(&state->affinity);
	state->affinity = memory;
	return 0;
}
