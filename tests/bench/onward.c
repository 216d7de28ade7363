/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A program that stands at an interface, by prog-run: packets that it sends on, with something in
 * front of them perhaps, which each next one is rid of.
 */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <fcntl.h>
#include <linux/if_link.h>
#include <net/if.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "tests/bench/bench.h"
#include "tests/bench/timing.h"

#define TRIES 3

struct onward {
	struct bench_programs programs;
	struct bench_timing timing;
	uint32_t ifindex, packets;
	int empty, target;
	unsigned rounds;
};

static int target_open(struct onward *onward, const char *netns, const char *device)
{
	char path[128];
	uint32_t id = 0;

	snprintf(path, sizeof(path), "/run/netns/%s", netns);
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0 || setns(fd, CLONE_NEWNET))
		return bench_error(path);
	onward->ifindex = if_nametoindex(device);
	if (bpf_xdp_query_id((int)onward->ifindex, XDP_FLAGS_DRV_MODE, &id) || !id)
		return bench_error(device);
	onward->target = bpf_prog_get_fd_by_id(id);
	return onward->target < 0 ? bench_error(device) : 0;
}

static int run(const struct onward *onward, int program, uint32_t packets, uint32_t *ret_verdict)
{
	struct xdp_md context = { .data_end = BENCH_TUPLE_FRAME_BYTES,
				  .ingress_ifindex = onward->ifindex };
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = onward->timing.frame,
		    .data_size_in = BENCH_TUPLE_FRAME_BYTES, .ctx_in = &context,
		    .ctx_size_in = sizeof(context), .repeat = (int)packets);

	if (bench_timing_choose(&onward->timing, program) ||
	    bpf_prog_test_run_opts(onward->timing.generator, &opts))
		return bench_error("running a packet program");
	*ret_verdict = opts.retval;
	return 0;
}

static int turn(const struct onward *onward, int program, unsigned round, double *ret_ns)
{
	uint32_t verdict;

	/* As many packets go before, none of them twice: the caches are this program's. */
	onward->programs.state->next = 2 * round * onward->packets;
	if (run(onward, program, onward->packets, &verdict))
		return -1;
	int64_t start = bench_cpu_ns();

	if (run(onward, program, onward->packets, &verdict))
		return -1;
	*ret_ns = (double)(bench_cpu_ns() - start) / onward->packets;
	if (program == onward->empty || verdict == XDP_TX || verdict == XDP_REDIRECT)
		return 0;
	fprintf(stderr, "weir-bench: a packet ended with %u\n", verdict);
	return -1;
}

/* One packet a second to each neighbour goes by the kernel, and may be the last of a run. */
static int turn_onward(const struct onward *onward, unsigned round, double *ret_ns)
{
	int r = -1;

	for (int i = 0; i < TRIES && r; i++)
		r = turn(onward, onward->target, round, ret_ns);
	return r;
}

static int measure(const struct onward *onward)
{
	printf("{\"ns\":[");
	for (unsigned round = 0; round < onward->rounds; round++) {
		double empty, ns;

		if (turn(onward, onward->empty, round, &empty) || turn_onward(onward, round, &ns))
			return -1;
		printf("%s%.2f", round ? "," : "", ns - empty);
	}
	puts("]}");
	return 0;
}

static int onward_open(struct onward *onward, bool is_v4, char **argv)
{
	if (chdir(argv[1]))
		return bench_error(argv[1]);
	if (bench_pin() || bench_programs_load(NULL, &onward->programs) ||
	    bench_tuples_read(&onward->programs, argv[2]) || target_open(onward, argv[5], argv[6]))
		return -1;
	bench_timing_tuples(&onward->timing, &onward->programs, is_v4);
	onward->timing.generator =
		bench_program(&onward->programs, is_v4 ? "head_tuple4" : "head_tuple6");
	memcpy(onward->programs.state->frame, onward->timing.frame, BENCH_TUPLE_FRAME_BYTES);
	onward->empty = bench_program(&onward->programs, "empty");
	return 0;
}

/* onward 4|6 FOLDER TUPLES ROUNDS PACKETS NETNS DEVICE: prints ns a packet of each round, net of an
 * empty program. */
int bench_onward(int argc, char **argv)
{
	struct onward onward = { .target = -1 };

	if (argc != 7) {
		fputs("usage: weir-bench onward 4|6 FOLDER TUPLES ROUNDS PACKETS NETNS DEVICE\n",
		      stderr);
		return 2;
	}
	onward.rounds = (unsigned)strtoul(argv[3], NULL, 10);
	onward.packets = (uint32_t)strtoul(argv[4], NULL, 10);
	int r = onward_open(&onward, argv[0][0] == '4', argv);

	if (!r)
		r = measure(&onward);
	weir_cleanup_close(&onward.target);
	bench_programs_done(&onward.programs);
	return r ? 1 : 0;
}
