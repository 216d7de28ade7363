/* SPDX-License-Identifier: Apache-2.0 */
/* The engine's life: start or adopt, tick, publish, stop. Changing the policy is change.c's. */
#include "engine.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "adopt.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/file.h"
#include "change_private.h"
#include "confirm.h"
#include "event_json.h"
#include "event_log.h"
#include "patch.h"
#include "snapshot_make.h"

#define TICK_MS 1000
#define DRAIN_MS 50 /* how late an event may be when few are pending */

static void interface_told(void *arg, const char *what, const char *name, const char *detail)
{
	struct weir_engine *engine = arg;
	_cleanup_buf_ struct weir_buf text = {};
	struct weir_json_out json = { .out = &text };

	weir_event_open(&json, "interface");
	weir_json_put_str(&json, "what", what);
	weir_json_put_str(&json, "interface", name);
	weir_json_put_str(&json, "detail", detail);
	weir_json_close_object(&json);
	weir_engine_publish(engine, "interface", weir_buf_str(&text), text.len);
	engine->owes_look = true;
}

static const char *interface_name(const struct weir_engine *engine, uint32_t ifindex)
{
	for (size_t i = 0; engine->snapshot && i < engine->snapshot->interface_count; i++)
		if (engine->snapshot->interfaces[i].ifindex == ifindex)
			return engine->snapshot->interfaces[i].name;
	return NULL;
}

static void event_drained(void *arg, const struct weir_event *event)
{
	struct weir_engine *engine = arg;
	_cleanup_buf_ struct weir_buf text = {};

	for (size_t i = 0; weir_features[i]; i++)
		if (weir_features[i]->event)
			weir_features[i]->event(engine->states[i], event);
	/* People's words are for helpers alone, and so are fragments for who holds them; a flow is
	 * told of by who knows flows. */
	if (event->kind == WEIR_EVENT_PAYLOAD || event->kind == WEIR_EVENT_FLOW ||
	    event->kind == WEIR_EVENT_FRAGMENT)
		return;
	weir_event_to_json(event, interface_name(engine, event->ifindex), engine->states, &text);
	weir_engine_publish(engine, weir_event_kind_name(event->kind), weir_buf_str(&text),
			    text.len);
}

void weir_engine_publish(struct weir_engine *engine, const char *kind, const char *json, size_t len)
{
	if (!engine)
		return; /* a feature of a private copy: nobody listens */
	if (engine->log)
		weir_event_log_add(engine->log, kind, json, len);
	for (struct weir_subscriber *s = engine->subscribers; s; s = s->next)
		if (s->event)
			s->event(s, kind, json, len);
}

bool weir_engine_is_streamed(const struct weir_engine *engine, const char *kind)
{
	for (struct weir_subscriber *s = engine ? engine->subscribers : NULL; s; s = s->next)
		if (s->streams && s->streams(s, kind))
			return true;
	return false;
}

void weir_engine_stream(struct weir_engine *engine, const char *kind, const char *json, size_t len)
{
	for (struct weir_subscriber *s = engine->subscribers; s; s = s->next)
		if (s->streams && s->streams(s, kind))
			s->event(s, kind, json, len);
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

static int snapshot_take(struct weir_engine *engine)
{
	struct weir_snapshot_sources sources = {
		.object = engine->object,
		.interfaces = engine->interfaces,
		.states = engine->states,
		.traffic = engine->traffic,
		.sequence = engine->snapshot ? engine->snapshot->sequence + 1 : 1,
		.revision = weir_engine_revision(engine),
	};
	struct weir_snapshot *snapshot = NULL;
	int r = weir_snapshot_make(&sources, &snapshot);

	if (r)
		return r;
	weir_snapshot_unref(engine->snapshot);
	engine->snapshot = snapshot;
	for (size_t i = 0; weir_features[i]; i++)
		if (weir_features[i]->watched)
			weir_features[i]->watched(engine->states[i]);
	return 0;
}

void weir_engine_look(struct weir_engine *engine)
{
	snapshot_take(engine);
}

/* Where one begins a change those behind it wait until that is over, and have their tick then. */
static bool features_tick_rest(struct weir_engine *engine)
{
	for (size_t i = engine->ticks_from; weir_features[i]; i++) {
		engine->ticks_from = i;
		engine->owes_tick = engine->running != NULL;
		if (engine->owes_tick)
			return false;
		if (weir_features[i]->tick)
			weir_features[i]->tick(engine->states[i], weir_clock_monotonic_ns());
	}
	engine->ticks_from = 0;
	return true;
}

/*
 * A worker that persists or compiles reads the features' state: what would change it waits until
 * that change is over, and no longer, for there may always be a next one. After a late tick the
 * next is left out where it would come too soon to tell rates by.
 */
static void features_tick(struct weir_engine *engine)
{
	uint64_t now_ns = weir_clock_monotonic_ns();

	engine->owes_tick = engine->running != NULL;
	if (engine->owes_tick)
		return;
	if (!engine->ticks_from) {
		if (now_ns - engine->ticked_ns < TICK_MS / 2 * WEIR_NS_PER_MS)
			return;
		engine->ticked_ns = now_ns;
	}
	if (!features_tick_rest(engine))
		return;
	/* The program that lets go of the old maps could not be loaded: once more. */
	if (engine->settles_again && !engine->running && --engine->settles_again == 0)
		weir_engine_settle(engine);
}

void weir_engine_tick_owed(struct weir_engine *engine)
{
	if (engine->owes_tick)
		features_tick(engine);
}

void weir_engine_tick(void *arg)
{
	struct weir_engine *engine = arg;

	/* What is counted now is told of first: who reads both must not find packets without their
	 * events. */
	weir_events_drain(engine->events);
	features_tick(engine);
	if (snapshot_take(engine))
		return; /* out of memory: the view stays a second older */
	for (struct weir_subscriber *s = engine->subscribers; s; s = s->next)
		if (s->snapshot)
			s->snapshot(s, engine->snapshot);
}

static void ring_drain(void *arg)
{
	struct weir_engine *engine = arg;

	weir_events_drain(engine->events);
}

void weir_engine_hear(struct weir_engine *engine)
{
	weir_events_drain(engine->events);
}

int weir_engine_inject(struct weir_engine *engine, uint32_t ifindex, const void *frame, size_t len)
{
	return engine->interfaces ?
		       weir_interfaces_inject(engine->interfaces, ifindex, frame, len) :
		       -ENODEV;
}

bool weir_engine_injects_by_xdp(const struct weir_engine *engine)
{
	return engine->interfaces && weir_interfaces_inject_by_xdp(engine->interfaces);
}

static void netlink_ready(void *arg)
{
	struct weir_engine *engine = arg;

	engine->owes_look = false;
	weir_interfaces_ready(engine->interfaces);
	if (engine->owes_look)
		snapshot_take(engine);
}

static int features_start(struct weir_engine *engine, struct weir_diag *diag)
{
	for (size_t i = 0; weir_features[i]; i++) {
		const struct weir_feature *feature = weir_features[i];
		int r = feature->state_new ? feature->state_new(engine, engine->options.state_dir,
								diag, &engine->states[i]) :
					     0;

		if (r) {
			weir_diag_error(diag, NULL, "%s: cannot start: %s", feature->name,
					strerror(-r));
			return r;
		}
	}
	return 0;
}

int weir_engine_want_interfaces(struct weir_engine *engine, const struct weir_config *config)
{
	const char *const *extra = engine->options.interfaces;
	unsigned count = config->interface_count, extras = 0;

	while (extra && extra[extras])
		extras++;
	_cleanup_free_ struct weir_interface_config *wanted =
		calloc(count + extras + 1, sizeof(*wanted));

	if (!wanted)
		return -ENOMEM;
	/* What the file says of an interface outranks the bare name on the command line. */
	for (unsigned i = 0; i < extras; i++)
		wanted[i] = (struct weir_interface_config){ .name = (char *)extra[i],
							    .hook = engine->options.hook };
	for (unsigned i = 0; i < count; i++)
		wanted[extras + i] = config->interfaces[i];
	weir_interfaces_follow(engine->interfaces, engine->follows);
	return weir_interfaces_want(engine->interfaces, wanted, count + extras);
}

static void interface_row(void *arg, uint32_t row, const char *name)
{
	struct weir_engine *engine = arg;

	weir_patch_live(engine->commit, row, name);
}

static int interfaces_start(struct weir_engine *engine, struct weir_diag *diag)
{
	struct weir_interfaces_options options = { .pin_dir = engine->options.pin_dir,
						   .state_dir = engine->options.state_dir,
						   .told = interface_told,
						   .row = interface_row,
						   .arg = engine };
	int r = weir_interfaces_new(engine->object, &options, diag, &engine->interfaces);

	if (!r)
		r = weir_engine_want_interfaces(engine, engine->config);
	if (r)
		weir_diag_error(diag, "weir doctor", "the interfaces cannot be watched: %s",
				strerror(-r));
	return r;
}

static int watches_start(struct weir_engine *engine)
{
	struct weir_loop *loop = engine->loop;

	engine->tick = loop->timer(loop, TICK_MS, TICK_MS, weir_engine_tick, engine);
	engine->drain = loop->timer(loop, DRAIN_MS, DRAIN_MS, ring_drain, engine);
	engine->ring = loop->watch(loop, weir_events_fd(engine->events), ring_drain, engine);
	engine->netlink =
		loop->watch(loop, weir_interfaces_fd(engine->interfaces), netlink_ready, engine);
	if (!engine->tick || !engine->drain || !engine->ring || !engine->netlink)
		return -ENOMEM;
	return weir_confirm_watch(engine);
}

/* Features that go by what interfaces there are learn that from the first view, and are in the
 * second: whoever asks first is told of them, too. */
static int first_look(struct weir_engine *engine)
{
	int r = snapshot_take(engine);

	return r ? r : snapshot_take(engine);
}

static int engine_start(struct weir_engine *engine, struct weir_diag *diag)
{
	int r = weir_dirs_take(&engine->dirs, &engine->options, diag);

	if (!r)
		r = weir_policy_file_read(engine->options.state_dir, diag, &engine->policy);
	if (!r) {
		weir_confirm_resume(engine, diag);
		r = weir_engine_policy_choose(engine, diag);
	}
	if (!r)
		r = features_start(engine, diag);
	if (!r)
		r = weir_changes_first(engine, diag);
	weir_engine_before_drop(engine);
	if (r)
		return r;
	weir_engine_policy_keep(engine, diag);
	engine->log = weir_event_log_new(engine->config->events.keep);
	r = engine->log ? interfaces_start(engine, diag) : -ENOMEM;
	if (!r)
		engine->adopted +=
			weir_adopt(engine->states, engine->config, WEIR_ADOPTED_LATE, diag);
	if (!r)
		r = weir_events_new(engine->object, event_drained, engine, &engine->events);
	engine->traffic = weir_traffic_new();
	if (!r && !engine->traffic)
		r = -ENOMEM;
	if (!r)
		r = first_look(engine);
	if (!r)
		r = watches_start(engine);
	if (r)
		return r;
	weir_commit_finish(engine->commit);
	return weir_engine_settle(engine);
}

int weir_engine_new(struct weir_loop *loop, const struct weir_engine_options *options,
		    struct weir_diag *diag, struct weir_engine **ret_engine)
{
	struct weir_engine *engine = calloc(1, sizeof(*engine));

	if (!engine)
		return -ENOMEM;
	engine->loop = loop;
	engine->options = *options;
	weir_dirs_init(&engine->dirs);
	engine->started_ns = weir_clock_monotonic_ns();
	weir_changes_init(engine);
	int r = engine_start(engine, diag);

	if (r) {
		if (!diag->errors)
			weir_diag_error(diag, "weir doctor", "the engine cannot start: %s",
					strerror(-r));
		weir_engine_free(engine);
		return r;
	}
	*ret_engine = engine;
	return 0;
}

/* While there still is all that they need for it. */
static void features_stop(struct weir_engine *engine)
{
	for (size_t i = 0; weir_features[i] && engine->events; i++)
		if (weir_features[i]->stop && engine->states[i])
			weir_features[i]->stop(engine->states[i]);
}

void weir_engine_free(struct weir_engine *engine)
{
	if (!engine)
		return;
	features_stop(engine);
	struct weir_watch *watches[] = { engine->tick, engine->drain, engine->ring, engine->netlink,
					 engine->confirm };

	for (size_t i = 0; i < WEIR_ARRAY_SIZE(watches); i++)
		if (watches[i])
			engine->loop->forget(watches[i]);
	weir_changes_done(engine);
	weir_snapshot_unref(engine->snapshot);
	weir_traffic_free(engine->traffic);
	weir_events_free(engine->events);
	weir_interfaces_free(engine->interfaces);
	for (size_t i = 0; weir_features[i]; i++)
		if (weir_features[i]->state_free && engine->states[i])
			weir_features[i]->state_free(engine->states[i]);
	weir_commit_free(engine->commit);
	weir_object_free(engine->object);
	weir_config_free(engine->config);
	weir_policy_file_done(&engine->policy);
	weir_event_log_free(engine->log);
	weir_dirs_done(&engine->dirs);
	free(engine);
}

int weir_engine_reload(struct weir_engine *engine)
{
	_cleanup_buf_ struct weir_buf text = {};
	const char *file = engine->options.config_file;
	int r = file ? weir_file_read(file, WEIR_CONFIG_BYTES_MAX, &text) : -ENOENT;

	if (r)
		return r;
	r = weir_engine_apply(engine,
			      &(struct weir_apply){ .text = weir_buf_str(&text),
						    .len = text.len,
						    .file = file,
						    .is_file = true },
			      NULL);
	return r == WEIR_OP_PENDING ? 0 : r;
}

void weir_engine_bump(struct weir_engine *engine)
{
	weir_commit_bump(engine->commit, weir_engine_revision(engine) + 1);
}

void weir_engine_flows_gone(struct weir_engine *engine)
{
	for (size_t i = 0; weir_features[i]; i++)
		if (weir_features[i]->flows_gone)
			weir_features[i]->flows_gone(engine->states[i]);
}

uint64_t weir_engine_revision(const struct weir_engine *engine)
{
	return weir_commit_revision(engine->commit);
}

const struct weir_config *weir_engine_config(const struct weir_engine *engine)
{
	return engine->config;
}

const struct weir_config *weir_engine_config_before(const struct weir_engine *engine)
{
	return engine->before;
}

const struct weir_engine_options *weir_engine_options(const struct weir_engine *engine)
{
	return &engine->options;
}

void *weir_engine_state(struct weir_engine *engine, const struct weir_feature *feature)
{
	return engine->states[weir_feature_index(feature)];
}

struct weir_object *weir_engine_object(struct weir_engine *engine)
{
	return engine->object;
}

struct weir_loop *weir_engine_loop(struct weir_engine *engine)
{
	return engine->loop;
}

bool weir_engine_follows(const struct weir_engine *engine)
{
	return engine->follows;
}

struct weir_snapshot *weir_engine_snapshot(struct weir_engine *engine)
{
	return engine->snapshot;
}

uint64_t weir_engine_adopted(const struct weir_engine *engine)
{
	return engine->adopted;
}
