/* SPDX-License-Identifier: Apache-2.0 */
/* Draws flows to services, and says which packets they have. Times nothing. */
#include "tests/bench/served.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

#include "features/balance/balance_state.h"
#include "tests/bench/bench.h"
#include "tests/bench/ruleset.h"

#define SERVICE_PORT 80
#define BACKEND_PORT 8080
#define SERVICES4 0xc6120000u /* 198.18.0.0 */
#define BACKENDS4 0x0ac80000u /* 10.200.0.0 */
#define SERVICES6 0xfd000018u
#define BACKENDS6 0xfd000200u
#define UDP_SUM_MASK 0xffffu

static struct weir_addr addr_at(bool is_v4, uint32_t base4, uint32_t base6, uint32_t index)
{
	struct weir_addr addr = {};

	addr.be32[0] = is_v4 ? 0 : htonl(base6);
	addr.be32[2] = is_v4 ? htonl(0xffff) : 0;
	addr.be32[3] = htonl(is_v4 ? base4 + index : 1 + index);
	return addr;
}

static struct weir_addr service_addr(const struct bench_served *served, uint32_t index)
{
	return addr_at(served->is_v4, SERVICES4, SERVICES6, index);
}

static struct weir_addr backend_addr(const struct bench_served *served, uint32_t index)
{
	return addr_at(served->is_v4, BACKENDS4, BACKENDS6, index);
}

static int numbers_set(struct bench_served *served, uint32_t service)
{
	uint32_t first = service * served->backends;
	struct balance_end *ends = calloc(served->backends, sizeof(*ends));
	int r = ends ? 0 : -1;

	for (uint32_t i = 0; i < served->backends && !r; i++)
		ends[i] = (struct balance_end){ .addr = backend_addr(served, first + i),
						.port = BACKEND_PORT,
						.proto = served->kind->proto };
	if (!r)
		r = balance_numbers(ends, served->backends, NULL, served->numbers + first);
	free(ends);
	return r ? bench_error("numbers of backends") : 0;
}

int bench_served_new(bool is_v4, const struct bench_flow_kind *kind, uint32_t services,
		     uint32_t backends, struct bench_served *ret_served)
{
	struct bench_served served = {
		.is_v4 = is_v4, .kind = kind, .services = services, .backends = backends
	};
	int r = 0;

	served.numbers = calloc((size_t)services * backends + 1, sizeof(*served.numbers));
	if (!served.numbers)
		return bench_error("numbers of backends");
	for (uint32_t i = 0; i < services && !r; i++)
		r = numbers_set(&served, i);
	if (r)
		bench_served_done(&served);
	else
		*ret_served = served;
	return r;
}

void bench_served_done(struct bench_served *served)
{
	free(served->numbers);
	served->numbers = NULL;
}

static const char *addr_text(bool is_v4, const struct weir_addr *addr, char text[INET6_ADDRSTRLEN])
{
	return inet_ntop(is_v4 ? AF_INET : AF_INET6, &addr->be32[is_v4 ? 3 : 0], text,
			 INET6_ADDRSTRLEN);
}

static void backend_print(const struct bench_served *served, uint32_t index, uint32_t without,
			  FILE *out)
{
	const struct weir_addr addr = backend_addr(served, index);
	char text[INET6_ADDRSTRLEN];

	if (index != without)
		fprintf(out, "    - {address: '%s', port: %u}\n",
			addr_text(served->is_v4, &addr, text), BACKEND_PORT);
}

void bench_served_config(const struct bench_served *served, uint32_t without, FILE *out)
{
	char text[INET6_ADDRSTRLEN];

	fputs("balance:\n  services:\n", out);
	for (uint32_t i = 0; i < served->services; i++) {
		struct weir_addr addr = service_addr(served, i);

		fprintf(out,
			"  - name: s%u\n    address: '%s'\n    port: %u\n    proto: %s\n    "
			"backends:\n",
			i, addr_text(served->is_v4, &addr, text), SERVICE_PORT,
			served->kind->proto == CONNTRACK_TCP ? "tcp" : "udp");
		for (uint32_t j = 0; j < served->backends; j++)
			backend_print(served, i * served->backends + j, without, out);
	}
}

struct bench_served_flow bench_served_draw(const struct bench_served *served)
{
	uint32_t service = ruleset_below(served->services);
	struct bench_served_flow flow = {
		.tuple = bench_flow_draw(served->kind, served->is_v4),
		.backend = service * served->backends + ruleset_below(served->backends),
	};

	flow.tuple.dst = service_addr(served, service);
	flow.tuple.dport = htons(SERVICE_PORT);
	return flow;
}

static uint64_t words_sum(const void *bytes, size_t len)
{
	const unsigned char *at = bytes;
	uint64_t sum = 0;

	for (size_t i = 0; i + 1 < len; i += 2)
		sum += (uint64_t)at[i] << 8 | at[i + 1];
	return sum;
}

/* In full, over the frame that the generator makes of a tuple. */
static void udp_sum_set(bool is_v4, struct bench_tuple *tuple)
{
	size_t start = is_v4 ? 34 : 54, bytes = BENCH_TUPLE_FRAME_BYTES - start;
	unsigned char frame[BENCH_TUPLE_FRAME_BYTES], *udp = frame + start;
	uint32_t size = htonl((uint32_t)bytes << 16);

	bench_tuple_frame_make(is_v4, frame);
	memcpy(udp, &tuple->sport, 2);
	memcpy(udp + 2, &tuple->dport, 2);
	memcpy(udp + 4, &size, 4);
	memcpy(udp + 8, &tuple->tcp_ack, 4);
	udp[12] = tuple->tcp_offset;
	udp[13] = tuple->tcp_flags;

	uint64_t sum = words_sum(udp, bytes) + bytes + tuple->proto;

	sum += words_sum(&tuple->src.be32[is_v4 ? 3 : 0], is_v4 ? 4 : 16);
	sum += words_sum(&tuple->dst.be32[is_v4 ? 3 : 0], is_v4 ? 4 : 16);
	while (sum > UDP_SUM_MASK)
		sum = (sum & UDP_SUM_MASK) + (sum >> 16);
	tuple->tcp_seq = size | htonl((uint32_t)(~sum & UDP_SUM_MASK) ?: UDP_SUM_MASK);
}

struct bench_tuple bench_served_leg(const struct bench_served *served,
				    const struct bench_served_flow *flow, enum bench_leg leg)
{
	struct bench_tuple tuple = flow->tuple;

	if (leg == BENCH_TO_BACKEND || leg == BENCH_FROM_BACKEND) {
		tuple.dst = backend_addr(served, flow->backend);
		tuple.dport = htons(BACKEND_PORT);
	}
	if (leg == BENCH_FROM_BACKEND || leg == BENCH_FROM_SERVICE) {
		tuple = bench_tuple_turn(&tuple);
		tuple.tcp_seq = flow->tuple.tcp_ack;
		tuple.tcp_ack = flow->tuple.tcp_seq;
	}
	if (served->kind->proto == CONNTRACK_UDP) {
		tuple.tcp_ack = 0;
		udp_sum_set(served->is_v4, &tuple);
	}
	return tuple;
}

static bool flow_add(const struct bench_served *served, struct bench_tables *tables,
		     unsigned table_count, const struct bench_served_flow *flow)
{
	for (unsigned i = 0; i < table_count; i++)
		if (!bench_flow_add(&tables[i], served->kind, served->is_v4, &flow->tuple,
				    served->numbers[flow->backend]))
			return false;
	return true;
}

void bench_served_fill(const struct bench_served *served, struct bench_tables *tables,
		       unsigned table_count, uint32_t count, struct bench_served_flow *ret_flows)
{
	for (uint32_t i = 0; i < count; i++) {
		do {
			ret_flows[i] = bench_served_draw(served);
		} while (!flow_add(served, tables, table_count, &ret_flows[i]));
	}
}
