/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* What a packet that passes leaves behind: a new flow, a changed one, one that has proven itself
 * and moves. */
#ifndef WEIR_CONNTRACK_KEEP_BPF_H
#define WEIR_CONNTRACK_KEEP_BPF_H

#include "conntrack_place.bpf.h"

#define CONN_REFRESH_TICKS 60 /* a second: how late a time stamp may be written */

/*
 * Sets and takes marks of a flow that had this word, whatever others set meanwhile; false where
 * its place has gone to another, or the flow to another place. What is given up after some attempts
 * was overtaken by as many others.
 */
__noinline int marks_change(struct conntrack_flow *flow, __u32 word, __u32 set, __u32 taken)
{
	bool done = false, is_gone = false;

	if (!flow)
		return 0;
	LOOP_ROLLED
	for (int i = 0; i < 4 && !done && !is_gone; i++) {
		__u32 found = __sync_val_compare_and_swap(&flow->word, word, (word & ~taken) | set);

		done = found == word;
		is_gone = turn_has_passed(found, word);
		word = found;
	}
	return !is_gone;
}

/* Numbers only go up, whoever else is at it. What is given up after some attempts was overtaken by
 * as many others. */
static __always_inline void seq_raise(__u32 *at, __u32 to)
{
	bool done = false;

	LOOP_ROLLED
	for (int i = 0; i < 4 && !done; i++) {
		__u32 old = *(volatile __u32 *)at;

		done = !seq_is_after(to, old) || __sync_val_compare_and_swap(at, old, to) == old;
	}
}

/* The word around the flags, which has besides them what a SYN alone writes. */
static __always_inline __u32 flags_word(__u8 flags)
{
	struct conntrack_side side = { .flags = flags };
	__u32 word;

	__builtin_memcpy(&word, &side.scale, sizeof(word));
	return word;
}

/* What two CPUs see at once, as one sees it: no flag is taken back. */
static __always_inline void flags_add(struct conntrack_side *side, __u8 flags)
{
	if (flags & ~side->flags)
		__sync_fetch_and_or((__u32 *)&side->scale, flags_word(flags));
}

/* ONE_WAY alone is taken back, by who writes the time that it is about. */
static __always_inline void way_note(struct conntrack_side *side)
{
	__u8 flag = conn_way_flag();

	flags_add(side, flag);
	if (side->flags & CONNTRACK_SIDE_ONE_WAY & ~flag)
		__sync_fetch_and_and((__u32 *)&side->scale, ~flags_word(CONNTRACK_SIDE_ONE_WAY));
}

/* Whatever `from` knows of a side and `to` does not: raised, as packets do it. */
__noinline int conn_catch_up(struct conntrack_side *to, const struct conntrack_side *from)
{
	if (!to || !from)
		return 0;
	seq_raise(&to->end, *(const volatile __u32 *)&from->end);
	seq_raise(&to->max_end, *(const volatile __u32 *)&from->max_end);
	seq_raise(&to->max_win, *(const volatile __u32 *)&from->max_win);
	flags_add(to, from->flags);
	return 1;
}

/* Likewise of the tags of SCTP. */
__noinline int conn_catch_up_tags(struct conntrack_side *to, const struct conntrack_side *from)
{
	if (!to || !from)
		return 0;
	conntrack_tags_take(to, from);
	return 1;
}

/*
 * A flow is elsewhere now, and leaves the place it had with the word `moving`. What other
 * CPUs saw of it while it moved comes along; who sees more of it later finds that it has gone, and
 * follows it (conn_follow()).
 */
__noinline int conn_leave(struct conntrack_flow *flow, struct conntrack_flow *from, __u32 moving)
{
	if (!flow || !from)
		return 0;
	__u32 last = __sync_lock_test_and_set(&from->word, conntrack_word_next(moving));
	__u32 more = last & ~moving & CONNTRACK_MARKS;

	if (more)
		marks_change(flow, *(volatile __u32 *)&flow->word, more, 0);
	if (conntrack_constants.checks_windows && flow->key.proto == PROTO_TCP) {
		conn_catch_up(&flow->side[0], &from->side[0]);
		conn_catch_up(&flow->side[1], &from->side[1]);
	}
	if (flow->key.proto == PROTO_SCTP) {
		conn_catch_up_tags(&flow->side[0], &from->side[0]);
		conn_catch_up_tags(&flow->side[1], &from->side[1]);
	}
	return 1;
}

/*
 * A half-open flow that has proven itself moves: first it is in both tables, and is found in the
 * larger; then it leaves the smaller. Whoever puts the mark MOVING on it does it, alone.
 */
__noinline int conn_prove(struct pkt *p)
{
	struct conn_work *work = conn_work();
	__u32 index = work ? work->index : 0;
	struct conntrack_flow *half = work ? flow_at(half_of(work), index) : NULL;

	if (!p || !work || !half)
		return 0;
	__u32 word = half->word, moving = word | CONNTRACK_MOVING;

	/* By what it shows now: another CPU may have seen its end since. */
	if (turn_has_passed(word, work->word) || word & CONNTRACK_MOVING ||
	    !(word & CONNTRACK_LIVE) || !conntrack_is_proven(work->key.proto, word) ||
	    __sync_val_compare_and_swap(&half->word, word, moving) != word)
		return 0;
	work->flow.marks = word & CONNTRACK_MARKS;
	work->flow.side[0] = half->side[0];
	work->flow.side[1] = half->side[1];
	work->is_weak = conntrack_constants.is_asymmetric || served_is_one_way() ||
			!conntrack_has_shaken(work->key.proto, word);
	if (!proven_write(work, half)) {
		__sync_fetch_and_and(&half->word, ~CONNTRACK_MOVING);
		return 0;
	}
	tag_put(half_of(work), index, 0);
	sums_move(work, half_of(work), index, moving);
	conn_leave(flow_at(proven_of(work), work->index), half, moving);
	conn_count(CONNTRACK_COUNT_PROVEN);
	return 1;
}

/* Time stamps are shared between CPUs: written once a second, or when the state changes. */
static __always_inline void flow_refresh(struct conntrack_flow *flow, const struct pkt *p,
					 struct conn_work *work)
{
	__u32 life_ticks = conn_lifetime(work->key.proto, work->flow.marks);
	__u32 expires_ticks = work->now + life_ticks, gain = expires_ticks - flow->expires_ticks;
	__u32 step = life_ticks / 8 < CONN_REFRESH_TICKS ? life_ticks / 8 : CONN_REFRESH_TICKS;

	/* What is under way after a reset does not keep the flow. */
	if (work->word & CONNTRACK_RESET || gain < step)
		return;
	flow->expires_ticks = expires_ticks;
	way_note(&flow->side[0]);
	work->is_refreshed = true;
	pair_note(p, work->now);
}

/*
 * What a packet shows of both sides. Packets of the two directions are on two CPUs at once: each
 * raises what it has seen to be higher, and leaves alone what it has not, or an answer would take
 * back what was just sent.
 */
static __always_inline void sides_keep(struct conntrack_flow *flow, const struct conn_work *work)
{
	__u32 own = work->segment.side & 1;
	const struct conntrack_side *noted = &work->flow.side[own];
	struct conntrack_side *side = &flow->side[own], *other = &flow->side[!own];

	seq_raise(&side->end, noted->end);
	seq_raise(&other->max_end, work->flow.side[!own].max_end);
	seq_raise(&side->max_win, noted->max_win); /* below 2^31: 65,535 scaled by 14 */
	flags_add(side, noted->flags);
	flags_add(other, work->flow.side[!own].flags);
}

/* The few packets that set what others only raise: a SYN begins its side anew, the first packet of
 * a side fills it in, and where numbers are not followed a FIN does. */
static __always_inline bool sides_are_set(const struct conntrack_flow *flow, const struct pkt *p)
{
	__u32 known = CONNTRACK_SIDE_SEEN | CONNTRACK_SIDE_LIMIT;

	if (p->tcp_flags & TCP_SYN)
		return true;
	return conntrack_constants.checks_windows ?
		       ~(flow->side[0].flags & flow->side[1].flags) & known :
		       p->tcp_flags & TCP_FIN;
}

/* Of SCTP, what its packet tells and no more: an INIT that is forged may be at it on another CPU
 * while a cookie makes the tags that count. */
__noinline int conn_write_tags(struct conntrack_flow *flow, struct pkt *p)
{
	const struct conn_work *work = conn_work();

	if (!flow || !p || !work)
		return 0;
	__u32 own = work->segment.side & 1;
	bool makes_tags =
		p->chunk == SCTP_COOKIE_ECHO || (p->chunk == SCTP_INIT_ACK && !flow->side[own].tag);

	if (p->chunk == SCTP_INIT)
		flow->side[own].asked = work->flow.side[own].asked;
	for (__u32 i = 0; i < 2; i++) {
		struct conntrack_side *side = &flow->side[i];
		const struct conntrack_side *noted = &work->flow.side[i];

		if (p->chunk == SCTP_INIT_ACK)
			side->next = noted->next;
		if (makes_tags || !side->tag)
			side->tag = noted->tag;
	}
	return 1;
}

static __always_inline void sides_write(struct conntrack_flow *flow, struct pkt *p,
					const struct conn_work *work)
{
	if (p->proto == PROTO_SCTP) {
		conn_write_tags(flow, p);
		return;
	}
	if (p->tcp_flags & TCP_SYN)
		flow->again = work->flow.again;
	if (sides_are_set(flow, p)) {
		flow->side[0] = work->flow.side[0];
		flow->side[1] = work->flow.side[1];
	} else if (conntrack_constants.checks_windows) {
		sides_keep(flow, work);
	}
}

/* 1: what the packet shows stands at a place that the flow had left by then. */
__noinline int conn_write_sides(struct pkt *p)
{
	struct conn_work *work = conn_work();
	struct conntrack_flow *flow = work ? flow_at(work->table, work->index) : NULL;
	__u32 word = flow ? *(volatile __u32 *)&flow->word : 0;

	if (!p || !flow)
		return 0;
	if (!(word & CONNTRACK_LIVE))
		return 1;
	sides_write(flow, p, work);
	return !!turn_has_passed(*(volatile __u32 *)&flow->word, word);
}

/* What a packet shows of a flow that has moved since it was found: where it is now, also when it
 * moves on just then. In line, for its frame is one too many (conn_settle()). */
static __always_inline int conn_follow_sides(struct pkt *p, struct conn_work *work)
{
	if (!conn_follow(work) || !conn_write_sides(p))
		return 0;
	/* From an old table it has gone on to the proven ones. */
	return old_state.exists && conn_follow(work) && conn_write_sides(p);
}

/* A seam: flow_keep() is in line where every packet of a flow goes by. */
__noinline int conn_keep_sides(struct pkt *p)
{
	struct conn_work *work = conn_work();
	struct conntrack_flow *flow = work ? flow_at(work->table, work->index) : NULL;

	if (!p || !flow)
		return 0;
	if (!turn_has_passed(*(volatile __u32 *)&flow->word, work->word)) {
		sides_write(flow, p, work);
		if (!turn_has_passed(*(volatile __u32 *)&flow->word, work->word))
			return 0;
	}
	return conn_follow_sides(p, work);
}

__noinline int conn_mark(struct conn_work *work)
{
	struct conntrack_flow *flow = work ? flow_at(work->table, work->index) : NULL;

	if (!flow)
		return 0;
	__u32 set = work->flow.marks & ~work->word;
	__u32 taken = work->word & CONNTRACK_MARKS & ~work->flow.marks;

	if (marks_change(flow, work->word, set, taken) || !conn_follow(work))
		return 0;
	flow = flow_at(work->table, work->index);
	if (flow)
		marks_change(flow, *(volatile __u32 *)&flow->word, set, taken);
	return 0;
}

/* The flow of a packet is brought up to date. */
static __always_inline void flow_keep(struct conntrack_flow *flow, struct pkt *p,
				      struct conn_work *work)
{
	if (work->has_sides)
		conn_keep_sides(p);
	if ((work->word & CONNTRACK_MARKS) != work->flow.marks)
		conn_mark(work);
	flow_refresh(flow, p, work);
	if (table_is_half(work->table) && conntrack_is_proven(work->key.proto, work->flow.marks))
		conn_prove(p);
}

/* 1: the flow is not where it was found any more, and nothing is done; not asked where it was
 * followed to. */
__noinline int conn_settle_at(struct pkt *p, __u32 is_followed)
{
	struct conn_work *work = conn_work();
	struct conntrack_flow *flow = work ? flow_at(work->table, work->index) : NULL;

	if (!p || !flow)
		return 0;
	if (!is_followed && turn_has_passed(*(volatile __u32 *)&flow->word, work->word))
		return 1;
	if (p->has_mark)
		work->flow.marks |= CONNTRACK_MARKED;
	else if (!is_of_policy(flow, p))
		work->flow.marks &= ~CONNTRACK_MARKED;
	flow_note(flow, p, work->segment.side);
	flow_keep(flow, p, work);
	return 0;
}

/* In line: it is called from a seam (settle_xdp()), and the functions of a packet have 512 bytes of
 * stack together, 32 each at the least before Linux 6.11. */
static __always_inline int conn_settle(struct pkt *p)
{
	struct conn_work *work = conn_work();

	if (!p || !work || !work->is_kept || !conn_writes(p))
		return 0;
	if (work->is_over)
		flow_forget(work);
	if (old_state.exists && work->is_over && work->has_turned)
		conn_forget_old(work);
	if (work->table == CONN_NOWHERE || work->is_over) {
		pair_note(p, work->now);
		if (!cookie_constants.enabled)
			return conn_add(p);
		return conn_add(p) && p->shaken == PKT_SHAKEN_HERE ? conn_prove(p) : 0;
	}
	return conn_settle_at(p, 0) && conn_follow(work) && conn_settle_at(p, 1);
}

#endif
