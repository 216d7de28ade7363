/* SPDX-License-Identifier: Apache-2.0 */
/* Status as JSON. Reads the snapshot and the engine's own numbers; no map is touched. */
#include "status.h"

#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "change_private.h"
#include "confirm.h"

static void put_counts(const char *key, const struct weir_count counts[WEIR_REASONS_MAX],
		       struct weir_json_out *json)
{
	struct weir_count sums[2] = {};

	for (int reason = 1; reason < WEIR_REASON_COUNT; reason++) {
		sums[weir_reason_is_drop(reason)].packets += counts[reason].packets;
		sums[weir_reason_is_drop(reason)].bytes += counts[reason].bytes;
	}
	weir_json_open_object(json, key);
	weir_json_put_uint(json, "pass_packets", sums[0].packets);
	weir_json_put_uint(json, "pass_bytes", sums[0].bytes);
	weir_json_put_uint(json, "drop_packets", sums[1].packets);
	weir_json_put_uint(json, "drop_bytes", sums[1].bytes);
	weir_json_close_object(json);
}

static void put_device(const struct weir_traffic_counts *device, struct weir_json_out *json)
{
	static const char *const keys[WEIR_TRAFFIC_KINDS][2] = {
#define X(identifier, name, what) { name, name "_per_s" },
		WEIR_TRAFFIC(X)
#undef X
	};

	if (!device->is_known)
		return;
	weir_json_open_object(json, "device");
	for (int kind = 0; kind < WEIR_TRAFFIC_KINDS; kind++) {
		weir_json_put_uint(json, keys[kind][0], device->totals[kind]);
		if (device->has_rates)
			weir_json_put_real(json, keys[kind][1], device->rates[kind]);
	}
	weir_json_close_object(json);
}

void weir_status_put_interfaces(const struct weir_snapshot *snapshot, struct weir_json_out *json)
{
	weir_json_open_array(json, "interfaces");
	for (size_t i = 0; i < snapshot->interface_count; i++) {
		const struct weir_interface_view *view = &snapshot->interfaces[i];

		weir_json_open_object(json, NULL);
		weir_json_put_str(json, "name", view->name);
		weir_json_put_uint(json, "ifindex", view->ifindex);
		weir_json_put_bool(json, "attached", view->attached);
		weir_json_put_str(json, "mode", view->mode);
		weir_json_put_str(json, "egress", view->egress);
		weir_json_put_str(json, "why", view->why);
		put_counts("ingress_counts", view->counts[WEIR_INGRESS], json);
		put_counts("egress_counts", view->counts[WEIR_EGRESS], json);
		put_device(&view->device, json);
		weir_json_close_object(json);
	}
	weir_json_close_array(json);
}

void weir_status_put_reasons(const struct weir_snapshot *snapshot, struct weir_json_out *json)
{
	weir_json_open_array(json, "reasons");
	for (int reason = 1; reason < WEIR_REASON_COUNT; reason++) {
		struct weir_count sum = {};

		for (size_t i = 0; i < snapshot->interface_count; i++)
			for (int direction = 0; direction < WEIR_DIRECTIONS; direction++) {
				sum.packets +=
					snapshot->interfaces[i].counts[direction][reason].packets;
				sum.bytes +=
					snapshot->interfaces[i].counts[direction][reason].bytes;
			}
		weir_json_open_object(json, NULL);
		weir_json_put_str(json, "reason", weir_reason_name(reason));
		weir_json_put_str(json, "verdict", weir_reason_is_drop(reason) ? "drop" : "pass");
		weir_json_put_str(json, "help", weir_reason_help(reason));
		weir_json_put_uint(json, "packets", sum.packets);
		weir_json_put_uint(json, "bytes", sum.bytes);
		weir_json_close_object(json);
	}
	weir_json_close_array(json);
}

static void put_policy(struct weir_engine *engine, struct weir_json_out *json)
{
	uint32_t jited = 0;
	uint64_t verified = 0;

	weir_object_size(engine->object, &jited, &verified);
	weir_json_open_object(json, "policy");
	weir_json_put_uint(json, "slot", weir_commit_slot(engine->commit));
	weir_json_put_uint(json, "bytes", engine->policy_bytes);
	weir_json_put_uint(json, "kernel_bytes", weir_commit_bytes(engine->commit));
	weir_json_put_uint(json, "limit_bytes", engine->config->memory.value);
	weir_json_put_uint(json, "classes", engine->policy_classes);
	weir_json_put_uint(json, "last_change_ms", engine->last_change_ms);
	weir_json_put_uint(json, "jited_bytes", jited);
	weir_json_put_uint(json, "verified_instructions", verified);
	weir_json_close_object(json);
}

void weir_status_put_events(const struct weir_snapshot *snapshot, struct weir_json_out *json)
{
	weir_json_open_object(json, "events");
	for (int kind = 0; kind < WEIR_EVENT_KIND_COUNT; kind++) {
		weir_json_open_object(json, weir_event_kind_name(kind));
		weir_json_put_uint(json, "sent", snapshot->events[kind].sent);
		weir_json_put_uint(json, "capped", snapshot->events[kind].capped);
		weir_json_put_uint(json, "lost", snapshot->events[kind].lost);
		weir_json_close_object(json);
	}
	weir_json_close_object(json);
}

int weir_status_write(struct weir_engine *engine, struct weir_buf *text)
{
	struct weir_json_out json = { .out = text };

	weir_engine_look(engine);
	weir_json_open_object(&json, NULL);
	weir_json_put_str(&json, "version", WEIR_VERSION);
	weir_json_put_int(&json, "pid", getpid());
	weir_json_put_uint(&json, "uptime_s",
			   (weir_clock_monotonic_ns() - engine->started_ns) / WEIR_NS_PER_S);
	weir_json_put_uint(&json, "revision", weir_engine_revision(engine));
	weir_json_put_str(&json, "config_file", engine->options.config_file);
	weir_json_put_str(&json, "state_dir", engine->options.state_dir);
	weir_confirm_put(engine, &json);
	if (engine->running && !engine->running->is_heavy)
		weir_job_put_progress(engine->running, &json);
	put_policy(engine, &json);
	weir_status_put_interfaces(engine->snapshot, &json);
	weir_status_put_reasons(engine->snapshot, &json);
	weir_status_put_events(engine->snapshot, &json);
	for (size_t i = 0; weir_features[i]; i++)
		if (weir_features[i]->status)
			weir_features[i]->status(engine->states[i], &json);
	weir_json_close_object(&json);
	return text->failed ? -1 : 0;
}
