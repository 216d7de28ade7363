/* SPDX-License-Identifier: Apache-2.0 */
/* The drops feature as the engine sees it. It has no stage: it watches what the kernel gives up. */
#include <errno.h>
#include <stdlib.h>

#include "core/engine.h"
#include "features/drops/drops_state.h"

const struct weir_field drops_fields[] = {
	{ .key = "enabled",
	  .type = WEIR_FIELD_BOOL,
	  .offset = offsetof(struct drops_section, enabled),
	  .fallback = "false",
	  .help = "Count the packets that the kernel itself gives up, by its reason, where, and of "
		  "which flows." },
	{ 0 },
};

static int drops_state_new(struct weir_engine *engine, const char *state_dir,
			   struct weir_diag *diag, void **ret_state)
{
	struct drops *state = calloc(1, sizeof(*state));

	(void)state_dir;
	if (!state)
		return -ENOMEM;
	state->engine = engine;
	int r = engine ? drops_kept_read(state, diag) : 0;

	if (r)
		free(state);
	else
		*ret_state = state;
	return r;
}

static void drops_state_free(void *data)
{
	struct drops *state = data;

	if (!state)
		return;
	drops_watch_end(state);
	weir_buf_done(&state->kept);
	free(state);
}

static void drops_status(void *data, struct weir_json_out *json)
{
	const struct drops *state = data;
	const struct drops_view *view = state->view;

	weir_json_open_object(json, "drops");
	weir_json_put_bool(json, "on", state->is_on);
	if (state->why[0])
		weir_json_put_str(json, "problem", state->why);
	if (view) {
		weir_json_put_uint(json, "packets", view->sums[DROPS_ALL].packets);
		weir_json_put_uint(json, "bytes", view->sums[DROPS_ALL].bytes);
		weir_json_put_uint(json, "missed", view->missed);
	}
	weir_json_close_object(json);
}

static const char *const drops_run_files[] = { DROPS_TOLD_FILE, NULL };

const struct weir_feature weir_drops = {
	.name = "drops",
	.summary = "who loses packets in the kernel, where and why",
	.fields = drops_fields,
	.section_size = sizeof(struct drops_section),
	.state_new = drops_state_new,
	.state_free = drops_state_free,
	.live = drops_live,
	.tick = drops_tick,
	.status = drops_status,
	.snapshot = drops_snapshot,
	.ops = drops_ops,
	.run_files = drops_run_files,
};
