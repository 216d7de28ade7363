/* SPDX-License-Identifier: Apache-2.0 */
/* The same steps as the packet programs take (conntrack_sum.bpf.h), by the same compare-and-swaps.
 */
#include <errno.h>
#include <string.h>

#include "base/clock.h"
#include "features/conntrack/conntrack_record.h"

int conntrack_sums_open(struct weir_map *sums, struct weir_map *ended,
			struct conntrack_table *table)
{
	if (!sums || !ended)
		return -ENOENT;
	if (weir_map_capacity(sums) < CONNTRACK_SUM_ROW(table->set_count * CONNTRACK_WAYS))
		return 0;
	int r = weir_map_memory_open(sums, &table->sum_memory);

	if (!r)
		r = weir_map_memory_open(ended, &table->ended_memory);
	if (r)
		return r;
	table->sums = table->sum_memory.at;
	table->ended = table->ended_memory.at;
	return 0;
}

void conntrack_carried_of(const __u64 words[CONNTRACK_SUM_WORDS], struct conntrack_carried *carried)
{
	for (uint32_t side = 0; side < 2; side++) {
		carried->packets[side] = conntrack_sum_number(words, CONNTRACK_SUM_PACKETS + side);
		carried->bytes[side] = conntrack_sum_number(words, CONNTRACK_SUM_BYTES + side);
		carried->flags[side] = conntrack_sum_flags(words, side);
	}
}

bool conntrack_carried_get(const struct conntrack_table *table, uint32_t index, uint32_t word,
			   struct conntrack_carried *ret_carried)
{
	uint64_t turn = conntrack_sum_turn(word);
	__u64 words[CONNTRACK_SUM_WORDS];

	*ret_carried = (struct conntrack_carried){};
	if (!table->sums)
		return false;
	const struct conntrack_sum *sum = &table->sums[CONNTRACK_SUM_ROW(index)];

	for (uint32_t at = 0; at < CONNTRACK_SUM_WORDS; at++) {
		words[at] = __atomic_load_n(&sum->words[at], __ATOMIC_RELAXED);
		if (!conntrack_sum_is_of(words[at], turn))
			words[at] = 0;
	}
	conntrack_carried_of(words, ret_carried);
	ret_carried->first_ns = sum->first_ns;
	ret_carried->vlan = conntrack_vlan_of(__atomic_load_n(&sum->vlan, __ATOMIC_RELAXED), turn);
	for (uint32_t side = 0; side < 2; side++)
		ret_carried->last_ns[side] = sum->last_ns[side];
	return true;
}

static void ended_add(struct conntrack_table *table, const __u64 words[CONNTRACK_SUM_WORDS])
{
	__atomic_fetch_add(&table->ended->packets,
			   conntrack_sum_number(words, 0) + conntrack_sum_number(words, 1),
			   __ATOMIC_RELAXED);
	__atomic_fetch_add(&table->ended->bytes,
			   conntrack_sum_number(words, 2) + conntrack_sum_number(words, 3),
			   __ATOMIC_RELAXED);
}

/* False: the flow has left that place, too. */
static bool word_add(__u64 *word, uint64_t turn, uint64_t rest, uint32_t at)
{
	__u64 old = __atomic_load_n(word, __ATOMIC_RELAXED);

	while (!old || conntrack_sum_is_of(old, turn))
		if (__atomic_compare_exchange_n(word, &old,
						conntrack_sum_plus(old | turn, rest, at), false,
						__ATOMIC_SEQ_CST, __ATOMIC_RELAXED))
			return true;
	return false;
}

/* Where what a flow carried stood: its line, and the turn it had there. */
struct origin {
	const struct conntrack_sum *sum;
	uint64_t turn;
};

/* As the packet programs do it: if the place has gone to another since, nothing is changed. */
static void vlan_give(struct conntrack_sum *sum, uint64_t turn, const struct origin *from)
{
	__u64 none = turn, vlan = turn | conntrack_vlan_of(from->sum->vlan, from->turn);

	__atomic_compare_exchange_n(&sum->vlan, &none, vlan, false, __ATOMIC_SEQ_CST,
				    __ATOMIC_RELAXED);
}

/* True: nothing is left in `words`. */
static bool heir_add(const struct conntrack_heir *heir, const struct origin *from,
		     __u64 words[CONNTRACK_SUM_WORDS])
{
	struct conntrack_sum *sum = &heir->table->sums[CONNTRACK_SUM_ROW(heir->place.index)];
	uint64_t turn = conntrack_sum_turn(heir->place.word);
	bool is_done = true;

	for (uint32_t at = 0; at < CONNTRACK_SUM_WORDS; at++) {
		uint64_t rest = conntrack_sum_rest(words[at]);

		if (!rest || word_add(&sum->words[at], turn, rest, at))
			words[at] = 0;
		else
			is_done = false;
	}
	if (!is_done)
		return false;
	vlan_give(sum, turn, from);
	sum->first_ns = from->sum->first_ns;
	for (int side = 0; side < 2; side++)
		if (from->sum->last_ns[side] > sum->last_ns[side])
			sum->last_ns[side] = from->sum->last_ns[side];
	return true;
}

/* A flow moves twice at the most while it is looked for: to the new tables, and to the proven. */
#define HEIRS 3

/* What finds its heir gone for good stays in `words`. */
static void heirs_add(struct conntrack_heir *heir, const struct origin *from,
		      __u64 words[CONNTRACK_SUM_WORDS])
{
	for (int i = 0; i < HEIRS && heir->table->sums; i++)
		if (heir_add(heir, from, words) || !heir->find || !heir->find(heir))
			return;
}

static void sum_take(struct conntrack_sum *sum, uint64_t next, __u64 ret_words[CONNTRACK_SUM_WORDS])
{
	for (uint32_t at = 0; at < CONNTRACK_SUM_WORDS; at++)
		ret_words[at] = __atomic_exchange_n(&sum->words[at], next, __ATOMIC_SEQ_CST);
}

static uint64_t coarse_ns(void)
{
	return (uint64_t)conntrack_now() << CONNTRACK_TICK_SHIFT;
}

/* Whoever has claimed the place has written no other flow there yet. */
static void ended_tell(struct conntrack_table *table, uint32_t index,
		       const struct conntrack_leaving *leaving,
		       const __u64 words[CONNTRACK_SUM_WORDS])
{
	const struct conntrack_sum *sum = &table->sums[CONNTRACK_SUM_ROW(index)];
	struct conntrack_record record = { .flow = table->flows[index], .table = table->kind };

	ended_add(table, words);
	conntrack_carried_of(words, &record.carried);
	record.flow.word = leaving->before;
	record.carried.first_ns = sum->first_ns;
	record.carried.last_ns[0] = sum->last_ns[0];
	record.carried.last_ns[1] = sum->last_ns[1];
	record.carried.vlan = conntrack_vlan_of(sum->vlan, conntrack_sum_turn(leaving->before));
	record.end = conntrack_end_of(&record.flow, leaving->cause,
				      conntrack_records_tick(table->records));
	conntrack_records_add(table->records, &record);
}

void conntrack_sum_end(struct conntrack_table *table, uint32_t index,
		       const struct conntrack_leaving *leaving)
{
	__u64 words[CONNTRACK_SUM_WORDS];

	if (!table->sums)
		return;
	struct conntrack_sum *sum = &table->sums[CONNTRACK_SUM_ROW(index)];
	const struct origin from = { sum, conntrack_sum_turn(leaving->before) };

	sum_take(sum, conntrack_sum_turn(leaving->next), words);
	if (leaving->heir)
		heirs_add(leaving->heir, &from, words);
	ended_tell(table, index, leaving, words);
	sum->first_ns = coarse_ns();
	memset(sum->last_ns, 0, sizeof(sum->last_ns));
	__atomic_store_n(&sum->vlan, conntrack_sum_turn(leaving->next), __ATOMIC_RELAXED);
}

void conntrack_sums_close(struct conntrack_table *table, enum conntrack_cause cause)
{
	uint32_t places = table->sums ? table->set_count * CONNTRACK_WAYS : 0;

	for (uint32_t index = 0; index < places; index++) {
		struct conntrack_leaving leaving = { table->flows[index].word, 0, cause, NULL };
		__u64 words[CONNTRACK_SUM_WORDS];

		sum_take(&table->sums[CONNTRACK_SUM_ROW(index)], CONNTRACK_SUM_CLOSED, words);
		ended_tell(table, index, &leaving, words);
	}
}
