/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Makes frames at full speed: each gets the next source address of a table, or one by chance of
 * those that a row stands for, and goes out of the device in `out`. Run as live frames by
 * live_frames.c; for tests and benchmarks alone.
 */
#include <linux/bpf.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "live_frames.h"

/* Behind an untagged Ethernet header. */
#define IPV4_SOURCE 26
#define IPV6_SOURCE 22

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

const volatile struct shape shape = { .count = 1 };
__u32 next = 0; /* one thread generates: no two CPUs write it at one time */

static __always_inline __u32 sum_of(const __be32 *addr)
{
	__u32 sum = 0;

	for (int i = 0; i < 4; i++)
		sum += (addr[i] & 0xffff) + (addr[i] >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return (sum & 0xffff) + (sum >> 16);
}

/*
 * A network by chance, and any host of it. Its last 16 bits are what leaves the sum of all as it
 * was (as RFC 6296 does): the checksum of a frame that was made for the row's address stays right.
 */
static __always_inline void draw_v6(const struct source *source, __be32 *addr)
{
	__u32 before = sum_of(source->addr);

	addr[0] = source->addr[0];
	addr[1] = bpf_htonl(bpf_ntohl(source->addr[1]) + bpf_get_prandom_u32() % source->any_of);
	addr[2] = bpf_get_prandom_u32();
	addr[3] = bpf_htonl(bpf_get_prandom_u32() & 0xffff0000);
	__u32 sum = before + (0xffff ^ sum_of(addr));

	addr[3] |= bpf_htonl(bpf_ntohs((sum & 0xffff) + (sum >> 16)));
}

static __always_inline int put_v6(const struct source *source, __u8 *data, const __u8 *end)
{
	__be32 addr[4];

	if (data + IPV6_SOURCE + sizeof(addr) > end)
		return -1;
	__builtin_memcpy(addr, source->addr, sizeof(addr));
	if (source->any_of)
		draw_v6(source, addr);
	__builtin_memcpy(data + IPV6_SOURCE, addr, sizeof(addr));
	return 0;
}

static __always_inline int put_v4(const struct source *source, __u8 *data, const __u8 *end)
{
	__be32 addr = source->addr[0];

	if (data + IPV4_SOURCE + sizeof(addr) > end)
		return -1;
	if (source->any_of)
		addr = bpf_htonl(bpf_ntohl(addr) + bpf_get_prandom_u32() % source->any_of);
	__builtin_memcpy(data + IPV4_SOURCE, &addr, sizeof(addr));
	return 0;
}

/* Pages are used again, and whoever had the frame before may have made an answer of it. */
static __always_inline void put_frame(__u8 *data, const __u8 *end)
{
#pragma unroll
	for (int i = 0; i < FRAME_MAX / 8; i++) {
		if (data + 8 * i + 8 > end)
			break;
		*(__u64 *)(data + 8 * i) = shape.frame[i];
	}
}

SEC("xdp")
int generate(struct xdp_md *ctx)
{
	__u8 *data = (void *)(long)ctx->data;
	__u8 *end = (void *)(long)ctx->data_end;
	__u32 row = next;

	next = row + 1 < shape.count ? row + 1 : 0;
	put_frame(data, end);
	struct source *source = bpf_map_lookup_elem(&sources, &row);

	if (!source || (shape.is_v6 ? put_v6(source, data, end) : put_v4(source, data, end)))
		return XDP_ABORTED;
	source->sent++;
	return bpf_redirect_map(&out, 0, XDP_ABORTED);
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
