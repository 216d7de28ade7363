/* SPDX-License-Identifier: Apache-2.0 */
/* What services and backends there are: service list and show, service backend list, list-dnat. */
#include <errno.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "core/engine.h"
#include "features/balance/balance_change.h"
#include "features/balance/balance_maglev.h"
#include "features/balance/balance_reach.h"
#include "features/balance/health_given.h"

static struct balance *state_of(struct weir_engine *engine)
{
	return weir_engine_state(engine, &weir_balance);
}

static const char *origin_name(bool is_runtime)
{
	return is_runtime ? "runtime" : "file";
}

static const struct balance_live_backend *backend_at(const struct balance_live *live,
						     unsigned service, unsigned index)
{
	return &live->backends[live->services[service].first + index];
}

/* What run time changed of what the configuration says. */
static void backend_changes_put(const struct balance_live_backend *backend,
				struct weir_json_out *json)
{
	if (backend->is_drained)
		weir_json_put_bool(json, "drained", true);
	if (!backend->is_runtime && backend->weight != backend->weight_written)
		weir_json_put_uint(json, "weight_in_file", backend->weight_written);
}

static void backend_put(const struct balance *state, unsigned service, unsigned index,
			struct weir_json_out *json)
{
	const struct balance_live *live = state->live;
	const struct balance_live_backend *backend = backend_at(live, service, index);
	const char *word = health_backend_word(state, service, index);
	char address[WEIR_ADDR_TEXT];

	weir_json_open_object(json, NULL);
	weir_json_put_str(json, "service", live->all.services[service].name);
	weir_json_put_str(json, "address", weir_addr_to_string(&backend->end.addr, address));
	balance_ports_put(json, "port", balance_end_ports(&backend->end));
	weir_json_put_uint(json, "weight", backend->is_leaving ? 0 : backend->weight);
	if (word)
		weir_json_put_str(json, "state", word);
	weir_json_put_str(json, "origin", origin_name(backend->is_runtime));
	backend_changes_put(backend, json);
	weir_json_close_object(json);
}

/* Those that get new connections, or may. */
static void backends_put(const struct balance *state, unsigned service, struct weir_json_out *json)
{
	const struct balance_text *text = &state->live->all.services[service];

	for (unsigned i = 0; i < balance_staying(text); i++)
		backend_put(state, service, i, json);
}

/* A list of its own, where there are any: of the service, of all where it is -1. */
static void leaving_put(const struct balance *state, int service, struct weir_json_out *json)
{
	const struct balance_live *live = state->live;
	bool is_open = false;

	for (unsigned i = 0; i < live->all.service_count; i++) {
		const struct balance_text *text = &live->all.services[i];

		if (!text->leaving_count || (service >= 0 && i != (unsigned)service))
			continue;
		if (!is_open)
			weir_json_open_array(json, "leaving");
		is_open = true;
		for (unsigned j = text->leaving_count; j > 0; j--)
			backend_put(state, i, text->backend_count - j, json);
	}
	if (is_open)
		weir_json_close_array(json);
}

static unsigned changed_count(const struct balance_live *live, unsigned service)
{
	const struct balance_text *text = &live->all.services[service];
	unsigned count = 0;

	for (unsigned i = 0; i < balance_staying(text); i++)
		count += backend_at(live, service, i)->row != 0;
	return count;
}

static void service_members(const struct balance *state, unsigned index, struct weir_json_out *json)
{
	const struct balance_live *live = state->live;
	const struct balance_text *service = &live->all.services[index];
	const struct balance_live_service *of = &live->services[index];
	const char *word = health_service_word(state, index);
	unsigned changed = of->is_runtime ? 0 : changed_count(live, index);

	weir_json_put_str(json, "name", service->name);
	weir_json_put_str(json, "address", service->address);
	balance_ports_put(json, "port", service->port);
	weir_json_put_str(json, "proto", balance_proto_names[service->proto]);
	weir_json_put_str(json, "forward", balance_forward_names[service->forward]);
	weir_json_put_str(json, "scheduler", balance_scheduler_names[service->scheduler]);
	if (service->client_prefix)
		weir_json_put_uint(json, "client_prefix", service->client_prefix);
	if (service->affinity.timeout.value)
		weir_json_put_uint(json, "affinity_s",
				   service->affinity.timeout.value / WEIR_NS_PER_S);
	if (service->affinity.client_prefix)
		weir_json_put_uint(json, "affinity_prefix", service->affinity.client_prefix);
	if (service->source)
		weir_json_put_str(json, "source", service->source);
	if (service->announce)
		weir_json_put_bool(json, "announce", true);
	weir_json_put_str(json, "origin", origin_name(of->is_runtime));
	weir_json_put_bool(json, "enabled", of->is_enabled);
	if (word)
		weir_json_put_str(json, "state", word);
	weir_json_put_uint(json, "backends", balance_staying(service));
	if (changed)
		weir_json_put_uint(json, "backends_changed", changed);
}

/* Those of run time that the configuration leaves no place for. */
static void left_out_put(const struct balance *state, const struct balance_live *live,
			 struct weir_json_out *json)
{
	for (unsigned i = 0; i < state->runtime->service_count; i++) {
		const struct balance_text *text = &state->runtime->services[i];

		if (live->service_fates[i] == BALANCE_ACTS)
			continue;
		weir_json_open_object(json, NULL);
		weir_json_put_str(json, "name", text->name);
		weir_json_put_str(json, "address", text->address);
		balance_ports_put(json, "port", text->port);
		weir_json_put_str(json, "proto", balance_proto_names[text->proto]);
		weir_json_close_object(json);
	}
}

static bool is_all_in(const struct balance *state, const struct balance_live *live)
{
	bool is = true;

	for (unsigned i = 0; i < state->runtime->service_count; i++)
		is &= live->service_fates[i] == BALANCE_ACTS;
	return is;
}

static int run_list(struct weir_engine *engine, struct weir_call *call)
{
	struct balance *state = state_of(engine);
	const struct balance_live *live = balance_live_of(state);
	struct weir_json_out json = { .out = &call->reply };

	if (!live)
		return -ENOMEM;
	weir_json_open_object(&json, NULL);
	if (state->runtime->is_off)
		weir_json_put_str(&json, "note", "the balancer is off: weir lb enable");
	weir_json_open_array(&json, "services");
	for (unsigned i = 0; i < live->all.service_count; i++) {
		weir_json_open_object(&json, NULL);
		service_members(state, i, &json);
		weir_json_close_object(&json);
	}
	weir_json_close_array(&json);
	weir_json_open_array(&json, "backends");
	for (unsigned i = 0; i < live->all.service_count; i++)
		backends_put(state, i, &json);
	weir_json_close_array(&json);
	leaving_put(state, -1, &json);
	if (!is_all_in(state, live)) {
		weir_json_open_array(&json, "do_not_act");
		left_out_put(state, live, &json);
		weir_json_close_array(&json);
	}
	weir_json_close_object(&json);
	return 0;
}

static const struct weir_op list_op = {
	.name = "service.list",
	.summary = "List the services, and the backends that serve them",
	.kind = WEIR_OP_READ,
	.role = WEIR_ROLE_VIEWER,
	.example = "service list",
	.run = run_list,
};

static void health_put(const struct balance_text *service, enum weir_role role,
		       struct weir_json_out *json)
{
	const struct health_text *health = &service->health;

	health_given_show(health, role, json);
	if (health->type != HEALTH_NONE || service->on_all_down)
		weir_json_put_str(json, "on_all_down", health_all_down_names[service->on_all_down]);
}

static int run_show(struct weir_engine *engine, struct weir_call *call)
{
	struct balance *state = state_of(engine);
	const struct balance_live *live = balance_live_of(state);
	struct weir_json_out json = { .out = &call->reply };

	if (!live)
		return -ENOMEM;
	int service = balance_live_find(live, weir_call_str(call, "name"), "name", &call->diag);

	if (service < 0)
		return -ENOENT;
	weir_json_open_object(&json, NULL);
	service_members(state, (unsigned)service, &json);
	health_put(&live->all.services[service], call->role, &json);
	weir_json_open_array(&json, "served_by");
	backends_put(state, (unsigned)service, &json);
	weir_json_close_array(&json);
	leaving_put(state, service, &json);
	weir_json_close_object(&json);
	return 0;
}

static const struct weir_arg show_args[] = {
	{ "name", WEIR_ARG_STRING, WEIR_ARG_REQUIRED | WEIR_ARG_POSITIONAL, "NAME",
	  "the name of a service", NULL, NULL },
	{ 0 },
};

static const struct weir_op show_op = {
	.name = "service.show",
	.summary = "Show a service, and who serves it",
	.kind = WEIR_OP_READ,
	.role = WEIR_ROLE_VIEWER,
	.args = show_args,
	.example = "service show web",
	.run = run_show,
};

static int run_backend_list(struct weir_engine *engine, struct weir_call *call)
{
	struct balance *state = state_of(engine);
	const struct balance_live *live = balance_live_of(state);
	const char *name = weir_call_str(call, "service");
	struct weir_json_out json = { .out = &call->reply };

	if (!live)
		return -ENOMEM;
	int service = name ? balance_live_find(live, name, "service", &call->diag) : -1;

	if (name && service < 0)
		return -ENOENT;
	weir_json_open_object(&json, NULL);
	weir_json_open_array(&json, "backends");
	for (unsigned i = 0; i < live->all.service_count; i++)
		if (!name || i == (unsigned)service)
			backends_put(state, i, &json);
	weir_json_close_array(&json);
	leaving_put(state, service, &json);
	weir_json_close_object(&json);
	return 0;
}

static const struct weir_arg backend_list_args[] = {
	{ "service", WEIR_ARG_STRING, WEIR_ARG_POSITIONAL, "SERVICE", "of this service alone", NULL,
	  NULL },
	{ 0 },
};

static const struct weir_op backend_list_op = {
	.name = "service.backend.list",
	.summary = "List the backends of a service, or of all",
	.kind = WEIR_OP_READ,
	.role = WEIR_ROLE_VIEWER,
	.args = backend_list_args,
	.example = "service backend list web",
	.run = run_backend_list,
};

/* Enabled: it gets new connections. */
static void dnat_put(const struct balance *state, unsigned service, unsigned index, bool is_enabled,
		     struct weir_json_out *json)
{
	const struct balance_live *live = state->live;
	const struct balance_text *text = &live->all.services[service];
	const struct balance_live_backend *backend = backend_at(live, service, index);
	const char *word = health_backend_word(state, service, index);
	char address[WEIR_ADDR_TEXT];

	weir_json_open_object(json, NULL);
	weir_json_put_str(json, "service", text->name);
	weir_json_put_str(json, "vip", text->address);
	balance_ports_put(json, "vport", text->port);
	weir_json_put_str(json, "protocol", balance_proto_names[text->proto]);
	weir_json_put_str(json, "rip", weir_addr_to_string(&backend->end.addr, address));
	balance_ports_put(json, "rport", balance_end_ports(&backend->end));
	weir_json_put_bool(json, "enabled", is_enabled);
	if (word)
		weir_json_put_str(json, "state", word);
	weir_json_put_str(json, "origin", origin_name(backend->is_runtime));
	weir_json_close_object(json);
}

/* How many they are is added to *total. */
static int dnats_put(const struct balance *state, unsigned service, uint64_t *total,
		     struct weir_json_out *json)
{
	_cleanup_free_ struct balance_maglev_backend *shares = health_shares_new(state, service);
	unsigned stay = balance_staying(&state->live->all.services[service]);

	if (!shares)
		return -ENOMEM;
	for (unsigned i = 0; i < stay; i++)
		dnat_put(state, service, i, shares[i].weight, json);
	*total += stay;
	return 0;
}

static int run_dnat_list(struct weir_engine *engine, struct weir_call *call)
{
	struct balance *state = state_of(engine);
	uint64_t total = 0;
	const struct balance_live *live = balance_live_of(state);
	struct weir_json_out json = { .out = &call->reply };
	int r = live ? 0 : -ENOMEM;

	weir_json_open_object(&json, NULL);
	weir_json_open_array(&json, "dnat");
	for (unsigned i = 0; !r && i < live->all.service_count; i++)
		r = dnats_put(state, i, &total, &json);
	weir_json_close_array(&json);
	weir_json_put_uint(&json, "total", total);
	weir_json_close_object(&json);
	return r;
}

const struct weir_op balance_dnat_list_op = {
	.name = "lb.list-dnat",
	.summary = "List services and backends, a line each pair",
	.kind = WEIR_OP_READ,
	.role = WEIR_ROLE_VIEWER,
	.example = "lb list-dnat",
	.run = run_dnat_list,
};

const struct weir_op *const balance_ops[] = {
	&balance_add_op,
	&balance_set_op,
	&balance_del_op,
	&list_op,
	&show_op,
	&health_op,
	&announce_op,
	&balance_reach_op,
	&balance_stats_op,
	&balance_affinity_list_op,
	&balance_affinity_clear_op,
	&balance_enable_op,
	&balance_disable_op,
	&balance_backend_add_op,
	&balance_backend_del_op,
	&balance_backend_set_op,
	&balance_backend_drain_op,
	&balance_backend_undrain_op,
	&backend_list_op,
	&balance_dnat_add_op,
	&balance_dnat_list_op,
	&balance_dnat_remove_op,
	&balance_on_op,
	&balance_off_op,
	&balance_flows_op,
	&balance_cleanup_op,
	NULL,
};
