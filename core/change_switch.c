/* SPDX-License-Identifier: Apache-2.0 */
/* Another program takes over: pins, flips of its own, links; and the way back where one of them
 * fails. */
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "change_private.h"
#include "patch.h"

/* The programs would not go over, after the new text was written: a restart must not make live what
 * was refused. */
static void job_unpersist(struct job *job)
{
	struct weir_engine *engine = job->engine;
	int r = weir_policy_file_write(engine->options.state_dir, &engine->policy);

	if (r)
		weir_diag_error(weir_job_diag(job), "apply the configuration that is live again",
				"%s/policy.json: still says what was refused: %s",
				engine->options.state_dir, strerror(-r));
}

void weir_policy_flip(struct weir_commit *commit, struct weir_object *object, uint64_t revision)
{
	weir_patch_staged(commit, object);
	weir_commit_flip(commit, revision);
}

/* Maps of its own are read by nobody yet: the new policy is live there before the first packet. */
static void job_flip_own(struct job *job)
{
	if (!job->commit)
		return;
	weir_policy_flip(job->commit, job->object, weir_engine_revision(job->engine) + 1);
	job->is_flipped = true;
}

/*
 * Where state comes over, the new maps are pinned before the first program uses them: a run that is
 * killed in between is followed by one that finds the old ones beside them.
 */
static int job_pin_first(struct job *job)
{
	const char *pin_dir = job->engine->options.pin_dir;

	if (!weir_object_has_old(job->object))
		return 0;
	return weir_object_pin(job->object, pin_dir, WEIR_PIN_ALL, weir_job_diag(job));
}

static void job_pin_back(struct job *job)
{
	struct weir_engine *engine = job->engine;

	if (weir_object_has_old(job->object))
		weir_object_pin(engine->object, engine->options.pin_dir, WEIR_PIN_ALL,
				weir_job_diag(job));
}

/* The object of the job is the engine's from now on. */
void weir_job_take_object(struct job *job)
{
	struct weir_engine *engine = job->engine;

	/* Not pinned, a resized map is made anew at the next start and filled again: a warning is
	 * enough. */
	weir_object_pin(job->object, engine->options.pin_dir, WEIR_PIN_NEW, weir_job_diag(job));
	if (job->commit) {
		weir_commit_free(engine->commit);
		engine->commit = weir_take(job->commit);
	}
	weir_object_free(engine->object);
	engine->object = weir_take(job->object);
	engine->holds_old = weir_object_has_old(engine->object);
}

int weir_job_switch(struct job *job)
{
	struct weir_engine *engine = job->engine;
	uint64_t since = weir_clock_monotonic_ns();

	if (!job->object)
		return 0;
	weir_job_enter(job, WEIR_STEP_SWITCH);
	int r = job_pin_first(job);

	if (!r) {
		job_flip_own(job);
		r = weir_interfaces_switch(engine->interfaces, job->object, weir_job_diag(job));
	}
	if (r)
		job_pin_back(job);
	if (r && job->is_apply)
		job_unpersist(job);
	if (r)
		return r;
	weir_job_take_object(job);
	job->step_ns[WEIR_STEP_SWITCH] += weir_clock_monotonic_ns() - since;
	return 0;
}

/* Features let go of the maps of an object that did not make it. */
void weir_job_unload(struct job *job)
{
	struct weir_engine *engine = job->engine;

	for (size_t i = 0; weir_features[i] && job->object; i++)
		if (weir_features[i]->attach)
			weir_features[i]->attach(engine->states[i], engine->object,
						 weir_job_diag(job));
}
