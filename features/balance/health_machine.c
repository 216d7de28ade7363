/* SPDX-License-Identifier: Apache-2.0 */
/* Rise, fall, and when the next check is due. */
#include <stdio.h>

#include "features/balance/health_machine.h"

const char *health_state_name(enum health_state state)
{
	static const char *const names[HEALTH_STATES] = {
		[HEALTH_UNCHECKED] = "unchecked",
		[HEALTH_UP] = "up",
		[HEALTH_DOWN] = "down",
		[HEALTH_DAMPED] = "damped",
	};

	return names[state];
}

void health_machine_init(struct health_machine *machine, uint64_t now_ns)
{
	*machine = (struct health_machine){ .since_ns = now_ns };
}

void health_machine_init_down(struct health_machine *machine, const char *reason, uint64_t now_ns)
{
	*machine = (struct health_machine){ .state = HEALTH_DOWN, .since_ns = now_ns };
	snprintf(machine->reason, sizeof(machine->reason), "%s", reason);
}

bool health_machine_is_up(const struct health_machine *machine)
{
	return machine->state == HEALTH_UNCHECKED || machine->state == HEALTH_UP;
}

static bool state_set(struct health_machine *machine, enum health_state state, uint64_t now_ns)
{
	machine->state = state;
	machine->streak = 0;
	machine->since_ns = now_ns;
	return true;
}

/* The last that went before as many as are too many, and this one. */
static bool is_too_often(const struct health_machine *machine, const struct health_damping *damping,
			 uint64_t now_ns)
{
	if (!damping->downs || machine->downs < damping->downs)
		return false;
	uint64_t first_ns =
		machine->downs_ns[(machine->downs - damping->downs) % HEALTH_DOWNS_MOST];

	return now_ns - first_ns <= damping->within_ns;
}

/* While it is held time goes by, in which it cannot go down: what counts then is how long it was up
 * since. */
static bool is_at_it_again(const struct health_machine *machine,
			   const struct health_damping *damping, uint64_t now_ns)
{
	return machine->holds && now_ns - machine->since_ns < damping->within_ns;
}

static uint64_t hold_length(const struct health_damping *damping, uint32_t holds)
{
	uint64_t hold_ns = damping->hold_ns;

	while (holds-- && hold_ns < damping->hold_most_ns)
		hold_ns *= 2;
	return hold_ns < damping->hold_most_ns ? hold_ns : damping->hold_most_ns;
}

/* It goes down, and was up until now. */
static void damping_note(struct health_machine *machine, const struct health_damping *damping,
			 uint64_t now_ns)
{
	machine->downs_ns[machine->downs++ % HEALTH_DOWNS_MOST] = now_ns;
	machine->held_ns = 0;
	if (!damping->downs || (!is_too_often(machine, damping, now_ns) &&
				!is_at_it_again(machine, damping, now_ns))) {
		machine->holds = 0;
		return;
	}
	machine->held_ns = now_ns + hold_length(damping, machine->holds);
	machine->holds++;
}

static bool ok_note(struct health_machine *machine, const struct health_settings *settings,
		    uint64_t now_ns)
{
	if (machine->state == HEALTH_UNCHECKED)
		return state_set(machine, HEALTH_UP, now_ns);
	if (machine->state == HEALTH_UP) {
		machine->streak = 0;
		return false;
	}
	if (machine->state == HEALTH_DOWN && ++machine->streak < settings->rise)
		return false;
	if (now_ns >= machine->held_ns || !settings->damping.downs)
		return state_set(machine, HEALTH_UP, now_ns);
	return machine->state == HEALTH_DOWN && state_set(machine, HEALTH_DAMPED, now_ns);
}

static bool failure_note(struct health_machine *machine, const struct health_settings *settings,
			 uint64_t now_ns)
{
	machine->failed++;
	if (machine->state == HEALTH_DAMPED)
		return state_set(machine, HEALTH_DOWN, now_ns);
	if (machine->state == HEALTH_DOWN) {
		machine->streak = 0;
		return false;
	}
	if (++machine->streak < settings->fall)
		return false;
	damping_note(machine, &settings->damping, now_ns);
	return state_set(machine, HEALTH_DOWN, now_ns);
}

bool health_machine_note(struct health_machine *machine, const struct health_settings *settings,
			 enum health_result result, const char *reason, uint64_t now_ns)
{
	snprintf(machine->reason, sizeof(machine->reason), "%s", reason);
	machine->last_ns = now_ns;
	if (result == HEALTH_UNASKED) {
		machine->unasked++;
		return false;
	}
	machine->checks++;
	return result == HEALTH_OK ? ok_note(machine, settings, now_ns) :
				     failure_note(machine, settings, now_ns);
}

/* `random` of 2^32 of it. */
static uint64_t part_of(uint64_t span_ns, uint32_t random)
{
	return (uint64_t)((unsigned __int128)span_ns * random >> 32);
}

uint64_t health_next_ns(const struct health_settings *settings, uint64_t began_ns,
			uint64_t ended_ns, uint32_t random)
{
	uint64_t early_ns = settings->interval_ns / 100 * settings->jitter;
	uint64_t next_ns = began_ns + settings->interval_ns - part_of(early_ns, random);

	return next_ns > ended_ns ? next_ns : ended_ns;
}

uint64_t health_first_ns(const struct health_settings *settings, uint64_t now_ns, uint32_t random)
{
	return now_ns + part_of(settings->interval_ns, random);
}
