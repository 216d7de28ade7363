/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The block feature as the engine sees it: its row, its state, what it does when a policy goes live
 * and once a second.
 */
#include "features/block/block.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "features/block/block_ops.h"
#include "features/block/block_state.h"

/* Packets under way when a policy went live have long ended then. */
#define FOLD_AFTER_NS WEIR_NS_PER_S
/* Each costs a microsecond or two, and the loop has others to answer. Those that have expired are
 * out of force whether they are taken out or not. */
#define DROPS_A_TICK 8192
/* Expired entries leave the files at leisure, those of large lists with the next change: a start
 * drops them anyway. */
#define SAVE_EVERY_NS (10 * WEIR_NS_PER_S)

static int block_constants_set(const void *data, const struct weir_image *image,
			       struct weir_constants *constants)
{
	(void)image;
	const struct block_section *section = data;
	struct block_constants values = { .enabled = section->enabled };
	int r = weir_constants_set(constants, "block_constants", &values, sizeof(values));
	return r < 0 ? r : weir_constants_capacity(constants, "set_block", section->live);
}

static void block_state_free(void *data)
{
	struct block_state *state = data;
	if (!state)
		return;
	block_plan_done(&state->plan);
	block_lists_done(&state->files);
	block_lists_done(&state->runtime);
	block_live_done(&state->live);
	block_slots_done(&state->slots);
	free(state->dir);
	free(state);
}

static void block_state_freep(struct block_state **state)
{
	block_state_free(*state);
}

/*
 * Lists whose id was lost with the index get another; counters are handed out when the map is
 * there.
 */
static int state_number(struct block_state *state)
{
	static const struct block_lists none;
	block_slots_settle(state, NULL);
	for (size_t i = 0; i < state->runtime.count; i++) {
		struct block_list *list = state->runtime.at[i];
		if (!list->id)
			list->id = block_id_take(&state->files, &state->runtime, &none);
		if (!list->id)
			return -E2BIG;
	}
	block_expiry_settle(state);
	return 0;
}

static int block_state_new(struct weir_engine *engine, const char *state_dir,
			   struct weir_diag *diag, void **ret_state)
{
	_cleanup_(block_state_freep) struct block_state *state = calloc(1, sizeof(*state));
	if (!state || (state_dir && !(state->dir = strdup(state_dir))))
		return -ENOMEM;
	state->engine = engine;
	state->live.limit = UINT32_MAX;
	int r = block_store_load(state_dir, diag, &state->files, &state->runtime);
	if (r == 0)
		r = state_number(state);
	if (r < 0) {
		weir_diag_error(diag, "look at the state directory",
				"cannot load the lists of %s: %s", state_dir, strerror(-r));
		return r;
	}
	block_clock_follow(state);
	*ret_state = weir_take(state);
	return 0;
}

/* A map that could not be resized, or not yet, bounds what the configuration asks for. */
static void state_set_limit(struct block_state *state)
{
	uint32_t capacity =
		state->live.entries ? weir_map_capacity(state->live.entries) : UINT32_MAX;
	uint32_t wanted = state->config ? block_section_of(state->config)->live : capacity;
	state->live.limit = wanted < capacity ? wanted : capacity;
}

/* A start does what it can; a change that would let go of entries in force is refused. */
static int attach_refuse(const struct block_state *state, const struct block_list *list, int error,
			 struct weir_diag *diag)
{
	size_t entries = 0;
	for (size_t i = 0; i < state->runtime.count; i++)
		entries += state->runtime.at[i]->single_count;
	weir_diag_key(
		diag, "block.live", "raise it, or let entries expire",
		"the live set of %u prefixes does not hold the %zu entries that are in force, "
		"those of list %s among them: %s",
		weir_map_capacity(state->live.entries), entries, list->name, strerror(-error));
	return error;
}

static int block_attach(void *data, struct weir_object *object, struct weir_diag *diag)
{
	struct block_state *state = data;
	struct weir_map *entries = weir_object_map(object, "set_block"),
			*lengths = weir_object_map(object, "cfg_block");
	state->slots.counters = weir_object_map(object, "ctr_hit");
	if (!entries || !lengths || !state->slots.counters)
		return weir_diag_error(diag, NULL,
				       "the packet program lacks set_block, cfg_block or ctr_hit"),
		       -ENOENT;
	int r = block_live_adopt(&state->live, entries, lengths);
	state->live.limit =
		UINT32_MAX; /* what was in force stays so, even where the limit is lower now */
	if (r < 0)
		return weir_diag_error(diag, NULL, "cannot read the live set: %s", strerror(-r)), r;

	for (size_t i = 0; i < state->runtime.count; i++) {
		struct block_list *list = state->runtime.at[i];
		if (!list->hit && block_list_decides(list))
			list->hit = block_slots_take(&state->slots);
		for (size_t j = 0; j < list->single_count; j++) {
			r = block_single_enforce(state, list, &list->singles[j]);
			if (r < 0 && state->is_live)
				return attach_refuse(state, list, r, diag);
			if (r < 0)
				weir_diag_warning(diag, "raise block.live",
						  "an entry of list %s is not in force: %s",
						  list->name, strerror(-r));
		}
	}
	state_set_limit(state);
	return 0;
}

static void state_tell(struct block_state *state, const char *what, int error)
{
	weir_engine_warn(state->engine, "block", "%s %s: %s", what, state->dir, strerror(-error));
}

/*
 * The compiled policy has the permanent singles now: they become part of the set, and leave the
 * live set a little later.
 */
static int list_fold(struct block_list *list)
{
	_cleanup_set_ struct block_set folded = { 0 }, both = { 0 };
	for (size_t i = 0; i < list->single_count; i++) {
		const struct block_single *single = &list->singles[i];
		if (single->until_ns || single->is_folded)
			continue;
		int r = block_set_append(&folded, &single->range, single->note,
					 single->note ? strlen(single->note) : 0);
		if (r < 0)
			return r;
	}
	if (!block_set_count(&folded))
		return 0;
	int r = block_set_seal(&folded, NULL);
	if (r == 0)
		r = block_set_merge(&list->set, &folded, &both, NULL);
	if (r < 0)
		return r;
	block_set_done(&list->set);
	list->set = both;
	both = (struct block_set){ 0 };
	for (size_t i = 0; i < list->single_count; i++)
		list->singles[i].is_folded |= !list->singles[i].until_ns;
	return 1;
}

/* One that does not get the memory stays in the live set: nothing is lost. */
static void state_fold(struct block_state *state)
{
	for (size_t i = 0; i < state->runtime.count; i++)
		if (list_fold(state->runtime.at[i]) > 0)
			state->has_folded = true;
	state->folded_ns = weir_clock_monotonic_ns();
}

static void block_go_live(void *data, const struct weir_config *config)
{
	struct block_state *state = data;
	if (state->plan.config == config) {
		if (state->plan.is_new) {
			block_lists_done(&state->files);
			state->files = state->plan.files;
			state->plan.files = (struct block_lists){ 0 };
		}
		state_fold(state);
	}
	block_plan_done(&state->plan);
	state->config = config;
	state->is_live = true;

	state_set_limit(state);
	block_slots_settle(state, NULL);
	block_slots_read(&state->slots);
	int r = block_store_save_index(state->dir, &state->files, &state->runtime);
	if (r < 0)
		state_tell(state, "cannot write block.json in", r);
}

/* Takes singles out that `is_over` names, as many as the tick has left; the rest goes with the
 * next. */
static void list_drop(struct block_state *state, struct block_list *list,
		      bool (*is_over)(const struct block_single *single, uint64_t now_ns),
		      uint64_t now_ns, size_t *left)
{
	size_t kept = 0;
	for (size_t i = 0; i < list->single_count; i++) {
		struct block_single *single = &list->singles[i];
		if (!*left || !is_over(single, now_ns)) {
			list->singles[kept++] = *single;
			continue;
		}
		(*left)--;
		list->is_dirty |= single->until_ns;
		block_single_release(state, list, single);
		free(single->note);
	}
	list->single_count = kept;
	block_list_singles_changed(list);
}

static bool single_is_expired(const struct block_single *single, uint64_t now_ns)
{
	return single->expires_ns && single->expires_ns <= now_ns;
}

static bool single_is_folded(const struct block_single *single, uint64_t now_ns)
{
	(void)now_ns;
	return single->is_folded;
}

static void state_save_dirty(struct block_state *state, uint64_t now_ns)
{
	if (now_ns < state->saved_ns + SAVE_EVERY_NS)
		return;
	for (size_t i = 0; i < state->runtime.count; i++) {
		struct block_list *list = state->runtime.at[i];
		if (!list->is_dirty || block_list_is_large(list))
			continue;
		state->saved_ns = now_ns;
		int r = block_store_save_list(state->dir, list);
		if (r < 0)
			state_tell(state, "cannot write a list in", r);
		else
			list->is_dirty = false;
	}
}

/* While a change is under way its worker reads all this: everything here can wait for it. */
static void block_tick(void *data, uint64_t now_ns)
{
	struct block_state *state = data;
	if (!weir_engine_is_idle(state->engine))
		return;
	block_clock_follow(state);
	if (state->is_live)
		block_live_sweep(&state->live);
	size_t left = DROPS_A_TICK;
	if (state->has_folded || now_ns >= state->next_expiry_ns)
		block_slots_read(&state->slots);
	if (state->has_folded && now_ns >= state->folded_ns + FOLD_AFTER_NS) {
		for (size_t i = 0; i < state->runtime.count; i++)
			list_drop(state, state->runtime.at[i], single_is_folded, now_ns, &left);
		state->has_folded = !left;
	}
	if (now_ns >= state->next_expiry_ns) {
		for (size_t i = 0; i < state->runtime.count; i++)
			list_drop(state, state->runtime.at[i], single_is_expired, now_ns, &left);
		block_expiry_settle(state);
	}
	block_live_tidy(&state->live);
	state_save_dirty(state, now_ns);
}

static int snapshot_entries(const struct block_list *list, struct weir_snapshot *snapshot)
{
	int r = 0;
	for (int family = 0; r == 0 && family < BLOCK_FAMILIES; family++)
		r = weir_snapshot_add(snapshot, WEIR_SAMPLE_GAUGE, "list_entries",
				      "Entries of a list.",
				      (double)block_list_count(list, (enum block_family)family),
				      "list=\"%s\",action=\"%s\",family=\"%s\",origin=\"%s\"",
				      list->name, block_action_names[list->action],
				      family == BLOCK_V4 ? "ipv4" : "ipv6",
				      block_origin_names[list->origin]);
	return r;
}

static int snapshot_hits(const struct block_state *state, const struct block_list *list,
			 struct weir_snapshot *snapshot)
{
	struct weir_count hits = block_list_hits(&state->slots, list);
	const char *action = block_action_names[list->action];
	int r = weir_snapshot_add(snapshot, WEIR_SAMPLE_COUNTER, "list_hits_packets_total",
				  "Packets that a list decided.", (double)hits.packets,
				  "list=\"%s\",action=\"%s\"", list->name, action);
	return r < 0 ? r :
		       weir_snapshot_add(snapshot, WEIR_SAMPLE_COUNTER, "list_hits_bytes_total",
					 "Bytes of the packets that a list decided.",
					 (double)hits.bytes, "list=\"%s\",action=\"%s\"",
					 list->name, action);
}

static int block_snapshot(void *data, struct weir_snapshot *snapshot)
{
	struct block_state *state = data;
	int r = block_slots_read(&state->slots);
	const struct block_lists *const kinds[] = { &state->files, &state->runtime };
	for (size_t kind = 0; kind < WEIR_ARRAY_SIZE(kinds); kind++) {
		for (size_t i = 0; r == 0 && i < kinds[kind]->count; i++) {
			r = snapshot_entries(kinds[kind]->at[i], snapshot);
			if (r == 0 && block_list_decides(kinds[kind]->at[i]))
				r = snapshot_hits(state, kinds[kind]->at[i], snapshot);
		}
	}
	if (r == 0)
		r = weir_snapshot_add(snapshot, WEIR_SAMPLE_GAUGE, "block_live_entries",
				      "Prefixes that act through the live set.", state->live.used,
				      NULL);
	if (r == 0)
		r = weir_snapshot_add(snapshot, WEIR_SAMPLE_GAUGE, "block_live_capacity",
				      "Prefixes the live set has room for.", state->live.limit,
				      NULL);
	return r;
}

static void block_describe(void *data, const struct weir_verdict *verdict,
			   struct weir_json_out *json)
{
	const struct block_state *state = data;
	if (!state || !verdict->list)
		return;
	struct block_list *list = block_lists_by_id(&state->files, verdict->list);
	if (!list)
		list = block_lists_by_id(&state->runtime, verdict->list);
	if (!list)
		return;
	weir_json_put_str(json, "list", list->name);
	weir_json_put_str(json, "action", block_action_names[list->action]);

	struct block_shown shown;
	const struct weir_addr *remote =
		verdict->direction == WEIR_EGRESS ? &verdict->dst : &verdict->src;
	if (!block_list_cover(list, remote, &shown))
		return;
	char text[WEIR_RANGE_TEXT];
	weir_json_put_str(json, "entry", weir_range_to_string(&shown.range, text));
	if (shown.note || list->note)
		weir_json_put_str(json, "note", shown.note ? shown.note : list->note);
}

const struct weir_feature weir_block = {
	.name = "block",
	.summary = "allow and deny lists of addresses, and sets of them for rules",
	.fields = block_fields,
	.section_size = sizeof(struct block_section),
	.check = block_check,
	.constants = block_constants_set,
	.compile = block_compile,
	.classes = block_classes,
	.state_new = block_state_new,
	.state_free = block_state_free,
	.attach = block_attach,
	.live = block_go_live,
	.tick = block_tick,
	.snapshot = block_snapshot,
	.status = block_status,
	.describe = block_describe,
	.ops = block_ops,
};
