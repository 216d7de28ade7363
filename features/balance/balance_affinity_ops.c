/* SPDX-License-Identifier: Apache-2.0 */
/* service affinity list and clear: which clients are remembered, for whom and for how long. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "core/engine.h"
#include "features/balance/balance_affinity.h"
#include "features/balance/balance_live.h"

#define TICK_SHIFT 24
#define LIMIT_DEFAULT 1000

/* A service by what it is called in the table. */
struct named {
	uint64_t name;
	struct balance_end end;
	unsigned index;
};

struct look {
	const struct balance *state;
	const struct balance_section *section;
	struct named *services; /* sorted; those that are asked for */
	unsigned count;
	uint32_t now;
	struct weir_addr client; /* all zero: any */
};

static int named_compare(const void *a, const void *b)
{
	const struct named *x = a, *y = b;

	return x->name < y->name ? -1 : x->name > y->name;
}

static int services_find(struct look *look, const char *only)
{
	look->services = calloc(look->section->service_count + 1ul, sizeof(*look->services));
	if (!look->services)
		return -ENOMEM;
	for (unsigned i = 0; i < look->section->service_count; i++) {
		struct named *named = &look->services[look->count];

		if (only && strcmp(only, look->section->services[i].name) != 0)
			continue;
		if (balance_service_read(look->section, i, NULL, &named->end))
			continue;
		named->name = balance_affinity_name(&named->end);
		named->index = i;
		look->count++;
	}
	qsort(look->services, look->count, sizeof(*look->services), named_compare);
	return 0;
}

/* The service that the client is remembered for; NULL: it is not asked for, or is no more. */
static const struct named *named_of(const struct look *look, const struct balance_affinity *place)
{
	const struct named key = { .name = place->service };

	if (!balance_affinity_is_there(place, look->now))
		return NULL;
	if ((look->client.be64[0] | look->client.be64[1]) &&
	    memcmp(&look->client, &place->client, sizeof(look->client)) != 0)
		return NULL;
	return bsearch(&key, look->services, look->count, sizeof(key), named_compare);
}

static void backend_put(const struct look *look, const struct named *named, uint16_t number,
			struct weir_json_out *json)
{
	const struct balance_text *service = &look->section->services[named->index];
	const struct balance_place key = {
		.service = named->end.addr,
		.port = named->end.port,
		.last = named->end.last,
		.proto = named->end.proto,
		.number = number,
	};
	const struct balance_place *place = balance_plan_number(&look->state->counts.live, &key);

	if (!place || place->backend_index >= service->backend_count) {
		weir_json_put_null(json, "backend");
		weir_json_put_null(json, "port");
		return;
	}
	const struct balance_backend_text *backend = &service->backends[place->backend_index];

	weir_json_put_str(json, "backend", backend->address);
	balance_ports_put(json, "port", balance_backend_ports(service, backend));
}

static void client_put(const struct look *look, const struct named *named,
		       const struct balance_affinity *place, struct weir_json_out *json)
{
	const struct balance_text *service = &look->section->services[named->index];
	char address[WEIR_ADDR_TEXT];

	weir_json_open_object(json, NULL);
	weir_json_put_str(json, "service", service->name);
	weir_json_put_str(json, "client", weir_addr_to_string(&place->client, address));
	if (service->affinity.client_prefix)
		weir_json_put_uint(json, "prefix", service->affinity.client_prefix);
	backend_put(look, named, place->word & BALANCE_AFFINITY_NUMBER, json);
	weir_json_put_uint(json, "expires_s",
			   ((uint64_t)(place->expires_ticks - look->now) << TICK_SHIFT) /
				   WEIR_NS_PER_S);
	weir_json_close_object(json);
}

static void clients_put(const struct look *look, uint64_t limit, struct weir_json_out *json)
{
	struct balance_affinity_table table = balance_affinity_table(&look->state->affinity);
	uint64_t total = 0;

	weir_json_open_array(json, "clients");
	for (uint32_t i = 0; i < table.count; i++) {
		const struct balance_affinity place = table.at[i];
		const struct named *named = named_of(look, &place);

		if (named && total++ < limit)
			client_put(look, named, &place, json);
	}
	weir_json_close_array(json);
	weir_json_put_uint(json, "shown", total < limit ? total : limit);
	weir_json_put_uint(json, "total", total);
}

static int look_begin(struct weir_engine *engine, struct weir_call *call, struct look *ret_look)
{
	struct balance *state = weir_engine_state(engine, &weir_balance);
	const char *only = weir_call_str(call, "service");
	int r = balance_acting_check(state, only, "service", &call->diag);

	if (r)
		return r;
	struct look look = {
		.state = state,
		.section = balance_acting_of(state),
		.now = balance_affinity_now(),
	};

	r = services_find(&look, only);
	if (r) {
		free(look.services);
		return r;
	}
	*ret_look = look;
	return 0;
}

static int run_list(struct weir_engine *engine, struct weir_call *call)
{
	struct weir_json_out json = { .out = &call->reply };
	struct look look;
	int r = look_begin(engine, call, &look);

	if (r)
		return r;
	weir_json_open_object(&json, NULL);
	clients_put(&look, weir_call_uint(call, "limit", LIMIT_DEFAULT), &json);
	weir_json_close_object(&json);
	free(look.services);
	return 0;
}

/* It reads what a change replaces on its worker, so it takes its turn there. */
static bool is_heavy(struct weir_engine *engine, const struct weir_call *call)
{
	(void)engine, (void)call;
	return true;
}

static const struct weir_arg list_args[] = {
	{ .name = "service",
	  .flags = WEIR_ARG_POSITIONAL,
	  .metavar = "SERVICE",
	  .help = "clients of this service alone" },
	{ .name = "limit",
	  .type = WEIR_ARG_UINT,
	  .metavar = "N",
	  .help = "show no more than so many",
	  .fallback = "1000" },
	{ 0 },
};

const struct weir_op balance_affinity_list_op = {
	.name = "service.affinity.list",
	.summary = "List the clients that services remember, with their backends",
	.kind = WEIR_OP_READ,
	.role = WEIR_ROLE_VIEWER,
	.args = list_args,
	.example = "service affinity list web",
	.run = run_list,
	.is_heavy = is_heavy,
};

/* A packet that was just about to prolong it finds nobody there. */
static uint64_t clients_clear(const struct look *look)
{
	struct balance_affinity_table table = balance_affinity_table(&look->state->affinity);
	uint64_t count = 0;

	for (uint32_t i = 0; i < table.count; i++) {
		const struct balance_affinity place = table.at[i];
		uint32_t word = place.word;

		if (named_of(look, &place) &&
		    __atomic_compare_exchange_n(&table.at[i].word, &word,
						(word & ~BALANCE_AFFINITY_NUMBER) +
							BALANCE_AFFINITY_TURN,
						false, __ATOMIC_ACQ_REL, __ATOMIC_RELAXED))
			count++;
	}
	return count;
}

static int client_read(struct weir_call *call, struct weir_addr *ret_client)
{
	const char *text = weir_call_str(call, "client");

	if (!text || weir_addr_from_string(text, strlen(text), ret_client) == 0)
		return 0;
	return weir_diag_key(&call->diag, "client", "write it as `service affinity list` has it",
			     "'%.45s' is no address", text);
}

static int run_clear(struct weir_engine *engine, struct weir_call *call)
{
	struct weir_json_out json = { .out = &call->reply };
	struct look look;
	int r = look_begin(engine, call, &look);

	if (r)
		return r;
	r = client_read(call, &look.client);
	if (!r) {
		weir_json_open_object(&json, NULL);
		weir_json_put_uint(&json, "forgotten", clients_clear(&look));
		weir_json_close_object(&json);
	}
	free(look.services);
	return r;
}

static const struct weir_arg clear_args[] = {
	{ .name = "service",
	  .flags = WEIR_ARG_POSITIONAL | WEIR_ARG_REQUIRED,
	  .metavar = "SERVICE",
	  .help = "the service whose clients are to be forgotten" },
	{ .name = "client",
	  .metavar = "ADDRESS",
	  .help = "this one alone, as service affinity list has it" },
	{ 0 },
};

const struct weir_op balance_affinity_clear_op = {
	.name = "service.affinity.clear",
	.summary = "Forget the clients that a service remembers; what lives goes on",
	.kind = WEIR_OP_WRITE,
	.role = WEIR_ROLE_OPERATOR,
	.args = clear_args,
	.example = "service affinity clear web",
	.run = run_clear,
};
