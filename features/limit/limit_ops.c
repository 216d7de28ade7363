/* SPDX-License-Identifier: Apache-2.0 */
/* limit show: the limits, what they are about, what became of packets. Sources are not listed: a
 * bucket keeps a fingerprint, not an address. */
#include <errno.h>

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

static void block_put(const struct limit_text *text, struct weir_json_out *json)
{
	_cleanup_buf_ struct weir_buf block = { 0 };

	weir_buf_addf(&block, "after %s for ", text->block_after);
	weir_duration_format(text->block_for.value, &block);
	weir_buf_add_str(&block, ", at most ");
	weir_duration_format(text->block_most.value, &block);
	if (text->block_dry_run)
		weir_buf_add_str(&block, ", dry run");
	weir_json_put_str(json, "block", weir_buf_str(&block));
}

static void limit_put(const struct limit_entry *entry, const struct limit_count *count,
		      struct weir_json_out *json)
{
	const struct limit_text *text = entry->text;
	struct limit_meaning meaning = {};

	limit_read(text, "", NULL, &meaning); /* it has been checked */
	weir_json_open_object(json, NULL);
	weir_json_put_str(json, "name", text->name);
	weir_json_put_str(json, "origin", limit_origin_names[entry->origin]);
	if (entry->preset)
		weir_json_put_str(json, "preset", entry->preset);
	matches_put(text, json);
	weir_json_put_str(json, "per", text->per);
	weir_json_put_str(json, "counts", limit_counts(text));
	weir_json_put_str(json, "rate", limit_rate(text));
	weir_json_put_uint(json, "burst", meaning.burst);
	weir_json_put_bool(json, "dry_run", text->dry_run);
	if (text->when != WEIR_CALM)
		weir_json_put_str(json, "when", limit_when_names[text->when]);
	if (text->block_after)
		block_put(text, json);
	weir_json_put_uint(json, "passed", count->passed);
	weir_json_put_uint(json, "passed_bytes", count->passed_bytes);
	weir_json_put_uint(json, "over", count->over);
	weir_json_put_uint(json, "over_bytes", count->over_bytes);
	weir_json_put_uint(json, "crowded", count->crowded);
	weir_json_put_uint(json, "raced", count->raced);
	weir_json_close_object(json);
}

/* Apart from the others, whose names they may have. */
static void rules_put(const struct limit *state, struct weir_json_out *json)
{
	struct limit_count unheld = limit_unheld(state);

	weir_json_open_array(json, "rules");
	for (unsigned i = 0; i < state->guests.count; i++)
		limit_guest_put(state, &state->guests.at[i], json);
	weir_json_close_array(json);
	weir_json_put_uint(json, "rules_crowded", unheld.crowded);
	weir_json_put_uint(json, "rules_raced", unheld.raced);
}

static int run_show(struct weir_engine *engine, struct weir_call *call)
{
	const struct limit *state = weir_engine_state(engine, &weir_limit);
	struct weir_json_out json = { .out = &call->reply };
	struct limit_list list;
	struct limit_sums sums;

	limit_live(state, &list);
	limit_sums_read(state, &list, &sums);
	weir_json_open_object(&json, NULL);
	weir_json_open_array(&json, "limits");
	for (unsigned i = 0; i < list.count; i++)
		limit_put(&list.at[i], &sums.of[i], &json);
	weir_json_close_array(&json);
	rules_put(state, &json);
	bool is_on = limit_is_on(state, &list);

	weir_json_put_uint(&json, "sources", is_on ? state->owing_seen : 0);
	weir_json_put_uint(&json, "sources_capacity",
			   is_on ? (uint64_t)state->lines * LIMIT_WAYS : 0);
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

static void presets_put(const struct limit *state, struct weir_json_out *json)
{
	struct limit_list list;

	limit_live(state, &list);
	weir_json_open_array(json, "presets");
	for (const struct limit_preset *preset = limit_presets; preset->name; preset++) {
		unsigned acting = 0;

		for (unsigned i = 0; i < list.count; i++)
			acting += list.at[i].preset == preset->name;
		weir_json_open_object(json, NULL);
		weir_json_put_str(json, "name", preset->name);
		weir_json_put_str(json, "summary", preset->summary);
		weir_json_put_uint(json, "limits", preset->count);
		weir_json_put_uint(json, "acting", acting);
		weir_json_close_object(json);
	}
	weir_json_close_array(json);
}

static int run_preset(struct weir_engine *engine, struct weir_call *call)
{
	const char *name = weir_call_str(call, "name");
	const struct limit_preset *preset = name ? limit_preset_find(name) : NULL;
	struct weir_json_out json = { .out = &call->reply };
	_cleanup_buf_ struct weir_buf yaml = { 0 };

	if (name && !preset)
		return limit_preset_refuse(name, "name", &call->diag);
	weir_json_open_object(&json, NULL);
	if (preset) {
		limit_preset_yaml(preset, &yaml);
		weir_json_put_str(&json, "preset", preset->name);
		weir_json_put_str(&json, "text", weir_buf_str(&yaml));
	} else {
		presets_put(weir_engine_state(engine, &weir_limit), &json);
	}
	weir_json_close_object(&json);
	return yaml.failed ? -ENOMEM : 0;
}

static const struct weir_arg preset_args[] = {
	{ "name", WEIR_ARG_STRING, WEIR_ARG_POSITIONAL, "NAME",
	  "one of them, as it would stand in weir.yaml; without, all are named", NULL, NULL },
	{ 0 },
};

static const struct weir_op preset_op = {
	.name = "limit.preset",
	.summary = "Print the limits of a preset, with the reason of each figure",
	.kind = WEIR_OP_READ,
	.role = WEIR_ROLE_VIEWER,
	.args = preset_args,
	.example = "limit preset web",
	.run = run_preset,
};

const struct weir_op *const limit_ops[] = { &show_op,	   &limit_top_op, &limit_add_op,
					    &limit_del_op, &preset_op,	  NULL };
