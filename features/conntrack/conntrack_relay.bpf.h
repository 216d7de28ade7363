/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Flows that are relayed: the client has shaken hands with Weir, and Weir does so with the server.
 * Everywhere but on the client's side of one interface numbers are the server's, here too. What the
 * two differ by stands where a flow has room left:
 *
 *   side[0].relay, side[1].relay   halves of what is added to the client's acknowledgements; as
 *                                  long as the server has said nothing, the cookie, negated
 *   again.max_end                  what is added to the server's clock; up to OPEN, the stamp that
 *                                  the client echoed
 *   again.relay                    the interface, by the low bits of its index
 *   side[1].scale, upper half      the scale that the client was told
 *
 * docs/design/synproxy.md
 */
#ifndef WEIR_CONNTRACK_RELAY_BPF_H
#define WEIR_CONNTRACK_RELAY_BPF_H

#include "../../bpf/lib/cookie.h"
#include "../../bpf/lib/relay_work.h"
#include "conntrack_old.bpf.h"

static __always_inline __u32 relay_shift(const struct conntrack_side side[2])
{
	return side[0].relay | (__u32)side[1].relay << 16;
}

static __always_inline void relay_shift_put(struct conntrack_side side[2], __u32 shift)
{
	side[0].relay = shift;
	side[1].relay = shift >> 16;
}

/* The number behind the server's SYN, as the client has it. */
static __always_inline __u32 relay_told_first(const struct conntrack_flow *flow, __u32 word)
{
	__u32 first = word & CONNTRACK_SYN << 1 ? flow->side[1].first : 1;

	return first - relay_shift(flow->side);
}

/* Whether packets of this side are the client's own, or become so: one interface, one direction. */
static __always_inline bool relay_is_at(const struct conntrack_flow *flow, const struct pkt *p,
					__u32 side)
{
	return flow->again.relay == (__u16)p->ifindex &&
	       p->direction == (side ? WEIR_EGRESS : WEIR_INGRESS);
}

static __always_inline bool relay_is_open(const struct conntrack_flow *flow)
{
	return *(const volatile __u8 *)&flow->side[1].flags & CONNTRACK_SIDE_OPEN;
}

/* What differs for packets of a side. Without a scale of its own the server gets windows in bytes;
 * the client believes that the server scales by what it was told. */
static __always_inline void relay_differs(const struct conntrack_flow *flow, __u32 side,
					  struct relay_change *change)
{
	__u32 shift = relay_shift(flow->side), clock = flow->again.max_end;
	bool scales = flow->side[0].flags & CONNTRACK_SIDE_SCALES;
	bool server_scales = flow->side[1].flags & CONNTRACK_SIDE_SCALES;

	if (side) {
		*change = (struct relay_change){ .seq = -shift, .stamp = clock };
		if (scales) {
			change->up = server_scales ? flow->side[1].scale & 15 : 0;
			change->down = flow->side[1].scale >> CONNTRACK_TOLD_SHIFT;
		}
		return;
	}
	*change = (struct relay_change){ .ack = shift, .echo = -clock };
	if (scales && !server_scales)
		change->up = flow->side[0].scale;
}

/* The client repeats what proved it, or asks whether there is room (the number before): the server
 * has not got the SYN, or its answer was lost. */
static __always_inline bool relay_repeats(const struct conntrack_flow *flow, const struct pkt *p,
					  __u32 word)
{
	return (p->tcp_flags & (TCP_SYN | TCP_RST | TCP_ACK)) == TCP_ACK &&
	       p->tcp_ack == relay_told_first(flow, word) && flow->side[0].first - p->tcp_seq <= 1;
}

static __always_inline void relay_from_client(struct relay_work *relay, struct conn_work *work,
					      const struct conntrack_flow *flow, struct pkt *p)
{
	struct conn_segment *s = &work->segment;

	if (p->tcp_flags & TCP_SYN)
		return; /* a connection of its own, or the other's end */
	if (relay_is_open(flow)) {
		s->ack += relay->change.ack;
		s->window = relay_window(s->window, &relay->change);
		p->relay = PKT_RELAY_CHANGES;
	} else if (relay_repeats(flow, p, work->word)) {
		relay->first = flow->side[0].first;
		s->seq = relay->first - 1;
		s->end = relay->first;
		s->window = flow->side[0].max_win;
		s->scale = flow->side[0].flags & CONNTRACK_SIDE_SCALES ? flow->side[0].scale : -1;
		s->flags = TCP_SYN;
		p->relay = PKT_RELAY_SYN;
	}
}

/* A server that refuses says no number that the client would believe. */
static __always_inline void relay_from_server(struct relay_work *relay, struct conn_work *work,
					      const struct conntrack_flow *flow, struct pkt *p)
{
	__u32 flags = p->tcp_flags & (TCP_SYN | TCP_RST | TCP_ACK);

	if (flags == (TCP_SYN | TCP_ACK)) {
		p->relay = PKT_RELAY_OPENS;
	} else if (relay_is_open(flow)) {
		p->relay = PKT_RELAY_CHANGES;
	} else if (flags & TCP_RST) {
		relay->change.seq = relay_told_first(flow, work->word) - p->tcp_seq;
		p->relay = PKT_RELAY_CHANGES;
	} else {
		p->relay = PKT_RELAY_RESETS;
	}
}

/* Before it is judged: how a packet of a relayed flow stands to it, and the segment that it is to
 * the server. */
__noinline int conn_relay_look(struct pkt *p)
{
	struct conn_work *work = conn_work();
	struct relay_work *relay = relay_work();
	const struct conntrack_flow *flow = work ? flow_at(work->table, work->index) : NULL;

	if (!cookie_constants.relays || !p || !work || !relay || !flow)
		return 0;
	__u32 side = work->segment.side;

	if (!(p->seen & PKT_TCP) || !relay_is_at(flow, p, side))
		return 0;
	relay_differs(flow, side, &relay->change);
	if (side)
		relay_from_server(relay, work, flow, p);
	else
		relay_from_client(relay, work, flow, p);
	return 0;
}

/* The server's first number is known: from now on it is the difference. What its side has beside
 * that began anew with it. Once both are open it says no other, and `first` may have moved on. */
static __always_inline void relay_learn(struct conn_work *work, const struct conntrack_flow *flow)
{
	struct conntrack_side *side = work->flow.side;

	if (relay_is_open(flow))
		return;
	__u32 before = work->word & CONNTRACK_SYN << 1 ? flow->side[1].first - 1 : 0;

	relay_shift_put(side, relay_shift(flow->side) + side[1].first - 1 - before);
	side[1].scale = (side[1].scale & 15) | (flow->side[1].scale & 0xf0);
}

/* The acknowledgement that the server gets is as good as seen: whether it arrives, its next SYN+ACK
 * shows. */
static __always_inline void relay_open(struct conn_work *work, const struct conntrack_flow *flow,
				       const struct cookie_work *cookie)
{
	if (relay_is_open(flow))
		return;
	work->flow.again.max_end = flow->again.max_end - cookie->told.stamp;
	work->flow.side[1].flags |= CONNTRACK_SIDE_OPEN;
	work->flow.marks |= CONNTRACK_SYN_ACKED << 1;
}

/* Both in the client's numbers: the first passes the same interface once more, as if the client had
 * sent it. */
static __always_inline void relay_say(struct relay_work *relay, const struct conn_work *work,
				      const struct pkt *p, const struct tcp_told *told)
{
	const struct conntrack_side *side = work->flow.side;
	__u32 server = p->tcp_seq + 1 - relay_shift(side), clock = work->flow.again.max_end;
	bool scales = side[0].flags & CONNTRACK_SIDE_SCALES;
	const struct relay_change to_client = {
		.down = scales ? side[1].scale >> CONNTRACK_TOLD_SHIFT : 0,
	};

	relay->made = (struct relay_made){
		.says = { .stamp = told->echo,
			  .echo = told->stamp + clock,
			  .time = told->time,
			  .scale = WEIR_COOKIE_NO_SCALE },
		.seq = p->tcp_ack,
		.ack = server,
		.window = side[0].max_win >> (scales ? side[0].scale & 15 : 0),
		.flags = TCP_ACK,
		.goes_back = 1,
	};
	relay->update = (struct relay_made){
		.says = { .stamp = told->stamp + clock,
			  .echo = told->echo,
			  .time = told->time,
			  .scale = WEIR_COOKIE_NO_SCALE },
		.seq = server,
		.ack = p->tcp_ack,
		.window = relay_window(p->tcp_window, &to_client),
		.flags = TCP_ACK,
	};
}

static __always_inline void relay_server_syn(struct relay_work *relay, struct conn_work *work,
					     const struct conntrack_flow *flow, struct pkt *p)
{
	const struct cookie_work *cookie = cookie_work();

	/* It has lost the connection, and answers a SYN that was the client's own. */
	if (!cookie || ~work->flow.marks & work->word & CONNTRACK_SYN_ACKED << 1) {
		work->flow.marks &= ~CONNTRACK_RELAYED;
		p->relay = PKT_RELAY_NOTHING;
		return;
	}
	relay_learn(work, flow);
	if (p->relay != PKT_RELAY_OPENS)
		return;
	relay_open(work, flow, cookie);
	relay_say(relay, work, p, &cookie->told);
}

/* A SYN on a connection that stands is for the server to say that it knows better: what is known of
 * it stays. One of the client's own begins anew what was not open; elsewhere it is the one that was
 * made. */
static __always_inline void relay_client_syn(struct conn_work *work,
					     const struct conntrack_flow *flow, const struct pkt *p,
					     int answer)
{
	if (answer == CONN_ANSWER_ESTABLISHED) {
		work->flow.again.max_end = flow->again.max_end;
		work->flow.again.relay = flow->again.relay;
	} else if (relay_is_at(flow, p, 0)) {
		work->flow.marks &= ~CONNTRACK_RELAYED;
	}
}

/* Once it is judged: what a SYN changes. */
__noinline int conn_relay_note(struct pkt *p, int answer)
{
	struct conn_work *work = conn_work();
	struct relay_work *relay = relay_work();
	const struct conntrack_flow *flow = work ? flow_at(work->table, work->index) : NULL;

	if (!cookie_constants.relays || !p || !work || !relay || !flow)
		return 0;
	if (p->relay == PKT_RELAY_SYN && answer == CONN_ANSWER_ANEW)
		p->relay = PKT_RELAY_ASKS;
	if (!(p->tcp_flags & TCP_SYN))
		return 0;
	if (answer == CONN_ANSWER_INVALID || answer == CONN_ANSWER_ANEW) {
		p->relay = PKT_RELAY_NOTHING;
		return 0;
	}
	if (work->segment.side)
		relay_server_syn(relay, work, flow, p);
	else
		relay_client_syn(work, flow, p, answer);
	return 0;
}

/* Of an error that arrives for the server: what it holds was sent to the client. */
__noinline int conn_relay_quote(struct pkt *p)
{
	struct conn_work *work = conn_work();
	struct relay_work *relay = relay_work();
	const struct conntrack_flow *flow = work ? flow_at(work->table, work->index) : NULL;

	if (!cookie_constants.relays || !p || !work || !relay || !flow)
		return 0;
	__u32 word = flow->word;

	if (!(word & CONNTRACK_RELAYED) || !relay_is_open(flow) || !relay_is_at(flow, p, 0) ||
	    work->side == !!(word & CONNTRACK_SECOND))
		return 0;
	relay_differs(flow, 1, &relay->change);
	p->relay = PKT_RELAY_QUOTE;
	return 0;
}

/*
 * For a program behind the one that has judged the packet: its flow, and how it stands to that.
 * Nothing is judged, and nothing changed.
 */
__noinline int conn_relay_again(struct pkt *p)
{
	struct conn_work *work = conn_work();

	if (!cookie_constants.relays || !p || !work || !key_of(work, p))
		return 0;
	if (!(p->seen & PKT_TCP) || !conn_find_or_fetch(p, work))
		return 0;
	const struct conntrack_flow *flow = flow_at(work->table, work->index);

	work->word = flow ? flow->word : 0;
	if (!(work->word & CONNTRACK_RELAYED))
		return 0;
	work->segment.side = work->side != !!(work->word & CONNTRACK_SECOND);
	return conn_relay_look(p);
}

/* The same of what an error holds, whose key is in conn_work(). */
__noinline int conn_relay_quote_again(struct pkt *p)
{
	struct conn_work *work = conn_work();

	if (!cookie_constants.relays || !p || !work || !conn_find_or_fetch(p, work))
		return 0;
	return conn_relay_quote(p);
}

static __always_inline bool conn_relays(const struct conn_work *work)
{
	return cookie_constants.relays && work->word & CONNTRACK_RELAYED;
}

#endif
