/* SPDX-License-Identifier: Apache-2.0 */
/* Once a second: counters to machines, machines to words and events. */
#include <errno.h>
#include <string.h>

#include "abi/account.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "core/engine.h"
#include "features/attack/attack_state.h"

/* What is usual changes by less than one in a hundred meanwhile. */
#define SAVE_NS (600 * WEIR_NS_PER_S)

struct watch {
	struct attack *state;
	struct attack_settings settings;
	uint64_t now_ns;
	uint32_t measured;
	struct attack_count counts[WEIR_INTERFACES_MAX];
};

/* Of `count` slots from the first on. */
static int counts_read(const struct attack *state, uint32_t first, uint32_t count,
		       struct attack_count *ret_counts)
{
	struct weir_count begun[WEIR_INTERFACES_MAX] = {};

	memset(ret_counts, 0, count * sizeof(*ret_counts));
	if (!state->counters)
		return -ENOENT;
	int r = weir_map_sum(state->counters, first, count, ATTACK_KINDS, (uint64_t *)ret_counts);

	if (!r)
		r = weir_map_sum(state->begun, WEIR_BEGUN_ROW(first), count, 2, (uint64_t *)begun);
	for (uint32_t i = 0; i < count; i++)
		ret_counts[i].packets[ATTACK_KIND(WEIR_FLOOD_NEW_FLOWS)] = begun[i].packets;
	return r;
}

void attack_counts_read(const struct attack *state, uint32_t slot, struct attack_count *ret_count)
{
	counts_read(state, slot, 1, ret_count);
}

static void usual_note(struct attack *state, const struct attack_iface *iface)
{
	struct attack_usual usual = {};

	memcpy(usual.name, iface->name, sizeof(usual.name));
	for (int i = 0; i < WEIR_FLOOD_COUNT; i++)
		usual.rates[i] = iface->machine.rates[i].usual;
	attack_usual_note(&state->usuals, &usual);
}

static void usual_recall(const struct attack *state, struct attack_iface *iface)
{
	const struct attack_usual *usual = attack_usual_find(&state->usuals, iface->name);

	for (int i = 0; usual && i < WEIR_FLOOD_COUNT; i++)
		iface->machine.rates[i].usual = usual->rates[i];
}

int attack_save(struct attack *state)
{
	for (uint32_t slot = 0; slot < WEIR_INTERFACES_MAX; slot++)
		if (state->at[slot].ifindex)
			usual_note(state, &state->at[slot]);
	return attack_store_save(state->state_dir, &state->usuals);
}

static void save_sometimes(struct attack *state, uint64_t now_ns)
{
	if (!state->saved_ns)
		state->saved_ns = now_ns;
	if (now_ns - state->saved_ns < SAVE_NS)
		return;
	int r = attack_save(state);

	state->saved_ns = now_ns;
	if (r && !state->is_told)
		weir_engine_warn(state->engine, "attack",
				 "what is usual cannot be kept, a restart will learn anew: %s",
				 strerror(-r));
	state->is_told = r != 0;
}

static void iface_end(struct attack *state, uint32_t slot)
{
	struct attack_iface *iface = &state->at[slot];

	if (iface->ifindex)
		usual_note(state, iface);
	weir_alarm_set(state->object, slot, 0, 0);
	*iface = (struct attack_iface){};
}

/* A word about this very interface was written by a run before this one, which counted on. */
static void iface_begin(struct watch *watch, const struct weir_interface_view *view)
{
	struct attack *state = watch->state;
	struct attack_iface *iface = &state->at[view->slot];
	uint32_t word = 0;

	if (iface->ifindex)
		usual_note(state, iface);
	*iface = (struct attack_iface){ .ifindex = view->ifindex };
	memcpy(iface->name, view->name, sizeof(iface->name));
	usual_recall(state, iface);
	if (weir_alarm_get(state->object, view->slot, view->ifindex, &word)) {
		weir_map_zero(state->counters, view->slot);
		weir_map_zero(state->begun, WEIR_BEGUN_ROW(view->slot));
		memset(&watch->counts[view->slot], 0, sizeof(watch->counts[0]));
		weir_alarm_set(state->object, view->slot, view->ifindex, 0);
	}
	attack_machine_resume(&iface->machine, word, watch->now_ns);
}

/* Since zeroing loses what came between: as soon as there is an interface, and before its first
 * second is over. */
void attack_watched(void *data)
{
	struct attack *state = data;
	const struct weir_snapshot *snapshot = weir_engine_snapshot(state->engine);
	struct watch watch = { .state = state, .now_ns = weir_clock_monotonic_ns() };

	if (!state->counters || !attack_section_of(state)->enabled)
		return;
	state->is_clear = false;
	for (size_t i = 0; i < snapshot->interface_count; i++) {
		const struct weir_interface_view *view = &snapshot->interfaces[i];

		if (view->slot && view->attached && state->at[view->slot].ifindex != view->ifindex)
			iface_begin(&watch, view);
	}
}

static void put_rate(struct weir_json_out *json, const struct watch *watch,
		     const struct attack_machine *machine, enum weir_flood flood,
		     enum weir_alarm level)
{
	const struct attack_rate *rate = &machine->rates[flood];

	weir_json_put_str(json, "rate", weir_flood_name(flood));
	weir_json_put_uint(json, "per_second", (uint64_t)rate->now);
	weir_json_put_uint(json, "peak", (uint64_t)rate->peak);
	weir_json_put_uint(json, "threshold",
			   (uint64_t)attack_threshold(&watch->settings, machine, flood, level));
	weir_json_put_str(json, "threshold_is",
			  attack_is_learned(&watch->settings, machine, flood, level) ? "learned" :
										       "written");
	weir_json_put_uint(json, "usual", (uint64_t)rate->usual);
}

/* `threshold_of`: the level whose threshold the rate has reached, or fell below. */
static void change_tell(const struct watch *watch, const struct attack_iface *iface,
			uint32_t before, enum weir_flood flood, enum weir_alarm threshold_of)
{
	const struct attack_machine *machine = &iface->machine;
	enum weir_alarm was = weir_alarm_level(before);
	enum weir_alarm level = weir_alarm_level(attack_machine_word(machine));
	_cleanup_buf_ struct weir_buf text = {};
	struct weir_json_out json = { .out = &text };

	weir_event_open(&json, "attack");
	weir_json_put_str(&json, "interface", iface->name);
	weir_json_put_str(&json, "was", weir_alarm_name(was));
	weir_json_put_str(&json, "level", weir_alarm_name(level));
	put_rate(&json, watch, machine, flood, threshold_of);
	if (level != was)
		weir_json_put_uint(&json, "lasted_s",
				   (machine->since_ns - machine->was_since_ns) / WEIR_NS_PER_S);
	weir_json_close_object(&json);
	weir_engine_publish(watch->state->engine, "attack", weir_buf_str(&text), text.len);
}

/* A rate that rises is told of, also when another gave the interface its level before; of those
 * that fall, the one that gave it. */
static void changes_tell(const struct watch *watch, const struct attack_iface *iface,
			 uint32_t before, uint32_t after)
{
	for (int i = 0; i < WEIR_FLOOD_COUNT; i++) {
		enum weir_alarm level = weir_alarm_of_flood(after, (enum weir_flood)i);

		if (level > weir_alarm_of_flood(before, (enum weir_flood)i))
			change_tell(watch, iface, before, (enum weir_flood)i, level);
	}
	if (weir_alarm_level(after) < weir_alarm_level(before))
		change_tell(watch, iface, before, iface->machine.cause,
			    (enum weir_alarm)(weir_alarm_level(after) + 1));
}

static void iface_judge(struct watch *watch, uint32_t slot)
{
	struct attack_iface *iface = &watch->state->at[slot];
	uint32_t before = attack_machine_word(&iface->machine);

	if (!attack_machine_step(&iface->machine, &watch->settings, watch->now_ns,
				 (const uint64_t *)&watch->counts[slot].packets[ATTACK_KIND(0)],
				 watch->measured))
		return;
	uint32_t after = attack_machine_word(&iface->machine);

	if (after == before)
		return;
	weir_alarm_set(watch->state->object, slot, iface->ifindex, after);
	if (weir_alarm_level(after) != weir_alarm_level(before))
		iface->entered[weir_alarm_level(after)]++;
	changes_tell(watch, iface, before, after);
}

static void ifaces_judge(struct watch *watch, const struct weir_snapshot *snapshot)
{
	bool is_seen[WEIR_INTERFACES_MAX] = {};

	for (size_t i = 0; i < snapshot->interface_count; i++) {
		const struct weir_interface_view *view = &snapshot->interfaces[i];
		struct attack_iface *iface = &watch->state->at[view->slot];

		if (!view->slot || !view->attached) /* a device that is gone may come back */
			continue;
		is_seen[view->slot] = true;
		if (iface->ifindex != view->ifindex)
			iface_begin(watch, view);
		memcpy(iface->name, view->name, sizeof(iface->name)); /* it may have another */
		iface_judge(watch, view->slot);
	}
	for (uint32_t slot = 0; slot < WEIR_INTERFACES_MAX; slot++)
		if (!is_seen[slot] && watch->state->at[slot].ifindex)
			iface_end(watch->state, slot);
}

static void all_end(struct attack *state)
{
	if (state->is_clear)
		return;
	for (uint32_t slot = 0; slot < WEIR_INTERFACES_MAX; slot++)
		iface_end(state, slot);
	if (state->saved_ns)
		attack_store_save(state->state_dir, &state->usuals);
	state->saved_ns = 0;
	state->is_clear = true;
}

void attack_tick(void *data, uint64_t now_ns)
{
	struct attack *state = data;
	const struct attack_section *section = attack_section_of(state);

	if (!state->counters)
		return;
	if (!section->enabled) {
		all_end(state);
		return;
	}
	struct watch watch = {
		.state = state,
		.now_ns = now_ns,
		.measured = (1U << WEIR_FLOOD_COUNT) - 1,
	};

	state->is_clear = false;
	if (!weir_engine_follows(state->engine))
		watch.measured &= ~(1U << WEIR_FLOOD_NEW_FLOWS);
	attack_settings_read(section, &watch.settings);
	if (counts_read(state, 0, WEIR_INTERFACES_MAX, watch.counts) == 0)
		ifaces_judge(&watch, weir_engine_snapshot(state->engine));
	save_sometimes(state, now_ns);
}
