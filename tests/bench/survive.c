/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is left of established flows, and of handshakes, after a flood of SYNs from random sources;
 * beside a plain LRU hash of five-tuples of the same size, which keeps whatever comes.
 */
#include <bpf/bpf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "tests/bench/flows.h"
#include "tests/bench/policy.h"
#include "tests/bench/timing.h"

#define LEGITIMATE 10000 /* flows, a tenth of what the tables hold */
#define STREAM 101	 /* packets: 100 of the flood and one of a flow */
#define PASSES 2	 /* of the stream: packets of each flow in the flood */
#define HANDSHAKES 1000
#define FLOOD_BEFORE 300000 /* fills the half-open table several times over */

_Static_assert(LEGITIMATE * 10 == BENCH_LRU_FLOWS, "both tables are ten times the flows");
_Static_assert(LEGITIMATE *STREAM <= BENCH_TUPLES_MAX, "the stream is sent once");

struct survive {
	struct bench_policy policy;
	struct bench_programs programs;
	struct bench_timing timing;
	struct bench_tables tables;
	int weir, lru, empty;
	struct bench_tuple flows[LEGITIMATE];
};

static struct bench_tuple attack(void)
{
	return bench_flow_draw(bench_flow_kind_find("new-tcp"), true);
}

/* The first `count` of the tuples. */
static int packets_send(struct survive *survive, int program, uint32_t count)
{
	uint32_t verdict;

	survive->programs.state->next = 0;
	return bench_timing_choose(&survive->timing, program) ||
			       bench_timing_run(&survive->timing, count, &verdict) ?
		       -1 :
		       0;
}

static int survive_open(struct survive *survive, const char *options)
{
	char text[200];

	snprintf(text, sizeof(text), "memory: 1GiB\nconntrack: {enabled: true, capacity: %u%s}\n",
		 BENCH_LRU_FLOWS, options);
	if (bench_policy_parse(text, strlen(text), &survive->policy) ||
	    bench_tables_open(survive->policy.object, &survive->tables) ||
	    bench_programs_load(NULL, &survive->programs))
		return -1;
	survive->programs.state->tuple_mask = BENCH_TUPLES_MAX - 1;
	survive->weir = weir_object_program_fd(survive->policy.object, WEIR_PROGRAM_XDP);
	survive->lru = bench_program(&survive->programs, "lru4");
	survive->empty = bench_program(&survive->programs, "empty");
	bench_timing_tuples(&survive->timing, &survive->programs, true);
	return 0;
}

static void survive_close(struct survive *survive)
{
	bench_tables_done(&survive->tables);
	bench_programs_done(&survive->programs);
	bench_policy_done(&survive->policy);
}

/* Flows that are there since they sent so many packets: one that was forgotten has begun anew. */
static uint32_t lru_known(const struct survive *survive, uint64_t sent)
{
	int fd = bench_map(&survive->programs, "lru");
	uint32_t known = 0;

	for (uint32_t i = 0; i < LEGITIMATE; i++) {
		const struct bench_tuple *tuple = &survive->flows[i];
		struct bench_lru_key key = { tuple->src, tuple->dst, tuple->sport, tuple->dport,
					     tuple->proto };
		uint64_t packets;

		known += bpf_map_lookup_elem(fd, &key, &packets) == 0 && packets == sent;
	}
	return known;
}

static int rewind_tuples(void *arg, unsigned contender, unsigned round)
{
	struct survive *survive = arg;

	(void)contender, (void)round;
	survive->programs.state->next = 0;
	return 0;
}

static int flows_print(struct survive *survive)
{
	struct bench_tuple *tuples = survive->programs.tuples;
	const struct bench_contender contenders[] = {
		{ "empty", survive->empty, LEGITIMATE * STREAM },
		{ "weir", survive->weir, LEGITIMATE * STREAM },
		{ "lru", survive->lru, LEGITIMATE * STREAM },
	};

	bench_tables_fill(&survive->tables, bench_flow_kind_find("tcp"), true, LEGITIMATE,
			  survive->flows);
	memcpy(tuples, survive->flows, sizeof(survive->flows));
	if (packets_send(survive, survive->weir, LEGITIMATE) ||
	    packets_send(survive, survive->lru, LEGITIMATE))
		return -1;
	printf("{\"flows\":%d,\"lru_before\":%u,", LEGITIMATE, lru_known(survive, 1));
	for (uint32_t i = 0; i < BENCH_TUPLES_MAX; i++)
		tuples[i] = i % STREAM == 0 ? survive->flows[i / STREAM % LEGITIMATE] : attack();
	if (bench_timing_rounds(&survive->timing, contenders, WEIR_ARRAY_SIZE(contenders), PASSES,
				rewind_tuples, survive))
		return -1;
	printf(",\"weir_known\":%u,\"lru_known\":%u,",
	       bench_tables_known(&survive->tables, CONNTRACK_TABLE_PROVEN, true, survive->flows,
				  LEGITIMATE),
	       lru_known(survive, 1 + PASSES));
	return 0;
}

static int handshakes_send(struct survive *survive, enum bench_handshake step)
{
	for (uint32_t i = 0; i < HANDSHAKES; i++)
		survive->programs.tuples[i] = bench_flow_handshake(&survive->flows[i], step);
	return packets_send(survive, survive->weir, HANDSHAKES);
}

static int flood_send(struct survive *survive, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++)
		survive->programs.tuples[i] = attack();
	return packets_send(survive, survive->weir, count);
}

/* SYN and answer, then so many packets of the flood, then what would complete the handshake. */
static int handshakes_print(struct survive *survive, uint32_t between)
{
	for (uint32_t i = 0; i < HANDSHAKES; i++)
		survive->flows[i] = attack();
	bench_tables_clear(&survive->tables);
	if (flood_send(survive, FLOOD_BEFORE) || handshakes_send(survive, BENCH_HANDSHAKE_SYN) ||
	    handshakes_send(survive, BENCH_HANDSHAKE_ANSWER) || flood_send(survive, between) ||
	    handshakes_send(survive, BENCH_HANDSHAKE_END))
		return -1;
	printf("\"%u\":%u", between,
	       bench_tables_known(&survive->tables, CONNTRACK_TABLE_PROVEN, true, survive->flows,
				  HANDSHAKES));
	return 0;
}

static int survive_run(struct survive *survive)
{
	static const uint32_t between[] = { 0, 1000, 10000, 100000 };

	if (bench_pin() || survive_open(survive, "") || flows_print(survive))
		return -1;
	survive_close(survive);
	if (survive_open(survive, ", half-open: 65536, pick-up: false"))
		return -1;
	printf("\"handshakes\":%d,\"completed\":{", HANDSHAKES);
	for (size_t i = 0; i < WEIR_ARRAY_SIZE(between); i++) {
		if (i)
			putchar(',');
		if (handshakes_print(survive, between[i]))
			return -1;
	}
	puts("}}");
	return 0;
}

/* survive: prints a JSON object. */
int bench_survive(int argc, char **argv)
{
	_cleanup_free_ struct survive *survive = calloc(1, sizeof(*survive));

	(void)argv;
	if (argc || !survive) {
		fputs("usage: weir-bench survive\n", stderr);
		return 2;
	}
	int r = survive_run(survive);

	survive_close(survive);
	return r ? 1 : 0;
}
