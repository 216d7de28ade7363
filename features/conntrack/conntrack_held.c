/* SPDX-License-Identifier: Apache-2.0 */
#include "features/conntrack/conntrack_held.h"

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#define WAIT_LEAST_NS 1000000ULL
#define WAIT_MOST_NS 50000000ULL
/* The first is seen where it arrives, and its way goes on from there: it is to be ahead at every
 * place. */
#define SETTLES_NS 1000000ULL
#define GIVEN_UP_MOST 64 /* are remembered */
/* From the moment that a round begins with until all that it gives up is written. */
#define WRITTEN_NS 20000000ULL

/* One fragment, with the part of its frame that is set. */
struct kept {
	struct kept *next;
	uint64_t since_ns; /* when it came to the interface */
	uint64_t look_ns;  /* when its first is asked for next … */
	uint64_t wait_ns;  /* … and how long after that again */
	uint64_t goes_ns;  /* 0: not known yet */
	struct conntrack_datagram datagram;
	size_t bytes;
	struct weir_event_fragment fragment; /* the last: not all of it is there */
};

struct conntrack_held {
	struct conntrack_held_doors doors;
	struct kept *first, **end;
	uint32_t count;
	size_t bytes;
	uint64_t alone;
	struct {
		struct conntrack_datagram datagram;
		uint64_t at_ns; /* 0: none */
	} given_up[GIVEN_UP_MOST];
	uint32_t given_up_next;
};

struct conntrack_held *conntrack_held_new(const struct conntrack_held_doors *doors)
{
	struct conntrack_held *held = calloc(1, sizeof(*held));

	if (!held)
		return NULL;
	held->doors = *doors;
	held->end = &held->first;
	return held;
}

void conntrack_held_free(struct conntrack_held *held)
{
	for (struct kept *kept = held ? held->first : NULL, *next; kept; kept = next) {
		next = kept->next;
		free(kept);
	}
	free(held);
}

static bool is_same(const struct conntrack_datagram *a, const struct conntrack_datagram *b)
{
	return memcmp(a, b, sizeof(*a)) == 0;
}

static struct conntrack_datagram datagram_of(const struct weir_event_fragment *fragment)
{
	return (struct conntrack_datagram){
		.src = fragment->event.src,
		.dst = fragment->event.dst,
		.id = fragment->id,
		.proto = fragment->event.proto,
		.family = fragment->family,
	};
}

/* When, 0 for not lately. */
static uint64_t given_up_at(const struct conntrack_held *held,
			    const struct conntrack_datagram *datagram, uint64_t now_ns)
{
	for (uint32_t i = 0; i < GIVEN_UP_MOST; i++)
		if (held->given_up[i].at_ns &&
		    held->given_up[i].at_ns + CONNTRACK_HELD_GIVEN_UP_NS > now_ns &&
		    is_same(&held->given_up[i].datagram, datagram))
			return held->given_up[i].at_ns;
	return 0;
}

static void give_up(struct conntrack_held *held, const struct conntrack_datagram *datagram,
		    uint64_t now_ns)
{
	uint32_t at = held->given_up_next++ % GIVEN_UP_MOST;

	held->given_up[at].datagram = *datagram;
	held->given_up[at].at_ns = now_ns;
	held->doors.give_up(held->doors.arg, datagram);
}

bool conntrack_held_has_room(const struct conntrack_held *held)
{
	return held->count < CONNTRACK_HELD_MOST &&
	       held->bytes + WEIR_FRAGMENT_BYTES <= CONNTRACK_HELD_BYTES;
}

static int send_now(struct conntrack_held *held, const struct weir_event_fragment *fragment,
		    const struct conntrack_datagram *datagram, uint64_t now_ns)
{
	give_up(held, datagram, now_ns);
	held->doors.send(held->doors.arg, fragment);
	return conntrack_held_has_room(held) ? -ENOMEM : -ENOSPC;
}

int conntrack_held_add(struct conntrack_held *held, const struct weir_event_fragment *fragment,
		       uint64_t now_ns)
{
	struct conntrack_datagram datagram = datagram_of(fragment);

	uint64_t given_up_ns = given_up_at(held, &datagram, now_ns);

	if (given_up_ns && fragment->event.time_ns >= given_up_ns + WRITTEN_NS)
		return -ELOOP;
	if (given_up_ns) { /* while it was on its way here */
		held->doors.give_up(held->doors.arg, &datagram);
		held->doors.send(held->doors.arg, fragment);
		return 0;
	}
	size_t size = offsetof(struct weir_event_fragment, data) + fragment->bytes;
	struct kept *kept = conntrack_held_has_room(held) ?
				    calloc(1, sizeof(*kept) - sizeof(*fragment) + size + 8) :
				    NULL;

	if (!kept)
		return send_now(held, fragment, &datagram, now_ns);
	memcpy(&kept->fragment, fragment, size);
	kept->since_ns = fragment->event.time_ns < now_ns ? fragment->event.time_ns : now_ns;
	kept->datagram = datagram;
	kept->bytes = fragment->bytes;
	kept->look_ns = now_ns;
	kept->wait_ns = WAIT_LEAST_NS;
	*held->end = kept;
	held->end = &kept->next;
	held->count++;
	held->bytes += kept->bytes;
	return 0;
}

/* All of its datagram: whoever was asked for first, they go in the order in which they came. */
static void all_go(struct conntrack_held *held, const struct conntrack_datagram *datagram,
		   uint64_t goes_ns)
{
	for (struct kept *kept = held->first; kept; kept = kept->next)
		if (!kept->goes_ns && is_same(&kept->datagram, datagram))
			kept->goes_ns = goes_ns;
}

static void look(struct conntrack_held *held, struct kept *kept, uint64_t now_ns)
{
	if (held->doors.is_there(held->doors.arg, &kept->datagram)) {
		all_go(held, &kept->datagram, now_ns + SETTLES_NS);
		return;
	}
	if (now_ns - kept->since_ns >= CONNTRACK_HELD_NS) {
		give_up(held, &kept->datagram, now_ns);
		all_go(held, &kept->datagram, now_ns);
		held->alone++;
		return;
	}
	uint64_t ends_ns = kept->since_ns + CONNTRACK_HELD_NS;

	kept->look_ns = now_ns + kept->wait_ns < ends_ns ? now_ns + kept->wait_ns : ends_ns;
	kept->wait_ns = kept->wait_ns * 2 < WAIT_MOST_NS ? kept->wait_ns * 2 : WAIT_MOST_NS;
}

/* The one that *at points to. */
static void take_out(struct conntrack_held *held, struct kept **at)
{
	struct kept *kept = *at;

	*at = kept->next;
	if (!kept->next)
		held->end = at;
	held->count--;
	held->bytes -= kept->bytes;
	held->doors.send(held->doors.arg, &kept->fragment);
	free(kept);
}

uint64_t conntrack_held_run(struct conntrack_held *held, uint64_t now_ns)
{
	uint32_t sent = 0;
	uint64_t next_ns = 0;

	for (struct kept *kept = held->first; kept; kept = kept->next)
		if (!kept->goes_ns && kept->look_ns <= now_ns)
			look(held, kept, now_ns);
	for (struct kept **at = &held->first; *at;) {
		struct kept *kept = *at;
		uint64_t due_ns = kept->goes_ns ? kept->goes_ns : kept->look_ns;

		if (kept->goes_ns && due_ns <= now_ns && sent < CONNTRACK_HELD_BATCH) {
			take_out(held, at);
			sent++;
			continue;
		}
		if (!next_ns || due_ns < next_ns)
			next_ns = due_ns;
		at = &kept->next;
	}
	return next_ns;
}

void conntrack_held_end(struct conntrack_held *held, uint64_t now_ns)
{
	for (struct kept *kept = held->first; kept; kept = kept->next)
		if (!kept->goes_ns) {
			give_up(held, &kept->datagram, now_ns);
			all_go(held, &kept->datagram, now_ns);
		}
	while (held->first)
		take_out(held, &held->first);
}

uint32_t conntrack_held_count(const struct conntrack_held *held)
{
	return held->count;
}

uint64_t conntrack_held_alone(const struct conntrack_held *held)
{
	return held->alone;
}
