/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of `drops` share in user space. Nothing outside includes it. */
#ifndef WEIR_DROPS_STATE_H
#define WEIR_DROPS_STATE_H

#include "core/feature.h"
#include "core/trace.h"
#include "features/drops/drops.h"
#include "features/drops/drops_reasons.h"

#define DROPS_SERIES_MAX 64
#define DROPS_TOLD_FILE "drops-told" /* in the run's directory */

/* `drops:` of weir.yaml. */
struct drops_section {
	bool enabled;
};

struct drops_seen_row {
	struct drops_key key;
	struct drops_row row;
	struct drops_count more; /* since the look before */
	double per_second;	 /* over the last second or so */
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

/* What a number stands for, or did when it was last known. */
struct drops_name {
	uint32_t ifindex;	       /* 0: none */
	bool is_there;		       /* the device */
	bool is_asked;		       /* while names are followed */
	uint64_t since_ns;	       /* when it was called so */
	char text[DROPS_DEVICE_BYTES]; /* "": nobody knows */
};

struct drops_names {
	struct drops_name at[2 * DROPS_ROWS_MAX]; /* open addressing */
};

/* Rows that differ in place and protocol are one series; so are those of devices that have the same
 * name one after the other, for a series is what its labels say. */
struct drops_series {
	uint32_t reason;
	char device[DROPS_DEVICE_BYTES];
	struct drops_count count;
};

/* What is told in metrics, which never falls. */
struct drops_told {
	struct drops_series series[DROPS_SERIES_MAX];
	size_t count;
	struct drops_count others;
};

struct drops {
	struct weir_engine *engine; /* NULL: a look at a configuration */
	struct weir_tracer *tracer; /* NULL: nothing is watched */
	struct weir_trace_plan plan;
	struct weir_trace_constant named[2];
	struct drops_constants constants;
	struct drops_reasons reasons;
	struct drops_view *view, *before; /* while something is watched */
	struct drops_names *names;	  /* of its rows */
	struct drops_told told;		  /* of them */
	struct weir_buf kept;		  /* what a run before has told, until it is taken */
	char why[160];			  /* nothing is watched although it is asked for */
	bool is_on;			  /* by the live configuration */
	bool was_asked;			  /* the first configuration was seen */
	bool is_loss_told;		  /* that it cannot be kept */
};

extern const struct weir_feature weir_drops;
extern const struct weir_field drops_fields[];
extern const struct weir_op *const drops_ops[];

/* drops_watch.c */
void drops_live(void *data, const struct weir_config *config);
void drops_tick(void *data, uint64_t now_ns);
void drops_watch_end(struct drops *state);

/* By key. */
int drops_row_compare(const void *a, const void *b);
/* Whether a program at TC or XDP said so, Weir's perhaps: such a packet is in its counters too. */
bool drops_is_verdict(const struct drops *state, uint32_t reason);
/* "tcp", "arp", "0x88cc"; "" when none is known. */
const char *drops_proto_name(const struct drops_key *key, char text[8]);

/* drops_names.c: what is known of the devices of these rows, which are those of before and more. */
void drops_names_follow(struct drops_names *names, const struct drops_view *view);
/* Its device's; "#7" when nobody knows, "" when there is none. */
const char *drops_device_name(struct drops_names *names, const struct drops_seen_row *row,
			      char text[DROPS_DEVICE_BYTES]);

/* drops_metrics.c: adds what is more in the view; false: nothing is. */
bool drops_told_add(struct drops *state, const struct drops_view *view);
int drops_snapshot(void *data, struct weir_snapshot *snapshot);

/* drops_kept.c: reads what a run before has told. What is damaged is put aside, and `diag` has a
 * warning. -ENOMEM. */
int drops_kept_read(struct drops *state, struct weir_diag *diag);
/* As told, and as seen before the first look. */
void drops_kept_take(struct drops *state);
/* Forgets that at the first look where the rows are others, which began anew. */
void drops_kept_check(struct drops *state, const struct drops_view *view);
/* What is told is of this view; before anybody is told it. */
void drops_kept_save(struct drops *state, const struct drops_view *view);
void drops_kept_remove(struct drops *state);

#endif
