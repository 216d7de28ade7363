/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An engine, an image and maps in plain memory for tests of this folder, and what those tests need
 * to run operations and to look at what a packet would meet. A test includes it once.
 */
#ifndef WEIR_BLOCK_FAKE_ENGINE_H
#define WEIR_BLOCK_FAKE_ENGINE_H

#include <dirent.h>
#include <stdio.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/file.h"
#include "features/block/block_fake_map.h"
#include "features/block/block_state.h"

/* The engine: one feature, changes made on the spot in the order that core/change.c keeps. */
struct weir_engine {
	void *state;
	struct weir_config config;
	struct block_section section;
	uint64_t revision;
	bool is_busy;
	int fail_persist;    /* a failure between compile and the flip */
	const char *watched; /* an address: what a packet from there meets … */
	int met_at_flip;     /* … right after the flip, before the draft is accepted */
};

/* The image: labels and their ranges; a "class" is looked up for one address at a time. */
struct fake_range {
	uint32_t label;
	struct weir_range range;
};

struct weir_image {
	uint32_t tags[256];
	char names[256][BLOCK_NAME_MAX + 1];
	uint32_t label_count;
	struct fake_range ranges[1024];
	size_t range_count;
	struct weir_label_view views[256];
	size_t view_count;
	struct block_class classes[2];
	struct block_class beyond; /* stays zero: nobody writes past the last class */
};

static struct weir_engine engine;
static struct weir_image image; /* the live one */
static struct weir_map *entries, *lengths, *hits;
static char dir[64];

/* This one alone, so that no other feature asks more of the image than there is of it here. */
const struct weir_feature *const weir_features[] = { &weir_block, NULL };

size_t weir_feature_index(const struct weir_feature *feature)
{
	(void)feature;
	return 0;
}

struct weir_map *weir_object_map(struct weir_object *object, const char *name)
{
	(void)object;
	return strcmp(name, "set_block") == 0 ? entries :
	       strcmp(name, "cfg_block") == 0 ? lengths :
	       strcmp(name, "ctr_hit") == 0   ? hits :
						NULL;
}

int weir_constants_set(struct weir_constants *constants, const char *variable, const void *value,
		       size_t size)
{
	(void)constants, (void)variable, (void)value, (void)size;
	return 0;
}

int weir_constants_capacity(struct weir_constants *constants, const char *map, uint32_t count)
{
	(void)constants, (void)map, (void)count;
	return 0;
}

int weir_image_label(struct weir_image *into, const struct weir_feature *owner, uint32_t tag,
		     uint32_t *ret_label)
{
	assert_ptr_equal(owner, &weir_block);
	into->tags[into->label_count++] = tag;
	*ret_label = into->label_count;
	return 0;
}

int weir_image_name_label(struct weir_image *into, uint32_t label, const char *name)
{
	assert_in_range(label, 1, into->label_count);
	snprintf(into->names[label - 1], sizeof(into->names[0]), "%s", name);
	return 0;
}

int weir_image_add_range(struct weir_image *into, uint32_t label, const struct weir_range *range)
{
	assert_true(into->range_count < WEIR_ARRAY_SIZE(into->ranges));
	into->ranges[into->range_count++] = (struct fake_range){ label, *range };
	return 0;
}

uint32_t weir_image_class_count(const struct weir_image *of)
{
	(void)of;
	return 2;
}

size_t weir_image_class_labels(const struct weir_image *of, uint32_t class_id,
			       const struct weir_label_view **ret_labels)
{
	assert_int_equal(class_id, 1);
	*ret_labels = of->views;
	return of->view_count;
}

void *weir_image_section(struct weir_image *of, enum weir_section section, size_t bytes)
{
	assert_int_equal(section, WEIR_SECTION_BLOCK);
	assert_int_equal(bytes, sizeof(of->classes));
	return of->classes;
}

void *weir_engine_state(struct weir_engine *of, const struct weir_feature *feature)
{
	(void)feature;
	return of->state;
}

bool weir_engine_is_idle(const struct weir_engine *of)
{
	return !of->is_busy;
}

void weir_engine_bump(struct weir_engine *of)
{
	of->revision++;
}

uint64_t weir_engine_revision(const struct weir_engine *of)
{
	return of->revision;
}

void weir_engine_warn(struct weir_engine *of, const char *feature, const char *format, ...)
{
	(void)of, (void)feature, (void)format;
}

int weir_snapshot_add(struct weir_snapshot *snapshot, enum weir_sample_kind kind, const char *name,
		      const char *help, double value, const char *labels, ...)
{
	(void)snapshot, (void)kind, (void)name, (void)help, (void)value, (void)labels;
	return 0;
}

const char *weir_call_str(const struct weir_call *call, const char *name)
{
	return weir_json_str(weir_json_get(call->args, name), NULL);
}

uint64_t weir_call_uint(const struct weir_call *call, const char *name, uint64_t fallback)
{
	return (uint64_t)weir_json_int(weir_json_get(call->args, name), (int64_t)fallback);
}

bool weir_call_flag(const struct weir_call *call, const char *name)
{
	return weir_json_bool(weir_json_get(call->args, name), false);
}

static int compile_into(struct weir_image *into, void *draft, struct weir_diag *diag)
{
	struct weir_compile compile = {
		.config = &engine.config,
		.section = &engine.section,
		.state = engine.state,
		.draft = draft,
		.image = into,
		.diag = diag,
		.base_dir = dir,
	};
	memset(into, 0, sizeof(*into));
	return weir_block.compile(&compile);
}

static inline int packet_meets(const char *text);

int weir_engine_change(struct weir_engine *of, struct weir_change *change)
{
	struct weir_image next;
	struct weir_diag *diag = &change->call->diag;
	int r = change->prepare(change, of->state, diag);
	if (r == 0 && !change->keeps_policy)
		r = compile_into(&next, change->draft, diag);
	if (r == 0)
		r = of->fail_persist ? of->fail_persist : change->persist(change, of->state, diag);
	if (r == 0) {
		change->enforce(change, of->state);
		if (!change->keeps_policy)
			image = next;
		of->revision++;
		of->met_at_flip = of->watched ? packet_meets(of->watched) : -1;
		change->accept(change, of->state);
		if (!change->keeps_policy)
			weir_block.live(of->state, &of->config);
	}
	change->call->result = r;
	change->free(change);
	return WEIR_OP_PENDING;
}

/*
 * What a packet from there meets: the live set, then the compiled policy; -1 nothing, else the
 * action.
 */
static inline int packet_meets(const char *text)
{
	struct weir_addr addr;
	bool met[BLOCK_VERDICTS] = { false };
	const struct block_state *state = engine.state;
	assert_int_equal(weir_addr_from_string(text, strlen(text), &addr), 0);
	for (uint32_t i = 0; i < entries->count; i++) {
		const struct block_live_key *key = (const void *)entries->rows[i].key;
		const struct block_live *value = (const void *)entries->rows[i].value;
		struct weir_prefix prefix = { key->addr, (uint8_t)key->length };
		struct weir_range range;
		weir_prefix_to_range(&prefix, &range);
		for (int action = 0; action < BLOCK_VERDICTS; action++)
			met[action] |=
				value->action[action].list && weir_range_contains(&range, &addr) &&
				(!value->action[action].expires_ns ||
				 value->action[action].expires_ns > weir_clock_monotonic_ns());
	}
	for (size_t i = 0; i < image.range_count; i++) {
		uint32_t tag = image.tags[image.ranges[i].label - 1];
		uint32_t id = tag & 0x80000000u ? tag << 1 >> 17 : tag;
		const struct block_list *list = block_lists_by_id(&state->files, id);
		list = list ? list : block_lists_by_id(&state->runtime, id);
		if (list && block_list_decides(list) &&
		    weir_range_contains(&image.ranges[i].range, &addr))
			met[list->action] = true;
	}
	return met[BLOCK_ALLOW] ? BLOCK_ALLOW : met[BLOCK_DENY] ? BLOCK_DENY : -1;
}

/* Whether the compiled policy has the address under that name. */
static inline bool set_has(const char *name, const char *text)
{
	struct weir_addr addr;
	assert_int_equal(weir_addr_from_string(text, strlen(text), &addr), 0);
	for (size_t i = 0; i < image.range_count; i++)
		if (strcmp(image.names[image.ranges[i].label - 1], name) == 0 &&
		    weir_range_contains(&image.ranges[i].range, &addr))
			return true;
	return false;
}

struct answer {
	int result;
	struct weir_diag diag;
	struct weir_json *json;
};

static void answer_done(struct answer *answer)
{
	weir_diag_done(&answer->diag);
	weir_json_free(answer->json);
}
#define _cleanup_answer_ __attribute__((cleanup(answer_done)))

static const struct weir_op *op_find(const char *name)
{
	for (size_t i = 0; weir_block.ops[i]; i++)
		if (strcmp(weir_block.ops[i]->name, name) == 0)
			return weir_block.ops[i];
	fail_msg("no operation %s", name);
	return NULL;
}

static inline struct answer run_with(const char *name, const char *args, const char *body)
{
	struct weir_call call = { .op = op_find(name) };
	struct answer answer = { 0 };
	assert_int_equal(weir_json_parse(args, strlen(args), NULL, NULL, &call.args), 0);
	if (body)
		weir_buf_add_str(&call.body, body);
	answer.result = call.op->run(&engine, &call);
	if (answer.result == WEIR_OP_PENDING)
		answer.result = call.result;
	answer.diag = call.diag;
	if (answer.result == 0)
		assert_int_equal(weir_json_parse(weir_buf_str(&call.reply), call.reply.len, NULL,
						 NULL, &answer.json),
				 0);
	weir_json_free(call.args);
	weir_buf_done(&call.reply);
	weir_buf_done(&call.body);
	return answer;
}

static inline void run(const char *name, const char *args)
{
	_cleanup_answer_ struct answer answer = run_with(name, args, NULL);
	assert_int_equal(answer.result, 0);
}

static inline int64_t number(const struct answer *answer, const char *key)
{
	return weir_json_int(weir_json_get(answer->json, key), -1);
}

static inline void go_live(void)
{
	struct weir_diag diag = { 0 };
	assert_int_equal(compile_into(&image, NULL, &diag), 0);
	weir_block.live(engine.state, &engine.config);
	weir_diag_done(&diag);
}

static inline void start(void)
{
	struct weir_diag diag = { 0 };
	assert_int_equal(weir_block.state_new(&engine, dir, &diag, &engine.state), 0);
	assert_int_equal(weir_block.attach(engine.state, NULL, &diag), 0);
	assert_int_equal(diag.count, 0);
}

static inline void tick_after(uint64_t seconds)
{
	weir_block.tick(engine.state, weir_clock_monotonic_ns() + seconds * WEIR_NS_PER_S);
}

static inline int setup(void **state)
{
	snprintf(dir, sizeof(dir), "/tmp/weir-block-%d-XXXXXX", getpid());
	assert_non_null(mkdtemp(dir));
	entries = fake_map_new(sizeof(struct block_live_key), sizeof(struct block_live), 64);
	lengths = fake_map_new(sizeof(uint32_t), sizeof(struct block_lengths), 1);
	hits = fake_map_new(sizeof(uint32_t), sizeof(struct weir_count), FAKE_ROWS);
	engine = (struct weir_engine){
		.section = { .enabled = true, .live = 64, .v4_entries = 100, .v6_entries = 100 },
		.config.sections = { &engine.section },
	};
	image = (struct weir_image){ 0 };
	start();
	go_live();
	(void)state;
	return 0;
}

static inline int teardown(void **state)
{
	weir_block.state_free(engine.state);
	free(entries);
	free(lengths);
	free(hits);
	_cleanup_closedir_ DIR *opened = opendir(dir);
	for (struct dirent *entry; opened && (entry = readdir(opened));) {
		_cleanup_free_ char *path = weir_path_join(dir, entry->d_name);
		unlink(path);
	}
	(void)state;
	return rmdir(dir);
}

/* As after a kill: what is in memory is gone, files and maps stay. */
static inline void restart(void)
{
	weir_block.state_free(engine.state);
	start();
}

static char *config_entries[]
	__attribute__((unused)) = { (char *)"10.0.0.0/8", (char *)"10.1.0.0/16" };

static inline void configure(struct block_list_config *lists, unsigned count)
{
	engine.section.lists = lists;
	engine.section.list_count = count;
	struct block_state *block = engine.state;
	block->config = NULL; /* as when another configuration object is applied */
	go_live();
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

#endif
