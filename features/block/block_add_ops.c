/* SPDX-License-Identifier: Apache-2.0 */
/*
 * add: at once through the live set, or, where the compiled policy has the entry, by a change.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "features/block/block_addition.h"

static int refuse_live(const struct block_state *state, struct weir_call *call, int error)
{
	if (error == -ENOSPC)
		weir_diag_error(&call->diag,
				"raise block.live, let entries expire, or import a file instead",
				"the live set is full: %" PRIu32 " of %" PRIu32
				" prefixes are used",
				state->live.used, state->live.limit);
	else
		weir_diag_error(&call->diag, NULL, "the kernel refused the entry: %s",
				strerror(-error));
	return error;
}

static int add_reply(struct block_addition *addition)
{
	struct weir_call *call = addition->call;
	struct weir_engine *engine = addition->state->engine;
	if (addition->outcome != ADD_UNCHANGED)
		weir_engine_bump(engine);
	struct weir_json_out json = { .out = &call->reply };
	weir_json_open_object(&json, NULL);
	addition_reply(addition, &json);
	block_reply_warnings(call, &json);
	weir_json_put_uint(&json, "revision", weir_engine_revision(engine));
	weir_json_close_object(&json);
	return 0;
}

/* A list with nothing but the entry, to be held against the other lists. */
static void add_warn(struct block_addition *addition)
{
	_cleanup_list_ struct block_list *subject =
		block_list_new(addition->list->name, addition->list->action, BLOCK_FROM_RUNTIME);
	if (subject && block_set_append(&subject->set, &addition->range, NULL, 0) == 0 &&
	    block_set_seal(&subject->set, NULL) == 0)
		block_warn_conflicts(addition->state, subject, &addition->call->diag);
}

static void single_enforce_again(struct block_state *state, struct block_list *list,
				 const struct block_single *single)
{
	struct block_live_owner owner = {
		.action = list->action,
		.list = list->id,
		.hit = single->hit ? single->hit : list->hit,
	};
	block_live_update(&state->live, &owner, single);
	block_expiry_settle(state);
}

static void new_settle(struct block_request *request, struct block_state *state, int result)
{
	size_t index;
	if (!result || !block_list_find_single(request->saved, &request->range, &index))
		return;
	block_single_release(state, request->saved, &request->saved->singles[index]);
	block_list_delete_single(request->saved, index);
	block_expiry_settle(state);
}

static int add_new_large(struct block_addition *addition, size_t index)
{
	struct block_state *state = addition->state;
	struct block_list *list = addition->list;
	struct block_request *request = addition_save(addition, ADD_NEW);
	int r = request ? block_single_enforce(state, list, &list->singles[index]) : -ENOMEM;
	if (r < 0) {
		block_list_delete_single(list, index);
		block_request_free(request);
		return request ? refuse_live(state, addition->call, r) : r;
	}
	request->settle = new_settle;
	return block_request_save(request);
}

static int add_new(struct block_addition *addition, size_t index)
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
	if ((addition->note && !single.note) ||
	    block_list_insert_single(list, index, &single) < 0) {
		free(single.note);
		return -ENOMEM;
	}
	if (block_list_is_large(list))
		return add_new_large(addition, index);
	int r = block_store_save_list(state->dir, list);
	if (r < 0) {
		block_list_delete_single(list, index);
		return block_refuse_write(state, addition->call, r);
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

static void refresh_settle(struct block_request *request, struct block_state *state, int result)
{
	size_t index;
	if (!result || !block_list_find_single(request->saved, &request->range, &index))
		return;
	struct block_single *single = &request->saved->singles[index];
	free(single->note);
	*single = request->before;
	request->before.note = NULL;
	single_enforce_again(state, request->saved, single);
}

static int add_refresh_large(struct block_addition *addition, struct block_single *single)
{
	struct block_request *request = addition_save(addition, ADD_REFRESHED);
	const char *text = addition->note ? addition->note : single->note;
	char *note = text ? strdup(text) : NULL;
	if (!request || (text && !note)) {
		free(note);
		block_request_free(request);
		return -ENOMEM;
	}
	request->before = *single;
	single->note = note;
	single->until_ns = addition->until_ns;
	single->expires_ns = addition->expires_ns;
	single_enforce_again(addition->state, addition->list, single);
	request->settle = refresh_settle;
	return block_request_save(request);
}

/* It is in the live set: lifetime and note become what is asked for now; a note not given stays. */
static int add_refresh(struct block_addition *addition, size_t index)
{
	struct block_state *state = addition->state;
	struct block_single *single = &addition->list->singles[index], before = *single;
	bool is_same = !single->until_ns && !addition->until_ns &&
		       !block_note_differs(single->note, addition->note);
	addition->outcome = is_same ? ADD_UNCHANGED : ADD_REFRESHED;
	if (is_same)
		return 0;
	if (block_list_is_large(addition->list))
		return add_refresh_large(addition, single);
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
		return block_refuse_write(state, addition->call, r);
	}
	if (note != before.note)
		free(before.note);
	single_enforce_again(state, addition->list, single);
	return 0;
}

static int add_to_list(struct block_addition *addition)
{
	struct block_list *list = addition->list;
	size_t in_set, index;
	bool is_single = block_list_find_single(list, &addition->range, &index);
	if (block_set_find(&list->set, &addition->range, &in_set))
		return addition->ttl_ns ? addition_demote(addition) :
					  addition_renote(addition, in_set);
	return is_single ? add_refresh(addition, index) : add_new(addition, index);
}

/* The index first: an id without a file is harmless. */
static int list_create(struct block_state *state, struct weir_call *call, const char *name,
		       struct block_list **ret_list)
{
	_cleanup_list_ struct block_list *list =
		block_list_start(state, name, block_noun_of(call)->action, &call->diag);
	if (!list)
		return -ENOMEM;
	int r = block_lists_add(&state->runtime, list);
	if (r < 0)
		return r;
	r = block_store_save_index(state->dir, &state->files, &state->runtime);
	if (r < 0) {
		block_lists_remove(&state->runtime, list);
		block_slots_release(&state->slots, list->hit);
		return block_refuse_write(state, call, r);
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

/* A set has no singles: rules look at the compiled policy alone. */
static int add_to_set(struct block_addition *addition, const char *name)
{
	struct block_list *list = addition->list;
	size_t index;
	if (!list || !block_set_find(&list->set, &addition->range, &index))
		return addition_join(addition, name);
	int r = addition_renote(addition, index);
	return r ? r : add_reply(addition);
}

static int add_verdict(struct block_addition *addition, const char *name)
{
	struct block_now now = block_now();
	addition->until_ns = addition->ttl_ns ? now.real_ns + addition->ttl_ns : 0;
	addition->expires_ns = block_expires(&now, addition->until_ns);
	bool is_new_list = !addition->list;
	int r = is_new_list ? list_create(addition->state, addition->call, name, &addition->list) :
			      0;
	if (r < 0)
		return r;
	add_warn(addition);
	r = add_to_list(addition);
	if (r < 0 && is_new_list)
		list_uncreate(addition->state, addition->list);
	return r ? r : add_reply(addition);
}

int block_run_add(struct weir_engine *engine, struct weir_call *call)
{
	struct block_state *state = block_state_of(engine);
	struct block_addition addition = { .state = state,
					   .call = call,
					   .note = weir_call_str(call, "note") };
	const char *name;
	int r = block_call_range(call, &addition.range);
	if (r == 0)
		r = block_call_ttl(call, &addition.ttl_ns);
	if (r == 0)
		r = block_call_list(state, call, &name, &addition.list);
	if (r < 0)
		return r;
	return block_noun_of(call)->action == BLOCK_SET ? add_to_set(&addition, name) :
							  add_verdict(&addition, name);
}
