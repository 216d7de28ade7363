/* SPDX-License-Identifier: Apache-2.0 */
/*
 * State that comes over into maps of another size, while packets pass:
 *
 *   1. a program is loaded whose maps st_NAME are new, and which has those of before as st_old_NAME
 *      (bpf/lib/old_state.h); all are pinned
 *   2. each link goes over to it. It works in st_old_NAME, as the program before does beside it
 *   3. after a grace period, when no packet is in the program before, it is turned: it works in
 *      st_NAME, and fetches what it does not find there. After another, what no packet has fetched
 *      is copied
 *   4. a program that knows nothing of st_old_NAME takes over, and the old maps are gone
 *
 * Whoever is killed in between leaves a program that works, and pins from which the next start goes
 * on. docs/design/reload.md
 */
#include <errno.h>
#include <string.h>

#include "adopt.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "change_private.h"
#include "compile.h"
#include "confirm.h"

int weir_state_fits(struct weir_engine *engine, const struct weir_config *config, bool drops,
		    struct weir_diag *diag)
{
	int r = 0;

	for (size_t i = 0; weir_features[i] && !r; i++)
		if (weir_features[i]->fits)
			r = weir_features[i]->fits(engine->states[i], config, drops, diag);
	return r;
}

int weir_job_fits(struct job *job)
{
	if (!weir_object_has_old(job->object))
		return 0;
	return weir_state_fits(job->engine, job->config ? job->config : job->engine->config,
			       job->drops_oldest || weir_confirm_is_timed(job), weir_job_diag(job));
}

/* The same program once more, on the same maps but for the old ones. */
static void object_renew(struct job *job)
{
	struct weir_engine *engine = job->engine;
	struct weir_constants *constants =
		weir_constants_copy(weir_object_constants(engine->object));

	uint64_t since = weir_clock_monotonic_ns();

	weir_job_enter(job, WEIR_STEP_LOAD);
	if (constants &&
	    weir_object_new(NULL, engine->object, constants, weir_job_diag(job), &job->object))
		weir_constants_free(constants);
	job->step_ns[WEIR_STEP_LOAD] += weir_clock_monotonic_ns() - since;
}

/* No packet works in the program before, then none in the old maps. */
static int features_turn(struct weir_engine *engine)
{
	int r = weir_commit_grace(engine->commit);

	for (size_t i = 0; weir_features[i] && !r; i++)
		if (weir_features[i]->turn)
			r = weir_features[i]->turn(engine->states[i]);
	return r ? r : weir_commit_grace(engine->commit);
}

void weir_job_settle(struct job *job)
{
	struct weir_engine *engine = job->engine;
	uint64_t since = weir_clock_monotonic_ns();

	weir_job_enter(job, WEIR_STEP_SETTLE);
	int r = features_turn(engine);

	if (r) /* until it works, what is followed is not shown: once more at once */
		r = features_turn(engine);
	if (r)
		weir_diag_warning(
			weir_job_diag(job), NULL,
			"what is in tables of another size stays there, and is tried to be "
			"brought over again: %s",
			strerror(-r));
	if (!r && (job->is_apply || job->change)) /* the first time after a switch */
		job->settling.adopted += weir_adopt(engine->states, engine->config,
						    WEIR_ADOPTED_LATE, weir_job_diag(job));
	for (size_t i = 0; weir_features[i] && !r; i++)
		if (weir_features[i]->settle)
			weir_features[i]->settle(engine->states[i], &job->settling);
	job->step_ns[WEIR_STEP_SETTLE] += weir_clock_monotonic_ns() - since;
	job->has_settled = r == 0;
	if (!r)
		object_renew(job);
}
