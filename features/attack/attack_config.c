/* SPDX-License-Identifier: Apache-2.0 */
/* The keys of `attack:` in weir.yaml. What the defaults rest on stands in docs/design/attack.md. */
#include <errno.h>
#include <stdio.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "features/attack/attack_state.h"

#define SECTION(member) offsetof(struct attack_section, member)

#define RATE_MOST 10000000000ULL /* a second: more than 5 Tbit/s of the smallest frames */
#define HOUR_NS (3600 * WEIR_NS_PER_S)

#define LEVEL_KEY(yaml, member, first, words)                                                    \
	{                                                                                        \
		.key = yaml, .type = WEIR_FIELD_RATE,                                            \
		.offset = offsetof(struct attack_levels, member), .fallback = first, .least = 1, \
		.most = RATE_MOST, .wants_value = true, .help = words                            \
	}
#define LEVELS(name, elevated_rate, attack_rate)                                             \
	static const struct weir_field name[] = {                                            \
		LEVEL_KEY("elevated", elevated, elevated_rate,                               \
			  "So many a second are more than usual."),                          \
		LEVEL_KEY("attack", attack, attack_rate, "So many a second are an attack."), \
		{ 0 },                                                                       \
	}

LEVELS(syn_fields, "1000/s", "5000/s");
LEVELS(icmp_fields, "1000/s", "10000/s");
LEVELS(udp_fields, "50000/s", "200000/s");
LEVELS(new_flow_fields, "2000/s", "20000/s");
LEVELS(bad_flag_fields, "50/s", "1000/s");

#define FLOOD_KEY(flood, yaml, levels, words)                                           \
	{                                                                               \
		.key = yaml, .type = WEIR_FIELD_MAPPING,                                \
		.offset = (flood) * sizeof(struct attack_levels),                       \
		.size = sizeof(struct attack_levels), .fields = (levels), .help = words \
	}

static const struct weir_field rate_fields[] = {
	FLOOD_KEY(WEIR_FLOOD_SYN, "syn", syn_fields, "TCP packets with SYN and without ACK."),
	FLOOD_KEY(WEIR_FLOOD_ICMP, "icmp", icmp_fields, "ICMP and ICMPv6 packets."),
	FLOOD_KEY(WEIR_FLOOD_UDP, "udp", udp_fields, "UDP packets."),
	FLOOD_KEY(WEIR_FLOOD_NEW_FLOWS, "new-flows", new_flow_fields,
		  "Packets that begin a flow, where connections are tracked."),
	FLOOD_KEY(WEIR_FLOOD_BAD_FLAGS, "bad-flags", bad_flag_fields,
		  "TCP packets with flags no connection sends together."),
	{ 0 },
};

#define PERIOD_KEY(yaml, member, first, least_ns, most_ns, words)                               \
	{                                                                                       \
		.key = yaml, .type = WEIR_FIELD_DURATION, .offset = SECTION(member),            \
		.fallback = first, .least = (least_ns), .most = (most_ns), .wants_value = true, \
		.help = words                                                                   \
	}
#define NUMBER_KEY(yaml, member, first, from, to, words)                               \
	{                                                                              \
		.key = yaml, .type = WEIR_FIELD_UINT, .offset = SECTION(member),       \
		.fallback = first, .least = (from), .most = (to), .wants_value = true, \
		.help = words                                                          \
	}

const struct weir_field attack_fields[] = {
	{ .key = "enabled",
	  .type = WEIR_FIELD_BOOL,
	  .offset = SECTION(enabled),
	  .fallback = "false",
	  .help = "Count what arrives at each interface, and tell floods from ordinary "
		  "traffic." },
	PERIOD_KEY("elevated-after", elevated_after, "2s", WEIR_NS_PER_S, HOUR_NS,
		   "A rate is elevated when it was over that threshold for so long."),
	PERIOD_KEY("attack-after", attack_after, "5s", WEIR_NS_PER_S, HOUR_NS,
		   "… and an attack when it was over the higher one for so long."),
	PERIOD_KEY("calm-after", calm_after, "1m", WEIR_NS_PER_S, 24 * HOUR_NS,
		   "A level falls when the rate was low for so long without a break."),
	NUMBER_KEY("falls-below", falls_below, "70", 10, 95,
		   "What is low: less than so many percent of the threshold."),
	PERIOD_KEY("learn-over", learn_over, "1d", 0, 30 * 24 * HOUR_NS,
		   "The time over which the usual rate of an interface is learned; 0: nothing is "
		   "learned."),
	NUMBER_KEY("elevated-factor", elevated_factor, "4", 2, 1000,
		   "Where that is more than the written threshold: so many times the usual rate "
		   "are elevated."),
	NUMBER_KEY("attack-factor", attack_factor, "10", 3, 10000,
		   "… and so many times are an attack."),
	{ .key = "rates",
	  .type = WEIR_FIELD_MAPPING,
	  .offset = SECTION(rates),
	  .size = sizeof(((struct attack_section *)0)->rates),
	  .fields = rate_fields,
	  .help = "Thresholds of each rate, below which nothing is a flood." },
	{ 0 },
};

static int rate_check(const struct attack_levels *levels, enum weir_flood flood,
		      struct weir_diag *diag)
{
	char key[64];

	if (levels->attack.value > levels->elevated.value)
		return 0;
	snprintf(key, sizeof(key), "attack.rates.%s.%s", weir_flood_name(flood),
		 levels->attack.text ? "attack" : "elevated");
	return weir_diag_key(diag, key, "write a higher attack, or a lower elevated",
			     "attack (%llu/s) is not above elevated (%llu/s)",
			     (unsigned long long)levels->attack.value,
			     (unsigned long long)levels->elevated.value);
}

static int learning_check(const struct attack_section *section, struct weir_diag *diag)
{
	if (section->learn_over.value && section->learn_over.value < HOUR_NS)
		return weir_diag_key(diag, "attack.learn-over", "write 0, or 1h to 30d",
				     "in less than an hour an attack would be learned as usual");
	if (section->attack_factor <= section->elevated_factor)
		return weir_diag_key(diag, "attack.attack-factor",
				     "write a higher one, or a lower elevated-factor",
				     "attack-factor (%u) is not above elevated-factor (%u)",
				     section->attack_factor, section->elevated_factor);
	return 0;
}

int attack_check(const struct weir_config *config, const void *data, struct weir_diag *diag)
{
	const struct attack_section *section = data;
	int result = learning_check(section, diag);

	(void)config;
	if (section->attack_after.value < section->elevated_after.value)
		result = weir_diag_key(diag, "attack.attack-after",
				       "write a longer one, or a shorter elevated-after",
				       "attack-after is shorter than elevated-after");
	for (int flood = 0; flood < WEIR_FLOOD_COUNT; flood++) {
		int r = rate_check(&section->rates[flood], (enum weir_flood)flood, diag);

		result = result ?: r;
	}
	return result;
}

void attack_settings_read(const struct attack_section *section,
			  struct attack_settings *ret_settings)
{
	*ret_settings = (struct attack_settings){
		.factor = { [WEIR_ELEVATED] = section->elevated_factor,
			    [WEIR_ATTACK] = section->attack_factor },
		.falls_below = section->falls_below / 100.0,
		.after_ns = { [WEIR_ELEVATED] = section->elevated_after.value,
			      [WEIR_ATTACK] = section->attack_after.value },
		.calm_after_ns = section->calm_after.value,
		.learn_ns = section->learn_over.value,
	};
	for (int i = 0; i < WEIR_FLOOD_COUNT; i++) {
		ret_settings->floor[i][WEIR_ELEVATED] = (double)section->rates[i].elevated.value;
		ret_settings->floor[i][WEIR_ATTACK] = (double)section->rates[i].attack.value;
	}
}
