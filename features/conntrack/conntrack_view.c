/* SPDX-License-Identifier: Apache-2.0 */
/* A flow's names, and its JSON. */
#include "features/conntrack/conntrack_view.h"

#include <arpa/inet.h>
#include <net/if.h>
#include <stdio.h>

#include "base/addr.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "core/snapshot.h"
#include "features/conntrack/conntrack_idle.h"
#include "features/conntrack/conntrack_words.h"

const char *const conntrack_state_words[] = {
#define X(identifier, name, fallback, help) name,
	CONNTRACK_STATES(X)
#undef X
		NULL,
};

const char *const conntrack_stage_words[] = { "opening", "established", "closing", "reset", NULL };

/* By number; "other" is all the rest. */
static const struct {
	uint8_t number;
	const char *name;
} protos[] = {
	{ 1, "icmp" },	  { 2, "igmp" },  { 4, "ipip" },   { 6, "tcp" },    { 17, "udp" },
	{ 33, "dccp" },	  { 41, "ipv6" }, { 47, "gre" },   { 50, "esp" },   { 51, "ah" },
	{ 58, "icmpv6" }, { 89, "ospf" }, { 112, "vrrp" }, { 132, "sctp" }, { 136, "udplite" },
};

#define PROTOS WEIR_ARRAY_SIZE(protos)

const char *const conntrack_proto_words[] = { "icmp", "igmp", "ipip",	 "tcp",	  "udp",    "dccp",
					      "ipv6", "gre",  "esp",	 "ah",	  "icmpv6", "ospf",
					      "vrrp", "sctp", "udplite", "other", NULL };
const char *const conntrack_table_words[] = { "proven", "half-open", NULL };

unsigned conntrack_initiator(const struct conntrack_flow *flow)
{
	return !!(flow->word & CONNTRACK_SECOND);
}

const char *conntrack_state_name(enum conntrack_state state)
{
	return state < CONNTRACK_STATE_COUNT ? conntrack_state_words[state] : "?";
}

enum conntrack_stage conntrack_stage_of(enum conntrack_state state)
{
	switch (state) {
	case CONNTRACK_SYN_SENT:
	case CONNTRACK_SYN_RECEIVED:
		return CONNTRACK_STAGE_OPENING;
	case CONNTRACK_ESTABLISHED:
		return CONNTRACK_STAGE_ESTABLISHED;
	case CONNTRACK_FIN_WAIT:
	case CONNTRACK_CLOSING:
	case CONNTRACK_TIME_WAIT:
		return CONNTRACK_STAGE_CLOSING;
	case CONNTRACK_RESET_SEEN:
		return CONNTRACK_STAGE_RESET;
	default:
		return CONNTRACK_STAGE_NONE;
	}
}

const char *conntrack_stage_name(enum conntrack_state state)
{
	return conntrack_stage_words[conntrack_stage_of(state)];
}

enum conntrack_state conntrack_view_state(const struct conntrack_view *view)
{
	return conntrack_state_of(view->flow->key.proto, view->flow->word);
}

size_t conntrack_proto_word(uint8_t proto)
{
	size_t i = 0;

	while (i < PROTOS && protos[i].number != proto)
		i++;
	return i;
}

static uint64_t ticks_ns(uint32_t ticks)
{
	return (uint64_t)ticks << CONNTRACK_TICK_SHIFT;
}

uint64_t conntrack_age_ns(const struct conntrack_view *view)
{
	return ticks_ns(view->now - view->flow->born);
}

uint64_t conntrack_expires_ns(const struct conntrack_view *view)
{
	int32_t left = (int32_t)(view->flow->expires_ticks - view->now);

	return left > 0 ? ticks_ns((uint32_t)left) : 0;
}

uint64_t conntrack_idle_ns(const struct conntrack_view *view)
{
	return ticks_ns(conntrack_idle_ticks(view->past, view->flow, view->now));
}

uint32_t conntrack_place_index(const struct conntrack_flow *flow, unsigned bit)
{
	uint32_t place = (uint32_t)(flow->let_in >> bit);

	return place & CONNTRACK_PLACE ? place & CONNTRACK_PLACE_INDEX : 0;
}

static void place_name_get(uint32_t index, char name[IF_NAMESIZE])
{
	if (!if_indextoname(index, name))
		snprintf(name, IF_NAMESIZE, "#%u", index);
}

const char *conntrack_place_name(const struct conntrack_view *view, unsigned bit)
{
	static _Thread_local char names[2][IF_NAMESIZE];
	uint32_t index = conntrack_place_index(view->flow, bit);
	unsigned place = bit == CONNTRACK_PLACE_IN;

	if (!index)
		return NULL;
	if (!view->names) {
		place_name_get(index, names[place]);
		return names[place];
	}
	uint32_t at = index % CONNTRACK_NAMES_KNOWN;

	if (view->names->known[place][at].index != index) {
		view->names->known[place][at].index = index;
		place_name_get(index, view->names->known[place][at].name);
	}
	return view->names->known[place][at].name;
}

bool conntrack_is_icmp(const struct conntrack_flow *flow)
{
	return flow->key.proto == CONNTRACK_ICMP || flow->key.proto == CONNTRACK_ICMPV6;
}

bool conntrack_has_ports(const struct conntrack_flow *flow)
{
	return !conntrack_is_icmp(flow) && (flow->key.port[0] | flow->key.port[1]);
}

uint16_t conntrack_flow_rule(const struct conntrack_flow *flow)
{
	return flow->rule == CONNTRACK_RULE_ALLOWED ? 0 : flow->rule;
}

const char *conntrack_proto_name(uint8_t proto, char number[4])
{
	size_t word = conntrack_proto_word(proto);

	if (word < PROTOS)
		return protos[word].name;
	snprintf(number, 4, "%u", proto);
	return number;
}

uint64_t conntrack_tick_ns(uint32_t tick)
{
	uint64_t now = weir_clock_monotonic_ns() >> CONNTRACK_TICK_SHIFT;

	return (now - (uint64_t)(int32_t)((uint32_t)now - tick)) << CONNTRACK_TICK_SHIFT;
}

static void put_end(const struct conntrack_flow *flow, unsigned end, const char *addr_key,
		    const char *port_key, struct weir_json_out *json)
{
	char text[WEIR_ADDR_TEXT];

	weir_json_put_str(json, addr_key, weir_addr_to_string(&flow->key.addr[end], text));
	if (conntrack_has_ports(flow))
		weir_json_put_uint(json, port_key, ntohs(flow->key.port[end]));
}

/* With its ends it tells a flow from those that had them before. */
static void put_times(const struct conntrack_view *view, struct weir_json_out *json)
{
	if (!view->is_replayed)
		weir_json_put_uint(json, "born_ns", conntrack_tick_ns(view->flow->born));
	weir_json_put_uint(json, "age_s", conntrack_age_ns(view) / WEIR_NS_PER_S);
	weir_json_put_uint(json, "idle_s", conntrack_idle_ns(view) / WEIR_NS_PER_S);
	weir_json_put_uint(json, "expires_s", conntrack_expires_ns(view) / WEIR_NS_PER_S);
}

static void put_marks(const struct conntrack_flow *flow, struct weir_json_out *json)
{
	weir_json_put_bool(json, "answered", flow->word & CONNTRACK_ANSWERED);
	weir_json_put_bool(json, "picked_up", flow->word & CONNTRACK_PICKED_UP);
	weir_json_put_bool(json, "granted", flow->word & CONNTRACK_GRANTED);
	weir_json_put_bool(json, "relayed", flow->word & CONNTRACK_RELAYED);
	if (flow->word & CONNTRACK_MARKED)
		weir_json_put_uint(json, "mark", flow->mark);
	if (conntrack_flow_rule(flow))
		weir_json_put_uint(json, "rule", conntrack_flow_rule(flow));
	if (flow->backend)
		weir_json_put_uint(json, "backend_number", flow->backend);
}

/* Those that no packet has met since they were taken over have none, nor have those of rules that
 * are asked of each packet (`schedule`): nothing is noted of either. */
static enum weir_reason verdict_reason(const struct conntrack_flow *flow)
{
	if (!(flow->let_in >> 32))
		return WEIR_PASS;
	if (conntrack_flow_rule(flow))
		return WEIR_PASS_RULE;
	if (flow->word & CONNTRACK_GRANTED)
		return flow->word & CONNTRACK_PICKED_UP ? WEIR_PASS_ESTABLISHED : WEIR_PASS_RELATED;
	return flow->rule == CONNTRACK_RULE_ALLOWED ? WEIR_PASS_ALLOWED : WEIR_PASS_POLICY;
}

/* Nothing is kept of what is dropped, so there is one verdict. */
static void put_verdict(const struct conntrack_flow *flow, struct weir_json_out *json)
{
	enum weir_reason reason = verdict_reason(flow);

	if (!reason)
		return;
	weir_json_put_str(json, "verdict", "pass");
	weir_json_put_str(json, "verdict_reason", weir_reason_name(reason));
}

void conntrack_view_members(const struct conntrack_view *view, struct weir_json_out *json)
{
	const struct conntrack_flow *flow = view->flow;
	enum conntrack_state state = conntrack_view_state(view);
	unsigned src = conntrack_initiator(flow);
	char number[4];

	weir_json_put_str(json, "proto", conntrack_proto_name(flow->key.proto, number));
	put_end(flow, src, "src", "sport", json);
	put_end(flow, !src, "dst", "dport", json);
	if (conntrack_is_icmp(flow)) {
		weir_json_put_uint(json, "icmp_id", ntohs(flow->key.port[src]));
		weir_json_put_uint(json, "icmp_type", ntohs(flow->key.port[!src]));
	}
	weir_json_put_str(json, "state", conntrack_state_name(state));
	weir_json_put_str(json, "stage", conntrack_stage_name(state));
	weir_json_put_str(json, "table", conntrack_table_words[view->table]);
	weir_json_put_str(json, "in", conntrack_place_name(view, CONNTRACK_PLACE_IN));
	weir_json_put_str(json, "out", conntrack_place_name(view, CONNTRACK_PLACE_OUT));
	if (flow->backend)
		weir_json_put_str(json, "backend", conntrack_backend_name(view));
	conntrack_carried_put(view, json);
	put_times(view, json);
	put_marks(flow, json);
	put_verdict(flow, json);
	conntrack_owner_put(view, json);
}

void conntrack_view_put(const struct conntrack_view *view, struct weir_json_out *json)
{
	weir_json_open_object(json, NULL);
	conntrack_view_members(view, json);
	weir_json_close_object(json);
}
