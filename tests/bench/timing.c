/* SPDX-License-Identifier: Apache-2.0 */
/* The one way in which weir-bench runs and times a packet program by prog-run. */
#include "tests/bench/timing.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/cleanup.h"

void bench_timing_sources(struct bench_timing *timing, const struct bench_programs *programs,
			  bool is_v4)
{
	timing->programs = programs;
	timing->generator = bench_program(programs, is_v4 ? "source4" : "source6");
	timing->target = "target";
	timing->frame_bytes = BENCH_FRAME_BYTES;
	bench_frame_make(is_v4, timing->frame);
}

void bench_timing_tuples(struct bench_timing *timing, const struct bench_programs *programs,
			 bool is_v4)
{
	timing->programs = programs;
	timing->generator = bench_program(programs, is_v4 ? "tuple4" : "tuple6");
	timing->target = "target";
	timing->frame_bytes = BENCH_TUPLE_FRAME_BYTES;
	bench_tuple_frame_make(is_v4, timing->frame);
}

void bench_timing_skbs(struct bench_timing *timing, const struct bench_programs *programs,
		       bool is_v4)
{
	bench_timing_tuples(timing, programs, is_v4);
	timing->generator = bench_program(programs, is_v4 ? "skb_tuple4" : "skb_tuple6");
	timing->target = "target_skb";
}

int bench_timing_choose(const struct bench_timing *timing, int program)
{
	uint32_t zero = 0;

	return bpf_map_update_elem(bench_map(timing->programs, timing->target), &zero, &program,
				   BPF_ANY) ?
		       bench_error("choosing a packet program") :
		       0;
}

int bench_timing_run(const struct bench_timing *timing, uint32_t packets, uint32_t *ret_verdict)
{
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = timing->frame,
		    .data_size_in = timing->frame_bytes, .repeat = (int)packets);

	if (bpf_prog_test_run_opts(timing->generator, &opts))
		return bench_error("running a packet program");
	*ret_verdict = opts.retval;
	return 0;
}

int bench_timing_look(const struct bench_timing *timing, unsigned char *ret_frame,
		      uint32_t *ret_verdict)
{
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = timing->frame,
		    .data_size_in = timing->frame_bytes, .data_out = ret_frame,
		    .data_size_out = timing->frame_bytes, .repeat = 1);

	if (bpf_prog_test_run_opts(timing->generator, &opts))
		return bench_error("running a packet program");
	*ret_verdict = opts.retval;
	return 0;
}

static int turn_run(const struct bench_timing *usual, const struct bench_contender *contender,
		    double *ret_ns)
{
	const struct bench_timing *timing = contender->timing ?: usual;
	uint32_t verdict;

	if (bench_timing_choose(timing, contender->program))
		return -1;
	int64_t start = bench_cpu_ns();

	if (bench_timing_run(timing, contender->packets, &verdict))
		return -1;
	*ret_ns = (double)(bench_cpu_ns() - start) / contender->packets;
	return 0;
}

static void rounds_print(const char *name, const double *ns, unsigned rounds)
{
	printf("\"%s\":[", name);
	for (unsigned i = 0; i < rounds; i++)
		printf("%s%.2f", i ? "," : "", ns[i]);
	putchar(']');
}

int bench_timing_rounds(const struct bench_timing *timing, const struct bench_contender *contenders,
			unsigned count, unsigned rounds,
			int (*before)(void *arg, unsigned contender, unsigned round), void *arg)
{
	_cleanup_free_ double *ns = calloc((size_t)count * rounds, sizeof(*ns));

	if (!ns)
		return bench_error("rounds");
	for (unsigned round = 0; round < rounds; round++)
		for (unsigned i = 0; i < count; i++)
			if ((before && before(arg, i, round)) ||
			    turn_run(timing, &contenders[i], &ns[i * rounds + round]))
				return -1;
	for (unsigned i = 0; i < count; i++) {
		if (i)
			putchar(',');
		rounds_print(contenders[i].name, ns + i * rounds, rounds);
	}
	return 0;
}
