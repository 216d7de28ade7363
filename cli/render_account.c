/* SPDX-License-Identifier: Apache-2.0 */
/* Packets and bytes of flows, where those are counted; the lines of status about flows. */
#include "base/cleanup.h"
#include "base/units.h"
#include "cli/render.h"

bool weir_flow_is_counted(const struct weir_json *flow)
{
	return weir_json_get(flow, "orig_bytes");
}

/* "12 / 9": what the initiator sent, and what came back. */
static void both_add(struct weir_buf *out, const struct weir_json *flow, const char *const keys[2],
		     void (*format)(uint64_t number, struct weir_buf *out))
{
	format(weir_view_uint(flow, keys[0]), out);
	weir_buf_add_str(out, " / ");
	format(weir_view_uint(flow, keys[1]), out);
}

static const char *const packet_keys[2] = { "orig_packets", "reply_packets" };
static const char *const byte_keys[2] = { "orig_bytes", "reply_bytes" };

void weir_flow_packets_add(struct weir_buf *out, const struct weir_json *flow)
{
	if (weir_flow_is_counted(flow))
		both_add(out, flow, packet_keys, weir_count_format);
}

void weir_flow_bytes_add(struct weir_buf *out, const struct weir_json *flow)
{
	if (weir_flow_is_counted(flow))
		both_add(out, flow, byte_keys, weir_size_format);
}

void weir_flow_vlan_add(struct weir_buf *out, const struct weir_json *flow)
{
	if (!weir_json_get(flow, "tagged"))
		weir_buf_add_char(out, '?');
	else if (!weir_view_bool(flow, "tagged"))
		weir_buf_add_str(out, "none");
	else
		weir_buf_addf(out, "%llu", (unsigned long long)weir_view_uint(flow, "vlan"));
	if (weir_json_get(flow, "inner_vlan"))
		weir_buf_addf(out, ".%llu", (unsigned long long)weir_view_uint(flow, "inner_vlan"));
}

bool weir_flows_have_vlans(const struct weir_json *flows)
{
	bool have = false;

	for (size_t i = 0; i < weir_json_size(flows) && !have; i++)
		have = weir_view_bool(weir_json_at(flows, i), "tagged");
	return have;
}

struct kinds {
	const struct weir_view *view;
	unsigned count;
};

/* All behind `flow` and `forwarded` is why a packet is in no flow. */
static int kind_add(const char *name, const struct weir_json *value, void *arg)
{
	struct kinds *kinds = arg;
	struct weir_buf *out = kinds->view->out;
	uint64_t packets = weir_view_uint(value, "packets");

	if (weir_json_type(value) != WEIR_JSON_OBJECT || kinds->count++ < 2 || !packets)
		return 0;
	weir_buf_addf(out, "  %s ", name);
	weir_count_format(packets, out);
	return 0;
}

static uint64_t packets_of(const struct weir_json *account, const char *kind)
{
	return weir_view_uint(weir_json_get(account, kind), "packets");
}

void weir_render_account_status(const struct weir_view *view, const struct weir_json *account)
{
	struct kinds kinds = { view, 0 };

	if (!account)
		return;
	weir_view_add_colored(view, WEIR_COLOR_HEAD, "account");
	weir_buf_add_str(view->out, "  ");
	weir_count_format(packets_of(account, "flow"), view->out);
	weir_buf_add_str(view->out, " packets in flows  ");
	weir_count_format(weir_view_uint(account, "unaccounted_packets"), view->out);
	weir_buf_add_str(view->out, " in none");
	(void)weir_json_each(account, kind_add, &kinds);
	weir_buf_add_char(view->out, '\n');
}

static void places_add(struct weir_buf *out, const struct weir_json *conntrack, const char *key,
		       const char *places_key, const char *word)
{
	weir_buf_add_str(out, "  ");
	weir_count_format(weir_view_uint(conntrack, key), out);
	weir_buf_add_str(out, " of ");
	weir_count_format(weir_view_uint(conntrack, places_key), out);
	weir_buf_addf(out, " %s", word);
}

/* What was lost for want of room, and what fitted nothing. */
static void losses_add(const struct weir_view *view, const struct weir_json *conntrack)
{
	static const struct {
		const char *key;
		enum weir_color color;
	} losses[] = {
		{ "refused", WEIR_COLOR_BAD },
		{ "displaced", WEIR_COLOR_WARN },
		{ "invalid", WEIR_COLOR_PLAIN },
	};

	weir_buf_add_char(view->out, ' ');
	for (size_t i = 0; i < WEIR_ARRAY_SIZE(losses); i++) {
		uint64_t count = weir_view_uint(conntrack, losses[i].key);
		_cleanup_buf_ struct weir_buf text = { 0 };

		weir_buf_addf(&text, "%s ", losses[i].key);
		weir_count_format(count, &text);
		weir_buf_add_char(view->out, ' ');
		weir_view_add_colored(view, count ? losses[i].color : WEIR_COLOR_PLAIN,
				      weir_buf_str(&text));
	}
}

void weir_render_flow_status(const struct weir_view *view, const struct weir_json *conntrack)
{
	weir_buf_add_char(view->out, '\n');
	weir_view_add_colored(view, WEIR_COLOR_HEAD, "conntrack");
	if (weir_view_bool(conntrack, "on")) {
		weir_buf_add_str(view->out, "  on");
		places_add(view->out, conntrack, "flows", "places", "flows");
		places_add(view->out, conntrack, "half_open", "half_open_places", "half-open");
		losses_add(view, conntrack);
	} else {
		weir_buf_add_str(view->out, "  off");
	}
	weir_buf_add_char(view->out, '\n');
	weir_render_account_status(view, weir_json_get(conntrack, "account"));
}
