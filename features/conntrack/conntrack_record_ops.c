/* SPDX-License-Identifier: Apache-2.0 */
/* Ended flows for people: flow ended, the stream, status and metrics. */
#include "features/conntrack/conntrack_record.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "abi/account.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "core/engine.h"
#include "features/conntrack/conntrack_active.h"
#include "features/conntrack/conntrack_ledger.h"
#include "features/conntrack/conntrack_query.h"

#define LIMIT_DEFAULT 1000
#define LIMIT_MOST 1000000
#define BATCH 64 /* copied at one time: the lock is held for some microseconds */

/* The key's ends stand in the order that it has. */
static struct conntrack_key key_of(const struct weir_event_flow *event)
{
	return (struct conntrack_key){
		.addr = { event->event.src, event->event.dst },
		.port = { event->event.sport, event->event.dport },
		.proto = event->event.proto,
		.family = event->family,
		.requester = event->requester,
	};
}

void conntrack_records_hear(struct conntrack *state, const struct weir_event_flow *event)
{
	struct conntrack_record record = {
		.flow = {
			.key = key_of(event),
			.word = event->word,
			.expires_ticks = event->expires_ticks,
			.born = event->born,
			.side = { { .flags = (uint8_t)event->side_flags } },
			.let_in = event->let_in,
			.rule = (uint16_t)event->event.rule,
			.backend = event->event.owner,
		},
		.carried = {
			.first_ns = event->first_ns,
			.last_ns = { event->last_ns[0], event->last_ns[1] },
			.vlan = event->vlan,
		},
		.end_ns = event->event.time_ns,
	};
	uint32_t then = (uint32_t)(event->event.time_ns >> CONNTRACK_TICK_SHIFT);

	conntrack_carried_of(event->words, &record.carried);
	record.table = conntrack_is_proven(record.flow.key.proto, record.flow.word) ?
			       CONNTRACK_TABLE_PROVEN :
			       CONNTRACK_TABLE_HALF;
	record.end = conntrack_end_of(&record.flow, (enum conntrack_cause)event->cause, then);
	record.is_busy = state->engine && !weir_engine_is_idle(state->engine);
	conntrack_records_add(state->records, &record);
}

/* A flow as it was when it ended. */
static struct conntrack_view view_of(struct conntrack *state, const struct conntrack_record *record)
{
	return (struct conntrack_view){
		.flow = &record->flow,
		.table = record->table,
		.now = (uint32_t)(record->end_ns >> CONNTRACK_TICK_SHIFT),
		.past = &state->past,
		.engine = state->engine,
		.is_over = true,
		.is_counted = true,
		.is_replayed = state->replay,
		.carried = record->carried,
	};
}

static uint64_t last_seen_ns(const struct conntrack_carried *carried)
{
	return carried->last_ns[0] > carried->last_ns[1] ? carried->last_ns[0] :
							   carried->last_ns[1];
}

/* As IPFIX has it (RFC 5102, 5.11.3); 0: it has none. */
static const uint8_t ipfix_reasons[CONNTRACK_END_COUNT] = {
	[CONNTRACK_END_IDLE] = 1,    [CONNTRACK_END_ACTIVE] = 2,    [CONNTRACK_END_CLOSED] = 3,
	[CONNTRACK_END_RESET] = 3,   [CONNTRACK_END_RENEWED] = 3,   [CONNTRACK_END_FLUSHED] = 4,
	[CONNTRACK_END_NO_ROOM] = 5, [CONNTRACK_END_UNTRACKED] = 4, [CONNTRACK_END_DISPLACED] = 5,
	[CONNTRACK_END_OPEN] = 4,
};

static void record_members(const struct conntrack_record *record, const struct conntrack_view *view,
			   struct weir_json_out *json)
{
	uint64_t last_ns = last_seen_ns(&record->carried);
	char when[WEIR_CLOCK_TEXT];

	weir_json_put_str(json, "time",
			  weir_clock_format(conntrack_view_real_ns(view, record->end_ns), when));
	weir_json_put_str(json, "kind", "flow");
	weir_json_put_str(json, "reason", conntrack_end_words[record->end]);
	if (ipfix_reasons[record->end])
		weir_json_put_uint(json, "flow_end_reason", ipfix_reasons[record->end]);
	weir_json_put_uint(json, "number", record->number);
	conntrack_view_members(view, json);
	conntrack_flags_put(view, json);
	weir_json_put_uint(json, "duration_ns",
			   last_ns > record->carried.first_ns ? last_ns - record->carried.first_ns :
								0);
	weir_flow_quality_put(&record->quality, json);
}

void conntrack_record_put(struct conntrack *state, const struct conntrack_record *record,
			  struct weir_json_out *json)
{
	struct conntrack_view view = view_of(state, record);

	weir_json_open_object(json, NULL);
	record_members(record, &view, json);
	weir_json_close_object(json);
}

static void record_stream(struct conntrack *state, const struct conntrack_record *record)
{
	_cleanup_buf_ struct weir_buf text = { 0 };
	struct weir_json_out json = { .out = &text };

	conntrack_record_put(state, record, &json);
	if (!text.failed)
		weir_engine_stream(state->engine, "flow", weir_buf_str(&text), text.len);
}

void conntrack_records_stream(struct conntrack *state)
{
	struct conntrack_record batch[BATCH];
	size_t count = BATCH;

	if (!weir_engine_is_streamed(state->engine, "flow")) {
		state->streamed = conntrack_records_count(state->records).made;
		return;
	}
	while (count == BATCH) {
		count = conntrack_records_get(state->records, state->streamed, batch, BATCH);
		for (size_t i = 0; i < count; i++)
			record_stream(state, &batch[i]);
		if (count) {
			state->unstreamed += batch[0].number - state->streamed;
			state->streamed = batch[count - 1].number + 1;
		}
	}
}

struct going_on {
	struct conntrack *state;
	struct conntrack_table *table;
	uint64_t now_ns;
};

static int going_on_tell(const struct conntrack_flow *flow, uint32_t index, void *arg)
{
	const struct going_on *on = arg;
	struct conntrack_record record = {
		.flow = *flow,
		.end_ns = on->now_ns,
		.table = on->table->kind,
		.end = CONNTRACK_END_ACTIVE,
	};

	if (conntrack_carried_get(on->table, index, flow->word, &record.carried) &&
	    conntrack_active_due(on->state->active, flow, on->now_ns, &record.carried))
		conntrack_records_add(on->state->records, &record);
	return 0;
}

void conntrack_records_go_on(struct conntrack *state, struct conntrack_table *table,
			     const struct conntrack_part *part)
{
	struct going_on on = { state, table, weir_clock_monotonic_ns() };

	if (state->goes_on)
		conntrack_table_each_of(table, part, conntrack_now(), going_on_tell, &on);
}

static bool key_lives(const struct conntrack_key *key, void *arg)
{
	const struct conntrack *state = arg;
	uint32_t now = conntrack_now();
	bool lives = false;

	for (int i = 0; i < CONNTRACK_TABLES && !lives; i++)
		lives = conntrack_table_has(&state->tables[i], key, state->seed, now) ||
			(state->old[i].set_count > CONNTRACK_SETS_OFF &&
			 conntrack_table_has(&state->old[i], key, state->seed, now));
	return lives;
}

void conntrack_records_forget(struct conntrack *state, uint64_t now_ns)
{
	conntrack_active_sweep(state->active, now_ns, key_lives, state);
}

static struct weir_count unrecorded_get(const struct conntrack *state)
{
	struct weir_count count = {};

	if (state->reasons)
		weir_map_sum(state->reasons, WEIR_UNRECORDED_ROW, 1, 2, (uint64_t *)&count);
	return count;
}

static void totals_status(const struct conntrack *state, struct weir_json_out *json)
{
	struct conntrack_ledger_sums sums = conntrack_ledger_sums(state->ledger);
	char since[WEIR_CLOCK_TEXT];

	if (!sums.plan.keys)
		return;
	weir_json_open_object(json, "totals");
	weir_json_put_str(json, "since", weir_clock_format(sums.began_ns, since));
	weir_json_put_uint(json, "keys", sums.plan.keys);
	weir_json_put_uint(json, "memory_bytes", sums.bytes);
	weir_json_put_uint(json, "flows", sums.told.flows);
	weir_json_put_uint(json, "packets", sums.told.packets[0] + sums.told.packets[1]);
	weir_json_put_uint(json, "bytes", sums.told.bytes[0] + sums.told.bytes[1]);
	weir_json_close_object(json);
}

void conntrack_records_status(const struct conntrack *state, struct weir_json_out *json)
{
	struct conntrack_records_count count = conntrack_records_count(state->records);
	struct weir_count unrecorded = unrecorded_get(state);
	struct weir_count told = conntrack_active_unheard(state->active);

	weir_json_open_object(json, "records");
	weir_json_put_uint(json, "made", count.made);
	weir_json_put_uint(json, "kept", count.kept);
	weir_json_put_uint(json, "keep", count.keep);
	weir_json_put_uint(json, "packets", count.packets);
	weir_json_put_uint(json, "bytes", count.bytes);
	weir_json_put_uint(json, "unrecorded_packets", unrecorded.packets);
	weir_json_put_uint(json, "unrecorded_bytes", unrecorded.bytes);
	weir_json_put_uint(json, "unrecorded_told_packets", told.packets);
	weir_json_put_uint(json, "unrecorded_told_bytes", told.bytes);
	weir_json_put_uint(json, "not_streamed", state->unstreamed);
	weir_json_close_object(json);
	totals_status(state, json);
}

int conntrack_records_snapshot(const struct conntrack *state, struct weir_snapshot *snapshot)
{
	struct conntrack_records_count count = conntrack_records_count(state->records);
	struct weir_count unrecorded = unrecorded_get(state);
	struct weir_count told = conntrack_active_unheard(state->active);
	const struct {
		const char *name, *help;
		uint64_t value;
	} counters[] = {
		{ "flow_records_total", "Records of ended flows, since the daemon started",
		  count.made },
		{ "flow_unrecorded_packets_total",
		  "Packets of ended flows that no record could be sent of", unrecorded.packets },
		{ "flow_unrecorded_bytes_total",
		  "Bytes of ended flows that no record could be sent of", unrecorded.bytes },
		{ "flow_unrecorded_told_packets_total",
		  "Packets of unrecorded flows that records had while they lived", told.packets },
		{ "flow_unrecorded_told_bytes_total",
		  "Bytes of unrecorded flows that records had while they lived", told.bytes },
	};
	int r = 0;

	for (size_t i = 0; i < WEIR_ARRAY_SIZE(counters) && !r; i++)
		r = weir_snapshot_add(snapshot, WEIR_SAMPLE_COUNTER, counters[i].name,
				      counters[i].help, (double)counters[i].value, NULL);
	return r;
}

/* All that pass the filter, one after the other; the oldest first. */
static int records_each(struct conntrack *state, const struct weir_filter *filter,
			void (*each)(const struct conntrack_record *record,
				     const struct conntrack_view *view, void *arg),
			void *arg)
{
	_cleanup_free_ struct conntrack_record *batch = calloc(BATCH, sizeof(*batch));
	uint64_t from = 0, until = conntrack_records_count(state->records).made;

	if (!batch)
		return -ENOMEM;
	for (size_t count = BATCH; count == BATCH && from < until;) {
		count = conntrack_records_get(state->records, from, batch, BATCH);
		for (size_t i = 0; i < count; i++) {
			struct conntrack_view view = view_of(state, &batch[i]);

			if (weir_filter_matches(filter, conntrack_filter_get, &view))
				each(&batch[i], &view, arg);
		}
		from = count ? batch[count - 1].number + 1 : until;
	}
	return 0;
}

struct listing {
	struct weir_json_out json;
	uint64_t passing, skip, seen; /* the first so many are not shown */
};

static void passing_count(const struct conntrack_record *record, const struct conntrack_view *view,
			  void *arg)
{
	struct listing *listing = arg;

	(void)record, (void)view;
	listing->passing++;
}

static void passing_put(const struct conntrack_record *record, const struct conntrack_view *view,
			void *arg)
{
	struct listing *listing = arg;

	if (listing->seen++ < listing->skip || listing->seen > listing->passing)
		return;
	weir_json_open_object(&listing->json, NULL);
	record_members(record, view, &listing->json);
	weir_json_close_object(&listing->json);
}

static int ended_put(struct conntrack *state, const struct weir_filter *filter, uint64_t limit,
		     struct listing *listing)
{
	struct conntrack_records_count count = conntrack_records_count(state->records);
	int r = records_each(state, filter, passing_count, listing);

	listing->skip = listing->passing > limit ? listing->passing - limit : 0;
	weir_json_open_object(&listing->json, NULL);
	weir_json_open_array(&listing->json, "flows");
	if (!r)
		r = records_each(state, filter, passing_put, listing);
	weir_json_close_array(&listing->json);
	weir_json_put_uint(&listing->json, "shown", listing->passing - listing->skip);
	weir_json_put_uint(&listing->json, "total", listing->passing);
	weir_json_put_uint(&listing->json, "kept", count.kept);
	weir_json_put_uint(&listing->json, "made", count.made);
	weir_json_put_uint(&listing->json, "keep", count.keep);
	weir_json_close_object(&listing->json);
	return r;
}

static int run_ended(struct weir_engine *engine, struct weir_call *call)
{
	struct conntrack *state = weir_engine_state(engine, &weir_conntrack);
	struct listing listing = { .json = { .out = &call->reply } };
	const char *text = weir_call_str(call, "filter");
	uint64_t limit = weir_call_uint(call, "limit", LIMIT_DEFAULT);
	struct weir_filter *filter = NULL;

	if (limit > LIMIT_MOST)
		return weir_diag_error(&call->diag, "narrow the list by a filter",
				       "--limit: %d is the most", LIMIT_MOST);
	if (!conntrack_records_count(state->records).keep)
		return weir_diag_error(&call->diag, "set conntrack: {account: true}, and records",
				       "no records of ended flows are kept");
	int r = weir_filter_new(text ? text : "", conntrack_filter_fields, &call->diag, &filter);

	conntrack_records_measure(state);
	if (!r)
		r = ended_put(state, filter, limit, &listing);
	weir_filter_free(filter);
	return r;
}

static const struct weir_arg ended_args[] = {
	CONNTRACK_FILTER_ARG(0),
	{ .name = "limit",
	  .type = WEIR_ARG_UINT,
	  .metavar = "N",
	  .help = "show no more than so many, the newest",
	  .fallback = "1000" },
	{ 0 },
};

const struct weir_op conntrack_ended_op = {
	.name = "flow.ended",
	.summary = "Show connections that have ended: what each carried, and why it ended",
	.kind = WEIR_OP_READ,
	.role = WEIR_ROLE_VIEWER,
	.args = ended_args,
	.example = "flow ended proto=tcp and bytes>1MB",
	.run = run_ended,
	.is_heavy = conntrack_query_is_heavy,
};
