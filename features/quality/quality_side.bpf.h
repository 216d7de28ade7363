/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * What one segment says of how well a connection gets on: sequence numbers, holes between them,
 * and how long acknowledgements take. Runs under the flow's lock, so it calls nothing; compiles
 * natively too.
 */
#ifndef WEIR_QUALITY_SIDE_BPF_H
#define WEIR_QUALITY_SIDE_BPF_H

#include "../../bpf/lib/cursor.h"
#include "../../bpf/lib/pkt.h"
#include "quality.h"

#define QUALITY_AHEAD_MAX (1 << 30) /* the largest window there is (RFC 7323, 2.3) */
#define QUALITY_TICK_US 2000	    /* the clock of time stamps has moved on by then */
#define QUALITY_OVERTAKEN_US 3000   /* where no round trip is known */

#define UNROLL _Pragma("clang loop unroll(full)")

/* A segment, or several that the kernel has put together. */
struct quality_segment {
	__u64 now_ns;
	__u32 seq, ack;
	__u32 bytes; /* of data */
	__u32 size;  /* of each part of it */
	__u32 stamp, echo;
	__u32 ifindex;
	__u16 window;
	__u8 flags;
	__u8 has_stamp;
};

/* What it adds to the sums. */
struct quality_told {
	__u32 segments, bytes, retransmits, retransmitted_bytes, out_of_order, zero_windows, resets,
		probes;
	__u32 handshake_us;
	__u8 is_elsewhere, is_odd, is_anew;
};

static __always_inline __s32 quality_ahead(__u32 a, __u32 b)
{
	return (__s32)(a - b);
}

static __always_inline __u32 quality_parts(const struct quality_segment *s, __u32 bytes)
{
	return s->size && bytes > s->size ? (bytes + s->size - 1) / s->size : 1;
}

static __always_inline void quality_rtt(struct quality_side *side, __u64 took_ns)
{
	__u64 took_us = took_ns / 1000;
	__u32 us = took_us > 0x0fffffff ? 0x0fffffff : took_us ? took_us : 1;

	if (!side->rtts) {
		side->srtt_us8 = us << 3;
		side->rttvar_us4 = us << 1;
		side->min_rtt_us = us;
	} else {
		__s32 off = (__s32)(us - (side->srtt_us8 >> 3));

		side->srtt_us8 += off;
		side->rttvar_us4 += (off < 0 ? -off : off) - (side->rttvar_us4 >> 2);
		if (us < side->min_rtt_us)
			side->min_rtt_us = us;
	}
	side->rtts++;
}

static __always_inline bool quality_has_holes(const struct quality_side *side)
{
	__u32 any = 0;

	UNROLL
	for (int i = 0; i < QUALITY_HOLES; i++)
		any |= side->holes[i].from ^ side->holes[i].to;
	return any;
}

static __always_inline void quality_hole_add(struct quality_side *side,
					     const struct quality_hole *hole)
{
	bool is_placed = hole->from == hole->to;

	UNROLL
	for (int i = 0; i < QUALITY_HOLES; i++)
		if (!is_placed && side->holes[i].from == side->holes[i].to) {
			side->holes[i] = *hole;
			is_placed = true;
		}
}

/* Takes [from, to) out of the holes; ret_hole is the one that `from` lies in. */
static __always_inline bool quality_hole_fill(struct quality_side *side, __u32 from, __u32 to,
					      struct quality_hole *ret_hole)
{
	struct quality_hole rest = { 0 };
	bool is_in = false;

	UNROLL
	for (int i = 0; i < QUALITY_HOLES; i++) {
		struct quality_hole *hole = &side->holes[i];
		bool begins_in = quality_ahead(from, hole->from) >= 0,
		     ends_in = quality_ahead(hole->to, to) >= 0;

		if (hole->from == hole->to || quality_ahead(hole->to, from) <= 0 ||
		    quality_ahead(to, hole->from) <= 0)
			continue;
		if (begins_in) {
			*ret_hole = *hole;
			is_in = true;
		}
		if (begins_in && ends_in) {
			rest = *hole;
			rest.from = to;
		}
		if (begins_in)
			hole->to = from;
		else
			hole->from = ends_in ? to : hole->to;
	}
	quality_hole_add(side, &rest);
	return is_in;
}

/*
 * A segment that fills a hole was sent before what came ahead of it, or it was lost on its way here
 * and is sent again. The sender's clock knows, if it has moved on between the two. If it has not,
 * it was the network that took its time; and nothing is sent again sooner than news of the loss can
 * have come back.
 */
static __always_inline bool quality_is_overtaken(const struct quality_side *mine,
						 const struct quality_side *other,
						 const struct quality_segment *s,
						 const struct quality_hole *hole)
{
	__u32 took_us = (__u32)(s->now_ns / 1000) - hole->since_us;
	__u32 round_us = mine->rtts && other->rtts ? mine->min_rtt_us + other->min_rtt_us :
						     QUALITY_OVERTAKEN_US;

	if (s->has_stamp && s->stamp != hole->stamp)
		return quality_ahead(s->stamp, hole->stamp) < 0;
	if (s->has_stamp && took_us > QUALITY_TICK_US)
		return true;
	return took_us < round_us;
}

/*
 * Whose acknowledgement it is that comes is not known any more (Karn), unless it repeats the time
 * stamp. Nothing else is timed before all is acknowledged that was sent so far: what is lost
 * further on keeps acknowledgements back.
 */
static __always_inline void quality_time_again(struct quality_side *mine,
					       const struct quality_segment *s)
{
	bool is_timed = mine->timed_ns && quality_ahead(mine->timed, s->seq) > 0;

	mine->seen |= QUALITY_TIMED_AGAIN;
	mine->timed_ns = is_timed && s->has_stamp ? s->now_ns : 0;
	mine->timed_stamp = s->stamp;
	if (!mine->timed_ns)
		mine->timed = mine->next;
}

/* [seq, to) lies below the highest number. */
static __always_inline void quality_old(struct quality_side *mine, const struct quality_side *other,
					const struct quality_segment *s, __u32 to,
					struct quality_told *told)
{
	struct quality_hole hole = { 0 };
	__u32 bytes = to - s->seq, parts = quality_parts(s, bytes);

	if (quality_hole_fill(mine, s->seq, to, &hole) &&
	    quality_is_overtaken(mine, other, s, &hole)) {
		mine->out_of_order += parts;
		told->out_of_order = parts;
		return;
	}
	if (bytes > s->bytes) /* SYN and FIN are none */
		bytes = s->bytes;
	mine->retransmits += parts;
	mine->retransmitted_bytes += bytes;
	told->retransmits = parts;
	told->retransmitted_bytes = bytes;
	quality_time_again(mine, s);
}

/* What was sent again, or before it, is not acknowledged yet. */
static __always_inline bool quality_waits(const struct quality_side *mine)
{
	return mine->seen & QUALITY_TIMED_AGAIN && quality_ahead(mine->timed, mine->acked) > 0;
}

/* Up to `end` it is new. Nothing is timed while something lacks: its acknowledgement waits. */
static __always_inline void quality_new(struct quality_side *mine, const struct quality_segment *s,
					__u32 end)
{
	struct quality_hole hole = { mine->next, s->seq, (__u32)(s->now_ns / 1000), s->stamp };

	if (quality_ahead(s->seq, mine->next) > 0) {
		quality_hole_add(mine, &hole);
		mine->timed_ns = 0;
	} else if (!mine->timed_ns && !quality_has_holes(mine) && !quality_waits(mine)) {
		mine->timed_ns = s->now_ns;
		mine->timed = end;
		mine->timed_stamp = s->stamp;
		mine->seen &= ~QUALITY_TIMED_AGAIN;
	}
	mine->next = end;
	if (s->has_stamp)
		mine->stamp = s->stamp;
}

static __always_inline void quality_first(struct quality_side *mine,
					  const struct quality_segment *s, __u32 end)
{
	mine->next = s->seq;
	mine->first = s->seq;
	mine->seen |= QUALITY_SEEN | (s->flags & TCP_SYN ? QUALITY_SEEN_SYN : 0);
	if (end != s->seq)
		quality_new(mine, s, end);
}

/* It asks whether the other end is still there, or has room again. */
static __always_inline bool quality_is_probe(const struct quality_side *mine,
					     const struct quality_side *other,
					     const struct quality_segment *s)
{
	bool is_below = s->seq == mine->next - 1 && s->bytes <= 1,
	     is_at_closed = s->seq == mine->next && s->bytes == 1 && !other->window;

	return (is_below || is_at_closed) && !(s->flags & (TCP_SYN | TCP_FIN | TCP_RST));
}

static __always_inline void quality_numbers(struct quality_side *mine,
					    const struct quality_side *other,
					    const struct quality_segment *s,
					    struct quality_told *told)
{
	__u32 end = s->seq + s->bytes + !!(s->flags & TCP_SYN) + !!(s->flags & TCP_FIN);
	__s32 ahead = quality_ahead(s->seq, mine->next);

	if (!(mine->seen & QUALITY_SEEN)) {
		quality_first(mine, s, end);
		return;
	}
	if (ahead > QUALITY_AHEAD_MAX || ahead < -QUALITY_AHEAD_MAX) {
		told->is_odd = true;
		return;
	}
	if (quality_is_probe(mine, other, s)) {
		mine->probes++;
		told->probes = 1;
		return;
	}
	if (end == s->seq)
		return;
	if (ahead < 0)
		quality_old(mine, other, s, quality_ahead(end, mine->next) > 0 ? mine->next : end,
			    told);
	if (quality_ahead(end, mine->next) > 0)
		quality_new(mine, s, end);
}

/* What lies below an acknowledgement has arrived, by here or not. */
static __always_inline void quality_holes_acked(struct quality_side *other, __u32 ack)
{
	UNROLL
	for (int i = 0; i < QUALITY_HOLES; i++) {
		struct quality_hole *hole = &other->holes[i];
		__u32 from = quality_ahead(ack, hole->to) > 0 ? hole->to : ack;

		if (quality_ahead(from, hole->from) <= 0)
			continue;
		other->unseen_bytes += from - hole->from;
		hole->from = from;
	}
}

static __always_inline void quality_acked(struct quality_side *mine, struct quality_side *other,
					  const struct quality_segment *s)
{
	if (!(other->seen & QUALITY_SEEN) ||
	    quality_ahead(s->ack, other->next) > QUALITY_AHEAD_MAX ||
	    (other->seen & QUALITY_ACKED && quality_ahead(s->ack, other->acked) <= 0))
		return;
	other->acked = s->ack;
	other->seen |= QUALITY_ACKED;
	if (other->timed_ns && quality_ahead(s->ack, other->timed) >= 0) {
		if (!(other->seen & QUALITY_TIMED_AGAIN) ||
		    (s->has_stamp && s->echo == other->timed_stamp))
			quality_rtt(mine, s->now_ns - other->timed_ns);
		other->timed_ns = 0;
	}
	quality_holes_acked(other, s->ack);
	if (quality_ahead(s->ack, other->next) > 0) {
		other->unseen_bytes += s->ack - other->next;
		other->next = s->ack;
	}
}

static __always_inline void quality_shake(struct quality_flow *flow, __u32 from,
					  const struct quality_side *other,
					  const struct quality_segment *s,
					  struct quality_told *told)
{
	if (!flow->syn_ns || flow->handshake_us || !(s->flags & TCP_ACK) || s->flags & TCP_RST)
		return;
	if (s->flags & TCP_SYN) {
		if (flow->answer_ns || flow->client == QUALITY_CLIENT_LOW + from)
			return;
		flow->answer_ns = s->now_ns;
		flow->answered_us = (s->now_ns - flow->syn_ns) / 1000;
		return;
	}
	if (!flow->answer_ns || flow->client != QUALITY_CLIENT_LOW + from ||
	    quality_ahead(s->ack, other->first) <= 0)
		return;
	flow->handshake_us = (s->now_ns - flow->syn_ns) / 1000 ?: 1;
	told->handshake_us = flow->handshake_us;
}

/* Its receiver takes the number that is next for him, and no other (RFC 5961, 3): that lies between
 * what he has acknowledged and what was sent. A stranger's guess ends nothing. */
static __always_inline bool quality_resets(const struct quality_side *mine,
					   const struct quality_segment *s)
{
	if (!(s->flags & TCP_RST))
		return false;
	if (!(mine->seen & QUALITY_SEEN))
		return true;
	return quality_ahead(s->seq, mine->next) <= 0 &&
	       (!(mine->seen & QUALITY_ACKED) || quality_ahead(s->seq, mine->acked) >= 0);
}

static __always_inline void quality_end(struct quality_flow *flow, struct quality_side *mine,
					const struct quality_side *other,
					const struct quality_segment *s, struct quality_told *told)
{
	if (s->flags & TCP_FIN)
		mine->seen |= QUALITY_SEEN_FIN;
	if (s->flags & TCP_RST) {
		mine->resets++;
		told->resets = 1;
	}
	if (!flow->ended_ns &&
	    (quality_resets(mine, s) || (mine->seen & other->seen & QUALITY_SEEN_FIN)))
		flow->ended_ns = s->now_ns;
}

/* The numbers of a SYN that nobody had answered yet, when somebody does. */
static __always_inline void quality_begin(struct quality_flow *flow, __u32 client,
					  const struct quality_syn *syn)
{
	struct quality_side *side = &flow->side[client & 1];

	flow->client = QUALITY_CLIENT_LOW + client;
	flow->begun_ns = flow->syn_ns = syn->first_ns;
	side->first = syn->seq;
	side->next = side->timed = syn->seq + 1;
	side->timed_ns = syn->times > 1 && !syn->has_stamp ? 0 : syn->last_ns;
	side->timed_stamp = side->stamp = syn->stamp;
	side->seen = QUALITY_SEEN | QUALITY_SEEN_SYN | (syn->times > 1 ? QUALITY_TIMED_AGAIN : 0);
	side->segments = syn->times;
	side->retransmits = syn->times - 1;
	side->last_ns = syn->last_ns;
	side->ifindex = syn->ifindex;
}

/* `from` is whose it is: 0 the lower end, 1 the other. */
static __always_inline void quality_note(struct quality_flow *flow, __u32 from,
					 const struct quality_segment *s, struct quality_told *told)
{
	struct quality_side *mine = &flow->side[from & 1], *other = &flow->side[(from & 1) ^ 1];
	bool is_syn = (s->flags & (TCP_SYN | TCP_ACK)) == TCP_SYN;

	if (mine->ifindex && mine->ifindex != s->ifindex &&
	    s->now_ns - mine->last_ns < QUALITY_MOVES_NS) {
		told->is_elsewhere = true;
		return;
	}
	if (is_syn && (mine->seen & QUALITY_SEEN) && s->seq != mine->first) {
		told->is_anew = true;
		return;
	}
	told->segments = quality_parts(s, s->bytes);
	told->bytes = s->bytes;
	mine->segments += told->segments;
	mine->bytes += s->bytes;
	mine->ifindex = s->ifindex;
	mine->last_ns = s->now_ns;
	if (s->flags & TCP_ACK)
		quality_acked(mine, other, s);
	if (!(s->flags & TCP_RST))
		quality_numbers(mine, other, s, told);
	quality_shake(flow, from & 1, other, s, told);
	mine->window = s->window;
	if (!s->window && !(s->flags & (TCP_SYN | TCP_FIN | TCP_RST))) {
		mine->zero_windows++;
		told->zero_windows = 1;
	}
	quality_end(flow, mine, other, s, told);
}

#endif
