/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Sockets of this host, from their beginning to their end: whose they are, and what the kernel
 * knows of the way to the other end. Numbers are read from the socket when somebody asks, and when
 * it ends; of a segment no more is looked at than whether a window is closed.
 */
#ifndef WEIR_SOCKETS_BPF_H
#define WEIR_SOCKETS_BPF_H

#include "sockets_end.bpf.h"
#include "sockets_walk.bpf.h"
#include "sockets_thin.bpf.h"

#define ARG_SOCKET_FIRST 0
#define ARG_RESET_PACKET 1 /* that is answered */
#define ARG_STATE_OLD 1
#define ARG_STATE_NEW 2

/* Subflows of MPTCP are closed, and all but the first connected, by a thread of the kernel's that
 * does so for whoever has the MPTCP socket: the files say who that is. */
static __always_inline bool sockets_is_for_another(const struct sock *sk,
						   const struct task_struct *task)
{
	return bpf_core_field_exists(((struct tcp_sock *)0)->is_mptcp) &&
	       BPF_CORE_READ((struct tcp_sock *)sk, is_mptcp) &&
	       (BPF_CORE_READ(task, flags) & KERNEL_THREAD);
}

/*
 * What is done with a socket in the name of who has it: connect(), close(), shutdown(). Accepting
 * tells nothing (the connection was established long before), but whoever accepted is the one who
 * closes; until then the files of all processes say who has it.
 */
static __always_inline void sockets_user(struct sockets_entry *entry, const struct sock *sk,
					 enum sockets_by by)
{
	struct task_struct *task = (struct task_struct *)bpf_get_current_task();

	if (sockets_is_for_another(sk, task))
		return;
	sockets_process_here(&entry->owner);
	entry->by = by;
}

static __always_inline void sockets_established(struct sockets_entry *entry, const struct sock *sk)
{
	entry->was_established = 1;
	if (entry->handshake_us)
		return;
	if (entry->side == SOCKETS_SIDE_CLIENT) {
		entry->handshake_us = (bpf_ktime_get_ns() - entry->begun_ns) / 1000;
	} else if (entry->side == SOCKETS_SIDE_SERVER) {
		/* The first measurement is that of the SYN-ACK, unless that was sent again. */
		entry->handshake_us = BPF_CORE_READ((struct tcp_sock *)sk, srtt_us) >> SRTT_SHIFT;
	}
	sockets_ends(entry, sk);
}

/* A socket whose first step this is; or one of before, whose process is gone as a rule: no walk
 * over files has found it. */
static __always_inline struct sockets_entry *sockets_met(struct sock *sk, __u64 cookie,
							 __u8 old_state, bool begins)
{
	struct sockets_entry *entry;
	__u8 side = begins || old_state == SOCKETS_SYN_SENT ? SOCKETS_SIDE_CLIENT :
		    old_state == SOCKETS_SYN_RECV	    ? SOCKETS_SIDE_SERVER :
							      SOCKETS_SIDE_UNKNOWN;

	entry = sockets_begin(sk, cookie, side);
	if (!entry)
		return NULL;
	if (side == SOCKETS_SIDE_SERVER) /* it begins with what its request had to send again */
		sockets_sum_add(SOCKETS_SYNACKS_TAKEN,
				BPF_CORE_READ((struct tcp_sock *)sk, total_retrans));
	if (side == SOCKETS_SIDE_UNKNOWN)
		sockets_was_there(entry, sk);
	return entry;
}

static __noinline int sockets_state_step(struct sock *sk, __u8 old_state, __u8 new_state)
{
	__u64 cookie = bpf_get_socket_cookie(sk);
	struct sockets_entry *entry = bpf_map_lookup_elem(&st_socks, &cookie);
	bool begins = new_state == SOCKETS_SYN_SENT;

	if (entry && begins) { /* a socket that is used once more */
		sockets_finish(entry, cookie);
		entry = NULL;
	}
	if (!entry && new_state == SOCKETS_CLOSE)
		return 0;
	if (!entry)
		entry = sockets_met(sk, cookie, old_state, begins);
	if (!entry)
		return 0;
	if (begins)
		sockets_user(entry, sk, SOCKETS_BY_CONNECT);
	if (new_state == SOCKETS_ESTABLISHED)
		sockets_established(entry, sk);
	if ((new_state == SOCKETS_FIN_WAIT1 || new_state == SOCKETS_LAST_ACK) &&
	    entry->by != SOCKETS_BY_CONNECT && sockets_is_called(sk))
		sockets_user(entry, sk, SOCKETS_BY_CLOSE);
	if (new_state == SOCKETS_CLOSE)
		sockets_close(entry, sk);
	entry->state = new_state;
	return 0;
}

static __always_inline int sockets_state_change(const __u64 *ctx)
{
	struct sock *sk = (struct sock *)ctx[ARG_SOCKET_FIRST];
	__u8 new_state = (__u8)ctx[ARG_STATE_NEW];

	if (new_state == SOCKETS_LISTEN || new_state == SOCKETS_SYN_RECV || !sockets_is_on() ||
	    BPF_CORE_READ(sk, sk_protocol) != SOCKETS_TCP)
		return 0;
	if (!sockets_is_here(sk)) {
		if (new_state == SOCKETS_ESTABLISHED)
			sockets_sum(SOCKETS_FOREIGN);
		return 0;
	}
	return sockets_state_step(sk, (__u8)ctx[ARG_STATE_OLD], new_state);
}

static __always_inline volatile __u64 *sockets_step(__u32 row)
{
	return bpf_map_lookup_elem(&tmp_sock_step, &row);
}

/*
 * A processor does not begin a program that it is in the midst of. Where packets interrupt it while
 * a process connects or closes, the steps of their sockets are those of the second program, which
 * is attached behind the first and leaves all others to it. (The depth is counted, as a daemon
 * before may have the same two attached yet.)
 */
SEC("tp_btf/inet_sock_set_state")
int weir_sock_state(__u64 *ctx)
{
	volatile __u64 *depth = sockets_step(SOCKETS_STEP_DEPTH);

	if (!depth)
		return 0;
	*depth += 1;
	sockets_state_change(ctx);
	*depth -= 1;
	return 0;
}

SEC("tp_btf/inet_sock_set_state")
int weir_sock_state_nested(__u64 *ctx)
{
	const volatile __u64 *depth = sockets_step(SOCKETS_STEP_DEPTH);
	volatile __u64 *nested = sockets_step(SOCKETS_STEP_NESTED);

	if (!depth || !nested || !*depth || !sockets_is_on())
		return 0;
	*nested += 1;
	return sockets_state_change(ctx);
}

SEC("tp_btf/tcp_destroy_sock")
int weir_sock_destroy(__u64 *ctx)
{
	struct sock *sk = (struct sock *)ctx[ARG_SOCKET_FIRST];
	__u64 cookie;
	struct sockets_entry *entry;

	if (!sockets_is_on())
		return 0;
	cookie = sockets_cookie(sk);
	entry = bpf_map_lookup_elem(&st_socks, &cookie);
	if (!entry)
		return 0;
	/* Reset by the other end before it was closed: it went through none of the states above. */
	if (entry->by != SOCKETS_BY_CONNECT && entry->by != SOCKETS_BY_CLOSE &&
	    sockets_is_called(sk))
		sockets_user(entry, sk, SOCKETS_BY_CLOSE);
	if (entry->state != SOCKETS_CLOSE)
		sockets_close(entry, sk);
	sockets_finish(entry, cookie);
	return 0;
}

SEC("tp_btf/tcp_retransmit_synack")
int weir_sock_synack(__u64 *ctx)
{
	struct sock *sk = (struct sock *)ctx[ARG_SOCKET_FIRST];

	if (sockets_is_on() && sockets_is_here(sk))
		sockets_sum(SOCKETS_SYNACKS);
	return 0;
}

/* To a packet that no socket here wants: nothing but the packet says where that is. */
static __always_inline void sockets_reset_for(const struct sk_buff *skb)
{
	if (skb &&
	    (sockets_constants.all_namespaces || kernel_routed_netns(skb) == trace_constants.netns))
		sockets_sum(SOCKETS_RESETS_NO_SOCKET);
}

/* The socket may be none, or no whole one: read as a number, as kernels differ in what they say. */
SEC("tp_btf/tcp_send_reset")
int weir_sock_rst_out(__u64 *ctx)
{
	struct sockets_entry *entry;
	__u64 at = 0, packet = 0, cookie;

	if (!sockets_is_on())
		return 0;
	bpf_probe_read_kernel(&at, sizeof(at), &ctx[ARG_SOCKET_FIRST]);
	bpf_probe_read_kernel(&packet, sizeof(packet), &ctx[ARG_RESET_PACKET]);
	if (!at)
		sockets_reset_for((const struct sk_buff *)packet);
	if (!at || !sockets_is_here((struct sock *)at))
		return 0;
	cookie = sockets_cookie((struct sock *)at);
	entry = bpf_map_lookup_elem(&st_socks, &cookie);
	if (entry)
		__sync_fetch_and_add(&entry->resets_sent, 1);
	else
		sockets_sum(SOCKETS_RESETS_NO_SOCKET);
	return 0;
}

SEC("tp_btf/tcp_receive_reset")
int weir_sock_rst_in(__u64 *ctx)
{
	struct sock *sk = (struct sock *)ctx[ARG_SOCKET_FIRST];
	struct sockets_entry *entry;
	__u64 cookie;

	if (!sockets_is_on())
		return 0;
	cookie = sockets_cookie(sk);
	entry = bpf_map_lookup_elem(&st_socks, &cookie);
	if (entry)
		__sync_fetch_and_add(&entry->resets_received, 1);
	return 0;
}

#include "sockets_udp.bpf.h"

#endif
