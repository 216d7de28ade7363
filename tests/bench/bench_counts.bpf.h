/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Counting flows the plain way: a hash of the kernel by five-tuple, packets and bytes. Each
 * direction is an entry of its own, there is no state, and no first or last time. IPv4. */
#ifndef WEIR_BENCH_COUNTS_BPF_H
#define WEIR_BENCH_COUNTS_BPF_H

#define COUNTS_MAP(name, kind)                     \
	struct {                                   \
		__uint(type, kind);                \
		__uint(max_entries, 1);            \
		__type(key, struct bench_lru_key); \
		__type(value, struct bench_count); \
	} name SEC(".maps")

/* As large as weir-bench account asks for. */
COUNTS_MAP(count_hash, BPF_MAP_TYPE_HASH);
COUNTS_MAP(count_percpu, BPF_MAP_TYPE_PERCPU_HASH);
COUNTS_MAP(count_lru, BPF_MAP_TYPE_LRU_HASH);

static __always_inline bool count_key(struct xdp_md *ctx, struct bench_lru_key *key)
{
	__u8 *data = (void *)(long)ctx->data;

	if (data + BENCH_TUPLE_FRAME_BYTES > (__u8 *)(long)ctx->data_end)
		return false;
	key->src.be32[2] = key->dst.be32[2] = bpf_htonl(0xffff);
	__builtin_memcpy(&key->src.be32[3], data + SOURCE4, 4);
	__builtin_memcpy(&key->dst.be32[3], data + SOURCE4 + 4, 4);
	key->sport = *(__be16 *)(data + PORTS4);
	key->dport = *(__be16 *)(data + PORTS4 + 2);
	key->proto = data[L3 + 9];
	return true;
}

static __always_inline int count_in(struct xdp_md *ctx, void *map, bool is_shared)
{
	struct bench_lru_key key = {};
	__u64 bytes = ctx->data_end - ctx->data;

	if (!count_key(ctx, &key))
		return XDP_ABORTED;
	struct bench_count *count = bpf_map_lookup_elem(map, &key);
	const struct bench_count first = { 1, bytes };

	if (!count) {
		bpf_map_update_elem(map, &key, &first, BPF_NOEXIST);
	} else if (is_shared) {
		__sync_fetch_and_add(&count->packets, 1);
		__sync_fetch_and_add(&count->bytes, bytes);
	} else {
		count->packets++;
		count->bytes += bytes;
	}
	return XDP_PASS;
}

SEC("xdp.frags")
int count_hash4(struct xdp_md *ctx)
{
	return count_in(ctx, &count_hash, true);
}

SEC("xdp.frags")
int count_percpu4(struct xdp_md *ctx)
{
	return count_in(ctx, &count_percpu, false);
}

SEC("xdp.frags")
int count_lru4(struct xdp_md *ctx)
{
	return count_in(ctx, &count_lru, true);
}

#endif
