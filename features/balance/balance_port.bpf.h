/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Source ports that stand for clients at backends (full NAT). A line is found by what a backend
 * answers to, and by the client: his ports are a row of candidates, and he has the first whose
 * line was free. docs/design/balancer.md
 */
#ifndef WEIR_BALANCE_PORT_BPF_H
#define WEIR_BALANCE_PORT_BPF_H

#include "../../bpf/lib/cursor.h"
#include "../../bpf/lib/scratch.h"
#include "../../bpf/lib/served.h"
#include "balance.h"

/* Lines of st_balance_port. */
const volatile __u32 balance_port_lines = 1;

/*
 * writes: the data path: who finds a line free claims it by its turn
 * reads: the data path
 * full: none of a client's candidates is free: drop_no_port
 */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct balance_port);
} st_balance_port SEC(".maps");

SCRATCH_HOLDS(struct balance_port);

static __always_inline struct balance_port *port_work(void)
{
	return scratch(SCRATCH_PORT);
}

static __always_inline struct balance_port *port_line(const struct balance_port *want)
{
	__u32 row = (__u64)balance_port_hash(want) * balance_port_lines >> 32;

	return bpf_map_lookup_elem(&st_balance_port, &row);
}

static __always_inline bool port_is_of(const struct balance_port *line,
				       const struct balance_port *want)
{
	return !((line->backend.be64[0] ^ want->backend.be64[0]) |
		 (line->backend.be64[1] ^ want->backend.be64[1]) |
		 (line->ends.both ^ want->ends.both));
}

static __always_inline bool port_is_clients(const struct balance_port *line,
					    const struct balance_port *want)
{
	return !((line->client.be64[0] ^ want->client.be64[0]) |
		 (line->client.be64[1] ^ want->client.be64[1]) | (line->cport ^ want->cport));
}

static __always_inline __u32 port_turn(const struct balance_port *line)
{
	return *(const volatile __u32 *)&line->turn;
}

#define PORT_LOOKS 64

/* The turn of a line, once nobody is at it: he needs some tens of nanoseconds. Who is longer at it
 * was interrupted, and his is not waited for. */
static __always_inline __u32 port_settled(const struct balance_port *line)
{
	__u32 turn = port_turn(line);

	LOOP_ROLLED
	for (int i = 0; i < PORT_LOOKS && turn & BALANCE_PORT_WRITTEN; i++)
		turn = port_turn(line);
	__asm__ volatile("" : : : "memory");
	return turn;
}

/* 1: a backend answers to a port that stands for a client, who is in served->client. Half written,
 * it names somebody who has no flow. */
__noinline int balance_port_client(const struct pkt *p, __u32 is_source)
{
	struct served *served = served_work();
	struct balance_port *want = port_work();

	if (!served_constants.hides || !p || !served || !want)
		return 0;
	want->backend = served->backend.addr;
	want->ends.backend = served->backend.port;
	want->ends.port = is_source ? p->sport : p->dport;
	want->ends.proto = p->proto;
	struct balance_port *line = port_line(want);

	if (!line || !port_turn(line) || !port_is_of(line, want))
		return 0;
	served->hidden.port = want->ends.port;
	served->client.addr = line->client;
	served->client.port = line->cport;
	served->is_hidden = true;
	return 1;
}

static __always_inline bool port_is_free(const struct balance_port *line, __u32 now)
{
	__u32 turn = port_turn(line);

	return !turn || (!(turn & BALANCE_PORT_WRITTEN) && (__s32)(line->expires_ticks - now) <= 0);
}

static __always_inline bool port_claim(struct balance_port *line, const struct balance_port *want)
{
	__u32 turn = port_turn(line);

	if (turn & BALANCE_PORT_WRITTEN ||
	    __sync_val_compare_and_swap(&line->turn, turn, turn | BALANCE_PORT_WRITTEN) != turn)
		return false;
	line->client = want->client;
	line->backend = want->backend;
	line->ends.both = want->ends.both;
	line->cport = want->cport;
	line->expires_ticks = want->expires_ticks;
	__sync_val_compare_and_swap(&line->turn, turn | BALANCE_PORT_WRITTEN,
				    (turn + 2) ?: 2); /* 0 is a line that nobody ever had */
	return true;
}

/* As conntrack does: written once a second, or when its time changes much. */
static __always_inline void port_refresh(struct balance_port *line, __u32 expires)
{
	if (expires - line->expires_ticks >= BALANCE_PORT_STEP_TICKS)
		line->expires_ticks = expires;
}

/* A candidate. 1: it is the client's, and noted; 0: it is free, or was; -1: somebody else's. */
__noinline int balance_port_try(__u32 number, __u32 takes)
{
	struct served *served = served_work();
	struct balance_port *want = port_work();

	if (!served || !want)
		return -1;
	want->ends.port = balance_port_candidate(want, number);
	struct balance_port *line = port_line(want);

	if (!line)
		return -1;
	bool is_found = port_settled(line) && port_is_of(line, want) && port_is_clients(line, want);

	if (!is_found && !port_is_free(line, served->now))
		return -1;
	if (!is_found && (!takes || !port_claim(line, want)))
		return 0;
	served->hidden.port = want->ends.port;
	if (want->expires_ticks)
		port_refresh(line, want->expires_ticks);
	return 1;
}

static __always_inline bool port_find(__u32 *ret_free)
{
	LOOP_ROLLED
	for (__u32 i = 0; i < BALANCE_PORT_TRIES; i++) {
		int found = balance_port_try(i, 0);

		if (found > 0)
			return true;
		if (!found && *ret_free == BALANCE_PORT_TRIES)
			*ret_free = i;
	}
	return false;
}

/* From the first free candidate on. Who was quicker at it may be the same client, by a packet on
 * another CPU: it is looked at again before the next one is tried. */
static __always_inline bool port_take(__u32 first)
{
	LOOP_ROLLED
	for (__u32 i = first; i < BALANCE_PORT_TRIES; i++) {
		int found = balance_port_try(i, 1);

		if (!found)
			found = balance_port_try(i, 1);
		if (found > 0)
			return true;
	}
	return false;
}

enum port_use {
	PORT_LOOK, /* whether he has one, and no more */
	PORT_KEEP, /* … which he keeps for as long as his flow: conntrack_note_time() */
	PORT_TAKE, /* … or is given one */
};

/* 1: served->hidden is what stands for the client that sent, or that an error's packet is for.
 * use: enum port_use. */
__noinline int balance_port_of(const struct pkt *p, __u32 use)
{
	struct served *served = served_work();
	struct balance_port *want = port_work();
	__u32 free = BALANCE_PORT_TRIES;

	if (!served_constants.hides || !p || !served || !want)
		return 0;
	bool is_source = served->kind != SERVED_FROM_BACKEND;

	want->client = is_source ? p->src : p->dst;
	want->cport = is_source ? p->sport : p->dport;
	want->backend = served->backend.addr;
	want->ends.backend = served->backend.port;
	want->ends.proto = p->proto;
	want->expires_ticks = use == PORT_LOOK ? 0 : served->expires;
	if (port_find(&free))
		return 1;
	return use == PORT_TAKE && port_take(free);
}

/* An answer keeps the port for as long as its flow. */
__noinline int balance_port_keep(const struct pkt *p)
{
	struct served *served = served_work();
	struct balance_port *want = port_work();

	if (!served_constants.hides || !p || p->probe || !served || !want)
		return 0;
	want->backend = served->backend.addr;
	want->ends.backend = served->backend.port;
	want->ends.port = served->hidden.port;
	want->ends.proto = p->proto;
	struct balance_port *line = port_line(want);

	if (line && port_is_of(line, want))
		port_refresh(line, served->expires);
	return 0;
}

#endif
