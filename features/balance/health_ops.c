/* SPDX-License-Identifier: Apache-2.0 */
/* service health: who is up, since when, and what the last check found. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "features/balance/balance_live.h"
#include "features/balance/health.h"

/* How much longer it is held down, whatever its checks say. */
static uint64_t held_s(const struct health_machine *machine)
{
	uint64_t now_ns = weir_clock_monotonic_ns();

	return machine->held_ns > now_ns && !health_machine_is_up(machine) ?
		       (machine->held_ns - now_ns) / WEIR_NS_PER_S + 1 :
		       0;
}

static void target_put(const struct health_target *target, struct weir_json_out *json)
{
	const struct health_machine *machine = &target->machine;
	char address[WEIR_ADDR_TEXT];

	weir_json_open_object(json, NULL);
	weir_json_put_str(json, "service", target->text->name);
	weir_json_put_str(json, "address", weir_addr_to_string(&target->key.backend.addr, address));
	balance_ports_put(json, "port", balance_end_ports(&target->key.backend));
	weir_json_put_str(json, "check", health_type_names[target->text->health.type]);
	weir_json_put_str(json, "state", health_state_name(machine->state));
	weir_json_put_moment(json, "since", machine->since_ns);
	weir_json_put_uint(json, "held_s", held_s(machine));
	weir_json_put_uint(json, "checks", machine->checks);
	weir_json_put_uint(json, "failed", machine->failed);
	weir_json_put_uint(json, "unasked", machine->unasked);
	weir_json_put_str(json, "reason", machine->reason);
	weir_json_close_object(json);
}

static void service_put(const struct health *health, const struct balance_section *section,
			unsigned index, struct weir_json_out *json)
{
	struct health_key key;

	if (balance_service_read(section, index, NULL, &key.service))
		return;
	for (unsigned i = 0; i < balance_staying(&section->services[index]); i++) {
		const struct health_target *target = NULL;

		if (!balance_backend_read(section, index, i, NULL, &key.backend))
			target = health_find(health, &key);
		if (target)
			target_put(target, json);
	}
}

/* Those that leave are not checked, nor is a service that no packet meets. */
static const struct health_target *target_of(const struct balance *state, unsigned service,
					     unsigned index)
{
	const struct balance_live_service *of = &state->live->services[service];
	const struct health_key key = { of->end, state->live->backends[of->first + index].end };

	return state->health ? health_find(state->health, &key) : NULL;
}

static bool is_met(const struct balance *state, unsigned service)
{
	return !state->runtime->is_off && state->live->services[service].is_enabled;
}

const char *health_backend_word(const struct balance *state, unsigned service, unsigned index)
{
	const struct balance_live *live = state->live;
	const struct balance_live_backend *backend =
		&live->backends[live->services[service].first + index];

	if (live->all.services[service].health.type == HEALTH_NONE || backend->is_leaving)
		return NULL;
	if (!is_met(state, service))
		return "disabled";
	if (backend->is_drained)
		return "drained";
	const struct health_target *target = target_of(state, service, index);

	return health_state_name(target ? target->machine.state : HEALTH_UNCHECKED);
}

/* Of those that are to get new connections: who is drained or has no weight, nobody misses. */
const char *health_service_word(const struct balance *state, unsigned service)
{
	const struct balance_text *text = &state->live->all.services[service];
	const struct balance_live_backend *backends =
		&state->live->backends[state->live->services[service].first];
	unsigned counts[HEALTH_STATES] = { 0 }, wanted = 0;

	if (text->health.type == HEALTH_NONE)
		return NULL;
	if (!is_met(state, service))
		return "disabled";
	for (unsigned i = 0; i < balance_staying(text); i++) {
		const struct health_target *target = target_of(state, service, i);

		if (backends[i].is_drained || !backends[i].weight)
			continue;
		counts[target ? target->machine.state : HEALTH_UNCHECKED]++;
		wanted++;
	}
	if (!wanted && balance_staying(text))
		return "drained";
	if (!(counts[HEALTH_UP] + counts[HEALTH_UNCHECKED]))
		return health_state_name(HEALTH_DOWN);
	if (counts[HEALTH_DOWN] + counts[HEALTH_DAMPED])
		return "degraded";
	return health_state_name(counts[HEALTH_UP] ? HEALTH_UP : HEALTH_UNCHECKED);
}

struct balance_maglev_backend *health_shares_new(const struct balance *state, unsigned service)
{
	const struct balance_text *text = &state->live->all.services[service];
	const struct balance_live_service *of = &state->live->services[service];
	const size_t room = text->backend_count + 1ul;
	_cleanup_free_ struct balance_end *ends = calloc(room, sizeof(*ends));
	_cleanup_free_ struct balance_maglev_backend *shares = calloc(room, sizeof(*shares));

	if (!ends || !shares)
		return NULL;
	for (unsigned i = 0; i < text->backend_count && is_met(state, service); i++) {
		ends[i] = state->live->backends[of->first + i].end;
		shares[i].weight = text->backends[i].weight;
	}
	health_set_apply(health_downs(state), text, &of->end, ends, shares);
	return weir_take(shares);
}

static int run_health(struct weir_engine *engine, struct weir_call *call)
{
	struct balance *state = weir_engine_state(engine, &weir_balance);
	const struct balance_live *live = balance_live_of(state);
	const char *service = weir_call_str(call, "service");
	struct weir_json_out json = { .out = &call->reply };

	if (!live)
		return -ENOMEM;
	if (service && balance_live_find(live, service, "service", &call->diag) < 0)
		return -ENOENT;
	const struct balance_section *section = &live->acting;

	weir_json_open_object(&json, NULL);
	weir_json_open_array(&json, "backends");
	for (unsigned i = 0; i < section->service_count; i++)
		if (!service || !strcmp(service, section->services[i].name))
			service_put(state->health, section, i, &json);
	weir_json_close_array(&json);
	weir_json_close_object(&json);
	return 0;
}

static const struct weir_arg health_args[] = {
	{ .name = "service",
	  .type = WEIR_ARG_STRING,
	  .flags = WEIR_ARG_POSITIONAL,
	  .metavar = "SERVICE",
	  .help = "Only the backends of this service" },
	{ 0 },
};

const struct weir_op health_op = {
	.name = "service.health",
	.summary = "Show which backends are up, and what their last check found",
	.kind = WEIR_OP_READ,
	.role = WEIR_ROLE_VIEWER,
	.args = health_args,
	.example = "service health web",
	.run = run_health,
};
