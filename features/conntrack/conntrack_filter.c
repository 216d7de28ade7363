/* SPDX-License-Identifier: Apache-2.0 */
/* What a filter can ask of a flow. */
#include <arpa/inet.h>

#include "base/cleanup.h"
#include "features/conntrack/conntrack_words.h"

static const char *const family_words[] = { "ipv4", "ipv6", NULL };
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
	FIELD_TAGGED,
	FIELD_VLAN,
	FIELD_INNER_VLAN,
};

const struct weir_filter_field conntrack_filter_fields[] = {
	[FIELD_SRC] = { "src", "address of who began it", WEIR_FILTER_ADDRESS },
	[FIELD_DST] = { "dst", "address of the other side", WEIR_FILTER_ADDRESS },
	[FIELD_HOST] = { "host", "either address", WEIR_FILTER_ADDRESS },
	[FIELD_SPORT] = { "sport", "port of who began it", WEIR_FILTER_NUMBER, .max = 65535 },
	[FIELD_DPORT] = { "dport", "port of the other side", WEIR_FILTER_NUMBER, .max = 65535 },
	[FIELD_PORT] = { "port", "either port", WEIR_FILTER_NUMBER, .max = 65535 },
	[FIELD_PROTO] = { "proto", "protocol", WEIR_FILTER_WORD, .words = conntrack_proto_words },
	[FIELD_STATE] = { "state", "state", WEIR_FILTER_WORD, .words = conntrack_state_words },
	[FIELD_STAGE] = { "stage", "of TCP and SCTP: the state in four words", WEIR_FILTER_WORD,
			  .words = conntrack_stage_words },
	[FIELD_FAMILY] = { "family", "IP version", WEIR_FILTER_WORD, .words = family_words },
	[FIELD_TABLE] = { "table", "where it is kept", WEIR_FILTER_WORD,
			  .words = conntrack_table_words },
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
	[FIELD_TAGGED] = { "tagged", "whether its first packet had a VLAN tag", WEIR_FILTER_WORD,
			   .words = yes_words },
	[FIELD_VLAN] = { "vlan", "id of that tag, the outermost", WEIR_FILTER_NUMBER, .max = 4095 },
	[FIELD_INNER_VLAN] = { "inner_vlan", "id of the tag behind it", WEIR_FILTER_NUMBER,
			       .max = 4095 },
	{ 0 },
};

static size_t get_places(const struct conntrack_view *view, union weir_filter_value *values)
{
	const char *in = conntrack_place_name(view, CONNTRACK_PLACE_IN),
		   *out = conntrack_place_name(view, CONNTRACK_PLACE_OUT);
	size_t count = 0;

	if (in)
		values[count++].text = in;
	if (out)
		values[count++].text = out;
	return count;
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
	enum conntrack_stage stage = conntrack_stage_of(conntrack_view_state(view));

	values[0].word = stage;
	return stage != CONNTRACK_STAGE_NONE;
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

static size_t get_vlan(uint32_t tag, union weir_filter_value *values)
{
	values[0].number = tag & CONNTRACK_VLAN_ID;
	return !!(tag & CONNTRACK_VLAN_TAGGED);
}

static size_t get_tags(const struct conntrack_view *view, enum field field,
		       union weir_filter_value *values)
{
	uint32_t vlan = view->is_counted ? view->carried.vlan : 0;

	if (field == FIELD_VLAN)
		return get_vlan(vlan, values);
	if (field == FIELD_INNER_VLAN)
		return get_vlan(vlan >> CONNTRACK_VLAN_INNER_SHIFT, values);
	values[0].word = !!(vlan & CONNTRACK_VLAN_TAGGED);
	return !!(vlan & CONNTRACK_VLAN_KNOWN);
}

/* Of what every flow has. */
static size_t word_of(const struct conntrack_view *view, enum field field)
{
	switch (field) {
	case FIELD_PROTO:
		return conntrack_proto_word(view->flow->key.proto);
	case FIELD_STATE:
		return conntrack_view_state(view);
	case FIELD_FAMILY:
		return view->flow->key.family != 4;
	case FIELD_TABLE:
		return view->table;
	case FIELD_RELAYED:
		return !!(view->flow->word & CONNTRACK_RELAYED);
	default:
		return view->flow->backend != 0;
	}
}

static uint64_t time_of(const struct conntrack_view *view, enum field field)
{
	if (field == FIELD_AGE)
		return conntrack_age_ns(view);
	return field == FIELD_IDLE ? conntrack_idle_ns(view) : conntrack_expires_ns(view);
}

static size_t get_rule(const struct conntrack_flow *flow, union weir_filter_value *values)
{
	values[0].number = conntrack_flow_rule(flow);
	return values[0].number != 0;
}

static size_t get_backend(const struct conntrack_view *view, union weir_filter_value *values)
{
	values[0].text = conntrack_backend_name(view);
	return view->flow->backend != 0;
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
	case FIELD_STATE:
	case FIELD_FAMILY:
	case FIELD_TABLE:
	case FIELD_RELAYED:
	case FIELD_SERVED:
		ret_values[0].word = word_of(view, (enum field)field);
		return 1;
	case FIELD_AGE:
	case FIELD_IDLE:
	case FIELD_EXPIRES:
		ret_values[0].number = time_of(view, (enum field)field);
		return 1;
	case FIELD_STAGE:
		return get_stage(view, ret_values);
	case FIELD_INTERFACE:
		return get_places(view, ret_values);
	case FIELD_MARK:
		return get_mark(view->flow, ret_values);
	case FIELD_RULE:
		return get_rule(view->flow, ret_values);
	case FIELD_BACKEND:
		return get_backend(view, ret_values);
	case FIELD_PACKETS:
		return get_carried(view, view->carried.packets, ret_values);
	case FIELD_BYTES:
		return get_carried(view, view->carried.bytes, ret_values);
	case FIELD_TAGGED:
	case FIELD_VLAN:
	case FIELD_INNER_VLAN:
		return get_tags(view, (enum field)field, ret_values);
	}
	return 0;
}

static bool asks_any(const struct weir_filter *filter, const enum field *fields, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (weir_filter_asks(filter, fields[i]))
			return true;
	return false;
}

bool conntrack_filter_asks_rest(const struct weir_filter *filter)
{
	static const enum field rest[] = { FIELD_AGE, FIELD_IDLE };

	return asks_any(filter, rest, WEIR_ARRAY_SIZE(rest));
}

bool conntrack_filter_asks_carried(const struct weir_filter *filter)
{
	static const enum field carried[] = { FIELD_PACKETS, FIELD_BYTES, FIELD_TAGGED, FIELD_VLAN,
					      FIELD_INNER_VLAN };

	return asks_any(filter, carried, WEIR_ARRAY_SIZE(carried));
}

bool conntrack_filter_is_steady(const struct weir_filter *filter)
{
	static const enum field changing[] = { FIELD_STATE,   FIELD_STAGE, FIELD_TABLE,
					       FIELD_AGE,     FIELD_IDLE,  FIELD_EXPIRES,
					       FIELD_PACKETS, FIELD_BYTES };

	return !asks_any(filter, changing, WEIR_ARRAY_SIZE(changing));
}
