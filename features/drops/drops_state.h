/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of `drops` share in user space. Nothing outside includes it. */
#ifndef WEIR_DROPS_STATE_H
#define WEIR_DROPS_STATE_H

#include "core/feature.h"
#include "core/trace.h"
#include "features/drops/drops.h"
#include "features/drops/drops_reasons.h"

/* `drops:` of weir.yaml. */
struct drops_section {
	bool enabled;
};

struct drops_seen_row {
	struct drops_key key;
	struct drops_row row;
	double per_second; /* over the last second or so */
};

struct drops_seen_flow {
	struct drops_flow_key key;
	struct drops_flow flow;
};

/* What was read of the maps at one time. */
struct drops_view {
	struct drops_seen_row rows[DROPS_ROWS_MAX]; /* by key */
	size_t row_count;
	struct drops_seen_flow flows[DROPS_FLOWS_MAX]; /* as they came */
	size_t flow_count;
	struct drops_count sums[DROPS_SUMS];
	uint64_t missed;  /* since the daemon started */
	uint64_t read_ns; /* CLOCK_MONOTONIC; 0: never */
};

struct drops {
	struct weir_engine *engine; /* NULL: a look at a configuration */
	struct weir_tracer *tracer; /* NULL: nothing is watched */
	struct weir_trace_plan plan;
	struct weir_trace_constant named[2];
	struct drops_constants constants;
	struct drops_reasons reasons;
	struct drops_view *view, *before; /* while something is watched */
	char why[160];			  /* nothing is watched although it is asked for */
	bool is_on;			  /* by the live configuration */
	bool was_asked;			  /* the first configuration was seen */
};

extern const struct weir_feature weir_drops;
extern const struct weir_field drops_fields[];
extern const struct weir_op *const drops_ops[];

/* drops_watch.c */
void drops_live(void *data, const struct weir_config *config);
void drops_tick(void *data, uint64_t now_ns);
void drops_watch_end(struct drops *state);

/* Whether a program at TC or XDP said so, Weir's perhaps: such a packet is in its counters too. */
bool drops_is_verdict(const struct drops *state, uint32_t reason);
/* Its name: as it was called then, else as its number is now, else "#7"; "" when there is none. */
const char *drops_device_name(const struct drops_seen_row *row, char text[DROPS_DEVICE_BYTES]);
/* "tcp", "arp", "0x88cc"; "" when none is known. */
const char *drops_proto_name(const struct drops_key *key, char text[8]);

/* drops_metrics.c */
int drops_snapshot(void *data, struct weir_snapshot *snapshot);

#endif
