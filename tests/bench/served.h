/* SPDX-License-Identifier: Apache-2.0 */
/* Services and backends at addresses in a row, and the packets of flows to them. */
#ifndef WEIR_BENCH_SERVED_H
#define WEIR_BENCH_SERVED_H

#include <stdio.h>

#include "tests/bench/flows.h"

struct bench_served {
	bool is_v4;
	const struct bench_flow_kind *kind;
	uint32_t services;
	uint32_t backends; /* of each */
	uint16_t *numbers; /* of all backends, service by service */
};

/* A packet of a flow on its way: to and fro, on the client's side and on the backend's. */
enum bench_leg {
	BENCH_TO_SERVICE,
	BENCH_TO_BACKEND,
	BENCH_FROM_BACKEND,
	BENCH_FROM_SERVICE,
	BENCH_LEGS,
};

struct bench_served_flow {
	struct bench_tuple tuple; /* to the service */
	uint32_t backend;	  /* of all */
};

int bench_served_new(bool is_v4, const struct bench_flow_kind *kind, uint32_t services,
		     uint32_t backends, struct bench_served *ret_served);
void bench_served_done(struct bench_served *served);
/* The section `balance`, but for one backend of all (UINT32_MAX: with every one). */
void bench_served_config(const struct bench_served *served, uint32_t without, FILE *out);
/* A flow between a client drawn at random and a service and backend drawn evenly. */
struct bench_served_flow bench_served_draw(const struct bench_served *served);
/* A packet of it, with the checksum of UDP that it has there. */
struct bench_tuple bench_served_leg(const struct bench_served *served,
				    const struct bench_served_flow *flow, enum bench_leg leg);
/* Draws flows that find room in each of so many tables, and writes them there with their backends.
 */
void bench_served_fill(const struct bench_served *served, struct bench_tables *tables,
		       unsigned table_count, uint32_t count, struct bench_served_flow *ret_flows);

#endif
