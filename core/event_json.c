/* SPDX-License-Identifier: Apache-2.0 */
/* Field names are those of the API: the CLI, SSE and the log show the same ones. */
#include "event_json.h"

#include <arpa/inet.h>
#include <stdarg.h>

#include "base/addr.h"
#include "base/clock.h"
#include "engine.h"
#include "feature.h"

static void put_packet(const struct weir_event *event, struct weir_json_out *json)
{
	char src[WEIR_ADDR_TEXT], dst[WEIR_ADDR_TEXT];

	weir_json_put_str(json, "src", weir_addr_to_string(&event->src, src));
	weir_json_put_str(json, "dst", weir_addr_to_string(&event->dst, dst));
	weir_json_put_uint(json, "proto", event->proto);
	if (event->sport || event->dport) {
		weir_json_put_uint(json, "sport", ntohs(event->sport));
		weir_json_put_uint(json, "dport", ntohs(event->dport));
	}
	if (event->vlan)
		weir_json_put_uint(json, "vlan", event->vlan);
	if (event->fragment)
		weir_json_put_bool(json, "fragment", true);
	weir_json_put_uint(json, "len", event->len);
}

void weir_event_open(struct weir_json_out *json, const char *kind)
{
	char when[WEIR_CLOCK_MS_TEXT];

	weir_json_open_object(json, NULL);
	weir_json_put_str(json, "time", weir_clock_format_ms(weir_clock_real_ns(), when));
	weir_json_put_str(json, "kind", kind);
}

void weir_engine_warn(struct weir_engine *engine, const char *feature, const char *format, ...)
{
	_cleanup_buf_ struct weir_buf text = {}, sentence = {};
	struct weir_json_out json = { .out = &text };
	va_list args;

	va_start(args, format);
	weir_buf_vaddf(&sentence, format, args);
	va_end(args);
	weir_event_open(&json, "warning");
	weir_json_put_str(&json, "feature", feature);
	weir_json_put_str(&json, "what", weir_buf_str(&sentence));
	weir_json_close_object(&json);
	weir_engine_publish(engine, "warning", weir_buf_str(&text), text.len);
}

void weir_event_to_json(const struct weir_event *event, const char *interface, void *const *states,
			struct weir_buf *text)
{
	struct weir_json_out json = { .out = text };
	struct weir_verdict verdict = {
		.reason = event->reason,
		.generation = event->generation,
		.ifindex = event->ifindex,
		.list = event->list,
		.rule = event->rule,
		.backend = event->backend,
		.owner = event->owner,
		.sport = event->sport,
		.dport = event->dport,
		.proto = event->proto,
		.src = event->src,
		.dst = event->dst,
		.direction = event->direction,
	};
	char when[WEIR_CLOCK_MS_TEXT];

	weir_json_open_object(&json, NULL);
	weir_json_put_str(&json, "time",
			  weir_clock_format_ms(weir_clock_real_at(event->time_ns), when));
	weir_json_put_str(&json, "kind", weir_event_kind_name(event->kind));
	if (event->reason !=
	    WEIR_PASS) /* how a packet that is told of on its way ends, is not known */
		weir_json_put_str(&json, "reason", weir_reason_name(event->reason));
	weir_json_put_str(&json, "interface", interface ? interface : "?");
	weir_json_put_str(&json, "direction",
			  event->direction == WEIR_INGRESS ? "ingress" : "egress");
	put_packet(event, &json);
	weir_json_put_uint(&json, "revision", event->generation);
	for (size_t i = 0; weir_features[i]; i++)
		if (weir_features[i]->describe)
			weir_features[i]->describe(states[i], &verdict, &json);
	weir_json_close_object(&json);
}
