/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* What is read of the kernel's sockets and processes. */
#ifndef WEIR_SOCKETS_READ_BPF_H
#define WEIR_SOCKETS_READ_BPF_H

#include "sockets_maps.bpf.h"

#define SOCKETS_INET 2
#define SOCKETS_INET6 10
#define SOCKETS_TCP 6
#define SOCKETS_UDP 17
#define SOCKETS_MPTCP 262 /* more than 8 bits: the lower ones are those of TCP */
#define SRTT_SHIFT 3	  /* the kernel keeps eight times the time, and four times the variation */
#define RTTVAR_SHIFT 2

enum {
	SOCKETS_ESTABLISHED = 1,
	SOCKETS_SYN_SENT,
	SOCKETS_SYN_RECV,
	SOCKETS_FIN_WAIT1,
	SOCKETS_FIN_WAIT2,
	SOCKETS_TIME_WAIT,
	SOCKETS_CLOSE,
	SOCKETS_CLOSE_WAIT,
	SOCKETS_LAST_ACK,
	SOCKETS_LISTEN,
	SOCKETS_CLOSING,
	SOCKETS_NEW_SYN_RECV,
};

/* By a read that may fail: a request, or what waits after a close, has no more than this. */
static __always_inline __u64 sockets_cookie(const struct sock *sk)
{
	return (__u64)BPF_CORE_READ(sk, __sk_common.skc_cookie.counter);
}

static __always_inline __u32 sockets_netns(const struct sock *sk)
{
	return BPF_CORE_READ(sk, __sk_common.skc_net.net, ns.inum);
}

static __always_inline bool sockets_is_inet(const struct sock *sk)
{
	__u16 family = BPF_CORE_READ(sk, __sk_common.skc_family);

	return family == SOCKETS_INET || family == SOCKETS_INET6;
}

static __always_inline bool sockets_is_here(const struct sock *sk)
{
	return sockets_constants.all_namespaces || sockets_netns(sk) == trace_constants.netns;
}

/* Whether whoever runs has locked the socket: it does something with a socket of its own. Where
 * packets are worked on nobody has. */
static __always_inline bool sockets_is_called(const struct sock *sk)
{
	return BPF_CORE_READ(sk, sk_lock.owned) != 0;
}

static __always_inline void sockets_ends(struct sockets_entry *entry, const struct sock *sk)
{
	if (BPF_CORE_READ(sk, __sk_common.skc_family) == SOCKETS_INET6) {
		BPF_CORE_READ_INTO(&entry->local, sk, __sk_common.skc_v6_rcv_saddr);
		BPF_CORE_READ_INTO(&entry->remote, sk, __sk_common.skc_v6_daddr);
	} else {
		entry->local.be32[2] = entry->remote.be32[2] = bpf_htonl(0xffff);
		entry->local.be32[3] = BPF_CORE_READ(sk, __sk_common.skc_rcv_saddr);
		entry->remote.be32[3] = BPF_CORE_READ(sk, __sk_common.skc_daddr);
	}
	entry->local_port = bpf_ntohs(BPF_CORE_READ((struct inet_sock *)sk, inet_sport));
	entry->remote_port = bpf_ntohs(BPF_CORE_READ(sk, __sk_common.skc_dport));
}

static __always_inline void sockets_numbers(struct sockets_numbers *numbers,
					    const struct tcp_sock *tcp)
{
	numbers->bytes_sent = BPF_CORE_READ(tcp, bytes_sent);
	numbers->bytes_acked = BPF_CORE_READ(tcp, bytes_acked);
	numbers->bytes_received = BPF_CORE_READ(tcp, bytes_received);
	numbers->bytes_retransmitted = BPF_CORE_READ(tcp, bytes_retrans);
	numbers->srtt_us = BPF_CORE_READ(tcp, srtt_us) >> SRTT_SHIFT;
	numbers->rttvar_us = BPF_CORE_READ(tcp, mdev_us) >> RTTVAR_SHIFT;
	__u32 min_us = BPF_CORE_READ(tcp, rtt_min.s[0].v);

	numbers->min_rtt_us = min_us == ~0U ? 0 : min_us;
	numbers->cwnd = BPF_CORE_READ(tcp, snd_cwnd);
	numbers->unacked = BPF_CORE_READ(tcp, packets_out);
	numbers->lost = BPF_CORE_READ(tcp, lost_out);
	numbers->retransmits = BPF_CORE_READ(tcp, total_retrans);
	numbers->out_of_order = BPF_CORE_READ(tcp, rcv_ooopack);
	numbers->segments_sent = BPF_CORE_READ(tcp, segs_out);
	numbers->segments_received = BPF_CORE_READ(tcp, segs_in);
	numbers->send_window = BPF_CORE_READ(tcp, snd_wnd);
	numbers->receive_window = BPF_CORE_READ(tcp, rcv_wnd);
}

static __always_inline void sockets_cgroup_name(char *text, struct kernfs_node *node)
{
	const char *name = BPF_CORE_READ(node, name);

	if (name)
		bpf_probe_read_kernel_str(text, SOCKETS_CGROUP_BYTES, name);
}

/* Written down once: most cgroups outlive what is asked of them, those of short jobs do not. */
static __noinline int sockets_cgroup_note(struct kernfs_node *node, __u64 id)
{
	struct sockets_cgroup names = {};
	struct kernfs_node *parent;

	if (bpf_map_lookup_elem(&st_sock_cgroup, &id))
		return 0;
	if (bpf_core_field_exists(((struct kernfs_node___renamed *)0)->__parent))
		parent = BPF_CORE_READ((struct kernfs_node___renamed *)node, __parent);
	else
		parent = BPF_CORE_READ(node, parent);
	sockets_cgroup_name(names.name, node);
	if (parent)
		sockets_cgroup_name(names.parent, parent);
	return bpf_map_update_elem(&st_sock_cgroup, &id, &names, BPF_NOEXIST);
}

/* Name, number and user are the process's, not those of the thread that is met. The name is copied
 * whole, with the zeros behind it: totals are told apart by all of its bytes. */
static __always_inline void sockets_process(struct sockets_process *process,
					    struct task_struct *task)
{
	struct task_struct *leader = BPF_CORE_READ(task, group_leader);
	struct kernfs_node *node = BPF_CORE_READ(task, cgroups, dfl_cgrp, kn);
	char comm[SOCKETS_COMM_BYTES] = "";

	process->pid = (__u32)BPF_CORE_READ(task, tgid);
	process->began_ns = BPF_CORE_READ(leader, start_boottime);
	process->program = (__u32)BPF_CORE_READ(leader, self_exec_id);
	process->uid = BPF_CORE_READ(leader, real_cred, uid.val);
	process->cgroup = BPF_CORE_READ(node, id);
	BPF_CORE_READ_STR_INTO(&comm, leader, comm);
	__builtin_memcpy(process->comm, comm, sizeof(comm));
	sockets_cgroup_note(node, process->cgroup);
}

/*
 * The command line of who runs, which is that process: its memory is at hand now, and gone when it
 * ends. A row may be taken for another process while it is written, where thousands come at once;
 * then it says whose it is last, and is not believed.
 */
static __noinline int sockets_command_note(const struct sockets_process *process)
{
	static const struct sockets_command empty;
	struct task_struct *task = (struct task_struct *)bpf_get_current_task();
	struct sockets_command_key key = {};
	struct sockets_command *command;
	struct mm_struct *mm;

	if (!process)
		return 0;
	key.began_ns = process->began_ns;
	key.pid = process->pid;
	key.program = process->program;
	mm = BPF_CORE_READ(task, mm);
	if (!mm || bpf_map_lookup_elem(&st_sock_command, &key))
		return 0;
	__u64 from = BPF_CORE_READ(mm, arg_start), bytes = BPF_CORE_READ(mm, arg_end) - from;

	if (!bytes || bpf_map_update_elem(&st_sock_command, &key, &empty, BPF_NOEXIST))
		return 0;
	command = bpf_map_lookup_elem(&st_sock_command, &key);
	if (!command)
		return 0;
	__u32 most = bytes < SOCKETS_COMMAND_BYTES ? (__u32)bytes : SOCKETS_COMMAND_BYTES;

	barrier_var(most);
	if (most > SOCKETS_COMMAND_BYTES ||
	    bpf_probe_read_user(command->text, most, (const void *)from)) {
		bpf_map_delete_elem(&st_sock_command, &key);
		return 0;
	}
	command->bytes = bytes < ~0U ? (__u32)bytes : ~0U;
	command->of = key;
	return 0;
}

/* Who runs is the owner, and does something with its socket. */
static __always_inline void sockets_process_here(struct sockets_process *process)
{
	sockets_process(process, (struct task_struct *)bpf_get_current_task());
	if (sockets_constants.commands)
		sockets_command_note(process);
}

static __always_inline bool sockets_is_same(const struct sockets_process *one, __u32 pid,
					    __u64 began_ns)
{
	return one->pid == pid && one->began_ns == began_ns;
}

#endif
