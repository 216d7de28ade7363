/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Services and backends as the policy has them (WEIR_SECTION_BALANCE): a head, then which addresses
 * are met, then a table of cells by hash, then a line a service and a line a backend, then the
 * slots of each service.
 */
#ifndef WEIR_BALANCE_H
#define WEIR_BALANCE_H

#include "../../abi/image.h"
#include "../../abi/served.h"
#include "../../abi/packet.h"

#define BALANCE_CELLS 2	 /* in a line */
#define BALANCE_PROBES 4 /* lines a cell may lie behind its own; the compiler sees to it */

enum balance_kind {
	BALANCE_EMPTY,
	BALANCE_SERVICE,      /* key: its address, port and protocol; row: the service's */
	BALANCE_BACKEND,      /* likewise of a backend; row: the backend's */
	BALANCE_WIDE_SERVICE, /* key: address and protocol; row: the line of its balance_wide */
	BALANCE_WIDE_BACKEND, /* likewise */
	BALANCE_NUMBER,	      /* key: the row of a service, the number of a backend in it */
};

struct balance_cell {
	struct weir_addr addr;
	__be16 port; /* of BALANCE_NUMBER: the number, in host byte order */
	__u8 proto;
	__u8 kind; /* enum balance_kind */
	__u32 row;
	__u64 spare;
};

struct balance_head {
	__u32 lines; /* of cells, a power of two */
	__u32 cells; /* where they begin, in lines of the section; so do the others. Between the
			head and them: bits of addresses (balance_address_bit()), a power of two */
	__u32 services;
	__u32 backends;
	__u32 service_count, backend_count;
	__u32 tallies; /* behind the last row of ctr_backend that the policy names */
	__u32 choices; /* where a line a service says more of how it chooses; 0: none does */
	/* Who tunnels to backends say they are from, by the outer version: IPv4, IPv6; all zero:
	 * the address that the route gives. */
	struct weir_addr source[2];
};

struct balance_service {
	struct weir_addr addr;
	struct weir_addr source; /* what backends see in the clients' place; zeros: the clients */
	__be16 port;
	__u8 proto;
	__u8 forward; /* enum weir_forward */
	__u32 slots;  /* how many; 0: there is nobody to send anything to */
	__u32 slot;   /* the line where they begin, 32 each: numbers of backends */
	/* What of a client says which slot is his: bits of his address, and of his port. */
	__be16 port_mask;
	__u8 takes_turns; /* nothing does: each connection gets the next slot */
	__u8 choice;	  /* enum balance_choice_flags */
	struct weir_addr mask;
};

struct balance_backend {
	struct weir_addr addr;
	__be16 port;  /* where its service has several: the first, or 0 for every one */
	__u16 number; /* in its service, from 1; by what it is, not where it stands */
	__u32 service;
	__u32 tally;   /* its row of ctr_backend, in every policy it is in; 0: it is not counted */
	__u16 shift;   /* from a port of the service to that of the backend, in host byte order */
	__u16 is_down; /* its checks say so, whatever else; not where all are kept who are down */
	__u32 weight;  /* 0: it gets no new connections */
	__u32 spare[7];
};

/*
 * What has more than one port, of an address and a protocol: ranges that do not overlap, by their
 * first port, eight in a line (balance_range), and beside them what has every port. A line is found
 * by the first port of each, and looked through at once, so any number of ranges takes two lines.
 */
#define BALANCE_LEAVES 27
#define BALANCE_RANGES_EACH 8
#define BALANCE_RANGES_MOST (BALANCE_LEAVES * BALANCE_RANGES_EACH)

struct balance_wide {
	__u32 all;  /* 1 + the row of what has every port; 0: nothing has */
	__u32 leaf; /* the line of the first ranges */
	__u16 leaves;
	__u16 firsts[BALANCE_LEAVES]; /* host byte order; unused ones are 0xffff */
};

struct balance_range {
	__u16 first, last; /* host byte order; an unused one has none between */
	__u32 row;
};

enum balance_choice_flags {
	BALANCE_BY_ACTIVE = 1, /* of some candidates the one with the fewest connections */
	BALANCE_REMEMBERS = 2, /* the one that the client had */
	/* Nothing of the choice: its checks go by the tunnel (balance_check.bpf.h). */
	BALANCE_TUNNELS_CHECKS = 4,
	/* Nor this: where there is nobody to choose, clients are told. */
	BALANCE_REFUSES = 8,
};

/* What else says who gets a connection, a line a service. */
struct balance_choice {
	__u64 name;	     /* of the service in st_affinity, in every policy it is in */
	__u32 first, count;  /* rows of its backends */
	__u32 timeout_ticks; /* conntrack's; how long a client is remembered */
	__u32 spare[7];
	struct weir_addr mask; /* what of his address says who he is */
};

/* Of so many backends all are candidates; of more two. */
#define BALANCE_FEW 16
#define BALANCE_DRAWS 8 /* how often slots are drawn until they are of two backends */

#define BALANCE_SLOTS_EACH (WEIR_LINE_BYTES / 2)

/* A source port that stands for a client at a backend (st_balance_port). */
struct balance_port {
	struct weir_addr client, backend;
	union {
		struct {
			__be16 backend, port; /* the backend's, and the one that stands */
			__u8 proto, spare[3];
		};
		__u64 both;
	} ends;
	__be16 cport; /* the client's */
	__u16 spare;
	__u32 turn;	     /* 0: was never used. Grows by 2 with each owner */
	__u32 expires_ticks; /* conntrack's tick, as of its flow: from then on others may have it */
	__u32 spares[3];
};

/* Which backend a client had (st_affinity). */
struct balance_affinity {
	struct weir_addr client; /* cut to its prefix */
	__u64 service;		 /* its name */
	__u32 expires_ticks;	 /* conntrack's tick */
	__u32 word;		 /* the backend's number, 0: there is nobody; and the two below */
};

#define BALANCE_AFFINITY_NUMBER 0xffffu
#define BALANCE_AFFINITY_WRITTEN 0x10000u /* somebody is at it */
#define BALANCE_AFFINITY_TURN 0x20000u	  /* added with each change */
#define BALANCE_AFFINITY_WAYS 8
#define BALANCE_AFFINITY_STEP_TICKS 60 /* 1 s: how late a time may be written */

/* A client lies at one of the places of one set. */
struct balance_affinity_set {
	struct balance_affinity at[BALANCE_AFFINITY_WAYS];
};

#define BALANCE_PORT_WRITTEN 1u /* in `turn`: somebody is at it */
#define BALANCE_PORT_TRIES 8
#define BALANCE_PORT_STEP_TICKS 60 /* 1 s */
/* Below what the host's own sockets get by themselves (net.ipv4.ip_local_port_range). */
#define BALANCE_PORT_FIRST 1024
#define BALANCE_PORT_COUNT 31744

/* ctr_balance: a row each. X(identifier, name, help). */
#define BALANCE_COUNTERS(X)                                                                        \
	X(BALANCE_COUNT_CHOSEN, "chosen", "connections for which a backend was chosen")            \
	X(BALANCE_COUNT_REMEMBERED, "remembered",                                                  \
	  "connections given to the backend that their client had")                                \
	X(BALANCE_COUNT_DISPLACED, "displaced", "clients forgotten before their time, for others") \
	X(BALANCE_COUNT_NO_BACKEND, "no_backend", "packets to a service that has no backend")      \
	X(BALANCE_COUNT_TO_BACKENDS, "to_backends", "packets sent on to backends")                 \
	X(BALANCE_COUNT_TO_CLIENTS, "to_clients", "packets of backends sent on to clients")        \
	X(BALANCE_COUNT_NO_WAY, "no_way",                                                          \
	  "packets dropped: no way leads to their backend, or none that they can take")            \
	X(BALANCE_COUNT_TOO_BIG, "too_big",                                                        \
	  "packets dropped, or answered, that do not fit on the way to their backend")             \
	X(BALANCE_COUNT_EXPIRED, "expired", "packets dropped, or answered, without a hop left")    \
	X(BALANCE_COUNT_CACHE_HIT, "flow_cache_hits",                                              \
	  "packets that XDP sent on as the one before them of their flow")                         \
	X(BALANCE_COUNT_UNSUMMED, "unsummed",                                                      \
	  "packets that XDP left to the kernel, for their checksum was still to be computed")

enum balance_counter {
#define X(identifier, name, help) identifier,
	BALANCE_COUNTERS(X)
#undef X
	BALANCE_COUNTER_COUNT,
};

enum balance_way {
	BALANCE_TO_BACKEND,
	BALANCE_TO_CLIENT,
	BALANCE_WAYS,
};

/* ctr_backend: what is counted of a backend. A cache line, which one CPU alone writes. */
struct balance_tally {
	__u64 packets[BALANCE_WAYS];
	__u64 bytes[BALANCE_WAYS]; /* as they are on the wire, its link header included */
	__u64 begun;		   /* connections, or flows of datagrams, that it was given */
	__u64 answered;		   /* of them, those it answered; TCP: with SYN and ACK */
	__u64 refused;		   /* … and those whose SYN it answered with a reset */
	__u64 spare;
};

/*
 * Each backend has a tally of user space, which holds what is brought over when the map grows, and
 * behind it one for each CPU. The row of nobody has in its first word which map this is.
 */
#define BALANCE_TALLIES_LEAST 256

/*
 * ctr_active: how many connections a backend has now, by its row as in ctr_backend. `base` is what
 * user space has found that packets did not show.
 */
struct balance_active {
	__u64 begun, ended; /* as packets show it; only grow */
	__s64 base;
	__u64 owner;	/* user space's: whose row it is; of the row of nobody: which map */
	__u64 spare[4]; /* a cache line: two backends are on two CPUs at once */
};

static inline __u64 balance_active_count(const struct balance_active *active)
{
	__s64 count = active->base + (__s64)(active->begun - active->ended);

	return (__u64)(count & ~(count >> 63));
}

/*
 * ctr_handshake: how long a backend takes to answer a SYN, as seen here. Bucket n: up to 2^n times
 * 32,768 ns; the last one: all that is longer. Written by any CPU, a connection once.
 */
#define BALANCE_LATENCIES 14
#define BALANCE_LATENCY_SHIFT 15

struct balance_latency {
	__u64 counts[BALANCE_LATENCIES];
	__u64 sum_ns;
	__u64 spare;
};

/* set_syn_time: when a SYN was sent on, by its ends. Another at the same place takes it, and the
 * handshake of the first is not measured. */
#define BALANCE_STAMPS 16384

struct balance_stamp {
	__u64 hash; /* 0: there is none */
	__u64 time_ns;
};

/* set_check: a socket of a health check that goes the way of its service's packets. */
struct balance_check_key {
	__be16 port; /* the socket's own */
	__u8 proto;
	__u8 is_v4;
};

struct balance_check {
	struct weir_addr service, backend;
	struct weir_addr source; /* of the outer header; zeros: the packet's */
	struct weir_addr own;	 /* the socket's; zeros until a packet of it has left */
	__be16 port;		 /* that is asked, of both */
	__u8 forward;		 /* enum weir_forward */
	__u8 seen;		 /* a packet has gone that way */
	__u32 spare;
};

/* Rodata `tally_constants`. */
struct balance_tally_constants {
	__u32 each;   /* tallies of a backend */
	__u32 stamps; /* rows of set_syn_time, a power of two */
};

static inline __u64 balance_mix(__u64 hash, __u64 word)
{
	hash = (hash ^ word) * 0x9e3779b97f4a7c15ULL;
	return hash ^ (hash >> 32);
}

/* Where a cell lies, before it is cut to the table. */
static inline __u32 balance_hash(const struct weir_addr *addr, __u16 port, __u32 proto, __u32 kind)
{
	__u64 hash = balance_mix(0x62616c616e6365ULL, addr->be64[0]);

	hash = balance_mix(hash, addr->be64[1]);
	hash = balance_mix(hash, (__u64)port << 32 | proto << 8 | kind);
	return hash >> 32;
}

/*
 * What has no ports can be asked by its address alone whether it is about a service: a bit for each
 * service's and each backend's that is translated to, 16 bits an address at the least. One in
 * sixteen others has a bit that is set.
 */
#define BALANCE_ADDRESSES_EACH 32 /* in a line */
#define BALANCE_ADDRESS_BITS (8 * WEIR_LINE_BYTES)

/* Which bit, before it is cut to the lines there are. */
static inline __u32 balance_address_bit(const struct weir_addr *addr, __u32 kind)
{
	return balance_hash(addr, 0, 0, kind);
}

/* By which slot of its service a connection goes: the same on every node. */
static inline __u32 balance_slot_of(__u64 high, __u64 low, __be16 sport, __u32 slots)
{
	__u64 hash = balance_mix(0x6d61676c6576ULL, high);

	hash = balance_mix(hash, low);
	hash = balance_mix(hash, sport);
	hash *= 0xd6e8feb86659fd93ULL;
	return (hash >> 32) * slots >> 32;
}

static inline __u32 balance_slot(const struct weir_addr *src, __be16 sport, __u32 slots)
{
	return balance_slot_of(src->be64[0], src->be64[1], sport, slots);
}

/* The set of a client, before it is cut to the table. */
static inline __u32 balance_affinity_hash(const struct balance_affinity *of)
{
	__u64 hash = balance_mix(0x616666696e697479ULL, of->client.be64[0]);

	hash = balance_mix(hash, of->client.be64[1]);
	return balance_mix(hash, of->service) >> 32;
}

/* What was mixed in last moves the upper half by the same step for each that it grows: the 31,744
 * ports of a backend would lie on 9,000 lines. So it is turned once more. */
static inline __u32 balance_port_spread(__u64 hash)
{
	return (hash * 0xd6e8feb86659fd93ULL) >> 32;
}

/* Where the line lies that a backend's answer is looked up in. */
static inline __u32 balance_port_hash(const struct balance_port *port)
{
	__u64 hash = balance_mix(0x706f727473ULL, port->backend.be64[0]);

	hash = balance_mix(hash, port->backend.be64[1]);
	return balance_port_spread(balance_mix(hash, port->ends.both));
}

/* A client's n-th candidate at a backend: whose first is another's too has others behind it. */
static inline __be16 balance_port_candidate(const struct balance_port *port, __u32 number)
{
	__u64 hash = balance_mix(0x68696464656eULL, port->client.be64[0]);

	hash = balance_mix(hash, port->client.be64[1]);
	hash = balance_mix(hash, port->backend.be64[0]);
	hash = balance_mix(hash, port->backend.be64[1]);
	hash = balance_mix(hash,
			   (__u64)port->cport << 32 | port->ends.backend << 8 | port->ends.proto);
	__u64 spread = balance_port_spread(balance_mix(hash + number * 0x9e3779b97f4a7c15ULL, 0));

	return __builtin_bswap16(BALANCE_PORT_FIRST + (spread * BALANCE_PORT_COUNT >> 32));
}

_Static_assert(sizeof(struct balance_affinity) * 2 == WEIR_LINE_BYTES, "two a line");
_Static_assert(sizeof(struct balance_active) == WEIR_LINE_BYTES, "a cache line");
_Static_assert(sizeof(struct balance_choice) == WEIR_LINE_BYTES, "a line a service");
_Static_assert(sizeof(struct balance_wide) == WEIR_LINE_BYTES, "a line");
_Static_assert(sizeof(struct balance_range) * BALANCE_RANGES_EACH == WEIR_LINE_BYTES,
	       "eight a line");
_Static_assert(sizeof(struct balance_port) == WEIR_LINE_BYTES, "a line a port");
_Static_assert(sizeof(struct balance_latency) == 2 * WEIR_LINE_BYTES, "two cache lines");
_Static_assert(sizeof(struct balance_tally) == WEIR_LINE_BYTES, "a cache line");
_Static_assert(sizeof(struct balance_cell) * BALANCE_CELLS == WEIR_LINE_BYTES, "two cells a line");
_Static_assert(sizeof(struct balance_head) == WEIR_LINE_BYTES, "a line");
_Static_assert(sizeof(struct balance_service) == WEIR_LINE_BYTES, "a line a service");
_Static_assert(sizeof(struct balance_backend) == WEIR_LINE_BYTES, "a line a backend");

#endif
