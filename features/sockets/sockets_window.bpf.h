/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Windows that are closed: this end's, which nobody empties, and the other end's. Nothing gets past
 * the edge of a closed window, so the number at the edge is that closing's own: whoever looks tells
 * it from the one before, and need not have seen it open in between.
 */
#ifndef WEIR_SOCKETS_WINDOW_BPF_H
#define WEIR_SOCKETS_WINDOW_BPF_H

#include "sockets_read.bpf.h"

struct sockets_window {
	__u32 bytes, edge;
};

struct sockets_windows {
	struct sockets_window mine, other;
};

static __always_inline void sockets_windows_read(struct sockets_windows *windows,
						 const struct tcp_sock *tcp)
{
	windows->mine.edge = BPF_CORE_READ(tcp, rcv_nxt);
	windows->mine.bytes = BPF_CORE_READ(tcp, rcv_wnd);
	windows->other.edge = BPF_CORE_READ(tcp, snd_una);
	windows->other.bytes = BPF_CORE_READ(tcp, snd_wnd);
}

/* Who comes second, on another processor, was about to note the same. */
static __always_inline void sockets_zero_note(__u64 *zero, const struct sockets_window *window)
{
	__u64 was = *zero;
	__u32 times = SOCKETS_ZERO_TIMES(was);

	if (window->bytes || (times && SOCKETS_ZERO_EDGE(was) == window->edge))
		return;
	__sync_val_compare_and_swap(zero, was, SOCKETS_ZERO(times + 1, window->edge));
}

/* Before it is established the other end has offered none, which looks the same. */
static __always_inline void sockets_windows_note(struct sockets_entry *entry,
						 const struct sockets_windows *windows)
{
	if (!entry->was_established)
		return;
	sockets_zero_note(&entry->zero_sent, &windows->mine);
	sockets_zero_note(&entry->zero_received, &windows->other);
}

/* Where the socket is locked. */
static __always_inline void sockets_windows(struct sockets_entry *entry, const struct tcp_sock *tcp)
{
	struct sockets_windows windows;

	sockets_windows_read(&windows, tcp);
	sockets_windows_note(entry, &windows);
}

static __noinline int sockets_window_closed(struct tcp_sock *tcp)
{
	struct sockets_entry *entry;
	__u64 cookie;

	if (!sockets_is_on())
		return 0;
	cookie = sockets_cookie((struct sock *)tcp);
	entry = bpf_map_lookup_elem(&st_socks, &cookie);
	if (entry)
		sockets_windows(entry, tcp);
	return 0;
}

/* For each segment and each piece that is read: no more than two numbers are looked at, without a
 * call that may fail. */
static __always_inline int sockets_windows_look(void *sk)
{
	struct tcp_sock *tcp = bpf_skc_to_tcp_sock(sk);

	if (tcp && (!tcp->rcv_wnd || !tcp->snd_wnd))
		sockets_window_closed(tcp);
	return 0;
}

/* A segment arrives at an established socket, and has changed nothing yet: the windows are those
 * that the one before has left. */
SEC("tp_btf/tcp_probe")
int weir_sock_segment(__u64 *ctx)
{
	return sockets_windows_look((void *)ctx[0]);
}

/* Something was read, and the other end has not been told of the room yet. */
SEC("tp_btf/tcp_rcv_space_adjust")
int weir_sock_read(__u64 *ctx)
{
	return sockets_windows_look((void *)ctx[0]);
}

#endif
