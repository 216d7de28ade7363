/* SPDX-License-Identifier: Apache-2.0 */
/* What a replay found, as JSON and as text. */
#ifndef WEIR_CLI_REPLAY_H
#define WEIR_CLI_REPLAY_H

#include <stdint.h>

#include "base/json.h"
#include "cli/tally.h"

#define WEIR_REPLAY_TOP 10 /* sources that are shown */

struct weir_replay_sums {
	struct weir_tally tally;
	uint64_t first_ns, last_ns; /* of the packets' own clock, since 1970 */
	uint64_t cut_short;	    /* packets of which the capture holds only a part */
	uint64_t took_ms;
};

/* packets, bytes, duration_ms, took_ms and cut_short, into an open object. */
void weir_replay_sums_put(const struct weir_replay_sums *sums, struct weir_json_out *json);
/* {packets, bytes, duration_ms, took_ms, cut_short, reasons:[…], sources:[…], source_count} */
void weir_replay_put(const struct weir_replay_sums *sums, struct weir_buf *out);

#endif
