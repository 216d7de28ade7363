/* SPDX-License-Identifier: Apache-2.0 */
#include "features/conntrack/conntrack_hold.h"

#include <endian.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "core/map.h"
#include "core/object.h"
#include "features/conntrack/conntrack_held.h"
#include "features/conntrack/conntrack_table.h"

#define LIVES_TICKS (3u * 60)	 /* so long the data path believes that somebody is here */
#define GIVEN_UP_TICKS (2u * 60) /* CONNTRACK_HELD_GIVEN_UP_NS */
#define LOOK_EVERY 8		 /* views of the interfaces */
#define ADDRESSES_BYTES 12	 /* of an Ethernet header */
#define TAG_BYTES 4
#define ETHER_BYTES 14

struct conntrack_hold {
	struct weir_engine *engine; /* NULL: nothing comes */
	struct conntrack_held *held;
	struct weir_map *ports, *shared; /* borrowed */
	struct weir_watch *timer;
	bool is_on, is_over;
	uint32_t hooks;	   /* enum conntrack_holds: where it can be given back */
	uint32_t said;	   /* what the data path was told last */
	unsigned looks_in; /* views */
	bool xdp_has_failed;
	uint64_t taken, sent, refused, lost;
};

static bool is_there(void *arg, const struct conntrack_datagram *datagram)
{
	struct conntrack_hold *hold = arg;
	struct conntrack_ports ports = {};

	return hold->ports && !weir_map_get(hold->ports, datagram, &ports) && ports.seen &&
	       (int32_t)(ports.expires_ticks - conntrack_now()) > 0;
}

/* Unless it has come in this very moment. What has the name of a datagram of long ago is no word of
 * this one. */
static void give_up(void *arg, const struct conntrack_datagram *datagram)
{
	struct conntrack_hold *hold = arg;
	struct conntrack_ports none = { .expires_ticks = conntrack_now() + GIVEN_UP_TICKS };

	if (hold->ports && !is_there(hold, datagram))
		weir_map_set(hold->ports, datagram, &none);
}

/* As it was on the wire, with a tag that the device took off; or behind a header that says no more
 * than what follows. */
static size_t frame_make(const struct weir_event_fragment *fragment,
			 uint8_t frame[ETHER_BYTES + TAG_BYTES + WEIR_FRAGMENT_BYTES])
{
	const uint16_t tag[2] = { fragment->vlan_proto, htobe16(fragment->vlan_tci) };
	size_t at = 0, from = 0;

	if (fragment->link == WEIR_FRAGMENT_IP) {
		memset(frame, 0, ADDRESSES_BYTES);
		memcpy(&frame[ADDRESSES_BYTES], &fragment->protocol, sizeof(fragment->protocol));
		at = ETHER_BYTES;
	} else if (fragment->vlan_proto) {
		from = ADDRESSES_BYTES;
		memcpy(frame, fragment->data, from);
		memcpy(&frame[from], tag, sizeof(tag));
		at = from + sizeof(tag);
	}
	memcpy(&frame[at], &fragment->data[from], fragment->bytes - from);
	return at + fragment->bytes - from;
}

/* What cannot go in by its program goes in nowhere: past it, it would not be judged. */
static void xdp_look(struct conntrack_hold *hold, int r)
{
	if (hold->xdp_has_failed || (r != -EINVAL && r != -EOPNOTSUPP))
		return;
	hold->xdp_has_failed = true;
	hold->looks_in = 0;
	weir_engine_warn(
		hold->engine, "conntrack",
		"fragments ahead of their first are not held where XDP judges: they cannot "
		"be given back to the interface: %s",
		strerror(-r));
}

static void fragment_send(void *arg, const struct weir_event_fragment *fragment)
{
	struct conntrack_hold *hold = arg;
	uint8_t frame[ETHER_BYTES + TAG_BYTES + WEIR_FRAGMENT_BYTES];
	int r = weir_engine_inject(hold->engine, fragment->event.ifindex, frame,
				   frame_make(fragment, frame));

	if (r) {
		hold->lost++;
		xdp_look(hold, r);
	} else {
		hold->sent++;
	}
}

struct conntrack_hold *conntrack_hold_new(struct weir_engine *engine)
{
	struct conntrack_hold *hold = calloc(1, sizeof(*hold));
	const struct conntrack_held_doors doors = { is_there, give_up, fragment_send, hold };

	if (!hold)
		return NULL;
	hold->engine = engine;
	hold->held = conntrack_held_new(&doors);
	if (!hold->held) {
		free(hold);
		return NULL;
	}
	return hold;
}

void conntrack_hold_free(struct conntrack_hold *hold)
{
	if (!hold)
		return;
	if (hold->timer)
		weir_engine_loop(hold->engine)->forget(hold->timer);
	conntrack_held_free(hold->held);
	free(hold);
}

void conntrack_hold_attach(struct conntrack_hold *hold, struct weir_object *object, bool is_on)
{
	hold->ports = weir_object_map(object, "st_ports");
	hold->shared = weir_object_map(object, "cfg_conntrack");
	hold->is_on = is_on;
}

/*
 * Who is gone, stops, or has no room says so, or says nothing, and the data path goes on by itself.
 * A worker may write that row while a change is under way: then it is not touched.
 */
static void say(struct conntrack_hold *hold)
{
	bool holds = hold->is_on && !hold->is_over && conntrack_held_has_room(hold->held);
	uint32_t at = conntrack_now() + LIVES_TICKS, zero = 0;
	uint32_t word = holds && hold->hooks ? (at & ~CONNTRACK_HOLDS_BOTH) | hold->hooks : 0;
	struct conntrack_shared shared;

	if (!hold->shared || !weir_engine_is_idle(hold->engine) ||
	    weir_map_get(hold->shared, &zero, &shared))
		return;
	shared.holds = word;
	if (!weir_map_set(hold->shared, &zero, &shared))
		hold->said = word;
}

static void due(void *arg);

static void timer_set(struct conntrack_hold *hold, uint64_t next_ns, uint64_t now_ns)
{
	struct weir_loop *loop = weir_engine_loop(hold->engine);
	uint64_t wait_ns = next_ns > now_ns ? next_ns - now_ns : 0;
	uint64_t wait_ms = (wait_ns + WEIR_NS_PER_MS - 1) / WEIR_NS_PER_MS;

	if (!next_ns)
		return;
	if (hold->timer)
		loop->rearm(hold->timer, wait_ms, 0);
	else
		hold->timer = loop->timer(loop, wait_ms, 0, due, hold);
}

static void run(struct conntrack_hold *hold)
{
	uint64_t now_ns = weir_clock_monotonic_ns();

	timer_set(hold, conntrack_held_run(hold->held, now_ns), now_ns);
	if (!hold->said == conntrack_held_has_room(hold->held) && hold->hooks)
		say(hold);
}

static void due(void *arg)
{
	run(arg);
}

void conntrack_hold_event(struct conntrack_hold *hold, const struct weir_event *event)
{
	const struct weir_event_fragment *fragment = (const struct weir_event_fragment *)event;

	if (event->kind != WEIR_EVENT_FRAGMENT || !hold->engine || fragment->bytes < ETHER_BYTES ||
	    fragment->bytes > WEIR_FRAGMENT_BYTES)
		return;
	int r = conntrack_held_add(hold->held, fragment, weir_clock_monotonic_ns());

	hold->taken++;
	hold->refused += r == -ENOSPC || r == -ENOMEM;
	hold->lost += r == -ELOOP;
	run(hold);
}

void conntrack_hold_watched(struct conntrack_hold *hold)
{
	if (!hold->engine || !hold->is_on)
		return;
	if (!hold->looks_in--) {
		bool by_xdp = !hold->xdp_has_failed && weir_engine_injects_by_xdp(hold->engine);

		hold->hooks = CONNTRACK_HOLDS_TC | (by_xdp ? CONNTRACK_HOLDS_XDP : 0);
		hold->looks_in = LOOK_EVERY - 1;
	}
	say(hold);
}

void conntrack_hold_stop(struct conntrack_hold *hold)
{
	if (!hold->engine)
		return;
	hold->is_over = true;
	say(hold);
	weir_engine_hear(hold->engine);
	conntrack_held_end(hold->held, weir_clock_monotonic_ns());
}

#define SINCE_START ", since the daemon started"

int conntrack_hold_snapshot(const struct conntrack_hold *hold, struct weir_snapshot *snapshot)
{
	const struct {
		const char *metric, *help;
		uint64_t value;
	} counters[] = {
		{ "conntrack_fragments_held_total",
		  "fragments kept until their first was there" SINCE_START, hold->taken },
		{ "conntrack_fragments_alone_total",
		  "datagrams whose first fragment did not come in time" SINCE_START,
		  conntrack_held_alone(hold->held) },
		{ "conntrack_fragments_refused_total",
		  "fragments ahead of their first that found no room" SINCE_START, hold->refused },
		{ "conntrack_fragments_lost_total",
		  "fragments that could not be given back to their interface" SINCE_START,
		  hold->lost },
	};
	int r = weir_snapshot_add(snapshot, WEIR_SAMPLE_GAUGE, "conntrack_fragments_waiting",
				  "fragments that wait for their first",
				  conntrack_held_count(hold->held), NULL);

	for (size_t i = 0; i < WEIR_ARRAY_SIZE(counters) && !r; i++)
		r = weir_snapshot_add(snapshot, WEIR_SAMPLE_COUNTER, counters[i].metric,
				      counters[i].help, (double)counters[i].value, NULL);
	return r;
}

void conntrack_hold_status(const struct conntrack_hold *hold, struct weir_json_out *json)
{
	weir_json_open_object(json, "fragments");
	weir_json_put_uint(json, "waiting", conntrack_held_count(hold->held));
	weir_json_put_uint(json, "held", hold->taken);
	weir_json_put_uint(json, "alone", conntrack_held_alone(hold->held));
	weir_json_put_uint(json, "refused", hold->refused);
	weir_json_put_uint(json, "lost", hold->lost);
	weir_json_close_object(json);
}
