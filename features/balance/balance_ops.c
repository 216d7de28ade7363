/* SPDX-License-Identifier: Apache-2.0 */
/* service list: the services, and who serves them. */
#include "core/engine.h"
#include "features/balance/balance_state.h"

static void backend_put(const struct balance_text *service,
			const struct balance_backend_text *backend, struct weir_json_out *json)
{
	weir_json_open_object(json, NULL);
	weir_json_put_str(json, "service", service->name);
	weir_json_put_str(json, "address", backend->address);
	weir_json_put_uint(json, "port", backend->port ? backend->port : service->port);
	weir_json_put_uint(json, "weight", backend->weight);
	weir_json_close_object(json);
}

static void service_put(const struct balance_text *service, struct weir_json_out *json)
{
	weir_json_open_object(json, NULL);
	weir_json_put_str(json, "name", service->name);
	weir_json_put_str(json, "address", service->address);
	weir_json_put_uint(json, "port", service->port);
	weir_json_put_str(json, "proto", balance_proto_names[service->proto]);
	weir_json_put_uint(json, "backends", service->backend_count);
	weir_json_close_object(json);
}

static int run_list(struct weir_engine *engine, struct weir_call *call)
{
	const struct balance *state = weir_engine_state(engine, &weir_balance);
	const struct balance_section *section = balance_section_of(state);
	struct weir_json_out json = { .out = &call->reply };

	weir_json_open_object(&json, NULL);
	weir_json_open_array(&json, "services");
	for (unsigned i = 0; i < section->service_count; i++)
		service_put(&section->services[i], &json);
	weir_json_close_array(&json);
	weir_json_open_array(&json, "backends");
	for (unsigned i = 0; i < section->service_count; i++)
		for (unsigned j = 0; j < section->services[i].backend_count; j++)
			backend_put(&section->services[i], &section->services[i].backends[j],
				    &json);
	weir_json_close_array(&json);
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

const struct weir_op *const balance_ops[] = { &list_op, &balance_stats_op, NULL };
