/* SPDX-License-Identifier: Apache-2.0 */
/* A change of policy under way: what change.c (turn and flip) and change_steps.c (what a worker
 * does) share. */
#ifndef WEIR_CORE_CHANGE_PRIVATE_H
#define WEIR_CORE_CHANGE_PRIVATE_H

#include "engine_private.h"

/* In the order they come. */
enum weir_step {
	WEIR_STEP_COMPILE,
	WEIR_STEP_LOAD,
	WEIR_STEP_STAGE,
	WEIR_STEP_SWITCH,
	WEIR_STEP_SETTLE,
	WEIR_STEPS,
};

struct job {
	struct weir_engine *engine;
	struct job *next;
	struct weir_call *call;	    /* to be answered, or, alone, to be run in its turn */
	struct weir_change *change; /* of a feature */
	struct job *joined;	    /* calls that are part of it too, in the order they came */
	bool is_alone;		    /* it has failed together with others: once more by itself */
	bool is_apply;
	bool is_behind_state; /* old state maps were tried to be let go of before it */
	bool is_settling;     /* live, and state comes over: on a worker */
	bool has_settled;     /* and all of it has */
	bool drops_oldest;    /* where state has no room any more */
	bool is_heavy;	      /* the call only looks, but takes long: on a worker */
	bool is_file;	      /* the text is that of the configuration file */
	bool is_confirm;      /* what is live stays: only policy.json changes */
	uint64_t confirm_ns, ends_trial_ns; /* as in struct weir_apply */
	struct weir_policy_text text;	    /* of an apply */

	struct weir_config *config;
	struct weir_image *image; /* while the worker has it */
	bool follows;		  /* connections, by the image */
	uint64_t policy_bytes;	  /* of the image */
	uint32_t policy_classes;
	struct weir_object *object; /* when the constants ask for a new program */
	struct weir_commit *commit; /* its own, when it has maps of its own for the policy */
	bool is_changed;	    /* there is a new revision */
	bool is_flipped;	    /* so it is live from its first packet on */
	struct weir_policy_file policy;
	bool same; /* the image is live already */
	struct weir_diag diag;
	uint64_t started_ns;
	enum weir_step step;	      /* now; written by whoever is at it, read by the loop */
	uint64_t step_ns[WEIR_STEPS]; /* how long each took; 0: there was none */
	struct weir_settling settling;
	int result;
};

/* Where what a person must read goes: to the caller, or to the log. */
struct weir_diag *weir_job_diag(struct job *job);
/* Everything that can fail, on a worker's thread; job->image, object and policy are its fruits. */
int weir_job_steps(struct job *job);
/* Features take up the maps of an object. */
int weir_engine_attach_features(struct weir_engine *engine, struct weir_object *object,
				struct weir_diag *diag);
/* Near lines a slot is to have for this image. */
uint32_t weir_engine_near_capacity(const struct weir_engine *engine,
				   const struct weir_image *image);
/* state.c: the second half of a change that gave state maps another size. Worker: brings over what
 * the old ones have and loads a program that knows nothing of those. */
void weir_job_settle(struct job *job);
/* Worker: whether what features have stored fits. */
int weir_state_fits(struct weir_engine *engine, const struct weir_config *config, bool drops,
		    struct weir_diag *diag);
int weir_job_fits(struct job *job);
/* change_told.c: the next step begins. */
void weir_job_enter(struct job *job, enum weir_step step);
/* How far it is, as member "change" of an open object: any thread may be at it meanwhile. */
void weir_job_put_progress(const struct job *job, struct weir_json_out *json);
/* What it did, into an open object. */
void weir_job_put_steps(const struct job *job, struct weir_json_out *json);
/* Which operation, or why without one. */
const char *weir_job_what(const struct job *job);
/* A program that cannot judge a plain packet must not take over. */
int weir_object_try(struct weir_object *object, struct weir_diag *diag);

/* change_join.c: takes what waits and can be part of the change, which is about to begin. */
void weir_job_gather(struct job *job);
/* Those of them that can be answered. Where the change has failed, all that were not refused wait
 * again, each by itself; the job's own call too, which is NULL then. */
struct job *weir_job_take_joined(struct job *job);
void weir_jobs_answer(struct job *jobs);

/* change_switch.c: the programs of the job's object take over on every interface. Nothing has
 * changed when it fails. */
int weir_job_switch(struct job *job);
/* The object of the job is the engine's from now on. */
void weir_job_take_object(struct job *job);
/* Features let go of the maps of an object that did not make it. */
void weir_job_unload(struct job *job);
/* What was staged is live, and says so of every interface. */
void weir_policy_flip(struct weir_commit *commit, struct weir_object *object, uint64_t revision);
/* change_first.c: what is to be known of the live policy later; the features are told. */
void weir_policy_remember(struct weir_engine *engine, const struct weir_image *image);
void weir_features_live(struct weir_engine *engine);

#endif
