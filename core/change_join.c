/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Calls that wait behind a change and would begin another of the same kind become part of it, so
 * that many small edits cost one policy. None of them is half done by it: each is refused or done
 * by itself, and answered when the policy that has it is live.
 */
#include <errno.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "change_private.h"

#define JOINED_MOST 64 /* so that who came first does not wait for too many others */

/* A call that is to be run in its turn, whatever the revision is by then. */
static bool can_join(const struct job *job)
{
	return job->call && !job->is_apply && !job->is_confirm && !job->change && !job->is_heavy &&
	       !job->is_settling && !job->is_alone && !job->call->has_expected;
}

void weir_job_gather(struct job *job)
{
	struct weir_engine *engine = job->engine;
	struct weir_change *change = job->change;
	struct job **end = &job->joined;
	unsigned count = 0;

	if (!change || !change->join || job->is_alone || !job->call || job->call->has_expected)
		return;
	while (engine->waiting && can_join(engine->waiting) && count++ < JOINED_MOST &&
	       change->join(change, engine->waiting->call)) {
		struct job *joined = engine->waiting;

		engine->waiting = joined->next;
		joined->next = NULL;
		*end = joined;
		end = &joined->next;
	}
	if (!engine->waiting)
		engine->waiting_end = &engine->waiting;
}

static void job_requeue(struct job *job)
{
	struct weir_engine *engine = job->engine;

	job->is_alone = true;
	job->next = engine->waiting;
	engine->waiting = job;
	if (!job->next)
		engine->waiting_end = &job->next;
}

/* The first of them, as a call that waits. NULL: out of memory. */
static struct job *first_again(struct job *job)
{
	struct job *again = job->call && !job->call->result ? calloc(1, sizeof(*again)) : NULL;

	if (!again)
		return NULL;
	again->engine = job->engine;
	again->call = weir_take(job->call);
	weir_diag_done(&again->call->diag); /* of what may have been another's fault */
	again->call->diag = (struct weir_diag){};
	return again;
}

/* Those that wait come in the order they came. */
static void split(struct job *job, struct job *joined)
{
	struct job *reversed = NULL, *first = first_again(job);

	while (joined) {
		struct job *next = joined->next;

		joined->next = reversed;
		reversed = joined;
		joined = next;
	}
	while (reversed) {
		struct job *next = reversed->next;

		job_requeue(reversed);
		reversed = next;
	}
	if (first)
		job_requeue(first);
}

struct job *weir_job_take_joined(struct job *job)
{
	struct job *joined = weir_take(job->joined), *refused = NULL, *others = NULL;
	struct job **refused_end = &refused, **others_end = &others;

	if (!job->result)
		return joined;
	/* By one of them, and not by all: each that was not refused is tried by itself. */
	while (joined) {
		struct job ***end = joined->call->result ? &refused_end : &others_end;
		struct job *next = joined->next;

		**end = joined;
		*end = &joined->next;
		joined->next = NULL;
		joined = next;
	}
	if (others || refused)
		split(job, others);
	return refused;
}

void weir_jobs_answer(struct job *jobs)
{
	while (jobs) {
		struct job *job = jobs;
		struct weir_call *call = job->call;

		jobs = job->next;
		free(job);
		weir_call_finish(call, call->result);
	}
}
