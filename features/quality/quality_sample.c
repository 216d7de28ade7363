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
	uint32_t before = governor->sample,
		 sample = quality_governor_step(governor, state->section.sample,
						state->section.cpu / 100.0);

	if (sample != before && !quality_sample_set(state, sample))
		sample_tell(state, before);
}
