/* SPDX-License-Identifier: Apache-2.0 */
/* add, del and clear. What only concerns the live set happens at once; what is in the compiled policy goes through a change. */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "features/block/block_ops.h"

enum add_outcome {
	ADD_NEW,
	ADD_REFRESHED, /* lifetime or note are others now */
	ADD_UNCHANGED,
};

struct addition {
	struct block_state *state;
	struct weir_call *call;
	struct block_list *list;
	struct weir_range range;
	const char *note;
	uint64_t ttl_ns;
	uint64_t until_ns;
	uint64_t expires_ns;
	enum add_outcome outcome;
};

static int call_range(struct weir_call *call, struct weir_range *range)
{
	const char *text = weir_call_str(call, "entry"), *why;
	bool had_host_bits;
	char canonical[WEIR_RANGE_TEXT];
	if (!text)
		return weir_diag_key(&call->diag, "entry", "name an address, a CIDR or FROM-TO", "no entry is given");
	if (weir_range_from_string(text, strlen(text), range, &had_host_bits, &why) < 0)
		return weir_diag_key(&call->diag, "entry", "write an address, a CIDR or FROM-TO", "'%s': %s", text, why);
	if (had_host_bits)
		weir_diag_warning(&call->diag, NULL, "%s has host bits set: taken as %s", text,
				  weir_range_to_string(range, canonical));
	return 0;
}

static int refuse_write(const struct block_state *state, struct weir_call *call, int error)
{
	weir_diag_error(&call->diag, "make room or mend the permissions, then try again", "cannot write the list to %s: %s",
			state->dir, strerror(-error));
	return error;
}

static int refuse_live(const struct block_state *state, struct weir_call *call, int error)
{
	if (error == -ENOSPC)
		weir_diag_error(&call->diag, "raise block.live, let entries expire, or import a file instead",
				"the live set is full: %" PRIu32 " of %" PRIu32 " prefixes are used", state->live.used,
				state->live.limit);
	else
		weir_diag_error(&call->diag, NULL, "the kernel refused the entry: %s", strerror(-error));
	return error;
}

static void reply_entry(const struct addition *addition, struct weir_json_out *json)
{
	static const char *const outcomes[] = { "added", "refreshed", "unchanged" };
	char text[WEIR_RANGE_TEXT], until[21];
	weir_json_put_str(json, "entry", weir_range_to_string(&addition->range, text));
	weir_json_put_str(json, "list", addition->list->name);
	weir_json_put_str(json, "action", block_action_names[addition->list->action]);
	weir_json_put_str(json, "result", outcomes[addition->outcome]);
	weir_json_put_str(json, "until",
			  addition->until_ns ? weir_clock_format(addition->until_ns, until) : NULL);
	if (addition->ttl_ns)
		weir_json_put_uint(json, "ttl_s", addition->ttl_ns / WEIR_NS_PER_S);
}

static int add_reply(struct addition *addition)
{
	struct weir_call *call = addition->call;
	struct weir_engine *engine = addition->state->engine;
	if (addition->outcome != ADD_UNCHANGED)
		weir_engine_bump(engine);
	struct weir_json_out json = { .out = &call->reply };
	weir_json_open_object(&json, NULL);
	reply_entry(addition, &json);
	block_reply_warnings(call, &json);
	weir_json_put_uint(&json, "revision", weir_engine_revision(engine));
	weir_json_close_object(&json);
	return 0;
}

/* A list with nothing but the entry, to be held against the other lists. */
static void add_warn(struct addition *addition)
{
	_cleanup_list_ struct block_list *subject =
		block_list_new(addition->list->name, addition->list->action, BLOCK_FROM_RUNTIME);
	if (subject && block_set_append(&subject->set, &addition->range, NULL, 0) == 0 &&
	    block_set_seal(&subject->set, NULL) == 0)
		block_warn_conflicts(addition->state, subject, &addition->call->diag);
}

static int add_new(struct addition *addition, size_t index)
{
	struct block_state *state = addition->state;
	struct block_list *list = addition->list;
	struct block_single single = {
		.range = addition->range,
		.until_ns = addition->until_ns,
		.expires_ns = addition->expires_ns,
		.note = addition->note ? strdup(addition->note) : NULL,
	};
	uint32_t cost = block_live_cost(&state->live, &single.range);
	if (cost && state->live.used + cost > state->live.limit) {
		free(single.note);
		return refuse_live(state, addition->call, -ENOSPC);
	}
	if ((addition->note && !single.note) || block_list_insert_single(list, index, &single) < 0) {
		free(single.note);
		return -ENOMEM;
	}
	int r = block_store_save_list(state->dir, list);
	if (r < 0) {
		block_list_delete_single(list, index);
		return refuse_write(state, addition->call, r);
	}
	r = block_single_enforce(state, list, &list->singles[index]);
	if (r < 0) {
		block_list_delete_single(list, index);
		block_store_save_list(state->dir, list);
		return refuse_live(state, addition->call, r);
	}
	addition->outcome = ADD_NEW;
	return 0;
}

static bool note_differs(const char *a, const char *b)
{
	return b && (!a || strcmp(a, b) != 0);
}

static void single_enforce_again(struct block_state *state, struct block_list *list, const struct block_single *single)
{
	struct block_live_owner owner = {
		.action = list->action,
		.list = list->id,
		.hit = single->hit ? single->hit : list->hit,
	};
	block_live_update(&state->live, &owner, single);
	block_expiry_settle(state);
}

/* It is in the live set: lifetime and note become what is asked for now; a note not given stays. */
static int add_refresh(struct addition *addition, size_t index)
{
	struct block_state *state = addition->state;
	struct block_single *single = &addition->list->singles[index], before = *single;
	bool is_same = !single->until_ns && !addition->until_ns && !note_differs(single->note, addition->note);
	addition->outcome = is_same ? ADD_UNCHANGED : ADD_REFRESHED;
	if (is_same)
		return 0;
	char *note = addition->note ? strdup(addition->note) : before.note;
	if (addition->note && !note)
		return -ENOMEM;
	single->note = note;
	single->until_ns = addition->until_ns;
	single->expires_ns = addition->expires_ns;
	int r = block_store_save_list(state->dir, addition->list);
	if (r < 0) {
		*single = before;
		if (note != before.note)
			free(note);
		return refuse_write(state, addition->call, r);
	}
	if (note != before.note)
		free(before.note);
	single_enforce_again(state, addition->list, single);
	return 0;
}

/* It is in the compiled policy and is to stay: only the note can be new. */
static int add_renote(struct addition *addition, size_t index)
{
	struct block_set *set = &addition->list->set;
	enum block_family family = block_family_of(&addition->range);
	struct block_entry entry;
	block_set_at(set, family, index, &entry);
	addition->outcome = note_differs(entry.note, addition->note) ? ADD_REFRESHED : ADD_UNCHANGED;
	if (addition->outcome == ADD_UNCHANGED)
		return 0;
	_cleanup_free_ char *before = entry.note ? strdup(entry.note) : NULL;
	int r = block_set_note(set, family, index, addition->note);
	if (r < 0)
		return r;
	r = block_store_save_list(addition->state->dir, addition->list);
	if (r < 0) {
		block_set_note(set, family, index, before);
		return refuse_write(addition->state, addition->call, r);
	}
	return 0;
}

/* A successor of the list without the entry, in the set and among the singles. */
static int list_without(const struct block_list *list, const struct weir_range *range, struct block_list **ret_next)
{
	_cleanup_list_ struct block_list *next = block_list_clone(list);
	if (!next)
		return -ENOMEM;
	int r = block_set_without(&list->set, range, &next->set);
	if (r == 0)
		r = block_list_copy_singles(next, list, range);
	if (r < 0)
		return r;
	*ret_next = weir_take(next);
	return 0;
}

static int demote_prepare(struct block_request *request, struct block_state *state, struct weir_diag *diag)
{
	struct block_list *list = block_lists_find(&state->runtime, request->name);
	_cleanup_list_ struct block_list *next = NULL;
	struct block_now now = block_now();
	const char *note = weir_call_str(request->change.call, "note");
	struct block_single single = { .range = request->range, .until_ns = now.real_ns + request->ttl_ns };
	single.expires_ns = block_expires(&now, single.until_ns);
	if (note && !(single.note = strdup(note)))
		return -ENOMEM;
	int r = list_without(list, &request->range, &next);
	size_t index = 0;
	if (r == 0)
		block_list_find_single(next, &request->range, &index);
	if (r == 0)
		r = block_list_insert_single(next, index, &single);
	free(single.note);
	if (r == 0)
		r = block_request_add(request, list, next);
	if (r == 0)
		next = NULL;
	(void)diag;
	return r;
}

static void demote_reply(const struct block_request *request, struct weir_json_out *json)
{
	struct block_list *list = block_lists_find(&block_state_of(request->engine)->runtime, request->name);
	struct addition addition = {
		.list = list,
		.range = request->range,
		.ttl_ns = request->ttl_ns,
		.until_ns = weir_clock_real_ns() + request->ttl_ns,
		.outcome = ADD_REFRESHED,
	};
	reply_entry(&addition, json);
}

/* It stays in the compiled policy unless that is made anew without it; only then can it expire. */
static int add_demote(struct addition *addition)
{
	struct block_request *request = block_request_new(addition->state->engine, addition->call);
	if (!request)
		return -ENOMEM;
	request->prepare = demote_prepare;
	request->reply = demote_reply;
	request->range = addition->range;
	request->ttl_ns = addition->ttl_ns;
	request->name = addition->list->name;
	const char *given = weir_call_str(addition->call, "list");
	request->name = given ? given : block_noun_of(addition->call)->runtime_list;
	return block_request_start(request);
}

static int add_to_list(struct addition *addition)
{
	struct block_list *list = addition->list;
	size_t in_set, index;
	bool is_single = block_list_find_single(list, &addition->range, &index);
	if (block_set_find(&list->set, &addition->range, &in_set))
		return addition->ttl_ns ? add_demote(addition) : add_renote(addition, in_set);
	return is_single ? add_refresh(addition, index) : add_new(addition, index);
}

/* The index first: an id without a file is harmless. */
static int list_create(struct block_state *state, struct weir_call *call, const char *name, struct block_list **ret_list)
{
	_cleanup_list_ struct block_list *list = block_list_start(state, name, block_noun_of(call)->action, &call->diag);
	if (!list)
		return -ENOMEM;
	int r = block_lists_add(&state->runtime, list);
	if (r < 0)
		return r;
	r = block_store_save_index(state->dir, &state->files, &state->runtime);
	if (r < 0) {
		block_lists_remove(&state->runtime, list);
		block_slots_release(&state->slots, list->hit);
		return refuse_write(state, call, r);
	}
	*ret_list = weir_take(list);
	return 0;
}

static void list_uncreate(struct block_state *state, struct block_list *list)
{
	block_lists_remove(&state->runtime, list);
	block_slots_release(&state->slots, list->hit);
	block_store_remove_list(state->dir, list->name);
	block_list_free(list);
}

int block_run_add(struct weir_engine *engine, struct weir_call *call)
{
	struct block_state *state = block_state_of(engine);
	struct addition addition = { .state = state, .call = call, .note = weir_call_str(call, "note") };
	const char *name;
	int r = call_range(call, &addition.range);
	if (r == 0)
		r = block_call_ttl(call, &addition.ttl_ns);
	if (r == 0)
		r = block_call_list(state, call, &name, &addition.list);
	if (r < 0)
		return r;

	struct block_now now = block_now();
	addition.until_ns = addition.ttl_ns ? now.real_ns + addition.ttl_ns : 0;
	addition.expires_ns = block_expires(&now, addition.until_ns);
	bool is_new_list = !addition.list;
	if (is_new_list)
		r = list_create(state, call, name, &addition.list);
	if (r < 0)
		return r;
	add_warn(&addition);
	r = add_to_list(&addition);
	if (r < 0 && is_new_list)
		list_uncreate(state, addition.list);
	return r ? r : add_reply(&addition);
}

static void del_reply(const struct block_request *request, struct weir_json_out *json)
{
	char text[WEIR_RANGE_TEXT];
	weir_json_put_str(json, "entry", weir_range_to_string(&request->range, text));
	weir_json_put_uint(json, "removed", request->counts.removed);
}

/* Names what holds the address, so that the caller sees what to delete instead. */
static int del_absent(const struct block_state *state, struct weir_call *call, const struct weir_range *range)
{
	const struct block_lists *const kinds[] = { &state->runtime, &state->files };
	char text[WEIR_RANGE_TEXT];
	weir_range_to_string(range, text);
	size_t told = call->diag.errors;
	for (size_t kind = 0; kind < WEIR_ARRAY_SIZE(kinds); kind++) {
		for (size_t i = 0; i < kinds[kind]->count; i++) {
			const struct block_list *list = kinds[kind]->at[i];
			struct block_shown shown;
			char covering[WEIR_RANGE_TEXT];
			if (list->action != block_noun_of(call)->action || !block_list_cover(list, &range->from, &shown))
				continue;
			weir_diag_error(&call->diag,
					kind ? "change the configuration and apply it" : "delete that entry instead",
					"%s is not an entry of its own; the entry %s of list %s%s holds it", text,
					weir_range_to_string(&shown.range, covering), list->name,
					kind ? ", which is part of the configuration," : "");
		}
	}
	if (call->diag.errors == told)
		weir_diag_error(&call->diag, "see `weir block list` and `weir allow list`", "%s is on no %s list", text,
				block_action_names[block_noun_of(call)->action]);
	return -ENOENT;
}

static bool list_has(const struct block_list *list, const struct weir_range *range)
{
	return block_set_find(&list->set, range, NULL) || block_list_find_single(list, range, NULL);
}

/* At once: nothing but the live set has it. */
static int del_single(struct block_state *state, struct weir_call *call, struct block_list *list, size_t index)
{
	struct block_single single = list->singles[index];
	list->singles[index].note = NULL;
	block_list_delete_single(list, index);
	int r = block_store_save_list(state->dir, list);
	if (r < 0) {
		/* Its place is still allocated. */
		block_list_insert_single(list, index, &single);
		return refuse_write(state, call, r);
	}
	block_single_release(state, list, &single);
	free(single.note);
	return 0;
}

static int del_compiled(struct block_state *state, struct weir_call *call, const struct weir_range *range,
			struct block_list *const *lists, size_t count)
{
	struct block_request *request = block_request_new(state->engine, call);
	if (!request)
		return -ENOMEM;
	request->range = *range;
	request->reply = del_reply;
	request->counts.removed = count;
	for (size_t i = 0; i < count; i++) {
		_cleanup_list_ struct block_list *next = NULL;
		int r = list_without(lists[i], range, &next);
		if (r == 0)
			r = block_request_add(request, lists[i], next);
		if (r < 0) {
			block_request_free(request);
			return r;
		}
		next = NULL;
	}
	return block_request_start(request);
}

static int del_reply_now(struct block_state *state, struct weir_call *call, const struct weir_range *range, size_t removed)
{
	struct weir_json_out json = { .out = &call->reply };
	struct block_request said = { .range = *range, .counts = { .removed = removed } };
	weir_engine_bump(state->engine);
	weir_json_open_object(&json, NULL);
	del_reply(&said, &json);
	block_reply_warnings(call, &json);
	weir_json_put_uint(&json, "revision", weir_engine_revision(state->engine));
	weir_json_close_object(&json);
	return 0;
}

int block_run_del(struct weir_engine *engine, struct weir_call *call)
{
	struct block_state *state = block_state_of(engine);
	const char *given = weir_call_str(call, "list");
	struct weir_range range;
	int r = call_range(call, &range);
	if (r < 0)
		return r;
	_cleanup_free_ struct block_list **found = calloc(state->runtime.count + 1, sizeof(struct block_list *));
	size_t count = 0;
	bool is_compiled = false;
	if (!found)
		return -ENOMEM;
	for (size_t i = 0; i < state->runtime.count; i++) {
		struct block_list *list = state->runtime.at[i];
		if (list->action != block_noun_of(call)->action || (given && strcmp(given, list->name) != 0) ||
		    !list_has(list, &range))
			continue;
		found[count++] = list;
		is_compiled |= block_set_find(&list->set, &range, NULL);
	}
	if (!count)
		return del_absent(state, call, &range);
	if (is_compiled)
		return del_compiled(state, call, &range, found, count);
	for (size_t i = 0; i < count; i++) {
		size_t index;
		block_list_find_single(found[i], &range, &index);
		r = del_single(state, call, found[i], index);
		if (r < 0)
			return r;
	}
	block_expiry_settle(state);
	return del_reply_now(state, call, &range, count);
}

static void clear_reply(const struct block_request *request, struct weir_json_out *json)
{
	weir_json_put_uint(json, "removed", request->counts.removed);
	weir_json_put_uint(json, "lists", request->counts.read);
}

/* Only what operations made can be cleared by one; the caller is told what stays. */
static void clear_tell_files(const struct block_state *state, struct weir_call *call, const char *given)
{
	for (size_t i = 0; i < state->files.count; i++) {
		const struct block_list *list = state->files.at[i];
		if (list->action == block_noun_of(call)->action && (!given || strcmp(given, list->name) == 0))
			weir_diag_warning(&call->diag, "change the configuration and apply it",
					  "list %s is part of the configuration and stays", list->name);
	}
}

int block_run_clear(struct weir_engine *engine, struct weir_call *call)
{
	struct block_state *state = block_state_of(engine);
	const char *given = weir_call_str(call, "list");
	struct block_request *request = block_request_new(engine, call);
	if (!request)
		return -ENOMEM;
	request->reply = clear_reply;
	for (size_t i = 0; i < state->runtime.count; i++) {
		struct block_list *list = state->runtime.at[i];
		if (list->action != block_noun_of(call)->action || (given && strcmp(given, list->name) != 0))
			continue;
		if (block_request_add(request, list, NULL) < 0) {
			block_request_free(request);
			return -ENOMEM;
		}
		request->counts.removed += block_list_count(list, BLOCK_V4) + block_list_count(list, BLOCK_V6);
		request->counts.read++;
	}
	clear_tell_files(state, call, given);
	if (given && !request->draft.count && !call->diag.count) {
		block_request_free(request);
		weir_diag_key(&call->diag, "list", "see `weir block lists` and `weir allow lists`",
			      "there is no %s list '%s'", block_action_names[block_noun_of(call)->action], given);
		return -ENOENT;
	}
	return block_request_start(request);
}
