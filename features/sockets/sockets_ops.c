/* SPDX-License-Identifier: Apache-2.0 */
/* socket list: sockets of this host, those that live or those that ended last. */
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/filter.h"
#include "base/rank.h"
#include "core/engine.h"
#include "features/sockets/sockets_state.h"

#define LIMIT_DEFAULT 1000

enum {
	FIELD_PROTO,
	FIELD_STATE,
	FIELD_SIDE,
	FIELD_LOCAL,
	FIELD_REMOTE,
	FIELD_HOST,
	FIELD_LPORT,
	FIELD_RPORT,
	FIELD_PORT,
	FIELD_PROCESS,
	FIELD_PID,
	FIELD_UID,
	FIELD_CGROUP,
	FIELD_CONTAINER,
	FIELD_RTT,
	FIELD_RETRANSMITS,
	FIELD_ZERO_WINDOWS,
	FIELD_BYTES,
};

static const char *const proto_words[] = { "tcp", "udp", NULL };

static const struct weir_filter_field fields[] = {
	[FIELD_PROTO] = { "proto", "tcp or udp", WEIR_FILTER_WORD, .words = proto_words },
	[FIELD_STATE] = { "state", "established, syn-sent, …", WEIR_FILTER_TEXT },
	[FIELD_SIDE] = { "side", "client or server", WEIR_FILTER_TEXT },
	[FIELD_LOCAL] = { "local", "address of this end", WEIR_FILTER_ADDRESS },
	[FIELD_REMOTE] = { "remote", "address of the other end", WEIR_FILTER_ADDRESS },
	[FIELD_HOST] = { "host", "either address", WEIR_FILTER_ADDRESS },
	[FIELD_LPORT] = { "lport", "port of this end", WEIR_FILTER_NUMBER, .max = 65535 },
	[FIELD_RPORT] = { "rport", "port of the other end", WEIR_FILTER_NUMBER, .max = 65535 },
	[FIELD_PORT] = { "port", "either port", WEIR_FILTER_NUMBER, .max = 65535 },
	[FIELD_PROCESS] = { "process", "name of the process", WEIR_FILTER_TEXT },
	[FIELD_PID] = { "pid", "its number", WEIR_FILTER_NUMBER },
	[FIELD_UID] = { "uid", "number of its user", WEIR_FILTER_NUMBER },
	[FIELD_CGROUP] = { "cgroup", "path of its cgroup", WEIR_FILTER_TEXT },
	[FIELD_CONTAINER] = { "container", "identifier of its container", WEIR_FILTER_TEXT },
	[FIELD_RTT] = { "rtt", "smoothed round-trip time", WEIR_FILTER_DURATION },
	[FIELD_RETRANSMITS] = { "retransmits", "segments sent again", WEIR_FILTER_NUMBER },
	[FIELD_ZERO_WINDOWS] = { "zero-windows", "how often either end's window was closed",
				 WEIR_FILTER_NUMBER },
	[FIELD_BYTES] = { "bytes", "sent and received", WEIR_FILTER_BYTES },
	{ 0 },
};

/* What a filter is asked about; the texts last as long as it. */
struct item {
	struct sockets *state;
	const struct sockets_entry *entry;
	char comm[SOCKETS_COMM_BYTES + 1];
};

static size_t owner_get(struct item *item, size_t field, union weir_filter_value *ret_values)
{
	const struct sockets_process *owner = sockets_owner(item->entry);

	if (!owner)
		return 0;
	switch (field) {
	case FIELD_PID:
		return ret_values->number = owner->pid, 1;
	case FIELD_UID:
		return ret_values->number = owner->uid, 1;
	case FIELD_PROCESS:
		snprintf(item->comm, sizeof(item->comm), "%.*s", SOCKETS_COMM_BYTES, owner->comm);
		return ret_values->text = item->comm, 1;
	default:
		break;
	}
	const struct sockets_cgroup_row *cgroup =
		sockets_cgroup_known(&item->state->cgroups, owner->cgroup);

	if (!cgroup || (field == FIELD_CONTAINER && !cgroup->container[0]))
		return 0;
	ret_values->text = field == FIELD_CGROUP ? cgroup->path : cgroup->container;
	return 1;
}

static size_t ends_get(const struct sockets_entry *entry, size_t field,
		       union weir_filter_value *ret_values)
{
	switch (field) {
	case FIELD_LOCAL:
		return ret_values->addr = entry->local, 1;
	case FIELD_REMOTE:
		return ret_values->addr = entry->remote, 1;
	case FIELD_HOST:
		return ret_values[0].addr = entry->local, ret_values[1].addr = entry->remote, 2;
	case FIELD_LPORT:
		return ret_values->number = entry->local_port, 1;
	case FIELD_RPORT:
		return ret_values->number = entry->remote_port, 1;
	default:
		return ret_values[0].number = entry->local_port,
		       ret_values[1].number = entry->remote_port, 2;
	}
}

static uint64_t carried(const struct sockets_entry *entry)
{
	return entry->numbers.bytes_sent + entry->numbers.bytes_received;
}

static size_t item_get(const void *data, size_t field,
		       union weir_filter_value ret_values[WEIR_FILTER_EITHER_MAX])
{
	/* Only its room for a text is written. */
	struct item *item = (struct item *)data;
	const struct sockets_entry *entry = item->entry;

	if (field >= FIELD_LOCAL && field <= FIELD_PORT)
		return ends_get(entry, field, ret_values);
	if (field >= FIELD_PROCESS && field <= FIELD_CONTAINER)
		return owner_get(item, field, ret_values);
	switch (field) {
	case FIELD_PROTO:
		return ret_values->word = entry->proto == IPPROTO_UDP, 1;
	case FIELD_STATE:
		return ret_values->text = sockets_state_name(entry->state), 1;
	case FIELD_SIDE:
		return ret_values->text = sockets_side_name(entry->side), 1;
	case FIELD_RTT:
		return ret_values->number = entry->numbers.srtt_us * 1000ull,
		       entry->numbers.srtt_us != 0;
	case FIELD_RETRANSMITS:
		return ret_values->number = entry->numbers.retransmits, 1;
	case FIELD_ZERO_WINDOWS:
		return ret_values->number = (uint64_t)SOCKETS_ZERO_TIMES(entry->zero_sent) +
					    SOCKETS_ZERO_TIMES(entry->zero_received),
		       1;
	default:
		return ret_values->number = carried(entry), 1;
	}
}

struct listing {
	struct weir_json_out *json;
	const struct weir_filter *filter;
	uint64_t most, shown, matching;
};

static bool is_wanted(struct sockets *state, const struct listing *listing,
		      const struct sockets_entry *entry)
{
	struct item item = { state, entry, "" };

	return sockets_is_flow(entry) && weir_filter_matches(listing->filter, item_get, &item);
}

static void entry_list(struct sockets *state, struct listing *listing,
		       const struct sockets_entry *entry)
{
	if (!is_wanted(state, listing, entry) || listing->matching++ >= listing->most)
		return;
	listing->shown++;
	sockets_entry_put(state, entry, listing->json);
}

/* The last first; behind them those whose end nobody saw. */
static void ended_list(struct sockets *state, struct listing *listing)
{
	uint64_t from =
		state->ended_turn > SOCKETS_ENDED_MAX ? state->ended_turn - SOCKETS_ENDED_MAX : 0;

	for (uint64_t turn = state->ended_turn; turn > from; turn--)
		entry_list(state, listing, &state->ended[(turn - 1) % SOCKETS_ENDED_MAX]);
	from = state->gone > SOCKETS_UNSEEN_MAX ? state->gone - SOCKETS_UNSEEN_MAX : 0;
	for (uint64_t turn = state->gone; turn > from; turn--)
		entry_list(state, listing, &state->unseen[(turn - 1) % SOCKETS_UNSEEN_MAX]);
}

/* Of two that carried as much: cookies are given in turn. */
static bool has_lower_cookie(uint32_t item, uint32_t other, const void *arg)
{
	return sockets_at(arg, item)->cookie < sockets_at(arg, other)->cookie;
}

/* Those that carried most, and they first. */
static int live_list(struct sockets *state, struct listing *listing)
{
	const struct sockets_view *view = state->view;
	size_t count = sockets_count(view);
	_cleanup_(weir_rank_done) struct weir_rank rank = { .comes_first = has_lower_cookie,
							    .arg = view };
	int r = weir_rank_init(&rank, listing->most < count ? listing->most : count);

	if (r)
		return r;
	for (size_t i = 0; i < count; i++) {
		const struct sockets_entry *entry = sockets_at(view, i);

		if (!is_wanted(state, listing, entry))
			continue;
		listing->matching++;
		weir_rank_add(&rank, &(struct weir_ranked){ .measure = carried(entry),
							    .item = (uint32_t)i });
	}
	weir_rank_sort(&rank);
	for (size_t i = 0; i < rank.count; i++)
		sockets_entry_put(state, sockets_at(view, rank.at[i].item), listing->json);
	listing->shown = rank.count;
	return 0;
}

static int sockets_list(struct sockets *state, struct listing *listing, bool is_ended)
{
	int r = 0;

	weir_json_open_array(listing->json, "sockets");
	if (is_ended)
		ended_list(state, listing);
	else
		r = live_list(state, listing);
	weir_json_close_array(listing->json);
	weir_json_put_uint(listing->json, "shown", listing->shown);
	weir_json_put_uint(listing->json, "matching", listing->matching);
	sockets_sums_put(state, listing->json);
	return r;
}

static int run_list(struct weir_engine *engine, struct weir_call *call)
{
	struct sockets *state = weir_engine_state(engine, &weir_sockets);
	_cleanup_filter_ struct weir_filter *filter = NULL;
	struct weir_json_out json = { .out = &call->reply };
	const char *text = weir_call_str(call, "filter");
	int r = weir_filter_new(text ? text : "", fields, &call->diag, &filter);

	if (r)
		return r;
	struct listing listing = { &json, filter, weir_call_uint(call, "limit", LIMIT_DEFAULT),
				   .shown = 0 };

	sockets_refresh(state);
	weir_json_open_object(&json, NULL);
	sockets_head_put(state, &json);
	if (state->view)
		r = sockets_list(state, &listing, weir_call_flag(call, "ended"));
	weir_json_close_object(&json);
	return r;
}

static const struct weir_arg list_args[] = {
	{ .name = "filter",
	  .flags = WEIR_ARG_POSITIONAL | WEIR_ARG_REST,
	  .metavar = "FILTER",
	  .help = "which: process=nginx and rtt>100ms; the page on sockets has the fields" },
	{ .name = "ended", .type = WEIR_ARG_BOOL, .help = "those that ended, the last first" },
	{ .name = "limit",
	  .type = WEIR_ARG_UINT,
	  .metavar = "N",
	  .help = "show no more than so many, those that carried most",
	  .fallback = "1000" },
	{ 0 },
};

static const struct weir_op sockets_list_op = {
	.name = "socket.list",
	.summary = "Show the sockets of this host: whose they are, and how well TCP gets on",
	.kind = WEIR_OP_READ,
	.role = WEIR_ROLE_VIEWER,
	.args = list_args,
	.example = "socket list process=nginx and retransmits>0",
	.run = run_list,
};

const struct weir_op *const sockets_ops[] = { &sockets_list_op, &sockets_top_op, NULL };
