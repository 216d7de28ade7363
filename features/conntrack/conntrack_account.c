/* SPDX-License-Identifier: Apache-2.0 */
/* What flows carried, and what is counted in none of them: for people, metrics and status. */
#include <net/if.h>
#include <string.h>

#include "abi/account.h"
#include "base/clock.h"
#include "features/conntrack/conntrack_record.h"
#include "features/conntrack/conntrack_state.h"
#include "features/conntrack/conntrack_view.h"

static const struct {
	const char *name, *help;
} accounts[] = {
#define X(identifier, name, help) { name, help },
	WEIR_ACCOUNTS(X)
#undef X
};

uint64_t conntrack_view_real_ns(const struct conntrack_view *view, uint64_t at_ns)
{
	return view->is_replayed ? at_ns : weir_clock_real_at(at_ns);
}

static void put_moment(const struct conntrack_view *view, const char *key, uint64_t at_ns,
		       struct weir_json_out *json)
{
	weir_json_put_time(json, key, conntrack_view_real_ns(view, at_ns));
}

/* Nothing where it is not known. */
static void put_vlan(uint32_t vlan, struct weir_json_out *json)
{
	uint32_t inner = vlan >> CONNTRACK_VLAN_INNER_SHIFT;

	if (vlan & CONNTRACK_VLAN_KNOWN)
		weir_json_put_bool(json, "tagged", vlan & CONNTRACK_VLAN_TAGGED);
	if (vlan & CONNTRACK_VLAN_TAGGED)
		weir_json_put_uint(json, "vlan", vlan & CONNTRACK_VLAN_ID);
	if (inner & CONNTRACK_VLAN_TAGGED)
		weir_json_put_uint(json, "inner_vlan", inner & CONNTRACK_VLAN_ID);
}

void conntrack_carried_put(const struct conntrack_view *view, struct weir_json_out *json)
{
	const struct conntrack_carried *carried = &view->carried;
	uint64_t last_ns = carried->last_ns[0] > carried->last_ns[1] ? carried->last_ns[0] :
								       carried->last_ns[1];

	if (!view->is_counted)
		return;
	put_vlan(carried->vlan, json);
	weir_json_put_uint(json, "packets", carried->packets[0] + carried->packets[1]);
	weir_json_put_uint(json, "bytes", carried->bytes[0] + carried->bytes[1]);
	weir_json_put_uint(json, "orig_packets", carried->packets[0]);
	weir_json_put_uint(json, "orig_bytes", carried->bytes[0]);
	weir_json_put_uint(json, "reply_packets", carried->packets[1]);
	weir_json_put_uint(json, "reply_bytes", carried->bytes[1]);
	put_moment(view, "first_seen", carried->first_ns, json);
	if (last_ns)
		put_moment(view, "last_seen", last_ns, json);
	/* A capture's clock is as fine as it was written. */
	if (view->is_replayed)
		weir_json_put_uint(json, "first_seen_ns", carried->first_ns);
}

/* "SA.F": as tcpdump writes them. */
static const char *flags_text(uint8_t flags, char text[9])
{
	static const char letters[] = "FSRP.UEW"; /* by bit */
	size_t count = 0;

	for (int bit = 0; bit < 8; bit++)
		if (flags & 1u << bit)
			text[count++] = letters[bit];
	text[count] = '\0';
	return text;
}

void conntrack_flags_put(const struct conntrack_view *view, struct weir_json_out *json)
{
	static const char *const keys[2] = { "orig_tcp_flags", "reply_tcp_flags" };
	char text[9];

	for (int i = 0; i < 2 && view->is_counted && view->flow->key.proto == CONNTRACK_TCP; i++)
		weir_json_put_str(json, keys[i], flags_text(view->carried.flags[i], text));
}

struct interface_counts {
	struct weir_count of[WEIR_DIRECTIONS][WEIR_ACCOUNTS_MAX];
};

static void interface_read(const struct conntrack *state, uint32_t slot,
			   struct interface_counts *ret_counts)
{
	memset(ret_counts, 0, sizeof(*ret_counts));
	if (state->reasons)
		weir_map_sum(state->reasons, WEIR_ACCOUNT_ROW(slot, 0, 0),
			     WEIR_DIRECTIONS * WEIR_ACCOUNTS_MAX, 2, (uint64_t *)ret_counts);
}

static int sample_add(struct weir_snapshot *snapshot, const char *interface, int direction,
		      int account, const struct weir_count *count)
{
	const char *way = direction == WEIR_INGRESS ? "ingress" : "egress";
	char name[WEIR_LABEL_BYTES(IF_NAMESIZE)];

	weir_label_escape(interface, name, sizeof(name));
	int r = weir_snapshot_add(
		snapshot, WEIR_SAMPLE_COUNTER, "account_packets_total",
		"Packets of the wire by where they are counted: in a flow, or not",
		(double)count->packets, "interface=\"%s\",direction=\"%s\",as=\"%s\"", name, way,
		accounts[account].name);

	return r ? r :
		   weir_snapshot_add(snapshot, WEIR_SAMPLE_COUNTER, "account_bytes_total",
				     "Bytes of the wire by where their packet is counted",
				     (double)count->bytes,
				     "interface=\"%s\",direction=\"%s\",as=\"%s\"", name, way,
				     accounts[account].name);
}

/* What has not come by yet is no series, but for the first, without which there is no share. */
static int interface_sample(const struct conntrack *state, const struct weir_interface_view *view,
			    struct weir_snapshot *snapshot)
{
	struct interface_counts counts;
	int r = 0;

	interface_read(state, view->slot, &counts);
	for (int direction = 0; direction < WEIR_DIRECTIONS && !r; direction++)
		for (int account = 0; account < WEIR_ACCOUNT_COUNT && !r; account++)
			if (account == WEIR_ACCOUNT_FLOW || counts.of[direction][account].packets)
				r = sample_add(snapshot, view->name, direction, account,
					       &counts.of[direction][account]);
	return r;
}

struct conntrack_ended conntrack_ended_get(const struct conntrack *state)
{
	const struct conntrack_ended *here = state->tables[CONNTRACK_TABLE_PROVEN].ended;
	struct conntrack_ended ended = {};

	if (state->reasons)
		weir_map_sum(state->reasons, WEIR_ENDED_ROW, 1, 2, (uint64_t *)&ended);
	if (here) {
		ended.packets += __atomic_load_n(&here->packets, __ATOMIC_RELAXED);
		ended.bytes += __atomic_load_n(&here->bytes, __ATOMIC_RELAXED);
	}
	return ended;
}

int conntrack_account_snapshot(const struct conntrack *state, struct weir_snapshot *snapshot)
{
	struct conntrack_ended ended = conntrack_ended_get(state);
	int r = 0;

	if (!state->tables[CONNTRACK_TABLE_PROVEN].sums)
		return 0;
	for (size_t i = 0; i < snapshot->interface_count && !r; i++)
		if (snapshot->interfaces[i].slot)
			r = interface_sample(state, &snapshot->interfaces[i], snapshot);
	if (!r)
		r = weir_snapshot_add(snapshot, WEIR_SAMPLE_COUNTER,
				      "conntrack_ended_packets_total",
				      "Packets of flows that are no more", (double)ended.packets,
				      NULL);
	if (!r)
		r = weir_snapshot_add(snapshot, WEIR_SAMPLE_COUNTER, "conntrack_ended_bytes_total",
				      "Bytes of flows that are no more", (double)ended.bytes, NULL);
	return r ? r : conntrack_records_snapshot(state, snapshot);
}

struct account_sums {
	const struct conntrack *state;
	struct weir_count of[WEIR_ACCOUNTS_MAX];
};

/* Every slot: also those of interfaces that went, until another takes it. */
static void sums_read(struct account_sums *sums)
{
	for (uint32_t slot = 0; slot < WEIR_INTERFACES_MAX; slot++) {
		struct interface_counts counts;

		interface_read(sums->state, slot, &counts);
		for (int i = 0; i < WEIR_DIRECTIONS * WEIR_ACCOUNT_COUNT; i++) {
			int account = i % WEIR_ACCOUNT_COUNT;
			const struct weir_count *count =
				&counts.of[i / WEIR_ACCOUNT_COUNT][account];

			sums->of[account].packets += count->packets;
			sums->of[account].bytes += count->bytes;
		}
	}
}

void conntrack_account_put(const struct conntrack *state, struct weir_json_out *json)
{
	struct account_sums sums = { .state = state };
	struct conntrack_ended ended = conntrack_ended_get(state);
	struct weir_count unaccounted = {};

	sums_read(&sums);
	weir_json_open_object(json, "account");
	for (int i = 0; i < WEIR_ACCOUNT_COUNT; i++) {
		weir_json_open_object(json, accounts[i].name);
		weir_json_put_uint(json, "packets", sums.of[i].packets);
		weir_json_put_uint(json, "bytes", sums.of[i].bytes);
		weir_json_close_object(json);
		unaccounted.packets += i > WEIR_ACCOUNT_FORWARDED ? sums.of[i].packets : 0;
		unaccounted.bytes += i > WEIR_ACCOUNT_FORWARDED ? sums.of[i].bytes : 0;
	}
	weir_json_put_uint(json, "unaccounted_packets", unaccounted.packets);
	weir_json_put_uint(json, "unaccounted_bytes", unaccounted.bytes);
	weir_json_put_uint(json, "ended_packets", ended.packets);
	weir_json_put_uint(json, "ended_bytes", ended.bytes);
	weir_json_close_object(json);
}

void conntrack_account_status(const struct conntrack *state, struct weir_json_out *json)
{
	if (!state->tables[CONNTRACK_TABLE_PROVEN].sums)
		return;
	conntrack_account_put(state, json);
	conntrack_records_status(state, json);
}
