/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* What the daemon has done from time to time: a look at all sockets, and at the files of all
 * processes. */
#ifndef WEIR_SOCKETS_WALK_BPF_H
#define WEIR_SOCKETS_WALK_BPF_H

#include "sockets_end.bpf.h"

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

struct file;

struct bpf_iter__task_file {
	struct task_struct *task;
	struct file *file;
};

struct bpf_iter__bpf_map {
	void *map;
};

struct udp_sock;

struct bpf_iter__tcp {
	struct sock_common *sk_common;
};

struct bpf_iter__udp {
	struct udp_sock *udp_sk;
};

#pragma clang attribute pop

/* Which walk this is: the daemon sets it before each. */
/*
 * writes: the daemon, before each walk
 * reads: weir_sock_files
 * full: cannot be, it is one word
 */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u64);
} cfg_sock_walk SEC(".maps");

/* One that is connected once more has another remote end from then on; one that is no more keeps
 * those it had until it is closed. */
static __always_inline void sockets_udp_look(struct sockets_entry *entry, const struct sock *sk)
{
	entry->state = BPF_CORE_READ(sk, __sk_common.skc_state);
	if (entry->state != SOCKETS_ESTABLISHED)
		return;
	sockets_ends(entry, sk);
	sockets_seen(entry);
}

/*
 * A socket is freed for other sockets' use only: what its address holds is a socket, perhaps
 * another one by now. So the cookie is looked at before and after.
 *
 * Nor is it locked: between the edge of a window and its size a segment may change both, which is
 * one closing too many, in some ns of each.
 */
static long sockets_look(void *map, const __u64 *key, struct sockets_entry *entry, void *arg)
{
	struct sockets_numbers numbers = {};
	struct sockets_windows windows = {};

	if (!entry->at) /* it is being written down */
		return 0;
	const struct sock *sk = (const struct sock *)entry->at;
	bool is_it = sockets_cookie(sk) == entry->cookie;

	if (is_it && entry->proto == SOCKETS_TCP) {
		sockets_numbers(&numbers, (const struct tcp_sock *)sk);
		sockets_windows_read(&windows, (const struct tcp_sock *)sk);
		if (BPF_CORE_READ(sk, __sk_common.skc_state) != SOCKETS_CLOSE &&
		    sockets_cookie(sk) == entry->cookie) {
			entry->numbers = numbers;
			sockets_windows_note(entry, &windows);
		}
	}
	if (is_it && entry->proto == SOCKETS_UDP)
		sockets_udp_look(entry, sk);
	else if (is_it && !entry->local_port)
		sockets_ends(entry, sk);
	entry->is_gone = !is_it;
	entry->was_looked_at = 1;
	return 0;
}

/*
 * Once a run: an iterator is called with none when there are no more of what it walks. What it
 * walks is all maps, of which there are few. The one of this table's own entries would do the same
 * by itself, and is refused by some hosts that allow all others.
 */
SEC("iter/bpf_map")
int weir_sock_look(struct bpf_iter__bpf_map *ctx)
{
	if (!ctx->map)
		bpf_for_each_map_elem(&st_socks, sockets_look, NULL, 0);
	return 0;
}

#define SOCKETS_SUBFLOWS_MAX 16 /* the kernel allows 8 beside the first */

static __always_inline bool sockets_is_connected(const struct sock *sk)
{
	__u16 proto = BPF_CORE_READ(sk, sk_protocol);
	__u8 state = BPF_CORE_READ(sk, __sk_common.skc_state);

	if (proto == SOCKETS_UDP)
		return state == SOCKETS_ESTABLISHED;
	return proto == SOCKETS_TCP && state != SOCKETS_LISTEN && state != SOCKETS_CLOSE;
}

/* One that was there before. */
static __noinline struct sockets_entry *sockets_adopt(struct sock *sk, __u64 cookie)
{
	struct sockets_entry *entry;

	if (!sockets_is_connected(sk))
		return NULL;
	entry = sockets_begin(sk, cookie, SOCKETS_SIDE_UNKNOWN);
	if (!entry)
		return NULL;
	sockets_was_there(entry, sk);
	entry->state = BPF_CORE_READ(sk, __sk_common.skc_state);
	return entry;
}

/* Of several that have a socket the one that began first: a process that was just forked has the
 * files of its parent until it runs another program, and its number may be the smaller one. */
static __always_inline bool sockets_is_later(const struct sockets_process *known, __u64 began_ns)
{
	return known->began_ns > began_ns;
}

static __noinline int sockets_held(struct sockets_entry *entry, struct task_struct *task)
{
	__u32 zero = 0, pid = (__u32)BPF_CORE_READ(task, tgid);
	__u64 began_ns = BPF_CORE_READ(task, group_leader, start_boottime);
	const __u64 *walk = bpf_map_lookup_elem(&cfg_sock_walk, &zero);

	if (!walk || !entry)
		return 0;
	if (entry->by != SOCKETS_BY_NOBODY && sockets_is_same(&entry->owner, pid, began_ns)) {
		sockets_process(&entry->owner, task); /* it may run another program since */
		entry->owner_walk = *walk;
		return 0;
	}
	if (entry->by == SOCKETS_BY_NOBODY ||
	    (entry->by == SOCKETS_BY_FILE && entry->owner_walk == *walk &&
	     sockets_is_later(&entry->owner, began_ns))) {
		sockets_process(&entry->owner, task);
		entry->by = SOCKETS_BY_FILE;
		entry->owner_walk = *walk;
		return 0;
	}
	if (sockets_is_same(&entry->holder, pid, began_ns) || entry->holder_walk != *walk ||
	    sockets_is_later(&entry->holder, began_ns))
		sockets_process(&entry->holder, task);
	entry->holder_walk = *walk;
	return 0;
}

static __noinline int sockets_found(struct sock *sk, __u64 cookie, struct task_struct *task)
{
	struct sockets_entry *entry = bpf_map_lookup_elem(&st_socks, &cookie);

	if (!entry)
		entry = sockets_adopt(sk, cookie);
	return sockets_held(entry, task);
}

/*
 * The subflows of an MPTCP socket are TCP sockets that are among nobody's files: whoever has it has
 * them. One that was there before has a cookie if somebody asked for it, and only then is it known.
 * The list is not locked: what it leads to is read by reads that may fail, and has a cookie that is
 * in the table, or is connected.
 */
static __noinline int sockets_subflows_found(struct sock *sk, struct task_struct *task)
{
	if (!bpf_core_field_exists(((struct mptcp_sock *)0)->conn_list))
		return 0;
	__u64 head = (__u64)sk + bpf_core_field_offset(struct mptcp_sock, conn_list);
	const struct list_head *node = BPF_CORE_READ((struct mptcp_sock *)sk, conn_list.next);

	for (int i = 0; i < SOCKETS_SUBFLOWS_MAX && node && (__u64)node != head; i++) {
		const struct mptcp_subflow_context *subflow =
			(void *)node - bpf_core_field_offset(struct mptcp_subflow_context, node);
		struct sock *tcp = BPF_CORE_READ(subflow, tcp_sock);
		__u64 cookie = tcp ? sockets_cookie(tcp) : 0;

		if (cookie)
			sockets_found(tcp, cookie, task);
		node = BPF_CORE_READ(node, next);
	}
	return 0;
}

SEC("iter/task_file")
int weir_sock_files(struct bpf_iter__task_file *ctx)
{
	struct task_struct *task = ctx->task;
	struct file *file = ctx->file;
	struct socket *socket;
	struct sock *sk;
	__u64 cookie;

	if (!task || !file)
		return 0;
	socket = bpf_sock_from_file(file);
	if (!socket)
		return 0;
	sk = socket->sk;
	if (!sk || !sockets_is_inet(sk) || !sockets_is_here(sk))
		return 0;
	if (BPF_CORE_READ(sk, sk_protocol) == SOCKETS_MPTCP)
		return sockets_subflows_found(sk, task);
	cookie =
		sockets_constants.gives_no_cookies ? sockets_cookie(sk) : bpf_get_socket_cookie(sk);
	return cookie ? sockets_found(sk, cookie, task) : 0;
}

/* Where the socket of a file is given none (sockets_cookies.c): all of a network namespace are. */
SEC("iter/tcp")
int weir_sock_cookies_tcp(struct bpf_iter__tcp *ctx)
{
	struct sock_common *sk =
		ctx->sk_common; /* read once: what is read again may be NULL again */

	if (sk)
		bpf_get_socket_cookie(sk);
	return 0;
}

SEC("iter/udp")
int weir_sock_cookies_udp(struct bpf_iter__udp *ctx)
{
	struct udp_sock *sk = ctx->udp_sk;

	if (sk)
		bpf_get_socket_cookie(sk);
	return 0;
}

#endif
