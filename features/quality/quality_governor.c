/* SPDX-License-Identifier: Apache-2.0 */
#include "features/quality/quality_governor.h"

#define AIM 0.9	       /* of the ceiling: what fewer connections are to come to */
#define CALM_BELOW 0.7 /* of the ceiling: there is room for more */
#define CALM_LOOKS 3

static uint32_t sample_for(const struct quality_governor *governor, uint32_t least, double wanted)
{
	double sample = governor->sample * governor->share / wanted;

	if (sample < least)
		return least;
	return sample > QUALITY_SAMPLE_MAX ? QUALITY_SAMPLE_MAX : (uint32_t)(sample + 0.999);
}

/* What is passed over costs the same for all, so a step may be too short: another follows. */
static uint32_t sample_raised(struct quality_governor *governor, uint32_t least, double ceiling)
{
	uint32_t sample = sample_for(governor, least, AIM * ceiling);

	governor->calm = 0;
	if (governor->sample >= QUALITY_SAMPLE_MAX) {
		governor->rests = QUALITY_RESTS;
		return 0;
	}
	return sample > governor->sample ? sample : governor->sample + 1;
}

/* By a part at the most: how much those cost that were passed over shows only then. */
static uint32_t sample_lowered(struct quality_governor *governor, uint32_t least, double ceiling)
{
	uint32_t parts = governor->share < ceiling / 8 ? 8 : 2,
		 sample = sample_for(governor, least, CALM_BELOW * ceiling),
		 most = (governor->sample + parts - 1) / parts;

	if (++governor->calm < CALM_LOOKS)
		return governor->sample;
	governor->calm = 0;
	return sample < most ? (most < least ? least : most) : sample;
}

uint32_t quality_governor_step(struct quality_governor *governor, uint32_t least, double ceiling)
{
	if (!governor->sample)
		return governor->rests && --governor->rests ? 0 : QUALITY_SAMPLE_MAX;
	if (governor->share > ceiling)
		return sample_raised(governor, least, ceiling);
	if (governor->sample > least && governor->share < CALM_BELOW * ceiling)
		return sample_lowered(governor, least, ceiling);
	governor->calm = 0;
	return governor->sample;
}
