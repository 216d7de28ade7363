/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Configurations on trial: live, but taken back unless confirmed in time, so that who locks himself
 * out by one is let in again.
 *
 * The way back leads to the text confirmed last, however many trials follow one another, and what
 * was never confirmed is nothing `weir rollback` goes to. policy.json names text and deadline
 * before the trial goes live: a daemon that is killed meanwhile finds both at its next start. While
 * the daemon runs its own clock counts, which nobody can set; the deadline as a time of day is for
 * the next start, and a clock that was set back gives a trial no more time than it was given first.
 *
 * A confirmation that came before the deadline stands before the roll-back in the queue, wherever
 * the queue is: what came first is done first, and the other then finds no trial to end.
 */
#include "confirm.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/units.h"
#include "change_private.h"

#define AGAIN_MS \
	5000 /* until a roll-back that was refused (a list's file is gone) is tried again */

static uint64_t trial_left_ns(const struct weir_engine *engine)
{
	uint64_t now_ns = weir_clock_monotonic_ns();

	return engine->confirm_due_ns > now_ns ? engine->confirm_due_ns - now_ns : 0;
}

bool weir_confirm_is_timed(const struct job *job)
{
	return job->ends_trial_ns && !job->call;
}

int weir_confirm_check(struct job *job)
{
	const struct weir_policy_trial *trial = &job->engine->policy.trial;
	_cleanup_buf_ struct weir_buf left = {};

	if (job->ends_trial_ns)
		return job->ends_trial_ns == trial->until_ns ? 0 : -ECANCELED;
	if (!trial->until_ns || job->confirm_ns)
		return 0;
	weir_duration_format(trial_left_ns(job->engine) / WEIR_NS_PER_S * WEIR_NS_PER_S, &left);
	weir_diag_error(weir_job_diag(job),
			"weir confirm keeps it, weir rollback takes it back; apply --confirm tries "
			"another in its place",
			"the live configuration is on trial for another %s", weir_buf_str(&left));
	return -EEXIST;
}

/* Of the configuration file as it is now: the next start goes by what is live, and not by it, until
 * it is edited again. */
static uint64_t file_hash(const struct weir_engine *engine)
{
	const char *file = engine->options.config_file;
	_cleanup_buf_ struct weir_buf text = {};

	if (!file || weir_file_read(file, WEIR_CONFIG_BYTES_MAX, &text))
		return engine->policy.config_hash;
	return weir_hash_bytes(weir_buf_str(&text), text.len, 0);
}

static bool is_same(const struct weir_policy_text *a, const struct weir_policy_text *b)
{
	return a->text && b->text && strcmp(a->text, b->text) == 0;
}

/* A whole second, so that policy.json says the same. */
static uint64_t deadline_ns(uint64_t within_ns)
{
	uint64_t end_ns = weir_clock_real_ns() + within_ns + WEIR_NS_PER_S - 1;

	return end_ns - end_ns % WEIR_NS_PER_S;
}

/* The text confirmed last: the live one, unless that is on trial. */
static const struct weir_policy_text *confirmed_of(const struct weir_policy_file *policy)
{
	return policy->trial.until_ns ? &policy->trial.confirmed : &policy->current;
}

/* What is confirmed twice does not push the one before it out of reach of rollback. */
static const struct weir_policy_text *previous_of(const struct weir_policy_file *old,
						  const struct weir_policy_text *next)
{
	const struct weir_policy_text *confirmed = confirmed_of(old);

	return is_same(confirmed, next) ? &old->previous : confirmed;
}

static uint64_t config_hash_of(const struct job *job)
{
	if (job->is_file)
		return weir_hash_bytes(job->text.text, strlen(job->text.text), 0);
	return job->ends_trial_ns ? file_hash(job->engine) : job->engine->policy.config_hash;
}

int weir_confirm_draft(struct job *job)
{
	const struct weir_policy_file *old = &job->engine->policy;
	const struct weir_policy_text *next = job->is_confirm ? &old->current : &job->text;
	const struct weir_policy_text *confirmed = confirmed_of(old);
	bool is_trial = job->confirm_ns && !is_same(confirmed, next);
	const struct weir_policy_text *previous =
		is_trial ? &old->previous : previous_of(old, next);
	struct weir_policy_file *policy = &job->policy;

	policy->revision = weir_engine_revision(job->engine) + !job->is_confirm;
	policy->config_hash = config_hash_of(job);
	policy->changed_ns = weir_clock_real_ns();
	int r = weir_policy_text_copy(next, &policy->current);

	if (!r)
		r = weir_policy_text_copy(previous, &policy->previous);
	if (!r && is_trial)
		r = weir_policy_text_copy(confirmed, &policy->trial.confirmed);
	if (!r && is_trial) {
		policy->trial.within_ns = job->confirm_ns;
		policy->trial.until_ns = deadline_ns(job->confirm_ns);
	}
	return r;
}

static void lost_tell(const struct weir_policy_trial *trial, struct weir_diag *diag)
{
	_cleanup_buf_ struct weir_buf within = {};

	weir_duration_format(trial->within_ns, &within);
	weir_diag_warning(diag, "mend the one that was tried, then apply it with --confirm again",
			  "the configuration on trial was not confirmed within %s: the one "
			  "confirmed last is live again, whatever the configuration file says",
			  weir_buf_str(&within));
}

void weir_confirm_tell(struct job *job)
{
	if (weir_confirm_is_timed(job))
		lost_tell(&job->engine->policy.trial, weir_job_diag(job));
}

void weir_confirm_resume(struct weir_engine *engine, struct weir_diag *diag)
{
	struct weir_policy_file *policy = &engine->policy;
	struct weir_policy_trial *trial = &policy->trial;
	uint64_t now_ns = weir_clock_real_ns(), hash = file_hash(engine);

	if (!trial->until_ns)
		return;
	engine->policy_is_new = hash != policy->config_hash;
	policy->config_hash = hash;
	if (trial->until_ns > now_ns) {
		uint64_t left_ns = trial->until_ns - now_ns;

		left_ns = left_ns < trial->within_ns ? left_ns : trial->within_ns;
		engine->confirm_due_ns = weir_clock_monotonic_ns() + left_ns;
		return;
	}
	lost_tell(trial, diag);
	weir_engine_before_take(engine, &policy->current);
	weir_policy_text_done(&policy->current);
	policy->current = trial->confirmed;
	*trial = (struct weir_policy_trial){};
	engine->policy_is_new = engine->is_trial_lost = true;
}

static void trial_end(void *arg)
{
	struct weir_engine *engine = arg;
	const struct weir_policy_trial *trial = &engine->policy.trial;

	if (!trial->until_ns)
		return;
	struct weir_apply back = {
		.text = trial->confirmed.text,
		.len = strlen(trial->confirmed.text),
		.file = trial->confirmed.file,
		.ends_trial_ns = trial->until_ns,
	};

	if (weir_engine_apply(engine, &back, NULL) != WEIR_OP_PENDING)
		engine->loop->rearm(engine->confirm, AGAIN_MS, 0);
}

/* The change of a start, which nobody asked for. */
static void lost_publish(struct weir_engine *engine)
{
	_cleanup_buf_ struct weir_buf text = {};
	struct weir_json_out json = { .out = &text };

	weir_event_open(&json, "change");
	weir_json_put_uint(&json, "revision", weir_engine_revision(engine));
	weir_json_put_str(&json, "what", "rollback");
	weir_json_put_str(&json, "who", WEIR_CONFIRM_WHO);
	weir_json_close_object(&json);
	weir_engine_publish(engine, "change", weir_buf_str(&text), text.len);
}

static uint64_t trial_left_ms(const struct weir_engine *engine)
{
	return (trial_left_ns(engine) + WEIR_NS_PER_MS - 1) / WEIR_NS_PER_MS;
}

/* Without a trial it ends at once and does nothing: a trial then has nothing left to fail. */
int weir_confirm_watch(struct weir_engine *engine)
{
	engine->confirm =
		engine->loop->timer(engine->loop, trial_left_ms(engine), 0, trial_end, engine);
	if (engine->is_trial_lost)
		lost_publish(engine);
	return engine->confirm ? 0 : -ENOMEM;
}

void weir_confirm_arm(struct weir_engine *engine)
{
	const struct weir_policy_trial *trial = &engine->policy.trial;

	if (!trial->until_ns)
		return;
	engine->confirm_due_ns = weir_clock_monotonic_ns() + trial->within_ns;
	engine->loop->rearm(engine->confirm, trial_left_ms(engine), 0);
}

void weir_confirm_ended(struct weir_engine *engine, int result)
{
	if (result && result != -ECANCELED && engine->policy.trial.until_ns)
		engine->loop->rearm(engine->confirm, AGAIN_MS, 0);
}

void weir_confirm_put(const struct weir_engine *engine, struct weir_json_out *json)
{
	const struct weir_policy_trial *trial = &engine->policy.trial;

	if (!trial->until_ns)
		return;
	weir_json_open_object(json, "confirm");
	weir_json_put_time(json, "until", trial->until_ns);
	weir_json_put_uint(json, "within_s", trial->within_ns / WEIR_NS_PER_S);
	weir_json_put_uint(json, "seconds_left", trial_left_ns(engine) / WEIR_NS_PER_S);
	weir_json_close_object(json);
}
