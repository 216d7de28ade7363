/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * A packet goes to a backend that answers the client itself (DSR): its addresses and ports stay,
 * and the route to the backend says where it goes. Not through the stack of this host, whose own
 * the service's address often is.
 */
#ifndef WEIR_BALANCE_FORWARD_BPF_H
#define WEIR_BALANCE_FORWARD_BPF_H

#include "../../bpf/lib/answer_path.h"
#include "../../bpf/lib/rewrite_encap.h"
#include "../../bpf/lib/scratch.h"
#include "../../bpf/lib/socket.h"
#include "balance.bpf.h"

struct forward_work {
	struct bpf_fib_lookup fib;
	struct bpf_redir_neigh hop; /* the next, by fib.ifindex */
	struct encap encap;
	struct encap_header header;
	struct bpf_sock_tuple tuple; /* of the packet */
};

SCRATCH_HOLDS(struct forward_work);

static __always_inline struct forward_work *forward_work(void)
{
	return scratch(SCRATCH_FORWARD);
}

enum forward_end {
	FORWARD_DROPS,
	FORWARD_SENDS,	 /* to forward_work()->hop */
	FORWARD_ANSWERS, /* the packet is its own answer */
	FORWARD_STAYS,	 /* the backend is this host */
};

#define FORWARD_ROUTE_SOURCE (1U << 4) /* BPF_FIB_LOOKUP_SRC: Linux 6.7, and later 6.1 and 6.6 */

/* What a header that is put before the packet takes of the MTU, and the longest that is sent of it
 * at once: where segments are still to be cut, one of those. How long parts are nothing says: the
 * sender made them for the path that it knows. */
static __always_inline __u32 forward_longest(const struct __sk_buff *skb, const struct pkt *p)
{
	if (!skb->gso_size)
		return p->ip_len;
	if (skb_is_in_parts(skb))
		return (__u32)p->l4_offset - p->l3_offset + sizeof(struct sctp_header);
	__u32 transport = p->seen & PKT_TCP ? p->tcp_words * 4 : sizeof(struct udp_header);

	return (__u32)p->l4_offset - p->l3_offset + transport + skb->gso_size;
}

/* What rules may go by beside addresses: of the packet as it will be. A tunnel's source port is
 * nothing to go by. */
static __always_inline void forward_ask_more(const struct pkt *p, __u8 forward,
					     struct bpf_fib_lookup *fib)
{
	if (fib->family == ROUTE_INET)
		fib->tos = p->dscp << 2;
	else
		fib->flowinfo = be32((__u32)p->dscp << 22);
	fib->l4_protocol = p->proto;
	fib->sport = p->sport;
	fib->dport = p->dport;
	if (forward == WEIR_FORWARD_L2)
		return;
	fib->sport = 0;
	fib->dport = forward == WEIR_FORWARD_GUE ? be16(WEIR_GUE_PORT) : 0;
	fib->l4_protocol = forward == WEIR_FORWARD_GUE ? PROTO_UDP :
			   p->seen & PKT_IPV4	       ? PROTO_IPIP :
							 PROTO_IPV6;
}

/* BPF_FIB_LKUP_RET_... of the packet as it will be. */
static __always_inline long forward_ask(struct __sk_buff *skb, const struct pkt *p,
					struct forward_work *work, const struct weir_addr *from,
					const struct weir_addr *to, __u32 bytes)
{
	struct bpf_fib_lookup *fib = &work->fib;

	*fib = (struct bpf_fib_lookup){
		.ifindex = p->ifindex,
		.tot_len = bytes > 0xffff ? 0xffff : bytes,
	};
	route_ends(fib, addr_is_v4(to), from, to);
	forward_ask_more(p, work->encap.forward, fib);
	return bpf_fib_lookup(skb, fib, sizeof(*fib),
			      addr_is_none(from) ? FORWARD_ROUTE_SOURCE : 0);
}

/* Of the backend's family, all zero for the one that the route gives; the client's where nothing is
 * put before his packet. */
static __always_inline bool forward_source(const struct pkt *p, const struct served *served,
					   bool is_v4, struct weir_addr *ret_source)
{
	if (served->forward == WEIR_FORWARD_L2) {
		*ret_source = p->src;
		return true;
	}
	const struct balance_head *head = balance_head(p);

	if (!head)
		return false;
	if (is_v4)
		*ret_source = head->source[0];
	else
		*ret_source = head->source[1];
	return true;
}

__noinline int forward_route(struct __sk_buff *skb, const struct pkt *p)
{
	struct served *served = served_work();
	struct forward_work *work = forward_work();

	if (!p || !served || !work)
		return -1;
	const struct weir_addr *to = &served->backend.addr;
	bool is_v4 = addr_is_v4(to);

	work->encap.forward = served->forward;
	work->encap.dst = *to;
	if (!forward_source(p, served, is_v4, &work->encap.src))
		return -1;
	return forward_ask(skb, p, work, &work->encap.src, to,
			   forward_longest(skb, p) + encap_bytes(served->forward, is_v4));
}

/* The look-up has put the next hop in the place of the destination, a source in that of none. */
static __always_inline void forward_learn(struct forward_work *work)
{
	const struct bpf_fib_lookup *fib = &work->fib;
	bool wants = addr_is_none(&work->encap.src);

	work->hop.nh_family = fib->family;
	for (int i = 0; i < 4; i++)
		work->hop.ipv6_nh[i] = fib->ipv6_dst[i];
	if (!wants)
		return;
	if (addr_is_v4(&work->encap.dst)) {
		work->encap.src.be32[2] = be32(0xffff);
		work->encap.src.be32[3] = fib->ipv4_src;
		return;
	}
	for (int i = 0; i < 4; i++)
		work->encap.src.be32[i] = fib->ipv6_src[i];
}

static __always_inline int forward_drop(const struct pkt *p, enum balance_counter why)
{
	balance_count(p, why);
	return FORWARD_DROPS;
}

/* 0: no hop is left. IPv4 that may be fragmented is not told, and not fragmented here: who sends
 * such, or has them made on the way, needs a path to the backends that is wide enough. */
__noinline int forward_tell(struct __sk_buff *skb, struct pkt *p, __u32 mtu)
{
	if (!p)
		return FORWARD_DROPS;
	balance_count(p, mtu ? BALANCE_COUNT_TOO_BIG : BALANCE_COUNT_EXPIRED);
	return answer_path_skb(skb, p, mtu) ? FORWARD_ANSWERS : FORWARD_DROPS;
}

static __always_inline int forward_tell_mtu(struct __sk_buff *skb, struct pkt *p,
					    const struct forward_work *work)
{
	__u32 outer = encap_bytes(work->encap.forward, addr_is_v4(&work->encap.dst));
	__u32 mtu = work->fib.mtu_result;

	return mtu > outer ? forward_tell(skb, p, mtu - outer) :
			     forward_drop(p, BALANCE_COUNT_TOO_BIG);
}

/* The way is known. */
__noinline int forward_write(struct __sk_buff *skb, struct pkt *p)
{
	struct forward_work *work = forward_work();

	if (!p || !work)
		return FORWARD_DROPS;
	forward_learn(work);
	work->encap.hash = encap_hash(p);
	if (!rewrite_skb_link(skb, p))
		return forward_drop(p, BALANCE_COUNT_NO_WAY);
	int tos = rewrite_skb_hop(skb, p);

	work->encap.tos = tos;
	if (tos < 0 || (work->encap.forward != WEIR_FORWARD_L2 &&
			!rewrite_skb_encap(skb, p, &work->encap, &work->header)))
		return forward_drop(p, BALANCE_COUNT_NO_WAY);
	balance_count(p, BALANCE_COUNT_TO_BACKENDS);
	balance_tally_packet(p, BALANCE_TO_BACKEND);
	return FORWARD_SENDS;
}

/*
 * The look-up of routes says the same of an address of this host and of one without a route. A
 * packet that has none must not come to this host: it has the service's address and no socket, and
 * would reset a connection that outlives a link that is down for a while. So who has a socket is
 * the backend. One that listens at every address, for this host's own ends, is none of the
 * connection's: it gets connections that begin, and nothing of those that live.
 */
static __always_inline bool forward_has_tcp(struct __sk_buff *skb, const struct pkt *p,
					    struct forward_work *work, __u32 size)
{
	struct bpf_sock *sock = bpf_skc_lookup_tcp(skb, &work->tuple, size, BPF_F_CURRENT_NETNS, 0);

	if (!sock)
		return false;
	bool listens = sock->state == BPF_TCP_LISTEN;

	bpf_sk_release(sock);
	return !listens || p->tcp_flags & TCP_SYN;
}

static __always_inline bool forward_has_udp(struct __sk_buff *skb, struct forward_work *work,
					    __u32 size)
{
	struct bpf_sock *sock = bpf_sk_lookup_udp(skb, &work->tuple, size, BPF_F_CURRENT_NETNS, 0);

	if (!sock)
		return false;
	bpf_sk_release(sock);
	return true;
}

static __always_inline bool forward_is_here(struct __sk_buff *skb, const struct pkt *p,
					    struct forward_work *work)
{
	if (p->proto != PROTO_TCP && p->proto != PROTO_UDP)
		return true;
	__u32 size = socket_tuple(p, &work->tuple);

	return p->proto == PROTO_TCP ? forward_has_tcp(skb, p, work, size) :
				       forward_has_udp(skb, work, size);
}

/* enum forward_end */
__noinline int balance_forward(struct __sk_buff *skb, struct pkt *p)
{
	struct forward_work *work = forward_work();

	if (!served_constants.directs || !p || !work)
		return FORWARD_DROPS;
	int found = forward_route(skb, p);

	if (found == BPF_FIB_LKUP_RET_NOT_FWDED && forward_is_here(skb, p, work))
		return FORWARD_STAYS;
	if (p->ttl <= 1)
		return forward_tell(skb, p, 0);
	if (found == BPF_FIB_LKUP_RET_FRAG_NEEDED)
		return forward_tell_mtu(skb, p, work);
	if (found != BPF_FIB_LKUP_RET_SUCCESS && found != BPF_FIB_LKUP_RET_NO_NEIGH)
		return forward_drop(p, BALANCE_COUNT_NO_WAY);
	return forward_write(skb, p);
}

#endif
