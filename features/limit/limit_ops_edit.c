/* SPDX-License-Identifier: Apache-2.0 */
/* limit add, limit del: limits of run time, from the call to the live policy. What can be wrong is
 * told before the policy is touched. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "core/engine.h"
#include "features/limit/limit_state.h"

/* An edit on its way. */
struct limit_request {
	struct weir_change change;
	struct weir_engine *engine;
	struct limit_text text; /* to add; without a name: */
	unsigned gone;		/* … to delete, where it stands */
	char name[LIMIT_NAME_MAX + 1];
	struct limit_runtime draft;
	bool is_added, is_saved, is_accepted;
	uint64_t started_ns;
};

static struct limit *limit_of(struct weir_engine *engine)
{
	return weir_engine_state(engine, &weir_limit);
}

static int request_prepare(struct weir_change *change, void *data, struct weir_diag *diag)
{
	struct limit_request *request = (struct limit_request *)change;
	const struct limit *state = data;
	struct limit_runtime *draft = &request->draft;
	int r = limit_runtime_copy(&state->runtime, draft);

	(void)diag;
	if (r)
		return r;
	if (request->is_added) {
		draft->at[draft->count++] = request->text;
		request->text = (struct limit_text){ 0 };
		return 0;
	}
	limit_text_done(&draft->at[request->gone]);
	draft->count--;
	memmove(&draft->at[request->gone], &draft->at[request->gone + 1],
		(draft->count - request->gone) * sizeof(draft->at[0]));
	return 0;
}

static int request_persist(struct weir_change *change, void *data, struct weir_diag *diag)
{
	struct limit_request *request = (struct limit_request *)change;
	const struct limit *state = data;
	int r = limit_store_save(state->dir, &request->draft);

	if (r < 0)
		weir_diag_error(diag, "make room or mend the permissions, then try again",
				"cannot write limit.json in %s: %s", state->dir, strerror(-r));
	request->is_saved = !r;
	return r;
}

static void request_accept(struct weir_change *change, void *data)
{
	struct limit_request *request = (struct limit_request *)change;
	struct limit *state = data;
	struct weir_call *call = change->call;
	struct weir_json_out json = { .out = &call->reply };

	request->is_accepted = true;
	limit_runtime_done(&state->runtime);
	state->runtime = request->draft;
	request->draft.count = 0;

	weir_json_open_object(&json, NULL);
	weir_json_put_str(&json, "result", request->is_added ? "added" : "deleted");
	weir_json_put_str(&json, "name", request->name);
	if (call->diag.count)
		weir_json_put_diag(&json, "warnings", &call->diag);
	weir_json_put_uint(&json, "revision", weir_engine_revision(request->engine));
	weir_json_put_uint(&json, "ms",
			   (weir_clock_monotonic_ns() - request->started_ns) / WEIR_NS_PER_MS);
	weir_json_close_object(&json);
}

static void request_free(struct weir_change *change)
{
	struct limit_request *request = (struct limit_request *)change;

	if (!request)
		return;
	/* It was written and did not come to be live: a restart must not make it so. */
	if (request->is_saved && !request->is_accepted) {
		const struct limit *state = limit_of(request->engine);
		int r = limit_store_save(state->dir, &state->runtime);

		if (r < 0)
			weir_engine_warn(request->engine, weir_limit.name,
					 "limit.json in %s still has what was refused: %s",
					 state->dir, strerror(-r));
	}
	limit_text_done(&request->text);
	limit_runtime_done(&request->draft);
	free(request);
}

static struct limit_request *request_new(struct weir_engine *engine, struct weir_call *call)
{
	_Static_assert(offsetof(struct limit_request, change) == 0,
		       "a change is cast to its request");
	struct limit_request *request = calloc(1, sizeof(*request));

	if (!request)
		return NULL;
	request->engine = engine;
	request->started_ns = weir_clock_monotonic_ns();
	request->change = (struct weir_change){
		.feature = &weir_limit,
		.prepare = request_prepare,
		.persist = request_persist,
		.accept = request_accept,
		.free = request_free,
		.call = call,
		.draft = &request->draft,
	};
	return request;
}

static int request_start(struct limit_request *request, const char *name)
{
	snprintf(request->name, sizeof(request->name), "%s", name);
	int r = weir_engine_change(request->engine, &request->change);

	return r < 0 ? r : WEIR_OP_PENDING;
}

/* A preset's may be changed so, as by the configuration. */
static int name_refuse(const struct limit_list *list, const char *name, struct weir_diag *diag)
{
	const struct limit_entry *entry = limit_list_find(list, name);

	if (!entry || entry->origin == LIMIT_FROM_PRESET)
		return 0;
	if (entry->origin == LIMIT_FROM_FILE)
		weir_diag_key(diag, "name", "change it there, then weir apply, or choose another",
			      "there is a limit '%s' in the configuration", name);
	else
		weir_diag_key(diag, "name", "weir limit del it first, or choose another",
			      "there is a limit '%s' of run time", name);
	return -EEXIST;
}

static int room_check(const struct limit_list *list, const char *name, struct weir_diag *diag)
{
	if (list->count < LIMITS_MAX || limit_list_find(list, name))
		return 0;
	weir_diag_error(diag, "weir limit del takes away what is not needed",
			"there are %d limits, which is the most, those of presets among them",
			LIMITS_MAX);
	return -ENOSPC;
}

static int add_check(const struct limit *state, struct weir_call *call, struct limit_text *text)
{
	struct limit_meaning meaning;
	struct limit_list list;
	int r = limit_text_get(call->args, &call->diag, text);

	limit_live(state, &list);
	if (!r)
		r = limit_name_check(text->name, "", &call->diag);
	if (!r)
		r = limit_read(text, "", &call->diag, &meaning);
	if (!r)
		r = limit_needs_check(weir_engine_config(state->engine), text, "", &call->diag);
	if (!r)
		r = name_refuse(&list, text->name, &call->diag);
	return r ? r : room_check(&list, text->name, &call->diag);
}

static int run_add(struct weir_engine *engine, struct weir_call *call)
{
	struct limit_request *request = request_new(engine, call);
	int r = request ? add_check(limit_of(engine), call, &request->text) : -ENOMEM;

	if (r) {
		request_free(&request->change);
		return r;
	}
	request->is_added = true;
	return request_start(request, request->text.name);
}

/* In the list of run time, and perhaps not acting: then too it must be possible to take it away. */
static int gone_find(const struct limit *state, struct weir_call *call, unsigned *ret_index)
{
	const char *name = weir_call_str(call, "name");
	struct limit_list list;

	*ret_index = limit_runtime_find(&state->runtime, name);
	if (*ret_index < state->runtime.count)
		return 0;
	limit_live(state, &list);
	const struct limit_entry *entry = limit_list_find(&list, name);

	if (!entry) {
		weir_diag_key(&call->diag, "name", "see `weir limit show`",
			      "there is no limit '%.40s'", name);
		return -ENOENT;
	}
	return entry->preset ?
		       weir_diag_key(&call->diag, "name",
				     "take the preset out of limit.presets, or write a limit "
				     "of this name",
				     "'%s' is part of the preset '%s'", name, entry->preset) :
		       weir_diag_key(&call->diag, "name", "change it there, then weir apply",
				     "the limit '%s' is part of the configuration", name);
}

static int run_del(struct weir_engine *engine, struct weir_call *call)
{
	unsigned gone = 0;
	int r = gone_find(limit_of(engine), call, &gone);

	if (r)
		return r;
	struct limit_request *request = request_new(engine, call);

	if (!request)
		return -ENOMEM;
	request->gone = gone;
	return request_start(request, weir_call_str(call, "name"));
}

#define TEXT_ARG(key, metavar_of, text)                               \
	{                                                             \
		key, WEIR_ARG_STRING, 0, metavar_of, text, NULL, NULL \
	}
#define NAME_ARG(text)                                                                          \
	{                                                                                       \
		"name", WEIR_ARG_STRING, WEIR_ARG_REQUIRED | WEIR_ARG_POSITIONAL, "NAME", text, \
			NULL, NULL                                                              \
	}

static const struct weir_arg add_args[] = {
	NAME_ARG("of a-z, 0-9, '.', '_', '-'; buckets and counters go by it"),
	{ "proto", WEIR_ARG_CHOICE, 0, "PROTO", "what it is about", limit_proto_names, "any" },
	TEXT_ARG("sport", "PORTS", "source ports: 53, 123"),
	TEXT_ARG("dport", "PORTS", "destination ports: 22, 8000-8100"),
	{ "flags", WEIR_ARG_CHOICE, 0, "FLAGS", "syn: only TCP with SYN and without ACK",
	  limit_flag_names, "any" },
	{ "direction", WEIR_ARG_CHOICE, 0, "WAY", "packets that arrive, or leave",
	  limit_direction_names, "ingress" },
	{ "per", WEIR_ARG_STRING, 0, "END",
	  "source, destination, service, total; source/24,/64 + service", NULL, "source" },
	TEXT_ARG("packets", "RATE", "10/s, 30/m, 1/h, 10kpps"),
	TEXT_ARG("bytes", "RATE", "instead: 1MB/s, 100Mbit/s"),
	TEXT_ARG("connections", "RATE", "instead: new connections, 100/s"),
	{ "burst", WEIR_ARG_UINT, 0, "N", "packets or connections at once", NULL, NULL },
	TEXT_ARG("burst-bytes", "SIZE", "bytes at once"),
	{ "when", WEIR_ARG_CHOICE, 0, "LEVEL", "from which level of the interface on it acts",
	  limit_when_names, "always" },
	{ "dry-run", WEIR_ARG_BOOL, 0, NULL, "count what is over it, and let it pass", NULL, NULL },
	TEXT_ARG("block-after", "RATE", "block who sends so many over it: 20/m"),
	{ "block-for", WEIR_ARG_DURATION, 0, "DURATION", "how long, the first time: 10m without",
	  NULL, NULL },
	{ "block-most", WEIR_ARG_DURATION, 0, "DURATION", "the longest: 1d without", NULL, NULL },
	{ "block-dry-run", WEIR_ARG_BOOL, 0, NULL, "tell who would be blocked, and block nobody",
	  NULL, NULL },
	{ 0 },
};

const struct weir_op limit_add_op = {
	.name = "limit.add",
	.summary = "Add a limit at run time, which is kept over restarts",
	.kind = WEIR_OP_WRITE,
	.role = WEIR_ROLE_OPERATOR,
	.args = add_args,
	.example = "limit add icmp --proto icmp --packets 10/s --burst 50",
	.run = run_add,
};

static const struct weir_arg del_args[] = { NAME_ARG("a limit of run time"), { 0 } };

const struct weir_op limit_del_op = {
	.name = "limit.del",
	.summary = "Delete a limit of run time",
	.kind = WEIR_OP_WRITE,
	.role = WEIR_ROLE_OPERATOR,
	.args = del_args,
	.example = "limit del icmp",
	.run = run_del,
};
