/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * TCP as both sides of a flow show it. Each side has four marks (SYN seen, acknowledged; FIN seen,
 * acknowledged), and states are names for sets of marks: a packet seen twice, at two hooks or sent
 * again, sets what is set. Pure: works on a copy, and compiles natively.
 *
 * The window check is van Rooij's ("Real Stateful TCP Packet Filtering in IP Filter", 2000).
 */
#ifndef WEIR_CONNTRACK_TCP_BPF_H
#define WEIR_CONNTRACK_TCP_BPF_H

#include <stdbool.h>

#include "../../bpf/lib/pkt.h"
#include "conntrack.h"

#define CONN_ACK_WINDOW 66000u	  /* how old an acknowledgement may at least be, in bytes */
#define CONN_LATE_MOST (1u << 28) /* how far behind a packet may be that came late, in bytes */

/* A packet as its flow sees it. */
struct conn_segment {
	__u32 seq;
	__u32 end; /* behind it: data, SYN and FIN counted */
	__u32 ack;
	__u32 window; /* as it stands in the header */
	int scale;    /* of a SYN: its option, -1 for none */
	__u8 flags;
	__u8 side; /* 0: from the initiator */
};

/* What of a flow decides about its next packet. */
struct conn_tcp {
	__u32 marks;
	struct conntrack_side side[2];
	struct conntrack_side again; /* as in the flow; only where the packet has SYN or RST */
};

struct conn_tcp_options {
	bool notes_windows;  /* what packets show is kept */
	bool checks_windows; /* … and those that contradict it are invalid */
	bool is_asymmetric;
	bool is_one_way; /* the responder is never seen */
};

enum conn_answer {
	CONN_ANSWER_NEW = WEIR_CONN_NEW,
	CONN_ANSWER_ESTABLISHED = WEIR_CONN_ESTABLISHED,
	CONN_ANSWER_INVALID = WEIR_CONN_INVALID,
	CONN_ANSWER_ANEW = WEIR_CONN_STATES, /* the flow is over, and its ends begin another */
};

/* Flags that are sent together, PSH, ECE and CWR aside: by the number they make, a bit each. */
#define TCP_FLAGS_TOGETHER (TCP_FIN | TCP_SYN | TCP_RST | TCP_ACK | TCP_URG)
#define TCP_FLAGS_SENT                                                                 \
	(1ULL << TCP_SYN | 1ULL << (TCP_SYN | TCP_URG) | 1ULL << (TCP_SYN | TCP_ACK) | \
	 1ULL << TCP_RST | 1ULL << (TCP_RST | TCP_ACK) | 1ULL << (TCP_FIN | TCP_ACK) | \
	 1ULL << (TCP_FIN | TCP_ACK | TCP_URG) | 1ULL << TCP_ACK | 1ULL << (TCP_ACK | TCP_URG))

static __always_inline bool flags_are_sent(__u32 flags)
{
	return TCP_FLAGS_SENT >> (flags & TCP_FLAGS_TOGETHER) & 1;
}

static __always_inline bool seq_is_after(__u32 a, __u32 b)
{
	return (int)(a - b) > 0;
}

static __always_inline __u32 seq_later(__u32 a, __u32 b)
{
	return seq_is_after(a, b) ? a : b;
}

static __always_inline bool conn_checks(const struct conn_tcp *flow,
					const struct conn_tcp_options *options)
{
	return options->checks_windows && !options->is_asymmetric &&
	       !(flow->marks & CONNTRACK_PICKED_UP || flow->side[0].flags & CONNTRACK_SIDE_LOST);
}

/*
 * How a packet's numbers lie to what its flow has shown. Late: its sender sent it well before what
 * came by since, as where two processors deliver the segments of a flow.
 */
enum conn_fit {
	CONN_FITS,
	CONN_LATE,
	CONN_UNFIT,
};

static __always_inline enum conn_fit fit_behind(__u32 number, __u32 oldest)
{
	if (!seq_is_after(oldest, number))
		return CONN_FITS;
	return oldest - number > CONN_LATE_MOST ? CONN_UNFIT : CONN_LATE;
}

/* What it acknowledges was sent, and not too long ago. */
static __always_inline enum conn_fit ack_fit(const struct conntrack_side *own,
					     const struct conntrack_side *other,
					     const struct conn_segment *s)
{
	__u32 oldest = own->max_win > CONN_ACK_WINDOW ? own->max_win : CONN_ACK_WINDOW;

	if (!(s->flags & TCP_ACK) || !(other->flags & CONNTRACK_SIDE_SEEN))
		return CONN_FITS;
	if (seq_is_after(s->ack, other->end))
		return CONN_UNFIT;
	return fit_behind(s->ack, other->end - oldest);
}

/* It lies within what the receiver has room for, and not all of it too far behind. */
static __always_inline enum conn_fit seq_fit(const struct conntrack_side *own,
					     const struct conntrack_side *other,
					     const struct conn_segment *s)
{
	if (!(own->flags & other->flags & CONNTRACK_SIDE_SEEN))
		return CONN_FITS;
	if (own->flags & CONNTRACK_SIDE_LIMIT && seq_is_after(s->seq, own->max_end))
		return CONN_UNFIT;
	return fit_behind(s->end, own->end - other->max_win);
}

static __always_inline enum conn_fit conn_fit(const struct conntrack_side *own,
					      const struct conntrack_side *other,
					      const struct conn_segment *s)
{
	enum conn_fit seq = seq_fit(own, other, s), ack = ack_fit(own, other, s);

	return seq > ack ? seq : ack;
}

/* How far an acknowledgement of a SYN may go beyond it: what is sent along with it, or right after
 * (RFC 7413). */
#define CONN_SYN_DATA 0xfffffu

static __always_inline bool ack_covers_syn(const struct conntrack_side *side, __u32 ack)
{
	return ack - side->first <= CONN_SYN_DATA;
}

static __always_inline void side_raise(struct conntrack_side *side, __u32 max_end)
{
	side->max_end =
		side->flags & CONNTRACK_SIDE_LIMIT ? seq_later(max_end, side->max_end) : max_end;
	side->flags |= CONNTRACK_SIDE_LIMIT;
}

/* Only if both have the option does either scale. */
static __always_inline __u32 side_window(const struct conn_tcp *flow, const struct conn_segment *s)
{
	bool scales = flow->side[0].flags & flow->side[1].flags & CONNTRACK_SIDE_SCALES;
	__u32 window = scales && !(s->flags & TCP_SYN) ?
			       s->window << (flow->side[s->side & 1].scale & 15) :
			       s->window;

	return window ? window : 1; /* a closed one is probed with one byte */
}

/* They are about the flow: a side that begins anew leaves them. */
#define SIDE_LASTING (CONNTRACK_SIDE_LOST | CONNTRACK_SIDE_ONE_WAY)

/* What a SYN says of its side, and nothing it said before. */
static __always_inline void side_begin(struct conntrack_side *side, const struct conn_segment *s)
{
	__u8 lasting = side->flags & SIDE_LASTING;

	*side = (struct conntrack_side){
		.end = s->end,
		.max_win = s->window ? s->window : 1,
		.first = s->seq + 1,
		.scale = s->scale >= 0 ? s->scale : 0,
		.flags =
			lasting | CONNTRACK_SIDE_SEEN | (s->scale >= 0 ? CONNTRACK_SIDE_SCALES : 0),
	};
}

/* Limits that are known once both sides were seen: each announced a window, whatever was
 * acknowledged. */
static __always_inline void sides_limit(struct conn_tcp *flow)
{
	for (int i = 0; i < 2; i++) {
		struct conntrack_side *side = &flow->side[i], *other = &flow->side[!i];

		if (side->flags & other->flags & CONNTRACK_SIDE_SEEN &&
		    !(side->flags & CONNTRACK_SIDE_LIMIT))
			side_raise(side, side->end + other->max_win);
	}
}

/* The packet was good: what it shows is kept. */
static __always_inline void sides_note(struct conn_tcp *flow, const struct conn_segment *s)
{
	struct conntrack_side *own = &flow->side[s->side & 1], *other = &flow->side[!s->side];
	__u32 window = side_window(flow, s);

	if (!(own->flags & CONNTRACK_SIDE_SEEN)) {
		own->end = s->end;
		own->max_win = window;
		own->flags |= CONNTRACK_SIDE_SEEN;
	}
	own->end = seq_later(s->end, own->end);
	if (window > own->max_win)
		own->max_win = window;
	if (s->flags & TCP_ACK)
		side_raise(other, s->ack + window);
	sides_limit(flow);
}

static __always_inline enum conn_answer tcp_stands(const struct conn_tcp *flow,
						   const struct conn_segment *s)
{
	return s->side || flow->marks & CONNTRACK_ANSWERED ? CONN_ANSWER_ESTABLISHED :
							     CONN_ANSWER_NEW;
}

/* It answers the SYN that came by since: the responder has lost the connection. */
static __always_inline bool takes_up(const struct conn_tcp *flow, const struct conn_segment *s)
{
	return s->side && s->flags & TCP_ACK && flow->again.flags & CONNTRACK_SIDE_SEEN &&
	       ack_covers_syn(&flow->again, s->ack) && !seq_is_after(s->ack, flow->again.end);
}

/*
 * Of a connection that stands, the receiver of a reset takes the next number alone for true, and
 * asks back for any other in its window (RFC 5961, 3): believed is what lies between the lowest
 * that may be next for him and the highest that was sent.
 */
static __always_inline bool reset_is_next(const struct conn_tcp *flow, const struct conn_segment *s)
{
	const struct conntrack_side *own = &flow->side[s->side & 1], *other = &flow->side[!s->side];

	if (flow->marks & CONNTRACK_FIN * CONNTRACK_BOTH ||
	    ~flow->marks & CONNTRACK_SYN_ACKED * CONNTRACK_BOTH ||
	    !(own->flags & CONNTRACK_SIDE_LIMIT))
		return true;
	return !seq_is_after(own->max_end - other->max_win, s->seq) &&
	       !seq_is_after(s->seq, own->end);
}

static __always_inline enum conn_answer tcp_reset(struct conn_tcp *flow,
						  const struct conn_segment *s, bool checks)
{
	const struct conntrack_side *own = &flow->side[s->side & 1], *other = &flow->side[!s->side];

	if (checks && s->side && !(flow->marks & CONNTRACK_SYN << 1)) {
		/* It refuses the connection: only who saw the SYN can. */
		if (!(s->flags & TCP_ACK) || !ack_covers_syn(other, s->ack) ||
		    seq_is_after(s->ack, other->end))
			return CONN_ANSWER_INVALID;
	} else if (checks && !takes_up(flow, s)) {
		if (seq_fit(own, other, s) != CONN_FITS)
			return CONN_ANSWER_INVALID;
		if (!reset_is_next(flow, s))
			return tcp_stands(flow, s);
	}
	flow->marks |= CONNTRACK_RESET;
	return tcp_stands(flow, s);
}

/* The initiator has closed, and begins another connection. Where the responder is not seen, that is
 * all there is to be seen of the end; a SYN that comes late, of before, lies before it. */
static __always_inline bool comes_again(const struct conn_tcp *flow, const struct conn_segment *s,
					const struct conn_tcp_options *options)
{
	return options->is_one_way && !s->side && flow->marks & CONNTRACK_FIN &&
	       !seq_is_after(flow->side[0].end, s->seq);
}

static __always_inline enum conn_answer tcp_syn(struct conn_tcp *flow, const struct conn_segment *s,
						const struct conn_tcp_options *options)
{
	__u32 own = CONNTRACK_SYN << s->side;
	struct conntrack_side *side = &flow->side[s->side & 1];

	/* One that was picked up, and that nobody answered, has nothing to lose. */
	if (conntrack_is_over(flow->marks) || comes_again(flow, s, options) ||
	    (flow->marks & (CONNTRACK_PICKED_UP | CONNTRACK_ANSWERED)) == CONNTRACK_PICKED_UP)
		return CONN_ANSWER_ANEW;
	if (!(~flow->marks & CONNTRACK_SYN_ACKED * CONNTRACK_BOTH)) {
		if (s->side)
			return CONN_ANSWER_INVALID;
		side_begin(&flow->again, s);
		return CONN_ANSWER_ESTABLISHED;
	}
	if (flow->marks & own && side->first == s->seq + 1) {
		sides_note(flow, s); /* sent again, perhaps without its data */
	} else if (!(flow->marks & own) || !(flow->marks & CONNTRACK_ANSWERED)) {
		/* The other side's opening at the same time, or another attempt. */
		side_begin(side, s);
		sides_limit(flow);
		flow->marks |= own;
	}
	return tcp_stands(flow, s);
}

/* The responder has lost the connection and takes up the SYN that came by since. */
static __always_inline enum conn_answer tcp_again(struct conn_tcp *flow,
						  const struct conn_segment *s)
{
	flow->marks = (flow->marks & ~(CONNTRACK_TCP_MARKS | CONNTRACK_PICKED_UP)) |
		      CONNTRACK_SYN * CONNTRACK_BOTH | CONNTRACK_SYN_ACKED;
	__u8 lasting = flow->side[0].flags & SIDE_LASTING;

	flow->side[0] = flow->again;
	flow->side[0].flags |= lasting;
	side_begin(&flow->side[1], s);
	flow->again = (struct conntrack_side){};
	sides_note(flow, s);
	return CONN_ANSWER_ESTABLISHED;
}

static __always_inline enum conn_answer tcp_syn_ack(struct conn_tcp *flow,
						    const struct conn_segment *s, bool checks)
{
	__u32 own = CONNTRACK_SYN << s->side, other = CONNTRACK_SYN << !s->side,
	      acked = CONNTRACK_SYN_ACKED << !s->side, own_acked = CONNTRACK_SYN_ACKED << s->side;
	struct conntrack_side *side = &flow->side[s->side & 1], *to = &flow->side[!s->side];

	if (!(flow->marks & other))
		return CONN_ANSWER_INVALID;
	if (takes_up(flow, s))
		return tcp_again(flow, s);
	if (!(~flow->marks & (own_acked | acked)))
		return tcp_stands(flow, s); /* sent again */
	if (checks && (!ack_covers_syn(to, s->ack) || seq_is_after(s->ack, to->end)))
		return CONN_ANSWER_INVALID;
	/* Who keeps no state until he is acknowledged may answer each SYN by another number. */
	if (!(flow->marks & own) || side->first != s->seq + 1)
		side_begin(side, s);
	sides_note(flow, s);
	flow->marks |= own | acked;
	return tcp_stands(flow, s);
}

/* Of one that the kernel knew as half-open, nobody has told the number of the SYN. */
static __always_inline bool acks_syn(const struct conn_tcp *flow, const struct conn_segment *s)
{
	const struct conntrack_side *other = &flow->side[!s->side];

	return ack_covers_syn(other, s->ack) ||
	       (flow->marks & CONNTRACK_PICKED_UP && !other->first);
}

/* The marks of a packet that acknowledges, and may close. */
static __always_inline void tcp_mark(struct conn_tcp *flow, const struct conn_segment *s)
{
	__u32 both = CONNTRACK_SYN * CONNTRACK_BOTH, fin = CONNTRACK_FIN << !s->side;
	const struct conntrack_side *other = &flow->side[!s->side];

	if ((flow->marks & both) == both && acks_syn(flow, s))
		flow->marks |= CONNTRACK_SYN_ACKED << !s->side;
	if (flow->marks & fin && !seq_is_after(other->end, s->ack))
		flow->marks |= CONNTRACK_FIN_ACKED << !s->side;
	if (s->flags & TCP_FIN)
		flow->marks |= CONNTRACK_FIN << s->side;
}

static __always_inline enum conn_answer tcp_plain(struct conn_tcp *flow,
						  const struct conn_segment *s,
						  const struct conn_tcp_options *options)
{
	bool checks = conn_checks(flow, options), is_open = flow->marks & CONNTRACK_SYN << 1;

	if (!is_open && options->is_asymmetric && !s->side)
		flow->marks |=
			(CONNTRACK_SYN | CONNTRACK_SYN_ACKED) * CONNTRACK_BOTH | CONNTRACK_ANSWERED;
	else if (!is_open) /* the responder may say that it knows better (RFC 5961, 4) */
		return s->side ? CONN_ANSWER_ESTABLISHED : CONN_ANSWER_INVALID;
	const struct conntrack_side *own = &flow->side[s->side & 1], *other = &flow->side[!s->side];

	enum conn_fit fit = checks ? conn_fit(own, other, s) : CONN_FITS;

	if (fit == CONN_UNFIT)
		return CONN_ANSWER_INVALID;
	if (fit == CONN_LATE) /* its receiver judges it; a flow learns nothing from it */
		return tcp_stands(flow, s);
	/* Before the note: what it acknowledges is held against what was there. */
	tcp_mark(flow, s);
	/* Where the numbers before it were not followed, it sets them. */
	if (!options->notes_windows && s->flags & TCP_FIN)
		flow->side[s->side & 1].end = s->end;
	if (options->notes_windows || s->flags & TCP_FIN)
		sides_note(flow, s);
	return tcp_stands(flow, s);
}

/* Judges a packet of a flow and changes the copy; after INVALID and ANEW it is not to be kept. */
static __always_inline enum conn_answer tcp_judge(struct conn_tcp *flow,
						  const struct conn_segment *s,
						  const struct conn_tcp_options *options)
{
	bool checks = conn_checks(flow, options);
	enum conn_answer answer;

	if (!flags_are_sent(s->flags))
		return CONN_ANSWER_INVALID;
	if (s->flags & TCP_RST)
		answer = tcp_reset(flow, s, checks);
	else if ((s->flags & (TCP_SYN | TCP_ACK)) == TCP_SYN)
		answer = tcp_syn(flow, s, options);
	else if (flow->marks & CONNTRACK_RESET)
		answer = tcp_stands(flow, s); /* the rest of what was under way */
	else if (s->flags & TCP_SYN)
		answer = tcp_syn_ack(flow, s, checks);
	else
		answer = tcp_plain(flow, s, options);
	if (s->side && answer == CONN_ANSWER_ESTABLISHED &&
	    flow->marks & (CONNTRACK_SYN << 1 | CONNTRACK_RESET))
		flow->marks |= CONNTRACK_ANSWERED;
	return answer;
}

/* The first packet of a flow: fills in *flow (zeroed), or says INVALID. */
static __always_inline enum conn_answer tcp_begin(struct conn_tcp *flow,
						  const struct conn_segment *s, bool picks_up,
						  bool is_asymmetric)
{
	__u32 kind = s->flags & (TCP_SYN | TCP_RST | TCP_ACK);

	if (!flags_are_sent(s->flags))
		return CONN_ANSWER_INVALID;
	if (kind == TCP_SYN) {
		side_begin(&flow->side[0], s);
		flow->marks = CONNTRACK_SYN;
		return CONN_ANSWER_NEW;
	}
	if (!picks_up || (kind != TCP_ACK && !(is_asymmetric && kind == (TCP_SYN | TCP_ACK))))
		return CONN_ANSWER_INVALID;
	flow->marks = CONNTRACK_PICKED_UP | (CONNTRACK_SYN | CONNTRACK_SYN_ACKED) * CONNTRACK_BOTH |
		      (s->flags & TCP_FIN ? CONNTRACK_FIN : 0);
	sides_note(flow, s);
	return CONN_ANSWER_NEW;
}

#endif
