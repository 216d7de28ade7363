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

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/hash.h"
#include "compile.h"
#include "engine_private.h"
#include "frame.h"

struct job {
	struct weir_engine *engine;
	struct job *next;
	struct weir_call *call;	    /* to be answered, or, alone, to be run in its turn */
	struct weir_change *change; /* of a feature */
	bool is_apply;
	bool is_file;		      /* the text is that of the configuration file */
	struct weir_policy_text text; /* of an apply */

	struct weir_config *config;
	struct weir_image *image;
	struct weir_object *object; /* when the constants ask for a new program */
	struct weir_policy_file policy;
	bool same; /* the image is live already */
	struct weir_diag diag;
	uint64_t started_ns;
	int result;
};

static void job_free(struct job *job)
{
	if (job->change && job->change->free)
		job->change->free(job->change);
	free(job->text.text);
	free(job->text.file);
	weir_config_free(job->config);
	weir_image_free(job->image);
	weir_object_free(job->object);
	weir_policy_file_done(&job->policy);
	weir_diag_done(&job->diag);
	free(job);
}

static struct weir_diag *job_diag(struct job *job)
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
					 job_diag(job), &job->config);
	if (!job->change->prepare)
		return 0;
	return job->change->prepare(
		job->change, weir_engine_state(job->engine, job->change->feature), job_diag(job));
}

static int job_compile(struct job *job)
{
	struct weir_compile_input input = { .config = job_config(job),
					    .states = job->engine->states };

	if (job->change) {
		input.changing = job->change->feature;
		input.draft = job->change->draft;
	}
	return weir_compile_input(&input, job_diag(job), &job->image);
}

static int object_prepare(struct job *job, struct weir_constants *constants)
{
	struct weir_engine *engine = job->engine;
	int r = weir_object_new(NULL, engine->object, constants, job_diag(job), &job->object);

	if (r) {
		weir_constants_free(constants);
		return r;
	}
	for (size_t i = 0; weir_features[i] && !r; i++)
		if (weir_features[i]->attach)
			r = weir_features[i]->attach(engine->states[i], job->object, job_diag(job));
	return r;
}

/* Constants are compiled into the program: when they change, a second one is loaded beside the
 * first, on the same maps. */
static int job_load(struct job *job)
{
	struct weir_constants *constants = NULL;
	int r = weir_compile_constants(job_config(job), &constants);

	if (r)
		return r;
	if (!weir_constants_equal(constants, weir_object_constants(job->engine->object)))
		return object_prepare(job, constants);
	weir_constants_free(constants);
	return 0;
}

/* A program that cannot judge a plain packet must not take over. */
static int object_try(struct weir_object *object, struct weir_diag *diag)
{
	struct weir_frame_spec spec = { .proto = 17, .sport = 1, .dport = 1 };
	struct weir_probe_result result;
	unsigned char frame[WEIR_FRAME_BYTES];

	weir_addr_from_string("192.0.2.1", 9, &spec.src);
	weir_addr_from_string("192.0.2.2", 9, &spec.dst);
	size_t len = weir_frame_build(&spec, frame);
	int r = weir_object_probe(object, WEIR_PROGRAM_TC_IN, frame, len, 0, &result);

	if (!r && (result.reason == WEIR_PASS || result.reason >= WEIR_REASON_COUNT))
		r = -EIO;
	if (r)
		weir_diag_error(diag, "weir doctor", "the new program fails its self-test: %s",
				strerror(-r));
	return r;
}

static char *text_copy(const char *text)
{
	return text ? strdup(text) : NULL;
}

/* What policy.json is to say. A text applied twice does not push the one before it out of reach of
 * rollback. */
static int policy_draft(struct job *job)
{
	const struct weir_policy_file *old = &job->engine->policy;
	bool again = old->current.text && strcmp(old->current.text, job->text.text) == 0;
	const struct weir_policy_text *previous = again ? &old->previous : &old->current;

	job->policy = (struct weir_policy_file){
		.current = { text_copy(job->text.text), text_copy(job->text.file) },
		.previous = { text_copy(previous->text), text_copy(previous->file) },
		.revision = weir_engine_revision(job->engine) + 1,
		.config_hash = job->is_file ?
				       weir_hash_bytes(job->text.text, strlen(job->text.text), 0) :
				       old->config_hash,
		.changed_ns = weir_clock_real_ns(),
	};
	return job->policy.current.text ? 0 : -ENOMEM;
}

static int job_persist(struct job *job)
{
	const char *state_dir = job->engine->options.state_dir;
	int r = 0;

	if (job->is_apply) {
		r = policy_draft(job);
		if (!r)
			r = weir_policy_file_write(state_dir, &job->policy);
		if (r)
			weir_diag_error(job_diag(job), "free space there; nothing was changed",
					"%s/policy.json: cannot be written: %s", state_dir,
					strerror(-r));
		return r;
	}
	if (!job->change->persist)
		return 0;
	return job->change->persist(
		job->change, weir_engine_state(job->engine, job->change->feature), job_diag(job));
}

static int job_steps(struct job *job)
{
	int r = job_read(job);

	if (!r)
		r = job_compile(job);
	if (!r)
		r = job_load(job);
	if (r)
		return r;
	job->same = weir_commit_is_live(job->engine->commit, job->image);
	if (!job->same)
		r = weir_commit_stage(job->engine->commit, job->image, job_diag(job));
	if (!r && job->object)
		r = object_try(job->object, job_diag(job));
	return r ? r : job_persist(job);
}

static void job_work(void *arg)
{
	struct job *job = arg;

	job->result = job_steps(job);
}

static void policy_remember(struct weir_engine *engine, const struct weir_image *image)
{
	const struct weir_image_header *header =
		(const void *)weir_image_lines(image, &engine->policy_lines);

	engine->policy_classes = header->classes;
}

static void features_live(struct weir_engine *engine)
{
	for (size_t i = 0; weir_features[i]; i++)
		if (weir_features[i]->live)
			weir_features[i]->live(engine->states[i], engine->config);
}

static int job_switch(struct job *job)
{
	struct weir_engine *engine = job->engine;

	if (!job->object)
		return 0;
	int r = weir_interfaces_switch(engine->interfaces, job->object, job_diag(job));

	if (r)
		return r;
	/* Not pinned, a resized map is made anew at the next start and filled again: a warning is
	 * enough. */
	weir_object_pin(job->object, engine->options.pin_dir, job_diag(job));
	weir_object_free(engine->object);
	engine->object = weir_take(job->object);
	return 0;
}

/* Features let go of the maps of an object that did not make it. */
static void job_unload(struct job *job)
{
	struct weir_engine *engine = job->engine;

	for (size_t i = 0; weir_features[i] && job->object; i++)
		if (weir_features[i]->attach)
			weir_features[i]->attach(engine->states[i], engine->object, job_diag(job));
}

static void job_adopt_config(struct job *job)
{
	struct weir_engine *engine = job->engine;

	weir_config_free(engine->config);
	engine->config = weir_take(job->config);
	weir_policy_file_done(&engine->policy);
	engine->policy = job->policy;
	job->policy = (struct weir_policy_file){};
	weir_engine_want_interfaces(engine, engine->config);
}

static void reply_apply(struct job *job)
{
	struct weir_json_out json = { .out = &job->call->reply };

	weir_json_open_object(&json, NULL);
	weir_json_put_uint(&json, "revision", weir_engine_revision(job->engine));
	weir_json_put_bool(&json, "changed", !job->same);
	weir_json_put_uint(&json, "ms",
			   (weir_clock_monotonic_ns() - job->started_ns) / WEIR_NS_PER_MS);
	if (job->call->diag.count)
		weir_json_put_diag(&json, "warnings", &job->call->diag);
	weir_json_close_object(&json);
}

static void change_publish(struct job *job)
{
	_cleanup_buf_ struct weir_buf text = {};
	struct weir_json_out json = { .out = &text };

	weir_json_open_object(&json, NULL);
	weir_json_put_uint(&json, "revision", weir_engine_revision(job->engine));
	weir_json_put_str(&json, "what", job->call ? job->call->op->name : "reload");
	weir_json_put_str(&json, "who", job->call ? job->call->who : "daemon");
	weir_json_close_object(&json);
	weir_engine_publish(job->engine, "change", weir_buf_str(&text), text.len);
}

static void job_live(struct job *job)
{
	struct weir_engine *engine = job->engine;

	if (!job->same)
		weir_commit_flip(engine->commit, weir_engine_revision(engine) + 1);
	else if (!job->is_apply ||
		 strcmp(job->policy.current.text, engine->policy.current.text ?: ""))
		weir_engine_bump(engine);
	policy_remember(engine, job->image);
	if (job->change && job->change->accept)
		job->change->accept(job->change, weir_engine_state(engine, job->change->feature));
	if (job->is_apply)
		job_adopt_config(job);
	features_live(engine);
	engine->last_change_ms = (weir_clock_monotonic_ns() - job->started_ns) / WEIR_NS_PER_MS;
	if (job->is_apply && job->call)
		reply_apply(job);
	change_publish(job);
}

static void queue_next(struct weir_engine *engine);

static void job_end(struct job *job)
{
	struct weir_engine *engine = job->engine;
	int result = job->result;

	if (result)
		job_unload(job);
	struct weir_call *call = weir_take(job->call);

	engine->running = NULL;
	if (!call && job->diag.count) {
		_cleanup_buf_ struct weir_buf text = {}, event = {};
		struct weir_json_out json = { .out = &event };

		weir_diag_format(&job->diag, &text);
		weir_json_open_object(&json, NULL);
		weir_json_put_str(&json, "what", result ? "reload refused" : "reload");
		weir_json_put_str(&json, "detail", weir_buf_str(&text));
		weir_json_close_object(&json);
		weir_engine_publish(engine, "warning", weir_buf_str(&event), event.len);
	}
	job_free(job);
	if (call)
		weir_call_finish(call, result);
	queue_next(engine);
}

static void job_done(void *arg)
{
	struct job *job = arg;

	if (!job->result)
		job->result = job_switch(job);
	if (!job->result)
		job_live(job);
	job_end(job);
}

static void job_start(struct job *job)
{
	struct weir_engine *engine = job->engine;

	engine->running = job;
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
	int r = call->op->run(engine, call);

	if (r != WEIR_OP_PENDING)
		weir_call_finish(call, r);
}

static void queue_next(struct weir_engine *engine)
{
	while (engine->waiting && !engine->running) {
		struct job *job = engine->waiting;

		engine->waiting = job->next;
		if (!engine->waiting)
			engine->waiting_end = &engine->waiting;
		if (job->is_apply || job->change) {
			job_start(job);
			continue;
		}
		struct weir_call *call = weir_take(job->call);

		job_free(job);
		call_run(engine, call);
	}
}

static void queue_add(struct weir_engine *engine, struct job *job)
{
	*engine->waiting_end = job;
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
	if (call->op->kind == WEIR_OP_READ || (!engine->running && !engine->waiting)) {
		call_run(engine, call);
		return;
	}
	struct job *job = job_new(engine, call);

	if (job)
		queue_add(engine, job);
	else
		weir_call_finish(call, -ENOMEM);
}

static int apply_start(struct weir_engine *engine, const char *text, size_t len, const char *file,
		       struct weir_call *call, bool is_file)
{
	struct job *job = job_new(engine, call);

	if (!job)
		return -ENOMEM;
	job->is_apply = true;
	job->is_file = is_file;
	job->text = (struct weir_policy_text){ strndup(text, len), file ? strdup(file) : NULL };
	if (!job->text.text || strlen(job->text.text) != len) {
		bool has_nul = job->text.text;

		job->call = NULL;
		job_free(job);
		return has_nul ? weir_diag_error(call ? &call->diag : NULL,
						 "save it as plain UTF-8 text",
						 "the configuration has a NUL byte in it") :
				 -ENOMEM;
	}
	queue_add(engine, job);
	return WEIR_OP_PENDING;
}

int weir_engine_apply(struct weir_engine *engine, const char *text, size_t len, const char *file,
		      struct weir_call *call)
{
	return apply_start(engine, text, len, file, call, false);
}

int weir_engine_apply_file(struct weir_engine *engine, const char *text, size_t len,
			   const char *file)
{
	int r = apply_start(engine, text, len, file, NULL, true);

	return r == WEIR_OP_PENDING ? 0 : r;
}

int weir_engine_change(struct weir_engine *engine, struct weir_change *change)
{
	struct job *job = job_new(engine, change->call);

	if (!job) {
		change->free(change);
		return -ENOMEM;
	}
	job->change = change;
	queue_add(engine, job);
	return WEIR_OP_PENDING;
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

int weir_changes_first(struct weir_engine *engine, struct weir_diag *diag)
{
	struct weir_compile_input input = { .config = engine->config, .states = engine->states };
	_cleanup_image_ struct weir_image *image = NULL;
	int r = weir_compile_input(&input, diag, &image);

	if (!r && !weir_commit_is_live(engine->commit, image)) {
		uint64_t live = weir_commit_revision(engine->commit),
			 file = engine->policy.revision;

		r = weir_commit_stage(engine->commit, image, diag);
		if (!r)
			weir_commit_flip(engine->commit, (live > file ? live : file) + 1);
	}
	if (!r)
		r = object_try(engine->object, diag);
	if (r)
		return r;
	policy_remember(engine, image);
	features_live(engine);
	return 0;
}
