/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Program time by prog-run: Weir's real program, its look-up alone, the LPM trie and nothing, each
 * behind the same generator of sources, in turn.
 */
#include <linux/bpf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "core/image.h"
#include "tests/bench/policy.h"
#include "tests/bench/timing.h"

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
	struct bench_contender contenders[CONTENDERS];
	struct bench_timing timing;
	uint32_t packets;
	unsigned rounds;
};

/* A figure counts only if the answers are right: all agree, and are what the file promises. */
static int answers_check(struct net *net, uint32_t expected)
{
	for (int contender = CONTENDER_WEIR; contender < CONTENDERS; contender++) {
		if (bench_timing_choose(&net->timing, net->contenders[contender].program))
			return -1;
		net->programs.state->next = 0;
		for (uint32_t i = 0; i < CHECKED; i++) {
			uint32_t verdict;

			if (bench_timing_run(&net->timing, 1, &verdict))
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

static int keys_measure(struct net *net, const char *name, uint32_t expected)
{
	char file[32];

	snprintf(file, sizeof(file), "%s.keys", name);
	if (bench_keys_read(&net->programs, file) || answers_check(net, expected))
		return -1;
	printf(",\"%s\":{", name);
	if (bench_timing_rounds(&net->timing, net->contenders, CONTENDERS, net->rounds, NULL, NULL))
		return -1;
	putchar('}');
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
	bench_timing_sources(&net->timing, &net->programs, net->is_v4);
	const struct bench_contender contenders[CONTENDERS] = {
		{ "empty", bench_program(&net->programs, "empty"), net->packets },
		{ "weir", weir_object_program_fd(net->policy.object, WEIR_PROGRAM_XDP),
		  net->packets },
		{ "lookup", bench_program(&net->programs, net->is_v4 ? "lookup4" : "lookup6"),
		  net->packets },
		{ "trie", bench_program(&net->programs, net->is_v4 ? "trie4" : "trie6"),
		  net->packets },
	};

	memcpy(net->contenders, contenders, sizeof(contenders));

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
