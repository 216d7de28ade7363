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

	if (tally && (p->proto != PROTO_TCP || p->tcp_flags & TCP_SYN))
		tally->begun++;
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
	return 0;
}

#endif
