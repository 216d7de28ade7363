/* SPDX-License-Identifier: Apache-2.0 */
/* Finding a place for a flow that comes from elsewhere: a table of before, or the kernel. */
#include <errno.h>

#include "features/conntrack/conntrack_carried.h"
#include "features/conntrack/conntrack_step.h"

static bool place_write(struct conntrack_table *table, uint32_t index,
			const struct conntrack_flow *from, uint16_t tag, uint32_t now,
			struct conntrack_place *ret_place)
{
	struct conntrack_flow *flow = &table->flows[index];
	uint32_t word = __atomic_load_n(&flow->word, __ATOMIC_RELAXED);
	uint32_t busy = conntrack_word_next(word) | CONNTRACK_MOVING;

	if (word & CONNTRACK_MOVING || conntrack_is_there(word, flow->expires_ticks, now) ||
	    !word_change(flow, word, busy))
		return false;
	conntrack_sum_end(table, index,
			  &(struct conntrack_leaving){ word, busy, CONNTRACK_CAUSE_CLAIMED, NULL });
	struct conntrack_flow fresh = *from;

	fresh.word = busy;
	*flow = fresh;
	tag_put(&table->sets[index / CONNTRACK_WAYS], index % CONNTRACK_WAYS, tag);
	*ret_place = (struct conntrack_place){
		.index = index,
		.word = conntrack_word_next(word) |
			(from->word & CONNTRACK_MARKS & ~CONNTRACK_MOVING) | CONNTRACK_LIVE,
	};
	word_change(flow, busy, ret_place->word);
	return true;
}

/* How far room is made for a flow: three steps reach a thousand places. */
#define SQUEEZE_STEPS 3

struct squeeze {
	uint64_t seed;
	uint32_t now;
};

static bool set_put(struct conntrack_table *table, uint32_t number,
		    const struct conntrack_flow *from, uint64_t hash, uint32_t now,
		    struct conntrack_place *ret_place)
{
	for (uint32_t i = 0; i < CONNTRACK_WAYS; i++) {
		uint32_t way = (conntrack_way(hash) + i) % CONNTRACK_WAYS;
		uint32_t index = number * CONNTRACK_WAYS + way;
		const struct conntrack_flow *flow = &table->flows[index];

		if ((!tag_at(&table->sets[number], way) ||
		     !conntrack_is_there(flow->word, flow->expires_ticks, now)) &&
		    place_write(table, index, from, conntrack_tag(hash), now, ret_place))
			return true;
	}
	return false;
}

/* A flow goes to another set, where it is before it leaves this one: packets find it in either. One
 * that changes meanwhile stays, and the copy goes. */
static bool flow_shift(struct conntrack_table *table, uint32_t index,
		       const struct conntrack_flow *flow, uint32_t to,
		       const struct squeeze *squeeze)
{
	uint64_t hash = conntrack_hash(&flow->key, squeeze->seed);
	struct conntrack_heir copy = { .table = table };

	if (!set_put(table, to, flow, hash, squeeze->now, &copy.place))
		return false;
	if (conntrack_table_leave(table, index, flow->word, &copy))
		return true;
	conntrack_table_remove(table, copy.place.index, copy.place.word);
	return false;
}

/* The other set of a flow that lies in this one. */
static uint32_t other_set(const struct conntrack_table *table, const struct conntrack_flow *flow,
			  uint32_t number, uint64_t seed)
{
	uint64_t hash = conntrack_hash(&flow->key, seed);
	uint32_t first = conntrack_first_set(hash, table->set_count);

	return first == number ? conntrack_second_set(hash, table->set_count) : first;
}

/* Steps at most: a flow of the set goes to its other set, when need be after one of that. */
static bool set_make_room(struct conntrack_table *table, uint32_t number, int steps,
			  const struct squeeze *squeeze)
{
	for (int left = 0; left < steps; left++) {
		for (uint32_t way = 0; way < CONNTRACK_WAYS; way++) {
			uint32_t index = number * CONNTRACK_WAYS + way;
			struct conntrack_flow flow;

			if (!flow_copy(&table->flows[index], &flow))
				continue;
			uint32_t to = other_set(table, &flow, number, squeeze->seed);

			if (to == number || (left && !set_make_room(table, to, left, squeeze)))
				continue;
			if (flow_shift(table, index, &flow, to, squeeze))
				return true;
		}
	}
	return false;
}

/* Of sets chosen by hash some are full long before the table is: without this, one flow in thirty
 * would find no place in a table that has one for each. */
static bool proven_squeeze(struct conntrack_table *table, const struct conntrack_flow *flow,
			   uint64_t hash, struct squeeze squeeze, struct conntrack_place *ret_place)
{
	const uint32_t sets[] = { conntrack_first_set(hash, table->set_count),
				  conntrack_second_set(hash, table->set_count) };

	for (size_t i = 0; i < 2; i++)
		if (set_make_room(table, sets[i], SQUEEZE_STEPS, &squeeze) &&
		    set_put(table, sets[i], flow, hash, squeeze.now, ret_place))
			return true;
	return false;
}

int conntrack_table_put(struct conntrack_table *table, const struct conntrack_flow *flow,
			uint64_t seed, uint32_t now, struct conntrack_place *ret_place)
{
	uint64_t hash = conntrack_hash(&flow->key, seed);
	uint32_t first = conntrack_first_set(hash, table->set_count),
		 second = conntrack_second_set(hash, table->set_count);

	if (conntrack_table_has(table, &flow->key, seed, now))
		return -EEXIST;
	if (set_put(table, first, flow, hash, now, ret_place) ||
	    (table->kind == CONNTRACK_TABLE_PROVEN &&
	     (set_put(table, second, flow, hash, now, ret_place) ||
	      proven_squeeze(table, flow, hash, (struct squeeze){ seed, now }, ret_place))))
		return 0;
	return -ENOSPC;
}

int conntrack_table_add(struct conntrack_table *table, const struct conntrack_flow *flow,
			uint64_t seed, uint32_t now)
{
	struct conntrack_place place;

	return conntrack_table_put(table, flow, seed, now, &place);
}
