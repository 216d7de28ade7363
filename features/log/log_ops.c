/* SPDX-License-Identifier: Apache-2.0 */
/* log check: what doctor asks a daemon that runs. */
#include "features/log/log_state.h"

/* As doctor's. */
static void check_put(struct log_sink *sink, const char *name, struct weir_json_out *json)
{
	_cleanup_buf_ struct weir_buf check = { 0 }, found = { 0 };
	struct log_sink_view view;

	log_sink_look(sink, &view);
	if (!view.is_on)
		return;
	bool is_ok = !view.problem[0];

	weir_buf_addf(&check, "log %s", name);
	weir_buf_addf(&found, "%s", is_ok ? view.where : view.problem);
	weir_buf_addf(&found, ": %llu lines written, %llu lost, %llu wait",
		      (unsigned long long)view.written, (unsigned long long)view.lost_all,
		      (unsigned long long)view.waiting);
	weir_json_open_object(json, NULL);
	weir_json_put_str(json, "check", weir_buf_str(&check));
	weir_json_put_bool(json, "ok", is_ok);
	weir_json_put_str(json, "level", is_ok ? "ok" : "warning");
	weir_json_put_str(json, "found", weir_buf_str(&found));
	weir_json_put_str(json, "mend",
			  is_ok ? NULL :
				  "free space there, or let root write there; it goes on "
				  "by itself");
	weir_json_close_object(json);
}

static int run_check(struct weir_engine *engine, struct weir_call *call)
{
	const struct log_state *state = weir_engine_state(engine, &weir_log_feature);
	struct weir_json_out json = { .out = &call->reply };

	weir_json_open_object(&json, NULL);
	weir_json_open_array(&json, "checks");
	for (int place = 0; state && place < LOG_PLACES; place++)
		if (state->sinks[place])
			check_put(state->sinks[place], log_place_names[place], &json);
	weir_json_close_array(&json);
	weir_json_close_object(&json);
	return 0;
}

static const struct weir_op check_op = {
	.name = "log.check",
	.summary = "Say whether the log can be written, and what was lost of it",
	.kind = WEIR_OP_READ,
	.role = WEIR_ROLE_VIEWER,
	.example = "log check",
	.run = run_check,
};

const struct weir_op *const log_ops[] = { &check_op, NULL };
