/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An engine and maps in plain memory for tests of this folder; the image is a real one. A test
 * includes it once.
 */
#ifndef WEIR_RULES_FAKE_ENGINE_H
#define WEIR_RULES_FAKE_ENGINE_H

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/file.h"
#include "core/compile.h"
#include "core/services.h"
#include "features/rules/rules_ops.h"
#include "features/rules/rules_store.h"

#define FAKE_RULES 16

/* Changes are made on the spot, in the order that core/change.c keeps. */
struct weir_engine {
	void *state;
	struct weir_config config;
	struct rules_section section;
	struct rules_text rules[FAKE_RULES];
	uint64_t revision;
	int fail_switch; /* a failure between persist and the flip */
	unsigned warned;
};

struct weir_map {
	struct weir_count rows[RULES_ROWS];
};

static struct weir_engine engine __attribute__((unused));
static struct weir_map counters, clock_map;
static char dir[64] __attribute__((unused));

size_t weir_feature_index(const struct weir_feature *feature)
{
	(void)feature;
	return 0;
}

bool weir_config_denies_by_default(const struct weir_config *config)
{
	(void)config;
	return false;
}

bool weir_config_tracks(const struct weir_config *config)
{
	(void)config;
	return true;
}

struct weir_map *weir_object_map(struct weir_object *object, const char *name)
{
	(void)object;
	return strcmp(name, "ctr_rule") == 0 ? &counters : &clock_map;
}

uint32_t weir_map_capacity(const struct weir_map *map)
{
	(void)map;
	return RULES_ROWS;
}

int weir_map_get(struct weir_map *map, const void *key, void *value)
{
	memcpy(value, &map->rows[*(const uint32_t *)key], sizeof(struct weir_count));
	return 0;
}

int weir_map_set(struct weir_map *map, const void *key, const void *value)
{
	/* Of the clock a row is smaller. */
	memcpy(&map->rows[*(const uint32_t *)key], value,
	       map == &clock_map ? sizeof(struct rules_clock) : sizeof(struct weir_count));
	return 0;
}

int weir_map_del(struct weir_map *map, const void *key)
{
	(void)map, (void)key;
	return -EINVAL;
}

int weir_map_each(struct weir_map *map, int (*each)(const void *key, const void *value, void *arg),
		  void *arg)
{
	(void)map, (void)each, (void)arg;
	return -EINVAL;
}

int weir_map_sum(struct weir_map *map, uint32_t first, uint32_t count, size_t words, uint64_t *sums)
{
	memcpy(sums, &map->rows[first], count * words * sizeof(*sums));
	return 0;
}

int weir_map_zero(struct weir_map *map, uint32_t row)
{
	map->rows[row] = (struct weir_count){ 0 };
	return 0;
}

int weir_constants_set(struct weir_constants *constants, const char *variable, const void *value,
		       size_t size)
{
	(void)constants, (void)variable, (void)value, (void)size;
	return 0;
}

void *weir_engine_state(struct weir_engine *of, const struct weir_feature *feature)
{
	(void)feature;
	return of->state;
}

uint64_t weir_engine_revision(const struct weir_engine *of)
{
	return of->revision;
}

void weir_engine_warn(struct weir_engine *of, const char *feature, const char *format, ...)
{
	(void)feature, (void)format;
	of->warned++;
}

/* There is no text here that lines could be of. */
void weir_config_lines(const struct weir_config *config, const char *const *paths, size_t count,
		       unsigned *ret_lines)
{
	(void)config, (void)paths;
	memset(ret_lines, 0, count * sizeof(*ret_lines));
}

void weir_config_locate(const struct weir_config *config, struct weir_diag *diag)
{
	(void)config, (void)diag;
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

/* What rules may name, whatever the configuration. */
static struct weir_services fake_services __attribute__((unused));

int weir_compile_services(const struct weir_compile_input *input,
			  struct weir_services *ret_services)
{
	(void)input;
	*ret_services = (struct weir_services){ 0 };
	for (uint32_t i = 0; i < fake_services.count; i++)
		assert_int_equal(weir_services_add(ret_services, &fake_services.at[i]), 0);
	weir_services_sort(ret_services);
	return 0;
}

/* Ranges and labels alone: what classes mean is not for these tests. */
static int compile(void *draft, struct weir_diag *diag)
{
	_cleanup_image_ struct weir_image *image = weir_image_new(1 << 24);
	struct weir_compile compile = {
		.config = &engine.config,
		.section = &engine.section,
		.state = engine.state,
		.draft = draft,
		.image = image,
		.diag = diag,
	};
	return weir_rules.compile(&compile);
}

int weir_engine_change(struct weir_engine *of, struct weir_change *change)
{
	struct weir_diag *diag = &change->call->diag;
	int r = change->prepare(change, of->state, diag);
	if (r == 0)
		r = compile(change->draft, diag);
	if (r == 0)
		r = change->persist(change, of->state, diag);
	if (r == 0)
		r = of->fail_switch;
	if (r == 0) {
		of->revision++;
		change->accept(change, of->state);
		weir_rules.live(of->state, &of->config);
	}
	change->call->result = r;
	change->free(change);
	return WEIR_OP_PENDING;
}

/* What the operation gave; its answer to *ret_json, which may be NULL. */
static inline int run(const char *name, const char *args, struct weir_json **ret_json)
{
	struct weir_call call = { 0 };
	for (size_t i = 0; weir_rules.ops[i]; i++)
		if (strcmp(weir_rules.ops[i]->name, name) == 0)
			call.op = weir_rules.ops[i];
	assert_int_equal(weir_json_parse(args, strlen(args), NULL, NULL, &call.args), 0);
	int r = call.op->run(&engine, &call);
	if (r == WEIR_OP_PENDING)
		r = call.result;
	if (r == 0 && ret_json)
		assert_int_equal(weir_json_parse(weir_buf_str(&call.reply), call.reply.len, NULL,
						 NULL, ret_json),
				 0);
	weir_json_free(call.args);
	weir_buf_done(&call.reply);
	weir_diag_done(&call.diag);
	return r;
}

static inline void go_live(void)
{
	struct weir_diag diag = { 0 };
	assert_int_equal(compile(NULL, &diag), 0);
	weir_rules.live(engine.state, &engine.config);
	weir_diag_done(&diag);
}

static inline void start(void)
{
	struct weir_diag diag = { 0 };
	assert_int_equal(weir_rules.state_new(&engine, dir, &diag, &engine.state), 0);
	assert_int_equal(weir_rules.attach(engine.state, NULL, &diag), 0);
	assert_int_equal(diag.count, 0);
}

/* As after a kill: what is in memory is gone, files and maps stay. */
static inline void restart(void)
{
	weir_rules.state_free(engine.state);
	start();
	go_live();
}

/* A rule of the configuration that asks for that source; name may be NULL. */
static inline void configure(const char *name, const char *src)
{
	engine.rules[engine.section.rule_count++] = (struct rules_text){
		.name = (char *)name,
		.src = (char *)src,
		.enabled = true,
		.action = RULES_DENY,
	};
}

static inline int setup(void **state)
{
	snprintf(dir, sizeof(dir), "/tmp/weir-rules-%d-XXXXXX", getpid());
	assert_non_null(mkdtemp(dir));
	memset(&counters, 0, sizeof(counters));
	engine = (struct weir_engine){ .section = { .enabled = true } };
	engine.section.rules = engine.rules;
	engine.config.sections[0] = &engine.section;
	start();
	(void)state;
	return 0;
}

static inline int teardown(void **state)
{
	weir_rules.state_free(engine.state);
	_cleanup_closedir_ DIR *opened = opendir(dir);
	for (struct dirent *entry; opened && (entry = readdir(opened));) {
		_cleanup_free_ char *path = weir_path_join(dir, entry->d_name);
		unlink(path);
	}
	(void)state;
	return rmdir(dir);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

#endif
