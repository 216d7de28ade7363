/* SPDX-License-Identifier: Apache-2.0 */
/* The limit feature as the engine sees it. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "core/engine.h"
#include "core/limit.h"
#include "features/limit/limit_state.h"

static int limit_constants_set(const void *data, const struct weir_image *image,
			       struct weir_constants *constants)
{
	static const struct limit_root none;
	const struct limit_section *section = data;
	const struct limit_root *beginnings = limit_root_of(image, LIMIT_LOOK_BEGINNINGS);
	bool has_buckets = beginnings || weir_image_asks(image, WEIR_ASK_BUCKETS);
	struct limit_table_constants table = {
		.lines = has_buckets ? limit_lines(section->sources) : 0,
	};
	struct limit_constants values = {
		.enabled = beginnings != NULL,
		.has_beginnings = beginnings &&
				  memcmp(beginnings->about, none.about, sizeof(none.about)) != 0,
		.has_alarms =
			beginnings && beginnings->acts[WEIR_CALM] != beginnings->acts[WEIR_ATTACK],
	};
	int r = weir_constants_capacity(constants, "st_limit", table.lines ? table.lines : 1);

	if (!r)
		r = weir_constants_set(constants, "limit_table", &table, sizeof(table));
	return r ? r : weir_constants_set(constants, "limit_constants", &values, sizeof(values));
}

static void limit_state_free(void *data)
{
	struct limit *state = data;

	if (!state)
		return;
	limit_auto_keep(state, weir_clock_monotonic_ns());
	weir_map_memory_done(&state->buckets);
	limit_runtime_done(&state->runtime);
	free(state->dir);
	free(state);
}

static void limit_state_freep(struct limit **state)
{
	limit_state_free(*state);
}

static int limit_state_new(struct weir_engine *engine, const char *state_dir,
			   struct weir_diag *diag, void **ret_state)
{
	_cleanup_(limit_state_freep) struct limit *state = calloc(1, sizeof(*state));

	if (!state || (state_dir && !(state->dir = strdup(state_dir))))
		return -ENOMEM;
	state->engine = engine;
	int r = limit_store_load(state_dir, diag, &state->runtime);

	if (r == 0)
		r = limit_auto_load(state_dir, diag, weir_clock_monotonic_ns(), &state->autos);
	if (r < 0)
		return r;
	*ret_state = weir_take(state);
	return 0;
}

static int limit_attach(void *data, struct weir_object *object, struct weir_diag *diag)
{
	struct limit *state = data;

	state->object = object;
	state->counters = weir_object_map(object, "ctr_limit");
	int r = state->counters ? limit_table_take(state, object) : -ENOENT;

	if (r)
		weir_diag_error(diag, NULL, "limit: the buckets cannot be set up: %s",
				strerror(-r));
	return r;
}

static void limit_look_at_top(struct limit *state, uint64_t now_ns)
{
	uint64_t over[LIMIT_KNOWN_MAX] = {};
	unsigned own = state->top.known_count - state->guests.count;

	for (unsigned i = 0; state->counters && i < own; i++) {
		struct limit_count count = {};

		weir_map_sum(state->counters, state->top.known[i].row.count, 1, LIMIT_COUNT_WORDS,
			     (uint64_t *)&count);
		over[i] = count.over;
	}
	for (unsigned i = 0; i < state->guests.count; i++)
		over[own + i] = limit_guest_count(state, &state->guests.at[i]).over;
	limit_top_look(&state->top, over, now_ns);
}

static void limit_tick(void *data, uint64_t now_ns)
{
	limit_look_at_top(data, now_ns); /* first: right behind the events of what it counts */
	limit_auto_run(data, now_ns);
	limit_table_sweep(data, now_ns);
}

static void limit_event(void *data, const struct weir_event *event)
{
	struct limit *state = data;

	limit_top_event(&state->top, event);
}

static void limit_went_live(void *data, const struct weir_config *config)
{
	struct limit *state = data;
	struct limit_list list;

	state->config = config;
	limit_live(state, &list);
	state->guests = state->next_guests;
	limit_top_live(&state->top, &list, &state->guests);
}

void limit_live(const struct limit *state, struct limit_list *ret_list)
{
	static const struct limit_section none;
	const struct weir_config *config = state->engine ? weir_engine_config(state->engine) : NULL;

	limit_list_make(config ? config->sections[weir_feature_index(&weir_limit)] : &none,
			&state->runtime, ret_list);
}

void limit_sums_read(const struct limit *state, const struct limit_list *list,
		     struct limit_sums *ret_sums)
{
	uint16_t rows[LIMITS_MAX];

	memset(ret_sums, 0, sizeof(*ret_sums));
	if (!state->counters)
		return;
	limit_count_rows(list, rows);
	for (unsigned i = 0; i < list->count; i++)
		weir_map_sum(state->counters, rows[i], 1, LIMIT_COUNT_WORDS,
			     (uint64_t *)&ret_sums->of[i]);
}

bool limit_is_on(const struct limit *state, const struct limit_list *list)
{
	return list->count || state->guests.count;
}

struct limit_count limit_unheld(const struct limit *state)
{
	struct limit_count count = {};

	if (state->counters)
		weir_map_sum(state->counters, LIMIT_COUNT_OTHERS, 1, LIMIT_COUNT_WORDS,
			     (uint64_t *)&count);
	return count;
}

static struct limit_count sum_of(const struct limit_sums *sums)
{
	struct limit_count all = {};

	for (unsigned i = 0; i < LIMITS_MAX; i++) {
		all.passed += sums->of[i].passed;
		all.over += sums->of[i].over;
		all.crowded += sums->of[i].crowded;
		all.raced += sums->of[i].raced;
	}
	return all;
}

static void limit_status(void *data, struct weir_json_out *json)
{
	const struct limit *state = data;
	struct limit_list list;
	struct limit_sums sums;

	limit_live(state, &list);
	limit_sums_read(state, &list, &sums);
	struct limit_count all = sum_of(&sums), unheld = limit_unheld(state);

	weir_json_open_object(json, "limit");
	bool is_on = limit_is_on(state, &list);

	weir_json_put_bool(json, "on", is_on);
	weir_json_put_uint(json, "limits", list.count);
	weir_json_put_uint(json, "limits_of_rules", state->guests.count);
	weir_json_put_uint(json, "sources", is_on ? state->owing_seen : 0);
	weir_json_put_uint(json, "sources_capacity",
			   is_on ? (uint64_t)state->lines * LIMIT_WAYS : 0);
	weir_json_put_uint(json, "passed", all.passed);
	weir_json_put_uint(json, "over", all.over);
	weir_json_put_uint(json, "crowded", all.crowded + unheld.crowded);
	weir_json_put_uint(json, "raced", all.raced + unheld.raced);
	weir_json_put_uint(json, "blocked", state->autos.blocked);
	weir_json_put_uint(json, "blocks_spared", state->autos.spared);
	weir_json_put_uint(json, "blocks_refused", state->autos.refused);
	weir_json_put_uint(json, "blocks_forgotten", state->autos.forgotten);
	weir_json_close_object(json);
}

static int sample_add(struct weir_snapshot *snapshot, const char *metric, const char *help,
		      uint64_t value, const char *name, const char *result)
{
	if (!result)
		return weir_snapshot_add(snapshot, WEIR_SAMPLE_COUNTER, metric, help, (double)value,
					 "limit=\"%s\"", name);
	return weir_snapshot_add(snapshot, WEIR_SAMPLE_COUNTER, metric, help, (double)value,
				 "limit=\"%s\",result=\"%s\"", name, result);
}

static const char crowded_help[] = "Packets passed because no bucket was free.";
static const char raced_help[] = "Packets passed because other processors were first.";
#define OF_RULES "(rules)" /* no limit's name has brackets */

/* Names need no escaping: limit_check(). */
static int limit_samples(const struct limit_list *list, const struct limit_sums *sums,
			 struct weir_snapshot *snapshot)
{
	int r = 0;

	for (unsigned i = 0; i < list->count && !r; i++) {
		const struct limit_count *count = &sums->of[i];
		const char *name = list->at[i].text->name;
		static const char packets[] = "Packets a limit was about.";
		static const char bytes[] = "Their bytes.";

		r = sample_add(snapshot, "limit_packets_total", packets, count->passed, name,
			       "passed");
		r = r	  ?:
			    sample_add(snapshot, "limit_packets_total", packets, count->over, name,
				       "over");
		r = r	  ?:
			    sample_add(snapshot, "limit_bytes_total", bytes, count->passed_bytes,
				       name, "passed");
		r = r	  ?:
			    sample_add(snapshot, "limit_bytes_total", bytes, count->over_bytes,
				       name, "over");
		r = r	  ?:
			    sample_add(snapshot, "limit_crowded_total", crowded_help,
				       count->crowded, name, NULL);
		r = r	  ?:
			    sample_add(snapshot, "limit_raced_total", raced_help, count->raced,
				       name, NULL);
	}
	return r;
}

/* Of rules' limits together; what each counts besides is the rules' to tell. */
static int unheld_samples(const struct limit *state, struct weir_snapshot *snapshot)
{
	struct limit_count count = limit_unheld(state);
	int r = state->guests.count ? sample_add(snapshot, "limit_crowded_total", crowded_help,
						 count.crowded, OF_RULES, NULL) :
				      0;

	return r || !state->guests.count ? r :
					   sample_add(snapshot, "limit_raced_total", raced_help,
						      count.raced, OF_RULES, NULL);
}

static int blocks_samples(const struct limit_auto *autos, struct weir_snapshot *snapshot)
{
	const struct {
		const char *result;
		uint64_t count;
	} rows[] = {
		{ "blocked", autos->blocked },
		{ "spared", autos->spared },
		{ "refused", autos->refused },
	};
	int r = 0;

	for (size_t i = 0; i < WEIR_ARRAY_SIZE(rows) && !r; i++)
		r = weir_snapshot_add(snapshot, WEIR_SAMPLE_COUNTER, "limit_blocks_total",
				      "Addresses over a limit for so much that they were to be "
				      "blocked, since the daemon started.",
				      (double)rows[i].count, "result=\"%s\"", rows[i].result);
	return r ? r :
		   weir_snapshot_add(snapshot, WEIR_SAMPLE_COUNTER, "limit_blocks_forgotten_total",
				     "Blocked addresses of which it was forgotten how long, for "
				     "want of room, since the daemon started.",
				     (double)autos->forgotten, NULL);
}

static int limit_snapshot(void *data, struct weir_snapshot *snapshot)
{
	const struct limit *state = data;
	struct limit_list list;
	struct limit_sums sums;

	limit_live(state, &list);
	limit_sums_read(state, &list, &sums);
	int r = limit_samples(&list, &sums, snapshot);
	bool is_on = limit_is_on(state, &list);

	if (!r)
		r = unheld_samples(state, snapshot);
	if (!r)
		r = blocks_samples(&state->autos, snapshot);
	if (!r)
		r = weir_snapshot_add(snapshot, WEIR_SAMPLE_GAUGE, "limit_sources",
				      "Buckets in use, as of the last round of the sweep.",
				      is_on ? (double)state->owing_seen : 0, NULL);
	if (!r)
		r = weir_snapshot_add(snapshot, WEIR_SAMPLE_GAUGE, "limit_sources_capacity",
				      "Buckets there are.",
				      is_on ? (double)state->lines * LIMIT_WAYS : 0, NULL);
	return r;
}

static void limit_describe(void *data, const struct weir_verdict *verdict,
			   struct weir_json_out *json)
{
	const struct limit *state = data;
	struct limit_list list;
	uint16_t rows[LIMITS_MAX];

	if (!state || !((verdict->list | verdict->held) & (LIMIT_LIST | LIMIT_NEVER)))
		return;
	limit_live(state, &list);
	if (verdict->held == LIMIT_NEVER && limit_is_on(state, &list))
		weir_json_put_str(json, "limits", "none holds an address on an allow list");
	limit_count_rows(&list, rows);
	for (unsigned i = 0; i < list.count; i++) {
		if (verdict->list == (LIMIT_LIST | rows[i]))
			weir_json_put_str(json, "limit", list.at[i].text->name);
		if (verdict->held == (LIMIT_LIST | rows[i]))
			weir_limit_put_held("limit", list.at[i].text->name,
					    verdict->reason == WEIR_DROP_LIMIT, json);
	}
}

const struct weir_feature weir_limit = {
	.name = "limit",
	.summary = "rates that sources must keep to",
	.fields = limit_fields,
	.section_size = sizeof(struct limit_section),
	.check = limit_check,
	.constants = limit_constants_set,
	.compile = limit_compile,
	.classes = limit_guests_note,
	.state_new = limit_state_new,
	.state_free = limit_state_free,
	.attach = limit_attach,
	.live = limit_went_live,
	.tick = limit_tick,
	.event = limit_event,
	.status = limit_status,
	.snapshot = limit_snapshot,
	.describe = limit_describe,
	.ops = limit_ops,
};
