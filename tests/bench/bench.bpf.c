/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Programs for timing: a generator that gives each packet another source and hands it on, and what
 * it hands it to: nothing, Weir's look-up alone, the kernel's LPM trie. Not part of Weir.
 */
#include <linux/bpf.h>
#include <linux/pkt_cls.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>
#include <stdbool.h>

#include "bpf/lib/remote.h"
#include "tests/bench/bench_state.h"

#define SOURCE4 26 /* bytes from the start of the frame */
#define SOURCE6 22
#define CHECKSUM4 24

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, BENCH_KEYS);
	__uint(map_flags, BPF_F_MMAPABLE);
	__type(key, __u32);
	__type(value, struct weir_addr);
} keys SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__uint(map_flags, BPF_F_MMAPABLE);
	__type(key, __u32);
	__type(value, struct bench_state);
} state SEC(".maps");

/* What is timed: set before a run. */
struct {
	__uint(type, BPF_MAP_TYPE_PROG_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u32);
} target SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(max_entries, BENCH_TRIE_MAX);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct bench_trie4_key);
	__type(value, __u32);
} lpm4 SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(max_entries, BENCH_TRIE_MAX);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct bench_trie6_key);
	__type(value, __u32);
} lpm6 SEC(".maps");

static __always_inline void source4_write(__u8 *data, __be32 source, __u32 sum)
{
	sum += (source & 0xffff) + (source >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	*(__be32 *)(data + SOURCE4) = source;
	*(__u16 *)(data + CHECKSUM4) = (__u16)~sum;
}

/* Gives the packet the next source; NULL when it is no packet of ours. */
static __always_inline struct bench_state *source_next(struct xdp_md *ctx, bool is_v4)
{
	__u8 *data = (void *)(long)ctx->data;
	__u32 zero = 0;
	struct bench_state *now = bpf_map_lookup_elem(&state, &zero);
	__u32 at = now ? now->next++ & (BENCH_KEYS - 1) : 0;
	struct weir_addr *key = bpf_map_lookup_elem(&keys, &at);

	if (!now || !key || data + BENCH_FRAME_BYTES > (__u8 *)(long)ctx->data_end)
		return NULL;
	if (is_v4)
		source4_write(data, key->be32[3], now->sum4);
	else
		__builtin_memcpy(data + SOURCE6, key, 16);
	return now;
}

SEC("xdp.frags")
int source4(struct xdp_md *ctx)
{
	if (source_next(ctx, true))
		bpf_tail_call(ctx, &target, 0);
	return XDP_ABORTED;
}

SEC("xdp.frags")
int source6(struct xdp_md *ctx)
{
	if (source_next(ctx, false))
		bpf_tail_call(ctx, &target, 0);
	return XDP_ABORTED;
}

SEC("xdp.frags")
int live4(struct xdp_md *ctx)
{
	struct bench_state *now = source_next(ctx, true);

	return now ? bpf_redirect(now->out_ifindex, 0) : XDP_ABORTED;
}

SEC("xdp.frags")
int live6(struct xdp_md *ctx)
{
	struct bench_state *now = source_next(ctx, false);

	return now ? bpf_redirect(now->out_ifindex, 0) : XDP_ABORTED;
}

SEC("xdp.frags")
int empty(struct xdp_md *ctx)
{
	return XDP_DROP;
}

/* From the live word to the class, by the data path's own functions. */
static __always_inline int lookup(struct pkt *p)
{
	generation_read(p);
	if (end_classify(p, END_REMOTE))
		return XDP_ABORTED;
	return p->class ? XDP_DROP : XDP_PASS;
}

SEC("xdp.frags")
int lookup4(struct xdp_md *ctx)
{
	__u8 *data = (void *)(long)ctx->data;
	struct pkt p = { .seen = PKT_IPV4, .direction = WEIR_INGRESS };

	if (data + BENCH_FRAME_BYTES > (__u8 *)(long)ctx->data_end)
		return XDP_ABORTED;
	p.src.be32[2] = bpf_htonl(0xffff);
	__builtin_memcpy(&p.src.be32[3], data + SOURCE4, 4);
	return lookup(&p);
}

SEC("xdp.frags")
int lookup6(struct xdp_md *ctx)
{
	__u8 *data = (void *)(long)ctx->data;
	struct pkt p = { .seen = PKT_IPV6, .direction = WEIR_INGRESS };

	if (data + BENCH_FRAME_BYTES > (__u8 *)(long)ctx->data_end)
		return XDP_ABORTED;
	__builtin_memcpy(&p.src, data + SOURCE6, 16);
	return lookup(&p);
}

SEC("xdp.frags")
int trie4(struct xdp_md *ctx)
{
	__u8 *data = (void *)(long)ctx->data;
	struct bench_trie4_key key = { .length = 32 };

	if (data + BENCH_FRAME_BYTES > (__u8 *)(long)ctx->data_end)
		return XDP_ABORTED;
	__builtin_memcpy(&key.addr, data + SOURCE4, 4);
	return bpf_map_lookup_elem(&lpm4, &key) ? XDP_DROP : XDP_PASS;
}

SEC("xdp.frags")
int trie6(struct xdp_md *ctx)
{
	__u8 *data = (void *)(long)ctx->data;
	struct bench_trie6_key key = { .length = 128 };

	if (data + BENCH_FRAME_BYTES > (__u8 *)(long)ctx->data_end)
		return XDP_ABORTED;
	__builtin_memcpy(key.addr, data + SOURCE6, 16);
	return bpf_map_lookup_elem(&lpm6, &key) ? XDP_DROP : XDP_PASS;
}

#include "tests/bench/bench_rules.bpf.h"

#include "tests/bench/bench_counts.bpf.h"

char _license[] SEC("license") = "Dual BSD/GPL";
