/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Programs for timing rules: a generator that gives each packet another five-tuple, and the walk
 * through an array of rules that everybody would write first. Not part of Weir.
 */
#ifndef WEIR_BENCH_RULES_BPF_H
#define WEIR_BENCH_RULES_BPF_H

#define L3 14 /* bytes from the start of the frame */
#define PORTS4 34
#define PORTS6 54

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, BENCH_TUPLES_MAX);
	__uint(map_flags, BPF_F_MMAPABLE);
	__type(key, __u32);
	__type(value, struct bench_tuple);
} tuples SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__uint(map_flags, BPF_F_MMAPABLE);
	__type(key, __u32);
	__type(value, struct bench_ruleset);
} rules SEC(".maps");

static __always_inline void tuple4_write(__u8 *data, const struct bench_tuple *tuple, __u32 sum)
{
	__be32 src = tuple->src.be32[3], dst = tuple->dst.be32[3];

	sum += (src & 0xffff) + (src >> 16) + (dst & 0xffff) + (dst >> 16);
	sum += bpf_htons(tuple->proto);
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	data[L3 + 9] = tuple->proto;
	*(__u16 *)(data + CHECKSUM4) = (__u16)~sum;
	*(__be32 *)(data + SOURCE4) = src;
	*(__be32 *)(data + SOURCE4 + 4) = dst;
}

static __always_inline void tuple6_write(__u8 *data, const struct bench_tuple *tuple)
{
	data[L3 + 6] = tuple->proto;
	__builtin_memcpy(data + SOURCE6, &tuple->src, 16);
	__builtin_memcpy(data + SOURCE6 + 16, &tuple->dst, 16);
}

static __always_inline void ports_write(__u8 *data, const struct bench_tuple *tuple)
{
	*(__be16 *)data = tuple->sport;
	*(__be16 *)(data + 2) = tuple->dport;
	*(__be32 *)(data + 4) = tuple->tcp_seq;
	*(__be32 *)(data + 8) = tuple->tcp_ack;
	data[12] = tuple->tcp_offset;
	data[13] = tuple->tcp_flags;
}

/* Gives the packet the next five-tuple; NULL when it is no packet of ours. */
static __always_inline struct bench_state *tuple_put(__u8 *data, __u8 *end, bool is_v4)
{
	__u32 zero = 0;
	struct bench_state *now = bpf_map_lookup_elem(&state, &zero);
	__u32 at = now ? now->tuple_first + (now->next++ & now->tuple_mask) : 0;
	struct bench_tuple *tuple = bpf_map_lookup_elem(&tuples, &at);

	if (!now || !tuple || data + BENCH_TUPLE_FRAME_BYTES > end)
		return NULL;
	if (is_v4)
		tuple4_write(data, tuple, now->tuple_sum4);
	else
		tuple6_write(data, tuple);
	ports_write(data + (is_v4 ? PORTS4 : PORTS6), tuple);
	return now;
}

static __always_inline struct bench_state *tuple_next(struct xdp_md *ctx, bool is_v4)
{
	return tuple_put((void *)(long)ctx->data, (void *)(long)ctx->data_end, is_v4);
}

SEC("xdp.frags")
int tuple4(struct xdp_md *ctx)
{
	if (tuple_next(ctx, true))
		bpf_tail_call(ctx, &target, 0);
	return XDP_ABORTED;
}

SEC("xdp.frags")
int tuple6(struct xdp_md *ctx)
{
	if (tuple_next(ctx, false))
		bpf_tail_call(ctx, &target, 0);
	return XDP_ABORTED;
}

/* The same before programs of TC. */
struct {
	__uint(type, BPF_MAP_TYPE_PROG_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u32);
} target_skb SEC(".maps");

static __always_inline int skb_tuple(struct __sk_buff *skb, bool is_v4)
{
	if (tuple_put((void *)(long)skb->data, (void *)(long)skb->data_end, is_v4))
		bpf_tail_call(skb, &target_skb, 0);
	return TC_ACT_SHOT;
}

SEC("tc")
int skb_tuple4(struct __sk_buff *skb)
{
	return skb_tuple(skb, true);
}

SEC("tc")
int skb_tuple6(struct __sk_buff *skb)
{
	return skb_tuple(skb, false);
}

SEC("tc")
int skb_empty(struct __sk_buff *skb)
{
	return TC_ACT_SHOT;
}

/* A live frame is sent again and again, as whoever got it last has left it: routed, or answered in
 * its place. */
static __always_inline void frame_renew(struct xdp_md *ctx)
{
	__u8 *data = (void *)(long)ctx->data;
	__u32 zero = 0;
	const struct bench_state *now = bpf_map_lookup_elem(&state, &zero);

	if (!now || data + sizeof(now->frame) > (__u8 *)(long)ctx->data_end)
		return;
	for (int i = 0; i < BENCH_TUPLE_FRAME_BYTES / 4; i++)
		((__u32 *)data)[i] = now->frame[i];
}

SEC("xdp.frags")
int live_tuple4(struct xdp_md *ctx)
{
	frame_renew(ctx);
	struct bench_state *now = tuple_next(ctx, true);

	return now ? bpf_redirect(now->out_ifindex, 0) : XDP_ABORTED;
}

SEC("xdp.frags")
int live_tuple6(struct xdp_md *ctx)
{
	frame_renew(ctx);
	struct bench_state *now = tuple_next(ctx, false);

	return now ? bpf_redirect(now->out_ifindex, 0) : XDP_ABORTED;
}

/* By prog-run a packet stays as the program before has left it: whatever was put in front of it is
 * taken off. */
static __always_inline bool head_renew(struct xdp_md *ctx)
{
	__s64 more = ctx->data_end - ctx->data - BENCH_TUPLE_FRAME_BYTES;

	if (more > 0 && bpf_xdp_adjust_head(ctx, more))
		return false;
	frame_renew(ctx);
	return true;
}

SEC("xdp.frags")
int head_tuple4(struct xdp_md *ctx)
{
	if (head_renew(ctx) && tuple_next(ctx, true))
		bpf_tail_call(ctx, &target, 0);
	return XDP_ABORTED;
}

SEC("xdp.frags")
int head_tuple6(struct xdp_md *ctx)
{
	if (head_renew(ctx) && tuple_next(ctx, false))
		bpf_tail_call(ctx, &target, 0);
	return XDP_ABORTED;
}

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, BENCH_LRU_FLOWS);
	__type(key, struct bench_lru_key);
	__type(value, __u64);
} lru SEC(".maps");

/* Connection tracking the plain way: whatever comes is kept, the longest not asked for makes room.
 */
SEC("xdp.frags")
int lru4(struct xdp_md *ctx)
{
	__u8 *data = (void *)(long)ctx->data;
	struct bench_lru_key key = {};
	__u64 one = 1;

	if (data + BENCH_TUPLE_FRAME_BYTES > (__u8 *)(long)ctx->data_end)
		return XDP_ABORTED;
	key.src.be32[2] = key.dst.be32[2] = bpf_htonl(0xffff);
	__builtin_memcpy(&key.src.be32[3], data + SOURCE4, 4);
	__builtin_memcpy(&key.dst.be32[3], data + SOURCE4 + 4, 4);
	key.sport = *(__be16 *)(data + PORTS4);
	key.dport = *(__be16 *)(data + PORTS4 + 2);
	key.proto = data[L3 + 9];
	__u64 *packets = bpf_map_lookup_elem(&lru, &key);

	if (packets)
		++*packets;
	else
		bpf_map_update_elem(&lru, &key, &one, BPF_ANY);
	return XDP_PASS;
}

struct walk {
	const struct bench_ruleset *rules;
	struct weir_addr src, dst;
	__u16 sport, dport;
	__u8 proto;
	__u8 verdict;
};

static __always_inline bool ports_hold(const struct bench_rule *rule, const struct walk *walk)
{
	return walk->sport >= rule->sport[0] && walk->sport <= rule->sport[1] &&
	       walk->dport >= rule->dport[0] && walk->dport <= rule->dport[1] &&
	       (!rule->proto || rule->proto == walk->proto);
}

/* One rule; 1 ends the walk. */
static long step4(__u32 at, struct walk *walk)
{
	const struct bench_rule *rule = &walk->rules->at[at < BENCH_RULES_MAX ? at : 0];

	if ((walk->src.be32[3] & rule->src_mask.be32[3]) != rule->src.be32[3] ||
	    (walk->dst.be32[3] & rule->dst_mask.be32[3]) != rule->dst.be32[3] ||
	    !ports_hold(rule, walk))
		return 0;
	walk->verdict = rule->passes ? XDP_PASS : XDP_DROP;
	return 1;
}

static long step6(__u32 at, struct walk *walk)
{
	const struct bench_rule *rule = &walk->rules->at[at < BENCH_RULES_MAX ? at : 0];

	if ((walk->src.be64[0] & rule->src_mask.be64[0]) != rule->src.be64[0] ||
	    (walk->src.be64[1] & rule->src_mask.be64[1]) != rule->src.be64[1] ||
	    (walk->dst.be64[0] & rule->dst_mask.be64[0]) != rule->dst.be64[0] ||
	    (walk->dst.be64[1] & rule->dst_mask.be64[1]) != rule->dst.be64[1] ||
	    !ports_hold(rule, walk))
		return 0;
	walk->verdict = rule->passes ? XDP_PASS : XDP_DROP;
	return 1;
}

SEC("xdp.frags")
int linear4(struct xdp_md *ctx)
{
	__u8 *data = (void *)(long)ctx->data;
	__u32 zero = 0;
	struct walk walk = { .rules = bpf_map_lookup_elem(&rules, &zero), .verdict = XDP_PASS };

	if (!walk.rules || data + BENCH_TUPLE_FRAME_BYTES > (__u8 *)(long)ctx->data_end)
		return XDP_ABORTED;
	__builtin_memcpy(&walk.src.be32[3], data + SOURCE4, 4);
	__builtin_memcpy(&walk.dst.be32[3], data + SOURCE4 + 4, 4);
	walk.sport = bpf_ntohs(*(__be16 *)(data + PORTS4));
	walk.dport = bpf_ntohs(*(__be16 *)(data + PORTS4 + 2));
	walk.proto = data[L3 + 9];
	bpf_loop(walk.rules->count, step4, &walk, 0);
	return walk.verdict;
}

SEC("xdp.frags")
int linear6(struct xdp_md *ctx)
{
	__u8 *data = (void *)(long)ctx->data;
	__u32 zero = 0;
	struct walk walk = { .rules = bpf_map_lookup_elem(&rules, &zero), .verdict = XDP_PASS };

	if (!walk.rules || data + BENCH_TUPLE_FRAME_BYTES > (__u8 *)(long)ctx->data_end)
		return XDP_ABORTED;
	__builtin_memcpy(&walk.src, data + SOURCE6, 16);
	__builtin_memcpy(&walk.dst, data + SOURCE6 + 16, 16);
	walk.sport = bpf_ntohs(*(__be16 *)(data + PORTS6));
	walk.dport = bpf_ntohs(*(__be16 *)(data + PORTS6 + 2));
	walk.proto = data[L3 + 6];
	bpf_loop(walk.rules->count, step6, &walk, 0);
	return walk.verdict;
}

#endif
