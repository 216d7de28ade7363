/* SPDX-License-Identifier: Apache-2.0 */
/*
 * del and clear. What only the live set has goes at once; what is in the compiled policy goes by a
 * change.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "features/block/block_ops.h"

static void del_reply(const struct block_request *request, struct weir_json_out *json)
{
	char text[WEIR_RANGE_TEXT];
	weir_json_put_str(json, "entry", weir_range_to_string(&request->range, text));
	weir_json_put_uint(json, "removed", request->counts.removed);
}

/* Names what holds the address, so that the caller sees what to delete instead. */
static int del_absent(const struct block_state *state, struct weir_call *call,
		      const struct weir_range *range)
{
	const struct block_lists *const kinds[] = { &state->runtime, &state->files };
	char text[WEIR_RANGE_TEXT];
	weir_range_to_string(range, text);
	size_t told = call->diag.errors;
	for (size_t kind = 0; kind < WEIR_ARRAY_SIZE(kinds); kind++) {
		for (size_t i = 0; i < kinds[kind]->count; i++) {
			struct block_list *list = kinds[kind]->at[i];
			struct block_shown shown;
			char covering[WEIR_RANGE_TEXT];
			if (list->action != block_noun_of(call)->action ||
			    !block_list_cover(list, &range->from, &shown))
				continue;
			weir_diag_error(
				&call->diag,
				kind ? "change the configuration and apply it" :
				       "delete that entry instead",
				"%s is not an entry of its own; the entry %s of list %s%s holds it",
				text, weir_range_to_string(&shown.range, covering), list->name,
				kind ? ", which is part of the configuration," : "");
		}
	}
	if (call->diag.errors == told)
		weir_diag_error(&call->diag, block_noun_of(call)->see_list, "%s is on no %s list",
				text, block_action_names[block_noun_of(call)->action]);
	return -ENOENT;
}

static bool list_has(const struct block_list *list, const struct weir_range *range)
{
	return block_set_find(&list->set, range, NULL) || block_list_find_single(list, range, NULL);
}

/* At once: nothing but the live set has it. */
static int del_single(struct block_state *state, struct weir_call *call, struct block_list *list,
		      size_t index)
{
	struct block_single single = list->singles[index];
	list->singles[index].note = NULL;
	block_list_delete_single(list, index);
	int r = block_store_save_list(state->dir, list);
	if (r < 0) {
		/* Its place is still allocated. */
		block_list_insert_single(list, index, &single);
		return block_refuse_write(state, call, r);
	}
	block_slots_refresh(&state->slots, single.hit);
	block_single_release(state, list, &single);
	free(single.note);
	return 0;
}

static void single_settle(struct block_request *request, struct block_state *state, int result)
{
	struct block_list *list = request->saved;
	size_t index;
	if (!result) {
		block_slots_refresh(&state->slots, request->before.hit);
		block_single_release(state, list, &request->before);
	} else if (!block_list_find_single(list, &request->range, &index)) {
		/* Its place is still allocated. */
		block_list_insert_single(list, index, &request->before);
	}
	block_expiry_settle(state);
}

/* It stays in force until the worker has written the large file without it. */
static int del_single_large(struct block_state *state, struct weir_call *call,
			    struct block_list *list, size_t index)
{
	struct block_request *request = block_request_new(state->engine, call);
	if (!request)
		return -ENOMEM;
	request->range = list->singles[index].range;
	request->before = list->singles[index];
	list->singles[index].note = NULL;
	block_list_delete_single(list, index);
	request->saved = list;
	request->settle = single_settle;
	request->reply = del_reply;
	request->counts.removed = 1;
	return block_request_save(request);
}

static int del_compiled(struct block_state *state, struct weir_call *call,
			const struct weir_range *range, struct block_list *const *lists,
			size_t count)
{
	struct block_request *request = block_request_new(state->engine, call);
	if (!request)
		return -ENOMEM;
	request->range = *range;
	request->reply = del_reply;
	request->counts.removed = count;
	for (size_t i = 0; i < count; i++) {
		_cleanup_list_ struct block_list *next = NULL;
		int r = block_list_without(lists[i], range, &next);
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

static int del_reply_now(struct block_state *state, struct weir_call *call,
			 const struct weir_range *range, size_t removed)
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
	int r = block_call_range(call, &range);
	if (r < 0)
		return r;
	_cleanup_free_ struct block_list **found =
		calloc(state->runtime.count + 1, sizeof(struct block_list *));
	size_t count = 0;
	bool is_compiled = false;
	if (!found)
		return -ENOMEM;
	for (size_t i = 0; i < state->runtime.count; i++) {
		struct block_list *list = state->runtime.at[i];
		if (list->action != block_noun_of(call)->action ||
		    (given && strcmp(given, list->name) != 0) || !list_has(list, &range))
			continue;
		found[count++] = list;
		is_compiled |= block_set_find(&list->set, &range, NULL);
	}
	if (!count)
		return del_absent(state, call, &range);
	if (is_compiled)
		return del_compiled(state, call, &range, found, count);
	size_t first;
	if (count == 1 && block_list_is_large(found[0]) &&
	    block_list_find_single(found[0], &range, &first))
		return del_single_large(state, call, found[0], first);
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
static void clear_tell_files(const struct block_state *state, struct weir_call *call,
			     const char *given)
{
	for (size_t i = 0; i < state->files.count; i++) {
		const struct block_list *list = state->files.at[i];
		if (list->action == block_noun_of(call)->action &&
		    (!given || strcmp(given, list->name) == 0))
			weir_diag_warning(&call->diag, "change the configuration and apply it",
					  "list %s is part of the configuration and stays",
					  list->name);
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
		if (list->action != block_noun_of(call)->action ||
		    (given && strcmp(given, list->name) != 0))
			continue;
		if (block_request_add(request, list, NULL) < 0) {
			block_request_free(request);
			return -ENOMEM;
		}
		request->counts.removed +=
			block_list_count(list, BLOCK_V4) + block_list_count(list, BLOCK_V6);
		request->counts.read++;
	}
	clear_tell_files(state, call, given);
	if (given && !request->draft.count && !call->diag.count) {
		block_request_free(request);
		weir_diag_key(&call->diag, "list", block_noun_of(call)->see_lists,
			      "there is no %s list '%s'",
			      block_action_names[block_noun_of(call)->action], given);
		return -ENOENT;
	}
	return block_request_start(request);
}
