/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rules by prog-run: Weir's real program with the rules and without any, the plain walk, and
 * nothing, each behind the same generator of five-tuples, in turn.
 */
#include <bpf/bpf.h>
#include <linux/bpf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "core/image.h"
#include "tests/bench/bench.h"
#include "tests/bench/bench_state.h"
#include "tests/bench/policy.h"

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
	int contenders[CONTENDERS];
	int generator;
	uint32_t packets;
	uint32_t linear_packets; /* fewer: it may take a thousand times as long */
	unsigned rounds;
};

static int contender_choose(struct rules_run *run, enum contender contender)
{
	uint32_t zero = 0;

	run->programs.state->next = 0;
	return bpf_map_update_elem(bench_map(&run->programs, "target"), &zero,
				   &run->contenders[contender], BPF_ANY) ?
		       bench_error("choosing a packet program") :
		       0;
}

static int packets_run(struct rules_run *run, uint32_t repeat, uint32_t *ret_verdict)
{
	unsigned char frame[BENCH_TUPLE_FRAME_BYTES];
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = frame, .data_size_in = sizeof(frame),
		    .repeat = (int)repeat);

	bench_tuple_frame_make(run->is_v4, frame);
	if (bpf_prog_test_run_opts(run->generator, &opts))
		return bench_error("running a packet program");
	*ret_verdict = opts.retval;
	return 0;
}

static int run_timed(struct rules_run *run, enum contender contender, double *ret_ns)
{
	uint32_t packets = contender == CONTENDER_LINEAR ? run->linear_packets : run->packets;
	uint32_t verdict;

	if (contender_choose(run, contender))
		return -1;
	int64_t start = bench_cpu_ns();

	if (packets_run(run, packets, &verdict))
		return -1;
	*ret_ns = (double)(bench_cpu_ns() - start) / packets;
	return 0;
}

/* A figure counts only if the answers are right: both are held against what the file says, which
 * ruleset.c found without either of them. */
static int answers_check(struct rules_run *run, const char *file)
{
	for (int contender = CONTENDER_WEIR; contender < CONTENDERS; contender++) {
		if (contender_choose(run, contender))
			return -1;
		for (uint32_t i = 0; i < CHECKED; i++) {
			uint32_t verdict,
				right = run->programs.tuples[i].passes ? XDP_PASS : XDP_DROP;

			if (packets_run(run, 1, &verdict))
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

static void rounds_print(const char *name, const double *ns, unsigned count, const char *after)
{
	printf("\"%s\":[", name);
	for (unsigned i = 0; i < count; i++)
		printf("%s%.2f", i ? "," : "", ns[i]);
	printf("]%s", after);
}

static int tuples_measure(struct rules_run *run, const char *name)
{
	static const char *const names[CONTENDERS] = { "empty", "bare", "weir", "linear" };
	_cleanup_free_ double *ns = calloc((size_t)CONTENDERS * run->rounds, sizeof(*ns));
	char file[32];

	snprintf(file, sizeof(file), "%s.tuples", name);
	if (!ns || bench_tuples_read(&run->programs, file) || answers_check(run, file))
		return -1;
	for (unsigned round = 0; round < run->rounds; round++)
		for (int i = 0; i < CONTENDERS; i++)
			if (run_timed(run, i, &ns[i * run->rounds + round]))
				return -1;
	printf(",\"%s\":{", name);
	for (int i = 0; i < CONTENDERS; i++)
		rounds_print(names[i], ns + i * run->rounds, run->rounds,
			     i + 1 < CONTENDERS ? "," : "}");
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
	run->generator = bench_program(&run->programs, run->is_v4 ? "tuple4" : "tuple6");
	run->contenders[CONTENDER_EMPTY] = bench_program(&run->programs, "empty");
	run->contenders[CONTENDER_BARE] =
		weir_object_program_fd(run->bare.object, WEIR_PROGRAM_XDP);
	run->contenders[CONTENDER_WEIR] =
		weir_object_program_fd(run->policy.object, WEIR_PROGRAM_XDP);
	run->contenders[CONTENDER_LINEAR] =
		bench_program(&run->programs, run->is_v4 ? "linear4" : "linear6");
	run->linear_packets = 20000000 / (run->programs.rules->count + 100);
	if (run->linear_packets > run->packets)
		run->linear_packets = run->packets;
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
