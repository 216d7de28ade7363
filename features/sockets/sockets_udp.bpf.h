/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Connected UDP sockets. The kernel has no tracepoint where one is connected or closed; hooks of
 * the topmost cgroup see both, in the process that does it.
 */
#ifndef WEIR_SOCKETS_UDP_BPF_H
#define WEIR_SOCKETS_UDP_BPF_H

#include "sockets_end.bpf.h"

/* What a hook is given is the kernel's socket, of whose members it lets only a few be seen: as a
 * number it can be read at. */
static __always_inline struct sock *sockets_kernel(const void *given)
{
	__u64 at = 0;

	bpf_probe_read_kernel(&at, sizeof(at), &given);
	return (struct sock *)at;
}

/* The port of this end is not chosen yet, and whether there is a way is not known: both are looked
 * at later, and so is the other end of one that is connected once more. */
static __noinline int sockets_udp_connect(struct sock *sk, __u64 cookie)
{
	struct sockets_entry *entry = bpf_map_lookup_elem(&st_socks, &cookie);

	if (entry)
		return 0;
	entry = sockets_begin(sk, cookie, SOCKETS_SIDE_CLIENT);
	if (!entry)
		return 0;
	sockets_process_here(&entry->owner);
	entry->by = SOCKETS_BY_CONNECT;
	entry->local_port = 0;
	return 0;
}

static __always_inline int sockets_udp_called(struct bpf_sock_addr *ctx)
{
	struct sock *sk;

	if (ctx->protocol != SOCKETS_UDP || !ctx->sk || !sockets_is_on())
		return 1;
	sk = sockets_kernel(ctx->sk);
	if (!sockets_is_here(sk))
		return 1;
	sockets_udp_connect(sk, bpf_get_socket_cookie(ctx));
	return 1;
}

SEC("cgroup/connect4")
int weir_sock_udp4(struct bpf_sock_addr *ctx)
{
	return sockets_udp_called(ctx);
}

SEC("cgroup/connect6")
int weir_sock_udp6(struct bpf_sock_addr *ctx)
{
	return sockets_udp_called(ctx);
}

/* Never connected, in vain, or not for as long as until a look: nobody's flow. */
static __noinline int sockets_udp_end(struct sock *sk, __u64 cookie)
{
	struct sockets_entry *entry = bpf_map_lookup_elem(&st_socks, &cookie);
	bool is_connected = BPF_CORE_READ(sk, __sk_common.skc_state) == SOCKETS_ESTABLISHED;

	if (!is_connected && !(entry && (entry->marks & SOCKETS_MARK_SEEN))) {
		if (entry)
			bpf_map_delete_elem(&st_socks, &cookie);
		return 0;
	}
	if (!entry)
		entry = sockets_begin(sk, cookie, SOCKETS_SIDE_CLIENT);
	if (!entry)
		return 0;
	if (entry->by == SOCKETS_BY_NOBODY) {
		sockets_process_here(&entry->owner);
		entry->by = SOCKETS_BY_CLOSE;
	}
	if (is_connected)
		sockets_ends(entry, sk);
	sockets_seen(entry);
	entry->state = SOCKETS_CLOSE;
	return sockets_finish(entry, cookie);
}

SEC("cgroup/sock_release")
int weir_sock_release(struct bpf_sock *ctx)
{
	struct sock *sk;

	if (ctx->protocol != SOCKETS_UDP || !sockets_is_on())
		return 1;
	sk = sockets_kernel(ctx);
	if (!sockets_is_here(sk))
		return 1;
	sockets_udp_end(sk, bpf_get_socket_cookie(ctx));
	return 1;
}

#endif
