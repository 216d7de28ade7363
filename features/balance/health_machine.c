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
	};

	return names[state];
}

void health_machine_init(struct health_machine *machine, uint64_t now_ns)
{
	*machine = (struct health_machine){ .since_ns = now_ns };
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

static bool ok_note(struct health_machine *machine, const struct health_settings *settings,
		    uint64_t now_ns)
{
	if (machine->state == HEALTH_UNCHECKED)
		return state_set(machine, HEALTH_UP, now_ns);
	if (machine->state == HEALTH_UP) {
		machine->streak = 0;
		return false;
	}
	return ++machine->streak >= settings->rise && state_set(machine, HEALTH_UP, now_ns);
}

static bool failure_note(struct health_machine *machine, const struct health_settings *settings,
			 uint64_t now_ns)
{
	machine->failed++;
	if (!health_machine_is_up(machine)) {
		machine->streak = 0;
		return false;
	}
	return ++machine->streak >= settings->fall && state_set(machine, HEALTH_DOWN, now_ns);
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
