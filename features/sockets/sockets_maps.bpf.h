/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* The tables of `sockets`. */
#ifndef WEIR_SOCKETS_MAPS_BPF_H
#define WEIR_SOCKETS_MAPS_BPF_H

#include "../../bpf/lib/kernel.h"
#include "../../bpf/lib/trace.h"
#include "sockets.h"

/*
 * writes: the daemon, when its programs are attached
 * reads: programs of `sockets`, first of all
 * full: cannot be, it is one word
 */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u64);
} cfg_trace_socks SEC(".maps");

/*
 * writes: programs of `sockets`, an entry a socket, by its cookie, which never comes again; the
 *         daemon takes out those whose end was missed
 * reads: features/sockets, about once a second
 * full: the socket is not known, and counted as crowded
 */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, SOCKETS_MAX);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, __u64);
	__type(value, struct sockets_entry);
} st_socks SEC(".maps");

/*
 * writes: programs of `sockets`, when one ends
 * reads: features/sockets, those that are new
 * full: the oldest goes; its numbers are in the totals
 */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, SOCKETS_ENDED_MAX);
	__type(key, __u32);
	__type(value, struct sockets_entry);
} st_sock_ended SEC(".maps");

/*
 * writes: programs of `sockets`: how many have ended, which says whose place is next
 * reads: features/sockets
 * full: cannot be, it is one word
 */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u64);
} st_sock_turn SEC(".maps");

/*
 * writes: programs of `sockets`, when one ends, by process name, user and cgroup
 * reads: features/sockets, about once a second
 * full: the daemon has the lightest make room before; what would need a new row until then is in
 *       the row that has no name and no cgroup
 */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, SOCKETS_TOTALS_MAX);
	__type(key, struct sockets_total_key);
	__type(value, struct sockets_total);
} st_sock_total SEC(".maps");

/*
 * writes: the daemon: keys of totals that are about to make room
 * reads: programs of `sockets`, when a socket ends: it is no longer added there
 * full: cannot be, the daemon puts no more in
 */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, SOCKETS_LEAVING_MAX);
	__type(key, struct sockets_total_key);
	__type(value, __u64);
} set_sock_leave SEC(".maps");

/*
 * writes: the daemon, when it finds a socket whose end was missed
 * reads: the daemon, when it starts
 * full: cannot be, it is one row
 */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct sockets_total);
} st_sock_unseen SEC(".maps");

/*
 * writes: programs of `sockets`, each cgroup that is met
 * reads: features/sockets, when it does not find the cgroup by its number
 * full: the one that was met least lately is forgotten, and told by its number
 */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, SOCKETS_CGROUPS_MAX);
	__type(key, __u64);
	__type(value, struct sockets_cgroup);
} st_sock_cgroup SEC(".maps");

/*
 * writes: programs of `sockets`, a process that does something with a socket, if that is asked for
 * reads: features/sockets, for who asks
 * full: the one that was met least lately is forgotten
 */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, SOCKETS_COMMANDS_MAX);
	__type(key, struct sockets_command_key);
	__type(value, struct sockets_command);
} st_sock_command SEC(".maps");

/*
 * writes: programs of `sockets`
 * reads: features/sockets, about once a second
 * full: cannot be, a row a sum
 */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, SOCKETS_SUMS);
	__type(key, __u32);
	__type(value, __u64);
} ctr_sock SEC(".maps");

/*
 * writes: weir_sock_state and weir_sock_state_nested
 * reads: the latter; features/sockets how many steps that took
 * full: cannot be, a row a word
 */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, SOCKETS_STEPS);
	__type(key, __u32);
	__type(value, __u64);
} tmp_sock_step SEC(".maps");

const volatile struct sockets_constants sockets_constants = { .all_namespaces = 0 };

/* Each CPU has its own; but a packet's interrupt may come between reading one and writing it. */
static __always_inline void sockets_sum_add(__u32 sum, __u64 more)
{
	__u64 *count = bpf_map_lookup_elem(&ctr_sock, &sum);

	if (count)
		__sync_fetch_and_add(count, more);
}

static __always_inline void sockets_sum(__u32 sum)
{
	sockets_sum_add(sum, 1);
}

static __always_inline bool sockets_is_on(void)
{
	__u32 zero = 0;
	const __u64 *turn = bpf_map_lookup_elem(&cfg_trace_socks, &zero);

	return turn && *turn == trace_constants.turn;
}

#endif
