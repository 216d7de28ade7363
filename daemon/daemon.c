/* SPDX-License-Identifier: Apache-2.0 */
/* Ties loop, engine and API together, logs what happens, and goes when told to. */
#include "daemon.h"

#include <errno.h>
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/api.h"
#include "base/cleanup.h"
#include "loop.h"
#include "notify.h"
#include "options.h"

#define MAPPED_BYTES (1 << 20)

struct daemon {
	struct weir_loop *loop;
	struct weir_engine *engine;
	struct weir_api *api;
	struct weir_subscriber log;
	struct weir_watch *signals[3];
};

static void log_interface(const struct weir_json *json)
{
	const char *what = weir_json_str(weir_json_get(json, "what"), "?");
	const char *name = weir_json_str(weir_json_get(json, "interface"), "?");
	const char *detail = weir_json_str(weir_json_get(json, "detail"), "");

	if (strcmp(what, "refused") == 0 || strcmp(what, "gone") == 0)
		weir_warning("interface %s: %s: %s", name, what, detail);
	else
		weir_info("interface %s: %s: %s", name, what, detail);
}

static void api_reconfigure(struct daemon *daemon)
{
	_cleanup_diag_ struct weir_diag diag = {};

	if (daemon->api)
		weir_api_reconfigure(daemon->api, weir_engine_config(daemon->engine), &diag);
	weir_log_diag(&diag);
}

/* Drops are not logged line by line: they are events, for who follows them. */
static void event_log(struct weir_subscriber *subscriber, const char *kind, const char *text,
		      size_t len)
{
	struct daemon *daemon =
		(struct daemon *)((char *)subscriber - offsetof(struct daemon, log));
	_cleanup_json_ struct weir_json *json = NULL;

	if (strcmp(kind, "drop") == 0 || weir_json_parse(text, len, NULL, NULL, &json))
		return;
	const char *what = weir_json_str(weir_json_get(json, "what"), "?");

	if (strcmp(kind, "interface") == 0) {
		log_interface(json);
	} else if (strcmp(kind, "change") == 0) {
		weir_info("revision %lld is live (%s, by %s)",
			  (long long)weir_json_int(weir_json_get(json, "revision"), 0), what,
			  weir_json_str(weir_json_get(json, "who"), "?"));
		api_reconfigure(daemon);
	} else {
		const char *detail = weir_json_str(weir_json_get(json, "detail"), "");

		weir_warning("%s%s%s", what, detail[0] ? ": " : "", detail);
	}
}

static void reload(struct daemon *daemon)
{
	weir_notify("RELOADING=1");
	int r = weir_engine_reload(daemon->engine);

	if (r)
		weir_error("%s: cannot be read: %s; the policy is as it was",
			   weir_engine_options(daemon->engine)->config_file, strerror(-r));
	api_reconfigure(daemon);
	weir_notify("READY=1");
}

static void signal_caught(void *arg, int number)
{
	struct daemon *daemon = arg;

	if (number == SIGHUP) {
		reload(daemon);
		return;
	}
	weir_info("stopping; the data path stays at work (weir cleanup --force takes it away)");
	weir_notify("STOPPING=1");
	weir_uv_loop_stop(daemon->loop);
}

static int signals_start(struct daemon *daemon)
{
	static const int numbers[] = { SIGHUP, SIGINT, SIGTERM };

	signal(SIGPIPE, SIG_IGN);
	for (size_t i = 0; i < WEIR_ARRAY_SIZE(numbers); i++) {
		daemon->signals[i] =
			weir_uv_loop_signal(daemon->loop, numbers[i], signal_caught, daemon);
		if (!daemon->signals[i])
			return -ENOMEM;
	}
	return 0;
}

/* Attachments of the start happened before anybody listened: they are told now. */
static void start_log(struct daemon *daemon)
{
	const struct weir_snapshot *snapshot = weir_engine_snapshot(daemon->engine);

	for (size_t i = 0; i < snapshot->interface_count; i++) {
		const struct weir_interface_view *view = &snapshot->interfaces[i];

		if (view->attached)
			weir_info("interface %s: %s (%s), egress %s", view->name, view->mode,
				  view->why, view->egress);
		else
			weir_warning("interface %s: not attached: %s", view->name, view->why);
	}
	if (weir_engine_adopted(daemon->engine))
		weir_info("%llu connections that the kernel knows are taken over",
			  (unsigned long long)weir_engine_adopted(daemon->engine));
	if (!snapshot->interface_count)
		weir_warning("no interface is watched: name one with --interface, in the "
			     "configuration, or by weir interface attach");
}

static int daemon_start(struct daemon *daemon, const struct daemon_options *options,
			struct weir_diag *diag)
{
	int r = signals_start(daemon);

	if (!r)
		r = weir_engine_new(daemon->loop, &options->engine, diag, &daemon->engine);
	if (!r)
		r = weir_api_new(daemon->engine, diag, &daemon->api);
	if (r)
		return r;
	daemon->log.event = event_log;
	weir_engine_subscribe(daemon->engine, &daemon->log);
	return 0;
}

/* A change under way is on another thread and holds the engine: it comes to its end, and its caller
 * hears of it, before anything is freed. So do calls that wait already, and no others: with callers
 * who go on the engine would never be idle. */
static void daemon_stop(struct daemon *daemon)
{
	weir_api_stop(daemon->api);
	while (daemon->engine && !weir_engine_is_idle(daemon->engine))
		weir_uv_loop_turn(daemon->loop);
	weir_api_free(weir_take(daemon->api));
	/* daemon->log hears to the end: what is lost with it must be told. */
	weir_engine_free(daemon->engine);
	for (size_t i = 0; i < WEIR_ARRAY_SIZE(daemon->signals); i++)
		if (daemon->signals[i])
			daemon->loop->forget(daemon->signals[i]);
	weir_uv_loop_free(daemon->loop);
}

/*
 * A list of a million entries takes hundreds of megabytes for a second. Large pieces are mapped
 * one by one, so that they go back when they are freed; left to itself the C library raises that
 * bound to what was freed last and keeps the rest. One arena for the worker and one for the loop.
 */
static void memory_tune(void)
{
	mallopt(M_MMAP_THRESHOLD, MAPPED_BYTES);
	mallopt(M_TRIM_THRESHOLD, MAPPED_BYTES);
	mallopt(M_ARENA_MAX, 2);
}

int weir_daemon_main(int argc, char **argv)
{
	struct daemon_options options;
	struct daemon daemon = {};
	_cleanup_diag_ struct weir_diag diag = {};
	int r = daemon_options_parse(argc, argv, &options);

	if (r)
		return r < 0 ? 2 : 0;
	memory_tune();
	weir_log_init(options.log_level, options.log_form);
	daemon.loop = weir_uv_loop_new();
	r = daemon.loop ? daemon_start(&daemon, &options, &diag) : -ENOMEM;
	weir_log_diag(&diag);
	if (r) {
		weir_error("not started: %s", strerror(-r));
		daemon_stop(&daemon);
		return 1;
	}
	start_log(&daemon);
	weir_info("ready at revision %llu",
		  (unsigned long long)weir_engine_revision(daemon.engine));
	weir_notify("READY=1");
	weir_uv_loop_run(daemon.loop);
	daemon_stop(&daemon);
	return 0;
}
