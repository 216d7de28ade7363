/* SPDX-License-Identifier: Apache-2.0 */
/* Names, fields and JSON of a flow. */
#include "features/conntrack/conntrack_view.h"

#include <arpa/inet.h>
#include <net/if.h>
#include <stdio.h>

#include "base/addr.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "features/conntrack/conntrack_idle.h"

static const char *const state_names[] = {
#define X(identifier, name, fallback, help) name,
	CONNTRACK_STATES(X)
#undef X
		NULL,
};

enum stage {
	STAGE_OPENING,
	STAGE_ESTABLISHED,
	STAGE_CLOSING,
	STAGE_RESET,
	STAGE_NONE
};

static const char *const stage_names[] = { "opening", "established", "closing", "reset", NULL };

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

static const char *const proto_words[] = { "icmp", "igmp", "ipip",    "tcp",   "udp",	 "dccp",
					   "ipv6", "gre",  "esp",     "ah",    "icmpv6", "ospf",
					   "vrrp", "sctp", "udplite", "other", NULL };
static const char *const family_words[] = { "ipv4", "ipv6", NULL };
static const char *const table_words[] = { "proven", "half-open", NULL };
static const char *const yes_words[] = { "no", "yes", NULL };

enum field {
	FIELD_SRC,
	FIELD_DST,
	FIELD_HOST,
	FIELD_SPORT,
	FIELD_DPORT,
	FIELD_PORT,
	FIELD_PROTO,
	FIELD_STATE,
	FIELD_STAGE,
	FIELD_FAMILY,
	FIELD_TABLE,
	FIELD_INTERFACE,
	FIELD_AGE,
	FIELD_IDLE,
	FIELD_EXPIRES,
	FIELD_MARK,
	FIELD_RULE,
	FIELD_RELAYED,
	FIELD_SERVED,
	FIELD_BACKEND,
	FIELD_PACKETS,
	FIELD_BYTES,
};

const struct weir_filter_field conntrack_filter_fields[] = {
	[FIELD_SRC] = { "src", "address of who began it", WEIR_FILTER_ADDRESS },
	[FIELD_DST] = { "dst", "address of the other side", WEIR_FILTER_ADDRESS },
	[FIELD_HOST] = { "host", "either address", WEIR_FILTER_ADDRESS },
	[FIELD_SPORT] = { "sport", "port of who began it", WEIR_FILTER_NUMBER, .max = 65535 },
	[FIELD_DPORT] = { "dport", "port of the other side", WEIR_FILTER_NUMBER, .max = 65535 },
	[FIELD_PORT] = { "port", "either port", WEIR_FILTER_NUMBER, .max = 65535 },
	[FIELD_PROTO] = { "proto", "protocol", WEIR_FILTER_WORD, .words = proto_words },
	[FIELD_STATE] = { "state", "state", WEIR_FILTER_WORD, .words = state_names },
	[FIELD_STAGE] = { "stage", "of TCP and SCTP: the state in four words", WEIR_FILTER_WORD,
			  .words = stage_names },
	[FIELD_FAMILY] = { "family", "IP version", WEIR_FILTER_WORD, .words = family_words },
	[FIELD_TABLE] = { "table", "where it is kept", WEIR_FILTER_WORD, .words = table_words },
	[FIELD_INTERFACE] = { "interface", "where it was let in or out", WEIR_FILTER_TEXT },
	[FIELD_AGE] = { "age", "time since it began", WEIR_FILTER_DURATION },
	[FIELD_IDLE] = { "idle", "time since its last packet, to a second", WEIR_FILTER_DURATION },
	[FIELD_EXPIRES] = { "expires", "time until it is forgotten", WEIR_FILTER_DURATION },
	[FIELD_MARK] = { "mark", "mark its packets get", WEIR_FILTER_NUMBER, .max = 0xffffffff },
	[FIELD_RULE] = { "rule", "number of the rule that let it in", WEIR_FILTER_NUMBER },
	[FIELD_RELAYED] = { "relayed", "whether a SYN proxy answered its SYN, and translates it",
			    WEIR_FILTER_WORD, .words = yes_words },
	[FIELD_SERVED] = { "served", "whether it is to a service of the balancer, by a backend",
			   WEIR_FILTER_WORD, .words = yes_words },
	[FIELD_BACKEND] = { "backend", "of a service: service/address:port", WEIR_FILTER_TEXT },
	[FIELD_PACKETS] = { "packets", "packets of both directions", WEIR_FILTER_NUMBER },
	[FIELD_BYTES] = { "bytes", "bytes of both directions, as on the wire", WEIR_FILTER_BYTES },
	{ 0 },
};

unsigned conntrack_initiator(const struct conntrack_flow *flow)
{
	return !!(flow->word & CONNTRACK_SECOND);
}

const char *conntrack_state_name(enum conntrack_state state)
{
	return state < CONNTRACK_STATE_COUNT ? state_names[state] : "?";
}

static enum stage stage_of(enum conntrack_state state)
{
	switch (state) {
	case CONNTRACK_SYN_SENT:
	case CONNTRACK_SYN_RECEIVED:
		return STAGE_OPENING;
	case CONNTRACK_ESTABLISHED:
		return STAGE_ESTABLISHED;
	case CONNTRACK_FIN_WAIT:
	case CONNTRACK_CLOSING:
	case CONNTRACK_TIME_WAIT:
		return STAGE_CLOSING;
	case CONNTRACK_RESET_SEEN:
		return STAGE_RESET;
	default:
		return STAGE_NONE;
	}
}

const char *conntrack_stage_name(enum conntrack_state state)
{
	return stage_names[stage_of(state)];
}

static enum conntrack_state view_state(const struct conntrack_view *view)
{
	return conntrack_state_of(view->flow->key.proto, view->flow->word);
}

static size_t proto_word(uint8_t proto)
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

static uint64_t age_ns(const struct conntrack_view *view)
{
	return ticks_ns(view->now - view->flow->born);
}

static uint64_t expires_ns(const struct conntrack_view *view)
{
	int32_t left = (int32_t)(view->flow->expires_ticks - view->now);

	return left > 0 ? ticks_ns((uint32_t)left) : 0;
}

static uint64_t idle_ns(const struct conntrack_view *view)
{
	return ticks_ns(conntrack_idle_ticks(view->past, view->flow, view->now));
}

uint32_t conntrack_place_index(const struct conntrack_flow *flow, unsigned bit)
{
	uint32_t place = (uint32_t)(flow->let_in >> bit);

	return place & CONNTRACK_PLACE ? place & CONNTRACK_PLACE_INDEX : 0;
}

/* The text must last: one a place, of this thread. */
static const char *place_name(const struct conntrack_flow *flow, unsigned bit)
{
	static _Thread_local char names[2][IF_NAMESIZE];
	uint32_t index = conntrack_place_index(flow, bit);
	char *name = names[bit == CONNTRACK_PLACE_IN];

	if (!index)
		return NULL;
	if (!if_indextoname(index, name))
		snprintf(name, IF_NAMESIZE, "#%u", index);
	return name;
}

static size_t get_places(const struct conntrack_flow *flow, union weir_filter_value *values)
{
	const char *in = place_name(flow, CONNTRACK_PLACE_IN),
		   *out = place_name(flow, CONNTRACK_PLACE_OUT);
	size_t count = 0;

	if (in)
		values[count++].text = in;
	if (out)
		values[count++].text = out;
	return count;
}

static bool is_icmp(const struct conntrack_flow *flow)
{
	return flow->key.proto == CONNTRACK_ICMP || flow->key.proto == CONNTRACK_ICMPV6;
}

bool conntrack_has_ports(const struct conntrack_flow *flow)
{
	return !is_icmp(flow) && (flow->key.port[0] | flow->key.port[1]);
}

static size_t get_ends(const struct conntrack_flow *flow, enum field field,
		       union weir_filter_value *values)
{
	if (field >= FIELD_SPORT && !conntrack_has_ports(flow))
		return 0;
	unsigned src = conntrack_initiator(flow);

	switch (field) {
	case FIELD_SRC:
		values[0].addr = flow->key.addr[src];
		return 1;
	case FIELD_DST:
		values[0].addr = flow->key.addr[!src];
		return 1;
	case FIELD_HOST:
		values[0].addr = flow->key.addr[0];
		values[1].addr = flow->key.addr[1];
		return 2;
	case FIELD_SPORT:
		values[0].number = ntohs(flow->key.port[src]);
		return 1;
	case FIELD_DPORT:
		values[0].number = ntohs(flow->key.port[!src]);
		return 1;
	default:
		values[0].number = ntohs(flow->key.port[0]);
		values[1].number = ntohs(flow->key.port[1]);
		return 2;
	}
}

static size_t get_stage(const struct conntrack_view *view, union weir_filter_value *values)
{
	enum stage stage = stage_of(view_state(view));

	values[0].word = stage;
	return stage != STAGE_NONE;
}

static size_t get_mark(const struct conntrack_flow *flow, union weir_filter_value *values)
{
	values[0].number = flow->mark;
	return !!(flow->word & CONNTRACK_MARKED);
}

/* Nothing where flows are not counted. */
static size_t get_carried(const struct conntrack_view *view, const uint64_t of[2],
			  union weir_filter_value *values)
{
	values[0].number = of[0] + of[1];
	return view->is_counted;
}

size_t conntrack_filter_get(const void *item, size_t field,
			    union weir_filter_value ret_values[WEIR_FILTER_EITHER_MAX])
{
	const struct conntrack_view *view = item;

	switch ((enum field)field) {
	case FIELD_SRC:
	case FIELD_DST:
	case FIELD_HOST:
	case FIELD_SPORT:
	case FIELD_DPORT:
	case FIELD_PORT:
		return get_ends(view->flow, (enum field)field, ret_values);
	case FIELD_PROTO:
		ret_values[0].word = proto_word(view->flow->key.proto);
		return 1;
	case FIELD_STATE:
		ret_values[0].word = view_state(view);
		return 1;
	case FIELD_STAGE:
		return get_stage(view, ret_values);
	case FIELD_FAMILY:
		ret_values[0].word = view->flow->key.family != 4;
		return 1;
	case FIELD_TABLE:
		ret_values[0].word = view->table;
		return 1;
	case FIELD_INTERFACE:
		return get_places(view->flow, ret_values);
	case FIELD_AGE:
		ret_values[0].number = age_ns(view);
		return 1;
	case FIELD_IDLE:
		ret_values[0].number = idle_ns(view);
		return 1;
	case FIELD_EXPIRES:
		ret_values[0].number = expires_ns(view);
		return 1;
	case FIELD_MARK:
		return get_mark(view->flow, ret_values);
	case FIELD_RULE:
		ret_values[0].number = view->flow->rule;
		return view->flow->rule != 0;
	case FIELD_RELAYED:
		ret_values[0].word = !!(view->flow->word & CONNTRACK_RELAYED);
		return 1;
	case FIELD_SERVED:
		ret_values[0].word = view->flow->backend != 0;
		return 1;
	case FIELD_BACKEND:
		ret_values[0].text = conntrack_backend_name(view);
		return view->flow->backend != 0;
	case FIELD_PACKETS:
		return get_carried(view, view->carried.packets, ret_values);
	case FIELD_BYTES:
		return get_carried(view, view->carried.bytes, ret_values);
	}
	return 0;
}

static void put_end(const struct conntrack_flow *flow, unsigned end, const char *addr_key,
		    const char *port_key, struct weir_json_out *json)
{
	char text[WEIR_ADDR_TEXT];

	weir_json_put_str(json, addr_key, weir_addr_to_string(&flow->key.addr[end], text));
	if (conntrack_has_ports(flow))
		weir_json_put_uint(json, port_key, ntohs(flow->key.port[end]));
}

const char *conntrack_proto_name(uint8_t proto, char number[4])
{
	size_t word = proto_word(proto);

	if (word < PROTOS)
		return protos[word].name;
	snprintf(number, 4, "%u", proto);
	return number;
}

static void put_times(const struct conntrack_view *view, struct weir_json_out *json)
{
	weir_json_put_uint(json, "age_s", age_ns(view) / WEIR_NS_PER_S);
	weir_json_put_uint(json, "idle_s", idle_ns(view) / WEIR_NS_PER_S);
	weir_json_put_uint(json, "expires_s", expires_ns(view) / WEIR_NS_PER_S);
}

static void put_marks(const struct conntrack_flow *flow, struct weir_json_out *json)
{
	weir_json_put_bool(json, "answered", flow->word & CONNTRACK_ANSWERED);
	weir_json_put_bool(json, "picked_up", flow->word & CONNTRACK_PICKED_UP);
	weir_json_put_bool(json, "granted", flow->word & CONNTRACK_GRANTED);
	weir_json_put_bool(json, "relayed", flow->word & CONNTRACK_RELAYED);
	if (flow->word & CONNTRACK_MARKED)
		weir_json_put_uint(json, "mark", flow->mark);
	if (flow->rule)
		weir_json_put_uint(json, "rule", flow->rule);
	if (flow->backend)
		weir_json_put_uint(json, "backend_number", flow->backend);
}

void conntrack_view_members(const struct conntrack_view *view, struct weir_json_out *json)
{
	const struct conntrack_flow *flow = view->flow;
	enum conntrack_state state = view_state(view);
	unsigned src = conntrack_initiator(flow);
	char number[4];

	weir_json_put_str(json, "proto", conntrack_proto_name(flow->key.proto, number));
	put_end(flow, src, "src", "sport", json);
	put_end(flow, !src, "dst", "dport", json);
	if (is_icmp(flow)) {
		weir_json_put_uint(json, "icmp_id", ntohs(flow->key.port[src]));
		weir_json_put_uint(json, "icmp_type", ntohs(flow->key.port[!src]));
	}
	weir_json_put_str(json, "state", conntrack_state_name(state));
	weir_json_put_str(json, "stage", conntrack_stage_name(state));
	weir_json_put_str(json, "table", table_words[view->table]);
	weir_json_put_str(json, "in", place_name(flow, CONNTRACK_PLACE_IN));
	weir_json_put_str(json, "out", place_name(flow, CONNTRACK_PLACE_OUT));
	if (flow->backend)
		weir_json_put_str(json, "backend", conntrack_backend_name(view));
	conntrack_carried_put(view, json);
	put_times(view, json);
	put_marks(flow, json);
	conntrack_owner_put(view, json);
}

void conntrack_view_put(const struct conntrack_view *view, struct weir_json_out *json)
{
	weir_json_open_object(json, NULL);
	conntrack_view_members(view, json);
	weir_json_close_object(json);
}
