/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Connection tracking by prog-run: the same program and policy with it and without, behind the same
 * packets. Flows are written into the tables, so that no packet but those that count is sent.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "abi/maps.h"
#include "abi/reason.h"
#include "base/cleanup.h"
#include "tests/bench/flows.h"
#include "tests/bench/policy.h"
#include "tests/bench/ruleset.h"
#include "tests/bench/timing.h"

#define CAPACITY_LEAST 100000
#define HALF_OPEN 65536
/* As many half-open flows as find room, but for a few: they have one set each. */
#define PROVEN_A_ROUND 20000

enum contender {
	CONTENDER_EMPTY,
	CONTENDER_OFF,
	CONTENDER_ON,
	CONTENDERS,
};

struct track {
	bool is_v4;
	const struct bench_flow_kind *kind;
	uint32_t count; /* flows that are there */
	uint32_t packets;
	unsigned rounds;
	struct bench_policy off, on;
	struct bench_programs programs;
	struct bench_timing timing;
	struct bench_tables tables;
	struct bench_contender contenders[CONTENDERS];
};

static uint32_t capacity_of(const struct track *track)
{
	return track->count > CAPACITY_LEAST ? track->count : CAPACITY_LEAST;
}

static int policy_load(const struct track *track, const char *options,
		       struct bench_policy *ret_policy)
{
	char text[512];

	snprintf(text, sizeof(text),
		 "memory: 1GiB\nconntrack: {%s, capacity: %u, half-open: %u}\n%s", options,
		 capacity_of(track), HALF_OPEN, track->kind->policy);
	return bench_policy_parse(text, strlen(text), ret_policy);
}

static bool is_hit(const struct track *track)
{
	return track->kind->table == CONNTRACK_TABLE_PROVEN;
}

/* Packets of flows that are there, drawn evenly; or each of a flow of its own. */
static void packets_draw(struct track *track, const struct bench_tuple *flows)
{
	struct bench_tuple *tuples = track->programs.tuples;

	for (uint32_t i = 0; i < BENCH_TUPLES_MAX; i++)
		tuples[i] = is_hit(track) ? flows[ruleset_below(track->count)] :
					    bench_flow_draw(track->kind, track->is_v4);
	track->programs.state->tuple_mask = BENCH_TUPLES_MAX - 1;
}

/* Half-open flows of which each packet is the one that proves them. */
static void half_fill(struct track *track)
{
	bench_tables_clear(&track->tables);
	bench_tables_fill(&track->tables, track->kind, track->is_v4, track->packets,
			  track->programs.tuples);
	track->programs.state->next = 0;
}

static int packets_ready(void *arg, unsigned contender, unsigned round)
{
	struct track *track = arg;

	track->programs.state->next = round * track->packets;
	if (track->kind->table == CONNTRACK_TABLE_HALF && contender == CONTENDER_ON)
		half_fill(track);
	return 0;
}

static uint64_t reason_count(const struct track *track)
{
	uint64_t sums[2] = {};

	weir_map_sum(weir_object_map(track->on.object, "ctr_reason"),
		     WEIR_REASON_ROW(0, WEIR_INGRESS, track->kind->reason), 1, 2, sums);
	return sums[0];
}

static uint64_t counter_count(const struct track *track)
{
	uint64_t sums[CONNTRACK_COUNTER_COUNT] = {};
	int counter = track->kind->counter;

	weir_map_sum(weir_object_map(track->on.object, "ctr_conntrack"), 0, CONNTRACK_COUNTER_COUNT,
		     1, sums);
	return counter < 0 ? sums[CONNTRACK_COUNT_NEW] + sums[CONNTRACK_COUNT_PROVEN] :
			     sums[counter];
}

/* A figure counts only if each packet was what its name says. */
static int answers_check(const struct track *track, uint64_t packets)
{
	uint64_t ended = reason_count(track), counted = counter_count(track);

	if (ended == packets && counted == (track->kind->counter < 0 ? 0 : packets))
		return 0;
	fprintf(stderr, "weir-bench: %s: of %llu packets %llu ended as they should, %llu counted\n",
		track->kind->name, (unsigned long long)packets, (unsigned long long)ended,
		(unsigned long long)counted);
	return -1;
}

/* The first packet of a flow has it judged by the policy; only those after it are hits. */
static int flows_warm(struct track *track, const struct bench_tuple *flows)
{
	uint32_t verdict;

	memcpy(track->programs.tuples, flows, track->count * sizeof(*flows));
	track->programs.state->tuple_mask = BENCH_TUPLES_MAX - 1;
	track->programs.state->next = 0;
	if (bench_timing_choose(&track->timing, track->contenders[CONTENDER_ON].program) ||
	    bench_timing_run(&track->timing, track->count, &verdict))
		return -1;
	for (uint32_t row = 0; row < CONNTRACK_COUNTER_COUNT; row++)
		weir_map_zero(weir_object_map(track->on.object, "ctr_conntrack"), row);
	return weir_map_zero(weir_object_map(track->on.object, "ctr_reason"),
			     WEIR_REASON_ROW(0, WEIR_INGRESS, WEIR_PASS_ESTABLISHED));
}

static int flows_prepare(struct track *track)
{
	const struct bench_flow_kind *filled =
		is_hit(track) ? track->kind : bench_flow_kind_find("udp");
	_cleanup_free_ struct bench_tuple *flows = calloc(track->count + 1, sizeof(*flows));

	if (!flows)
		return bench_error("flows");
	bench_tables_fill(&track->tables, filled, track->is_v4, track->count, flows);
	if (is_hit(track) && flows_warm(track, flows))
		return -1;
	packets_draw(track, flows);
	return 0;
}

static int track_prepare(struct track *track, const char *options)
{
	if (bench_pin() || policy_load(track, "enabled: false", &track->off) ||
	    policy_load(track, options, &track->on) ||
	    bench_tables_open(track->on.object, &track->tables) ||
	    bench_programs_load(NULL, &track->programs))
		return -1;
	const struct bench_contender contenders[CONTENDERS] = {
		{ "empty", bench_program(&track->programs, "empty"), track->packets },
		{ "off", weir_object_program_fd(track->off.object, WEIR_PROGRAM_XDP),
		  track->packets },
		{ "on", weir_object_program_fd(track->on.object, WEIR_PROGRAM_XDP),
		  track->packets },
	};

	memcpy(track->contenders, contenders, sizeof(contenders));
	bench_timing_tuples(&track->timing, &track->programs, track->is_v4);
	return flows_prepare(track);
}

static double bytes_a_flow(const struct conntrack_table *table, uint32_t capacity)
{
	return (double)(table->flow_memory.bytes + table->set_memory.bytes) / capacity;
}

static int track_measure(struct track *track)
{
	uint32_t jited = 0;
	uint64_t verified = 0;

	weir_object_size(track->on.object, &jited, &verified);
	printf("{\"verified\":%llu,\"jited_bytes\":%u,\"flow_bytes\":%.1f,\"half_bytes\":%.1f,",
	       (unsigned long long)verified, jited,
	       bytes_a_flow(&track->tables.at[CONNTRACK_TABLE_PROVEN], capacity_of(track)),
	       bytes_a_flow(&track->tables.at[CONNTRACK_TABLE_HALF], HALF_OPEN));
	if (bench_timing_rounds(&track->timing, track->contenders, CONTENDERS, track->rounds,
				packets_ready, track))
		return -1;
	puts("}");
	return answers_check(track, (uint64_t)track->rounds * track->packets);
}

static void track_done(struct track *track)
{
	bench_tables_done(&track->tables);
	bench_programs_done(&track->programs);
	bench_policy_done(&track->on);
	bench_policy_done(&track->off);
}

/* track 4|6 KIND OPTIONS FLOWS ROUNDS PACKETS: prints ns a packet of each round. OPTIONS are those
 * of `conntrack:`. */
int bench_track(int argc, char **argv)
{
	struct track track = { .kind = argc == 6 ? bench_flow_kind_find(argv[1]) : NULL };

	if (!track.kind) {
		fputs("usage: weir-bench track 4|6 KIND OPTIONS FLOWS ROUNDS PACKETS\n", stderr);
		return 2;
	}
	track.is_v4 = argv[0][0] == '4';
	track.count = (uint32_t)strtoul(argv[3], NULL, 10);
	track.rounds = (unsigned)strtoul(argv[4], NULL, 10);
	track.packets = (uint32_t)strtoul(argv[5], NULL, 10);
	if (track.kind->table == CONNTRACK_TABLE_HALF)
		track.packets = PROVEN_A_ROUND;

	int r = track_prepare(&track, argv[2]) ? -1 : track_measure(&track);

	track_done(&track);
	return r ? 1 : 0;
}
