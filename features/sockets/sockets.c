/* SPDX-License-Identifier: Apache-2.0 */
/* The sockets feature as the engine sees it. It has no stage: it watches this host's sockets. */
#include <errno.h>
#include <stdlib.h>

#include "core/engine.h"
#include "features/sockets/sockets_state.h"

const struct weir_field sockets_fields[] = {
	{ .key = "enabled",
	  .type = WEIR_FIELD_BOOL,
	  .offset = offsetof(struct sockets_section, enabled),
	  .fallback = "false",
	  .help = "Know which process has which TCP or connected UDP socket of this host, and how "
		  "well TCP gets on." },
	{ .key = "all-namespaces",
	  .type = WEIR_FIELD_BOOL,
	  .offset = offsetof(struct sockets_section, all_namespaces),
	  .fallback = "false",
	  .help = "Those of every network namespace, of containers too; otherwise only of Weir's "
		  "own." },
	{ .key = "commands",
	  .type = WEIR_FIELD_BOOL,
	  .offset = offsetof(struct sockets_section, commands),
	  .fallback = "false",
	  .help = "The command line of each process, too. It may hold secrets, and whoever may "
		  "list sockets or read the log of flows sees it." },
	{ 0 },
};

static int sockets_state_new(struct weir_engine *engine, const char *state_dir,
			     struct weir_diag *diag, void **ret_state)
{
	struct sockets *state = calloc(1, sizeof(*state));

	(void)state_dir;
	(void)diag;
	if (!state)
		return -ENOMEM;
	state->engine = engine;
	sockets_cgroups_init(&state->cgroups);
	*ret_state = state;
	return 0;
}

static void sockets_state_free(void *data)
{
	struct sockets *state = data;

	if (!state)
		return;
	sockets_watch_end(state);
	free(state);
}

static void sockets_status(void *data, struct weir_json_out *json)
{
	const struct sockets *state = data;

	weir_json_open_object(json, "sockets");
	weir_json_put_bool(json, "on", state->is_on);
	if (state->why[0])
		weir_json_put_str(json, "problem", state->why);
	if (state->view) {
		weir_json_put_uint(json, "live", sockets_flow_count(state->view));
		sockets_sums_put(state, json);
	}
	weir_json_close_object(json);
}

const struct weir_feature weir_sockets = {
	.name = "sockets",
	.summary = "whose the sockets of this host are, and how well TCP gets on",
	.fields = sockets_fields,
	.section_size = sizeof(struct sockets_section),
	.state_new = sockets_state_new,
	.state_free = sockets_state_free,
	.live = sockets_live,
	.tick = sockets_tick,
	.status = sockets_status,
	.snapshot = sockets_snapshot,
	.owner_put = sockets_flow_owner_put,
	.owner_get = sockets_flow_owner_get,
	.quality_add = sockets_quality_add,
	.ops = sockets_ops,
};
