/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Limits by prog-run: the same packets through a program without limits, with one that is about
 * other packets, and with one that is about them and which they keep to.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "abi/maps.h"
#include "abi/reason.h"
#include "base/cleanup.h"
#include "features/limit/limit.h"
#include "tests/bench/flows.h"
#include "tests/bench/policy.h"
#include "tests/bench/ruleset.h"
#include "tests/bench/timing.h"

/* Of all sources together, a second: some times what a program can be sent. */
#define RATE 40000000

/* A burst of less than a second asks for the exact clock. */
static const struct {
	const char *name, *proto;
	bool is_exact;
} policies[] = {
	{ "off", NULL, false },
	{ "others", "tcp", false },
	{ "on", "udp", false },
	{ "exact", "udp", true },
};

#define CONTENDERS (1 + WEIR_ARRAY_SIZE(policies))

struct limits {
	bool is_v4;
	uint32_t sources, packets;
	unsigned rounds;
	struct bench_policy policies[WEIR_ARRAY_SIZE(policies)];
	struct bench_programs programs;
	struct bench_timing timing;
	struct bench_contender contenders[CONTENDERS];
};

static int policy_load(const char *proto, unsigned rate, unsigned burst,
		       struct bench_policy *ret_policy)
{
	char text[256] = "";

	if (proto)
		snprintf(text, sizeof(text),
			 "limit: {limits: [{name: a, proto: %s, packets: %u/s, burst: %u}]}\n",
			 proto, rate, burst);
	return bench_policy_parse(text, strlen(text), ret_policy);
}

/* Each packet of one of the sources, drawn evenly. */
static int packets_draw(struct limits *limits)
{
	const struct bench_flow_kind *udp = bench_flow_kind_find("udp");
	_cleanup_free_ struct weir_addr *sources = calloc(limits->sources, sizeof(*sources));

	if (!sources)
		return bench_error("sources");
	for (uint32_t i = 0; i < limits->sources; i++)
		sources[i] = bench_flow_draw(udp, limits->is_v4).src;
	for (uint32_t i = 0; i < BENCH_TUPLES_MAX; i++) {
		struct bench_tuple tuple = bench_flow_draw(udp, limits->is_v4);

		tuple.src = sources[ruleset_below(limits->sources)];
		bench_tuple_set(limits->is_v4, &tuple);
		limits->programs.tuples[i] = tuple;
	}
	limits->programs.state->tuple_mask = BENCH_TUPLES_MAX - 1;
	return 0;
}

static int packets_ready(void *arg, unsigned contender, unsigned round)
{
	struct limits *limits = arg;

	(void)contender;
	limits->programs.state->next = round * limits->packets;
	return 0;
}

static int limits_prepare(struct limits *limits)
{
	if (bench_pin() || bench_programs_load(NULL, &limits->programs))
		return -1;
	limits->contenders[0] =
		(struct bench_contender){ "empty", bench_program(&limits->programs, "empty"),
					  limits->packets };
	for (size_t i = 0; i < WEIR_ARRAY_SIZE(policies); i++) {
		unsigned rate = RATE / limits->sources;
		unsigned burst = policies[i].is_exact ? rate * 9 / 10 : rate;

		if (policy_load(policies[i].proto, rate, burst, &limits->policies[i]))
			return -1;
		limits->contenders[1 + i] =
			(struct bench_contender){ policies[i].name,
						  weir_object_program_fd(limits->policies[i].object,
									 WEIR_PROGRAM_XDP),
						  limits->packets };
	}
	bench_timing_tuples(&limits->timing, &limits->programs, limits->is_v4);
	return packets_draw(limits);
}

/* A figure counts only if no packet was over, and each found a bucket. */
static int answers_check(const struct limits *limits, const struct bench_policy *policy)
{
	struct limit_count sums = {};
	uint64_t dropped[2] = {};

	weir_map_sum(weir_object_map(policy->object, "ctr_reason"),
		     WEIR_REASON_ROW(0, WEIR_INGRESS, WEIR_DROP_LIMIT), 1, 2, dropped);
	for (uint32_t row = 0; row < LIMIT_COUNT_ROWS && !sums.passed; row++)
		weir_map_sum(weir_object_map(policy->object, "ctr_limit"), row, 1,
			     LIMIT_COUNT_WORDS, (uint64_t *)&sums);
	if (!dropped[0] && sums.passed == (uint64_t)limits->rounds * limits->packets &&
	    !sums.crowded)
		return 0;
	fprintf(stderr, "weir-bench: limit: %llu passed, %llu dropped, %llu crowded\n",
		(unsigned long long)sums.passed, (unsigned long long)dropped[0],
		(unsigned long long)sums.crowded);
	return -1;
}

static int limits_measure(struct limits *limits)
{
	uint32_t jited = 0;
	uint64_t verified = 0;

	weir_object_size(limits->policies[2].object, &jited, &verified);
	printf("{\"verified\":%llu,\"jited_bytes\":%u,", (unsigned long long)verified, jited);
	if (bench_timing_rounds(&limits->timing, limits->contenders, CONTENDERS, limits->rounds,
				packets_ready, limits))
		return -1;
	puts("}");
	return answers_check(limits, &limits->policies[2]) ||
			       answers_check(limits, &limits->policies[3]) ?
		       -1 :
		       0;
}

/* limit 4|6 SOURCES ROUNDS PACKETS: prints ns a packet of each round. */
int bench_limit(int argc, char **argv)
{
	struct limits limits = {};

	if (argc != 4) {
		fputs("usage: weir-bench limit 4|6 SOURCES ROUNDS PACKETS\n", stderr);
		return 2;
	}
	limits.is_v4 = argv[0][0] == '4';
	limits.sources = (uint32_t)strtoul(argv[1], NULL, 10);
	limits.rounds = (unsigned)strtoul(argv[2], NULL, 10);
	limits.packets = (uint32_t)strtoul(argv[3], NULL, 10);

	int r = limits_prepare(&limits) ? -1 : limits_measure(&limits);

	for (size_t i = 0; i < WEIR_ARRAY_SIZE(policies); i++)
		bench_policy_done(&limits.policies[i]);
	bench_programs_done(&limits.programs);
	return r ? 1 : 0;
}
