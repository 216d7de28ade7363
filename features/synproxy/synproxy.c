/* SPDX-License-Identifier: Apache-2.0 */
/* The synproxy feature as the engine sees it. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/hash.h"
#include "core/engine.h"
#include "features/synproxy/synproxy_state.h"

static int synproxy_constants_set(const void *data, const struct weir_image *image,
				  struct weir_constants *constants)
{
	const struct synproxy_section *section = data;
	struct synproxy_constants values = {};
	struct weir_cookie_constants offer = {};

	bool relays = weir_image_asks(image, WEIR_ASK_RELAYS);

	if ((section->service_count || relays) && !synproxy_lack()) {
		values.services = section->service_count;
		synproxy_offer(section, &offer);
		offer.relays = relays;
		synproxy_means(&offer);
	}
	int r = weir_constants_set(constants, "synproxy_constants", &values, sizeof(values));

	return r ? r : weir_constants_set(constants, "cookie_constants", &offer, sizeof(offer));
}

static int synproxy_compile(struct weir_compile *compile)
{
	const struct synproxy_section *section = compile->section;

	if (!section->service_count)
		return 0;
	struct weir_line *lines = weir_image_section(compile->image, WEIR_SECTION_SYNPROXY,
						     section->service_count * SYNPROXY_LINES_EACH *
							     sizeof(struct weir_line));

	if (!lines)
		return -ENOMEM;
	weir_image_ask(compile->image, WEIR_ASK_CONNECTIONS);
	weir_image_ask(compile->image, WEIR_ASK_ANSWERS);
	if (synproxy_section_relays(section))
		weir_image_ask(compile->image, WEIR_ASK_RELAYS);
	for (unsigned i = 0; i < section->service_count; i++) {
		struct synproxy_meaning meaning;
		int r = synproxy_read(&section->services[i], i, compile->diag, &meaning);

		if (r)
			return r;
		memcpy(lines++, &meaning.service, sizeof(meaning.service));
		memcpy(lines, meaning.to, sizeof(meaning.to));
		lines += 2;
	}
	return 0;
}

/* Who looks for why the data path still weighs as much should find it. */
static int synproxy_classes(struct weir_compile *compile)
{
	if (!weir_image_asks(compile->image, WEIR_ASK_RELAYS) ||
	    synproxy_section_relays(compile->section))
		return 0;
	weir_diag_warning_key(compile->diag, "synproxy.services",
			      "let them end, or end them (`weir flow flush relayed=yes`); then "
			      "`weir reload`",
			      "connections that a service relayed go on, and what translates them "
			      "stays until the first change or reload that finds none");
	return 0;
}

static int synproxy_state_new(struct weir_engine *engine, const char *state_dir,
			      struct weir_diag *diag, void **ret_state)
{
	(void)state_dir, (void)diag;
	struct synproxy *state = calloc(1, sizeof(*state));

	if (!state)
		return -ENOMEM;
	state->engine = engine;
	*ret_state = state;
	return 0;
}

static void synproxy_state_free(void *data)
{
	struct synproxy *state = data;

	if (state)
		weir_map_memory_done(&state->services);
	free(state);
}

static int synproxy_attach(void *data, struct weir_object *object, struct weir_diag *diag)
{
	struct synproxy *state = data;
	struct weir_map *services = weir_object_map(object, "st_synproxy");
	struct weir_map_memory memory = {};

	state->counters = weir_object_map(object, "ctr_synproxy");
	int r = services && state->counters ? weir_map_memory_open(services, &memory) : -ENOENT;

	if (r) {
		weir_diag_error(diag, NULL, "synproxy: its state cannot be set up: %s",
				strerror(-r));
		return r;
	}
	weir_map_memory_done(&state->services);
	state->services = memory;
	return 0;
}

/* What makes a service the same one in another policy: whose it is, not how it is answered. */
static uint64_t owner_of(const struct synproxy_text *text)
{
	uint64_t hash = weir_hash_bytes(text->ports, strlen(text->ports), 1);

	for (unsigned i = 0; i < text->to_count; i++)
		hash = weir_hash_bytes(text->to[i], strlen(text->to[i]), hash);
	return hash ?: 1;
}

/* Rows go by the place of a service; what is known of it goes where it goes, and what is new begins
 * with nothing. */
static void synproxy_live(void *data, const struct weir_config *config)
{
	struct synproxy *state = data;
	const struct synproxy_section *section =
		config->sections[weir_feature_index(&weir_synproxy)];
	struct synproxy_state *rows = state->services.at;
	struct synproxy_state before[SYNPROXY_SERVICES_MAX];
	bool was_on[SYNPROXY_SERVICES_MAX];

	memset(state->refused, 0, sizeof(state->refused)); /* there may be room for them now */
	if (!rows)
		return;
	memcpy(before, rows, sizeof(before));
	memcpy(was_on, state->was_on, sizeof(was_on));
	for (unsigned i = 0; i < SYNPROXY_SERVICES_MAX; i++) {
		uint64_t owner = i < section->service_count ? owner_of(&section->services[i]) : 0;
		unsigned from = 0;

		if (owner && before[i].owner == owner)
			continue;
		while (owner && from < SYNPROXY_SERVICES_MAX && before[from].owner != owner)
			from++;
		bool is_known = owner && from < SYNPROXY_SERVICES_MAX;

		rows[i] = is_known ? before[from] : (struct synproxy_state){ .owner = owner };
		state->was_on[i] = is_known && was_on[from];
	}
}

/* Of the live policy; without an engine there is none. */
const struct synproxy_section *synproxy_section_of(const struct synproxy *state)
{
	static const struct synproxy_section none;
	const struct weir_config *config = state->engine ? weir_engine_config(state->engine) : NULL;

	return config ? config->sections[weir_feature_index(&weir_synproxy)] : &none;
}

const char *synproxy_lack_of(const struct synproxy *state)
{
	return synproxy_section_of(state)->service_count ? synproxy_lack() : NULL;
}

void synproxy_sums(const struct synproxy *state, uint64_t sums[SYNPROXY_COUNTER_COUNT])
{
	memset(sums, 0, SYNPROXY_COUNTER_COUNT * sizeof(*sums));
	if (state->counters)
		weir_map_sum(state->counters, 0, SYNPROXY_COUNTER_COUNT, 1, sums);
}

void synproxy_look(const struct synproxy *state, unsigned index, struct synproxy_view *ret_view)
{
	const struct synproxy_text *text = &synproxy_section_of(state)->services[index];
	const volatile struct synproxy_state *rows = state->services.at;
	/* By the data path's clock: what is said to be over is over there, too. */
	uint64_t now_ns = weir_clock_coarse_ns();

	*ret_view = (struct synproxy_view){ .is_on = text->mode == SYNPROXY_ALWAYS };
	if (text->mode == SYNPROXY_ALWAYS || !rows)
		return;
	uint64_t until_ns = rows[index].on_until_ns;

	ret_view->is_on = now_ns < until_ns;
	ret_view->left_ns = ret_view->is_on ? until_ns - now_ns : 0;
	if (rows[index].window == now_ns >> SYNPROXY_WINDOW_SHIFT)
		ret_view->syns = rows[index].count;
}

/* A person under attack wants to know since when: told as a happening, once each way. */
static void switch_tell(struct synproxy *state, unsigned index, bool is_on)
{
	_cleanup_buf_ struct weir_buf text = { 0 }, what = { 0 };
	struct weir_json_out json = { .out = &text };

	weir_buf_addf(&what, "SYNs to %s", synproxy_section_of(state)->services[index].ports);
	weir_event_open(&json, "synproxy");
	weir_json_put_str(&json, "what", weir_buf_str(&what));
	weir_json_put_str(&json, "detail",
			  is_on ? "answered with cookies" : "left to the listener again");
	weir_json_close_object(&json);
	if (!text.failed && !what.failed)
		weir_engine_publish(state->engine, "synproxy", weir_buf_str(&text), text.len);
}

static void synproxy_tick(void *data, uint64_t now_ns)
{
	struct synproxy *state = data;

	(void)now_ns;
	synproxy_stand_in(state);
	if (synproxy_lack_of(state))
		return;
	for (unsigned i = 0; i < synproxy_section_of(state)->service_count; i++) {
		struct synproxy_view view;

		synproxy_look(state, i, &view);
		if (view.is_on != state->was_on[i])
			switch_tell(state, i, view.is_on);
		state->was_on[i] = view.is_on;
	}
}

static const struct {
	const char *key, *metric, *help;
} counters[] = {
#define X(identifier, key, help) { key, "synproxy_" key "_total", help },
	SYNPROXY_COUNTERS(X)
#undef X
};

static unsigned count_on(const struct synproxy *state)
{
	unsigned on = 0;

	for (unsigned i = 0; i < synproxy_section_of(state)->service_count; i++) {
		struct synproxy_view view;

		synproxy_look(state, i, &view);
		on += view.is_on;
	}
	return synproxy_lack_of(state) ? 0 : on;
}

static void synproxy_status(void *data, struct weir_json_out *json)
{
	const struct synproxy *state = data;
	const struct synproxy_section *section = synproxy_section_of(state);
	uint64_t sums[SYNPROXY_COUNTER_COUNT];

	synproxy_sums(state, sums);
	weir_json_open_object(json, "synproxy");
	weir_json_put_bool(json, "on", section->service_count != 0);
	weir_json_put_uint(json, "services", section->service_count);
	if (synproxy_lack_of(state))
		weir_json_put_str(json, "lacks", synproxy_lack_of(state));
	weir_json_put_uint(json, "answering", count_on(state));
	for (size_t i = 0; i < SYNPROXY_COUNTER_COUNT; i++)
		weir_json_put_uint(json, counters[i].key, sums[i]);
	weir_json_close_object(json);
}

static int synproxy_snapshot(void *data, struct weir_snapshot *snapshot)
{
	const struct synproxy *state = data;
	uint64_t sums[SYNPROXY_COUNTER_COUNT];
	int r = 0;

	synproxy_sums(state, sums);
	for (size_t i = 0; !r && i < SYNPROXY_COUNTER_COUNT; i++)
		r = weir_snapshot_add(snapshot, WEIR_SAMPLE_COUNTER, counters[i].metric,
				      counters[i].help, (double)sums[i], NULL);
	for (unsigned i = 0; !r && i < synproxy_section_of(state)->service_count; i++) {
		struct synproxy_view view;

		synproxy_look(state, i, &view);
		r = weir_snapshot_add(snapshot, WEIR_SAMPLE_GAUGE, "synproxy_answering",
				      "Whether SYNs to the service are answered with cookies.",
				      view.is_on && !synproxy_lack(), "service=\"%u\",ports=\"%s\"",
				      i, synproxy_section_of(state)->services[i].ports);
	}
	return r;
}

const struct weir_feature weir_synproxy = {
	.name = "synproxy",
	.summary = "SYNs answered with cookies in the server's place",
	.fields = synproxy_fields,
	.section_size = sizeof(struct synproxy_section),
	.check = synproxy_check,
	.constants = synproxy_constants_set,
	.compile = synproxy_compile,
	.classes = synproxy_classes,
	.state_new = synproxy_state_new,
	.state_free = synproxy_state_free,
	.attach = synproxy_attach,
	.live = synproxy_live,
	.tick = synproxy_tick,
	.status = synproxy_status,
	.snapshot = synproxy_snapshot,
	.ops = synproxy_ops,
};
