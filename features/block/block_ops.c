/* SPDX-License-Identifier: Apache-2.0 */
/* What all operations need: their list, their lifetime, their change. */
#include "features/block/block_ops.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/units.h"

#define SEE_BOTH(verb) "see `weir block " verb "` and `weir allow " verb "`"

const struct block_noun block_noun_deny = {
	BLOCK_DENY,
	"runtime-deny",
	SEE_BOTH("list"),
	SEE_BOTH("lists"),
};
const struct block_noun block_noun_allow = {
	BLOCK_ALLOW,
	"runtime-allow",
	SEE_BOTH("list"),
	SEE_BOTH("lists"),
};
const struct block_noun block_noun_set = {
	BLOCK_SET,
	"runtime-set",
	"see `weir set list`",
	"see `weir set lists`",
};

struct block_state *block_state_of(struct weir_engine *engine)
{
	return weir_engine_state(engine, &weir_block);
}

int block_call_list(struct block_state *state, struct weir_call *call, const char **ret_name,
		    struct block_list **ret_list)
{
	const struct block_noun *noun = block_noun_of(call);
	const char *given = weir_call_str(call, "list"), *name = given ? given : noun->runtime_list;
	const char *fault = block_name_fault(name);
	if (fault)
		return weir_diag_key(&call->diag, "list", "choose another name", "'%s': %s", name,
				     fault);
	struct block_list *list = block_lists_find(&state->runtime, name);
	if (!list && block_lists_find(&state->files, name))
		return weir_diag_key(&call->diag, "list",
				     "change the configuration and apply it, or use another list",
				     "the list '%s' is part of the configuration", name);
	if (list && list->action != noun->action) {
		weir_diag_key(&call->diag, "list", "choose another name",
			      "the list '%s' exists and is of action %s", name,
			      block_action_names[list->action]);
		return -EEXIST;
	}
	*ret_name = name;
	*ret_list = list;
	return 0;
}

int block_call_ttl(struct weir_call *call, uint64_t *ret_ttl_ns)
{
	const char *text = weir_call_str(call, "ttl");
	uint64_t ttl_ns = 0;
	if (text && block_noun_of(call)->action == BLOCK_SET)
		return weir_diag_key(&call->diag, "ttl",
				     "leave it out, and delete the entry when its time is over",
				     "entries of a set do not expire: rules look at the compiled "
				     "policy, which has no clock");
	if (text && (weir_duration_from_string(text, &ttl_ns) < 0 || ttl_ns < WEIR_NS_PER_S ||
		     ttl_ns > BLOCK_TTL_MOST_S * WEIR_NS_PER_S))
		return weir_diag_key(&call->diag, "ttl", "write for example 10m, 1h30m or 7d",
				     "'%s' is no lifetime between 1s and 10 years", text);
	*ret_ttl_ns = ttl_ns;
	return 0;
}

struct block_list *block_list_start(struct block_state *state, const char *name,
				    enum block_action action, struct weir_diag *diag)
{
	static const struct block_lists none;
	_cleanup_list_ struct block_list *list = block_list_new(name, action, BLOCK_FROM_RUNTIME);
	if (!list)
		return NULL;
	list->id = block_id_take(&state->files, &state->runtime, &none);
	if (!list->id) {
		weir_diag_error(diag, "clear lists that are not needed",
				"there are %d lists, which is the most", BLOCK_LISTS_MAX);
		return NULL;
	}
	if (block_list_decides(list))
		list->hit = block_slots_take(&state->slots);
	return weir_take(list);
}

int block_call_range(struct weir_call *call, struct weir_range *range)
{
	const char *text = weir_call_str(call, "entry"), *why;
	bool had_host_bits;
	char canonical[WEIR_RANGE_TEXT];
	if (!text)
		return weir_diag_key(&call->diag, "entry", "name an address, a CIDR or FROM-TO",
				     "no entry is given");
	if (weir_range_from_string(text, strlen(text), range, &had_host_bits, &why) < 0)
		return weir_diag_key(&call->diag, "entry", "write an address, a CIDR or FROM-TO",
				     "'%s': %s", text, why);
	if (had_host_bits)
		weir_diag_warning(&call->diag, NULL, "%s has host bits set: taken as %s", text,
				  weir_range_to_string(range, canonical));
	return 0;
}

int block_refuse_write(const struct block_state *state, struct weir_call *call, int error)
{
	weir_diag_error(&call->diag, "make room or mend the permissions, then try again",
			"cannot write the list to %s: %s", state->dir, strerror(-error));
	return error;
}

int block_list_without(const struct block_list *list, const struct weir_range *range,
		       struct block_list **ret_next)
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

void block_reply_warnings(struct weir_call *call, struct weir_json_out *json)
{
	if (!call->diag.count)
		return;
	weir_json_open_array(json, "warnings");
	for (size_t i = 0; i < call->diag.count; i++) {
		_cleanup_buf_ struct weir_buf text = { 0 };
		weir_diag_entry_format(&call->diag.entries[i], &text);
		weir_json_put_str(json, NULL, weir_buf_str(&text));
	}
	weir_json_close_array(json);
}

static int request_prepare(struct weir_change *change, void *state, struct weir_diag *diag)
{
	struct block_request *request = (struct block_request *)change;
	return request->prepare ? request->prepare(request, state, diag) : 0;
}

static int request_persist(struct weir_change *change, void *state, struct weir_diag *diag)
{
	const struct block_request *request = (const struct block_request *)change;
	const struct block_state *of = state;
	if (!request->saved)
		return block_draft_persist(state, &request->draft, diag);
	int r = block_store_save_list(of->dir, request->saved);
	return r < 0 ? block_refuse_write(of, change->call, r) : 0;
}

static void request_settle(struct block_request *request, int result)
{
	if (!request->settle)
		return;
	request->settle(request, block_state_of(request->engine), result);
	request->settle = NULL;
}

static void request_enforce(struct weir_change *change, void *state)
{
	struct block_request *request = (struct block_request *)change;
	block_draft_enforce(state, &request->draft, &change->call->diag);
}

static void request_accept(struct weir_change *change, void *state)
{
	struct block_request *request = (struct block_request *)change;
	struct weir_call *call = change->call;
	block_draft_accept(state, &request->draft);
	request_settle(request, 0);
	struct weir_json_out json = { .out = &call->reply };
	weir_json_open_object(&json, NULL);
	request->reply(request, &json);
	block_reply_warnings(call, &json);
	weir_json_put_uint(&json, "revision", weir_engine_revision(request->engine));
	weir_json_put_uint(&json, "ms",
			   (weir_clock_monotonic_ns() - request->started_ns) / WEIR_NS_PER_MS);
	weir_json_close_object(&json);
}

static void request_free(struct weir_change *change)
{
	block_request_free((struct block_request *)change);
}

void block_request_free(struct block_request *request)
{
	if (!request)
		return;
	request_settle(request, -ECANCELED); /* not accepted */
	block_draft_done(&request->draft);
	free(request->before.note);
	free(request);
}

struct block_request *block_request_new(struct weir_engine *engine, struct weir_call *call)
{
	_Static_assert(offsetof(struct block_request, change) == 0,
		       "a change is cast to its request");
	struct block_request *request = calloc(1, sizeof(*request));
	/* Room for one more list, so that accepting it cannot fail. */
	if (!request || block_lists_reserve(&block_state_of(engine)->runtime) < 0) {
		free(request);
		return NULL;
	}
	request->engine = engine;
	request->started_ns = weir_clock_monotonic_ns();
	request->change = (struct weir_change){
		.feature = &weir_block,
		.prepare = request_prepare,
		.persist = request_persist,
		.enforce = request_enforce,
		.accept = request_accept,
		.free = request_free,
		.call = call,
		.draft = &request->draft,
	};
	return request;
}

int block_request_start(struct block_request *request)
{
	int r = weir_engine_change(request->engine, &request->change);
	return r < 0 ? r : WEIR_OP_PENDING;
}

int block_request_save(struct block_request *request)
{
	request->change.keeps_policy = true;
	return block_request_start(request);
}

int block_request_add(struct block_request *request, struct block_list *old,
		      struct block_list *next)
{
	struct block_draft *draft = &request->draft;
	struct block_draft_list *lists =
		reallocarray(draft->lists, draft->count + 1, sizeof(*lists));
	if (!lists)
		return -ENOMEM;
	lists[draft->count++] = (struct block_draft_list){ old, next };
	draft->lists = lists;
	return 0;
}
