/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The contract of a feature: everything the engine asks of one. Members may be NULL.
 * features/features.c lists them in pipeline order.
 *
 * Threads: compile, classes, prepare and persist run on a worker thread while no other change of
 * policy is under way; the engine keeps every write operation waiting meanwhile, so they may read
 * the feature's state freely. All else runs on the loop's thread.
 */
#ifndef WEIR_CORE_FEATURE_H
#define WEIR_CORE_FEATURE_H

#include "config.h"
#include "image.h"
#include "map.h"
#include "ops.h"
#include "snapshot.h"
#include "../abi/event.h"
#include "../abi/policy_head.h"

struct weir_engine;
struct weir_object;
struct weir_kernel_flow;
struct weir_served_flow;
struct weir_services;
struct weir_compile_input;
struct weir_flow_ends;
struct weir_replay_hooks;
struct weir_owner;
struct weir_flow_quality;

/* What compile and classes work on. */
struct weir_compile {
	const struct weir_config *config;
	const void *section; /* this feature's part of config */
	void *state; /* this feature's, NULL when compiling without an engine (check, replay) */
	void *draft; /* of this feature when it is the one that changes, else NULL */
	struct weir_image *image;
	struct weir_diag *diag;
	const struct weir_compile_input *input; /* of all features: weir_compile_services() */
	const char *base_dir; /* where relative file names of the configuration start */
	/* The end of a trial: nobody is there to mend what does not go together with what was added
	 * since, and who locked himself out waits. What can be a warning is one, as at a start. */
	bool is_unasked;
};

/* A change of policy that starts in a feature (an import, a deletion); see weir_engine_change(). */
struct weir_change {
	const struct weir_feature *feature;
	/* Loop: its turn has come, and no worker reads the state yet. Cannot fail. May be NULL. */
	void (*begin)(struct weir_change *change, void *state);
	/* Worker: builds `draft`, which compile() then sees beside the state. */
	int (*prepare)(struct weir_change *change, void *state, struct weir_diag *diag);
	/* Worker, after everything that can fail but this: writes the state files. */
	int (*persist)(struct weir_change *change, void *state, struct weir_diag *diag);
	/* Worker, after persist and before the flip: what leaves the compiled policy for a live set
	 * is put there, so that no packet finds it in neither. Cannot fail. May be NULL. */
	void (*enforce)(struct weir_change *change, void *state);
	/* Loop, right after the flip: draft becomes state. Writes the reply. Cannot fail. */
	void (*accept)(struct weir_change *change, void *state);
	void (*free)(struct weir_change *change);
	/*
	 * Loop, before prepare: whether another call, which waits behind this one, can be part of
	 * the change; it is remembered then, and accept writes its reply too. What prepare refuses
	 * of several it notes in that call's `result`, and fails only if there is nothing left to
	 * do. NULL: none can.
	 */
	bool (*join)(struct weir_change *change, struct weir_call *call);
	struct weir_call *call; /* answered by the engine when all is done */
	/* Nothing is compiled and no flip made: only what prepare and persist take so long for that
	 * the loop must not do it. accept comes with a new revision. */
	bool keeps_policy;
	const char *what; /* what it is told as, where no call asks for it */
	void *draft;
	void *upload;
};

/* How far state has come over into maps of another size; read while it is written. */
struct weir_settling {
	uint64_t total, done; /* entries looked at */
	uint64_t moved;	      /* brought over; packets bring over their own meanwhile */
	uint64_t dropped;     /* for want of room */
	uint64_t forgotten;   /* nothing is kept of such things any more */
	uint64_t adopted;     /* taken over from what the kernel knows */
};

enum weir_metric_kind {
	WEIR_METRIC_COUNTER,
	WEIR_METRIC_GAUGE,
};

/* One watched interface, for the patched sections of a policy. */
struct weir_iface_patch {
	const struct weir_policy_head *head; /* of the policy, with its header and roots */
	struct weir_line *near;		     /* its near lines; only patched ones may be written */
	uint32_t slot; /* row of the interface, 1 to WEIR_INTERFACES_MAX - 1 */
	const char *name;
};

/* What becomes of a connection that the kernel knew before its packets came by here. */
enum weir_adopted_as {
	WEIR_ADOPTED_KNOWN,   /* judged like any that goes on */
	WEIR_ADOPTED_GRANTED, /* passes where no rule speaks */
	WEIR_ADOPTED_LATE,    /* likewise, unless it is there: packets of it may have come by */
};

struct weir_feature {
	const char *name;    /* folder, config section, metric and operation prefix */
	const char *summary; /* one line for the reference */
	const struct weir_field *fields;
	size_t section_size;
	int (*check)(const struct weir_config *config, const void *section, struct weir_diag *diag);
	/*
	 * Tells, as warnings, what is right but hardly meant. Only a configuration that a person
	 * asks to have checked is looked at, so it may take longer than an apply could wait.
	 */
	void (*advise)(const struct weir_config *config, const void *section,
		       struct weir_diag *diag);
	/* Whether the section lets in nothing but what it names: who is not named is cut off. */
	bool (*denies_by_default)(const void *section);
	/* Whether the section lets connections be tracked where a policy asks for them. */
	bool (*tracks)(const void *section);
	/* Whether the section lets it be judged how much interfaces are under attack (abi/alarm.h).
	 */
	bool (*alarms)(const void *section);
	/* Names the rodata the section asks for, by weir_constants_set(); `image` is the policy it
	 * is for, compiled (weir_image_asks()). */
	int (*constants)(const void *section, const struct weir_image *image,
			 struct weir_constants *constants);
	/* Pure: same input, same bytes. Adds ranges and sections to compile->image. */
	int (*compile)(struct weir_compile *compile);
	/*
	 * The services it has (core/services.h), as its compile() would find them: also those that
	 * are switched off, whose addresses are still this host's, and each without the ports that
	 * packets find another at. For features that stand before it: compile() may not have been
	 * called, and there is no image. Pure. -ENOMEM.
	 */
	int (*services)(const struct weir_compile *compile, struct weir_services *services);
	/* After all ranges are in: says what each address class means to this feature. Pure. */
	int (*classes)(struct weir_compile *compile);
	/*
	 * Writes what the policy says of an interface into the feature's patched sections: before
	 * that policy goes live, and before a program is attached to the interface. compile() has
	 * filled every row for an interface without a name. Loop's thread; must not allocate.
	 */
	void (*interface)(const struct weir_iface_patch *patch);
	/* Reads its state files (state_dir) at start; damaged ones are kept aside and told of in
	 * diag as warnings. */
	int (*state_new)(struct weir_engine *engine, const char *state_dir, struct weir_diag *diag,
			 void **ret_state);
	void (*state_free)(void *state);
	/* The daemon ends: what waits in the feature's hands to go on is let go, as nobody will be
	 * there any more. Programs stay, and all else is still there. */
	void (*stop)(void *state);
	/* The live sets of a loaded object are to be made what the state says (at start, adoption,
	 * reload). No map of the object before is used any more, also when it fails. */
	int (*attach)(void *state, struct weir_object *object, struct weir_diag *diag);
	/* Whether it wants to hear of the connections the kernel knows: it follows them from now
	 * on, in tables that are new. After attach. */
	bool (*wants_flows)(const void *state);
	/* One of them; told more than once perhaps. Start, or a worker. 1: it is taken over, 0: it
	 * was known. -ENOSPC: there is no room. */
	int (*adopt)(void *state, const struct weir_config *config,
		     const struct weir_kernel_flow *flow, enum weir_adopted_as as);
	/*
	 * State maps of the object attached last have another size (weir_object_has_old()): whether
	 * what is stored has room. Worker; nothing is live yet. -ENOSPC with the numbers in diag,
	 * unless `drops`: then the oldest will go.
	 */
	int (*fits)(void *state, const struct weir_config *config, bool drops,
		    struct weir_diag *diag);
	/* The new program is everywhere and no packet is in the one before: from now on it works in
	 * its own maps. Worker. Where it fails it works on in the old ones. */
	int (*turn)(void *state);
	/* … and no packet works in the old maps any more: what only they have comes over. Worker.
	 * Cannot fail: what finds no room is counted as dropped. */
	void (*settle)(void *state, struct weir_settling *settling);
	/* A policy went live; `config` is it. */
	void (*live)(void *state, const struct weir_config *config);
	/* About once a second, while no change is under way: where there always is one, between two
	 * of them. */
	void (*tick)(void *state, uint64_t now_ns);
	void (*event)(void *state, const struct weir_event *event);
	/* There is a new view of the interfaces (weir_engine_snapshot()): at the start, when a
	 * configuration was applied, when one came or went, and once a second. Also while a change
	 * is under way. */
	void (*watched)(void *state);
	/* Flows were taken away by hand: what is remembered beside them is void. */
	void (*flows_gone)(void *state);
	/* Adds its counters and gauges. */
	int (*snapshot)(void *state, struct weir_snapshot *snapshot);
	/* Its part of `weir status`, into an open object: members named as it likes, the feature's
	 * name first in them. */
	void (*status)(void *state, struct weir_json_out *json);
	/* Words for a packet's end: names of list and entry that p->list, p->class and the
	 * addresses stand for (explain, events). */
	void (*describe)(void *state, const struct weir_verdict *verdict,
			 struct weir_json_out *json);
	/* Of flows that belong to a backend (core/served.h): whose name the feature knows, and
	 * which ones it follows. */
	bool (*served_name)(void *state, const struct weir_served_flow *flow,
			    struct weir_buf *name);
	void (*served_each)(void *state,
			    void (*each)(const struct weir_served_flow *flow, void *arg),
			    void *arg);
	/* Of a flow whose ends are sockets of this host: adds whose, to an open object
	 * (core/owner.h).
	 */
	void (*owner_put)(void *state, const struct weir_flow_ends *ends,
			  struct weir_json_out *json);
	bool (*owner_get)(void *state, const struct weir_flow_ends *ends,
			  struct weir_owner *ret_owners);
	/* What it keeps in the run's directory beside the pinned maps, up to NULL; NAME.new while
	 * one is made. `weir cleanup` takes them away. */
	const char *const *run_files;
	/* Of a TCP flow that it has measured, or whose ends are sockets of this host: adds what is
	 * not known yet (core/flow_quality.h). */
	void (*quality_add)(void *state, const struct weir_flow_ends *flow,
			    struct weir_flow_quality *quality);
	const struct weir_replay_hooks *replay; /* flows of a capture (core/replay.h) */
	const struct weir_op *const *ops;	/* NULL-terminated array of rows */
};

/* NULL-terminated, in pipeline order (features/features.c). */
extern const struct weir_feature *const weir_features[];
size_t weir_feature_index(const struct weir_feature *feature);

#endif
