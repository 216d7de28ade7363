/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* The beginning and the end of an entry. */
#ifndef WEIR_SOCKETS_END_BPF_H
#define WEIR_SOCKETS_END_BPF_H

#include "sockets_window.bpf.h"

/* Once each, whoever comes first: a look at all sockets and the end of one may meet. */
static __always_inline void sockets_seen(struct sockets_entry *entry)
{
	if (!(__sync_fetch_and_or(&entry->marks, SOCKETS_MARK_SEEN) & SOCKETS_MARK_SEEN))
		sockets_sum(SOCKETS_SEEN);
}

/* In the map before it is filled in: it is too large for the stack of who calls this. */
static __noinline struct sockets_entry *sockets_begin(struct sock *sk, __u64 cookie, __u8 side)
{
	static const struct sockets_entry empty;
	struct sockets_entry *entry;

	if (bpf_map_update_elem(&st_socks, &cookie, &empty, BPF_NOEXIST)) {
		sockets_sum(SOCKETS_CROWDED);
		return NULL;
	}
	entry = bpf_map_lookup_elem(&st_socks, &cookie);
	if (!entry)
		return NULL;
	entry->cookie = cookie;
	/* Behind the cookie: who looks at all sockets leaves alone what has no place yet. */
	*(volatile __u64 *)&entry->at = (__u64)sk;
	entry->begun_ns = bpf_ktime_get_ns();
	entry->proto = (__u8)BPF_CORE_READ(sk, sk_protocol);
	entry->side = side;
	entry->netns = sockets_netns(sk);
	sockets_ends(entry, sk);
	if (entry->proto == SOCKETS_TCP)
		sockets_seen(entry);
	return entry;
}

/* What it had before it was watched is in no total. */
static __always_inline void sockets_was_there(struct sockets_entry *entry, const struct sock *sk)
{
	entry->is_adopted = entry->was_established = 1;
	if (entry->proto == SOCKETS_TCP)
		sockets_numbers(&entry->before, (const struct tcp_sock *)sk);
}

/* The last moment at which its numbers are its own: afterwards it may be used again. */
static __always_inline void sockets_close(struct sockets_entry *entry, const struct sock *sk)
{
	if (entry->proto == SOCKETS_TCP) {
		sockets_numbers(&entry->numbers, (const struct tcp_sock *)sk);
		sockets_windows(entry, (const struct tcp_sock *)sk);
	}
	if (!entry->local_port)
		sockets_ends(entry, sk);
}

static __always_inline const struct sockets_process *sockets_last_owner(
	const struct sockets_entry *entry)
{
	if (entry->by == SOCKETS_BY_CLOSE || entry->holder_walk <= entry->owner_walk)
		return &entry->owner;
	return &entry->holder;
}

static __always_inline void sockets_add(struct sockets_total *total,
					const struct sockets_entry *entry)
{
	const struct sockets_numbers *now = &entry->numbers, *before = &entry->before;

	__sync_fetch_and_add(&total->sockets, 1);
	if (entry->side == SOCKETS_SIDE_CLIENT && entry->proto == SOCKETS_TCP &&
	    !entry->was_established)
		__sync_fetch_and_add(&total->failed, 1);
	__sync_fetch_and_add(&total->bytes_sent, now->bytes_sent - before->bytes_sent);
	__sync_fetch_and_add(&total->bytes_acked, now->bytes_acked - before->bytes_acked);
	__sync_fetch_and_add(&total->bytes_received, now->bytes_received - before->bytes_received);
	__sync_fetch_and_add(&total->bytes_retransmitted,
			     now->bytes_retransmitted - before->bytes_retransmitted);
	__sync_fetch_and_add(&total->retransmits, now->retransmits - before->retransmits);
	__sync_fetch_and_add(&total->out_of_order, now->out_of_order - before->out_of_order);
	__sync_fetch_and_add(&total->resets_sent, entry->resets_sent);
	__sync_fetch_and_add(&total->resets_received, entry->resets_received);
	__sync_fetch_and_add(&total->zero_windows_sent, SOCKETS_ZERO_TIMES(entry->zero_sent));
	__sync_fetch_and_add(&total->zero_windows_received,
			     SOCKETS_ZERO_TIMES(entry->zero_received));
}

static __always_inline struct sockets_total *sockets_total_rest(void)
{
	static const struct sockets_total_key rest;

	return bpf_map_lookup_elem(&st_sock_total, &rest);
}

static __always_inline struct sockets_total *sockets_total_own(const struct sockets_total_key *key)
{
	static const struct sockets_total empty;
	struct sockets_total *total;

	if (bpf_map_lookup_elem(&set_sock_leave, key))
		return NULL;
	total = bpf_map_lookup_elem(&st_sock_total, key);
	if (total)
		return total;
	bpf_map_update_elem(&st_sock_total, key, &empty, BPF_NOEXIST);
	return bpf_map_lookup_elem(&st_sock_total, key);
}

static __noinline int sockets_total_up(struct sockets_entry *entry,
				       const struct sockets_total_key *key)
{
	struct sockets_total *total = sockets_total_own(key);

	if (!total) {
		entry->marks |= SOCKETS_MARK_UNSUMMED;
		sockets_sum(SOCKETS_UNSUMMED);
		total = sockets_total_rest();
	}
	if (total)
		sockets_add(total, entry);
	return 0;
}

static __always_inline void sockets_keep_ended(const struct sockets_entry *entry)
{
	__u32 zero = 0, place;
	__u64 *turn = bpf_map_lookup_elem(&st_sock_turn, &zero);
	struct sockets_entry *ended;

	if (!turn)
		return;
	place = __sync_fetch_and_add(turn, 1) & (SOCKETS_ENDED_MAX - 1);
	ended = bpf_map_lookup_elem(&st_sock_ended, &place);
	if (ended)
		__builtin_memcpy(ended, entry, sizeof(*ended));
}

static __noinline int sockets_finish(struct sockets_entry *entry, __u64 cookie)
{
	struct sockets_total_key key = {};

	if (!entry)
		return 0;
	const struct sockets_process *owner = sockets_last_owner(entry);

	key.cgroup = owner->cgroup;
	key.uid = owner->uid;
	key.proto = entry->proto;
	__builtin_memcpy(key.comm, owner->comm, sizeof(key.comm));
	entry->ended_ns = bpf_ktime_get_ns();
	sockets_total_up(entry, &key);
	sockets_keep_ended(entry);
	sockets_sum(SOCKETS_ENDED);
	bpf_map_delete_elem(&st_socks, &cookie);
	return 0;
}

#endif
