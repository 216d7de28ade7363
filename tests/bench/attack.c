/* SPDX-License-Identifier: Apache-2.0 */
/* What it costs a packet to be counted by kind, by prog-run: the same packets through a program
 * that counts, and one that does not. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "abi/alarm.h"
#include "base/cleanup.h"
#include "features/attack/attack.h"
#include "tests/bench/flows.h"
#include "tests/bench/policy.h"
#include "tests/bench/ruleset.h"
#include "tests/bench/timing.h"

static const struct {
	const char *name, *text;
} policies[] = {
	{ "off", "" },
	{ "on", "attack: {enabled: true}\n" },
};

#define CONTENDERS (1 + WEIR_ARRAY_SIZE(policies))

struct counting {
	bool is_v4;
	uint32_t packets;
	unsigned rounds;
	struct bench_policy policies[WEIR_ARRAY_SIZE(policies)];
	struct bench_programs programs;
	struct bench_timing timing;
	struct bench_contender contenders[CONTENDERS];
};

static int packets_ready(void *arg, unsigned contender, unsigned round)
{
	struct counting *counting = arg;

	(void)contender;
	counting->programs.state->next = round * counting->packets;
	return 0;
}

static void packets_draw(struct counting *counting)
{
	const struct bench_flow_kind *udp = bench_flow_kind_find("udp");

	for (uint32_t i = 0; i < BENCH_TUPLES_MAX; i++) {
		struct bench_tuple tuple = bench_flow_draw(udp, counting->is_v4);

		bench_tuple_set(counting->is_v4, &tuple);
		counting->programs.tuples[i] = tuple;
	}
	counting->programs.state->tuple_mask = BENCH_TUPLES_MAX - 1;
}

static int counting_prepare(struct counting *counting)
{
	if (bench_pin() || bench_programs_load(NULL, &counting->programs))
		return -1;
	counting->contenders[0] =
		(struct bench_contender){ "empty", bench_program(&counting->programs, "empty"),
					  counting->packets };
	for (size_t i = 0; i < WEIR_ARRAY_SIZE(policies); i++) {
		if (bench_policy_parse(policies[i].text, strlen(policies[i].text),
				       &counting->policies[i]))
			return -1;
		counting->contenders[1 + i] = (struct bench_contender){
			policies[i].name,
			weir_object_program_fd(counting->policies[i].object, WEIR_PROGRAM_XDP),
			counting->packets
		};
	}
	bench_timing_tuples(&counting->timing, &counting->programs, counting->is_v4);
	packets_draw(counting);
	return 0;
}

/* A figure counts only if each packet was counted, as what it is, and none where it is off. */
static int answers_check(const struct counting *counting)
{
	uint64_t udp[WEIR_ARRAY_SIZE(policies)];

	for (size_t i = 0; i < WEIR_ARRAY_SIZE(policies); i++) {
		struct attack_count count = {};

		weir_map_sum(weir_object_map(counting->policies[i].object, "ctr_attack"), 0, 1,
			     ATTACK_KINDS, (uint64_t *)count.packets);
		udp[i] = count.packets[ATTACK_KIND(WEIR_FLOOD_UDP)];
	}
	if (!udp[0] && udp[1] == (uint64_t)counting->rounds * counting->packets)
		return 0;
	fprintf(stderr, "weir-bench: attack: %llu packets counted\n", (unsigned long long)udp[1]);
	return -1;
}

static int counting_measure(struct counting *counting)
{
	uint32_t jited = 0;
	uint64_t verified = 0;

	weir_object_size(counting->policies[1].object, &jited, &verified);
	printf("{\"verified\":%llu,\"jited_bytes\":%u,", (unsigned long long)verified, jited);
	if (bench_timing_rounds(&counting->timing, counting->contenders, CONTENDERS,
				counting->rounds, packets_ready, counting))
		return -1;
	puts("}");
	return answers_check(counting);
}

/* attack 4|6 ROUNDS PACKETS: prints ns a packet of each round. */
int bench_attack(int argc, char **argv)
{
	struct counting counting = {};

	if (argc != 3) {
		fputs("usage: weir-bench attack 4|6 ROUNDS PACKETS\n", stderr);
		return 2;
	}
	counting.is_v4 = argv[0][0] == '4';
	counting.rounds = (unsigned)strtoul(argv[1], NULL, 10);
	counting.packets = (uint32_t)strtoul(argv[2], NULL, 10);

	int r = counting_prepare(&counting) ? -1 : counting_measure(&counting);

	for (size_t i = 0; i < WEIR_ARRAY_SIZE(policies); i++)
		bench_policy_done(&counting.policies[i]);
	bench_programs_done(&counting.programs);
	return r ? 1 : 0;
}
