/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A table of flows from user space: its memory, shared with the packet programs, which go on
 * meanwhile. Everything here may run on a worker's thread; several may at once.
 */
#ifndef WEIR_CONNTRACK_TABLE_H
#define WEIR_CONNTRACK_TABLE_H

#include "core/map.h"
#include "features/conntrack/conntrack.h"

enum conntrack_table_kind {
	CONNTRACK_TABLE_PROVEN, /* a flow may be in either of two sets */
	CONNTRACK_TABLE_HALF,	/* … in one */
	CONNTRACK_TABLES,
};

struct conntrack_records;

struct conntrack_table {
	enum conntrack_table_kind kind;
	struct weir_map_memory flow_memory, set_memory, sum_memory, ended_memory;
	struct conntrack_flow *flows; /* CONNTRACK_WAYS a set */
	struct conntrack_set *sets;
	uint32_t set_count;
	/* Beside the flows, from row 1 on, and what those carried that are no more; NULL: flows are
	 * not counted (conntrack_carried.h). */
	struct conntrack_sum *sums;
	struct conntrack_ended *ended;
	struct conntrack_records *records; /* who is told of them; NULL: nobody */
};

struct conntrack_heir;

/* Where a flow was put, and its word then. */
struct conntrack_place {
	uint32_t index, word;
};

/* The tick now, as the packet programs count them. */
uint32_t conntrack_now(void);
/* -ENOENT: the object has no such maps. */
int conntrack_table_open(struct weir_map *flows, struct weir_map *sets,
			 enum conntrack_table_kind kind, struct conntrack_table *ret_table);
void conntrack_table_done(struct conntrack_table *table);

/*
 * Each flow that is there at `now`, as a copy that was whole at one time. A flow that comes, goes
 * or moves meanwhile may be missed or, when it moves between tables, told twice. Stops at the first
 * non-zero and returns it.
 */
int conntrack_table_each(const struct conntrack_table *table, uint32_t now,
			 int (*each)(const struct conntrack_flow *flow, uint32_t index, void *arg),
			 void *arg);
/* The same of some sets. */
struct conntrack_part {
	uint32_t from, count;
};

int conntrack_table_each_of(
	const struct conntrack_table *table, const struct conntrack_part *part, uint32_t now,
	int (*each)(const struct conntrack_flow *flow, uint32_t index, void *arg), void *arg);
uint32_t conntrack_table_count(const struct conntrack_table *table, uint32_t now);
/* Forgets the flow that was found there with that word; false: it has changed since. */
bool conntrack_table_remove(struct conntrack_table *table, uint32_t index, uint32_t word);
/* The same of one that is elsewhere now: what it carried goes there. */
bool conntrack_table_leave(struct conntrack_table *table, uint32_t index, uint32_t word,
			   struct conntrack_heir *heir);
/* The word of that place by now: if the flow that was found there with `word` is on its way to
 * another, once that is over, or a millisecond later. */
uint32_t conntrack_table_word(const struct conntrack_table *table, uint32_t index, uint32_t word);
/* Marks the flow that was found there with that word as one that comes over to another table: from
 * now on packets leave that to the caller. True also where one was first; false: it is gone. */
bool conntrack_table_take(struct conntrack_table *table, uint32_t index, uint32_t word);
/* Forgets the flow that was taken: it is elsewhere, at its heir, or there is none (NULL). Gives the
 * last word it had; packets that see more of it than that follow it. False: it was gone already. */
bool conntrack_table_let_go(struct conntrack_table *table, uint32_t index, uint32_t word,
			    struct conntrack_heir *heir, uint32_t *ret_last);
/* Forgets what is past its time in sets [from, from + count); returns how many live on there. */
uint32_t conntrack_table_sweep(struct conntrack_table *table, uint32_t now, uint32_t from,
			       uint32_t count);
/* Numbers of TCP are not followed from now on: what is known of them by now is never checked again.
 */
void conntrack_table_lose(struct conntrack_table *table, uint32_t now);
/* Whether a flow of that key is there. */
bool conntrack_table_has(const struct conntrack_table *table, const struct conntrack_key *key,
			 uint64_t seed, uint32_t now);
/* The flow of that key, as a copy that was whole at one time, and its index. False: none. */
bool conntrack_table_find(const struct conntrack_table *table, const struct conntrack_key *key,
			  uint64_t seed, uint32_t now, struct conntrack_flow *ret_flow,
			  uint32_t *ret_index);
/* Whether a flow of that key is there. One that was let in by another policy than that of this
 * revision passes from now on where no rule speaks. */
bool conntrack_table_grant(struct conntrack_table *table, const struct conntrack_key *key,
			   uint64_t seed, uint32_t revision, uint32_t now);
/* Adds what `from` has seen of a flow that the table has too, if it still does: marks and higher
 * sequence numbers. Both began as one. */
void conntrack_table_merge(struct conntrack_table *table, const struct conntrack_flow *from,
			   uint64_t seed, uint32_t now);
/* Places a flow (its word without turn) by its key; one that is there already stays as it is.
 * -EEXIST, -ENOSPC: every place it may have holds one that lives. */
int conntrack_table_add(struct conntrack_table *table, const struct conntrack_flow *flow,
			uint64_t seed, uint32_t now);
/* The same, and tells where it is. */
int conntrack_table_put(struct conntrack_table *table, const struct conntrack_flow *flow,
			uint64_t seed, uint32_t now, struct conntrack_place *ret_place);
/* Forgets the flow that was put there, whatever packets have seen of it since; where it has gone on
 * to another place, or its ends have begun another there, nothing is done. */
void conntrack_table_take_back(struct conntrack_table *table, const struct conntrack_place *place);

#endif
