/* SPDX-License-Identifier: Apache-2.0 */
/* limit show: the limits, what they are about, what became of packets. Sources are not listed: a
 * bucket keeps a fingerprint, not an address. */
#include "base/cleanup.h"
#include "core/engine.h"
#include "features/limit/limit_state.h"

static void matches_put(const struct limit_text *text, struct weir_json_out *json)
{
	_cleanup_buf_ struct weir_buf matches = { 0 };

	weir_buf_add_str(&matches, limit_direction_names[text->direction]);
	weir_buf_addf(&matches, " %s", limit_proto_names[text->proto]);
	if (text->flags == LIMIT_FLAGS_SYN)
		weir_buf_add_str(&matches, " syn");
	if (text->sport)
		weir_buf_addf(&matches, " sport %s", text->sport);
	if (text->dport)
		weir_buf_addf(&matches, " dport %s", text->dport);
	weir_json_put_str(json, "matches", weir_buf_str(&matches));
}

static void limit_put(const struct limit_text *text, unsigned index,
		      const struct limit_count *count, struct weir_json_out *json)
{
	struct limit_meaning meaning = {};

	limit_read(text, index, NULL, &meaning); /* limit_check() has seen it */
	weir_json_open_object(json, NULL);
	weir_json_put_str(json, "name", text->name);
	matches_put(text, json);
	weir_json_put_str(json, "per", text->per);
	weir_json_put_str(json, "counts", limit_counts(text));
	weir_json_put_str(json, "rate", limit_rate(text));
	weir_json_put_uint(json, "burst", meaning.burst);
	weir_json_put_bool(json, "dry_run", text->dry_run);
	weir_json_put_uint(json, "passed", count->passed);
	weir_json_put_uint(json, "passed_bytes", count->passed_bytes);
	weir_json_put_uint(json, "over", count->over);
	weir_json_put_uint(json, "over_bytes", count->over_bytes);
	weir_json_put_uint(json, "crowded", count->crowded);
	weir_json_put_uint(json, "raced", count->raced);
	weir_json_close_object(json);
}

static int run_show(struct weir_engine *engine, struct weir_call *call)
{
	const struct limit *state = weir_engine_state(engine, &weir_limit);
	struct weir_json_out json = { .out = &call->reply };
	struct limit_sums sums;
	const struct limit_section *section = limit_section_of(state);
	unsigned count = section->limit_count;

	limit_sums_read(state, &sums);
	weir_json_open_object(&json, NULL);
	weir_json_open_array(&json, "limits");
	for (unsigned i = 0; i < count; i++)
		limit_put(&section->limits[i], i, &sums.of[i], &json);
	weir_json_close_array(&json);
	weir_json_put_uint(&json, "sources", count ? state->owing_seen : 0);
	weir_json_put_uint(&json, "sources_capacity",
			   count ? (uint64_t)state->lines * LIMIT_WAYS : 0);
	weir_json_close_object(&json);
	return 0;
}

static const struct weir_op show_op = {
	.name = "limit.show",
	.summary = "Show the limits, and what became of packets they are about",
	.kind = WEIR_OP_READ,
	.role = WEIR_ROLE_VIEWER,
	.example = "limit show",
	.run = run_show,
};

const struct weir_op *const limit_ops[] = { &show_op, NULL };
