/* SPDX-License-Identifier: Apache-2.0 */
/* Which connections are measured: one of so many, and fewer where measuring takes too long. */
#include <errno.h>
#include <stdio.h>
#include <sys/random.h>

#include "base/clock.h"
#include "core/engine.h"
#include "features/quality/quality_state.h"

#define SAMPLE_MAX 65536
#define RESTS 10       /* looks without any measuring, where even the fewest cost too much */
#define CALM_LOOKS 5   /* below the ceiling before more is measured again */
#define CALM_SHARE 0.7 /* of the ceiling: what more measuring is to come to */
#define LOOK_NS (WEIR_NS_PER_S / 2)

static uint64_t seed_make(void)
{
	uint64_t seed = 0;

	if (getrandom(&seed, sizeof(seed), GRND_NONBLOCK) != sizeof(seed))
		seed = weir_clock_real_ns();
	return seed | 1;
}

int quality_sample_set(struct quality *state, uint32_t sample)
{
	struct weir_map *map = weir_measurer_map(state->measurer, "cfg_quality");
	struct quality_control control = { 0 };
	uint32_t zero = 0;
	int r = map ? weir_map_get(map, &zero, &control) : -ENOENT;

	if (r)
		return r;
	if (!control.seed)
		control.seed = seed_make();
	control.most = sample ? UINT32_MAX / sample : 0;
	control.sample = sample;
	state->governor.sample = sample;
	return weir_map_set(map, &zero, &control);
}

const char *quality_governor_word(const struct quality *state)
{
	if (!state->section.cpu)
		return "off";
	if (!state->governor.sample)
		return "paused";
	return state->governor.sample == state->section.sample ? "free" : "holding";
}

static void sample_tell(struct quality *state, uint32_t before)
{
	struct weir_buf text = { 0 };
	struct weir_json_out json = { .out = &text };

	weir_event_open(&json, "quality");
	weir_json_put_str(&json, "what", "sampling");
	weir_json_put_uint(&json, "sample", state->governor.sample);
	weir_json_put_uint(&json, "before", before);
	weir_json_put_real(&json, "cpu_percent", 100 * state->governor.share);
	weir_json_put_uint(&json, "ceiling_percent", state->section.cpu);
	weir_json_close_object(&json);
	if (!text.failed)
		weir_engine_publish(state->engine, "quality", weir_buf_str(&text), text.len);
	weir_buf_done(&text);
}

static void sample_change(struct quality *state, uint32_t sample)
{
	uint32_t before = state->governor.sample;

	state->governor.calm = 0;
	if (sample == before || quality_sample_set(state, sample))
		return;
	sample_tell(state, before);
}

/* What is measured costs in proportion, what is passed over costs the same for all: a step too
 * short is followed by another. */
static uint32_t sample_for(const struct quality *state, double wanted)
{
	double sample = state->governor.sample * state->governor.share / wanted;

	if (sample < state->section.sample)
		return state->section.sample;
	return sample > SAMPLE_MAX ? SAMPLE_MAX : (uint32_t)(sample + 0.999);
}

static void sample_more(struct quality *state)
{
	struct quality_governor *governor = &state->governor;

	sample_change(state, governor->sample == SAMPLE_MAX ?
				     0 :
				     sample_for(state, 0.9 * state->section.cpu / 100.0));
	governor->rests = governor->sample ? 0 : RESTS;
}

/* Halved at the most: how much those flows cost that were passed over is not known. */
static void sample_fewer(struct quality *state)
{
	struct quality_governor *governor = &state->governor;
	uint32_t sample = sample_for(state, CALM_SHARE * state->section.cpu / 100.0);

	if (++governor->calm < CALM_LOOKS)
		return;
	sample_change(state, sample < governor->sample / 2 ? (governor->sample + 1) / 2 : sample);
}

void quality_govern(struct quality *state, uint64_t now_ns)
{
	struct quality_governor *governor = &state->governor;
	uint64_t cost_ns = state->sums[QUALITY_COST_NS], before_ns = governor->cost_ns,
		 since_ns = governor->read_ns;

	if (since_ns && now_ns - since_ns < LOOK_NS)
		return;
	governor->cost_ns = cost_ns;
	governor->read_ns = now_ns;
	if (!since_ns || cost_ns < before_ns)
		return;
	governor->share = (double)(cost_ns - before_ns) / (double)(now_ns - since_ns);
	if (!state->section.cpu)
		return;
	if (!governor->sample) {
		if (governor->rests && --governor->rests)
			return;
		sample_change(state, SAMPLE_MAX);
	} else if (governor->share > state->section.cpu / 100.0) {
		sample_more(state);
	} else if (governor->sample > state->section.sample &&
		   governor->share < CALM_SHARE * state->section.cpu / 100.0) {
		sample_fewer(state);
	} else {
		governor->calm = 0;
	}
}
