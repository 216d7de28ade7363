/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * What tracing programs read of the kernel's own structures, and nothing more: each kernel has
 * these members at places of its own, which libbpf finds by its BTF. Packet programs never include
 * this: they load where there is no BTF.
 */
#ifndef WEIR_BPF_KERNEL_H
#define WEIR_BPF_KERNEL_H

#include <stdbool.h>

#include <linux/types.h>
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

struct ns_common {
	unsigned int inum;
};

struct net {
	struct ns_common ns;
};

struct net_device {
	char name[16];
	int ifindex;
	struct {
		struct net *net;
	} nd_net;
};

struct inode {
	unsigned long i_ino;
};

struct sock;

struct socket {
	short type;
	struct sock *sk;
};

struct socket_alloc {
	struct socket socket;
	struct inode vfs_inode;
};

struct kernfs_node {
	__u64 id;
	struct kernfs_node *parent;
	const char *name;
};

struct kernfs_node___renamed {
	struct kernfs_node *__parent; /* from Linux 6.15 on */
};

struct cgroup {
	struct kernfs_node *kn;
};

struct css_set {
	struct cgroup *dfl_cgrp;
};

struct list_head {
	struct list_head *next;
};

struct cred {
	struct {
		unsigned int val;
	} uid;
};

struct mm_struct {
	unsigned long arg_start, arg_end;
};

struct task_struct {
	struct mm_struct *mm;
	struct task_struct *group_leader;
	const struct cred *cred, *real_cred;
	struct css_set *cgroups;
	__u64 start_boottime, self_exec_id;
	unsigned int flags;
	int tgid;
	char comm[16];
};

struct sock_cgroup_data {
	struct cgroup *cgroup;
};

struct in6_addr {
	__be32 words[4]; /* by another name there: read as a whole */
};

struct sock_common {
	__be32 skc_daddr, skc_rcv_saddr;
	__be16 skc_dport;
	unsigned short skc_family;
	volatile unsigned char skc_state;
	struct {
		struct net *net;
	} skc_net;
	struct in6_addr skc_v6_daddr, skc_v6_rcv_saddr;
	struct {
		__s64 counter;
	} skc_cookie;
};

struct sock {
	struct sock_common __sk_common;
	struct {
		int owned;
	} sk_lock;
	__u16 sk_protocol;
	struct socket *sk_socket;
	struct sock_cgroup_data sk_cgrp_data;
};

struct inet_sock {
	struct sock sk;
	__be16 inet_sport;
};

struct minmax_sample {
	__u32 t, v;
};

struct minmax {
	struct minmax_sample s[3];
};

struct tcp_sock {
	__u64 bytes_sent, bytes_acked, bytes_received, bytes_retrans;
	__u32 srtt_us, mdev_us;
	struct minmax rtt_min;
	__u32 snd_cwnd, packets_out, lost_out;
	__u32 total_retrans, rcv_ooopack;
	__u32 segs_out, segs_in;
	__u32 snd_wnd, rcv_wnd;
	__u32 snd_una, rcv_nxt;
	bool is_mptcp; /* where the kernel knows MPTCP */
};

struct mptcp_subflow_context {
	struct list_head node;
	struct sock *tcp_sock;
};

struct mptcp_sock {
	struct list_head conn_list; /* its subflows, by `node` */
};

struct dst_entry {
	struct net_device *dev;
};

struct sk_buff {
	struct net_device *dev;
	struct sock *sk;
	unsigned long _skb_refdst;
	unsigned int len;
	int skb_iif;
	__be16 protocol;
	__u16 network_header;
	unsigned int tail;
	unsigned char *head;
};

#pragma clang attribute pop

#define KERNEL_THREAD 0x00200000 /* of task_struct.flags: PF_KTHREAD */
#define DST_POINTER (~1UL)	 /* the lowest bit of _skb_refdst says whether it is counted */

/* Number of the network namespace that a packet was routed in; 0: it was not. */
static __always_inline __u32 kernel_routed_netns(const struct sk_buff *skb)
{
	struct dst_entry *dst = (struct dst_entry *)(BPF_CORE_READ(skb, _skb_refdst) & DST_POINTER);

	return dst ? BPF_CORE_READ(dst, dev, nd_net.net, ns.inum) : 0;
}

#endif
