/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of `quality` share in user space. Nothing outside includes it. */
#ifndef WEIR_QUALITY_STATE_H
#define WEIR_QUALITY_STATE_H

#include "core/feature.h"
#include "core/flow_past.h"
#include "core/measure.h"
#include "features/quality/quality.h"
#include "features/quality/quality_governor.h"

#define QUALITY_ENDED_MAX 4096 /* flows that are remembered when they are over */

/* `quality:` of weir.yaml. */
struct quality_section {
	bool enabled;
	uint32_t flows;
	uint32_t sample;
	uint32_t cpu; /* percent of one processor; 0: no ceiling */
};

struct quality_entry {
	struct quality_key key;
	struct quality_flow flow;
	bool is_silent; /* it did not end, nothing was heard of it any more */
};

/* The flows that are over, the latest last. */
struct quality_ended {
	struct quality_entry *at;
	uint64_t made; /* so many; the one numbered n is at n % QUALITY_ENDED_MAX */
};

struct quality {
	struct weir_engine *engine;	/* NULL: a look at a configuration */
	struct weir_measurer *measurer; /* NULL: nothing is measured */
	struct weir_measure_plan plan;
	struct quality_section section;
	uint64_t sums[QUALITY_SUMS];
	struct quality_count counts[QUALITY_ROW(WEIR_INTERFACES_MAX, 0)];
	struct quality_owner owners[WEIR_INTERFACES_MAX];
	size_t places; /* interfaces where it measures */
	size_t live;   /* flows in the table, by the last walk */
	size_t met;    /* … so far in this one */
	struct weir_map_walk walk;
	struct quality_key *keys;    /* room for what is read at a time */
	struct quality_flow *values; /* likewise */
	struct quality_ended ended;
	struct weir_flow_past *past; /* as many of those that are over as may be measured */
	struct quality_governor governor;
	struct quality_control control; /* as it stands in the map */
	bool is_left_over; /* flows that are not measured any more may be in the table */
	uint64_t let_go;   /* such as were taken out, since the daemon started */
	char why[160];	   /* nothing is measured although it is asked for, or not everywhere */
	bool was_asked;	   /* the first configuration was seen */
};

extern const struct weir_feature weir_quality;
extern const struct weir_op *const quality_ops[];

/* quality_watch.c */
void quality_live(void *data, const struct weir_config *config);
void quality_tick(void *data, uint64_t now_ns);
void quality_watched(void *data);
void quality_watch_end(struct quality *state);
/* Each flow that is in the table now. */
int quality_each(struct quality *state, void (*each)(const struct quality_entry *entry, void *arg),
		 void *arg);

/* The next walk goes through all of it. */
void quality_walk_anew(struct quality *state);

/* quality_sample.c: as it stands in maps that were there, or as is asked for. */
int quality_sample_begin(struct quality *state);
/* One of so many flows is to be measured; 0: none. More than now: not before those are taken out
 * that were let go, so it has to be asked again. */
int quality_sample_want(struct quality *state, uint32_t sample);
/* Once a tick, when the sums were read. */
void quality_govern(struct quality *state, uint64_t now_ns);
const char *quality_governor_word(const struct quality *state);

/* quality_put.c */
void quality_entry_put(const struct quality *state, const struct quality_entry *entry,
		       struct weir_json_out *json);
void quality_sums_put(const struct quality *state, struct weir_json_out *json);
void quality_owner_put(void *data, const struct weir_flow_ends *ends, struct weir_json_out *json);
/* False: it is not in the table. */
bool quality_find(struct quality *state, const struct weir_flow_ends *ends,
		  struct quality_entry *ret_entry);
/* Which end is shown first: the client, if it is known. */
unsigned quality_src(const struct quality_entry *entry);
/* By its index; of an interface that is gone "#7". `text` is for that. */
const char *quality_device(const struct quality *state, uint32_t ifindex, char text[16]);

/* quality_flow.c */
void quality_past_add(struct quality *state, const struct quality_entry *entry);
void quality_flow_add(void *data, const struct weir_flow_ends *flow,
		      struct weir_flow_quality *quality);

/* quality_metrics.c */
int quality_snapshot(void *data, struct weir_snapshot *snapshot);

#endif
