/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* What flows have carried, beside the tables of flows: adding to it, ending it, and taking it along
 * to another place. */
#ifndef WEIR_CONNTRACK_SUM_BPF_H
#define WEIR_CONNTRACK_SUM_BPF_H

#include "../../bpf/lib/count.h"
#include "conntrack_record.bpf.h"

_Static_assert(CONNTRACK_VLAN_TAGGED == PKT_TAGGED, "tags stand as the parser leaves them");

/* How often an addition is tried that another CPU comes between. */
#define SUM_ATTEMPTS 4

/* False: the place is another flow's by now, and has nothing of it. */
static __always_inline bool sum_add(__u64 *word, __u64 turn, __u64 rest, __u32 at)
{
	bool done = false, is_gone = false;

	LOOP_ROLLED
	for (int i = 0; i < SUM_ATTEMPTS && !done && !is_gone; i++) {
		__u64 old = *(volatile __u64 *)word;

		is_gone = old && !conntrack_sum_is_of(old, turn);
		if (!is_gone)
			done = __sync_val_compare_and_swap(
				       word, old, conntrack_sum_plus(old | turn, rest, at)) == old;
	}
	return done;
}

/* The place is claimed, when it had this word: whatever the flow before it carried is counted as
 * ended, and told of; nothing can be added to it from now on. The next begins. */
__noinline int conn_sum_end(__u32 table, __u32 index, __u32 before, __u32 cause)
{
	struct conntrack_sum *sum = sum_at(table, index);
	struct conn_work *work = conn_work();
	__u64 turn = conntrack_sum_turn(conntrack_word_next(before));

	if (!sum || !work)
		return 0;
	work->ended[0] = __sync_lock_test_and_set(&sum->words[0], turn);
	work->ended[1] = __sync_lock_test_and_set(&sum->words[1], turn);
	work->ended[2] = __sync_lock_test_and_set(&sum->words[2], turn);
	work->ended[3] = __sync_lock_test_and_set(&sum->words[3], turn);
	ended_add(WEIR_ENDED_ROW, work->ended);
	record_send(work, flow_at(table, index), sum, before, cause);
	sum->first_ns = sum->last_ns[0] = sum->last_ns[1] = work->now_ns;
	*(volatile __u64 *)&sum->vlan = turn;
	return 1;
}

/* Of a flow that is about to stand at work->index, where its place has this word: by which VLAN its
 * first packet came. */
__noinline int conn_sum_note_vlan(const struct pkt *p, __u32 word)
{
	const struct conn_work *work = conn_work();
	struct conntrack_sum *sum = work ? sum_at(work->table, work->index) : NULL;

	if (!p || !sum)
		return 0;
	__u32 outer = p->seen & PKT_VLAN ? p->vlan | CONNTRACK_VLAN_TAGGED : 0;

	*(volatile __u64 *)&sum->vlan = conntrack_sum_turn(word) | CONNTRACK_VLAN_KNOWN | outer |
					(__u32)p->inner_vlan << CONNTRACK_VLAN_INNER_SHIFT;
	return 1;
}

/* Takes a word's number out for good: what comes later finds another turn. 0: it is not of `turn`.
 */
static __always_inline __u64 sum_take(__u64 *word, __u64 turn, __u64 next)
{
	__u64 taken = 0;
	bool done = false;

	LOOP_ROLLED
	for (int i = 0; i < SUM_ATTEMPTS && !done; i++) {
		__u64 old = *(volatile __u64 *)word;

		done = !conntrack_sum_is_of(old, turn);
		if (!done && __sync_val_compare_and_swap(word, old, next) == old) {
			taken = conntrack_sum_rest(old);
			done = true;
		}
	}
	return taken;
}

/* Where the flow stands that has this key; by that and not by what was found first, since it may
 * have moved, or begun anew. NULL: it stands there no more. */
static __always_inline struct conntrack_flow *flow_of_key(const struct conn_work *work,
							  __u32 *ret_word)
{
	struct conntrack_flow *flow =
		work->table == CONN_NOWHERE ? NULL : flow_at(work->table, work->index);

	if (!flow)
		return NULL;
	/* Before the key: the place of another flow has another turn, and so has its sum. */
	*ret_word = *(volatile __u32 *)&flow->word;
	return *ret_word & CONNTRACK_LIVE && key_is(&flow->key, &work->key) ? flow : NULL;
}

/* Out of the place that the flow is about to leave with the word `moving`: what comes for it there
 * from now on finds the flow at its new place, where it stands already (conn_account_again()). */
__noinline int conn_sum_take(__u32 table, __u32 index, __u32 moving)
{
	struct conn_work *work = conn_work();
	struct conntrack_sum *from = sum_at(table, index);

	if (!work || !from)
		return 0;
	work->taken_first_ns = from->first_ns;
	work->own_table = work->table;
	work->own_index = work->index;
	work->own_in_old = work->in_old;
	work->taken_vlan = conntrack_vlan_of(from->vlan, conntrack_sum_turn(moving));
	LOOP_ROLLED
	for (__u32 at = 0; at < CONNTRACK_SUM_WORDS; at++)
		work->taken[at] = sum_take(&from->words[at], conntrack_sum_turn(moving),
					   conntrack_sum_turn(conntrack_word_next(moving)));
	return 1;
}

/* Adds what was taken where the flow is. 1: all of it. */
__noinline int conn_sum_give(struct conn_work *work)
{
	__u32 word = 0;
	const struct conntrack_flow *flow = work ? flow_of_key(work, &word) : NULL;
	struct conntrack_sum *sum = flow ? sum_at(work->table, work->index) : NULL;
	__u64 left = 0;

	if (!work || !sum)
		return 0;
	LOOP_ROLLED
	for (__u32 at = 0; at < CONNTRACK_SUM_WORDS; at++) {
		__u64 rest = work->taken[at];

		if (rest && sum_add(&sum->words[at], conntrack_sum_turn(word), rest, at))
			work->taken[at] = rest = 0;
		left |= rest;
	}
	if (left)
		return 0;
	sum->first_ns = work->taken_first_ns;
	/* Who claimed the place left it so; if it has gone to another since, nothing is changed. */
	__sync_val_compare_and_swap(&sum->vlan, conntrack_sum_turn(word),
				    conntrack_sum_turn(word) | work->taken_vlan);
	return 1;
}

/* What found its flow nowhere has ended. */
__noinline int conn_sum_leave(struct conn_work *work)
{
	if (!work)
		return 0;
	work->table = work->own_table;
	work->index = work->own_index;
	work->in_old = work->own_in_old;
	return record_leave(work);
}

/* What another CPU has come between is tried again where the flow has gone: from an old table it
 * may be at its third place by now. Leaves, called from here, for want of stack. */
static __always_inline void sums_move(struct conn_work *work, __u32 table, __u32 index,
				      __u32 moving)
{
	if (!conntrack_constants.accounts || !conn_sum_take(table, index, moving))
		return;
	bool done = conn_sum_give(work);

	LOOP_ROLLED
	for (int i = 0; i < 2 && old_state.exists && !done; i++)
		done = !conn_catch(work) || conn_sum_give(work);
	conn_sum_leave(work);
}

/* A place that was claimed when it had the word `before`. */
static __always_inline void sum_begin(__u32 table, __u32 index, __u32 before,
				      enum conntrack_cause cause)
{
	if (conntrack_constants.accounts)
		conn_sum_end(table, index, before, cause);
}

#endif
