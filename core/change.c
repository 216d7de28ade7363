/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Changes of policy, one at a time, in the order they came:
 *
 *   worker: read -> check -> compile -> (new program, if constants differ) -> stage -> try ->
 * persist loop:   switch programs -> FLIP -> tell
 *
 * Everything that can fail comes before the flip, and the state files are written last of that: a
 * crash before leaves the old policy on disk and in the kernel, a crash after it the new one on
 * disk, which the next start makes live.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "adopt.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "change_private.h"
#include "compile.h"
#include "confirm.h"
#include "near.h"
#include "patch.h"

#define SETTLE_AGAIN_TICKS 5

static void job_free(struct job *job)
{
	if (job->change && job->change->free)
		job->change->free(job->change);
	free(job->text.text);
	free(job->text.file);
	weir_config_free(job->config);
	weir_image_free(job->image);
	weir_commit_free(job->commit);
	weir_object_free(job->object);
	weir_policy_file_done(&job->policy);
	weir_diag_done(&job->diag);
	free(job);
}

static void job_work(void *arg)
{
	struct job *job = arg;

	if (job->is_settling)
		weir_job_settle(job);
	else if (job->is_heavy)
		job->result = job->call->op->run(job->engine, job->call);
	else
		job->result = weir_job_steps(job);
}

static void job_adopt_policy(struct job *job)
{
	struct weir_engine *engine = job->engine;

	weir_confirm_tell(job);
	weir_policy_file_done(&engine->policy);
	engine->policy = job->policy;
	job->policy = (struct weir_policy_file){};
	weir_confirm_arm(engine);
}

static void job_adopt_config(struct job *job)
{
	struct weir_engine *engine = job->engine;

	weir_config_free(engine->config);
	engine->config = weir_take(job->config);
	job_adopt_policy(job);
	weir_engine_want_interfaces(engine, engine->config);
}

static void reply_apply(struct job *job, bool is_changed)
{
	struct weir_json_out json = { .out = &job->call->reply };

	weir_json_open_object(&json, NULL);
	weir_json_put_uint(&json, "revision", weir_engine_revision(job->engine));
	weir_json_put_bool(&json, "changed", is_changed);
	weir_json_put_uint(&json, "ms",
			   (weir_clock_monotonic_ns() - job->started_ns) / WEIR_NS_PER_MS);
	weir_job_put_steps(job, &json);
	weir_confirm_put(job->engine, &json);
	if (job->call->diag.count)
		weir_json_put_diag(&json, "warnings", &job->call->diag);
	weir_json_close_object(&json);
}

const char *weir_job_what(const struct job *job)
{
	if (job->call)
		return job->call->op->name;
	if (job->change && job->change->what)
		return job->change->what;
	if (!job->is_apply)
		return "start";
	return job->ends_trial_ns ? "rollback" : "reload";
}

static const char *job_who(const struct job *job)
{
	if (job->call)
		return job->call->who;
	return job->ends_trial_ns ? WEIR_CONFIRM_WHO : "daemon";
}

static void change_publish_one(const struct job *job)
{
	_cleanup_buf_ struct weir_buf text = {};
	struct weir_json_out json = { .out = &text };

	weir_event_open(&json, "change");
	weir_json_put_uint(&json, "revision", weir_engine_revision(job->engine));
	weir_json_put_str(&json, "what", weir_job_what(job));
	weir_json_put_str(&json, "who", job_who(job));
	weir_json_close_object(&json);
	weir_engine_publish(job->engine, "change", weir_buf_str(&text), text.len);
}

static void change_publish(const struct job *job)
{
	if (!job->call || !job->call->result)
		change_publish_one(job);
	for (const struct job *joined = job->joined; joined; joined = joined->next)
		if (!joined->call->result)
			change_publish_one(joined);
}

static bool keeps_policy(const struct job *job)
{
	return job->change && job->change->keeps_policy;
}

static void job_flip(struct job *job)
{
	struct weir_engine *engine = job->engine;

	if (!job->same && !keeps_policy(job))
		weir_policy_flip(engine->commit, engine->object, weir_engine_revision(engine) + 1);
	else if (!job->is_apply ||
		 strcmp(job->policy.current.text, engine->policy.current.text ?: ""))
		weir_engine_bump(engine);
}

static void job_live(struct job *job)
{
	struct weir_engine *engine = job->engine;
	uint64_t before = weir_engine_revision(engine) - job->is_flipped;

	if (!job->is_flipped)
		job_flip(job);
	if (!keeps_policy(job)) {
		engine->follows = job->follows;
		engine->policy_bytes = job->policy_bytes;
		engine->policy_classes = job->policy_classes;
	}
	if (job->change && job->change->accept)
		job->change->accept(job->change, weir_engine_state(engine, job->change->feature));
	if (job->is_apply)
		job_adopt_config(job);
	if (!keeps_policy(job))
		weir_features_live(engine);
	weir_interfaces_follow(engine->interfaces, engine->follows);
	if (job->is_apply)
		weir_engine_look(engine);
	engine->last_change_ms = (weir_clock_monotonic_ns() - job->started_ns) / WEIR_NS_PER_MS;
	job->is_changed = weir_engine_revision(engine) != before;
	change_publish(job);
}

/* Only policy.json changed: the same packets pass as before, so the revision stays. */
static void job_confirmed(struct job *job)
{
	struct weir_json_out json = { .out = &job->call->reply };

	job_adopt_policy(job);
	weir_json_open_object(&json, NULL);
	weir_json_put_uint(&json, "revision", weir_engine_revision(job->engine));
	weir_json_put_bool(&json, "confirmed", true);
	weir_json_close_object(&json);
	change_publish(job);
}

/* What nobody waits for is told to whoever listens. */
static void warnings_publish(const struct job *job)
{
	_cleanup_buf_ struct weir_buf text = {}, what = {}, event = {};
	struct weir_json_out json = { .out = &event };

	/* On one line, as journals have it. */
	for (size_t i = 0; i < job->diag.count; i++) {
		weir_buf_add_str(&text, i ? "; " : "");
		weir_diag_entry_format(&job->diag.entries[i], &text);
	}
	weir_buf_addf(&what, "%s%s", weir_job_what(job), job->result ? " refused" : "");
	weir_event_open(&json, "warning");
	weir_json_put_str(&json, "what", weir_buf_str(&what));
	weir_json_put_str(&json, "detail", weir_buf_str(&text));
	weir_json_close_object(&json);
	weir_engine_publish(job->engine, "warning", weir_buf_str(&event), event.len);
}

static void queue_next(struct weir_engine *engine);
static void job_done(void *arg);

static void job_end(struct job *job)
{
	struct weir_engine *engine = job->engine;
	int result = job->result;

	if (result)
		weir_job_unload(job);
	engine->running = NULL;
	if (!job->call && job->diag.count)
		warnings_publish(job);
	if (!job->call && job->ends_trial_ns)
		weir_confirm_ended(engine, result);
	struct job *joined = weir_job_take_joined(job);
	struct weir_call *call = weir_take(job->call);

	job_free(job);
	weir_engine_tick_owed(engine); /* before anybody who is answered begins another */
	if (call)
		weir_call_finish(call, call->result ? call->result : result);
	weir_jobs_answer(joined);
	queue_next(engine);
}

/* Everything is live; what is left is only to be told. */
static void job_finish(struct job *job)
{
	if (!job->result && job->is_apply && job->call)
		reply_apply(job, job->is_changed);
	job_end(job);
}

/* State is in maps of another size: what the old ones have comes over. */
static bool job_settles(struct job *job)
{
	struct weir_engine *engine = job->engine;

	if (job->result || job->is_heavy || job->is_settling ||
	    !weir_object_has_old(engine->object))
		return false;
	job->is_settling = true;
	engine->settles_again = SETTLE_AGAIN_TICKS; /* where no worker can be had */
	return engine->loop->work(engine->loop, job_work, job_done, job) == 0;
}

/* Without a program that knows nothing of the old maps they stay in memory; they are empty. */
static void job_settled(struct job *job)
{
	struct weir_engine *engine = job->engine;

	if (job->object &&
	    !weir_interfaces_switch(engine->interfaces, job->object, weir_job_diag(job)))
		weir_job_take_object(job);
	weir_engine_attach_features(engine, engine->object, weir_job_diag(job));
	engine->holds_old &= !job->has_settled;
	engine->settles_again = weir_object_has_old(engine->object) ? SETTLE_AGAIN_TICKS : 0;
	job_finish(job);
}

static void job_done(void *arg)
{
	struct job *job = arg;

	if (job->is_settling) {
		job_settled(job);
		return;
	}
	if (!job->result && !job->is_heavy)
		job->result = weir_job_switch(job);
	if (job->is_heavy && job->call->op->after)
		job->call->op->after(job->engine);
	if (!job->result && job->is_confirm)
		job_confirmed(job);
	else if (!job->result && !job->is_heavy)
		job_live(job);
	if (!job_settles(job))
		job_finish(job);
}

static void job_start(struct job *job)
{
	struct weir_engine *engine = job->engine;

	engine->running = job;
	if (job->change && job->change->begin)
		job->change->begin(job->change, weir_engine_state(engine, job->change->feature));
	if (job->is_heavy && job->call->op->before)
		job->call->op->before(engine);
	weir_job_gather(job);
	job->started_ns = weir_clock_monotonic_ns();
	/* The worker may be done before work() returns: job->result is its own from here on. */
	int r = engine->loop->work(engine->loop, job_work, job_done, job);

	if (r) {
		job->result = r;
		job_end(job);
	}
}

/* A write in its turn: what it expected must still be so now, not when it came in. */
static void call_run(struct weir_engine *engine, struct weir_call *call)
{
	uint64_t revision = weir_engine_revision(engine);

	if (call->has_expected && call->expected != revision) {
		weir_diag_error(&call->diag,
				"look at what changed, then try again with the new revision",
				"the policy moved on: revision %llu was expected, %llu is live",
				(unsigned long long)call->expected, (unsigned long long)revision);
		weir_call_finish(call, -ESTALE);
		return;
	}
	if (call->op->before)
		call->op->before(engine);
	int r = call->op->run(engine, call);

	if (r != WEIR_OP_PENDING && call->op->after)
		call->op->after(engine);
	if (r != WEIR_OP_PENDING)
		weir_call_finish(call, r);
}

/*
 * Maps that the change before left as old ones are let go of first: a program that has some of its
 * own is not to be loaded beside one that still has those (conntrack.c: is_turned).
 */
static bool job_lets_state_pass(struct job *job)
{
	struct weir_engine *engine = job->engine;

	if ((!job->is_apply && !job->change) || job->is_behind_state ||
	    !weir_object_has_old(engine->object))
		return false;
	job->is_behind_state = true;
	return weir_engine_settle(engine) == 0;
}

static void queue_next(struct weir_engine *engine)
{
	while (engine->waiting && !engine->running) {
		struct job *job = engine->waiting;

		if (job_lets_state_pass(job))
			continue;
		engine->waiting = job->next;
		if (!engine->waiting)
			engine->waiting_end = &engine->waiting;
		if (job->is_apply || job->is_confirm || job->change || job->is_heavy ||
		    job->is_settling) {
			job_start(job);
			continue;
		}
		struct weir_call *call = weir_take(job->call);

		engine->runs_alone = job->is_alone;
		job_free(job);
		call_run(engine, call);
		engine->runs_alone = false;
	}
}

static void queue_add(struct weir_engine *engine, struct job *job)
{
	*engine->waiting_end = job;
	engine->waiting_end = &job->next;
	queue_next(engine);
}

/*
 * What a call begins in its turn goes before all that waits: it was made of the state as it is now
 * (a deletion holds the very list), and its revision was compared with this one.
 */
static void queue_add_first(struct weir_engine *engine, struct job *job)
{
	job->next = engine->waiting;
	engine->waiting = job;
	if (!job->next)
		engine->waiting_end = &job->next;
	queue_next(engine);
}

static bool is_begun(const struct job *job)
{
	return job->change || job->is_settling || job->is_confirm || (job->is_apply && job->call);
}

/* A change that nobody called for: people who edit all the time are not to keep it waiting. */
static void queue_add_own(struct weir_engine *engine, struct job *job)
{
	struct job **at = &engine->waiting;

	while (*at && is_begun(*at))
		at = &(*at)->next;
	job->next = *at;
	*at = job;
	if (!job->next)
		engine->waiting_end = &job->next;
	queue_next(engine);
}

static struct job *job_new(struct weir_engine *engine, struct weir_call *call)
{
	struct job *job = calloc(1, sizeof(*job));

	if (job) {
		job->engine = engine;
		job->call = call;
	}
	return job;
}

void weir_engine_run(struct weir_engine *engine, struct weir_call *call)
{
	bool is_heavy = call->op->is_heavy && call->op->is_heavy(engine, call),
	     is_free = !engine->running && !engine->waiting;

	if (!is_heavy && (call->op->kind == WEIR_OP_READ || is_free)) {
		call_run(engine, call);
		return;
	}
	struct job *job = job_new(engine, call);

	if (!job) {
		weir_call_finish(call, -ENOMEM);
		return;
	}
	job->is_heavy = is_heavy;
	queue_add(engine, job);
}

static int apply_text(const struct weir_apply *apply, struct weir_diag *diag,
		      struct weir_policy_text *ret_text)
{
	_cleanup_free_ char *text = strndup(apply->text, apply->len);

	if (text && strlen(text) != apply->len)
		return weir_diag_error(diag, "save it as plain UTF-8 text",
				       "the configuration has a NUL byte in it");
	return text ? weir_policy_text_copy(&(struct weir_policy_text){ text, (char *)apply->file },
					    ret_text) :
		      -ENOMEM;
}

int weir_engine_apply(struct weir_engine *engine, const struct weir_apply *apply,
		      struct weir_call *call)
{
	struct weir_policy_text text = {};
	int r = apply_text(apply, call ? &call->diag : NULL, &text);
	struct job *job = r ? NULL : job_new(engine, call);

	if (!job) {
		weir_policy_text_done(&text);
		return r ? r : -ENOMEM;
	}
	job->is_apply = true;
	job->is_file = apply->is_file;
	job->confirm_ns = apply->confirm_ns;
	job->ends_trial_ns = apply->ends_trial_ns;
	job->drops_oldest = apply->drops_oldest;
	job->text = text;
	if (call)
		queue_add_first(engine, job);
	else
		queue_add(engine, job);
	return WEIR_OP_PENDING;
}

int weir_engine_confirm(struct weir_engine *engine, struct weir_call *call)
{
	struct job *job = job_new(engine, call);

	if (!job)
		return -ENOMEM;
	job->is_confirm = true;
	queue_add_first(engine, job);
	return WEIR_OP_PENDING;
}

int weir_engine_change(struct weir_engine *engine, struct weir_change *change)
{
	struct job *job = job_new(engine, change->call);

	if (!job) {
		change->free(change);
		return -ENOMEM;
	}
	job->change = change;
	job->is_alone = engine->runs_alone;
	if (change->call)
		queue_add_first(engine, job);
	else
		queue_add_own(engine, job);
	return WEIR_OP_PENDING;
}

int weir_engine_settle(struct weir_engine *engine)
{
	struct job *job = weir_object_has_old(engine->object) ? job_new(engine, NULL) : NULL;

	if (!job)
		return weir_object_has_old(engine->object) ? -ENOMEM : 0;
	job->is_settling = true;
	queue_add_first(engine, job);
	return 0;
}

bool weir_engine_is_idle(const struct weir_engine *engine)
{
	return !engine->running;
}

void weir_changes_init(struct weir_engine *engine)
{
	engine->waiting_end = &engine->waiting;
}

void weir_changes_done(struct weir_engine *engine)
{
	while (engine->waiting) {
		struct job *job = engine->waiting;

		engine->waiting = job->next;
		job_free(job);
	}
}
