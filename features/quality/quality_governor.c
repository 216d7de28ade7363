/* SPDX-License-Identifier: Apache-2.0 */
#include "features/quality/quality_governor.h"

#define AIM 0.9	       /* of the ceiling: what fewer connections are to come to */
#define CALM_BELOW 0.7 /* of the ceiling: there is room for more */
#define CALM_LOOKS 3
#define PATIENCE_MAX 32	 /* looks */
#define STEADY_LOOKS 256 /* without a look above the ceiling: what went wrong before is forgotten */
#define DOUBLINGS 16	 /* QUALITY_SAMPLE_MAX */

static uint32_t sample_for(const struct quality_governor *governor, uint32_t least, double wanted)
{
	double sample = governor->sample * governor->share / wanted;

	if (sample < least)
		return least;
	return sample > QUALITY_SAMPLE_MAX ? QUALITY_SAMPLE_MAX : (uint32_t)(sample + 0.999);
}

static uint32_t largest(uint64_t one, uint64_t other)
{
	uint64_t larger = one > other ? one : other;

	return larger > QUALITY_SAMPLE_MAX ? QUALITY_SAMPLE_MAX : (uint32_t)larger;
}

/* What is passed over costs the same for all, so a step may be too short. Those that follow at once
 * are twice, four times, … as long at the least: where passing over costs nearly all there is,
 * steps by the measurement alone would take a minute and more. */
static uint32_t sample_raised(struct quality_governor *governor, uint32_t least, double ceiling)
{
	uint32_t sample = sample_for(governor, least, AIM * ceiling);
	uint64_t least_step = ((uint64_t)governor->sample << governor->raises) + !governor->raises;

	if (governor->was_lowered)
		governor->patience = governor->patience < PATIENCE_MAX / 2 ?
					     governor->patience * 2 :
					     PATIENCE_MAX;
	governor->was_lowered = false;
	governor->calm = governor->steady = 0;
	if (governor->raises < DOUBLINGS)
		governor->raises++;
	if (governor->sample >= QUALITY_SAMPLE_MAX) {
		governor->rests = QUALITY_RESTS;
		return 0;
	}
	return largest(sample, least_step);
}

/* By a part at the most: how much those cost that were passed over shows only then. One connection
 * that costs more than there is makes it go up and down for ever: ever less often. */
static uint32_t sample_lowered(struct quality_governor *governor, uint32_t least, double ceiling)
{
	bool is_idle = governor->share < ceiling / 8;
	uint32_t parts = is_idle ? 8 : 2,
		 sample = sample_for(governor, least, CALM_BELOW * ceiling),
		 most = (governor->sample + parts - 1) / parts;

	if (++governor->calm < (is_idle ? CALM_LOOKS : governor->patience))
		return governor->sample;
	governor->calm = 0;
	governor->was_lowered = true;
	return sample < most ? (most < least ? least : most) : sample;
}

uint32_t quality_governor_step(struct quality_governor *governor, uint32_t least, double ceiling)
{
	if (governor->patience < CALM_LOOKS || ++governor->steady >= STEADY_LOOKS)
		governor->patience = CALM_LOOKS;
	if (!governor->sample)
		return governor->rests && --governor->rests ? 0 : QUALITY_SAMPLE_MAX;
	if (governor->sample < least)
		return least;
	if (governor->share > ceiling)
		return sample_raised(governor, least, ceiling);
	governor->raises = 0;
	if (governor->sample > least && governor->share < CALM_BELOW * ceiling)
		return sample_lowered(governor, least, ceiling);
	governor->calm = 0;
	return governor->sample;
}
