/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fragments that have come ahead of their first, kept until that is there or does not come:
 * bounded, in order of arrival, and asked for at growing distances. Knows no map and no interface.
 */
#ifndef WEIR_CONNTRACK_HELD_H
#define WEIR_CONNTRACK_HELD_H

#include <stdbool.h>
#include <stdint.h>

#include "abi/event.h"
#include "features/conntrack/conntrack.h"

#define CONNTRACK_HELD_MOST 1024		 /* fragments */
#define CONNTRACK_HELD_BYTES (1u << 20)		 /* of their frames */
#define CONNTRACK_HELD_NS 1000000000ULL		 /* for so long the first is waited for */
#define CONNTRACK_HELD_GIVEN_UP_NS 2000000000ULL /* for so long its absence is remembered */
#define CONNTRACK_HELD_BATCH 128		 /* are let go at a time */

struct conntrack_held;

/* Whom it asks, and tells. */
struct conntrack_held_doors {
	/* Whether the first fragment has come by. */
	bool (*is_there)(void *arg, const struct conntrack_datagram *datagram);
	/* It is not waited for any more: what comes of the datagram is judged as it is. */
	void (*give_up)(void *arg, const struct conntrack_datagram *datagram);
	/* The fragment goes on. */
	void (*send)(void *arg, const struct weir_event_fragment *fragment);
	void *arg;
};

/* NULL: no memory. */
struct conntrack_held *conntrack_held_new(const struct conntrack_held_doors *doors);
/* What it holds is lost; conntrack_held_end() is for others. NULL is allowed. */
void conntrack_held_free(struct conntrack_held *held);
/*
 * Keeps a copy. Of what cannot be kept the datagram is given up and the fragment sent on at once:
 * -ENOSPC, -ENOMEM. -ELOOP: its datagram was given up a moment ago, and should not have been held
 * again; it is dropped, so that nothing goes round for ever.
 */
int conntrack_held_add(struct conntrack_held *held, const struct weir_event_fragment *fragment,
		       uint64_t now_ns);
/* Sends on what may go. Returns when it is to be called next, 0 when there is nothing more. */
uint64_t conntrack_held_run(struct conntrack_held *held, uint64_t now_ns);
/* All is given up and sent on. */
void conntrack_held_end(struct conntrack_held *held, uint64_t now_ns);
/* Whether another fragment of full size has room. */
bool conntrack_held_has_room(const struct conntrack_held *held);
uint32_t conntrack_held_count(const struct conntrack_held *held);
/* How many were given up, for want of their first. */
uint64_t conntrack_held_alone(const struct conntrack_held *held);

#endif
