/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Rows of totals that make room for others. */
#ifndef WEIR_SOCKETS_THIN_BPF_H
#define WEIR_SOCKETS_THIN_BPF_H

#include "sockets_end.bpf.h"

#define SOCKETS_TOTAL_WORDS (sizeof(struct sockets_total) / sizeof(__u64))

/* To the rest, whose row others add to at the same moment. To this one nobody does: the daemon has
 * waited until who had not seen that it leaves was done. */
static long sockets_merge(void *map, const struct sockets_total_key *key, const __u64 *leaves,
			  void *arg)
{
	const struct sockets_total *total = bpf_map_lookup_elem(&st_sock_total, key);
	struct sockets_total *rest = sockets_total_rest();

	if (!total || !rest || total == rest)
		return 0;
	for (__u32 i = 0; i < SOCKETS_TOTAL_WORDS; i++)
		__sync_fetch_and_add((__u64 *)rest + i, ((const __u64 *)total)[i]);
	sockets_sum_add(SOCKETS_UNSUMMED, total->sockets);
	bpf_map_delete_elem(&st_sock_total, key);
	return 0;
}

/* Once a run, as weir_sock_look. */
SEC("iter/bpf_map")
int weir_sock_merge(struct bpf_iter__bpf_map *ctx)
{
	if (!ctx->map)
		bpf_for_each_map_elem(&set_sock_leave, sockets_merge, NULL, 0);
	return 0;
}

#endif
