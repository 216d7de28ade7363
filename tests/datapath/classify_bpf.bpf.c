/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * The address look-up alone, for tests/datapath/classify_bpf.c: the frame is what to look up, the
 * verdict is its class.
 */
#include <linux/bpf.h>
#include <stdbool.h>

#include "bpf/lib/classify.h"

/* A frame of the test: which family, then the address. */
struct question {
	__u32 is_v4;
	__u32 spare[3];
	struct weir_addr addr;
};

struct image {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__uint(map_flags, BPF_F_MMAPABLE | BPF_F_INNER_MAP);
	__uint(key_size, sizeof(__u32));
	__uint(value_size, WEIR_LINE_BYTES);
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(max_entries, 1);
	__type(key, __u32);
	__array(values, struct image);
} tab_policy SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct weir_addr_head);
} tab_head SEC(".maps");

SEC("xdp")
int classify(struct xdp_md *ctx)
{
	struct question *question = (void *)(long)ctx->data;
	__u32 slot = 0;
	void *image = bpf_map_lookup_elem(&tab_policy, &slot);

	struct weir_addr_head *head = bpf_map_lookup_elem(&tab_head, &slot);

	if (!image || !head || (void *)(question + 1) > (void *)(long)ctx->data_end)
		return -1;
	return (int)classify_addr(image, head, &question->addr, question->is_v4);
}

/* The same from the image alone. */
SEC("xdp")
int classify_root(struct xdp_md *ctx)
{
	struct question *question = (void *)(long)ctx->data;
	__u32 slot = 0;
	void *image = bpf_map_lookup_elem(&tab_policy, &slot);

	if (!image || (void *)(question + 1) > (void *)(long)ctx->data_end)
		return -1;

	struct weir_addr_root *root = image_line(image, 1);

	return root ? (int)classify_addr_root(image, root, &question->addr, question->is_v4) : -1;
}

char _license[] SEC("license") = "Dual BSD/GPL";
