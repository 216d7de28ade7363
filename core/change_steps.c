/* SPDX-License-Identifier: Apache-2.0 */
/* What a worker does for a change: read, compile, load, stage, try, persist. Nothing here is live
 * until change.c flips. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "adopt.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "change_private.h"
#include "compile.h"
#include "confirm.h"
#include "frame.h"
#include "near.h"

struct weir_diag *weir_job_diag(struct job *job)
{
	return job->call ? &job->call->diag : &job->diag;
}

static const struct weir_config *job_config(const struct job *job)
{
	return job->config ? job->config : job->engine->config;
}

static int job_read(struct job *job)
{
	if (job->is_apply)
		return weir_config_parse(job->text.text, strlen(job->text.text), job->text.file,
					 weir_job_diag(job), &job->config);
	if (!job->change->prepare)
		return 0;
	return job->change->prepare(job->change,
				    weir_engine_state(job->engine, job->change->feature),
				    weir_job_diag(job));
}

static int job_compile(struct job *job)
{
	struct weir_compile_input input = { .config = job_config(job),
					    .states = job->engine->states,
					    .is_unasked = weir_confirm_is_timed(job) };

	if (job->change) {
		input.changing = job->change->feature;
		input.draft = job->change->draft;
	}
	return weir_compile_input(&input, weir_job_diag(job), &job->image);
}

/* The live program cannot have old state maps while another gets some, nor be followed by one that
 * knows nothing of what is still in them: change.c tried to rid it of them first. */
static int old_state_check(struct job *job)
{
	const struct weir_engine *engine = job->engine;

	if (!weir_object_has_old(engine->object) ||
	    (!engine->holds_old && !weir_object_resize(job->object)))
		return 0;
	weir_diag_error(weir_job_diag(job),
			"try again in a moment; weir events tells why it failed",
			"the packet programs cannot be replaced: the change before gave tables "
			"another size, and has not let go of the old ones yet");
	return -EBUSY;
}

static int object_prepare(struct job *job, struct weir_constants *constants)
{
	struct weir_engine *engine = job->engine;
	int r = weir_object_new(NULL, engine->object, constants, weir_job_diag(job), &job->object);

	if (r) {
		weir_constants_free(constants);
		return r;
	}
	r = old_state_check(job);
	if (!r)
		r = weir_engine_attach_features(engine, job->object, weir_job_diag(job));
	if (!r)
		r = weir_job_fits(job);
	if (!r && !weir_object_policy_is_reused(job->object))
		r = weir_commit_new(job->object, engine->options.pin_dir, weir_job_diag(job),
				    &job->commit);
	return r;
}

int weir_engine_attach_features(struct weir_engine *engine, struct weir_object *object,
				struct weir_diag *diag)
{
	int first = 0;

	/* All of them, whichever fails: the object whose maps they have may be freed next. */
	for (size_t i = 0; weir_features[i]; i++) {
		int r = weir_features[i]->attach ?
				weir_features[i]->attach(engine->states[i], object, diag) :
				0;

		first = first ? first : r;
	}
	return first;
}

uint32_t weir_engine_near_capacity(const struct weir_engine *engine, const struct weir_image *image)
{
	uint32_t count = 0;

	weir_image_near(image, &count);
	return weir_near_capacity_for(count, weir_commit_near_capacity(engine->commit));
}

/* Constants are compiled into the program: when they change, a second one is loaded beside the
 * first, on the same maps. */
static int job_load(struct job *job)
{
	struct weir_constants *constants = NULL;
	int r = weir_compile_constants(job_config(job), job->image,
				       weir_engine_near_capacity(job->engine, job->image),
				       &constants);

	if (r)
		return r;
	if (!weir_constants_equal(constants, weir_object_constants(job->engine->object)))
		return object_prepare(job, constants);
	weir_constants_free(constants);
	return 0;
}

int weir_object_try(struct weir_object *object, struct weir_diag *diag)
{
	struct weir_frame_spec spec = { .proto = 17, .sport = 1, .dport = 1 };
	struct weir_probe_result result;
	unsigned char frame[WEIR_FRAME_BYTES];

	weir_addr_from_string("192.0.2.1", 9, &spec.src);
	weir_addr_from_string("192.0.2.2", 9, &spec.dst);
	int r = weir_frame_complete(&spec, diag);
	if (r)
		return r;
	size_t len = weir_frame_build(&spec, frame);

	r = weir_object_probe(object, WEIR_PROGRAM_TC_IN, frame, len, 0, &result);

	if (!r && (result.reason == WEIR_PASS || result.reason >= WEIR_REASON_COUNT))
		r = -EIO;
	if (r)
		weir_diag_error(diag, "weir doctor", "the new program fails its self-test: %s",
				strerror(-r));
	return r;
}

static int policy_persist(struct job *job)
{
	const char *state_dir = job->engine->options.state_dir;
	int r = weir_confirm_draft(job);

	if (!r)
		r = weir_policy_file_write(state_dir, &job->policy);
	if (r && weir_confirm_is_timed(job) && job->policy.current.text) {
		/* The file that stands says that the trial has ended, too. */
		weir_diag_warning(weir_job_diag(job), "free space there",
				  "%s/policy.json: cannot be written: %s", state_dir, strerror(-r));
		return 0;
	}
	if (r)
		weir_diag_error(weir_job_diag(job), "free space there; nothing was changed",
				"%s/policy.json: cannot be written: %s", state_dir, strerror(-r));
	return r;
}

static int job_persist(struct job *job)
{
	if (job->is_apply || job->is_confirm)
		return policy_persist(job);
	if (!job->change->persist)
		return 0;
	return job->change->persist(job->change,
				    weir_engine_state(job->engine, job->change->feature),
				    weir_job_diag(job));
}

/* What is to be known of it later; giving hundreds of megabytes back is not for the loop. */
static void job_note_image(struct job *job)
{
	job->follows = weir_image_follows(job->image, job_config(job));
	job->policy_bytes = weir_image_bytes(job->image);
	job->policy_classes = weir_image_class_count(job->image);
	weir_image_free(weir_take(job->image));
}

/* Notes how long a step took that began at `since`; returns now. */
static uint64_t step_note(struct job *job, enum weir_step step, uint64_t since)
{
	uint64_t now = weir_clock_monotonic_ns();

	job->step_ns[step] += now - since;
	return now;
}

static int job_stage(struct job *job)
{
	uint64_t since = weir_clock_monotonic_ns();
	int r = job_compile(job);

	since = step_note(job, WEIR_STEP_COMPILE, since);
	weir_job_enter(job, WEIR_STEP_LOAD);
	if (!r)
		r = job_load(job);
	since = step_note(job, WEIR_STEP_LOAD, since);
	weir_job_enter(job, WEIR_STEP_STAGE);
	if (r)
		return r;
	struct weir_commit *commit = job->commit ? job->commit : job->engine->commit;

	job->same = weir_commit_is_live(commit, job->image);
	if (!job->same)
		r = weir_commit_stage(commit, job->image, weir_job_diag(job));
	job_note_image(job);
	if (!r && job->object)
		r = weir_object_try(job->object, weir_job_diag(job));
	/* Late: what begins between this and the switch is looked for once more when it settles. */
	if (!r && job->object)
		job->settling.adopted += weir_adopt(job->engine->states, job_config(job),
						    WEIR_ADOPTED_GRANTED, weir_job_diag(job));
	step_note(job, WEIR_STEP_STAGE, since);
	return r;
}

int weir_job_steps(struct job *job)
{
	struct weir_change *change = job->change;

	if (job->is_confirm)
		return job_persist(job);
	int r = job->is_apply ? weir_confirm_check(job) : 0;

	if (!r)
		r = job_read(job);
	if (!r && change && change->keeps_policy)
		job->same = true;
	else if (!r)
		r = job_stage(job);
	if (!r)
		r = job_persist(job);
	if (!r && change && change->enforce)
		change->enforce(change, weir_engine_state(job->engine, change->feature));
	return r;
}
