/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of the engine share: engine.c (life), change.c (policy changes), confirm.c
 * (changes on trial), engine_ops.c and apply_ops.c (operations). */
#ifndef WEIR_CORE_ENGINE_PRIVATE_H
#define WEIR_CORE_ENGINE_PRIVATE_H

#include "commit.h"
#include "dirs.h"
#include "engine.h"
#include "events.h"
#include "interfaces.h"
#include "policy_file.h"

struct job;

struct weir_engine {
	struct weir_loop *loop;
	struct weir_engine_options options;
	struct weir_dirs dirs;
	struct weir_object *object;
	struct weir_commit *commit;
	struct weir_interfaces *interfaces;
	struct weir_events *events;
	struct weir_event_log *log;
	struct weir_config *config;
	struct weir_config *before; /* while it starts: what ran last, where it is another */
	struct weir_policy_file policy;
	bool policy_is_new; /* read from the configuration file, not yet in policy.json */
	void *states[WEIR_FEATURES_MAX];
	struct weir_snapshot *snapshot;
	struct weir_traffic *traffic;
	struct weir_subscriber *subscribers;
	struct weir_watch *tick, *drain, *netlink, *ring;
	struct weir_watch *confirm; /* when the trial of the live configuration ends */
	uint64_t confirm_due_ns;    /* CLOCK_MONOTONIC; while policy.trial says so */
	bool is_trial_lost;	    /* it had ended before this start */
	struct job *running;
	struct job *waiting, **waiting_end; /* first come, first served */
	bool runs_alone; /* the call that is being run: nobody is to join what it begins */
	uint64_t started_ns;
	uint64_t ticked_ns;	/* when features had their tick last */
	bool owes_tick;		/* a change was under way when it was due */
	size_t ticks_from;	/* the feature that is owed the rest of one; 0: no rest */
	bool owes_look;		/* an interface came, went or changed */
	unsigned settles_again; /* ticks until old state maps are tried to be let go of; 0: never */
	bool holds_old;		/* there are such, and what is in them has not come over */
	bool follows;		/* connections, by the live policy */
	uint64_t adopted;	/* connections that the start took over from the kernel */
	uint64_t policy_bytes;	/* of the live image */
	uint32_t policy_classes;
	uint64_t last_change_ms;
};

/* Rows of the engine itself. */
extern const struct weir_op *const weir_engine_ops[];
extern const struct weir_op weir_explain_op; /* explain_ops.c: one of them */
/* … those of apply_ops.c. */
extern const struct weir_op weir_op_apply, weir_op_reload, weir_op_confirm, weir_op_rollback;

/* Runs a checked call: reads at once, writes in their turn. */
void weir_engine_run(struct weir_engine *engine, struct weir_call *call);
/* change.c: sets up and stops the queue. */
void weir_changes_init(struct weir_engine *engine);
void weir_changes_done(struct weir_engine *engine);
/* Ends the trial of what is live: it stays. Returns WEIR_OP_PENDING, or -errno. */
int weir_engine_confirm(struct weir_engine *engine, struct weir_call *call);
/* After a start whose state maps have another size: what the old ones have comes over. */
int weir_engine_settle(struct weir_engine *engine);
/* The first policy, at start, on the caller's thread. */
int weir_changes_first(struct weir_engine *engine, struct weir_diag *diag);
/* engine_policy.c, at start: the file, or what was applied since it was edited; with what ran last,
 * where that is another, until it is dropped. */
int weir_engine_policy_choose(struct weir_engine *engine, struct weir_diag *diag);
/* A policy that ran and does no more: features may have to let go of it gently. One that this
 * version refuses is none. */
void weir_engine_before_take(struct weir_engine *engine, const struct weir_policy_text *last);
void weir_engine_before_drop(struct weir_engine *engine);
/* It went live: rollback, diff without a daemon and the next start go by it. */
void weir_engine_policy_keep(struct weir_engine *engine, struct weir_diag *diag);
/* What the configuration and the command line want attached. */
int weir_engine_want_interfaces(struct weir_engine *engine, const struct weir_config *config);
/* Once a second: features do what waits for time to pass, subscribers get a fresh snapshot. */
void weir_engine_tick(void *arg);
/* No change is under way: features have the tick that one kept from them. */
void weir_engine_tick_owed(struct weir_engine *engine);
/* A fresh snapshot for one who asks between ticks; nobody else is told. When memory is short it is
 * that of the last tick. */
void weir_engine_look(struct weir_engine *engine);

#endif
