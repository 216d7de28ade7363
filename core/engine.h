/* SPDX-License-Identifier: Apache-2.0 */
/* The engine ties object, commit, interfaces, events and snapshots together. All doors (CLI, API,
 * console, files) end here. */
#ifndef WEIR_CORE_ENGINE_H
#define WEIR_CORE_ENGINE_H

#include "config.h"
#include "feature.h"
#include "loop.h"
#include "ops.h"
#include "snapshot.h"

struct weir_engine_options {
	const char *config_file; /* may not exist: defaults */
	const char *state_dir, *run_dir, *pin_dir;
	const char *const
		*interfaces; /* of the command line, NULL-terminated; added to those of the file */
	int hook;	     /* enum weir_hook for those */
	const char *object_path; /* NULL: the one in the binary */
};

/* Loads or adopts the data path, restores state, applies the configuration, attaches. Problems that
 * do not stop it are warnings in diag. */
int weir_engine_new(struct weir_loop *loop, const struct weir_engine_options *options,
		    struct weir_diag *diag, struct weir_engine **ret_engine);
/* Leaves the data path as it is: pinned and filtering. `weir cleanup` is what takes it away. */
void weir_engine_free(struct weir_engine *engine);

/* A configuration text to make live; everything is copied. */
struct weir_apply {
	const char *text;
	size_t len;
	const char *file;	/* where it comes from, or NULL */
	bool is_file;		/* it is what the configuration file says now */
	uint64_t confirm_ns;	/* on trial: it goes back unless confirmed within; 0 = for good */
	bool drops_oldest;	/* state that has no room any more may go, the oldest first */
	uint64_t ends_trial_ns; /* back from the trial with this deadline, if it is still that; or 0
				 */
};

/* Returns WEIR_OP_PENDING, or -errno. call (may be NULL) is finished when it is live or refused.
 * Queued behind a change under way. */
int weir_engine_apply(struct weir_engine *engine, const struct weir_apply *apply,
		      struct weir_call *call);
/* Re-reads the configuration file, as SIGHUP does. */
int weir_engine_reload(struct weir_engine *engine);
/* Begins a change that starts in a feature's operation, before all that waits; takes ownership of
 * change. To be called while the operation runs; or, for a change that nobody called for, at any
 * time: it comes behind what was begun, and before all calls that wait for their turn. */
int weir_engine_change(struct weir_engine *engine, struct weir_change *change);
/* For ops that change live sets on the spot: false while a change is under way (then queue the call
 * with weir_engine_defer). */
bool weir_engine_is_idle(const struct weir_engine *engine);
/* A live change was made: a new revision without a swap. Cannot fail. */
void weir_engine_bump(struct weir_engine *engine);

/* Flows were taken away by hand. */
void weir_engine_flows_gone(struct weir_engine *engine);

uint64_t weir_engine_revision(const struct weir_engine *engine);
const struct weir_config *weir_engine_config(const struct weir_engine *engine);
/* While a daemon starts on a policy that was changed meanwhile: what ran last. Else NULL. */
const struct weir_config *weir_engine_config_before(const struct weir_engine *engine);
const struct weir_engine_options *weir_engine_options(const struct weir_engine *engine);
void *weir_engine_state(struct weir_engine *engine, const struct weir_feature *feature);
struct weir_object *weir_engine_object(struct weir_engine *engine);
struct weir_loop *weir_engine_loop(struct weir_engine *engine);
/* Whether connections are followed, by the live policy. */
bool weir_engine_follows(const struct weir_engine *engine);
/* The latest; never NULL after weir_engine_new. Borrowed: ref it to keep it. */
struct weir_snapshot *weir_engine_snapshot(struct weir_engine *engine);
/* Connections that the start took over from what the kernel knew. */
uint64_t weir_engine_adopted(const struct weir_engine *engine);
/* Called on the loop's thread: on each drained event (already JSON, one object) or change
 * ("revision", "interface"). */
struct weir_subscriber {
	void (*event)(struct weir_subscriber *subscriber, const char *kind, const char *json,
		      size_t len);
	void (*snapshot)(struct weir_subscriber *subscriber, struct weir_snapshot *snapshot);
	/* Whether `event` is to get what is streamed of that kind, too: what comes in masses and is
	 * not kept among events. NULL: nothing of it. */
	bool (*streams)(struct weir_subscriber *subscriber, const char *kind);
	struct weir_subscriber *next;
};
void weir_engine_subscribe(struct weir_engine *engine, struct weir_subscriber *subscriber);
void weir_engine_unsubscribe(struct weir_engine *engine, struct weir_subscriber *subscriber);
/* A happening of user space ("interface", "change", "warning"): to subscribers and to the kept
 * events. `json` is one object's text. */
struct weir_json_out;
/* Opens the object of such a happening with what all have: "time" (now) and "kind". */
void weir_event_open(struct weir_json_out *json, const char *kind);
void weir_engine_publish(struct weir_engine *engine, const char *kind, const char *json,
			 size_t len);
/* What comes in masses ("flow": one that has ended) goes to those alone who ask for it by name, and
 * is made when somebody does. */
bool weir_engine_is_streamed(const struct weir_engine *engine, const char *kind);
void weir_engine_stream(struct weir_engine *engine, const char *kind, const char *json, size_t len);
/* Drains the ring now: what packets have told until this moment is heard. Loop; not from where
 * something of the ring is heard. */
void weir_engine_hear(struct weir_engine *engine);
/* interfaces.h has what they say. */
int weir_engine_inject(struct weir_engine *engine, uint32_t ifindex, const void *frame, size_t len);
bool weir_engine_injects_by_xdp(const struct weir_engine *engine);
/* Publishes a warning of a feature, where nobody waits for an answer it could stand in. */
void weir_engine_warn(struct weir_engine *engine, const char *feature, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

#endif
