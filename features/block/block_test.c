/* SPDX-License-Identifier: Apache-2.0 */
/* The feature as a whole, with an engine, an image and maps in plain memory: operations, folding, expiry, conflicts, restart. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <unistd.h>

#include <cmocka.h>

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
	int fail_persist; /* a failure between compile and the flip */
};

/* The image: labels and their ranges; a "class" is looked up for one address at a time. */
struct fake_range {
	uint32_t label;
	struct weir_range range;
};

struct weir_image {
	uint32_t tags[256];
	uint32_t label_count;
	struct fake_range ranges[1024];
	size_t range_count;
	struct weir_label_view views[256];
	size_t view_count;
	struct block_class classes[2];
};

static struct weir_engine engine;
static struct weir_image image; /* the live one */
static struct weir_map *entries, *lengths, *hits;
static char dir[64];

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

int weir_constants_set(struct weir_constants *constants, const char *variable, const void *value, size_t size)
{
	(void)constants, (void)variable, (void)value, (void)size;
	return 0;
}

int weir_constants_capacity(struct weir_constants *constants, const char *map, uint32_t count)
{
	(void)constants, (void)map, (void)count;
	return 0;
}

int weir_image_label(struct weir_image *into, const struct weir_feature *owner, uint32_t tag, uint32_t *ret_label)
{
	assert_ptr_equal(owner, &weir_block);
	into->tags[into->label_count++] = tag;
	*ret_label = into->label_count;
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

size_t weir_image_class_labels(const struct weir_image *of, uint32_t class_id, const struct weir_label_view **ret_labels)
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

void weir_engine_publish(struct weir_engine *of, const char *kind, const char *json, size_t len)
{
	(void)of, (void)kind, (void)json, (void)len;
}

int weir_snapshot_add(struct weir_snapshot *snapshot, enum weir_sample_kind kind, const char *name, const char *help,
		      double value, const char *labels, ...)
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

int weir_engine_change(struct weir_engine *of, struct weir_change *change)
{
	struct weir_image next;
	struct weir_diag *diag = &change->call->diag;
	int r = change->prepare(change, of->state, diag);
	if (r == 0)
		r = compile_into(&next, change->draft, diag);
	if (r == 0)
		r = of->fail_persist ? of->fail_persist : change->persist(change, of->state, diag);
	if (r == 0) {
		image = next;
		of->revision++;
		change->accept(change, of->state);
		weir_block.live(of->state, &of->config);
	}
	change->call->result = r;
	change->free(change);
	return WEIR_OP_PENDING;
}

/* What a packet from there meets: the live set, then the compiled policy; -1 nothing, else the action. */
static int packet_meets(const char *text)
{
	struct weir_addr addr;
	bool met[BLOCK_ACTIONS] = { false };
	const struct block_state *state = engine.state;
	assert_int_equal(weir_addr_from_string(text, strlen(text), &addr), 0);
	for (uint32_t i = 0; i < entries->count; i++) {
		const struct block_live_key *key = (const void *)entries->rows[i].key;
		const struct block_live *value = (const void *)entries->rows[i].value;
		struct weir_prefix prefix = { key->addr, (uint8_t)key->length };
		struct weir_range range;
		weir_prefix_to_range(&prefix, &range);
		for (int action = 0; action < BLOCK_ACTIONS; action++)
			met[action] |= value->action[action].list && weir_range_contains(&range, &addr) &&
				       (!value->action[action].expires_ns ||
					value->action[action].expires_ns > weir_clock_monotonic_ns());
	}
	for (size_t i = 0; i < image.range_count; i++) {
		uint32_t tag = image.tags[image.ranges[i].label - 1];
		uint32_t id = tag & 0x80000000u ? tag << 1 >> 17 : tag;
		const struct block_list *list = block_lists_by_id(&state->files, id);
		list = list ? list : block_lists_by_id(&state->runtime, id);
		if (list && weir_range_contains(&image.ranges[i].range, &addr))
			met[list->action] = true;
	}
	return met[BLOCK_ALLOW] ? BLOCK_ALLOW : met[BLOCK_DENY] ? BLOCK_DENY : -1;
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

static struct answer run_with(const char *name, const char *args, const char *body)
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
		assert_int_equal(weir_json_parse(weir_buf_str(&call.reply), call.reply.len, NULL, NULL, &answer.json), 0);
	weir_json_free(call.args);
	weir_buf_done(&call.reply);
	weir_buf_done(&call.body);
	return answer;
}

static void run(const char *name, const char *args)
{
	_cleanup_answer_ struct answer answer = run_with(name, args, NULL);
	assert_int_equal(answer.result, 0);
}

static int64_t number(const struct answer *answer, const char *key)
{
	return weir_json_int(weir_json_get(answer->json, key), -1);
}

static void go_live(void)
{
	struct weir_diag diag = { 0 };
	assert_int_equal(compile_into(&image, NULL, &diag), 0);
	weir_block.live(engine.state, &engine.config);
	weir_diag_done(&diag);
}

static void start(void)
{
	struct weir_diag diag = { 0 };
	assert_int_equal(weir_block.state_new(&engine, dir, &diag, &engine.state), 0);
	assert_int_equal(weir_block.attach(engine.state, NULL, &diag), 0);
	assert_int_equal(diag.count, 0);
}

static void tick_after(uint64_t seconds)
{
	weir_block.tick(engine.state, weir_clock_monotonic_ns() + seconds * WEIR_NS_PER_S);
}

static int setup(void **state)
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

static int teardown(void **state)
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
static void restart(void)
{
	weir_block.state_free(engine.state);
	start();
}

static void add_acts_at_once(void **state)
{
	_cleanup_answer_ struct answer answer =
		run_with("block.add", "{\"entry\":\"192.0.2.0/24\",\"note\":\"scanner\",\"ttl\":\"10m\"}", NULL);
	assert_int_equal(answer.result, 0);
	assert_string_equal(weir_json_str(weir_json_get(answer.json, "result"), ""), "added");
	assert_int_equal(number(&answer, "ttl_s"), 600);
	assert_int_equal(number(&answer, "revision"), 1);
	assert_int_equal(packet_meets("192.0.2.7"), BLOCK_DENY);
	assert_int_equal(packet_meets("192.0.3.7"), -1);
	(void)state;
}

static void add_again_refreshes(void **state)
{
	run("block.add", "{\"entry\":\"192.0.2.1\",\"ttl\":\"10m\"}");
	_cleanup_answer_ struct answer longer = run_with("block.add", "{\"entry\":\"192.0.2.1\",\"ttl\":\"1h\"}", NULL);
	assert_string_equal(weir_json_str(weir_json_get(longer.json, "result"), ""), "refreshed");
	_cleanup_answer_ struct answer stays = run_with("block.add", "{\"entry\":\"192.0.2.1\"}", NULL);
	assert_string_equal(weir_json_str(weir_json_get(stays.json, "result"), ""), "refreshed");
	_cleanup_answer_ struct answer same = run_with("block.add", "{\"entry\":\"192.0.2.1\"}", NULL);
	assert_string_equal(weir_json_str(weir_json_get(same.json, "result"), ""), "unchanged");
	assert_int_equal(entries->count, 1);
	(void)state;
}

static void add_host_bits_are_told(void **state)
{
	_cleanup_answer_ struct answer answer = run_with("block.add", "{\"entry\":\"192.0.2.7/24\"}", NULL);
	assert_int_equal(answer.result, 0);
	assert_string_equal(weir_json_str(weir_json_get(answer.json, "entry"), ""), "192.0.2.0/24");
	assert_int_equal(weir_json_size(weir_json_get(answer.json, "warnings")), 1);
	(void)state;
}

static void add_lifetime_out_of_bounds_is_refused(void **state)
{
	static const char *const wrong[] = { "0", "500ms", "4000d", "soon" };
	for (size_t i = 0; i < WEIR_ARRAY_SIZE(wrong); i++) {
		_cleanup_buf_ struct weir_buf args = { 0 };
		weir_buf_addf(&args, "{\"entry\":\"192.0.2.1\",\"ttl\":\"%s\"}", wrong[i]);
		_cleanup_answer_ struct answer answer = run_with("block.add", weir_buf_str(&args), NULL);
		assert_int_equal(answer.result, -EINVAL);
	}
	assert_int_equal(entries->count, 0);
	(void)state;
}

static void add_to_full_live_set_is_refused_with_numbers(void **state)
{
	engine.section.live = 2;
	go_live();
	run("block.add", "{\"entry\":\"192.0.2.1\"}");
	_cleanup_answer_ struct answer answer = run_with("block.add", "{\"entry\":\"192.0.2.4-192.0.2.6\"}", NULL);
	assert_int_equal(answer.result, -ENOSPC);
	assert_non_null(strstr(answer.diag.entries[0].what, "1 of 2"));
	assert_int_equal(packet_meets("192.0.2.4"), -1);
	assert_int_equal(packet_meets("192.0.2.1"), BLOCK_DENY);
	restart();
	go_live();
	assert_int_equal(packet_meets("192.0.2.4"), -1);
	(void)state;
}

static void add_that_cannot_be_written_changes_nothing(void **state)
{
	run("block.add", "{\"entry\":\"192.0.2.1\"}");
	_cleanup_buf_ struct weir_buf path = { 0 };
	weir_buf_addf(&path, "%s/block-runtime-deny.json", dir);
	assert_int_equal(unlink(weir_buf_str(&path)), 0);
	assert_int_equal(weir_file_make_dirs(weir_buf_str(&path), 0700), 0);
	_cleanup_answer_ struct answer answer = run_with("block.add", "{\"entry\":\"192.0.2.2\"}", NULL);
	assert_int_equal(answer.result, -EISDIR);
	assert_int_equal(packet_meets("192.0.2.2"), -1);
	_cleanup_answer_ struct answer gone = run_with("block.del", "{\"entry\":\"192.0.2.1\"}", NULL);
	assert_int_equal(gone.result, -EISDIR);
	assert_int_equal(packet_meets("192.0.2.1"), BLOCK_DENY);
	assert_int_equal(rmdir(weir_buf_str(&path)), 0);
	(void)state;
}

static void add_refused_by_the_kernel_leaves_no_trace(void **state)
{
	entries->fail = -EIO;
	_cleanup_answer_ struct answer answer = run_with("block.add", "{\"entry\":\"192.0.2.2\"}", NULL);
	assert_int_equal(answer.result, -EIO);
	restart();
	go_live();
	assert_int_equal(packet_meets("192.0.2.2"), -1);
	(void)state;
}

static void allow_wins_and_the_conflict_is_told(void **state)
{
	run("block.add", "{\"entry\":\"192.0.2.0/24\"}");
	_cleanup_answer_ struct answer answer = run_with("allow.add", "{\"entry\":\"192.0.2.7\"}", NULL);
	assert_int_equal(answer.diag.count, 1);
	assert_non_null(strstr(answer.diag.entries[0].what, "192.0.2.0/24 in deny list runtime-deny"));
	assert_int_equal(packet_meets("192.0.2.7"), BLOCK_ALLOW);
	assert_int_equal(packet_meets("192.0.2.8"), BLOCK_DENY);
	(void)state;
}

static void fold_moves_permanent_singles_into_the_policy(void **state)
{
	run("block.add", "{\"entry\":\"192.0.2.1\",\"note\":\"n\"}");
	run("block.add", "{\"entry\":\"192.0.2.2\",\"ttl\":\"1h\"}");
	go_live();
	assert_int_equal(entries->count, 2);
	assert_int_equal(packet_meets("192.0.2.1"), BLOCK_DENY);
	tick_after(2);
	assert_int_equal(entries->count, 1);
	assert_int_equal(image.range_count, 1);
	assert_int_equal(packet_meets("192.0.2.1"), BLOCK_DENY);
	assert_int_equal(packet_meets("192.0.2.2"), BLOCK_DENY);
	_cleanup_answer_ struct answer answer = run_with("block.list", "{}", NULL);
	assert_int_equal(number(&answer, "total"), 2);
	(void)state;
}

static void fold_waits_while_packets_may_still_use_the_old_policy(void **state)
{
	run("block.add", "{\"entry\":\"192.0.2.1\"}");
	go_live();
	tick_after(0);
	assert_int_equal(entries->count, 1);
	_cleanup_answer_ struct answer answer = run_with("block.list", "{}", NULL);
	assert_int_equal(number(&answer, "total"), 1);
	(void)state;
}

static void tick_waits_while_a_change_is_under_way(void **state)
{
	run("block.add", "{\"entry\":\"192.0.2.1\",\"ttl\":\"1s\"}");
	engine.is_busy = true;
	tick_after(5);
	assert_int_equal(entries->count, 1);
	engine.is_busy = false;
	tick_after(5);
	assert_int_equal(entries->count, 0);
	(void)state;
}

static void expired_entry_leaves_map_list_and_file(void **state)
{
	run("block.add", "{\"entry\":\"192.0.2.1\",\"ttl\":\"1s\"}");
	run("block.add", "{\"entry\":\"192.0.2.2\",\"ttl\":\"1h\"}");
	tick_after(60);
	assert_int_equal(entries->count, 1);
	_cleanup_buf_ struct weir_buf path = { 0 }, text = { 0 };
	weir_buf_addf(&path, "%s/block-runtime-deny.json", dir);
	assert_int_equal(weir_file_read(weir_buf_str(&path), 10000, &text), 0);
	assert_null(strstr(weir_buf_str(&text), "192.0.2.1\""));
	assert_non_null(strstr(weir_buf_str(&text), "192.0.2.2\""));
	(void)state;
}

static void del_of_a_single_acts_at_once(void **state)
{
	run("block.add", "{\"entry\":\"192.0.2.1-192.0.2.6\"}");
	_cleanup_answer_ struct answer answer = run_with("block.del", "{\"entry\":\"192.0.2.1-192.0.2.6\"}", NULL);
	assert_int_equal(answer.result, 0);
	assert_int_equal(number(&answer, "removed"), 1);
	assert_int_equal(entries->count, 0);
	restart();
	go_live();
	assert_int_equal(packet_meets("192.0.2.3"), -1);
	(void)state;
}

static void del_of_a_folded_entry_recompiles(void **state)
{
	run("block.add", "{\"entry\":\"192.0.2.1\"}");
	run("block.add", "{\"entry\":\"192.0.2.2\"}");
	go_live();
	_cleanup_answer_ struct answer early = run_with("block.del", "{\"entry\":\"192.0.2.1\"}", NULL);
	assert_int_equal(early.result, 0);
	assert_int_equal(packet_meets("192.0.2.1"), -1);
	tick_after(2);
	run("block.del", "{\"entry\":\"192.0.2.2\"}");
	assert_int_equal(packet_meets("192.0.2.2"), -1);
	(void)state;
}

static void del_of_what_is_covered_names_the_entry(void **state)
{
	run("block.add", "{\"entry\":\"192.0.2.0/24\"}");
	_cleanup_answer_ struct answer answer = run_with("block.del", "{\"entry\":\"192.0.2.7\"}", NULL);
	assert_int_equal(answer.result, -ENOENT);
	assert_non_null(strstr(answer.diag.entries[0].what, "192.0.2.0/24 of list runtime-deny"));
	(void)state;
}

static void lifetime_for_a_compiled_entry_takes_it_out_of_the_policy(void **state)
{
	run("block.add", "{\"entry\":\"192.0.2.1\"}");
	go_live();
	tick_after(2);
	assert_int_equal(entries->count, 0);
	run("block.add", "{\"entry\":\"192.0.2.1\",\"ttl\":\"1m\"}");
	assert_int_equal(image.range_count, 0);
	assert_int_equal(packet_meets("192.0.2.1"), BLOCK_DENY);
	tick_after(61);
	assert_int_equal(packet_meets("192.0.2.1"), -1);
	(void)state;
}

static void import_goes_live_whole(void **state)
{
	_cleanup_answer_ struct answer answer =
		run_with("block.import", "{\"list\":\"feed\"}", "192.0.2.1\n192.0.2.1\n10.0.0.0/8\n2001:db8::/32\n");
	assert_int_equal(answer.result, 0);
	assert_int_equal(number(&answer, "read"), 4);
	assert_int_equal(number(&answer, "added"), 3);
	assert_int_equal(number(&answer, "duplicates"), 1);
	assert_int_equal(number(&answer, "entries_v4"), 2);
	assert_int_equal(number(&answer, "entries_v6"), 1);
	assert_int_equal(packet_meets("10.9.9.9"), BLOCK_DENY);
	restart();
	go_live();
	assert_int_equal(packet_meets("2001:db8::7"), BLOCK_DENY);
	(void)state;
}

static void import_with_a_wrong_line_changes_nothing(void **state)
{
	_cleanup_answer_ struct answer answer = run_with("block.import", "{\"list\":\"feed\"}", "192.0.2.1\nnonsense\n");
	assert_int_equal(answer.result, -EINVAL);
	assert_int_equal(answer.diag.entries[0].line, 2);
	assert_int_equal(packet_meets("192.0.2.1"), -1);
	_cleanup_answer_ struct answer lists = run_with("block.lists", "{}", NULL);
	assert_int_equal(weir_json_size(weir_json_get(lists.json, "lists")), 0);
	(void)state;
}

static void import_replace_drops_what_is_not_in_the_file(void **state)
{
	run("block.add", "{\"entry\":\"192.0.2.9\",\"list\":\"feed\",\"ttl\":\"1h\"}");
	_cleanup_answer_ struct answer first = run_with("block.import", "{\"list\":\"feed\"}", "192.0.2.1\n192.0.2.2\n");
	_cleanup_answer_ struct answer second =
		run_with("block.import", "{\"list\":\"feed\",\"replace\":true}", "192.0.2.2\n192.0.2.3\n");
	assert_int_equal(second.result, 0);
	assert_int_equal(number(&second, "added"), 1);
	assert_int_equal(number(&second, "replaced"), 2);
	assert_int_equal(packet_meets("192.0.2.1"), -1);
	assert_int_equal(packet_meets("192.0.2.9"), -1);
	assert_int_equal(packet_meets("192.0.2.3"), BLOCK_DENY);
	(void)state;
}

static void import_with_lifetime_needs_room_in_the_live_set(void **state)
{
	_cleanup_buf_ struct weir_buf text = { 0 };
	for (int i = 0; i < 65; i++)
		weir_buf_addf(&text, "10.0.%d.1\n", i);
	_cleanup_answer_ struct answer full = run_with("block.import", "{\"list\":\"feed\",\"ttl\":\"1h\"}", weir_buf_str(&text));
	assert_int_equal(full.result, -ENOSPC);
	assert_int_equal(entries->count, 0);
	_cleanup_answer_ struct answer fits = run_with("block.import", "{\"list\":\"feed\",\"ttl\":\"1h\"}", "192.0.2.1\n192.0.2.2\n");
	assert_int_equal(fits.result, 0);
	assert_int_equal(entries->count, 2);
	assert_int_equal(image.range_count, 0);
	(void)state;
}

static void import_past_the_ceiling_is_refused_with_numbers(void **state)
{
	_cleanup_buf_ struct weir_buf text = { 0 };
	for (int i = 0; i < 101; i++)
		weir_buf_addf(&text, "10.0.%d.1\n", i);
	_cleanup_answer_ struct answer answer = run_with("block.import", "{\"list\":\"feed\"}", weir_buf_str(&text));
	assert_int_equal(answer.result, -E2BIG);
	assert_non_null(strstr(answer.diag.entries[0].what, "101 IPv4 entries"));
	assert_non_null(strstr(answer.diag.entries[0].what, "100 are allowed"));
	(void)state;
}

static void import_that_fails_late_gives_its_counter_back(void **state)
{
	struct block_state *block = engine.state;
	engine.fail_persist = -EIO;
	_cleanup_answer_ struct answer failed = run_with("block.import", "{\"list\":\"feed\"}", "192.0.2.1\n");
	assert_int_equal(failed.result, -EIO);
	engine.fail_persist = 0;
	go_live();
	assert_false(block_slots_is_used(&block->slots, 1));
	_cleanup_answer_ struct answer answer = run_with("block.import", "{\"list\":\"feed\"}", "192.0.2.1\n");
	assert_int_equal(block->runtime.at[0]->hit, 1);
	(void)state;
}

static void clear_empties_runtime_lists_of_the_action_only(void **state)
{
	run("block.add", "{\"entry\":\"192.0.2.1\"}");
	run("allow.add", "{\"entry\":\"192.0.2.2\"}");
	_cleanup_answer_ struct answer import = run_with("block.import", "{\"list\":\"feed\"}", "10.0.0.0/8\n");
	_cleanup_answer_ struct answer answer = run_with("block.clear", "{}", NULL);
	assert_int_equal(answer.result, 0);
	assert_int_equal(number(&answer, "removed"), 2);
	assert_int_equal(packet_meets("192.0.2.1"), -1);
	assert_int_equal(packet_meets("10.1.1.1"), -1);
	assert_int_equal(packet_meets("192.0.2.2"), BLOCK_ALLOW);
	restart();
	go_live();
	assert_int_equal(packet_meets("192.0.2.1"), -1);
	assert_int_equal(packet_meets("192.0.2.2"), BLOCK_ALLOW);
	(void)state;
}

static void restart_never_lifts_a_block(void **state)
{
	run("block.add", "{\"entry\":\"192.0.2.1\"}");
	run("block.add", "{\"entry\":\"192.0.2.2\",\"ttl\":\"1h\"}");
	restart();
	tick_after(5);
	assert_int_equal(packet_meets("192.0.2.1"), BLOCK_DENY);
	assert_int_equal(packet_meets("192.0.2.2"), BLOCK_DENY);
	go_live();
	tick_after(5);
	assert_int_equal(packet_meets("192.0.2.1"), BLOCK_DENY);
	assert_int_equal(packet_meets("192.0.2.2"), BLOCK_DENY);
	assert_int_equal(entries->count, 1);
	(void)state;
}

static void restart_keeps_counters(void **state)
{
	struct block_state *block = engine.state;
	run("block.add", "{\"entry\":\"192.0.2.2\",\"ttl\":\"1h\"}");
	uint32_t slot = block->runtime.at[0]->singles[0].hit;
	struct weir_count count = { 5, 500 };
	assert_int_equal(weir_map_set(hits, &slot, &count), 0);
	restart();
	go_live();
	_cleanup_answer_ struct answer answer = run_with("block.list", "{}", NULL);
	const struct weir_json *found = weir_json_get(weir_json_at(weir_json_get(answer.json, "entries"), 0), "hits");
	assert_int_equal(weir_json_int(weir_json_get(found, "packets"), -1), 5);
	(void)state;
}

static void expired_entry_leaves_its_hits_to_the_list(void **state)
{
	struct block_state *block = engine.state;
	run("block.add", "{\"entry\":\"192.0.2.2\",\"ttl\":\"1s\"}");
	uint32_t slot = block->runtime.at[0]->singles[0].hit;
	struct weir_count count = { 5, 500 };
	assert_int_equal(weir_map_set(hits, &slot, &count), 0);
	tick_after(5);
	assert_int_equal(block_list_hits(&block->slots, block->runtime.at[0]).packets, 5);
	run("block.add", "{\"entry\":\"192.0.2.3\"}");
	assert_int_equal(block->runtime.at[0]->singles[0].hit, slot);
	block_slots_read(&block->slots);
	assert_int_equal(block_list_hits(&block->slots, block->runtime.at[0]).packets, 5);
	(void)state;
}

static char *config_entries[] = { (char *)"10.0.0.0/8", (char *)"10.1.0.0/16" };

static void configure(struct block_list_config *lists, unsigned count)
{
	engine.section.lists = lists;
	engine.section.list_count = count;
	struct block_state *block = engine.state;
	block->config = NULL; /* as when another configuration object is applied */
	go_live();
}

static void configured_list_keeps_id_and_counter(void **state)
{
	struct block_state *block = engine.state;
	struct block_list_config lists[] = {
		{ .name = (char *)"one", .action = BLOCK_DENY, .entries = config_entries, .entry_count = 2 },
		{ .name = (char *)"two", .action = BLOCK_DENY, .entries = config_entries, .entry_count = 1, .hits = true },
	};
	configure(lists, 2);
	uint32_t id = block->files.at[1]->id, slot = block->files.at[1]->entry_hits[BLOCK_V4][0];
	configure(lists + 1, 1);
	assert_int_equal(block->files.count, 1);
	assert_int_equal(block->files.at[0]->id, id);
	assert_int_equal(block->files.at[0]->entry_hits[BLOCK_V4][0], slot);
	restart();
	block = engine.state;
	configure(lists + 1, 1);
	assert_int_equal(block->files.at[0]->id, id);
	assert_int_equal(block->files.at[0]->entry_hits[BLOCK_V4][0], slot);
	(void)state;
}

static void class_takes_the_lowest_list_and_its_smallest_range(void **state)
{
	struct block_list_config lists[] = {
		{ .name = (char *)"one", .action = BLOCK_DENY, .entries = config_entries, .entry_count = 2, .hits = true },
		{ .name = (char *)"two", .action = BLOCK_DENY, .entries = config_entries, .entry_count = 2 },
		{ .name = (char *)"good", .action = BLOCK_ALLOW, .entries = config_entries, .entry_count = 1 },
	};
	struct weir_compile compile = { .config = &engine.config, .section = &engine.section, .state = engine.state,
					.image = &image };
	struct block_state *block = engine.state;
	configure(lists, 3);
	assert_int_equal(compile_into(&image, NULL, NULL), 0);
	/* All labels hold 10.1.0.0; tags come in ascending order. */
	static const uint32_t order[] = { 2, 3, 0, 1 };
	for (size_t i = 0; i < 4; i++)
		image.views[image.view_count++] = (struct weir_label_view){ &weir_block, image.tags[order[i]] };
	assert_int_equal(weir_block.classes(&compile), 0);
	assert_int_equal(image.classes[1].action[BLOCK_DENY].list, block->files.at[0]->id);
	/* Entry 0 in order of addresses is the /8, entry 1 the /16. */
	assert_int_equal(image.classes[1].action[BLOCK_DENY].hit, block->files.at[0]->entry_hits[BLOCK_V4][1]);
	assert_int_equal(image.classes[1].action[BLOCK_ALLOW].list, block->files.at[2]->id);
	assert_int_equal(image.classes[1].action[BLOCK_ALLOW].hit, block->files.at[2]->hit);
	(void)state;
}

static void configured_list_is_not_an_operations(void **state)
{
	struct block_list_config lists[] = {
		{ .name = (char *)"corp", .action = BLOCK_DENY, .entries = config_entries, .entry_count = 2 },
	};
	configure(lists, 1);
	_cleanup_answer_ struct answer add = run_with("block.add", "{\"entry\":\"192.0.2.1\",\"list\":\"corp\"}", NULL);
	assert_int_equal(add.result, -EINVAL);
	_cleanup_answer_ struct answer del = run_with("block.del", "{\"entry\":\"10.0.0.0/8\"}", NULL);
	assert_int_equal(del.result, -ENOENT);
	assert_non_null(strstr(del.diag.entries[0].what, "part of the configuration"));
	_cleanup_answer_ struct answer clear = run_with("block.clear", "{}", NULL);
	assert_int_equal(clear.result, 0);
	assert_int_equal(weir_json_size(weir_json_get(clear.json, "warnings")), 1);
	assert_int_equal(packet_meets("10.1.1.1"), BLOCK_DENY);
	(void)state;
}

static void list_name_of_the_other_action_is_refused(void **state)
{
	run("block.add", "{\"entry\":\"192.0.2.1\",\"list\":\"mine\"}");
	_cleanup_answer_ struct answer answer = run_with("allow.add", "{\"entry\":\"192.0.2.1\",\"list\":\"mine\"}", NULL);
	assert_int_equal(answer.result, -EEXIST);
	(void)state;
}

static void list_matches_around_and_inside_and_pages(void **state)
{
	_cleanup_answer_ struct answer import = run_with(
		"block.import", "{\"list\":\"feed\"}", "10.0.0.0/8\n10.1.2.3\n10.1.0.0/16 # botnet\n192.0.2.1\n2001:db8::1\n");
	_cleanup_answer_ struct answer around = run_with("block.list", "{\"match\":\"10.1.0.0/16\"}", NULL);
	assert_int_equal(number(&around, "total"), 3);
	_cleanup_answer_ struct answer note = run_with("block.list", "{\"match\":\"BOT\"}", NULL);
	assert_int_equal(number(&note, "total"), 1);
	_cleanup_answer_ struct answer page = run_with("block.list", "{\"limit\":2,\"offset\":1}", NULL);
	assert_int_equal(number(&page, "total"), 5);
	assert_int_equal(number(&page, "shown"), 2);
	const struct weir_json *first = weir_json_at(weir_json_get(page.json, "entries"), 0);
	assert_string_equal(weir_json_str(weir_json_get(first, "entry"), ""), "10.1.0.0/16");
	(void)state;
}

static void describe_names_list_entry_and_note(void **state)
{
	run("block.add", "{\"entry\":\"192.0.2.0/24\",\"note\":\"scanner\"}");
	struct block_state *block = engine.state;
	struct weir_verdict verdict = { .list = block->runtime.at[0]->id, .direction = WEIR_EGRESS };
	assert_int_equal(weir_addr_from_string("192.0.2.7", 9, &verdict.dst), 0);
	_cleanup_buf_ struct weir_buf text = { 0 };
	struct weir_json_out json = { .out = &text };
	weir_json_open_object(&json, NULL);
	weir_block.describe(engine.state, &verdict, &json);
	weir_json_close_object(&json);
	assert_string_equal(weir_buf_str(&text), "{\"list\":\"runtime-deny\",\"action\":\"deny\",\"entry\":\"192.0.2.0/24\","
						 "\"note\":\"scanner\"}");
	(void)state;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(add_acts_at_once),
		TEST(add_again_refreshes),
		TEST(add_host_bits_are_told),
		TEST(add_lifetime_out_of_bounds_is_refused),
		TEST(add_to_full_live_set_is_refused_with_numbers),
		TEST(add_that_cannot_be_written_changes_nothing),
		TEST(add_refused_by_the_kernel_leaves_no_trace),
		TEST(allow_wins_and_the_conflict_is_told),
		TEST(fold_moves_permanent_singles_into_the_policy),
		TEST(fold_waits_while_packets_may_still_use_the_old_policy),
		TEST(tick_waits_while_a_change_is_under_way),
		TEST(expired_entry_leaves_map_list_and_file),
		TEST(del_of_a_single_acts_at_once),
		TEST(del_of_a_folded_entry_recompiles),
		TEST(del_of_what_is_covered_names_the_entry),
		TEST(lifetime_for_a_compiled_entry_takes_it_out_of_the_policy),
		TEST(import_goes_live_whole),
		TEST(import_with_a_wrong_line_changes_nothing),
		TEST(import_replace_drops_what_is_not_in_the_file),
		TEST(import_with_lifetime_needs_room_in_the_live_set),
		TEST(import_past_the_ceiling_is_refused_with_numbers),
		TEST(import_that_fails_late_gives_its_counter_back),
		TEST(clear_empties_runtime_lists_of_the_action_only),
		TEST(restart_never_lifts_a_block),
		TEST(restart_keeps_counters),
		TEST(expired_entry_leaves_its_hits_to_the_list),
		TEST(configured_list_keeps_id_and_counter),
		TEST(class_takes_the_lowest_list_and_its_smallest_range),
		TEST(configured_list_is_not_an_operations),
		TEST(list_name_of_the_other_action_is_refused),
		TEST(list_matches_around_and_inside_and_pages),
		TEST(describe_names_list_entry_and_note),
	};
	return cmocka_run_group_tests_name("block", tests, NULL, NULL);
}
