/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Programs for timing one address look-up by prog-run: Weir's table, the kernel's LPM trie, and
 * neither. Not part of Weir.
 */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include <stdbool.h>

#include "../../bpf/lib/classify.h"

#define KEYS (1 << 20)

struct image {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__uint(map_flags, BPF_F_MMAPABLE | BPF_F_INNER_MAP);
	__uint(key_size, sizeof(__u32));
	__uint(value_size,
	       WEIR_LINE_BYTES); /* not __type: BTF drops what only a nested definition points to */
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(max_entries, 2);
	__type(key, __u32);
	__array(values, struct image);
} tab_policy SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 2);
	__uint(map_flags, BPF_F_MMAPABLE);
	__type(key, __u32);
	__type(value, struct weir_addr_head);
} tab_head SEC(".maps");

struct lpm4_key {
	__u32 length;
	__u32 addr;
};

struct lpm6_key {
	__u32 length;
	__u32 addr[4];
};

struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(max_entries, 4000000);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct lpm4_key);
	__type(value, __u32);
} lpm4 SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(max_entries, 4000000);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct lpm6_key);
	__type(value, __u32);
} lpm6 SEC(".maps");

/* 64-byte lines of four keys: one kind for both families. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, KEYS);
	__uint(map_flags, BPF_F_MMAPABLE);
	__type(key, __u32);
	__type(value, struct weir_addr);
} keys SEC(".maps");

__u32 next;
__u64 sum; /* of all answers: the check that all programs agree, and a use for the answer */
const volatile __u32 root_line = 1;
const volatile bool chained; /* the next key depends on this answer */

static __always_inline struct weir_addr *key_next(void)
{
	__u32 at = next++ & (KEYS - 1);

	if (chained)
		at = (at + (sum & 1)) & (KEYS - 1);
	return bpf_map_lookup_elem(&keys, &at);
}

SEC("xdp")
int empty(struct xdp_md *ctx)
{
	struct weir_addr *key = key_next();

	if (key)
		sum += key->be32[3] & 1;
	return XDP_DROP;
}

static __always_inline int weir_run(bool is_v4)
{
	struct weir_addr *key = key_next();
	__u32 slot = 0;
	void *image = bpf_map_lookup_elem(&tab_policy, &slot);
	struct weir_addr_head *head = bpf_map_lookup_elem(&tab_head, &slot);

	if (image && key && head)
		sum += classify_addr(image, head, key, is_v4);
	return XDP_DROP;
}

/* The same with nothing but the image: three calls of the map's look-up function instead of one. */
static __always_inline int weir_run_root(bool is_v4)
{
	struct weir_addr *key = key_next();
	__u32 slot = 0, line = root_line;
	void *image = bpf_map_lookup_elem(&tab_policy, &slot);
	struct weir_addr_root *root = image ? image_line(image, line) : NULL;

	if (root && key)
		sum += classify_addr_root(image, root, key, is_v4);
	return XDP_DROP;
}

SEC("xdp")
int root4(struct xdp_md *ctx)
{
	return weir_run_root(true);
}

SEC("xdp")
int root6(struct xdp_md *ctx)
{
	return weir_run_root(false);
}

SEC("xdp")
int weir4(struct xdp_md *ctx)
{
	return weir_run(true);
}

SEC("xdp")
int weir6(struct xdp_md *ctx)
{
	return weir_run(false);
}

SEC("xdp")
int trie4(struct xdp_md *ctx)
{
	struct weir_addr *key = key_next();

	if (!key)
		return XDP_ABORTED;

	struct lpm4_key lpm = { .length = 32, .addr = key->be32[3] };
	__u32 *value = bpf_map_lookup_elem(&lpm4, &lpm);

	if (value)
		sum += *value;
	return XDP_DROP;
}

SEC("xdp")
int trie6(struct xdp_md *ctx)
{
	struct weir_addr *key = key_next();

	if (!key)
		return XDP_ABORTED;

	struct lpm6_key lpm = { .length = 128 };

	__builtin_memcpy(lpm.addr, key, 16);

	__u32 *value = bpf_map_lookup_elem(&lpm6, &lpm);

	if (value)
		sum += *value;
	return XDP_DROP;
}

char _license[] SEC("license") = "Dual BSD/GPL";
