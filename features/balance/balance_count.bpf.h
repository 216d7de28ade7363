/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * What is counted of each backend. Global functions that call nothing: they stand beside the deep
 * ways through the program and not in them, since a packet's functions have 512 bytes of stack.
 */
#ifndef WEIR_BALANCE_COUNT_BPF_H
#define WEIR_BALANCE_COUNT_BPF_H

#include "../../bpf/lib/served.h"
#include "balance.h"

const volatile struct balance_tally_constants tally_constants = { .each = 1, .stamps = 1 };

/*
 * A plain array and not a per-CPU one, so that user space reads it without a system call a row.
 *
 * writes: the data path, each CPU its own tally; balance_count_book.c the first of each backend
 * reads: features/balance/balance_count.c
 * full: cannot be: it is made as large as the policy asks for; what lies behind it is not counted
 */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__uint(map_flags, BPF_F_MMAPABLE);
	__type(key, __u32);
	__type(value, struct balance_tally);
} ctr_backend SEC(".maps");

/*
 * writes: the data path; balance_count_book.c what is brought over
 * reads: features/balance/balance_count.c
 * full: with ctr_backend
 */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__uint(map_flags, BPF_F_MMAPABLE);
	__type(key, __u32);
	__type(value, struct balance_latency);
} ctr_handshake SEC(".maps");

/*
 * writes: the data path, at the SYN of a connection
 * reads: the data path, at its SYN and ACK
 * full: cannot be: the later SYN takes the place, and the handshake of the other is not measured
 */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct balance_stamp);
} set_syn_time SEC(".maps");

/* Not 0. Of both ends, the client's first. */
static __always_inline __u64 handshake_of(const struct served_end *client,
					  const struct served_end *service)
{
	__u64 hash = balance_mix(client->port, client->addr.be64[0]);

	hash = balance_mix(hash, client->addr.be64[1]);
	hash = balance_mix(hash, service->addr.be64[0]);
	hash = balance_mix(hash, service->addr.be64[1]);
	return balance_mix(hash, service->port) | 1ULL << 63;
}

static __always_inline struct balance_stamp *stamp_of(__u64 hash)
{
	__u32 row = hash & (tally_constants.stamps - 1);

	return bpf_map_lookup_elem(&set_syn_time, &row);
}

/* Two SYNs that race for a place may leave one's name and the other's time, which are nanoseconds
 * apart then. */
static __always_inline void syn_note(const struct pkt *p)
{
	struct served_end client = { .addr = p->src, .port = p->sport };
	struct served_end service = { .addr = p->dst, .port = p->dport };
	__u64 hash = handshake_of(&client, &service);
	struct balance_stamp *stamp = stamp_of(hash);

	if (!stamp)
		return;
	stamp->time_ns = bpf_ktime_get_ns();
	stamp->hash = hash;
}

/* Bits, not comparisons, each of which would be a path for the verifier. */
static __always_inline __u32 latency_bucket(__u64 ns)
{
	__u64 steps = (ns - 1) >> BALANCE_LATENCY_SHIFT;
	__u32 bucket = 0;

	steps = ns ? steps : 0;
	steps |= steps >> 1;
	steps |= steps >> 2;
	steps |= steps >> 4;
	steps |= steps >> 8;
	steps &= (1ULL << (BALANCE_LATENCIES - 1)) - 1;
	for (int i = 0; i < BALANCE_LATENCIES - 1; i++)
		bucket += steps >> i & 1;
	return bucket;
}

static __always_inline void shaken_note(const struct pkt *p, const struct served *served)
{
	bool is_turned = p->turned == PKT_TURNED;
	struct served_end client = {
		.addr = is_turned ? p->src : p->dst,
		.port = is_turned ? p->sport : p->dport,
	};
	__u64 hash = handshake_of(&client, &served->service);
	struct balance_stamp *stamp = stamp_of(hash);
	__u32 row = served->tally;
	struct balance_latency *latency = bpf_map_lookup_elem(&ctr_handshake, &row);

	if (!stamp || !latency || stamp->hash != hash)
		return;
	__u64 ns = bpf_ktime_get_ns() - stamp->time_ns;
	__u32 bucket = latency_bucket(ns);

	stamp->hash = 0;
	if (bucket < BALANCE_LATENCIES)
		__sync_fetch_and_add(&latency->counts[bucket], 1);
	__sync_fetch_and_add(&latency->sum_ns, ns);
}

/* This CPU's, of the backend that the packet belongs to; NULL: it is not to be counted. */
static __always_inline struct balance_tally *tally_of(const struct pkt *p,
						      const struct served *served)
{
	__u32 row = served->tally * tally_constants.each + 1 + bpf_get_smp_processor_id();

	return served->tally && !p->probe ? bpf_map_lookup_elem(&ctr_backend, &row) : NULL;
}

/* As its bytes are translated, which every packet that is sent on meets once. */
__noinline int balance_tally_packet(const struct pkt *p, __u32 way)
{
	const struct served *served = served_work();
	struct balance_tally *tally = p && served ? tally_of(p, served) : NULL;

	if (!tally)
		return 0;
	if (way == BALANCE_TO_BACKEND) {
		tally->packets[BALANCE_TO_BACKEND]++;
		tally->bytes[BALANCE_TO_BACKEND] += p->len;
	} else {
		tally->packets[BALANCE_TO_CLIENT]++;
		tally->bytes[BALANCE_TO_CLIENT] += p->len;
	}
	return 0;
}

/* Of a connection that goes on here, its beginning unseen, nobody knows what it had before. */
__noinline int balance_tally_begun(const struct pkt *p)
{
	const struct served *served = served_work();
	struct balance_tally *tally = p && served ? tally_of(p, served) : NULL;

	if (!tally || (p->proto == PROTO_TCP && !(p->tcp_flags & TCP_SYN)))
		return 0;
	tally->begun++;
	if (p->proto == PROTO_TCP)
		syn_note(p);
	return 0;
}

/* The first packet of a backend in a flow. Of TCP a SYN or a reset: anything else is an answer to
 * what it believes to be another connection, and another follows. */
__noinline int balance_tally_answer(const struct pkt *p)
{
	const struct served *served = served_work();
	struct balance_tally *tally = p && served ? tally_of(p, served) : NULL;

	if (!tally)
		return 0;
	__u32 flags = p->turned ? p->own_flags : p->tcp_flags;

	if (p->proto != PROTO_TCP || flags & TCP_SYN)
		tally->answered++;
	else if (flags & TCP_RST)
		tally->refused++;
	if (p->proto == PROTO_TCP && flags & TCP_SYN)
		shaken_note(p, served);
	return 0;
}

#endif
