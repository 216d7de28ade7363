/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * SCTP by the first chunk of a packet (RFC 9260, 3.2), in the marks of TCP, and the tags that say
 * whose it is (8.5): a packet bears the one that its receiver gave itself in its INIT or INIT ACK,
 * which nobody knows who did not see that. What bears another changes nothing. Pure: works on a
 * copy, and compiles natively.
 *
 * A side has three tags. `asked` is of its last INIT, which anybody can forge; `next` are the two
 * that an INIT ACK offers, which answers an INIT; a COOKIE ECHO that bears them makes them `tag`.
 * Only who saw the INIT ACK can, and up to then what stands goes on.
 */
#ifndef WEIR_CONNTRACK_SCTP_BPF_H
#define WEIR_CONNTRACK_SCTP_BPF_H

#include "../../bpf/lib/parse_inner.h"
#include "conntrack_tcp.bpf.h"

#define SCTP_REFLECTS 1u /* flag T: it bears the tag of what it answers, its sender's own */

/* Which tag a packet bears. */
enum sctp_bears {
	SCTP_BEARS_TAG = 1 << 0, /* the receiver's */
	SCTP_BEARS_OWN = 1 << 1, /* the sender's */
	SCTP_BEARS_NEXT = 1 << 2,
	SCTP_BEARS_ASKED = 1 << 3,
	SCTP_BEARS_ANY = 1 << 4, /* whatever: there is no association yet */
};

/* By kind of chunk. Tables, and arithmetic below: each branch would be a path of its own for the
 * verifier. */
static const struct sctp_kind {
	__u16 marks[2]; /* that it sets: by its side */
	__u8 bears;	/* what else than SCTP_BEARS_TAG it may */
	__u8 reflects;	/* SCTP_REFLECTS, where the flag T means that */
} sctp_kinds[256] = {
	[SCTP_INIT_ACK] = { { CONNTRACK_SYN | CONNTRACK_SYN_ACKED << 1,
			      CONNTRACK_SYN << 1 | CONNTRACK_SYN_ACKED },
			    SCTP_BEARS_ASKED,
			    0 },
	[SCTP_COOKIE_ECHO] = { { CONNTRACK_SYN_ACKED << 1, CONNTRACK_SYN_ACKED },
			       SCTP_BEARS_NEXT,
			       0 },
	[SCTP_SHUTDOWN] = { { CONNTRACK_FIN, CONNTRACK_FIN << 1 }, 0, 0 },
	[SCTP_SHUTDOWN_ACK] = { { CONNTRACK_FIN, CONNTRACK_FIN << 1 }, SCTP_BEARS_ANY, 0 },
	[SCTP_SHUTDOWN_COMPLETE] = { { CONNTRACK_FIN_ACKED * CONNTRACK_BOTH,
				       CONNTRACK_FIN_ACKED *CONNTRACK_BOTH },
				     0,
				     SCTP_REFLECTS },
	[SCTP_ABORT] = { { CONNTRACK_RESET, CONNTRACK_RESET }, SCTP_BEARS_ASKED, SCTP_REFLECTS },
};

/* What may begin an association: the first chunk does; a heartbeat, data and what acknowledges or
 * ends it in order show one whose beginning was not seen. */
#define SCTP_PICKED_UP (1u << 0 | 1u << 3 | 1u << 4 | 1u << 5 | 1u << 8 | 1u << 10)

static __always_inline bool sctp_picks_up(__u32 chunk)
{
	return chunk < 32 && SCTP_PICKED_UP >> chunk & 1;
}

/* 1 or 0. */
static __always_inline __u32 tag_is(__u32 a, __u32 b)
{
	return is_below(a ^ b, 1);
}

/* Both sides have taken part in a handshake: 1 or 0. */
static __always_inline __u32 sctp_stands(__u32 marks)
{
	return marks / CONNTRACK_SYN_ACKED & marks / (CONNTRACK_SYN_ACKED << 1) & 1;
}

/* enum sctp_bears, of those that are known. */
static __always_inline __u32 sctp_bears(const struct conntrack_side *own,
					const struct conntrack_side *other, __u32 tag)
{
	__u32 bears = tag_is(tag, other->tag) * SCTP_BEARS_TAG |
		      tag_is(tag, own->tag) * SCTP_BEARS_OWN |
		      tag_is(tag, other->next) * SCTP_BEARS_NEXT |
		      tag_is(tag, other->asked) * SCTP_BEARS_ASKED;

	return bears & (tag_is(tag, 0) - 1);
}

/* Where a tag is not known that nobody had to show: of a flow whose beginning was not seen, or that
 * a program followed which kept none. */
static __always_inline __u32 sctp_unknown(const struct conn_tcp *flow,
					  const struct conntrack_side *own,
					  const struct conntrack_side *other, bool is_asymmetric)
{
	__u32 may =
		sctp_stands(flow->marks) | (flow->marks / CONNTRACK_PICKED_UP & 1) | is_asymmetric;

	return (tag_is(0, other->tag) * SCTP_BEARS_TAG | tag_is(0, own->tag) * SCTP_BEARS_OWN) &
	       -may;
}

static __always_inline enum conn_answer sctp_answer(const struct conn_tcp *flow, __u32 side)
{
	return side || flow->marks & CONNTRACK_ANSWERED ? CONN_ANSWER_ESTABLISHED : CONN_ANSWER_NEW;
}

/* It is not of the association: where tags are not checked it passes, and changes nothing. */
static __always_inline enum conn_answer sctp_wrong(const struct conn_tcp *flow, __u32 side,
						   const struct conn_tcp_options *options)
{
	return options->checks_windows && !options->is_asymmetric ? CONN_ANSWER_INVALID :
								    sctp_answer(flow, side);
}

static __always_inline enum conn_answer sctp_judge_init(struct conn_tcp *flow, const struct pkt *p,
							__u32 side,
							const struct conn_tcp_options *options)
{
	struct conntrack_side *own = &flow->side[side & 1];

	if (conntrack_is_over(flow->marks))
		return CONN_ANSWER_ANEW;
	if (!sctp_is_init(p))
		return sctp_wrong(flow, side, options);
	own->asked = p->sctp_initiate;
	if (!own->tag && !sctp_stands(flow->marks))
		own->tag = p->sctp_initiate;
	flow->marks |= CONNTRACK_SYN << side | side * CONNTRACK_ANSWERED;
	return sctp_answer(flow, side);
}

/* The first offer is taken for the association until there is one: its cookie may come after
 * another INIT has been answered. */
static __always_inline void sctp_note_offer(struct conn_tcp *flow, const struct pkt *p, __u32 side)
{
	struct conntrack_side *own = &flow->side[side & 1], *other = &flow->side[!side];

	own->next = p->sctp_initiate;
	other->next = p->sctp_tag;
	if (own->tag || sctp_stands(flow->marks))
		return;
	own->tag = own->next;
	other->tag = other->next;
}

/* Another association between the same ends: what was closed of the one before is of the past. */
static __always_inline void sctp_begin_anew(struct conn_tcp *flow)
{
	struct conntrack_side *a = &flow->side[0], *b = &flow->side[1];

	if (!((a->tag ^ a->next) | (b->tag ^ b->next)))
		return; /* sent again */
	a->tag = a->next;
	b->tag = b->next;
	flow->marks &=
		~((CONNTRACK_FIN | CONNTRACK_FIN_ACKED) * CONNTRACK_BOTH | CONNTRACK_PICKED_UP);
}

/*
 * Judges a packet of a flow and changes the copy; after INVALID and ANEW it is not to be kept.
 * *ret_notes: whether the tags of the copy are to be.
 */
static __always_inline enum conn_answer sctp_judge(struct conn_tcp *flow, const struct pkt *p,
						   __u32 side,
						   const struct conn_tcp_options *options,
						   __u8 *ret_notes)
{
	const struct conntrack_side *own = &flow->side[side & 1], *other = &flow->side[!side];
	const struct sctp_kind *kind = &sctp_kinds[p->chunk];
	__u32 stands = sctp_stands(flow->marks), known = sctp_bears(own, other, p->sctp_tag);
	__u32 unknown = sctp_unknown(flow, own, other, options->is_asymmetric);
	__u32 reflects = kind->reflects & p->chunk_flags;
	__u32 may = SCTP_BEARS_TAG << reflects | (kind->bears & (reflects - 1));
	__u32 bears = may & (known | unknown | (1 - stands) * SCTP_BEARS_ANY);
	/* Who refuses an INIT, which anybody can forge, ends nothing that stands. */
	__u32 counts = bears & ~(SCTP_BEARS_ANY | stands * SCTP_BEARS_ASKED);

	*ret_notes = p->chunk == SCTP_INIT;
	if (p->chunk == SCTP_INIT)
		return sctp_judge_init(flow, p, side, options);
	if (!bears)
		return sctp_wrong(flow, side, options);
	flow->marks |=
		(kind->marks[side & 1] | side * CONNTRACK_ANSWERED) & (tag_is(counts, 0) - 1);
	known &= may;
	*ret_notes = p->chunk == SCTP_INIT_ACK || p->chunk == SCTP_COOKIE_ECHO;
	if (p->chunk == SCTP_INIT_ACK && known && p->sctp_initiate)
		sctp_note_offer(flow, p, side);
	if (known & SCTP_BEARS_NEXT)
		sctp_begin_anew(flow);
	return sctp_answer(flow, side);
}

/* The first packet of a flow: fills in *flow (zeroed), or says INVALID. A later fragment has the
 * chunk 0, as data has. */
static __always_inline enum conn_answer sctp_begin(struct conn_tcp *flow, const struct pkt *p,
						   bool picks_up)
{
	if (sctp_is_init(p)) {
		flow->marks = CONNTRACK_SYN;
		flow->side[0].tag = flow->side[0].asked = p->sctp_initiate;
		return CONN_ANSWER_NEW;
	}
	if (!picks_up || !sctp_picks_up(p->chunk))
		return CONN_ANSWER_INVALID;
	flow->marks = CONNTRACK_PICKED_UP | (CONNTRACK_SYN | CONNTRACK_SYN_ACKED) * CONNTRACK_BOTH |
		      sctp_kinds[p->chunk].marks[0];
	return CONN_ANSWER_NEW;
}

#endif
