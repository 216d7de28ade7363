/* SPDX-License-Identifier: Apache-2.0 */
/* Flows to services, and whose each is: the number is kept here, names elsewhere. */
#include <arpa/inet.h>
#include <stdio.h>

#include "base/cleanup.h"
#include "core/owner.h"
#include "core/served.h"
#include "features/conntrack/conntrack_state.h"
#include "features/conntrack/conntrack_view.h"

static struct weir_served_flow served_of(const struct conntrack_flow *flow)
{
	unsigned service = !conntrack_initiator(flow);
	enum conntrack_state state = conntrack_state_of(flow->key.proto, flow->word);

	return (struct weir_served_flow){
		.service = flow->key.addr[service],
		.port = ntohs(flow->key.port[service]),
		.number = flow->backend,
		.proto = flow->key.proto,
		.is_answered = flow->word & (CONNTRACK_ANSWERED | CONNTRACK_PICKED_UP),
		.is_over = state == CONNTRACK_FIN_WAIT || state == CONNTRACK_CLOSING ||
			   state == CONNTRACK_TIME_WAIT || state == CONNTRACK_RESET_SEEN,
		.has_ended = flow->key.proto == CONNTRACK_TCP && conntrack_is_over(flow->word),
	};
}

/* The text must last: one of this thread. */
const char *conntrack_backend_name(const struct conntrack_view *view)
{
	static _Thread_local char name[CONNTRACK_BACKEND_TEXT];
	struct weir_served_flow served = served_of(view->flow);
	_cleanup_buf_ struct weir_buf text = { 0 };

	if (!view->flow->backend)
		return NULL;
	if (weir_served_name(view->engine, &served, &text))
		snprintf(name, sizeof(name), "%s", weir_buf_str(&text));
	else
		snprintf(name, sizeof(name), "#%u", view->flow->backend); /* it went since */
	return name;
}

struct served_look {
	void (*each)(const struct weir_served_flow *flow, void *arg);
	void *arg;
};

static int served_visit(const struct conntrack_flow *flow, uint32_t index, void *arg)
{
	const struct served_look *look = arg;
	struct weir_served_flow served = served_of(flow);

	(void)index;
	if (flow->backend)
		look->each(&served, look->arg);
	return 0;
}

void conntrack_served_each(void *data, void (*each)(const struct weir_served_flow *flow, void *arg),
			   void *arg)
{
	struct conntrack *state = data;
	struct served_look look = { each, arg };

	/* As flows move, so that none is missed: old tables first, half-open ones before proven. */
	for (int i = CONNTRACK_TABLES - 1; i >= 0; i--)
		if (state->old[i].set_count && !conntrack_table_stays(state, i))
			conntrack_table_each(&state->old[i], conntrack_now(), served_visit, &look);
	for (int i = CONNTRACK_TABLES - 1; i >= 0; i--)
		conntrack_table_each(&state->tables[i], conntrack_now(), served_visit, &look);
}

struct weir_flow_ends conntrack_ends_of(const struct conntrack_view *view)
{
	const struct conntrack_flow *flow = view->flow;
	const struct conntrack_carried *carried = &view->carried;
	unsigned src = conntrack_initiator(flow);
	bool is_first = carried->last_ns[0] > carried->last_ns[1];

	return (struct weir_flow_ends){
		.src = flow->key.addr[src],
		.dst = flow->key.addr[!src],
		.sport = ntohs(flow->key.port[src]),
		.dport = ntohs(flow->key.port[!src]),
		.proto = flow->key.proto,
		.is_over = view->is_over,
		.first_ns = view->is_counted ? carried->first_ns : 0,
		.last_ns = view->is_counted ? carried->last_ns[!is_first] : 0,
	};
}

void conntrack_owner_put(const struct conntrack_view *view, struct weir_json_out *json)
{
	struct weir_flow_ends ends = conntrack_ends_of(view);

	if (conntrack_has_ports(view->flow))
		weir_owner_put(view->engine, &ends, json);
}

bool conntrack_owner_get(const struct conntrack_view *view, struct weir_owner *ret_owners)
{
	struct weir_flow_ends ends = conntrack_ends_of(view);

	return conntrack_has_ports(view->flow) && weir_owner_get(view->engine, &ends, ret_owners);
}
