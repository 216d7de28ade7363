/* SPDX-License-Identifier: Apache-2.0 */
/* The log as the engine sees it. It has no stage: it hears what happens, as any subscriber does. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "features/log/log_state.h"

const char *const log_place_names[LOG_PLACES] = {
	[LOG_PLACE_FILE] = "file",
	[LOG_PLACE_SYSLOG] = "syslog",
	[LOG_PLACE_JOURNAL] = "journal",
};

/* Index of the data path's kind, or WEIR_EVENT_KIND_COUNT. */
static uint32_t packet_kind(const char *kind)
{
	uint32_t i = 0;

	while (i < WEIR_EVENT_KIND_COUNT && strcmp(weir_event_kind_name(i), kind) != 0)
		i++;
	return i;
}

/*
 * What the data path did not tell, for its rate or a full ring, since the last that is written.
 * The counters are those of the last second.
 */
static void left_out_add(struct log_state *state, int place, struct log_happening *happening)
{
	uint32_t kind = packet_kind(happening->kind);
	const struct weir_snapshot *snapshot = weir_engine_snapshot(state->engine);

	if (kind == WEIR_EVENT_KIND_COUNT)
		return;
	uint64_t sum = snapshot ? snapshot->events[kind].capped + snapshot->events[kind].lost : 0;
	uint64_t *last = &state->left_out[place][kind];

	happening->sample =
		kind == WEIR_EVENT_DROP ? weir_engine_config(state->engine)->events.sample : 1;
	/* The counters outlive the daemon: what was left out before its first line is told by none.
	 */
	if (state->knows_left_out[place][kind])
		happening->left_out = sum > *last ? sum - *last : 0;
	state->knows_left_out[place][kind] = snapshot != NULL;
	*last = sum;
}

static void event_heard(struct weir_subscriber *subscriber, const char *kind, const char *json,
			size_t len)
{
	struct log_state *state = (struct log_state *)subscriber;
	size_t number = log_kind_find(kind);
	uint64_t real_ns = 0; /* one for all places, whose lines are the same */

	for (int place = 0; place < LOG_PLACES; place++) {
		if (!log_sink_wants(state->sinks[place], number))
			continue;
		real_ns = real_ns ? real_ns : weir_clock_real_ns();
		struct log_happening happening = {
			.kind = kind, .json = json, .len = len, .real_ns = real_ns
		};

		left_out_add(state, place, &happening);
		log_sink_put(state->sinks[place], &happening);
	}
}

/* Ended flows are made for those who ask. */
static bool flow_wanted(struct weir_subscriber *subscriber, const char *kind)
{
	const struct log_state *state = (const struct log_state *)subscriber;
	size_t number = log_kind_find(kind);

	for (int place = 0; place < LOG_PLACES; place++)
		if (log_sink_wants(state->sinks[place], number))
			return true;
	return false;
}

static int log_state_new(struct weir_engine *engine, const char *state_dir, struct weir_diag *diag,
			 void **ret_state)
{
	struct log_state *state = calloc(1, sizeof(*state));

	(void)state_dir;
	(void)diag;
	if (!state)
		return -ENOMEM;
	state->engine = engine;
	state->subscriber.event = event_heard;
	state->subscriber.streams = flow_wanted;
	if (engine)
		weir_engine_subscribe(engine, &state->subscriber);
	*ret_state = state;
	return 0;
}

static void log_state_free(void *data)
{
	struct log_state *state = data;

	if (!state)
		return;
	uint64_t lost[LOG_PLACES];

	if (state->engine)
		weir_engine_unsubscribe(state->engine, &state->subscriber);
	log_sinks_free(state->sinks, lost);
	for (int place = 0; place < LOG_PLACES; place++)
		if (lost[place])
			weir_engine_warn(
				state->engine, weir_log_feature.name,
				"log to %s: %llu lines that waited are lost, as the daemon "
				"ends",
				log_place_names[place], (unsigned long long)lost[place]);
	free(state);
}

/* Also where nothing of it changed: what was moved away is opened anew then. */
static void log_live(void *data, const struct weir_config *config)
{
	struct log_state *state = data;
	const struct log_section *section = config->sections[weir_feature_index(&weir_log_feature)];

	for (int place = 0; state->engine && place < LOG_PLACES; place++) {
		struct log_want want;

		log_want_of(section, (enum log_place)place, &want);
		if (want.is_on && !state->sinks[place])
			state->sinks[place] = log_sink_new((enum log_place)place);
		bool is_set = state->sinks[place] ? log_sink_want(state->sinks[place], &want) :
						    !want.is_on;

		if (!is_set)
			weir_engine_warn(state->engine, weir_log_feature.name,
					 "nothing is logged to %s: there is no memory or no thread "
					 "for it; reload when there is",
					 log_place_names[place]);
	}
}

static void news_tell(struct log_state *state, int place, const struct log_sink_view *view)
{
	if (view->problem[0])
		weir_engine_warn(state->engine, weir_log_feature.name,
				 "log to %s: %s; it is tried again each second, and what finds no "
				 "room meanwhile is counted",
				 log_place_names[place], view->problem);
	else
		weir_engine_warn(state->engine, weir_log_feature.name,
				 "log to %s: it goes on; %llu lines were lost since the start",
				 log_place_names[place], (unsigned long long)view->lost_all);
}

static void log_tick(void *data, uint64_t now_ns)
{
	struct log_state *state = data;
	struct log_sink_view view;

	(void)now_ns;
	for (int place = 0; place < LOG_PLACES; place++)
		if (state->sinks[place] && log_sink_has_news(state->sinks[place], &view))
			news_tell(state, place, &view);
}

static void lost_put(const struct log_sink_view *view, struct weir_json_out *json)
{
	weir_json_open_object(json, "lost_by_kind");
	for (size_t i = 0; i < log_kind_count; i++)
		if (view->lost[i])
			weir_json_put_uint(json, log_kinds[i].name ? log_kinds[i].name : "other",
					   view->lost[i]);
	weir_json_close_object(json);
}

static void place_put(struct log_sink *sink, const char *name, struct weir_json_out *json)
{
	struct log_sink_view view;

	log_sink_look(sink, &view);
	weir_json_open_object(json, name);
	weir_json_put_bool(json, "on", view.is_on);
	weir_json_put_str(json, "to", view.where);
	if (view.problem[0])
		weir_json_put_str(json, "problem", view.problem);
	weir_json_put_uint(json, "written", view.written);
	weir_json_put_uint(json, "lost", view.lost_all);
	lost_put(&view, json);
	weir_json_put_uint(json, "waiting", view.waiting);
	weir_json_put_uint(json, "waiting_bytes", view.waiting_bytes);
	weir_json_put_uint(json, "rotated", view.rotated);
	weir_json_close_object(json);
}

static void log_status(void *data, struct weir_json_out *json)
{
	const struct log_state *state = data;
	bool is_on = false;

	for (int place = 0; place < LOG_PLACES; place++)
		is_on = is_on || state->sinks[place];
	weir_json_open_object(json, "log");
	weir_json_put_bool(json, "on", is_on);
	for (int place = 0; place < LOG_PLACES; place++)
		if (state->sinks[place])
			place_put(state->sinks[place], log_place_names[place], json);
	weir_json_close_object(json);
}

static int log_snapshot(void *data, struct weir_snapshot *snapshot)
{
	const struct log_state *state = data;
	int r = 0;

	for (int place = 0; place < LOG_PLACES && !r; place++) {
		struct log_sink_view view;

		if (!state->sinks[place])
			continue;
		log_sink_look(state->sinks[place], &view);
		r = weir_snapshot_add(snapshot, WEIR_SAMPLE_COUNTER, "log_lines_total",
				      "Lines written to the log, since the daemon started.",
				      (double)view.written, "to=\"%s\"", log_place_names[place]);
		if (!r)
			r = weir_snapshot_add(snapshot, WEIR_SAMPLE_COUNTER, "log_lost_total",
					      "Lines of the log that were lost, since the daemon "
					      "started.",
					      (double)view.lost_all, "to=\"%s\"",
					      log_place_names[place]);
	}
	return r;
}

const struct weir_feature weir_log_feature = {
	.name = "log",
	.summary = "what happens, for other log systems: files of JSON lines, syslog, the journal",
	.fields = log_fields,
	.section_size = sizeof(struct log_section),
	.check = log_check,
	.state_new = log_state_new,
	.state_free = log_state_free,
	.live = log_live,
	.tick = log_tick,
	.status = log_status,
	.snapshot = log_snapshot,
	.ops = log_ops,
};
