/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Which flow a packet belongs to: its key, that of what an ICMP error holds, and the ports of
 * fragments, which only the first one carries. */
#ifndef WEIR_CONNTRACK_KEY_BPF_H
#define WEIR_CONNTRACK_KEY_BPF_H

#include "../../bpf/lib/embedded.h"
#include "../../bpf/lib/endian.h"
#include "../../bpf/lib/parse_inner.h"
#include "../../bpf/lib/probe.h"
#include "conntrack_table.bpf.h"

/*
 * writes: the data path, at first fragments; conntrack_hold.c, of those that do not come
 * reads: later ones
 * full: the datagram longest not asked for is forgotten: the rest of it is judged without ports
 */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, CONNTRACK_FRAGMENTS);
	__type(key, struct conntrack_datagram);
	__type(value, struct conntrack_ports);
} st_ports SEC(".maps");

/*
 * When a flow between two addresses was last let in, by a hash of them: a tick.
 *
 * writes: the data path, when a flow begins and once a second while it goes on
 * reads: later fragments ahead of their first
 * full: cannot be: pairs share rows, and then one lets the other's early fragments in
 */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, CONNTRACK_PAIRS);
	__type(key, __u32);
	__type(value, __u32);
} st_pair SEC(".maps");

static __always_inline const struct conntrack_shared *conn_shared(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&cfg_conntrack, &zero);
}

static __always_inline __u64 conn_seed(void)
{
	const struct conntrack_shared *shared = conn_shared();

	return shared ? shared->seed : 0;
}

/* Ends in their order; work->side is where the source went. */
static __always_inline void key_set(struct conn_work *work, const struct pkt *p, __be16 sport,
				    __be16 dport)
{
	bool later = p->src.be64[0] != p->dst.be64[0] ? p->src.be64[0] > p->dst.be64[0] :
		     p->src.be64[1] != p->dst.be64[1] ? p->src.be64[1] > p->dst.be64[1] :
							sport > dport;
	struct conntrack_key *key = &work->key;

	work->side = later;
	key->addr[0] = later ? p->dst : p->src;
	key->addr[1] = later ? p->src : p->dst;
	key->port[0] = later ? dport : sport;
	key->port[1] = later ? sport : dport;
	key->proto = p->proto;
	key->family = p->seen & PKT_IPV4 ? 4 : 6;
	key->requester = 0;
	const struct conntrack_shared *shared = conn_shared();

	work->hash = conntrack_hash(key, shared ? shared->seed : 0);
	work->has_turned = old_state.exists && shared && *(volatile __u32 *)&shared->is_turned;
	work->in_old = old_state.exists && !work->has_turned;
	conn_look_at_clock(work);
}

/* Echo, time stamp, information and address mask: the type of the request this is, or answers; 0:
 * neither. v4 requests but echo are odd numbers, each answer one more. */
static __always_inline __u32 icmp_request(const struct pkt *p)
{
	__u32 type = p->icmp_type;

	if (p->seen & PKT_IPV6)
		return type == 128 || type == 129 ? 128 : 0;
	if (type == 8 || type == 0)
		return 8;
	return type >= 13 && type <= 18 ? (type - 1) | 1 : 0;
}

static __always_inline bool icmp_is_error(const struct pkt *p)
{
	__u32 type = p->icmp_type;

	if (p->seen & PKT_IPV6)
		return type >= 1 && type <= 4;
	return (type >= 3 && type <= 5) || type == 11 || type == 12;
}

static __always_inline bool key_set_icmp(struct conn_work *work, const struct pkt *p)
{
	__u32 request = icmp_request(p);

	if (!request)
		return false;
	bool is_answer = p->icmp_type != request;

	if (is_answer)
		key_set(work, p, be16(request), p->icmp_id);
	else
		key_set(work, p, p->icmp_id, be16(request));
	work->key.requester = 1 + (work->side != is_answer);
	return true;
}

/* False: the packet belongs to no flow that could be told from others. */
static __always_inline bool key_of(struct conn_work *work, const struct pkt *p)
{
	if (p->seen & PKT_ICMP)
		return key_set_icmp(work, p);
	if (p->seen & PKT_PORTS)
		key_set(work, p, p->sport, p->dport);
	else if (p->seen & (PKT_MALFORMED | PKT_LATER_FRAGMENT) || p->proto == PROTO_ICMP ||
		 p->proto == PROTO_ICMPV6)
		return false;
	else
		key_set(work, p, 0, 0);
	return true;
}

static __always_inline __u32 pair_row(const struct pkt *p)
{
	__u64 seed = conn_seed() + p->proto;
	__u64 src = conntrack_mix(conntrack_mix(seed, p->src.be64[0]), p->src.be64[1]);
	__u64 dst = conntrack_mix(conntrack_mix(seed, p->dst.be64[0]), p->dst.be64[1]);

	/* The same in both directions, and not known without the seed. */
	return (src + dst) >> 32 & (CONNTRACK_PAIRS - 1);
}

static __always_inline void pair_note(const struct pkt *p, __u32 now)
{
	__u32 row = pair_row(p);
	__u32 *seen = bpf_map_lookup_elem(&st_pair, &row);

	if (seen)
		*seen = now;
}

static __always_inline bool pair_is_known(const struct pkt *p, __u32 now)
{
	__u32 row = pair_row(p);
	const __u32 *seen = bpf_map_lookup_elem(&st_pair, &row);

	return seen && *seen && now - *seen < CONNTRACK_PAIR_TICKS;
}

#define CONN_DATAGRAM_TICKS (60u * 60) /* as long as receivers wait for the rest (RFC 8200) */

static __always_inline struct conntrack_datagram datagram_of(const struct pkt *p)
{
	return (struct conntrack_datagram){
		.src = p->src,
		.dst = p->dst,
		.id = p->fragment_id,
		.proto = p->proto,
		.family = p->seen & PKT_IPV4 ? 4 : 6,
	};
}

static __always_inline void ports_keep(const struct conntrack_datagram *key, const struct pkt *p)
{
	struct conntrack_ports ports = {
		.expires_ticks = conn_tick() + CONN_DATAGRAM_TICKS,
		.seen = p->seen & (PKT_PORTS | PKT_ICMP),
		.sport = p->sport,
		.dport = p->dport,
		.icmp_id = p->icmp_id,
		.icmp_type = p->icmp_type,
		.icmp_code = p->icmp_code,
	};

	bpf_map_update_elem(&st_ports, key, &ports, BPF_ANY);
}

static __always_inline void ports_take(struct pkt *p, const struct conntrack_ports *ports)
{
	p->seen |= ports->seen;
	p->sport = ports->sport;
	p->dport = ports->dport;
	p->icmp_id = ports->icmp_id;
	p->icmp_type = ports->icmp_type;
	p->icmp_code = ports->icmp_code;
}

/* What is known of its datagram; NULL: nothing. */
static __always_inline const struct conntrack_ports *ports_known(
	const struct conntrack_datagram *key)
{
	const struct conntrack_ports *ports = bpf_map_lookup_elem(&st_ports, key);

	return ports && (int)(ports->expires_ticks - conn_tick()) > 0 ? ports : NULL;
}

/*
 * The first fragment's ports are kept for the others, which get them: rules and flows then treat
 * the datagram as one. 1: a later one ahead of its first, between addresses that have a flow; alone
 * it is nothing, and the first is judged when it comes.
 */
__noinline int conn_fragment(struct pkt *p)
{
	if (!p)
		return 0;
	struct conntrack_datagram key = datagram_of(p);

	if (!(p->seen & PKT_LATER_FRAGMENT)) {
		if (p->seen & (PKT_PORTS | PKT_ICMP) && (!p->probe || probe_constants.learns))
			ports_keep(&key, p);
		return 0;
	}
	const struct conntrack_ports *ports = ports_known(&key);

	if (ports && ports->seen) {
		ports_take(p, ports);
		return 0;
	}
	return pair_is_known(p, conn_tick());
}

/* An error is for who sent what it holds; anything else was made up. */
static __always_inline bool embedded_is_for(const struct pkt *inner, const struct pkt *p)
{
	return inner->src.be64[0] == p->dst.be64[0] && inner->src.be64[1] == p->dst.be64[1];
}

/* The key of the packet that an ICMP error holds. False: there is none. */
static __always_inline bool embedded_key(const struct pkt *inner, const struct pkt *p)
{
	struct conn_work *work = conn_work();

	return work && embedded_is_for(inner, p) && key_of(work, inner);
}

#endif
