/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Flows of a capture: a private copy of the data path (probe.h) that goes by the capture's clock
 * and says what each flow has carried, by the records that live flows leave.
 */
#ifndef WEIR_CORE_REPLAY_H
#define WEIR_CORE_REPLAY_H

#include "probe.h"

/* The capture's clock, and who hears of flows. To be zero but for `flow` and `arg`. */
struct weir_replay {
	/* A flow has ended, or the capture has: the object that `flow ended` has of it. */
	void (*flow)(void *arg, const char *json, size_t len);
	void *arg;
	uint64_t now_ns; /* since 1970; never goes back */
	uint64_t ticked_ns;
	struct weir_probe *probe;
	struct weir_events *events;
};

/* What a feature does of it; a member of struct weir_feature. None may be NULL. */
struct weir_replay_hooks {
	/* Its section is to follow and count flows. -EINVAL: it is told not to. */
	int (*section)(void *section, struct weir_diag *diag);
	/* After attach and live; stays good until the state is gone. */
	void (*begin)(void *state, struct weir_replay *replay);
	/* A second of the capture has gone by, or more. */
	void (*tick)(void *state);
	/* What goes on is told of. */
	void (*stop)(void *state);
	/* Where packets were counted: members, into an open object. */
	void (*account)(void *state, struct weir_json_out *json);
};

struct weir_replay_packet {
	const void *frame; /* as for weir_probe_run() */
	size_t captured;
	uint64_t time_ns; /* since 1970; one before another's counts as that one's */
	uint32_t wire_bytes;
};

/* Before the copy is made of it: flows are followed, whatever else it says. */
int weir_replay_config(struct weir_config *config, struct weir_diag *diag);
/* The copy is one that learns, and outlives it. */
int weir_replay_begin(struct weir_probe *probe, struct weir_replay *replay);
int weir_replay_run(struct weir_replay *replay, const struct weir_replay_packet *packet,
		    struct weir_probe_result *ret_result);
/* The capture is at its end: flows that go on are told of. */
void weir_replay_stop(struct weir_replay *replay);
/* … and of packets that are in none: members, into an open object. */
void weir_replay_put_account(struct weir_replay *replay, struct weir_json_out *json);
void weir_replay_done(struct weir_replay *replay);

#endif
