/* SPDX-License-Identifier: Apache-2.0 */
/* The sums of a replay as the JSON that render_replay.c shows. */
#include "base/clock.h"
#include "base/json.h"
#include "cli/replay.h"
#include "core/snapshot.h"

static void reasons_put(const struct weir_tally *tally, struct weir_json_out *json)
{
	weir_json_open_array(json, "reasons");
	for (uint32_t reason = 0; reason < WEIR_REASONS_MAX; reason++) {
		if (tally->reason_packets[reason] == 0)
			continue;
		weir_json_open_object(json, NULL);
		weir_json_put_str(json, "reason", weir_reason_name(reason));
		weir_json_put_str(json, "verdict", weir_reason_is_drop(reason) ? "drop" : "pass");
		weir_json_put_str(json, "help", weir_reason_help(reason));
		weir_json_put_uint(json, "packets", tally->reason_packets[reason]);
		weir_json_put_uint(json, "bytes", tally->reason_bytes[reason]);
		weir_json_close_object(json);
	}
	weir_json_close_array(json);
}

static void sources_put(const struct weir_tally *tally, struct weir_json_out *json)
{
	const struct weir_tally_source *top[WEIR_REPLAY_TOP];
	size_t count = weir_tally_top(tally, top, WEIR_REPLAY_TOP);
	char text[WEIR_ADDR_TEXT];

	weir_json_open_array(json, "sources");
	for (size_t i = 0; i < count; i++) {
		weir_json_open_object(json, NULL);
		weir_json_put_str(json, "source", weir_addr_to_string(&top[i]->addr, text));
		weir_json_put_uint(json, "passed", top[i]->passed);
		weir_json_put_uint(json, "dropped", top[i]->dropped);
		weir_json_put_uint(json, "bytes", top[i]->bytes);
		weir_json_close_object(json);
	}
	weir_json_close_array(json);
	weir_json_put_uint(json, "source_count", tally->source_count);
}

void weir_replay_sums_put(const struct weir_replay_sums *sums, struct weir_json_out *json)
{
	weir_json_put_uint(json, "packets", sums->tally.packets);
	weir_json_put_uint(json, "bytes", sums->tally.bytes);
	weir_json_put_uint(json, "duration_ms", (sums->last_ns - sums->first_ns) / WEIR_NS_PER_MS);
	weir_json_put_uint(json, "took_ms", sums->took_ms);
	weir_json_put_uint(json, "cut_short", sums->cut_short);
}

void weir_replay_put(const struct weir_replay_sums *sums, struct weir_buf *out)
{
	struct weir_json_out json = { .out = out };

	weir_json_open_object(&json, NULL);
	weir_replay_sums_put(sums, &json);
	reasons_put(&sums->tally, &json);
	sources_put(&sums->tally, &json);
	weir_json_close_object(&json);
}
