/* SPDX-License-Identifier: Apache-2.0 */
/* attack show: the level of each interface, and each of its rates beside what it is judged by. */
#include "core/engine.h"
#include "features/attack/attack_state.h"

/* By the word that the data path and other features read. */
static uint32_t word_of(const struct attack *state, uint32_t slot)
{
	uint32_t word = 0;

	weir_alarm_get(state->object, slot, state->at[slot].ifindex, &word);
	return word;
}

void attack_put_level(const struct attack *state, uint32_t slot, struct weir_json_out *json)
{
	const struct attack_iface *iface = &state->at[slot];
	const struct attack_machine *machine = &iface->machine;
	enum weir_alarm level = weir_alarm_level(word_of(state, slot));
	struct attack_settings settings;

	weir_json_put_str(json, "interface", iface->name);
	weir_json_put_str(json, "level", weir_alarm_name(level));
	weir_json_put_moment(json, "since", machine->since_ns);
	if (level == WEIR_CALM)
		return;
	attack_settings_read(attack_section_of(state), &settings);
	weir_json_put_str(json, "rate", weir_flood_name(machine->cause));
	weir_json_put_uint(json, "per_second", (uint64_t)machine->rates[machine->cause].now);
	weir_json_put_uint(json, "peak", (uint64_t)machine->rates[machine->cause].peak);
	weir_json_put_uint(json, "threshold",
			   (uint64_t)attack_threshold(&settings, machine, machine->cause, level));
}

static void thresholds_put(const struct attack_settings *settings,
			   const struct attack_machine *machine, enum weir_flood flood,
			   struct weir_json_out *json)
{
	for (int i = WEIR_ELEVATED; i <= WEIR_ATTACK; i++) {
		enum weir_alarm level = (enum weir_alarm)i;

		weir_json_open_object(json, weir_alarm_name(level));
		weir_json_put_uint(json, "threshold",
				   (uint64_t)attack_threshold(settings, machine, flood, level));
		weir_json_put_str(json, "threshold_is",
				  attack_is_learned(settings, machine, flood, level) ? "learned" :
										       "written");
		weir_json_close_object(json);
	}
}

static void rate_put(const struct attack *state, uint32_t slot, enum weir_flood flood,
		     uint64_t packets, struct weir_json_out *json)
{
	const struct attack_machine *machine = &state->at[slot].machine;
	const struct attack_rate *rate = &machine->rates[flood];
	struct attack_settings settings;

	attack_settings_read(attack_section_of(state), &settings);
	weir_json_open_object(json, NULL);
	weir_json_put_str(json, "rate", weir_flood_name(flood));
	weir_json_put_bool(json, "measured", rate->is_measured);
	weir_json_put_str(json, "level",
			  weir_alarm_name(weir_alarm_of_flood(word_of(state, slot), flood)));
	weir_json_put_moment(json, "since", rate->since_ns);
	weir_json_put_uint(json, "per_second", (uint64_t)rate->now);
	weir_json_put_uint(json, "peak", (uint64_t)rate->peak);
	weir_json_put_uint(json, "usual", (uint64_t)rate->usual);
	thresholds_put(&settings, machine, flood, json);
	weir_json_put_uint(json, "packets", packets);
	weir_json_close_object(json);
}

static void iface_put(const struct attack *state, uint32_t slot, struct weir_json_out *json)
{
	struct attack_count count;

	attack_counts_read(state, slot, &count);
	weir_json_open_object(json, NULL);
	attack_put_level(state, slot, json);
	weir_json_open_array(json, "rates");
	for (int i = 0; i < WEIR_FLOOD_COUNT; i++)
		rate_put(state, slot, (enum weir_flood)i, count.packets[ATTACK_KIND(i)], json);
	weir_json_close_array(json);
	weir_json_close_object(json);
}

static int run_show(struct weir_engine *engine, struct weir_call *call)
{
	const struct attack *state = weir_engine_state(engine, &weir_attack);
	struct weir_json_out json = { .out = &call->reply };

	weir_json_open_object(&json, NULL);
	weir_json_put_bool(&json, "enabled", attack_section_of(state)->enabled);
	weir_json_open_array(&json, "interfaces");
	for (uint32_t slot = 0; slot < WEIR_INTERFACES_MAX; slot++)
		if (state->at[slot].ifindex)
			iface_put(state, slot, &json);
	weir_json_close_array(&json);
	weir_json_close_object(&json);
	return 0;
}

static const struct weir_op show_op = {
	.name = "attack.show",
	.summary = "Show how much each interface is under attack, and by which rate",
	.kind = WEIR_OP_READ,
	.role = WEIR_ROLE_VIEWER,
	.example = "attack show",
	.run = run_show,
};

const struct weir_op *const attack_ops[] = { &show_op, NULL };
