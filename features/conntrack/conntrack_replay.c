/* SPDX-License-Identifier: Apache-2.0 */
/* Flows of a capture, by its clock: each as the record that it leaves. */
#include "core/replay.h"

#include <errno.h>
#include <stdlib.h>

#include "abi/account.h"
#include "base/cleanup.h"
#include "features/conntrack/conntrack_record.h"

static int section_follow(void *data, struct weir_diag *diag)
{
	struct conntrack_section *section = data;

	if (section->enabled == CONNTRACK_OFF)
		return weir_diag_key(diag, "conntrack.enabled",
				     "write auto or true, or leave --flows out",
				     "no flows are followed by this configuration");
	section->enabled = CONNTRACK_ON;
	section->account = true;
	if (!section->records)
		section->records = 1; /* none is kept here: each is told of at once */
	return 0;
}

static void begin(void *data, struct weir_replay *replay)
{
	struct conntrack *state = data;

	state->replay = replay;
	conntrack_records_replay(state->records, replay);
}

static int record_compare(const void *a, const void *b)
{
	const struct conntrack_record *x = a, *y = b;
	uint64_t of_x[] = { x->end_ns, x->carried.first_ns, x->number },
		 of_y[] = { y->end_ns, y->carried.first_ns, y->number };

	for (size_t i = 0; i < WEIR_ARRAY_SIZE(of_x); i++)
		if (of_x[i] != of_y[i])
			return of_x[i] < of_y[i] ? -1 : 1;
	return 0;
}

/* In order, though tables have none: two replays of one capture say the same. */
static void records_tell(struct conntrack *state)
{
	size_t count;
	struct conntrack_record *batch = conntrack_records_take(state->records, &count);
	_cleanup_buf_ struct weir_buf text = { 0 };

	if (count)
		qsort(batch, count, sizeof(*batch), record_compare);
	for (size_t i = 0; i < count; i++) {
		struct weir_json_out json = { .out = &text };

		batch[i].number = state->replayed++;
		weir_buf_clear(&text);
		conntrack_record_put(state, &batch[i], &json);
		state->replay->flow(state->replay->arg, weir_buf_str(&text), text.len);
	}
	free(batch);
}

static void tick(void *data)
{
	struct conntrack *state = data;

	for (int i = 0; i < CONNTRACK_TABLES; i++)
		conntrack_table_sweep(&state->tables[i], conntrack_records_tick(state->records), 0,
				      state->tables[i].set_count);
	records_tell(state);
}

static void stop(void *data)
{
	struct conntrack *state = data;

	tick(data);
	for (int i = 0; i < CONNTRACK_TABLES; i++)
		conntrack_sums_close(&state->tables[i], CONNTRACK_CAUSE_CAPTURE);
	records_tell(state);
}

static void account(void *data, struct weir_json_out *json)
{
	const struct conntrack *state = data;

	conntrack_account_put(state, json);
	json->out->failed |= conntrack_records_have_failed(state->records);
}

const struct weir_replay_hooks conntrack_replay = {
	.section = section_follow,
	.begin = begin,
	.tick = tick,
	.stop = stop,
	.account = account,
};
