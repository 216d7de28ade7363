/* SPDX-License-Identifier: Apache-2.0 */
/* replay --flows: the flows of a capture, as `flow ended` shows those of live packets. */
#ifndef WEIR_CLI_REPLAY_FLOWS_H
#define WEIR_CLI_REPLAY_FLOWS_H

#include "base/json.h"
#include "cli/replay.h"
#include "core/replay.h"

struct weir_replay_flows {
	struct weir_replay replay;
	struct weir_buf text; /* of the answer, as far as it has come */
	struct weir_json_out json;
	uint64_t count;
};

int weir_replay_flows_begin(struct weir_replay_flows *flows, struct weir_probe *probe);
/* {flows:[…], shown, total, kept, made, keep, packets, bytes, duration_ms, took_ms, cut_short,
 * account:{…}} is in `text` then. */
int weir_replay_flows_end(struct weir_replay_flows *flows, const struct weir_replay_sums *sums);
void weir_replay_flows_done(struct weir_replay_flows *flows);

#endif
