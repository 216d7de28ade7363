/* SPDX-License-Identifier: Apache-2.0 */
/*
 * add, where the compiled policy has the entry or is to have it; and what all additions say.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "features/block/block_addition.h"

void addition_reply(const struct block_addition *addition, struct weir_json_out *json)
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

static void save_reply(const struct block_request *request, struct weir_json_out *json)
{
	struct block_addition addition = {
		.list = request->saved,
		.range = request->range,
		.ttl_ns = request->ttl_ns,
		.until_ns = request->until_ns,
		.outcome = (enum add_outcome)request->outcome,
	};
	addition_reply(&addition, json);
}

/* The file is large: the entry comes into force, and the worker writes it down before that is told.
 */
struct block_request *addition_save(const struct block_addition *addition, enum add_outcome outcome)
{
	struct block_request *request = block_request_new(addition->state->engine, addition->call);
	if (!request)
		return NULL;
	request->saved = addition->list;
	request->reply = save_reply;
	request->range = addition->range;
	request->ttl_ns = addition->ttl_ns;
	request->until_ns = addition->until_ns;
	request->outcome = outcome;
	return request;
}

bool block_note_differs(const char *a, const char *b)
{
	return b && (!a || strcmp(a, b) != 0);
}

static void renote_settle(struct block_request *request, struct block_state *state, int result)
{
	struct block_set *set = &request->saved->set;
	size_t index;
	if (result && block_set_find(set, &request->range, &index))
		block_set_note(set, block_family_of(&request->range), index, request->before.note);
}

static int add_renote_large(struct block_addition *addition, size_t index, const char *before)
{
	struct block_request *request = addition_save(addition, ADD_REFRESHED);
	int r = request && (!before || (request->before.note = strdup(before))) ? 0 : -ENOMEM;
	if (r == 0)
		r = block_set_note(&addition->list->set, block_family_of(&addition->range), index,
				   addition->note);
	if (r < 0) {
		block_request_free(request);
		return r;
	}
	request->settle = renote_settle;
	return block_request_save(request);
}

/* It is in the compiled policy and is to stay: only the note can be new. */
int addition_renote(struct block_addition *addition, size_t index)
{
	struct block_set *set = &addition->list->set;
	enum block_family family = block_family_of(&addition->range);
	struct block_entry entry;
	block_set_at(set, family, index, &entry);
	addition->outcome =
		block_note_differs(entry.note, addition->note) ? ADD_REFRESHED : ADD_UNCHANGED;
	if (addition->outcome == ADD_UNCHANGED)
		return 0;
	if (block_list_is_large(addition->list))
		return add_renote_large(addition, index, entry.note);
	_cleanup_free_ char *before = entry.note ? strdup(entry.note) : NULL;
	int r = block_set_note(set, family, index, addition->note);
	if (r < 0)
		return r;
	r = block_store_save_list(addition->state->dir, addition->list);
	if (r < 0) {
		block_set_note(set, family, index, before);
		return block_refuse_write(addition->state, addition->call, r);
	}
	return 0;
}

static int demote_prepare(struct block_request *request, struct block_state *state,
			  struct weir_diag *diag)
{
	struct block_list *list = block_lists_find(&state->runtime, request->name);
	_cleanup_list_ struct block_list *next = NULL;
	struct block_now now = block_now();
	const char *note = weir_call_str(request->change.call, "note");
	struct block_single single = { .range = request->range,
				       .until_ns = now.real_ns + request->ttl_ns };
	single.expires_ns = block_expires(&now, single.until_ns);
	if (note && !(single.note = strdup(note)))
		return -ENOMEM;
	int r = block_list_without(list, &request->range, &next);
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

static void change_reply(const struct block_request *request, struct weir_json_out *json)
{
	struct block_list *list =
		block_lists_find(&block_state_of(request->engine)->runtime, request->name);
	struct block_addition addition = {
		.list = list,
		.range = request->range,
		.ttl_ns = request->ttl_ns,
		.until_ns = request->ttl_ns ? weir_clock_real_ns() + request->ttl_ns : 0,
		.outcome = (enum add_outcome)request->outcome,
	};
	addition_reply(&addition, json);
}

/* It stays in the compiled policy unless that is made anew without it; only then can it expire. */
int addition_demote(struct block_addition *addition)
{
	struct block_request *request = block_request_new(addition->state->engine, addition->call);
	if (!request)
		return -ENOMEM;
	request->prepare = demote_prepare;
	request->reply = change_reply;
	request->outcome = ADD_REFRESHED;
	request->range = addition->range;
	request->ttl_ns = addition->ttl_ns;
	const char *given = weir_call_str(addition->call, "list");
	request->name = given ? given : block_noun_of(addition->call)->runtime_list;
	return block_request_start(request);
}

static int join_prepare(struct block_request *request, struct block_state *state,
			struct weir_diag *diag)
{
	static const struct block_set nothing;
	const char *note = weir_call_str(request->change.call, "note");
	struct block_list *old = block_lists_find(&state->runtime, request->name);
	_cleanup_list_ struct block_list *next =
		old ? block_list_clone(old) :
		      block_list_start(state, request->name, BLOCK_SET, diag);
	_cleanup_set_ struct block_set entry = { 0 };
	if (!next)
		return -ENOMEM;
	int r = block_set_append(&entry, &request->range, note, note ? strlen(note) : 0);
	if (r == 0)
		r = block_set_seal(&entry, NULL);
	if (r == 0)
		r = block_set_merge(old ? &old->set : &nothing, &entry, &next->set, NULL);
	if (r == 0)
		r = block_request_add(request, old, next);
	if (r == 0)
		next = NULL;
	return r;
}

int addition_join(const struct block_addition *addition, const char *name)
{
	struct block_request *request = block_request_new(addition->state->engine, addition->call);
	if (!request)
		return -ENOMEM;
	request->prepare = join_prepare;
	request->reply = change_reply;
	request->range = addition->range;
	request->name = name;
	request->outcome = ADD_NEW;
	return block_request_start(request);
}
