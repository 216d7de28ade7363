/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Counts the packets that the kernel gives up, by its own reason, at the tracepoint `kfree_skb`. */
#ifndef WEIR_DROPS_BPF_H
#define WEIR_DROPS_BPF_H

#include "../../bpf/lib/kernel.h"
#include "../../bpf/lib/trace.h"
#include "drops.h"

#define FAMILY_INET 2 /* AF_INET and so on: <sys/socket.h> is user space's */
#define FAMILY_INET6 10
#define FAMILY_PACKET 17
#define ETHERTYPE_IPV4 0x0800
#define ETHERTYPE_IPV6 0x86dd
#define PROTO_TCP 6
#define PROTO_UDP 17
#define PROTO_SCTP 132
#define PROTO_UDPLITE 136
#define STATE_TIME_WAIT 6
#define STATE_NEW_SYN_RECV 12
#define ARG_SKB 0
#define ARG_WHERE 1
#define ARG_REASON 2
#define ARG_SOCKET 3

/*
 * writes: weir_drops, a row for each reason, place, interface and protocol
 * reads: features/drops, once a second
 * full: what would need a new row is counted as crowded
 */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, DROPS_ROWS_MAX);
	__type(key, struct drops_key);
	__type(value, struct drops_row);
} st_drops SEC(".maps");

/*
 * writes: weir_drops, each flow that lost a packet
 * reads: features/drops, once a second
 * full: the flow that lost nothing for longest is forgotten; new less kept says how many were
 */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, DROPS_FLOWS_MAX);
	__type(key, struct drops_flow_key);
	__type(value, struct drops_flow);
} st_drop_flows SEC(".maps");

/*
 * writes: weir_drops
 * reads: features/drops, once a second
 * full: cannot be, a row a sum
 */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, DROPS_SUMS);
	__type(key, __u32);
	__type(value, struct drops_count);
} ctr_drops SEC(".maps");

const volatile struct drops_constants drops_constants = { .none = ~0U, .consumed = ~0U };

/* What is known of a packet that is given up. */
struct drops_seen {
	struct net_device *dev; /* NULL: none, or it is none any more */
	struct sock *sk;
	__u32 netns; /* 0: nothing tells */
	__u64 now_ns, bytes;
};

static __always_inline void drops_count(__u32 sum, __u64 bytes)
{
	struct drops_count *count = bpf_map_lookup_elem(&ctr_drops, &sum);

	if (!count)
		return;
	count->packets++;
	count->bytes += bytes;
}

/*
 * UDP keeps lengths in the place of the device from when it queues a packet: what is no address of
 * the kernel's (they are negative, on 64 bits) is none.
 */
static __always_inline struct net_device *drops_device(struct sk_buff *skb)
{
	struct net_device *dev = BPF_CORE_READ(skb, dev);

	return (long)dev < 0 ? dev : NULL;
}

/* A socket that receives is told of by the tracepoint from Linux 6.11 on; read as a number, since
 * kernels differ in whether they say that it may be none. */
static __always_inline struct sock *drops_socket(const __u64 *ctx, struct sk_buff *skb)
{
	__u64 receives = 0;

	if (trace_constants.kfree_skb_args > ARG_SOCKET)
		bpf_probe_read_kernel(&receives, sizeof(receives), &ctx[ARG_SOCKET]);
	return receives ? (struct sock *)receives : BPF_CORE_READ(skb, sk);
}

/* Sockets of other families (unix, netlink) have buffers that are no packets. */
static __always_inline bool drops_is_network(__u16 family)
{
	return family == FAMILY_INET || family == FAMILY_INET6 || family == FAMILY_PACKET;
}

/* The device's namespace; without a device the socket's, or that of the way it was to go. */
static __always_inline __u32 drops_netns(struct sk_buff *skb, const struct drops_seen *seen)
{
	struct net_device *dev = seen->dev;
	struct sock *sk = seen->sk;

	if (dev)
		return BPF_CORE_READ(dev, nd_net.net, ns.inum);
	if (sk)
		return BPF_CORE_READ(sk, __sk_common.skc_net.net, ns.inum);
	return kernel_routed_netns(skb);
}

static __always_inline bool drops_has_ports(__u8 proto)
{
	return proto == PROTO_TCP || proto == PROTO_UDP || proto == PROTO_SCTP ||
	       proto == PROTO_UDPLITE;
}

static __always_inline void drops_ports(struct drops_flow_key *key, const void *at)
{
	__be16 ports[2];

	if (!drops_has_ports(key->row.proto) || bpf_probe_read_kernel(ports, sizeof(ports), at))
		return;
	key->sport = bpf_ntohs(ports[0]);
	key->dport = bpf_ntohs(ports[1]);
}

static __always_inline void drops_v4(struct drops_flow_key *key, const unsigned char *at)
{
	__u32 words[5];

	if (bpf_probe_read_kernel(words, sizeof(words), at))
		return;
	const unsigned char *bytes = (const unsigned char *)words;
	__u32 header = (bytes[0] & 15) * 4;

	if (bytes[0] >> 4 != 4 || header < sizeof(words))
		return;
	key->row.proto = bytes[9];
	key->src.be32[2] = key->dst.be32[2] = bpf_htonl(0xffff);
	key->src.be32[3] = words[3];
	key->dst.be32[3] = words[4];
	if (!(bytes[6] & 0x1f) && !bytes[7]) /* no later fragment */
		drops_ports(key, at + header);
}

/* Behind extension headers no ports are looked for: the flow is that of the two hosts. */
static __always_inline void drops_v6(struct drops_flow_key *key, const unsigned char *at)
{
	unsigned char bytes[40];

	if (bpf_probe_read_kernel(bytes, sizeof(bytes), at) || bytes[0] >> 4 != 6)
		return;
	key->row.proto = bytes[6];
	__builtin_memcpy(&key->src, bytes + 8, sizeof(key->src));
	__builtin_memcpy(&key->dst, bytes + 24, sizeof(key->dst));
	drops_ports(key, at + sizeof(bytes));
}

/* Nothing where the kernel has not come to the network header, or left it behind. */
static __always_inline void drops_headers(struct drops_flow_key *key, struct sk_buff *skb)
{
	const unsigned char *head = BPF_CORE_READ(skb, head);
	__u32 at = BPF_CORE_READ(skb, network_header), tail = BPF_CORE_READ(skb, tail);

	key->row.ethertype = bpf_ntohs(BPF_CORE_READ(skb, protocol));
	if (key->row.ethertype == ETHERTYPE_IPV4 && at + 20 <= tail)
		drops_v4(key, head + at);
	else if (key->row.ethertype == ETHERTYPE_IPV6 && at + 40 <= tail)
		drops_v6(key, head + at);
}

static __noinline int drops_row_new(const struct drops_flow_key *key, const struct drops_seen *seen)
{
	static const char format[] = "%ps";
	struct drops_row row = {
		.packets = 1,
		.bytes = seen->bytes,
		.first_ns = seen->now_ns,
		.last_ns = seen->now_ns,
	};
	struct drops_key row_key = key->row;
	struct net_device *dev = seen->dev;

	bpf_snprintf(row.where, sizeof(row.where), format, &row_key.where, sizeof(__u64));
	if (dev)
		BPF_CORE_READ_STR_INTO(&row.device, dev, name);
	return bpf_map_update_elem(&st_drops, &row_key, &row, BPF_NOEXIST);
}

/* Two processors may make the same row: who comes second finds the first one's. */
static __always_inline void drops_row_count(const struct drops_flow_key *key,
					    const struct drops_seen *seen)
{
	struct drops_row *row = bpf_map_lookup_elem(&st_drops, &key->row);

	if (!row && !drops_row_new(key, seen))
		return;
	row = row ?: bpf_map_lookup_elem(&st_drops, &key->row);
	if (!row) {
		drops_count(DROPS_CROWDED, seen->bytes);
		return;
	}
	__sync_fetch_and_add(&row->packets, 1);
	__sync_fetch_and_add(&row->bytes, seen->bytes);
	row->last_ns = seen->now_ns;
}

/* Requests and what waits after a close are no whole sockets: nothing but the head is there. */
static __always_inline void drops_owner(struct drops_flow *flow, struct sock *sk)
{
	__u8 state = sk ? BPF_CORE_READ(sk, __sk_common.skc_state) : STATE_TIME_WAIT;

	if (state == STATE_TIME_WAIT || state == STATE_NEW_SYN_RECV)
		return;
	struct socket_alloc *alloc = (struct socket_alloc *)BPF_CORE_READ(sk, sk_socket);

	if (alloc)
		flow->inode = BPF_CORE_READ(alloc, vfs_inode.i_ino);
	if (bpf_core_field_exists(sk->sk_cgrp_data.cgroup))
		flow->cgroup = BPF_CORE_READ(sk, sk_cgrp_data.cgroup, kn, id);
}

static __noinline int drops_flow_new(const struct drops_flow_key *key,
				     const struct drops_seen *seen)
{
	struct drops_flow flow = {
		.packets = 1,
		.bytes = seen->bytes,
		.last_ns = seen->now_ns,
	};

	drops_owner(&flow, seen->sk);
	return bpf_map_update_elem(&st_drop_flows, key, &flow, BPF_NOEXIST);
}

static __always_inline void drops_flow_count(const struct drops_flow_key *key,
					     const struct drops_seen *seen)
{
	struct drops_flow *flow = bpf_map_lookup_elem(&st_drop_flows, key);

	if (!flow && !drops_flow_new(key, seen)) {
		drops_count(DROPS_FLOWS_NEW, 0);
		return;
	}
	flow = flow ?: bpf_map_lookup_elem(&st_drop_flows, key);
	if (!flow) {
		drops_count(DROPS_FLOWS_LOST, seen->bytes);
		return;
	}
	__sync_fetch_and_add(&flow->packets, 1);
	__sync_fetch_and_add(&flow->bytes, seen->bytes);
	flow->last_ns = seen->now_ns;
}

static __always_inline void drops_note(const __u64 *ctx, struct sk_buff *skb,
				       const struct drops_seen *seen, __u32 reason)
{
	struct drops_flow_key key = { .row.where = 0 };
	struct net_device *dev = seen->dev;

	bpf_probe_read_kernel(&key.row.where, sizeof(key.row.where), &ctx[ARG_WHERE]);
	key.row.reason = reason;
	key.row.ifindex = dev ? BPF_CORE_READ(dev, ifindex) : BPF_CORE_READ(skb, skb_iif);
	drops_headers(&key, skb);
	drops_row_count(&key, seen);
	if (key.row.proto)
		drops_flow_count(&key, seen);
}

SEC("tp_btf/kfree_skb")
int weir_drops(__u64 *ctx)
{
	struct sk_buff *skb = (struct sk_buff *)ctx[ARG_SKB];
	__u32 reason = trace_constants.kfree_skb_args > ARG_REASON ? (__u32)ctx[ARG_REASON] : 0;

	if (!trace_is_on() ||
	    (trace_constants.kfree_skb_args > ARG_REASON &&
	     (reason == drops_constants.none || reason == drops_constants.consumed)))
		return 0;
	struct net_device *dev = drops_device(skb);
	struct sock *sk = drops_socket(ctx, skb);

	if (!dev && sk && !drops_is_network(BPF_CORE_READ(sk, __sk_common.skc_family)))
		return 0;
	struct drops_seen seen = { dev, sk, .bytes = BPF_CORE_READ(skb, len) };

	seen.netns = drops_netns(skb, &seen);
	if (seen.netns != trace_constants.netns) {
		drops_count(seen.netns ? DROPS_FOREIGN : DROPS_UNKNOWN, seen.bytes);
		return 0;
	}
	seen.now_ns = bpf_ktime_get_ns();
	drops_count(DROPS_ALL, seen.bytes);
	drops_note(ctx, skb, &seen, reason);
	return 0;
}

#endif
