/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rules by prog-run: Weir's real program with the rules and without any, the plain walk, and
 * nothing, each behind the same generator of five-tuples, in turn.
 */
#include <linux/bpf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "core/image.h"
#include "tests/bench/policy.h"
#include "tests/bench/timing.h"

#define CHECKED 20000		/* answers compared before anything is timed */
#define POLICY_BYTES (4u << 20) /* the most weir.yaml takes */

enum contender {
	CONTENDER_EMPTY,
	CONTENDER_BARE, /* Weir without rules */
	CONTENDER_WEIR,
	CONTENDER_LINEAR,
	CONTENDERS,
};

struct rules_run {
	bool is_v4;
	struct bench_policy bare, policy;
	struct bench_programs programs;
	struct bench_contender contenders[CONTENDERS];
	struct bench_timing timing;
	uint32_t packets;
	unsigned rounds;
};

/* Each begins with the first tuple. */
static int tuples_rewind(void *arg, unsigned contender, unsigned round)
{
	struct rules_run *run = arg;

	(void)contender, (void)round;
	run->programs.state->next = 0;
	return 0;
}

/* A figure counts only if the answers are right: both are held against what the file says, which
 * ruleset.c found without either of them. */
static int answers_check(struct rules_run *run, const char *file)
{
	for (int contender = CONTENDER_WEIR; contender < CONTENDERS; contender++) {
		if (bench_timing_choose(&run->timing, run->contenders[contender].program))
			return -1;
		run->programs.state->next = 0;
		for (uint32_t i = 0; i < CHECKED; i++) {
			uint32_t verdict,
				right = run->programs.tuples[i].passes ? XDP_PASS : XDP_DROP;

			if (bench_timing_run(&run->timing, 1, &verdict))
				return -1;
			if (verdict == right)
				continue;
			fprintf(stderr,
				"weir-bench: %s, packet %u, program %d: verdict %u, not %u\n", file,
				i, contender, verdict, right);
			return -1;
		}
	}
	return 0;
}

static int tuples_measure(struct rules_run *run, const char *name)
{
	char file[32];

	snprintf(file, sizeof(file), "%s.tuples", name);
	if (bench_tuples_read(&run->programs, file) || answers_check(run, file))
		return -1;
	printf(",\"%s\":{", name);
	if (bench_timing_rounds(&run->timing, run->contenders, CONTENDERS, run->rounds,
				tuples_rewind, run))
		return -1;
	putchar('}');
	return 0;
}

static int policy_read(struct bench_policy *ret_policy)
{
	_cleanup_fclose_ FILE *in = fopen("weir.yaml", "re");
	_cleanup_free_ char *text = malloc(POLICY_BYTES);

	if (!in || !text)
		return bench_error("weir.yaml");
	return bench_policy_parse(text, fread(text, 1, POLICY_BYTES, in), ret_policy);
}

static int run_prepare(struct rules_run *run)
{
	if (bench_pin() || bench_policy_new(NULL, &run->bare) || policy_read(&run->policy) ||
	    bench_programs_load(NULL, &run->programs) ||
	    bench_rules_read(&run->programs, "rules.bin"))
		return -1;
	bench_timing_tuples(&run->timing, &run->programs, run->is_v4);
	/* Fewer for the walk: it may take a thousand times as long. */
	uint32_t few = 20000000 / (run->programs.rules->count + 100);
	const struct bench_contender contenders[CONTENDERS] = {
		{ "empty", bench_program(&run->programs, "empty"), run->packets },
		{ "bare", weir_object_program_fd(run->bare.object, WEIR_PROGRAM_XDP),
		  run->packets },
		{ "weir", weir_object_program_fd(run->policy.object, WEIR_PROGRAM_XDP),
		  run->packets },
		{ "linear", bench_program(&run->programs, run->is_v4 ? "linear4" : "linear6"),
		  few < run->packets ? few : run->packets },
	};

	memcpy(run->contenders, contenders, sizeof(contenders));
	return 0;
}

static int run_measure(struct rules_run *run)
{
	static const char *const names[] = { "first", "last", "none", "mixed" };
	uint32_t lines, near, jited = 0;
	uint64_t verified = 0;

	weir_image_lines(run->policy.image, &lines);
	weir_image_near(run->policy.image, &near);
	weir_object_size(run->policy.object, &jited, &verified);
	printf("{\"far_bytes\":%llu,\"near_bytes\":%llu,\"compile_ms\":%.1f,\"load_ms\":%.1f,"
	       "\"stage_ms\":%.1f,\"verified\":%llu,\"jited_bytes\":%u",
	       (unsigned long long)lines * WEIR_LINE_BYTES,
	       (unsigned long long)near * WEIR_LINE_BYTES, run->policy.compile_ms,
	       run->policy.load_ms, run->policy.stage_ms, (unsigned long long)verified, jited);
	for (size_t i = 0; i < WEIR_ARRAY_SIZE(names); i++)
		if (tuples_measure(run, names[i]))
			return -1;
	puts("}");
	return 0;
}

/* rules 4|6 FOLDER ROUNDS PACKETS: prints a JSON object with ns a packet of each round. */
int bench_rules(int argc, char **argv)
{
	struct rules_run run = {};

	if (argc != 4 || chdir(argv[1])) {
		fputs("usage: weir-bench rules 4|6 FOLDER ROUNDS PACKETS\n", stderr);
		return 2;
	}
	run.is_v4 = argv[0][0] == '4';
	run.rounds = (unsigned)strtoul(argv[2], NULL, 10);
	run.packets = (uint32_t)strtoul(argv[3], NULL, 10);

	int r = run_prepare(&run) ? -1 : run_measure(&run);

	bench_programs_done(&run.programs);
	bench_policy_done(&run.policy);
	bench_policy_done(&run.bare);
	return r ? 1 : 0;
}
