/* SPDX-License-Identifier: Apache-2.0 */
#include "features/conntrack/conntrack_record.h"

#include <pthread.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "core/replay.h"
#include "features/conntrack/conntrack_active.h"
#include "features/conntrack/conntrack_ledger.h"

#define REPLAYED_FIRST 64

struct conntrack_records {
	pthread_mutex_t lock;
	struct conntrack_record *at; /* number modulo keep */
	uint32_t keep;
	uint64_t made, first; /* of those that are kept, the oldest's number */
	uint64_t packets, bytes;
	struct conntrack_listeners listeners; /* borrowed */
	const struct weir_replay *replay;     /* NULL: live flows */
	size_t count;			      /* of a replay, those not taken yet */
	bool failed;
};

const char *const conntrack_end_words[] = {
#define X(identifier, name, help) name,
	CONNTRACK_ENDS(X)
#undef X
		NULL,
};

struct conntrack_records *conntrack_records_new(void)
{
	struct conntrack_records *records = calloc(1, sizeof(*records));

	if (records)
		pthread_mutex_init(&records->lock, NULL);
	return records;
}

void conntrack_records_free(struct conntrack_records *records)
{
	if (!records)
		return;
	pthread_mutex_destroy(&records->lock);
	free(records->at);
	free(records);
}

void conntrack_records_tell(struct conntrack_records *records,
			    const struct conntrack_listeners *listeners)
{
	records->listeners = *listeners;
}

static void records_grow(struct conntrack_records *records, uint32_t keep,
			 struct conntrack_record *at)
{
	uint64_t kept = records->made - records->first, most = kept < keep ? kept : keep;

	for (uint64_t number = records->made - most; number < records->made; number++)
		at[number % keep] = records->at[number % records->keep];
	records->first = records->made - most;
	free(records->at);
	records->at = at;
	records->keep = keep;
}

void conntrack_records_keep(struct conntrack_records *records, uint32_t keep)
{
	struct conntrack_record *at = keep ? calloc(keep, sizeof(*at)) : NULL;

	if (!records) { /* a private copy of the feature: nothing ends there */
		free(at);
		return;
	}
	pthread_mutex_lock(&records->lock);
	if (keep == records->keep)
		free(at);
	else if (!keep || at)
		records_grow(records, keep, at);
	pthread_mutex_unlock(&records->lock);
}

static bool is_empty(const struct conntrack_carried *carried)
{
	return !(carried->packets[0] | carried->packets[1] | carried->bytes[0] | carried->bytes[1]);
}

void conntrack_records_replay(struct conntrack_records *records, const struct weir_replay *replay)
{
	conntrack_records_keep(records, 0);
	records->replay = replay;
}

uint32_t conntrack_records_tick(const struct conntrack_records *records)
{
	return records && records->replay ?
		       (uint32_t)(records->replay->now_ns >> CONNTRACK_TICK_SHIFT) :
		       conntrack_now();
}

bool conntrack_records_have_failed(const struct conntrack_records *records)
{
	return records->failed;
}

/* Of a replay, which has one thread. */
static void replayed_add(struct conntrack_records *records, const struct conntrack_record *record)
{
	if (records->count == records->keep) {
		uint32_t keep = records->keep ? records->keep * 2 : REPLAYED_FIRST;
		struct conntrack_record *at = realloc(records->at, keep * sizeof(*at));

		if (!at) {
			records->failed = true;
			return;
		}
		records->at = at;
		records->keep = keep;
	}
	struct conntrack_record *at = &records->at[records->count++];

	*at = *record;
	at->number = records->made++;
	at->end_ns = record->end_ns ? record->end_ns : records->replay->now_ns;
}

struct conntrack_record *conntrack_records_take(struct conntrack_records *records,
						size_t *ret_count)
{
	struct conntrack_record *at = records->count ? records->at : NULL;

	*ret_count = records->count;
	if (at) {
		records->at = NULL;
		records->keep = 0;
		records->count = 0;
	}
	return at;
}

/* What was told of it before is in no record twice. */
static void rest_take(struct conntrack_records *records, struct conntrack_record *record)
{
	if (record->end != CONNTRACK_END_ACTIVE)
		conntrack_active_rest(records->listeners.active, &record->flow,
				      record->end == CONNTRACK_END_PART ? CONNTRACK_TOLD_PART :
									  CONNTRACK_TOLD_ENDS,
				      &record->carried);
}

static void record_sum(struct conntrack_records *records, const struct conntrack_record *record)
{
	const struct conntrack_view view = {
		.flow = &record->flow,
		.table = record->table,
		.is_counted = true,
		.carried = record->carried,
		.engine = record->is_busy ? NULL : records->listeners.engine,
	};

	records->packets += record->carried.packets[0] + record->carried.packets[1];
	records->bytes += record->carried.bytes[0] + record->carried.bytes[1];
	conntrack_ledger_add(records->listeners.ledger, &view,
			     record->end != CONNTRACK_END_PART &&
				     record->end != CONNTRACK_END_ACTIVE);
}

void conntrack_records_add(struct conntrack_records *records, const struct conntrack_record *record)
{
	if (!records || is_empty(&record->carried))
		return;
	if (records->replay) {
		replayed_add(records, record);
		return;
	}
	pthread_mutex_lock(&records->lock);
	if (records->keep) {
		struct conntrack_record *at = &records->at[records->made % records->keep];

		*at = *record;
		rest_take(records, at);
		at->number = records->made++;
		at->end_ns = record->end_ns ? record->end_ns : weir_clock_monotonic_ns();
		if (records->made - records->first > records->keep)
			records->first++;
		record_sum(records, at);
	}
	pthread_mutex_unlock(&records->lock);
}

size_t conntrack_records_get(struct conntrack_records *records, uint64_t from,
			     struct conntrack_record *ret_records, size_t room)
{
	size_t count = 0;

	pthread_mutex_lock(&records->lock);
	if (from < records->first)
		from = records->first;
	for (; from < records->made && count < room; from++)
		ret_records[count++] = records->at[from % records->keep];
	pthread_mutex_unlock(&records->lock);
	return count;
}

void conntrack_records_join(struct conntrack_records *records, uint64_t number,
			    const struct weir_flow_quality *quality)
{
	pthread_mutex_lock(&records->lock);
	if (number >= records->first && number < records->made)
		records->at[number % records->keep].quality = *quality;
	pthread_mutex_unlock(&records->lock);
}

struct conntrack_records_count conntrack_records_count(struct conntrack_records *records)
{
	pthread_mutex_lock(&records->lock);
	struct conntrack_records_count count = { records->made, records->made - records->first,
						 records->packets, records->bytes, records->keep };

	pthread_mutex_unlock(&records->lock);
	return count;
}

/* By its state, where it was over or past its time: that it was swept, or that another took its
 * place just then, says nothing of it. */
static enum conntrack_end end_of_state(const struct conntrack_flow *flow)
{
	enum conntrack_state state = conntrack_state_of(flow->key.proto, flow->word);

	return state == CONNTRACK_RESET_SEEN ? CONNTRACK_END_RESET :
	       state == CONNTRACK_TIME_WAIT  ? CONNTRACK_END_CLOSED :
					       CONNTRACK_END_IDLE;
}

enum conntrack_end conntrack_end_of(const struct conntrack_flow *flow, enum conntrack_cause cause,
				    uint32_t now)
{
	static const enum conntrack_end ends[] = {
		[CONNTRACK_CAUSE_CLAIMED] = CONNTRACK_END_DISPLACED,
		[CONNTRACK_CAUSE_RENEWED] = CONNTRACK_END_RENEWED,
		[CONNTRACK_CAUSE_FORGOTTEN] = CONNTRACK_END_FLUSHED,
		[CONNTRACK_CAUSE_NO_ROOM] = CONNTRACK_END_NO_ROOM,
		[CONNTRACK_CAUSE_OFF] = CONNTRACK_END_UNTRACKED,
		[CONNTRACK_CAUSE_CAPTURE] = CONNTRACK_END_OPEN,
	};

	if (cause == CONNTRACK_CAUSE_LEFT)
		return CONNTRACK_END_PART;
	if (cause >= WEIR_ARRAY_SIZE(ends) ||
	    !conntrack_is_there(flow->word, flow->expires_ticks, now))
		return end_of_state(flow);
	bool is_over = conntrack_is_over(flow->word) && cause != CONNTRACK_CAUSE_FORGOTTEN;

	return is_over ? end_of_state(flow) : ends[cause];
}
