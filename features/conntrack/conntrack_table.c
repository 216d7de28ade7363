/* SPDX-License-Identifier: Apache-2.0 */
/* The same steps as the packet programs take (conntrack_table.bpf.h), by the same
 * compare-and-swaps, so that neither side waits for the other. */
#include "features/conntrack/conntrack_step.h"

#include <errno.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "features/conntrack/conntrack_carried.h"

uint32_t conntrack_now(void)
{
	struct timespec now = {};

	clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
	return (uint32_t)(((uint64_t)now.tv_sec * WEIR_NS_PER_S + (uint64_t)now.tv_nsec) >>
			  CONNTRACK_TICK_SHIFT);
}

int conntrack_table_open(struct weir_map *flows, struct weir_map *sets,
			 enum conntrack_table_kind kind, struct conntrack_table *ret_table)
{
	struct conntrack_table table = { .kind = kind };
	int r = flows && sets ? weir_map_memory_open(flows, &table.flow_memory) : -ENOENT;

	if (!r)
		r = weir_map_memory_open(sets, &table.set_memory);
	if (r) {
		conntrack_table_done(&table);
		return r;
	}
	table.flows = table.flow_memory.at;
	table.sets = table.set_memory.at;
	table.set_count = weir_map_capacity(sets);
	table.sets[0].sets = table.set_count;
	*ret_table = table;
	return 0;
}

void conntrack_table_done(struct conntrack_table *table)
{
	weir_map_memory_done(&table->flow_memory);
	weir_map_memory_done(&table->set_memory);
	weir_map_memory_done(&table->sum_memory);
	weir_map_memory_done(&table->ended_memory);
	*table = (struct conntrack_table){ .kind = table->kind };
}

int conntrack_table_each(const struct conntrack_table *table, uint32_t now,
			 int (*each)(const struct conntrack_flow *flow, uint32_t index, void *arg),
			 void *arg)
{
	const struct conntrack_part all = { 0, table->set_count };

	return conntrack_table_each_of(table, &all, now, each, arg);
}

int conntrack_table_each_of(
	const struct conntrack_table *table, const struct conntrack_part *part, uint32_t now,
	int (*each)(const struct conntrack_flow *flow, uint32_t index, void *arg), void *arg)
{
	uint32_t left = part->from < table->set_count ? table->set_count - part->from : 0;
	uint32_t end = part->from + (part->count < left ? part->count : left);

	for (uint32_t number = part->from; number < end; number++) {
		const struct conntrack_set *set = &table->sets[number];

		if (!(set->tags[0] | set->tags[1]))
			continue;
		for (uint32_t way = 0; way < CONNTRACK_WAYS; way++) {
			uint32_t index = number * CONNTRACK_WAYS + way;
			struct conntrack_flow copy;

			if (!tag_at(set, way) || !flow_copy(&table->flows[index], &copy) ||
			    !conntrack_is_there(copy.word, copy.expires_ticks, now))
				continue;
			int r = each(&copy, index, arg);

			if (r)
				return r;
		}
	}
	return 0;
}

static int count_one(const struct conntrack_flow *flow, uint32_t index, void *arg)
{
	uint32_t *count = arg;

	(void)flow, (void)index;
	++*count;
	return 0;
}

uint32_t conntrack_table_count(const struct conntrack_table *table, uint32_t now)
{
	uint32_t count = 0;

	conntrack_table_each(table, now, count_one, &count);
	return count;
}

static int flow_lose(const struct conntrack_flow *flow, uint32_t index, void *arg)
{
	struct conntrack_table *table = arg;

	if (flow->key.proto == CONNTRACK_TCP)
		__atomic_or_fetch(&table->flows[index].side[0].flags, CONNTRACK_SIDE_LOST,
				  __ATOMIC_RELAXED);
	return 0;
}

void conntrack_table_lose(struct conntrack_table *table, uint32_t now)
{
	conntrack_table_each(table, now, flow_lose, table);
}

/* The place is the caller's, who had its flow leave it: MOVING until its tag is gone, or who takes
 * the place next would lose his. */
static void place_empty(struct conntrack_table *table, uint32_t index, uint32_t word,
			enum conntrack_cause cause, struct conntrack_heir *heir)
{
	uint32_t next = conntrack_word_next(word);
	const struct conntrack_leaving leaving = { word, next, cause, heir };

	tag_put(&table->sets[index / CONNTRACK_WAYS], index % CONNTRACK_WAYS, 0);
	conntrack_sum_end(table, index, &leaving);
	word_change(&table->flows[index], next | CONNTRACK_MOVING, next);
}

bool conntrack_table_leave(struct conntrack_table *table, uint32_t index, uint32_t word,
			   struct conntrack_heir *heir)
{
	if (word & CONNTRACK_MOVING ||
	    !word_change(&table->flows[index], word, conntrack_word_next(word) | CONNTRACK_MOVING))
		return false;
	place_empty(table, index, word, heir ? CONNTRACK_CAUSE_LEFT : CONNTRACK_CAUSE_FORGOTTEN,
		    heir);
	return true;
}

bool conntrack_table_remove(struct conntrack_table *table, uint32_t index, uint32_t word)
{
	return conntrack_table_leave(table, index, word, NULL);
}

/* How long a packet may take to move the flow it has marked. */
#define TAKE_NS 1000000

uint32_t conntrack_table_word(const struct conntrack_table *table, uint32_t index, uint32_t word)
{
	const __u32 *at = &table->flows[index].word;
	uint32_t now = __atomic_load_n(at, __ATOMIC_ACQUIRE);
	uint64_t until = now & CONNTRACK_MOVING ? weir_clock_monotonic_ns() + TAKE_NS : 0;

	while (now & CONNTRACK_MOVING && is_of_turn(now, word) && weir_clock_monotonic_ns() < until)
		now = __atomic_load_n(at, __ATOMIC_ACQUIRE);
	return now;
}

bool conntrack_table_take(struct conntrack_table *table, uint32_t index, uint32_t word)
{
	__u32 *at = &table->flows[index].word, now = conntrack_table_word(table, index, word);

	while (is_of_turn(now, word))
		if (now & CONNTRACK_MOVING ||
		    __atomic_compare_exchange_n(at, &now, now | CONNTRACK_MOVING, false,
						__ATOMIC_SEQ_CST, __ATOMIC_RELAXED))
			return true;
	return false;
}

bool conntrack_table_let_go(struct conntrack_table *table, uint32_t index, uint32_t word,
			    struct conntrack_heir *heir, uint32_t *ret_last)
{
	__u32 *at = &table->flows[index].word, now = __atomic_load_n(at, __ATOMIC_ACQUIRE);

	while (is_of_turn(now, word)) {
		if (!__atomic_compare_exchange_n(at, &now,
						 conntrack_word_next(now) | CONNTRACK_MOVING, false,
						 __ATOMIC_SEQ_CST, __ATOMIC_RELAXED))
			continue;
		place_empty(table, index, now,
			    heir ? CONNTRACK_CAUSE_LEFT : CONNTRACK_CAUSE_NO_ROOM, heir);
		*ret_last = now;
		return true;
	}
	return false;
}

static uint32_t set_sweep(struct conntrack_table *table, uint32_t number, uint32_t now)
{
	uint32_t live = 0;

	for (uint32_t way = 0; way < CONNTRACK_WAYS; way++) {
		uint32_t index = number * CONNTRACK_WAYS + way;
		const struct conntrack_flow *flow = &table->flows[index];

		if (!tag_at(&table->sets[number], way))
			continue;
		uint32_t word = __atomic_load_n(&flow->word, __ATOMIC_ACQUIRE);

		/* A packet takes what is past its time for gone, so it is not revived meanwhile. */
		if (conntrack_is_there(word, flow->expires_ticks, now))
			live++;
		else if (word & CONNTRACK_LIVE)
			conntrack_table_remove(table, index, word);
	}
	return live;
}

uint32_t conntrack_table_sweep(struct conntrack_table *table, uint32_t now, uint32_t from,
			       uint32_t count)
{
	uint32_t live = 0;

	for (uint32_t number = from; number < from + count && number < table->set_count; number++)
		if (table->sets[number].tags[0] | table->sets[number].tags[1])
			live += set_sweep(table, number, now);
	return live;
}

static struct conntrack_flow *set_find(const struct conntrack_table *table, uint32_t number,
				       const struct conntrack_key *key, uint16_t tag, uint32_t now)
{
	for (uint32_t way = 0; way < CONNTRACK_WAYS; way++) {
		struct conntrack_flow *flow = &table->flows[number * CONNTRACK_WAYS + way];

		if (tag_at(&table->sets[number], way) == tag &&
		    memcmp(&flow->key, key, sizeof(*key)) == 0 &&
		    conntrack_is_there(flow->word, flow->expires_ticks, now))
			return flow;
	}
	return NULL;
}

static struct conntrack_flow *table_find(const struct conntrack_table *table,
					 const struct conntrack_key *key, uint64_t seed,
					 uint32_t now)
{
	uint64_t hash = conntrack_hash(key, seed);
	uint16_t tag = conntrack_tag(hash);
	struct conntrack_flow *flow =
		set_find(table, conntrack_first_set(hash, table->set_count), key, tag, now);

	if (!flow && table->kind == CONNTRACK_TABLE_PROVEN)
		flow = set_find(table, conntrack_second_set(hash, table->set_count), key, tag, now);
	return flow;
}

bool conntrack_table_has(const struct conntrack_table *table, const struct conntrack_key *key,
			 uint64_t seed, uint32_t now)
{
	return table_find(table, key, seed, now);
}

bool conntrack_table_find(const struct conntrack_table *table, const struct conntrack_key *key,
			  uint64_t seed, uint32_t now, struct conntrack_flow *ret_flow,
			  uint32_t *ret_index)
{
	const struct conntrack_flow *flow = table_find(table, key, seed, now);
	struct conntrack_flow copy;

	/* The place may have gone to another since. */
	if (!flow || !flow_copy(flow, &copy) || memcmp(&copy.key, key, sizeof(*key)) != 0)
		return false;
	*ret_flow = copy;
	*ret_index = (uint32_t)(flow - table->flows);
	return true;
}

/* Unless the place has gone to another flow than the one that had this word. */
static void marks_add(struct conntrack_flow *flow, uint32_t found, uint32_t marks)
{
	uint32_t word = found;

	while (is_of_turn(word, found) &&
	       !__atomic_compare_exchange_n(&flow->word, &word, word | marks, false,
					    __ATOMIC_SEQ_CST, __ATOMIC_RELAXED))
		;
}

bool conntrack_table_grant(struct conntrack_table *table, const struct conntrack_key *key,
			   uint64_t seed, uint32_t revision, uint32_t now)
{
	struct conntrack_flow *flow = table_find(table, key, seed, now);

	uint32_t word = flow ? __atomic_load_n(&flow->word, __ATOMIC_ACQUIRE) : 0;

	uint64_t let_in = flow ? __atomic_load_n(&flow->let_in, __ATOMIC_RELAXED) : 0;

	/* 0: let in for that packet only, by a rule of some hours, say. */
	if (let_in && memcmp(&flow->key, key, sizeof(*key)) == 0 && let_in >> 32 != revision)
		marks_add(flow, word, CONNTRACK_GRANTED);
	return flow;
}

/* As the packet programs raise them: whoever else is at it. */
static void seq_raise(uint32_t *at, uint32_t to)
{
	uint32_t old = __atomic_load_n(at, __ATOMIC_RELAXED);

	while ((int32_t)(to - old) > 0 &&
	       !__atomic_compare_exchange_n(at, &old, to, false, __ATOMIC_SEQ_CST,
					    __ATOMIC_RELAXED))
		;
}

/* A side that only one has seen is as that one saw it. */
static void side_merge(struct conntrack_side *side, const struct conntrack_side *from)
{
	if (!(side->flags & CONNTRACK_SIDE_SEEN)) {
		uint8_t flags = side->flags;

		*side = *from;
		side->flags |= flags;
		return;
	}
	seq_raise(&side->end, from->end);
	seq_raise(&side->max_end, from->max_end);
	if (from->max_win > side->max_win)
		side->max_win = from->max_win;
	__atomic_or_fetch(&side->flags, from->flags, __ATOMIC_RELAXED);
}

void conntrack_table_merge(struct conntrack_table *table, const struct conntrack_flow *from,
			   uint64_t seed, uint32_t now)
{
	struct conntrack_flow *flow = table_find(table, &from->key, seed, now);

	/* Its ends may have begun another since, which has nothing of this one. */
	if (!flow || flow->born != from->born)
		return;
	for (int i = 0; i < 2; i++) {
		if (flow->key.proto == CONNTRACK_SCTP)
			conntrack_tags_take(&flow->side[i], &from->side[i]);
		else
			side_merge(&flow->side[i], &from->side[i]);
	}
	if (from->word & CONNTRACK_MARKED && !(flow->word & CONNTRACK_MARKED))
		__atomic_store_n(&flow->mark, from->mark, __ATOMIC_RELAXED);
	marks_add(flow, __atomic_load_n(&flow->word, __ATOMIC_RELAXED),
		  from->word & (CONNTRACK_TCP_MARKS | CONNTRACK_ANSWERED | CONNTRACK_AGAIN |
				CONNTRACK_GRANTED | CONNTRACK_MARKED));
}

/* Packets that change the word add marks, and there are a few only: it ends. */
void conntrack_table_take_back(struct conntrack_table *table, const struct conntrack_place *place)
{
	uint32_t word = place->word;

	while (!(word & CONNTRACK_MOVING) && is_of_turn(word, place->word) &&
	       !conntrack_table_remove(table, place->index, word))
		word = conntrack_table_word(table, place->index, word);
}
