/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Judges an interface by what it counted: calm, elevated, attack. Pure: counts and a clock in,
 * levels out. docs/design/attack.md says why it is so.
 */
#ifndef WEIR_ATTACK_MACHINE_H
#define WEIR_ATTACK_MACHINE_H

#include <stdbool.h>
#include <stdint.h>

#include "abi/alarm.h"

/* Arrays by level have no use for WEIR_CALM. */
struct attack_settings {
	double floor[WEIR_FLOOD_COUNT][WEIR_ALARMS]; /* a second: below it nothing is a flood */
	double factor[WEIR_ALARMS];		     /* … of what is usual */
	double falls_below;			     /* share of a threshold, below 1 */
	uint64_t after_ns[WEIR_ALARMS];		     /* over the threshold for so long */
	uint64_t calm_after_ns;			     /* below it for so long */
	uint64_t learn_ns; /* in which what is usual comes near what is; 0: nothing is learned */
};

/* One threshold of one flood: on when it was over for long enough, off when below for long
 * enough. */
struct attack_latch {
	bool is_on;
	uint64_t over_ns, quiet_ns;
};

struct attack_rate {
	bool is_measured;
	double now, peak; /* a second; the peak is that of the time it is not calm */
	double usual;
	struct attack_latch latch[WEIR_ALARMS];
	uint64_t since_ns; /* when it got the level it has */
};

struct attack_machine {
	bool has_counts; /* those below are of some time ago, not of never */
	uint64_t counted_ns;
	uint64_t packets[WEIR_FLOOD_COUNT];
	struct attack_rate rates[WEIR_FLOOD_COUNT];
	enum weir_flood cause;		 /* of the level, or of that before a calm one */
	uint64_t since_ns, was_since_ns; /* when the level began, and that before */
};

/* Goes on with the levels it had when another run judged. Zero-initialised is calm. */
void attack_machine_resume(struct attack_machine *machine, uint32_t word, uint64_t now_ns);
/*
 * Takes in what was counted up to now, of those floods whose bit is set in `measured`. Times and
 * counts that cannot follow those before (a clock set back, counters made anew) only begin anew.
 * Returns whether anything was judged; what came of it is in attack_machine_word().
 */
bool attack_machine_step(struct attack_machine *machine, const struct attack_settings *settings,
			 uint64_t now_ns, const uint64_t packets[WEIR_FLOOD_COUNT],
			 uint32_t measured);
/* Levels as cfg_alarm has them (abi/alarm.h). */
uint32_t attack_machine_word(const struct attack_machine *machine);

double attack_threshold(const struct attack_settings *settings,
			const struct attack_machine *machine, enum weir_flood flood,
			enum weir_alarm level);
/* Whether that threshold is made from what is usual, not from what is written. */
bool attack_is_learned(const struct attack_settings *settings, const struct attack_machine *machine,
		       enum weir_flood flood, enum weir_alarm level);

#endif
