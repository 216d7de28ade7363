/* SPDX-License-Identifier: Apache-2.0 */
/* Levels, rates and what they are judged by, for Prometheus. */
#include "features/attack/attack_state.h"

/* As the page has it elsewhere: the machine hears of another name at its next turn. */
static const char *name_of(const struct attack_iface *iface, const struct weir_snapshot *snapshot)
{
	for (size_t i = 0; i < snapshot->interface_count; i++)
		if (snapshot->interfaces[i].ifindex == iface->ifindex)
			return snapshot->interfaces[i].name;
	return iface->name;
}

struct samples {
	struct weir_snapshot *snapshot;
	const struct attack_settings *settings;
	const struct attack_iface *iface;
	char name[WEIR_LABEL_BYTES(ATTACK_NAME_BYTES)]; /* for a label */
	int result;
};

#define SAMPLE(samples, kind, metric, help, value, ...)                                          \
	do {                                                                                     \
		if (!(samples)->result)                                                          \
			(samples)->result = weir_snapshot_add((samples)->snapshot, kind, metric, \
							      help, value, __VA_ARGS__);         \
	} while (0)

static void rate_sample(struct samples *samples, enum weir_flood flood, uint64_t packets)
{
	const struct attack_machine *machine = &samples->iface->machine;
	const char *rate = weir_flood_name(flood);

	SAMPLE(samples, WEIR_SAMPLE_COUNTER, "attack_packets_total",
	       "Packets that arrived, of kinds that floods are made of.", (double)packets,
	       "interface=\"%s\",rate=\"%s\"", samples->name, rate);
	SAMPLE(samples, WEIR_SAMPLE_GAUGE, "attack_rate", "Packets a second, when last judged.",
	       machine->rates[flood].now, "interface=\"%s\",rate=\"%s\"", samples->name, rate);
	SAMPLE(samples, WEIR_SAMPLE_GAUGE, "attack_usual", "Packets a second learned as usual.",
	       machine->rates[flood].usual, "interface=\"%s\",rate=\"%s\"", samples->name, rate);
	for (int i = WEIR_ELEVATED; i <= WEIR_ATTACK; i++)
		SAMPLE(samples, WEIR_SAMPLE_GAUGE, "attack_threshold",
		       "Packets a second from which on it is more than calm.",
		       attack_threshold(samples->settings, machine, flood, (enum weir_alarm)i),
		       "interface=\"%s\",rate=\"%s\",level=\"%s\"", samples->name, rate,
		       weir_alarm_name((enum weir_alarm)i));
}

static void level_sample(struct samples *samples, uint32_t word)
{
	SAMPLE(samples, WEIR_SAMPLE_GAUGE, "attack_level", "0: calm, 1: elevated, 2: attack.",
	       (double)weir_alarm_level(word), "interface=\"%s\"", samples->name);
	for (int i = WEIR_CALM; i < WEIR_ALARMS; i++)
		SAMPLE(samples, WEIR_SAMPLE_COUNTER, "attack_changes_total",
		       "How often an interface came to be so, since the daemon started.",
		       (double)samples->iface->entered[i], "interface=\"%s\",level=\"%s\"",
		       samples->name, weir_alarm_name((enum weir_alarm)i));
}

static int iface_sample(const struct attack *state, uint32_t slot,
			const struct attack_settings *settings, struct weir_snapshot *snapshot)
{
	struct samples samples = { snapshot, settings, &state->at[slot], "", 0 };
	struct attack_count count;
	uint32_t word = 0;

	weir_label_escape(name_of(&state->at[slot], snapshot), samples.name, sizeof(samples.name));
	weir_alarm_get(state->object, slot, state->at[slot].ifindex, &word);
	attack_counts_read(state, slot, &count);
	level_sample(&samples, word);
	for (int i = 0; i < WEIR_FLOOD_COUNT; i++)
		rate_sample(&samples, (enum weir_flood)i, count.packets[ATTACK_KIND(i)]);
	return samples.result;
}

int attack_snapshot(void *data, struct weir_snapshot *snapshot)
{
	const struct attack *state = data;
	struct attack_settings settings;
	int r = 0;

	attack_settings_read(attack_section_of(state), &settings);
	for (uint32_t slot = 0; slot < WEIR_INTERFACES_MAX && !r; slot++)
		if (state->at[slot].ifindex)
			r = iface_sample(state, slot, &settings, snapshot);
	return r;
}
