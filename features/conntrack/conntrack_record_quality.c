/* SPDX-License-Identifier: Apache-2.0 */
/* How well TCP got on in flows that have ended: others measure it, and are asked when a record is
 * new. Later they may have forgotten; and while a record is made, a change may be under way. */
#include "base/clock.h"
#include "features/conntrack/conntrack_record.h"
#include "features/conntrack/conntrack_view.h"

#define BATCH 64 /* copied at one time: the lock is held for some microseconds */
/* Sockets are read about once a second: of what has just ended they may not know yet. */
#define YOUNG_NS (5 * WEIR_NS_PER_S)

/* A part of a flow has a part of its numbers, and measures are of the whole. */
static bool is_measured(const struct conntrack_record *record)
{
	return record->flow.key.proto == CONNTRACK_TCP && record->end != CONNTRACK_END_PART &&
	       record->end != CONNTRACK_END_ACTIVE;
}

static void record_measure(struct conntrack *state, const struct conntrack_record *record)
{
	const struct conntrack_view view = {
		.flow = &record->flow,
		.is_counted = true,
		.carried = record->carried,
	};
	const struct weir_flow_ends flow = conntrack_ends_of(&view);
	struct weir_flow_quality quality;

	weir_flow_quality_get(state->engine, &flow, &quality);
	if (quality.by)
		conntrack_records_join(state->records, record->number, &quality);
}

void conntrack_records_measure(struct conntrack *state)
{
	uint64_t now_ns = weir_clock_monotonic_ns(), next = state->measured;
	struct conntrack_record batch[BATCH];
	size_t count = BATCH;

	while (count == BATCH) {
		count = conntrack_records_get(state->records, next, batch, BATCH);
		for (size_t i = 0; i < count; i++) {
			next = batch[i].number + 1;
			if (is_measured(&batch[i]) && !batch[i].quality.by)
				record_measure(state, &batch[i]);
			if (now_ns - batch[i].end_ns > YOUNG_NS)
				state->measured = next;
		}
	}
}
