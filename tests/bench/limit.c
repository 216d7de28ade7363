/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Limits by prog-run: the same packets through a program without limits, with one that is about
 * other packets, and with one that is about them and which they keep to; a rule without a limit,
 * and with one.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "abi/maps.h"
#include "abi/reason.h"
#include "base/cleanup.h"
#include "features/limit/limit.h"
#include "features/rules/rules.h"
#include "tests/bench/flows.h"
#include "tests/bench/policy.h"
#include "tests/bench/ruleset.h"
#include "tests/bench/timing.h"

/* Of all sources together, a second: some times what a program can be sent. */
#define RATE 40000000

enum asks {
	ASKS_NOTHING,
	ASKS_LIMIT,
	ASKS_RULE,	 /* which has no limit, */
	ASKS_RULE_LIMIT, /* or has one */
};

/* A burst of less than a second asks for the exact clock. */
static const struct {
	const char *name, *proto;
	enum asks asks;
	bool is_exact;
	bool is_held; /* each packet must have found a bucket */
} policies[] = {
	{ "off", "udp", ASKS_NOTHING, false, false },
	{ "others", "tcp", ASKS_LIMIT, false, false },
	{ "on", "udp", ASKS_LIMIT, false, true },
	{ "exact", "udp", ASKS_LIMIT, true, true },
	{ "rule", "udp", ASKS_RULE, false, false },
	{ "rule limit", "udp", ASKS_RULE_LIMIT, false, true },
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

static int policy_load(unsigned policy, uint32_t sources, struct bench_policy *ret_policy)
{
	unsigned rate = RATE / sources, burst = policies[policy].is_exact ? rate * 9 / 10 : rate;
	const char *proto = policies[policy].proto;
	char text[256] = "";

	switch (policies[policy].asks) {
	case ASKS_NOTHING:
		break;
	case ASKS_LIMIT:
		snprintf(text, sizeof(text),
			 "limit: {limits: [{name: a, proto: %s, packets: %u/s, burst: %u}]}\n",
			 proto, rate, burst);
		break;
	case ASKS_RULE:
		snprintf(text, sizeof(text),
			 "rules: {rules: [{name: a, proto: %s, action: count}]}\n", proto);
		break;
	case ASKS_RULE_LIMIT:
		snprintf(text, sizeof(text),
			 "rules: {rules: [{name: a, proto: %s, action: limit, rate: %u/s, "
			 "burst: %u, per: source}]}\n",
			 proto, rate, burst);
		break;
	}
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
	for (unsigned i = 0; i < WEIR_ARRAY_SIZE(policies); i++) {
		if (policy_load(i, limits->sources, &limits->policies[i]))
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

/* The first row that counted anything, as rows are given by names. */
static void counted_row(const struct bench_policy *policy, const char *counters, uint32_t rows,
			unsigned words, uint64_t *ret_sums)
{
	for (uint32_t row = 0; row < rows && !ret_sums[0]; row++)
		weir_map_sum(weir_object_map(policy->object, counters), row, 1, words, ret_sums);
}

/* What the limit of a policy let pass, and whom it did not hold. What a rule let pass is what it
 * matched, since nothing was dropped. */
static struct limit_count sums_of(const struct bench_policy *policy, bool is_of_rule)
{
	struct limit_count sums = {};
	struct weir_count matched = {};

	if (!is_of_rule) {
		counted_row(policy, "ctr_limit", LIMIT_COUNT_ROWS, LIMIT_COUNT_WORDS,
			    (uint64_t *)&sums);
		return sums;
	}
	weir_map_sum(weir_object_map(policy->object, "ctr_limit"), LIMIT_COUNT_OTHERS, 1,
		     LIMIT_COUNT_WORDS, (uint64_t *)&sums);
	counted_row(policy, "ctr_rule", RULES_ROWS, 2, (uint64_t *)&matched);
	sums.passed = matched.packets;
	return sums;
}

/* A figure counts only if no packet was over, and each found a bucket. */
static int answers_check(const struct limits *limits, unsigned index)
{
	const struct bench_policy *policy = &limits->policies[index];
	bool is_of_rule = policies[index].asks == ASKS_RULE_LIMIT;
	struct limit_count sums = sums_of(policy, is_of_rule);
	uint32_t row = WEIR_REASON_ROW(0, WEIR_INGRESS,
				       is_of_rule ? WEIR_DROP_RULE_LIMIT : WEIR_DROP_LIMIT);
	uint64_t dropped[2] = {};

	weir_map_sum(weir_object_map(policy->object, "ctr_reason"), row, 1, 2, dropped);
	if (!dropped[0] && sums.passed == (uint64_t)limits->rounds * limits->packets &&
	    !sums.crowded)
		return 0;
	fprintf(stderr, "weir-bench: limit: %s: %llu passed, %llu dropped, %llu crowded\n",
		policies[index].name, (unsigned long long)sums.passed,
		(unsigned long long)dropped[0], (unsigned long long)sums.crowded);
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
	for (unsigned i = 0; i < WEIR_ARRAY_SIZE(policies); i++)
		if (policies[i].is_held && answers_check(limits, i))
			return -1;
	return 0;
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
