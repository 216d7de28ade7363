/* SPDX-License-Identifier: Apache-2.0 */
/* The quality feature as the engine sees it. It has no stage: it measures behind the others. */
#include <errno.h>
#include <stdlib.h>

#include "core/engine.h"
#include "features/quality/quality_state.h"

static const struct weir_field quality_fields[] = {
	{ .key = "enabled",
	  .type = WEIR_FIELD_BOOL,
	  .offset = offsetof(struct quality_section, enabled),
	  .fallback = "false",
	  .help = "Measure how well TCP gets on that passes through: round trips, retransmits, "
		  "segments out of order, closed windows, resets." },
	{ .key = "flows",
	  .type = WEIR_FIELD_UINT,
	  .offset = offsetof(struct quality_section, flows),
	  .least = 64,
	  .most = 4194304,
	  .fallback = "32768",
	  .help = "How many connections are measured at a time, at half a kilobyte each; of "
		  "others the packets are counted." },
	{ .key = "sample",
	  .type = WEIR_FIELD_UINT,
	  .offset = offsetof(struct quality_section, sample),
	  .least = 1,
	  .most = 65536,
	  .fallback = "1",
	  .help = "Measure one of so many connections, each of them whole. Totals are scaled." },
	{ .key = "cpu",
	  .type = WEIR_FIELD_UINT,
	  .offset = offsetof(struct quality_section, cpu),
	  .least = 0,
	  .most = 100,
	  .fallback = "0",
	  .help = "Percent of one processor that measuring may take: fewer connections are "
		  "measured where it takes more. 0: no ceiling." },
	{ 0 },
};

static int quality_state_new(struct weir_engine *engine, const char *state_dir,
			     struct weir_diag *diag, void **ret_state)
{
	struct quality *state = calloc(1, sizeof(*state));

	(void)state_dir;
	(void)diag;
	if (!state)
		return -ENOMEM;
	state->engine = engine;
	*ret_state = state;
	return 0;
}

static void quality_state_free(void *data)
{
	struct quality *state = data;

	if (!state)
		return;
	quality_watch_end(state);
	free(state);
}

static void quality_status(void *data, struct weir_json_out *json)
{
	const struct quality *state = data;

	weir_json_open_object(json, "quality");
	weir_json_put_bool(json, "on", state->section.enabled);
	if (state->why[0])
		weir_json_put_str(json, "problem", state->why);
	if (state->measurer)
		quality_sums_put(state, json);
	weir_json_close_object(json);
}

const struct weir_feature weir_quality = {
	.name = "quality",
	.summary = "how well TCP gets on that passes through",
	.fields = quality_fields,
	.section_size = sizeof(struct quality_section),
	.state_new = quality_state_new,
	.state_free = quality_state_free,
	.live = quality_live,
	.tick = quality_tick,
	.watched = quality_watched,
	.status = quality_status,
	.snapshot = quality_snapshot,
	.owner_put = quality_owner_put,
	.quality_add = quality_flow_add,
	.ops = quality_ops,
};
