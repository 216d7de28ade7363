/* SPDX-License-Identifier: Apache-2.0 */
/* Subtracts snapshots. Absolute counts are in /api/v1/status and /metrics. */
#include "api/delta.h"

#include "base/clock.h"

struct totals {
	struct weir_count pass, drop;
	struct weir_count reasons[WEIR_REASONS_MAX];
};

static uint64_t grown(uint64_t before, uint64_t now)
{
	return now >= before ? now - before : now;
}

static const struct weir_interface_view *view_before(const struct weir_snapshot *before,
						     const struct weir_interface_view *view)
{
	for (size_t i = 0; i < before->interface_count; i++)
		if (before->interfaces[i].ifindex == view->ifindex &&
		    before->interfaces[i].slot == view->slot)
			return &before->interfaces[i];
	return NULL;
}

static void count_add(struct weir_count *sum, const struct weir_count *more)
{
	sum->packets += more->packets;
	sum->bytes += more->bytes;
}

static void totals_add_reason(struct totals *totals, uint32_t reason, const struct weir_count *more)
{
	count_add(&totals->reasons[reason], more);
	count_add(weir_reason_is_drop(reason) ? &totals->drop : &totals->pass, more);
}

static void totals_of_view(const struct weir_interface_view *old,
			   const struct weir_interface_view *view, struct totals *totals)
{
	static const struct weir_interface_view none;
	if (!old)
		old = &none;
	for (unsigned direction = 0; direction < WEIR_DIRECTIONS; direction++)
		for (uint32_t reason = 0; reason < WEIR_REASON_COUNT; reason++) {
			const struct weir_count *a = &old->counts[direction][reason];
			const struct weir_count *b = &view->counts[direction][reason];
			const struct weir_count more = { grown(a->packets, b->packets),
							 grown(a->bytes, b->bytes) };
			totals_add_reason(totals, reason, &more);
		}
}

static void totals_put(struct weir_json_out *json, const struct totals *totals)
{
	weir_json_put_uint(json, "pass_packets", totals->pass.packets);
	weir_json_put_uint(json, "pass_bytes", totals->pass.bytes);
	weir_json_put_uint(json, "drop_packets", totals->drop.packets);
	weir_json_put_uint(json, "drop_bytes", totals->drop.bytes);
}

static void reasons_put(struct weir_json_out *json, const struct totals *totals)
{
	weir_json_open_array(json, "reasons");
	for (uint32_t reason = 0; reason < WEIR_REASON_COUNT; reason++) {
		if (!totals->reasons[reason].packets)
			continue;
		weir_json_open_object(json, NULL);
		weir_json_put_str(json, "reason", weir_reason_name(reason));
		weir_json_put_uint(json, "packets", totals->reasons[reason].packets);
		weir_json_put_uint(json, "bytes", totals->reasons[reason].bytes);
		weir_json_close_object(json);
	}
	weir_json_close_array(json);
}

static void interfaces_put(struct weir_json_out *json, const struct weir_snapshot *before,
			   const struct weir_snapshot *now, struct totals *sum)
{
	weir_json_open_array(json, "interfaces");
	for (size_t i = 0; i < now->interface_count; i++) {
		const struct weir_interface_view *view = &now->interfaces[i];
		struct totals totals = { 0 };
		totals_of_view(view_before(before, view), view, &totals);
		for (uint32_t reason = 0; reason < WEIR_REASON_COUNT; reason++)
			totals_add_reason(sum, reason, &totals.reasons[reason]);
		weir_json_open_object(json, NULL);
		weir_json_put_str(json, "name", view->name);
		weir_json_put_uint(json, "ifindex", view->ifindex);
		totals_put(json, &totals);
		weir_json_close_object(json);
	}
	weir_json_close_array(json);
}

void weir_delta_write(const struct weir_snapshot *before, const struct weir_snapshot *now,
		      struct weir_buf *text)
{
	struct weir_json_out json = { .out = text };
	struct totals sum = { 0 };

	weir_json_open_object(&json, NULL);
	weir_json_put_uint(&json, "sequence", now->sequence);
	weir_json_put_uint(&json, "revision", now->revision);
	weir_json_put_uint(&json, "interval_ms",
			   (now->monotonic_ns - before->monotonic_ns) / WEIR_NS_PER_MS);
	interfaces_put(&json, before, now, &sum);
	totals_put(&json, &sum);
	reasons_put(&json, &sum);
	weir_json_close_object(&json);
}
