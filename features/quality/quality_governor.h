/* SPDX-License-Identifier: Apache-2.0 */
/* How a ceiling is held: one of how many connections is to be measured. Pure: no clock, no map. */
#ifndef WEIR_QUALITY_GOVERNOR_H
#define WEIR_QUALITY_GOVERNOR_H

#include <stdbool.h>
#include <stdint.h>

#define QUALITY_SAMPLE_MAX 65536
#define QUALITY_RESTS 10 /* looks without any measuring, where even the fewest cost too much */

struct quality_governor {
	uint64_t cost_ns, read_ns; /* at the last look; 0: there was none */
	double share;		   /* of one processor, since then */
	uint32_t sample;	   /* one of so many connections is measured; 0: none, for now */
	unsigned calm;		   /* looks in a row that would have allowed more */
	unsigned rests;		   /* looks until it is tried again, while nothing is measured */
	unsigned raises;	   /* looks in a row that were above the ceiling */
	unsigned patience;	   /* looks that are to be calm before more is measured */
	unsigned steady;	   /* looks since it was above the ceiling */
	bool was_lowered;	   /* since then */
};

/* What `sample` should be from now on, by the share it took. `least` is what was asked for,
 * `ceiling` a share. */
uint32_t quality_governor_step(struct quality_governor *governor, uint32_t least, double ceiling);

#endif
