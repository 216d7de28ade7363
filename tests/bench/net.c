/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Program time by prog-run: Weir's real program, its look-up alone, the LPM trie and nothing, each
 * behind the same generator of sources, in turn.
 */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "core/image.h"
#include "tests/bench/bench.h"
#include "tests/bench/bench_state.h"
#include "tests/bench/policy.h"

#define CHECKED 20000 /* answers compared before anything is timed */

enum contender {
	CONTENDER_EMPTY,
	CONTENDER_WEIR,
	CONTENDER_LOOKUP,
	CONTENDER_TRIE,
	CONTENDERS,
};

struct net {
	bool is_v4;
	struct bench_policy policy;
	struct bench_programs programs;
	int contenders[CONTENDERS];
	int source; /* the generator */
	uint32_t packets;
	unsigned rounds;
};

static int contender_choose(struct net *net, enum contender contender)
{
	uint32_t zero = 0;

	return bpf_map_update_elem(bench_map(&net->programs, "target"), &zero,
				   &net->contenders[contender], BPF_ANY) ?
		       bench_error("choosing a packet program") :
		       0;
}

static int run(struct net *net, uint32_t repeat, uint32_t *ret_verdict)
{
	unsigned char frame[BENCH_FRAME_BYTES];
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = frame, .data_size_in = sizeof(frame),
		    .repeat = (int)repeat);

	bench_frame_make(net->is_v4, frame);
	if (bpf_prog_test_run_opts(net->source, &opts))
		return bench_error("running a packet program");
	*ret_verdict = opts.retval;
	return 0;
}

static int run_timed(struct net *net, enum contender contender, double *ret_ns)
{
	uint32_t verdict;

	if (contender_choose(net, contender))
		return -1;
	int64_t start = bench_cpu_ns();

	if (run(net, net->packets, &verdict))
		return -1;
	*ret_ns = (double)(bench_cpu_ns() - start) / net->packets;
	return 0;
}

/* A figure counts only if the answers are right: all agree, and are what the file promises. */
static int answers_check(struct net *net, uint32_t expected)
{
	for (int contender = CONTENDER_WEIR; contender < CONTENDERS; contender++) {
		if (contender_choose(net, contender))
			return -1;
		net->programs.state->next = 0;
		for (uint32_t i = 0; i < CHECKED; i++) {
			uint32_t verdict;

			if (run(net, 1, &verdict))
				return -1;
			if (verdict == expected)
				continue;
			fprintf(stderr, "weir-bench: key %u, program %d: verdict %u, not %u\n", i,
				contender, verdict, expected);
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

static int keys_measure(struct net *net, const char *name, uint32_t expected)
{
	static const char *const names[CONTENDERS] = { "empty", "weir", "lookup", "trie" };
	_cleanup_free_ double *ns = calloc((size_t)CONTENDERS * net->rounds, sizeof(*ns));
	char file[32];

	snprintf(file, sizeof(file), "%s.keys", name);
	if (!ns || bench_keys_read(&net->programs, file) || answers_check(net, expected))
		return -1;
	for (unsigned round = 0; round < net->rounds; round++)
		for (int i = 0; i < CONTENDERS; i++)
			if (run_timed(net, i, &ns[i * net->rounds + round]))
				return -1;
	printf(",\"%s\":{", name);
	for (int i = 0; i < CONTENDERS; i++)
		rounds_print(names[i], ns + i * net->rounds, net->rounds,
			     i + 1 < CONTENDERS ? "," : "}");
	return 0;
}

static uint64_t map_bytes(int fd)
{
	char path[64], line[128];
	unsigned long long bytes = 0;

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", fd);

	_cleanup_fclose_ FILE *file = fopen(path, "re");

	while (file && fgets(line, sizeof(line), file))
		sscanf(line, "memlock: %llu", &bytes);
	return bytes;
}

static int net_prepare(struct net *net)
{
	struct bench_list list;

	if (bench_pin() || bench_policy_new("list.txt", &net->policy) ||
	    bench_programs_load(net->policy.object, &net->programs) ||
	    bench_list_read("list.bin", &list))
		return -1;
	net->source = bench_program(&net->programs, net->is_v4 ? "source4" : "source6");
	net->contenders[CONTENDER_EMPTY] = bench_program(&net->programs, "empty");
	net->contenders[CONTENDER_WEIR] =
		weir_object_program_fd(net->policy.object, WEIR_PROGRAM_XDP);
	net->contenders[CONTENDER_LOOKUP] =
		bench_program(&net->programs, net->is_v4 ? "lookup4" : "lookup6");
	net->contenders[CONTENDER_TRIE] =
		bench_program(&net->programs, net->is_v4 ? "trie4" : "trie6");

	int r = bench_trie_fill(&net->programs, &list, net->is_v4);

	bench_list_done(&list);
	return r;
}

static int net_measure(struct net *net)
{
	uint32_t lines;

	weir_image_lines(net->policy.image, &lines);
	printf("{\"table_bytes\":%llu,\"trie_bytes\":%llu,\"compile_ms\":%.1f,\"load_ms\":%.1f,"
	       "\"stage_ms\":%.1f",
	       (unsigned long long)lines * WEIR_LINE_BYTES,
	       (unsigned long long)map_bytes(
		       bench_map(&net->programs, net->is_v4 ? "lpm4" : "lpm6")),
	       net->policy.compile_ms, net->policy.load_ms, net->policy.stage_ms);
	if (keys_measure(net, "hit", XDP_DROP) || keys_measure(net, "miss", XDP_PASS))
		return -1;
	puts("}");
	return 0;
}

/* net 4|6 FOLDER ROUNDS PACKETS: prints a JSON object with ns a packet of each round. */
int bench_net(int argc, char **argv)
{
	struct net net = {};

	if (argc != 4 || chdir(argv[1])) {
		fputs("usage: weir-bench net 4|6 FOLDER ROUNDS PACKETS\n", stderr);
		return 2;
	}
	net.is_v4 = argv[0][0] == '4';
	net.rounds = (unsigned)strtoul(argv[2], NULL, 10);
	net.packets = (uint32_t)strtoul(argv[3], NULL, 10);

	int r = net_prepare(&net) ? -1 : net_measure(&net);

	bench_programs_done(&net.programs);
	bench_policy_done(&net.policy);
	return r ? 1 : 0;
}
