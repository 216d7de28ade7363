/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Makes frames at full speed: each gets the next source address of a table, or one by chance of
 * those that a row stands for, and goes out of the device in `out`. Run as live frames by
 * live_frames.c; for tests and benchmarks alone.
 */
#include <linux/bpf.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#define SOURCES_MAX 4096
#define IPV4_SOURCE 26 /* behind an untagged Ethernet header */

struct source {
	__be32 addr;
	__u32 any_of; /* so many addresses from it on; 0: itself */
	__u64 sent;
};

/*
 * writes: live_frames.c the addresses, the program what it sent
 * reads: live_frames.c
 * full: cannot be: as many rows as are told of
 */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, SOURCES_MAX);
	__uint(map_flags, BPF_F_MMAPABLE);
	__type(key, __u32);
	__type(value, struct source);
} sources SEC(".maps");

/*
 * writes: live_frames.c
 * reads: each frame
 * full: cannot be: one row
 */
struct {
	__uint(type, BPF_MAP_TYPE_DEVMAP);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u32);
} out SEC(".maps");

const volatile __u32 count = 1;
__u32 next = 0; /* one thread generates: no two CPUs write it at one time */

SEC("xdp")
int generate(struct xdp_md *ctx)
{
	__u8 *data = (void *)(long)ctx->data;
	__u8 *end = (void *)(long)ctx->data_end;
	__u32 row = next;

	next = row + 1 < count ? row + 1 : 0;
	struct source *source = bpf_map_lookup_elem(&sources, &row);

	if (!source || data + IPV4_SOURCE + 4 > end)
		return XDP_ABORTED;
	__be32 addr = source->addr;

	if (source->any_of)
		addr = bpf_htonl(bpf_ntohl(addr) + bpf_get_prandom_u32() % source->any_of);
	__builtin_memcpy(data + IPV4_SOURCE, &addr, 4);
	source->sent++;
	return bpf_redirect_map(&out, 0, XDP_ABORTED);
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
