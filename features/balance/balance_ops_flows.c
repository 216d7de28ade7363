/* SPDX-License-Identifier: Apache-2.0 */
/* lb status and lb cleanup: the connections of clients to services, which connection tracking
 * knows; it is asked by its own operations. */
#include <errno.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/units.h"
#include "core/engine.h"
#include "core/inside.h"
#include "features/balance/balance_change.h"

#define WHO "balance"
#define SERVED "served=yes"
/* Those that neither begin nor end. */
#define ACTIVE SERVED " and not (stage=opening or stage=closing or stage=reset)"
#define LIMIT_DEFAULT 1000
/* As long as IPVS keeps a TCP connection that says nothing. */
#define IDLE_DEFAULT_NS (15 * 60 * WEIR_NS_PER_S)
/* When a flow was seen is written a second late at the most (CONN_REFRESH_TICKS, a little more than
 * that), and of packets that go by the flow cache four more (MICROFLOW_TICKS_MOST). */
#define LATE_MS 1007
#define LATE_CACHED_MS 5007

/* A call that waits for what connection tracking says. */
struct asking {
	struct weir_engine *engine;
	struct weir_call *call;
	const struct balance_live *live;
	uint64_t active; /* how many of the connections are */
};

/* What it refuses is told as it says it. */
static void asking_refused(const struct asking *asking, int result, const struct weir_diag *diag)
{
	for (size_t i = 0; diag && i < diag->count; i++)
		if (diag->entries[i].level == WEIR_DIAG_ERROR)
			weir_diag_error(&asking->call->diag, diag->entries[i].mend, "%s",
					diag->entries[i].what);
	weir_call_finish(asking->call, result);
}

static uint64_t total_of(const struct weir_json *reply)
{
	return (uint64_t)weir_json_int(weir_json_get(reply, "total"), 0);
}

static int ask(struct weir_engine *engine, struct weir_call *call, const char *op_name,
	       const char *args, weir_inside_fn *done)
{
	struct asking *asking = calloc(1, sizeof(*asking));

	if (!asking)
		return -ENOMEM;
	asking->engine = engine;
	asking->call = call;
	int r = weir_inside_run(engine, op_name, args, WHO, done, asking);

	if (r)
		free(asking);
	return r ? r : WEIR_OP_PENDING;
}

/* Who serves the flow, as packets know them; NULL: nobody of those there are. */
static const struct balance_live_backend *target_of(const struct asking *asking,
						    const struct weir_json *flow, int *ret_shift)
{
	const char *dst = weir_json_str(weir_json_get(flow, "dst"), ""),
		   *proto = weir_json_str(weir_json_get(flow, "proto"), "");
	const struct balance *state = weir_engine_state(asking->engine, &weir_balance);
	int known = balance_proto_parse(proto);
	struct balance_place key = {
		.port = (uint16_t)weir_json_int(weir_json_get(flow, "dport"), 0),
		.number = (uint16_t)weir_json_int(weir_json_get(flow, "backend_number"), 0),
		.proto = known < 0 ? 0 : balance_proto_number(known),
	};
	const struct balance_place *place = weir_addr_from_string(dst, strlen(dst), &key.service) ?
						    NULL :
						    balance_plan_number(&state->counts.live, &key);

	if (!place || place->service_index >= asking->live->acting.service_count)
		return NULL;
	int service = balance_live_service(
		asking->live, asking->live->acting.services[place->service_index].name);
	const struct balance_live_service *of = &asking->live->services[service];
	const struct balance_live_backend *target =
		&asking->live->backends[of->first + place->backend_index];

	*ret_shift = target->end.port - of->end.port;
	return target;
}

static void end_put(const struct weir_json *flow, const char *from, const char *from_port,
		    const char *key, const char *port_key, struct weir_json_out *json)
{
	weir_json_put_str(json, key, weir_json_str(weir_json_get(flow, from), NULL));
	weir_json_put_uint(json, port_key,
			   (uint64_t)weir_json_int(weir_json_get(flow, from_port), 0));
}

/* Where flows are counted; `in` is towards the service. */
static void carried_put(const struct weir_json *flow, struct weir_json_out *json)
{
	static const char *const keys[][2] = {
		{ "in_packets", "orig_packets" },
		{ "in_bytes", "orig_bytes" },
		{ "out_packets", "reply_packets" },
		{ "out_bytes", "reply_bytes" },
	};

	for (size_t i = 0; i < WEIR_ARRAY_SIZE(keys); i++)
		if (weir_json_get(flow, keys[i][1]))
			weir_json_put_uint(json, keys[i][0],
					   (uint64_t)weir_json_int(weir_json_get(flow, keys[i][1]),
								   0));
}

static void connection_put(struct asking *asking, const struct weir_json *flow,
			   struct weir_json_out *json)
{
	int64_t vport = weir_json_int(weir_json_get(flow, "dport"), 0);
	int shift = 0;
	const struct balance_live_backend *target = target_of(asking, flow, &shift);
	char address[WEIR_ADDR_TEXT];

	weir_json_open_object(json, NULL);
	weir_json_put_str(json, "protocol", weir_json_str(weir_json_get(flow, "proto"), NULL));
	end_put(flow, "src", "sport", "client", "client_port", json);
	end_put(flow, "dst", "dport", "vip", "vport", json);
	if (target) {
		weir_json_put_str(json, "target", weir_addr_to_string(&target->end.addr, address));
		weir_json_put_uint(json, "target_port", (uint16_t)(vport + shift));
	} else {
		weir_json_put_null(json, "target");
		weir_json_put_null(json, "target_port");
	}
	weir_json_put_str(json, "state", weir_json_str(weir_json_get(flow, "state"), NULL));
	weir_json_put_uint(json, "idle_s",
			   (uint64_t)weir_json_int(weir_json_get(flow, "idle_s"), 0));
	carried_put(flow, json);
	weir_json_close_object(json);
}

static void status_put(struct asking *asking, const struct balance *state,
		       const struct weir_json *reply)
{
	const struct weir_json *flows = weir_json_get(reply, "flows");
	struct weir_json_out json = { .out = &asking->call->reply };

	weir_json_open_object(&json, NULL);
	weir_json_put_str(&json, "state", state->runtime->is_off ? "disabled" : "enabled");
	weir_json_put_uint(&json, "services", asking->live->acting.service_count);
	weir_json_open_array(&json, "connections");
	for (size_t i = 0; i < weir_json_size(flows); i++)
		connection_put(asking, weir_json_at(flows, i), &json);
	weir_json_close_array(&json);
	weir_json_put_uint(&json, "shown", weir_json_size(flows));
	weir_json_put_uint(&json, "total", total_of(reply));
	weir_json_put_uint(&json, "active", asking->active);
	weir_json_close_object(&json);
}

static void status_told(void *arg, int result, const struct weir_json *reply,
			const struct weir_diag *diag)
{
	struct asking *asking = arg;
	struct balance *state = weir_engine_state(asking->engine, &weir_balance);

	asking->live = balance_live_of(state);
	if (!result && asking->live) {
		status_put(asking, state, reply);
		weir_call_finish(asking->call, 0);
	} else {
		asking_refused(asking, result ? result : -ENOMEM, diag);
	}
	free(asking);
}

static int connections_ask(struct asking *asking)
{
	_cleanup_buf_ struct weir_buf args = { 0 };

	weir_buf_addf(&args, "{\"filter\":\"%s\",\"limit\":%" PRIu64 "}", SERVED,
		      weir_call_uint(asking->call, "limit", LIMIT_DEFAULT));
	return args.failed ? -ENOMEM :
			     weir_inside_run(asking->engine, "flow.list", weir_buf_str(&args), WHO,
					     status_told, asking);
}

static void active_told(void *arg, int result, const struct weir_json *reply,
			const struct weir_diag *diag)
{
	struct asking *asking = arg;

	asking->active = total_of(reply);
	if (!result)
		result = connections_ask(asking);
	if (!result)
		return;
	asking_refused(asking, result, diag);
	free(asking);
}

static int run_status(struct weir_engine *engine, struct weir_call *call)
{
	return ask(engine, call, "flow.list", "{\"filter\":\"" ACTIVE "\",\"limit\":1}",
		   active_told);
}

static const struct weir_arg status_args[] = {
	{ "limit", WEIR_ARG_UINT, 0, "N", "show no more connections than so many", NULL, "1000" },
	{ 0 },
};

const struct weir_op balance_flows_op = {
	.name = "lb.status",
	.summary = "Show whether the balancer is on, and which client is served by whom",
	.kind = WEIR_OP_READ,
	.role = WEIR_ROLE_VIEWER,
	.args = status_args,
	.example = "lb status",
	.run = run_status,
};

static void cleanup_told(void *arg, int result, const struct weir_json *reply,
			 const struct weir_diag *diag)
{
	struct asking *asking = arg;
	struct weir_json_out json = { .out = &asking->call->reply };

	if (result) {
		asking_refused(asking, result, diag);
	} else {
		weir_json_open_object(&json, NULL);
		weir_json_put_uint(&json, "forgotten",
				   (uint64_t)weir_json_int(weir_json_get(reply, "flushed"), 0));
		weir_json_close_object(&json);
		weir_call_finish(asking->call, 0);
	}
	free(asking);
}

/* What flows look idle for of which nothing was heard for so long, whole seconds: nobody is to be
 * forgotten who may have been heard of since. 0: any. */
static uint64_t looks_idle_ms(const struct balance *state, uint64_t idle_ns)
{
	bool is_cached = balance_section_of(state)->shortcut == BALANCE_SHORTCUT_XDP;
	uint64_t idle_s = idle_ns / WEIR_NS_PER_S + !!(idle_ns % WEIR_NS_PER_S);

	return idle_s ? idle_s * 1000 + (is_cached ? LATE_CACHED_MS : LATE_MS) : 0;
}

static int run_cleanup(struct weir_engine *engine, struct weir_call *call)
{
	const char *text = weir_call_str(call, "idle");
	uint64_t idle_ns = IDLE_DEFAULT_NS;
	_cleanup_buf_ struct weir_buf args = { 0 };

	if (text)
		weir_duration_from_string(text, &idle_ns); /* it has been checked */
	if (idle_ns && idle_ns < WEIR_NS_PER_S)
		return weir_diag_key(&call->diag, "idle",
				     "write 1s at the least, or 0s: all connections to services",
				     "%s is shorter than flows are timed", text);
	weir_buf_addf(&args,
		      "{\"filter\":\"%s and (state=time_wait or state=reset or idle>=%" PRIu64
		      "ms)\"}",
		      SERVED, looks_idle_ms(weir_engine_state(engine, &weir_balance), idle_ns));
	return args.failed ? -ENOMEM :
			     ask(engine, call, "flow.flush", weir_buf_str(&args), cleanup_told);
}

static const struct weir_arg cleanup_args[] = {
	{ "idle", WEIR_ARG_DURATION, 0, "DURATION",
	  "how long nothing was heard of them; 0s: all connections to services", NULL, "15m" },
	{ 0 },
};

const struct weir_op balance_cleanup_op = {
	.name = "lb.cleanup",
	.summary = "Forget connections to services that are over, or that were idle for so long",
	.kind = WEIR_OP_WRITE,
	.role = WEIR_ROLE_OPERATOR,
	.args = cleanup_args,
	.example = "lb cleanup --idle 5m",
	.run = run_cleanup,
};
