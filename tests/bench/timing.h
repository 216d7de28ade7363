/* SPDX-License-Identifier: Apache-2.0 */
/* Program time by prog-run: what is timed stands behind a generator of packets. */
#ifndef WEIR_BENCH_TIMING_H
#define WEIR_BENCH_TIMING_H

#include <stdint.h>

#include "tests/bench/bench.h"
#include "tests/bench/bench_state.h"

struct bench_timing {
	const struct bench_programs *programs;
	int generator;
	const char *target; /* the map of what it hands on to */
	uint32_t frame_bytes;
	unsigned char frame[BENCH_TUPLE_FRAME_BYTES];
};

/* Packets that differ by their source, or by their whole five-tuple. */
void bench_timing_sources(struct bench_timing *timing, const struct bench_programs *programs,
			  bool is_v4);
void bench_timing_tuples(struct bench_timing *timing, const struct bench_programs *programs,
			 bool is_v4);
/* The latter before programs of TC. */
void bench_timing_skbs(struct bench_timing *timing, const struct bench_programs *programs,
		       bool is_v4);
/* What the packets are handed on to: descriptor of a program. */
int bench_timing_choose(const struct bench_timing *timing, int program);
/* The next `packets`; the verdict is that of the last. */
int bench_timing_run(const struct bench_timing *timing, uint32_t packets, uint32_t *ret_verdict);
/* The next one, and what has become of its BENCH_TUPLE_FRAME_BYTES. */
int bench_timing_look(const struct bench_timing *timing, unsigned char *ret_frame,
		      uint32_t *ret_verdict);

struct bench_contender {
	const char *name;
	int program;
	uint32_t packets; /* a round */
	/* NULL: behind the generator that all have. */
	const struct bench_timing *timing;
};

/*
 * Times them in turn, round by round, and prints "name":[ns a packet of each round],... `before`
 * (may be NULL) is called before each turn, and is nobody's time.
 */
int bench_timing_rounds(const struct bench_timing *timing, const struct bench_contender *contenders,
			unsigned count, unsigned rounds,
			int (*before)(void *arg, unsigned contender, unsigned round), void *arg);

#endif
