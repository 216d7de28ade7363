/* SPDX-License-Identifier: Apache-2.0 */
/* Which connections are measured: one of so many, and fewer where measuring takes too long. */
#include <errno.h>
#include <stdio.h>
#include <sys/random.h>

#include "base/clock.h"
#include "core/engine.h"
#include "features/quality/quality_state.h"

#define LOOK_NS (WEIR_NS_PER_S / 2)

static uint64_t seed_make(void)
{
	uint64_t seed = 0;

	if (getrandom(&seed, sizeof(seed), GRND_NONBLOCK) != sizeof(seed))
		seed = weir_clock_real_ns();
	return seed | 1;
}

static int sample_set(struct quality *state, uint32_t sample)
{
	struct weir_map *map = weir_measurer_map(state->measurer, "cfg_quality");
	struct quality_control control = { .most = sample ? UINT32_MAX / sample : 0,
					   .sample = sample,
					   .seed = state->control.seed };
	uint32_t zero = 0;
	int r = map ? weir_map_set(map, &zero, &control) : -ENOENT;

	if (r)
		return r;
	if (control.most < state->control.most)
		quality_walk_anew(state);
	state->control = control;
	state->governor.sample = sample;
	return 0;
}

/* Maps of a daemon before go on as they stand: what it held back would cost too much at once, and
 * nobody knows whether it had come to take out what it let go. */
int quality_sample_begin(struct quality *state)
{
	struct weir_map *map = weir_measurer_map(state->measurer, "cfg_quality");
	uint32_t zero = 0;
	int r = map ? weir_map_get(map, &zero, &state->control) : -ENOENT;

	if (r)
		return r;
	state->governor.sample = state->control.sample;
	if (state->control.seed) {
		quality_walk_anew(state);
		return 0;
	}
	state->control.seed = seed_make();
	return sample_set(state, state->section.sample);
}

/* Of connections that were let go numbers stand still, and some may be in the table yet: gone on
 * with, all that went by meanwhile would be called lost. So first they are taken out. */
static bool must_wait(const struct quality *state, uint32_t sample)
{
	uint32_t now = state->governor.sample;
	bool is_more = sample && (!now || sample < now);

	return is_more && state->is_left_over;
}

int quality_sample_want(struct quality *state, uint32_t sample)
{
	if (sample == state->governor.sample || must_wait(state, sample))
		return 0;
	return sample_set(state, sample);
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

/* A step that has to wait has not been taken: the governor goes on from where it was. */
static void ceiling_hold(struct quality *state)
{
	struct quality_governor next = state->governor;
	uint32_t before = next.sample, sample = quality_governor_step(&next, state->section.sample,
								      state->section.cpu / 100.0);

	if (must_wait(state, sample))
		return;
	state->governor = next;
	if (!quality_sample_want(state, sample) && state->governor.sample != before)
		sample_tell(state, before);
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
	if (state->section.cpu)
		ceiling_hold(state);
	else
		(void)quality_sample_want(state, state->section.sample);
}
