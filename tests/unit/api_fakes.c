/* SPDX-License-Identifier: Apache-2.0 */
/* The stand-ins of api_fakes.h. Nothing here is checked; it is what the checks lean on. */
#include "api_fakes.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "core/ops.h"

/* --- loop --- */

struct weir_watch {
	struct weir_watch *next;
	struct fake_loop *loop;
	int fd; /* -1: a timer */
	uint64_t due_ns, repeat_ns;
	void (*call)(void *arg);
	void *arg;
	bool is_gone;
};

struct fake_loop {
	struct weir_loop base;
	struct weir_watch *watches;
};

static struct weir_watch *watch_add(struct weir_loop *base, int fd, void (*call)(void *), void *arg)
{
	struct fake_loop *loop = (struct fake_loop *)base;
	struct weir_watch *watch = calloc(1, sizeof(*watch));
	*watch = (struct weir_watch){ loop->watches, loop, fd, UINT64_MAX, 0, call, arg, false };
	loop->watches = watch;
	return watch;
}

static void fake_rearm(struct weir_watch *timer, uint64_t first_ms, uint64_t repeat_ms)
{
	timer->due_ns = weir_clock_monotonic_ns() + first_ms * WEIR_NS_PER_MS;
	timer->repeat_ns = repeat_ms * WEIR_NS_PER_MS;
}

static struct weir_watch *fake_timer(struct weir_loop *loop, uint64_t first_ms, uint64_t repeat_ms,
				     void (*due)(void *), void *arg)
{
	struct weir_watch *timer = watch_add(loop, -1, due, arg);
	fake_rearm(timer, first_ms, repeat_ms);
	return timer;
}

static void fake_forget(struct weir_watch *watch)
{
	if (watch)
		watch->is_gone = true;
}

static int fake_work(struct weir_loop *loop, void (*work)(void *), void (*done)(void *), void *arg)
{
	work(arg);
	done(arg);
	return 0;
}

struct weir_loop *fake_loop_new(void)
{
	struct fake_loop *loop = calloc(1, sizeof(*loop));
	loop->base =
		(struct weir_loop){ watch_add, fake_timer, fake_rearm, fake_forget, fake_work };
	return &loop->base;
}

static void loop_sweep(struct fake_loop *loop)
{
	for (struct weir_watch **at = &loop->watches; *at;) {
		struct weir_watch *watch = *at;
		if (watch->is_gone) {
			*at = watch->next;
			free(watch);
		} else {
			at = &watch->next;
		}
	}
}

void fake_loop_free(struct weir_loop *base)
{
	struct fake_loop *loop = (struct fake_loop *)base;
	for (struct weir_watch *watch = loop->watches; watch; watch = watch->next)
		watch->is_gone = true;
	loop_sweep(loop);
	free(loop);
}

static int loop_wait_ms(const struct fake_loop *loop, int wait_ms)
{
	uint64_t now = weir_clock_monotonic_ns();
	for (const struct weir_watch *watch = loop->watches; watch; watch = watch->next) {
		if (watch->fd >= 0 || watch->due_ns == UINT64_MAX)
			continue;
		int left = watch->due_ns <= now ? 0 :
						  (int)((watch->due_ns - now) / WEIR_NS_PER_MS) + 1;
		if (left < wait_ms)
			wait_ms = left;
	}
	return wait_ms;
}

static void loop_run_timers(struct fake_loop *loop)
{
	uint64_t now = weir_clock_monotonic_ns();
	for (struct weir_watch *watch = loop->watches; watch; watch = watch->next) {
		if (watch->fd >= 0 || watch->is_gone || watch->due_ns > now)
			continue;
		watch->due_ns = watch->repeat_ns ? now + watch->repeat_ns : UINT64_MAX;
		watch->call(watch->arg);
	}
}

void fake_loop_turn(struct weir_loop *base, int wait_ms)
{
	struct fake_loop *loop = (struct fake_loop *)base;
	struct pollfd polled[16];
	struct weir_watch *of[16];
	nfds_t n = 0;

	loop_sweep(loop);
	for (struct weir_watch *watch = loop->watches; watch && n < 16; watch = watch->next)
		if (watch->fd >= 0) {
			polled[n] = (struct pollfd){ watch->fd, POLLIN, 0 };
			of[n++] = watch;
		}
	poll(polled, n, loop_wait_ms(loop, wait_ms));
	for (nfds_t i = 0; i < n; i++)
		if (polled[i].revents && !of[i]->is_gone)
			of[i]->call(of[i]->arg);
	loop_run_timers(loop);
}

/* --- engine --- */

struct weir_engine {
	struct weir_loop *loop;
	struct weir_engine_options options;
	struct weir_config config;
	struct weir_snapshot snapshot;
	struct weir_subscriber *subscribers;
	uint64_t revision;
	char dir[64];
	struct weir_call *late;
	struct weir_watch *late_timer;
};

static struct weir_sample samples[] = {
	{ "packets_total", "Packets\\seen,\nby end.", WEIR_SAMPLE_COUNTER, NULL, 7 },
	{ "list_entries", "Entries of a list.", WEIR_SAMPLE_GAUGE, NULL, 0.001912088 },
	{ "list_entries", "Entries of a list.", WEIR_SAMPLE_GAUGE, NULL, 2 },
};
static char labels_a[] = "list=\"a\"", labels_b[] = "list=\"b\\\"\"";

struct weir_engine *fake_engine_new(struct weir_loop *loop, const char *listen)
{
	struct weir_engine *engine = calloc(1, sizeof(*engine));
	snprintf(engine->dir, sizeof(engine->dir), "/tmp/weir-api-%d-XXXXXX", (int)getpid());
	if (!mkdtemp(engine->dir))
		abort();
	engine->loop = loop;
	engine->options.state_dir = engine->options.run_dir = engine->dir;
	engine->revision = 7;
	engine->config.metrics = (struct weir_metrics_config){ .series = 500 };
	engine->config.api = (struct weir_api_config){
		.listen = strdup(listen),
		.connections = 64,
		.connections_per_address = 32,
		.request_size.value = 4096,
		.upload_size.value = 1 << 20,
		.idle_timeout.value = 2 * WEIR_NS_PER_S,
	};
	samples[1].labels = labels_a;
	samples[2].labels = labels_b;
	engine->snapshot.samples = samples;
	engine->snapshot.sample_count = WEIR_ARRAY_SIZE(samples);
	engine->snapshot.interface_count = 1;
	engine->snapshot.interfaces = calloc(1, sizeof(*engine->snapshot.interfaces));
	snprintf(engine->snapshot.interfaces[0].name, 16, "eth7");
	return engine;
}

void fake_engine_free(struct weir_engine *engine)
{
	free(engine->config.api.listen);
	free(engine->snapshot.interfaces);
	free(engine);
}

const char *fake_engine_dir(const struct weir_engine *engine)
{
	return engine->dir;
}

struct weir_config *fake_engine_config(struct weir_engine *engine)
{
	return &engine->config;
}

void fake_engine_set_revision(struct weir_engine *engine, uint64_t revision)
{
	engine->revision = revision;
}

/* Its reader keeps the snapshot before, so each is a copy of its own. */
void fake_engine_tick(struct weir_engine *engine)
{
	struct weir_snapshot *next = malloc(sizeof(*next));
	*next = engine->snapshot;
	next->references = 1;
	next->interfaces = malloc(sizeof(*next->interfaces));
	*next->interfaces = *engine->snapshot.interfaces;
	next->interfaces[0].counts[WEIR_INGRESS][WEIR_DROP_BLOCKED].packets += 3;
	next->interfaces[0].counts[WEIR_INGRESS][WEIR_DROP_BLOCKED].bytes += 180;
	next->interfaces[0].counts[WEIR_INGRESS][WEIR_PASS_POLICY].packets += 2;
	next->sequence = ++engine->snapshot.sequence;
	for (struct weir_subscriber *s = engine->subscribers; s; s = s->next)
		s->snapshot(s, next);
	*engine->snapshot.interfaces = *next->interfaces;
	weir_snapshot_unref(next);
}

struct weir_snapshot *weir_snapshot_ref(struct weir_snapshot *snapshot)
{
	if (snapshot->references)
		snapshot->references++;
	return snapshot;
}

/* The engine's own has no references: it is not on the heap. */
void weir_snapshot_unref(struct weir_snapshot *snapshot)
{
	if (!snapshot || !snapshot->references || --snapshot->references)
		return;
	free(snapshot->interfaces);
	free(snapshot);
}

const char *weir_reason_name(uint32_t reason)
{
	return reason == WEIR_DROP_BLOCKED ? "drop_blocked" : "pass_policy";
}

bool weir_reason_is_drop(uint32_t reason)
{
	return reason == WEIR_DROP_BLOCKED;
}

uint64_t weir_engine_revision(const struct weir_engine *engine)
{
	return engine->revision;
}

const struct weir_config *weir_engine_config(const struct weir_engine *engine)
{
	return &engine->config;
}

const struct weir_engine_options *weir_engine_options(const struct weir_engine *engine)
{
	return &engine->options;
}

struct weir_loop *weir_engine_loop(struct weir_engine *engine)
{
	return engine->loop;
}

struct weir_snapshot *weir_engine_snapshot(struct weir_engine *engine)
{
	return &engine->snapshot;
}

void weir_engine_subscribe(struct weir_engine *engine, struct weir_subscriber *subscriber)
{
	subscriber->next = engine->subscribers;
	engine->subscribers = subscriber;
}

void weir_engine_unsubscribe(struct weir_engine *engine, struct weir_subscriber *subscriber)
{
	for (struct weir_subscriber **at = &engine->subscribers; *at; at = &(*at)->next)
		if (*at == subscriber) {
			*at = subscriber->next;
			return;
		}
}

void weir_engine_publish(struct weir_engine *engine, const char *kind, const char *json, size_t len)
{
	for (struct weir_subscriber *s = engine->subscribers; s; s = s->next)
		s->event(s, kind, json, len);
}

void weir_engine_warn(struct weir_engine *engine, const char *feature, const char *format, ...)
{
	weir_engine_publish(engine, "warning", "{}", 2);
}

/* --- operations --- */

static int echo_put(const char *key, const struct weir_json *value, void *arg)
{
	struct weir_json_out *json = arg;
	switch (weir_json_type(value)) {
	case WEIR_JSON_STRING:
		weir_json_put_str(json, key, weir_json_str(value, ""));
		break;
	case WEIR_JSON_BOOL:
		weir_json_put_bool(json, key, weir_json_bool(value, false));
		break;
	default:
		weir_json_put_int(json, key, weir_json_int(value, -1));
		break;
	}
	return 0;
}

/* Answers with who asked, what was given and how long the body was. */
static int op_echo(struct weir_engine *engine, struct weir_call *call)
{
	struct weir_json_out json = { .out = &call->reply };
	weir_json_open_object(&json, NULL);
	weir_json_put_str(&json, "who", call->who);
	weir_json_put_str(&json, "role", weir_role_name(call->role));
	weir_json_put_uint(&json, "body", call->body.len);
	weir_json_open_object(&json, "args");
	weir_json_each(call->args, echo_put, &json);
	weir_json_close_object(&json);
	weir_json_close_object(&json);
	return 0;
}

static void late_due(void *arg)
{
	struct weir_engine *engine = arg;
	struct weir_call *call = engine->late;
	engine->late = NULL;
	if (call)
		weir_call_finish(call, op_echo(engine, call));
}

/* Answers when the late timer runs, 50 ms on. */
static int op_late(struct weir_engine *engine, struct weir_call *call)
{
	if (engine->late)
		return -EBUSY;
	engine->late = call;
	engine->loop->timer(engine->loop, 50, 0, late_due, engine);
	return WEIR_OP_PENDING;
}

static int op_fail(struct weir_engine *engine, struct weir_call *call)
{
	int error = (int)weir_call_uint(call, "error", 0);
	return -error;
}

static int op_bump(struct weir_engine *engine, struct weir_call *call)
{
	engine->revision++;
	weir_engine_publish(engine, "revision", "{\n\"revision\":8}", 15);
	return op_echo(engine, call);
}

/* Many events at once, more than a queue holds. */
static int op_flood(struct weir_engine *engine, struct weir_call *call)
{
	char text[64];
	for (unsigned i = 0; i < weir_call_uint(call, "number", 0); i++) {
		int len = snprintf(text, sizeof(text), "{\"n\":%u}", i);
		weir_engine_publish(engine, "drop", text, (size_t)len);
	}
	return op_echo(engine, call);
}

static const char *const colours[] = { "red", "green", NULL };
static const struct weir_arg echo_args[] = {
	{ "entry", WEIR_ARG_RANGE, WEIR_ARG_POSITIONAL, "ADDR", "an address", NULL, NULL },
	{ "number", WEIR_ARG_UINT, 0, "N", "a number", NULL, "10" },
	{ "flag", WEIR_ARG_BOOL, 0, NULL, "a flag", NULL, NULL },
	{ "colour", WEIR_ARG_CHOICE, 0, "COLOUR", "a colour", colours, NULL },
	{ "ttl", WEIR_ARG_DURATION, 0, "DURATION", "how long", NULL, NULL },
	{ 0 },
};
static const struct weir_arg fail_args[] = {
	{ "error", WEIR_ARG_UINT, WEIR_ARG_REQUIRED, "ERRNO", "what to fail with", NULL, NULL },
	{ 0 },
};

static const struct weir_op ops[] = {
	{ "test.read", "Read", WEIR_OP_READ, WEIR_ROLE_VIEWER, echo_args, NULL, "test read",
	  op_echo, NULL },
	{ "test.write", "Write", WEIR_OP_WRITE, WEIR_ROLE_OPERATOR, echo_args, NULL, "test write",
	  op_bump, NULL },
	{ "test.upload", "Upload", WEIR_OP_UPLOAD, WEIR_ROLE_OPERATOR, echo_args, "a file",
	  "test upload", op_echo, NULL },
	{ "test.admin", "Administer", WEIR_OP_WRITE, WEIR_ROLE_ADMIN, NULL, NULL, "test admin",
	  op_echo, NULL },
	{ "test.late", "Read later", WEIR_OP_READ, WEIR_ROLE_VIEWER, NULL, NULL, "test late",
	  op_late, NULL },
	{ "test.fail", "Fail", WEIR_OP_READ, WEIR_ROLE_VIEWER, fail_args, NULL, "test fail 5",
	  op_fail, NULL },
	{ "test.flood", "Publish", WEIR_OP_WRITE, WEIR_ROLE_OPERATOR, echo_args, NULL, "test flood",
	  op_flood, NULL },
	{ "status", "Show", WEIR_OP_READ, WEIR_ROLE_VIEWER, NULL, NULL, "status", op_echo, NULL },
};

const struct weir_op *weir_op_at(size_t index)
{
	return index < WEIR_ARRAY_SIZE(ops) ? &ops[index] : NULL;
}

const struct weir_op *weir_op_find(const char *name)
{
	for (size_t i = 0; i < WEIR_ARRAY_SIZE(ops); i++)
		if (strcmp(ops[i].name, name) == 0)
			return &ops[i];
	return NULL;
}

void weir_op_route(const struct weir_op *op, struct weir_buf *route)
{
	weir_buf_add_str(route, "/api/v1/");
	for (const char *c = op->name; *c; c++)
		weir_buf_add_char(route, *c == '.' ? '/' : *c);
}

const char *weir_role_name(enum weir_role role)
{
	static const char *const names[] = { "none", "viewer", "operator", "admin" };
	return names[role];
}

unsigned weir_result_to_http(int result)
{
	switch (result) {
	case 0:
		return 200;
	case -EINVAL:
		return 400;
	case -EACCES:
		return 403;
	case -ENOENT:
		return 404;
	case -ESTALE:
		return 409;
	case -EBUSY:
		return 503;
	default:
		return 500;
	}
}

struct weir_call *weir_call_new(const struct weir_op *op)
{
	struct weir_call *call = calloc(1, sizeof(*call));
	call->op = op;
	return call;
}

void weir_call_free(struct weir_call *call)
{
	weir_json_free(call->args);
	weir_buf_done(&call->body);
	weir_buf_done(&call->reply);
	weir_diag_done(&call->diag);
	free(call);
}

uint64_t weir_call_uint(const struct weir_call *call, const char *name, uint64_t fallback)
{
	return (uint64_t)weir_json_int(weir_json_get(call->args, name), (int64_t)fallback);
}

void weir_call_finish(struct weir_call *call, int result)
{
	call->result = result;
	call->finished(call);
}

static int arg_check(const char *key, const struct weir_json *value, void *arg)
{
	struct weir_call *call = arg;
	for (const struct weir_arg *row = call->op->args; row && row->name; row++)
		if (strcmp(row->name, key) == 0)
			return 0;
	return weir_diag_key(&call->diag, key, NULL, "is no argument of %s", call->op->name);
}

void weir_call_run(struct weir_engine *engine, struct weir_call *call)
{
	int r = call->role < call->op->role ? -EACCES : weir_json_each(call->args, arg_check, call);
	if (r == 0 && call->has_expected && call->expected != engine->revision)
		r = weir_diag_error(&call->diag, "read it again", "the revision moved on") ?
			    -ESTALE :
			    -ESTALE;
	if (r == 0)
		r = call->op->run(engine, call);
	if (r != WEIR_OP_PENDING)
		weir_call_finish(call, r);
}
