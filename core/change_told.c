/* SPDX-License-Identifier: Apache-2.0 */
/* What is told of a change: how far it is while it runs, and what it did. */
#include "change_private.h"

static const char *const step_names[WEIR_STEPS] = {
	[WEIR_STEP_COMPILE] = "compile", [WEIR_STEP_LOAD] = "load",	[WEIR_STEP_STAGE] = "stage",
	[WEIR_STEP_SWITCH] = "switch",	 [WEIR_STEP_SETTLE] = "settle",
};

void weir_job_enter(struct job *job, enum weir_step step)
{
	__atomic_store_n(&job->step, step, __ATOMIC_RELAXED);
}

static void put_settling(const struct weir_settling *settling, struct weir_json_out *json)
{
	weir_json_put_uint(json, "done", __atomic_load_n(&settling->done, __ATOMIC_RELAXED));
	weir_json_put_uint(json, "total", __atomic_load_n(&settling->total, __ATOMIC_RELAXED));
}

void weir_job_put_progress(const struct job *job, struct weir_json_out *json)
{
	weir_json_open_object(json, "change");
	weir_json_put_str(json, "what", weir_job_what(job));
	weir_json_put_str(json, "step", step_names[__atomic_load_n(&job->step, __ATOMIC_RELAXED)]);
	put_settling(&job->settling, json);
	weir_json_close_object(json);
}

void weir_job_put_steps(const struct job *job, struct weir_json_out *json)
{
	weir_json_put_str(json, "program", job->step_ns[WEIR_STEP_SWITCH] ? "replaced" : "kept");
	weir_json_open_object(json, "steps_ms");
	for (int i = 0; i < WEIR_STEPS; i++)
		if (job->step_ns[i])
			weir_json_put_real(json, step_names[i],
					   (double)(job->step_ns[i] / 1000) / 1000);
	weir_json_close_object(json);
	if (!job->is_settling)
		return;
	weir_json_open_object(json, "state");
	weir_json_put_uint(json, "moved", job->settling.moved);
	weir_json_put_uint(json, "dropped", job->settling.dropped);
	weir_json_put_uint(json, "forgotten", job->settling.forgotten);
	weir_json_put_uint(json, "adopted", job->settling.adopted);
	weir_json_close_object(json);
}
