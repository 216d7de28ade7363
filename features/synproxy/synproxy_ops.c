/* SPDX-License-Identifier: Apache-2.0 */
/* synproxy show: the services, whether their SYNs are answered now, and what became of packets. */
#include "core/engine.h"
#include "features/synproxy/synproxy_state.h"

static void service_put(const struct synproxy *state, unsigned index, struct weir_json_out *json)
{
	const struct synproxy_text *text = &synproxy_section_of(state)->services[index];
	struct synproxy_view view;

	synproxy_look(state, index, &view);
	weir_json_open_object(json, NULL);
	weir_json_put_str(json, "ports", text->ports);
	weir_json_open_array(json, "to");
	for (unsigned i = 0; i < text->to_count; i++)
		weir_json_put_str(json, NULL, text->to[i]);
	weir_json_close_array(json);
	weir_json_put_str(json, "where", synproxy_where_names[text->where]);
	weir_json_put_str(json, "mode", synproxy_mode_names[text->mode]);
	weir_json_put_bool(json, "answering", view.is_on && !synproxy_lack());
	if (text->mode == SYNPROXY_RATE) {
		weir_json_put_uint(json, "syns", view.syns);
		weir_json_put_uint(json, "seconds_left", view.left_ns / 1000000000);
	}
	weir_json_close_object(json);
}

static int run_show(struct weir_engine *engine, struct weir_call *call)
{
	const struct synproxy *state = weir_engine_state(engine, &weir_synproxy);
	struct weir_json_out json = { .out = &call->reply };
	static const char *const names[] = {
#define X(identifier, name, help) name,
		SYNPROXY_COUNTERS(X)
#undef X
	};
	uint64_t sums[SYNPROXY_COUNTER_COUNT];

	synproxy_sums(state, sums);
	weir_json_open_object(&json, NULL);
	weir_json_open_array(&json, "services");
	for (unsigned i = 0; i < synproxy_section_of(state)->service_count; i++)
		service_put(state, i, &json);
	weir_json_close_array(&json);
	if (synproxy_lack_of(state))
		weir_json_put_str(&json, "lacks", synproxy_lack_of(state));
	for (size_t i = 0; i < SYNPROXY_COUNTER_COUNT; i++)
		weir_json_put_uint(&json, names[i], sums[i]);
	weir_json_close_object(&json);
	return 0;
}

static const struct weir_op show_op = {
	.name = "synproxy.show",
	.summary = "Show which SYNs are answered with cookies, and what came of it",
	.kind = WEIR_OP_READ,
	.role = WEIR_ROLE_VIEWER,
	.example = "synproxy show",
	.run = run_show,
};

const struct weir_op *const synproxy_ops[] = { &show_op, NULL };
