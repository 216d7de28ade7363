/* SPDX-License-Identifier: Apache-2.0 */
/* What services and backends are called where packets and flows are told of. */
#include "core/served.h"

#include <arpa/inet.h>

#include "features/balance/balance_live.h"

/* service/address:port */
static void place_name(const struct balance *state, const struct balance_place *place,
		       struct weir_buf *name)
{
	const struct balance_section *section = balance_acting_of(state);

	if (place->service_index >= section->service_count ||
	    place->backend_index >= section->services[place->service_index].backend_count)
		return;
	const struct balance_text *service = &section->services[place->service_index];
	const struct balance_backend_text *backend = &service->backends[place->backend_index];

	weir_buf_addf(name, "%s/", service->name);
	balance_backend_name(service, backend, name);
}

bool balance_served_name(void *data, const struct weir_served_flow *flow, struct weir_buf *name)
{
	const struct balance *state = data;
	const struct balance_place *place = balance_plan_flow(&state->counts.live, flow);

	if (place)
		place_name(state, place, name);
	return place;
}

/* The service of an end of a packet; -1: it is none's. */
static int service_at(const struct balance *state, const struct weir_addr *addr, uint16_t port,
		      uint8_t proto)
{
	const struct balance_end end = { .addr = *addr, .port = ntohs(port), .proto = proto };

	return state->live && !state->is_stale && port ? balance_live_met(state->live, &end) : -1;
}

/* The backend of a flow, by its number at one end of it. */
static const struct balance_place *place_at(const struct balance *state,
					    const struct weir_addr *addr, uint16_t port,
					    const struct weir_verdict *verdict)
{
	const struct weir_served_flow flow = {
		.service = *addr,
		.port = ntohs(port),
		.proto = verdict->proto,
		.number = verdict->owner,
	};

	return balance_plan_flow(&state->counts.live, &flow);
}

static const struct balance_place *backend_of(const struct balance *state,
					      const struct weir_verdict *verdict)
{
	if (verdict->backend)
		return balance_plan_row(&state->counts.live, verdict->backend);
	if (!verdict->owner)
		return NULL;
	return place_at(state, &verdict->dst, verdict->dport, verdict) ?:
		       place_at(state, &verdict->src, verdict->sport, verdict);
}

/* One that is disabled is not met, and so not named. */
static void service_put(const struct balance *state, const struct weir_verdict *verdict,
			struct weir_json_out *json)
{
	int service = service_at(state, &verdict->dst, verdict->dport, verdict->proto);

	if (service < 0)
		service = service_at(state, &verdict->src, verdict->sport, verdict->proto);
	if (service >= 0 && state->live->services[service].is_enabled && !state->runtime->is_off)
		weir_json_put_str(json, "service", state->live->all.services[service].name);
}

void balance_describe(void *data, const struct weir_verdict *verdict, struct weir_json_out *json)
{
	const struct balance *state = data;
	const struct balance_place *place = state ? backend_of(state, verdict) : NULL;
	_cleanup_buf_ struct weir_buf name = { 0 };

	if (!state)
		return;
	service_put(state, verdict, json);
	if (!place)
		return;
	place_name(state, place, &name);
	weir_json_put_str(json, "backend", weir_buf_str(&name));
}
