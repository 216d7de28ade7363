/* SPDX-License-Identifier: Apache-2.0 */
/* Whether a backend is up, by what its checks found: a clock comes in, nothing else is known. */
#ifndef WEIR_HEALTH_MACHINE_H
#define WEIR_HEALTH_MACHINE_H

#include <stdbool.h>
#include <stdint.h>

#define HEALTH_REASON_TEXT 96

enum health_result {
	HEALTH_PENDING,
	HEALTH_OK,
	HEALTH_FAILED,
	HEALTH_UNASKED, /* this host could not ask: that says nothing about the backend */
};

enum health_state {
	HEALTH_UNCHECKED, /* no check has an answer yet; counts as up */
	HEALTH_UP,
	HEALTH_DOWN,
	HEALTH_DAMPED, /* its checks are good, but it is held down, for it went down too often */
	HEALTH_STATES,
};

#define HEALTH_DOWNS_MOST 16 /* that are remembered */

/* Who goes down `downs` times within a time is held down: for a time that doubles from one to the
 * next, until he has stayed up for `within_ns`. */
struct health_damping {
	uint32_t downs; /* 0: nobody is held */
	uint64_t within_ns, hold_ns, hold_most_ns;
};

struct health_settings {
	uint64_t interval_ns, timeout_ns;
	uint32_t rise, fall; /* checks in a row */
	uint32_t jitter;     /* hundredths of the interval that a check may come early */
	struct health_damping damping;
};

struct health_machine {
	enum health_state state;
	uint32_t streak;   /* checks in a row that speak against the state */
	uint64_t since_ns; /* when the state began */
	uint64_t checks, failed, unasked;
	uint64_t downs;			      /* how often it went down */
	uint64_t downs_ns[HEALTH_DOWNS_MOST]; /* when, the last ones, in turns */
	uint32_t holds;			      /* one behind the other */
	uint64_t held_ns;		      /* it is held down until then; 0: it is not */
	uint64_t last_ns;		      /* when the last check ended; 0: none has */
	char reason[HEALTH_REASON_TEXT];      /* of that */
};

void health_machine_init(struct health_machine *machine, uint64_t now_ns);
/* It was found down before anybody checks it here. */
void health_machine_init_down(struct health_machine *machine, const char *reason, uint64_t now_ns);
/* A check has ended. True: the state is another one now. */
bool health_machine_note(struct health_machine *machine, const struct health_settings *settings,
			 enum health_result result, const char *reason, uint64_t now_ns);
/* Whether it is to get new connections. */
bool health_machine_is_up(const struct health_machine *machine);
const char *health_state_name(enum health_state state);
/* When the next check begins, after one that began and ended at those times; `random` spreads it.
 * Never later than an interval after the one before began, unless that still ran. */
uint64_t health_next_ns(const struct health_settings *settings, uint64_t began_ns,
			uint64_t ended_ns, uint32_t random);
/* When the first begins: anywhere in an interval. */
uint64_t health_first_ns(const struct health_settings *settings, uint64_t now_ns, uint32_t random);

#endif
