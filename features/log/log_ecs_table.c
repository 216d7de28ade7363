/* SPDX-License-Identifier: Apache-2.0 */
/* What events are in the words of ECS (elastic.co/docs/reference/ecs, 8.11). */
#include "features/log/log_ecs.h"

#include <string.h>

#include "base/cleanup.h"

#define NETWORK "network"
#define INTRUSION "intrusion_detection"
#define INFO LOG_SEVERITY_INFO
#define NOTICE LOG_SEVERITY_NOTICE
#define WARNING LOG_SEVERITY_WARNING

/* clang-format off */
const struct log_kind log_kinds[] = {
	{ "drop", "event", NETWORK, { "connection", "denied" }, "dropped", NULL, INFO, true },
	{ "log", "event", NETWORK, { "connection", "info" }, "logged", NULL, INFO, true },
	{ "over", "event", NETWORK, { "connection", "allowed" }, "over-limit", NULL, INFO, true },
	{ "flow", "event", NETWORK, { "connection", "end" }, "flow-ended", NULL, INFO, true },
	{ "change", "event", "configuration", { "change" }, "policy-changed", "success",
	  NOTICE },
	{ "warning", "event", "configuration", { "info", "error" }, "warning", "failure",
	  WARNING },
	{ "interface", "event", "host", { "info" }, "interface", NULL, NOTICE },
	{ "block", "event", INTRUSION, { "denied" }, "source-blocked", NULL, NOTICE },
	{ "attack", "alert", INTRUSION, { "info" }, "attack-level", NULL, WARNING },
	{ "synproxy", "event", INTRUSION, { "info" }, "synproxy", NULL, NOTICE },
	{ "quality", "event", "host", { "info" }, "sampling-changed", NULL, NOTICE },
	{ "health_up", "state", NETWORK, { "info" }, "backend-up", "success", NOTICE },
	{ "health_down", "state", NETWORK, { "info", "error" }, "backend-down", "failure",
	  WARNING },
	{ NULL, "event", "host", { "info" }, NULL, NULL, NOTICE },
};
const size_t log_kind_count = WEIR_ARRAY_SIZE(log_kinds);

const struct log_member log_members[] = {
	{ NULL, "time", "@timestamp", LOG_AS_DATE },
	{ NULL, "reason", "event.reason", LOG_AS_KEYWORD },
	{ NULL, "src", "source.ip", LOG_AS_KEYWORD },
	{ NULL, "sport", "source.port", LOG_AS_LONG },
	{ NULL, "dst", "destination.ip", LOG_AS_KEYWORD },
	{ NULL, "dport", "destination.port", LOG_AS_LONG },
	{ NULL, "vlan", "network.vlan.id", LOG_AS_KEYWORD },
	{ "flow", "inner_vlan", "network.inner.vlan.id", LOG_AS_KEYWORD },
	{ NULL, "direction", "network.direction", LOG_AS_KEYWORD },
	{ NULL, "rule.name", "rule.name", LOG_AS_KEYWORD, true },
	{ NULL, "rule.id", "rule.id", LOG_AS_KEYWORD, true },
	{ NULL, "backend", "server", LOG_AS_BACKEND, true },
	{ "drop", "len", "network.bytes", LOG_AS_LONG },
	{ "log", "len", "network.bytes", LOG_AS_LONG },
	{ "over", "len", "network.bytes", LOG_AS_LONG },
	{ "change", "who", "user.name", LOG_AS_KEYWORD, true },
	{ "health_up", "address", "server.ip", LOG_AS_KEYWORD, true },
	{ "health_down", "address", "server.ip", LOG_AS_KEYWORD, true },
	{ "health_up", "detail", "event.reason", LOG_AS_KEYWORD },
	{ "health_down", "detail", "event.reason", LOG_AS_KEYWORD },
	{ "flow", "first_seen", "event.start", LOG_AS_DATE },
	{ "flow", "last_seen", "event.end", LOG_AS_DATE },
	{ "flow", "orig_packets", "source.packets", LOG_AS_LONG },
	{ "flow", "orig_bytes", "source.bytes", LOG_AS_LONG },
	{ "flow", "reply_packets", "destination.packets", LOG_AS_LONG },
	{ "flow", "reply_bytes", "destination.bytes", LOG_AS_LONG },
	{ "flow", "packets", "network.packets", LOG_AS_LONG },
	{ "flow", "bytes", "network.bytes", LOG_AS_LONG },
	{ "flow", "in", "observer.ingress.interface.name", LOG_AS_KEYWORD },
	{ "flow", "out", "observer.egress.interface.name", LOG_AS_KEYWORD },
	{ "flow", "duration_ns", "event.duration", LOG_AS_LONG },
	{ "flow", "rule", "rule.id", LOG_AS_KEYWORD, true },
	{ "flow", "src_owner", "process", LOG_AS_OWNER, true },
	{ "flow", "dst_owner", "process", LOG_AS_OWNER, true },
	{ NULL, NULL },
};
/* clang-format on */

size_t log_kind_find(const char *name)
{
	size_t i = 0;

	while (i + 1 < log_kind_count && strcmp(log_kinds[i].name, name) != 0)
		i++;
	return i;
}

_Static_assert(WEIR_ARRAY_SIZE(log_kinds) <= LOG_KINDS_MAX, "each kind has counters of its own");
