/* SPDX-License-Identifier: Apache-2.0 */
/* quality: connections that pass through, those that go on or those that ended last. */
#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/filter.h"
#include "core/engine.h"
#include "features/quality/quality_state.h"

enum {
	FIELD_SRC,
	FIELD_DST,
	FIELD_HOST,
	FIELD_SPORT,
	FIELD_DPORT,
	FIELD_PORT,
	FIELD_INTERFACE,
	FIELD_HANDSHAKE,
	FIELD_RTT,
	FIELD_RETRANSMITS,
	FIELD_OUT_OF_ORDER,
	FIELD_ZERO_WINDOWS,
	FIELD_RESETS,
	FIELD_BYTES,
};

static const struct weir_filter_field fields[] = {
	[FIELD_SRC] = { "src", "address of the client", WEIR_FILTER_ADDRESS },
	[FIELD_DST] = { "dst", "address of the server", WEIR_FILTER_ADDRESS },
	[FIELD_HOST] = { "host", "either address", WEIR_FILTER_ADDRESS },
	[FIELD_SPORT] = { "sport", "port of the client", WEIR_FILTER_NUMBER, .max = 65535 },
	[FIELD_DPORT] = { "dport", "port of the server", WEIR_FILTER_NUMBER, .max = 65535 },
	[FIELD_PORT] = { "port", "either port", WEIR_FILTER_NUMBER, .max = 65535 },
	[FIELD_INTERFACE] = { "interface", "by which either side comes", WEIR_FILTER_TEXT },
	[FIELD_HANDSHAKE] = { "handshake", "how long it took", WEIR_FILTER_DURATION },
	[FIELD_RTT] = { "rtt", "smoothed, of either side", WEIR_FILTER_DURATION },
	[FIELD_RETRANSMITS] = { "retransmits", "of both sides", WEIR_FILTER_NUMBER },
	[FIELD_OUT_OF_ORDER] = { "out-of-order", "of both sides", WEIR_FILTER_NUMBER },
	[FIELD_ZERO_WINDOWS] = { "zero-windows", "of both sides", WEIR_FILTER_NUMBER },
	[FIELD_RESETS] = { "resets", "of both sides", WEIR_FILTER_NUMBER },
	[FIELD_BYTES] = { "bytes", "of data, of both sides", WEIR_FILTER_BYTES },
	{ 0 },
};

/* What a filter is asked about; the texts last as long as it. */
struct item {
	const struct quality *state;
	const struct quality_entry *entry;
	char device[2][16];
};

static size_t ends_get(const struct quality_entry *entry, size_t field,
		       union weir_filter_value *ret_values)
{
	const struct quality_key *key = &entry->key;
	unsigned src = quality_src(entry);

	switch (field) {
	case FIELD_SRC:
		return ret_values->addr = key->addr[src], 1;
	case FIELD_DST:
		return ret_values->addr = key->addr[!src], 1;
	case FIELD_HOST:
		return ret_values[0].addr = key->addr[0], ret_values[1].addr = key->addr[1], 2;
	case FIELD_SPORT:
		return ret_values->number = ntohs(key->port[src]), 1;
	case FIELD_DPORT:
		return ret_values->number = ntohs(key->port[!src]), 1;
	default:
		return ret_values[0].number = ntohs(key->port[0]),
		       ret_values[1].number = ntohs(key->port[1]), 2;
	}
}

static size_t devices_get(struct item *item, union weir_filter_value *ret_values)
{
	size_t count = 0;

	for (int i = 0; i < 2; i++)
		if (item->entry->flow.side[i].ifindex)
			ret_values[count++].text = quality_device(
				item->state, item->entry->flow.side[i].ifindex, item->device[i]);
	return count;
}

static size_t rtts_get(const struct quality_flow *flow, union weir_filter_value *ret_values)
{
	size_t count = 0;

	for (int i = 0; i < 2; i++)
		if (flow->side[i].rtts)
			ret_values[count++].number = flow->side[i].srtt_us8 * 125ULL; /* ns */
	return count;
}

static uint64_t number_of(const struct quality_flow *flow, size_t field)
{
	const struct quality_side *one = &flow->side[0], *other = &flow->side[1];

	switch (field) {
	case FIELD_RETRANSMITS:
		return (uint64_t)one->retransmits + other->retransmits;
	case FIELD_OUT_OF_ORDER:
		return (uint64_t)one->out_of_order + other->out_of_order;
	case FIELD_ZERO_WINDOWS:
		return (uint64_t)one->zero_windows + other->zero_windows;
	case FIELD_RESETS:
		return (uint64_t)one->resets + other->resets;
	default:
		return one->bytes + other->bytes;
	}
}

static size_t item_get(const void *data, size_t field,
		       union weir_filter_value ret_values[WEIR_FILTER_EITHER_MAX])
{
	/* Only its room for texts is written. */
	struct item *item = (struct item *)data;
	const struct quality_flow *flow = &item->entry->flow;

	if (field <= FIELD_PORT)
		return ends_get(item->entry, field, ret_values);
	if (field == FIELD_INTERFACE)
		return devices_get(item, ret_values);
	if (field == FIELD_RTT)
		return rtts_get(flow, ret_values);
	if (field == FIELD_HANDSHAKE)
		return ret_values->number = flow->handshake_us * 1000ULL, flow->handshake_us != 0;
	return ret_values->number = number_of(flow, field), 1;
}

/* Those that a filter passes. */
struct gathering {
	const struct quality *state;
	const struct weir_filter *filter;
	struct quality_entry *at;
	size_t count, room;
	bool failed;
};

static void gather(const struct quality_entry *entry, void *arg)
{
	struct gathering *found = arg;
	struct item item = { found->state, entry, { "", "" } };

	if (found->failed || !weir_filter_matches(found->filter, item_get, &item))
		return;
	if (found->count == found->room) {
		size_t room = found->room ? found->room * 2 : 256;
		struct quality_entry *at = realloc(found->at, room * sizeof(*at));

		found->failed = !at;
		if (!at)
			return;
		found->at = at;
		found->room = room;
	}
	found->at[found->count++] = *entry;
}

static void ended_gather(const struct quality *state, struct gathering *found)
{
	const struct quality_ended *ended = &state->ended;
	uint64_t from = ended->made > QUALITY_ENDED_MAX ? ended->made - QUALITY_ENDED_MAX : 0;

	for (uint64_t i = ended->made; i > from; i--)
		gather(&ended->at[(i - 1) % QUALITY_ENDED_MAX], found);
}

/* Who has most trouble stands first. */
static int trouble_compare(const void *a, const void *b)
{
	const struct quality_entry *one = a, *other = b;
	uint64_t mine = number_of(&one->flow, FIELD_RETRANSMITS),
		 theirs = number_of(&other->flow, FIELD_RETRANSMITS);

	if (mine != theirs)
		return mine < theirs ? 1 : -1;
	if (one->flow.begun_ns != other->flow.begun_ns)
		return one->flow.begun_ns < other->flow.begun_ns ? 1 : -1;
	return memcmp(&one->key, &other->key, sizeof(one->key));
}

static int rows_put(struct quality *state, const struct weir_call *call,
		    const struct weir_filter *filter, struct weir_json_out *json)
{
	bool is_ended = weir_call_flag(call, "ended");
	uint64_t most = weir_call_uint(call, "limit", 100);
	struct gathering found = { state, filter };
	int r = 0;

	if (is_ended)
		ended_gather(state, &found);
	else
		r = quality_each(state, gather, &found);
	_cleanup_free_ struct quality_entry *rows = found.at;

	if (r || found.failed)
		return r ? r : -ENOMEM;
	if (rows && !is_ended)
		qsort(rows, found.count, sizeof(*rows), trouble_compare);
	weir_json_open_array(json, "connections");
	for (size_t i = 0; i < found.count && i < most; i++)
		quality_entry_put(state, &rows[i], json);
	weir_json_close_array(json);
	weir_json_put_uint(json, "matching", found.count);
	weir_json_put_uint(json, "shown", found.count < most ? found.count : most);
	quality_sums_put(state, json);
	return 0;
}

static int run_quality(struct weir_engine *engine, struct weir_call *call)
{
	struct quality *state = weir_engine_state(engine, &weir_quality);
	_cleanup_filter_ struct weir_filter *filter = NULL;
	struct weir_json_out json = { .out = &call->reply };
	const char *text = weir_call_str(call, "filter");
	int r = weir_filter_new(text ? text : "", fields, &call->diag, &filter);

	if (r)
		return r;
	weir_json_open_object(&json, NULL);
	weir_json_put_bool(&json, "enabled", state->section.enabled);
	weir_json_put_bool(&json, "watched", state->measurer != NULL);
	if (state->why[0])
		weir_json_put_str(&json, "problem", state->why);
	r = state->measurer ? rows_put(state, call, filter, &json) : 0;
	weir_json_close_object(&json);
	return r;
}

static const struct weir_arg quality_args[] = {
	{ .name = "filter",
	  .flags = WEIR_ARG_POSITIONAL | WEIR_ARG_REST,
	  .metavar = "FILTER",
	  .help = "which: retransmits>10 and dst=10.0.0.0/8; the page on quality has the fields" },
	{ .name = "ended",
	  .type = WEIR_ARG_BOOL,
	  .help = "show those that ended last, the latest first" },
	{ .name = "limit",
	  .type = WEIR_ARG_UINT,
	  .metavar = "N",
	  .help = "show no more than so many",
	  .fallback = "100" },
	{ 0 },
};

static const struct weir_op quality_op = {
	.name = "quality",
	.summary =
		"Show how well TCP gets on that passes through: round trips, retransmits, resets",
	.kind = WEIR_OP_READ,
	.role = WEIR_ROLE_VIEWER,
	.args = quality_args,
	.example = "quality retransmits>10 and dst=10.0.0.0/8",
	.run = run_quality,
};

const struct weir_op *const quality_ops[] = { &quality_op, NULL };
