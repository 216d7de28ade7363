/* SPDX-License-Identifier: Apache-2.0 */
/* Flows drawn at random: the packets that belong to them, and the tables that know them. */
#ifndef WEIR_BENCH_FLOWS_H
#define WEIR_BENCH_FLOWS_H

#include "features/conntrack/conntrack_table.h"
#include "tests/bench/bench_state.h"

/* What a run's packets are to the table of flows. */
struct bench_flow_kind {
	const char *name;
	uint8_t proto;
	uint8_t tcp_flags, tcp_offset;	 /* of its packets */
	enum conntrack_table_kind table; /* where their flows are; CONNTRACK_TABLES: nowhere */
	uint32_t marks;			 /* of such a flow, so far */
	const char *policy;		 /* more of weir.yaml */
	uint32_t reason;		 /* how its packets end when connections are tracked */
	int counter;			 /* of ctr_conntrack, one a packet; -1: none */
};

const struct bench_flow_kind *bench_flow_kind_find(const char *name);
/* The packet of a flow of that kind, between ends drawn at random. */
struct bench_tuple bench_flow_draw(const struct bench_flow_kind *kind, bool is_v4);

/* What its other end sends. */
struct bench_tuple bench_tuple_turn(const struct bench_tuple *tuple);

/* The three packets that open a TCP connection. */
enum bench_handshake {
	BENCH_HANDSHAKE_SYN,
	BENCH_HANDSHAKE_ANSWER,
	BENCH_HANDSHAKE_END,
};

/* Of the connection whose SYN was drawn (IPv4). */
struct bench_tuple bench_flow_handshake(const struct bench_tuple *syn, enum bench_handshake step);
struct conntrack_key bench_flow_key(const struct bench_tuple *tuple, bool is_v4,
				    bool *ret_is_second);

/* Weir's tables, of an object or of a daemon, and where they place flows. */
struct bench_tables {
	struct conntrack_table at[CONNTRACK_TABLES];
	uint64_t seed;
};

int bench_tables_open(struct weir_object *object, struct bench_tables *ret_tables);
int bench_tables_open_pinned(const char *pin_dir, struct bench_tables *ret_tables);
/* And what proven flows have carried; -1: nobody counts that. */
int bench_sums_open_pinned(const char *pin_dir, struct bench_tables *tables);
void bench_tables_done(struct bench_tables *tables);
void bench_tables_clear(struct bench_tables *tables);
/* Draws flows of that kind which find room in its table, and writes them there. */
void bench_tables_fill(struct bench_tables *tables, const struct bench_flow_kind *kind, bool is_v4,
		       uint32_t count, struct bench_tuple *ret_tuples);
/* One that is drawn already, and whose backend has that number. False: its table has no room. */
bool bench_flow_add(struct bench_tables *tables, const struct bench_flow_kind *kind, bool is_v4,
		    const struct bench_tuple *tuple, uint16_t backend);
/* From now on flows end evenly over so many seconds, whatever becomes of them. */
void bench_tables_end(struct bench_tables *tables, enum conntrack_table_kind kind,
		      uint32_t seconds);
/* Places that hold a flow which nobody has forgotten yet, past its time or not. */
uint32_t bench_tables_taken(const struct bench_tables *tables, enum conntrack_table_kind kind);
/* How many of the packets' flows are there. */
uint32_t bench_tables_known(const struct bench_tables *tables, enum conntrack_table_kind kind,
			    bool is_v4, const struct bench_tuple *tuples, uint32_t count);

#endif
