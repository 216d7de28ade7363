/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Places in the tables: who gets one, and who has to leave his. */
#ifndef WEIR_CONNTRACK_PLACE_BPF_H
#define WEIR_CONNTRACK_PLACE_BPF_H

#include "conntrack_let_in.bpf.h"
#include "conntrack_sum.bpf.h"

/* Whether the place has gone to another flow since. */
static __always_inline bool turn_has_passed(__u32 word, __u32 before)
{
	return (word ^ before) & ~CONNTRACK_MARKS;
}

/* Its ends begin another: what was there is forgotten at once. */
static __always_inline void flow_forget(const struct conn_work *work)
{
	struct conntrack_flow *flow = flow_at(work->table, work->index);

	if (!flow || !flow_claim(flow, work->word))
		return;
	tag_put(work->table, work->index, 0);
	sum_begin(work->table, work->index, work->word, CONNTRACK_CAUSE_RENEWED);
	flow_free(flow, conntrack_word_next(work->word) | CONNTRACK_MOVING);
}

/*
 * Forgets the flow at that place, whatever marks others add meanwhile. In an old table also one
 * that is being brought over: who does that finds that it is gone, and takes the copy back.
 */
__noinline int conn_forget_at(__u32 table, int index)
{
	struct conntrack_flow *flow = index < 0 ? NULL : flow_at(table, index);
	bool is_old = table == CONN_OLD_PROVEN || table == CONN_OLD_HALF, done = false;

	if (!flow)
		return 0;
	__u32 word = *(volatile __u32 *)&flow->word;
	__u32 there = CONNTRACK_LIVE | (is_old ? 0 : CONNTRACK_MOVING);

	LOOP_ROLLED
	for (int i = 0; i < 4 && !done && (word & there) == CONNTRACK_LIVE; i++) {
		__u32 next = conntrack_word_next(word) | CONNTRACK_MOVING;
		__u32 found = __sync_val_compare_and_swap(&flow->word, word, next);

		if (found == word) {
			tag_put(table, index, 0);
			sum_begin(table, index, word, CONNTRACK_CAUSE_RENEWED);
			flow_free(flow, next);
		}
		done = found == word || turn_has_passed(found, word);
		word = found;
	}
	return 0;
}

/*
 * Around a reload: nothing of the flow may come over any more, nor stay where it just came to; it
 * would stand in the way of the one that begins. The old tables first: what is brought over is in
 * the new one before it leaves the old, so it is met there, or here, or whoever brings it takes it
 * back.
 */
__noinline int conn_forget_old(struct conn_work *work)
{
	if (!work)
		return 0;
	conn_forget_at(CONN_OLD_PROVEN, proven_look(work, CONN_OLD_PROVEN));
	conn_forget_at(CONN_OLD_HALF, half_look(work, CONN_OLD_HALF));
	conn_forget_at(CONN_PROVEN, proven_look(work, CONN_PROVEN));
	conn_forget_at(CONN_HALF, half_look(work, CONN_HALF));
	work->in_old = false;
	return 0;
}

/* What a flow keeps when it moves from one place to another. */
static __always_inline void flow_inherit(struct conntrack_flow *flow,
					 const struct conntrack_flow *from)
{
	flow->let_in = from->let_in;
	flow->mark = from->mark;
	flow->born = from->born;
	flow->rule = from->rule;
	flow->backend = from->backend;
	flow->again = from->again;
}

static __always_inline bool has_proven_itself(const struct conntrack_flow *flow, __u32 word)
{
	const __u32 shows = CONNTRACK_SYN_ACKED * CONNTRACK_BOTH | CONNTRACK_ANSWERED;

	return (word & (shows | CONNTRACK_RESET)) == shows &&
	       conntrack_has_shaken(flow->key.proto, word);
}

/* A place of the half-open table is this CPU's; whoever was there makes room. */
static __always_inline bool half_claim(const struct conn_work *work, __u32 at)
{
	struct conntrack_flow *flow = flow_at(half_of(work), at);

	if (!flow)
		return false;
	__u32 word = *(volatile __u32 *)&flow->word;
	bool was_there = conntrack_is_there(word, flow->expires_ticks, work->now);

	/* Free by its tag, and then somebody was faster. And one that has shaken hands, for which
	 * the other table has no room, never makes room for what has proven nothing. */
	if ((was_there && (!work->displaces || has_proven_itself(flow, word))) ||
	    !flow_claim(flow, word))
		return false;
	sum_begin(half_of(work), at, word, CONNTRACK_CAUSE_CLAIMED);
	if (was_there)
		conn_count(CONNTRACK_COUNT_DISPLACED);
	return true;
}

/* The index of a place that is this CPU's; -1: none. */
__noinline int conn_claim_half(struct conn_work *work)
{
	if (!work)
		return -1;
	LOOP_ROLLED
	for (__u32 attempt = 0; attempt < CONN_ATTEMPTS; attempt++) {
		int at = conn_place_half(work, attempt);

		if (at >= 0 && half_claim(work, at))
			return at;
	}
	conn_count(CONNTRACK_COUNT_RACED);
	return -1;
}

static __always_inline bool half_write(struct conn_work *work, const struct conntrack_flow *from)
{
	int at = conn_claim_half(work);
	struct conntrack_flow *flow = at < 0 ? NULL : flow_at(half_of(work), at);

	if (!flow)
		return false;
	flow_inherit(flow, from);
	tag_put(half_of(work), at, conntrack_tag(work->hash));
	flow_write(flow, work);
	work->table = half_of(work);
	work->index = at;
	return true;
}

__noinline int conn_add(struct pkt *p)
{
	struct conn_work *work = conn_work();
	int index = p && work ? conn_claim_half(work) : -1;
	struct conntrack_flow *flow = index < 0 ? NULL : flow_at(half_of(work), index);

	if (!p || !work || !flow)
		return 0;
	conn_count(work->flow.marks & CONNTRACK_PICKED_UP ? CONNTRACK_COUNT_PICKED_UP :
							    CONNTRACK_COUNT_NEW);
	flow->let_in = 0;
	flow->rule = 0;
	flow->backend = served_owner();
	flow->again = cookie_constants.relays ? work->flow.again : (struct conntrack_side){};
	flow->born = work->now;
	if (p->has_mark)
		work->flow.marks |= CONNTRACK_MARKED;
	flow_note(flow, p, 0);
	if (cookie_constants.enabled || conntrack_constants.accounts) {
		work->table = half_of(work);
		work->index = index;
	}
	if (conntrack_constants.accounts)
		conn_sum_note_vlan(p, flow->word);
	tag_put(half_of(work), index, conntrack_tag(work->hash));
	flow_write(flow, work);
	work->is_added = true;
	if (cookie_constants.enabled || conntrack_constants.accounts)
		work->word = flow->word;
	return 1;
}

/* Chosen as free, gone or over: it must still be so. */
static __always_inline bool proven_claim(const struct conn_work *work, __u32 at)
{
	struct conntrack_flow *flow = flow_at(proven_of(work), at);
	__u32 word = flow ? *(volatile __u32 *)&flow->word : 0;

	if (!flow ||
	    (conntrack_is_there(word, flow->expires_ticks, work->now) &&
	     !conntrack_is_over(word)) ||
	    !flow_claim(flow, word))
		return false;
	sum_begin(proven_of(work), at, word, CONNTRACK_CAUSE_CLAIMED);
	return true;
}

/* The index of a place that is this CPU's; -1: none. */
__noinline int conn_claim_proven(struct conn_work *work)
{
	int at = 0;

	if (!work)
		return -1;
	LOOP_ROLLED
	for (__u32 attempt = 0; attempt < CONN_ATTEMPTS && at >= 0; attempt++) {
		at = conn_place_proven(work, attempt);
		if (at >= 0 && proven_claim(work, at))
			return at;
	}
	if (at >= 0)
		conn_count(CONNTRACK_COUNT_RACED);
	else if (!conntrack_is_proven(work->key.proto, work->word)) /* a flow counts once */
		conn_count(CONNTRACK_COUNT_REFUSED);
	return -1;
}

static __always_inline bool proven_write(struct conn_work *work, const struct conntrack_flow *from)
{
	int at = conn_claim_proven(work);
	struct conntrack_flow *flow = at < 0 ? NULL : flow_at(proven_of(work), at);

	if (!flow)
		return false;
	flow_inherit(flow, from);
	tag_put(proven_of(work), at, conntrack_tag(work->hash));
	flow_write(flow, work);
	work->table = proven_of(work);
	work->index = at;
	return true;
}

#endif
