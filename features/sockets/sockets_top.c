/* SPDX-License-Identifier: Apache-2.0 */
/* socket top: what processes, users, cgroups or containers have carried, ended sockets included. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "core/engine.h"
#include "features/sockets/sockets_state.h"

enum group {
	GROUP_PROCESS,
	GROUP_USER,
	GROUP_CGROUP,
	GROUP_CONTAINER
};

static const char *const group_words[] = { "process", "user", "cgroup", "container", NULL };

struct group_row {
	char name[SOCKETS_CGROUP_PATH];
	uint64_t live; /* sockets that live */
	struct sockets_total total;
	struct sockets_hand handed; /* of `total`, what somebody else carried; key: none */
};

struct grouping {
	struct sockets *state;
	enum group by;
	struct group_row *rows;
	size_t count, room;
};

static void group_name(struct grouping *grouping, const struct sockets_total_key *key,
		       char name[SOCKETS_CGROUP_PATH])
{
	const struct sockets *state = grouping->state;
	const struct sockets_cgroup_row *cgroup = NULL;

	name[0] = '\0';
	if (!key->comm[0])
		return;
	if (grouping->by == GROUP_PROCESS)
		snprintf(name, SOCKETS_CGROUP_PATH, "%.*s", SOCKETS_COMM_BYTES, key->comm);
	else if (grouping->by == GROUP_USER)
		snprintf(name, SOCKETS_CGROUP_PATH, "%u", key->uid);
	else
		cgroup = sockets_cgroup_known(&state->cgroups, key->cgroup);
	if (cgroup)
		snprintf(name, SOCKETS_CGROUP_PATH, "%s",
			 grouping->by == GROUP_CGROUP ? cgroup->path : cgroup->container);
}

static struct group_row *row_of(struct grouping *grouping, const char *name)
{
	for (size_t i = 0; i < grouping->count; i++)
		if (strcmp(grouping->rows[i].name, name) == 0)
			return &grouping->rows[i];
	if (grouping->count == grouping->room) {
		size_t room = grouping->room ? 2 * grouping->room : 32;
		struct group_row *rows = reallocarray(grouping->rows, room, sizeof(*rows));

		if (!rows)
			return NULL;
		grouping->rows = rows;
		grouping->room = room;
	}
	struct group_row *row = &grouping->rows[grouping->count++];

	*row = (struct group_row){ .live = 0 };
	snprintf(row->name, sizeof(row->name), "%s", name);
	return row;
}

static int group_add(struct grouping *grouping, const struct sockets_total_key *key,
		     const struct sockets_total *total, uint64_t live)
{
	char name[SOCKETS_CGROUP_PATH];

	group_name(grouping, key, name);
	struct group_row *row = row_of(grouping, name);

	if (!row)
		return -ENOMEM;
	row->live += live;
	sockets_total_add(&row->total, total);
	return 0;
}

static int live_add(struct grouping *grouping, const struct sockets_entry *entry)
{
	struct sockets_total_key key;
	struct sockets_total total;

	if (!sockets_is_flow(entry))
		return 0;
	sockets_key_of(entry, &key);
	sockets_total_of_live(entry, &total);
	return group_add(grouping, &key, &total, 1);
}

static int hand_add(struct grouping *grouping, const struct sockets_hand *hand)
{
	char name[SOCKETS_CGROUP_PATH];

	group_name(grouping, &hand->key, name);
	struct group_row *row = row_of(grouping, name);

	if (!row)
		return -ENOMEM;
	row->handed.sent += hand->sent;
	row->handed.received += hand->received;
	return 0;
}

static int group_all(struct grouping *grouping)
{
	const struct sockets_hands *hands = &grouping->state->hands;
	const struct sockets_view *view = grouping->state->view;
	int r = 0;

	for (size_t i = 0; i < view->total_count && !r; i++)
		if (view->totals[i].total.sockets)
			r = group_add(grouping, &view->totals[i].key, &view->totals[i].total, 0);
	for (size_t i = 0; i < sockets_count(view) && !r; i++)
		r = live_add(grouping, sockets_at(view, i));
	for (size_t i = 0; i < hands->count && !r; i++)
		r = hand_add(grouping, &hands->rows[i]);
	return r;
}

static int row_compare(const void *a, const void *b)
{
	const struct group_row *one = a, *other = b;
	uint64_t ours = one->total.bytes_sent + one->total.bytes_received,
		 theirs = other->total.bytes_sent + other->total.bytes_received;

	if (ours != theirs)
		return ours < theirs ? 1 : -1;
	return one->total.sockets != other->total.sockets ?
		       (one->total.sockets < other->total.sockets ? 1 : -1) :
		       strcmp(one->name, other->name);
}

/* Never less than nothing: what it came to have may have been somebody's who began before. */
static uint64_t own_of(uint64_t all, int64_t handed)
{
	return (int64_t)all > handed ? all - (uint64_t)handed : 0;
}

static void row_put(const struct sockets *state, const struct group_row *row, const char *by,
		    struct weir_json_out *json)
{
	const struct sockets_total *total = &row->total;

	weir_json_open_object(json, NULL);
	weir_json_put_str(json, by, row->name);
	weir_json_put_uint(json, "live", row->live);
	weir_json_put_uint(json, "sockets", total->sockets);
	weir_json_put_uint(json, "failed", total->failed);
	weir_json_put_uint(json, "bytes_sent", total->bytes_sent);
	weir_json_put_uint(json, "bytes_acked", total->bytes_acked);
	weir_json_put_uint(json, "bytes_received", total->bytes_received);
	weir_json_put_uint(json, "own_sent", own_of(total->bytes_sent, row->handed.sent));
	weir_json_put_uint(json, "own_received",
			   own_of(total->bytes_received, row->handed.received));
	weir_json_put_uint(json, "retransmits", total->retransmits);
	weir_json_put_uint(json, "bytes_retransmitted", total->bytes_retransmitted);
	weir_json_put_uint(json, "out_of_order", total->out_of_order);
	weir_json_put_uint(json, "resets_sent", total->resets_sent);
	weir_json_put_uint(json, "resets_received", total->resets_received);
	sockets_zero_put(state, total->zero_windows_sent, total->zero_windows_received, json);
	weir_json_close_object(json);
}

static int groups_put(struct sockets *state, const struct weir_call *call,
		      struct weir_json_out *json)
{
	const char *by = weir_call_str(call, "group");
	uint64_t most = weir_call_uint(call, "limit", 20);
	struct grouping grouping = { .state = state };

	by = by ? by : group_words[0];
	while (strcmp(group_words[grouping.by], by) != 0)
		grouping.by++;
	int r = group_all(&grouping);

	if (grouping.count)
		qsort(grouping.rows, grouping.count, sizeof(grouping.rows[0]), row_compare);
	weir_json_put_str(json, "group", by);
	weir_json_open_array(json, "groups");
	for (size_t i = 0; i < grouping.count && i < most; i++)
		row_put(state, &grouping.rows[i], by, json);
	weir_json_close_array(json);
	weir_json_put_uint(json, "matching", grouping.count);
	sockets_sums_put(state, json);
	free(grouping.rows);
	return r;
}

static int run_top(struct weir_engine *engine, struct weir_call *call)
{
	struct sockets *state = weir_engine_state(engine, &weir_sockets);
	struct weir_json_out json = { .out = &call->reply };

	sockets_refresh(state);
	weir_json_open_object(&json, NULL);
	sockets_head_put(state, &json);
	int r = state->view ? groups_put(state, call, &json) : 0;

	weir_json_close_object(&json);
	return r;
}

static const struct weir_arg top_args[] = {
	{ .name = "group",
	  .type = WEIR_ARG_CHOICE,
	  .metavar = "BY",
	  .help = "process, user, cgroup or container",
	  .choices = group_words,
	  .fallback = "process" },
	{ .name = "limit",
	  .type = WEIR_ARG_UINT,
	  .metavar = "N",
	  .help = "show no more than so many",
	  .fallback = "20" },
	{ 0 },
};

const struct weir_op sockets_top_op = {
	.name = "socket.top",
	.summary = "Show which processes, users, cgroups or containers carried most over TCP",
	.kind = WEIR_OP_READ,
	.role = WEIR_ROLE_VIEWER,
	.args = top_args,
	.example = "socket top --group container",
	.run = run_top,
};
