/* SPDX-License-Identifier: Apache-2.0 */
/* From a command to the live policy: what can be wrong is told before the policy is touched; the
 * file is written before anything is live. */
#include "features/balance/balance_change.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "core/engine.h"
#include "core/neighbours.h"
#include "features/balance/announce.h"
#include "features/balance/balance_reach.h"

#define ADVISED_MOST 8

/* One command, of those that become live together. */
struct balance_command {
	struct weir_call *call;
	struct balance_edit edit; /* what the answer says of it */
};

struct balance_request {
	struct weir_change change;
	struct weir_engine *engine;
	struct balance_command *commands;
	unsigned count;
	struct balance_runtime draft;
	bool is_saved, is_accepted;
	uint64_t started_ns;
};

static const struct balance_section *section_of(const struct weir_config *config)
{
	return config->sections[weir_feature_index(&weir_balance)];
}

/* What a command that is refused has begun to add goes; nothing is taken away before it is known
 * that all can be done. */
static void draft_cut(struct balance_runtime *draft, const struct balance_runtime *to)
{
	balance_runtime_cut(draft, to->service_count, to->row_count, to->disabled_count);
}

/* A service that this change makes; NULL: it was there. */
static const struct balance_text *made_find(const struct balance_runtime *draft, unsigned first,
					    const char *name)
{
	for (unsigned i = first; i < draft->service_count; i++)
		if (strcmp(draft->services[i].name, name) == 0)
			return &draft->services[i];
	return NULL;
}

/* Of what was added; of backends but for many at once: the kernel is asked for each. */
static void added_advise(const struct balance_request *request,
			 const struct balance_command *command,
			 const struct balance_runtime *before)
{
	const struct balance_runtime *draft = &request->draft;
	const struct balance_live *live = command->edit.live;
	const struct balance *state = weir_engine_state(request->engine, &weir_balance);
	unsigned first = before->row_count;
	unsigned last =
		draft->row_count < first + ADVISED_MOST ? draft->row_count : first + ADVISED_MOST;

	for (unsigned i = before->service_count; i < draft->service_count; i++)
		balance_reach_advise_source(&draft->services[i], command->edit.diag);
	for (unsigned i = first; i < last; i++) {
		const struct balance_row *row = &draft->rows[i];
		int known = balance_live_service(live, row->service);
		const struct balance_text *service =
			known < 0 ? made_find(draft, before->service_count, row->service) :
				    &live->all.services[known];
		struct weir_addr addr;

		if (service && row->is_added && !balance_addr_read(row->address, "", NULL, &addr))
			balance_reach_advise_one(state, &live->all, service, &addr,
						 command->edit.diag);
	}
}

/* It sees what those before it have done; the text that it sees is the draft's own. `live` is how
 * the draft is, where that is known. */
static int command_run(struct balance_request *request, struct balance_command *command,
		       const struct balance_live *live)
{
	const struct weir_config *config = weir_engine_config(request->engine);
	const struct balance_verb *verb = command->call->op->closure;
	_cleanup_live_ struct balance_live made = { 0 };
	const struct balance_runtime before = request->draft;
	int r = live ? 0 : balance_live_make(section_of(config), &request->draft, &made);

	command->edit = (struct balance_edit){
		.args = command->call->args,
		.role = command->call->role,
		.config = config,
		.state = weir_engine_state(request->engine, &weir_balance),
		.live = live ? live : &made,
		.runtime = &request->draft,
		.diag = &command->call->diag,
		.neighbours = weir_neighbours,
	};
	if (!r)
		r = verb->edit(&command->edit);
	if (!r)
		added_advise(request, command, &before);
	if (r)
		draft_cut(&request->draft, &before);
	command->edit.live = NULL;
	return r;
}

static int request_prepare(struct weir_change *change, void *data, struct weir_diag *diag)
{
	struct balance_request *request = (struct balance_request *)change;
	const struct balance *state = data;
	unsigned done = 0;
	int r = balance_runtime_copy(state->runtime, &request->draft);

	for (unsigned i = 0; i < request->count && !r; i++) {
		struct weir_call *call = request->commands[i].call;

		call->result = command_run(request, &request->commands[i],
					   done || state->is_stale ? NULL : state->live);
		done += !call->result;
	}
	return r || done ? r : request->commands[0].call->result;
}

static int request_persist(struct weir_change *change, void *data, struct weir_diag *diag)
{
	struct balance_request *request = (struct balance_request *)change;
	struct balance *state = data;
	int r = balance_store_save(state->dir, &request->draft);

	if (!r)
		balance_counts_save(&state->counts);
	if (r < 0)
		weir_diag_error(diag, "make room or mend the permissions, then try again",
				"cannot write balance.json in %s: %s", state->dir, strerror(-r));
	request->is_saved = !r;
	return r;
}

/* The loop knows which interfaces are watched, where a worker does not. */
static void announced_advise(const struct balance *state, struct weir_call *call, const char *name)
{
	const struct balance_text *text = made_find(state->runtime, 0, name);
	struct balance_end end;

	if (weir_args_flag(call->args, "announce") && text &&
	    !balance_service_read_as(text, "", NULL, &end))
		announce_advise(state->announce, &end.addr, &call->diag);
}

static void command_answer(const struct balance_request *request,
			   const struct balance_command *command)
{
	const struct balance_edit *edit = &command->edit;
	struct weir_call *call = command->call;
	struct weir_json_out json = { .out = &call->reply };

	announced_advise(weir_engine_state(request->engine, &weir_balance), call, edit->service);
	weir_json_open_object(&json, NULL);
	weir_json_put_str(&json, "result", edit->result);
	if (edit->service[0])
		weir_json_put_str(&json, "service", edit->service);
	if (edit->several) {
		weir_json_put_uint(&json, "backends", edit->several);
	} else if (edit->port) {
		weir_json_put_str(&json, "address", edit->address);
		balance_ports_put(&json, "port", edit->port);
	}
	if (call->diag.count)
		weir_json_put_diag(&json, "warnings", &call->diag);
	weir_json_put_uint(&json, "revision", weir_engine_revision(request->engine));
	weir_json_put_uint(&json, "ms",
			   (weir_clock_monotonic_ns() - request->started_ns) / WEIR_NS_PER_MS);
	weir_json_close_object(&json);
}

static void request_accept(struct weir_change *change, void *data)
{
	struct balance_request *request = (struct balance_request *)change;
	struct balance *state = data;

	request->is_accepted = true;
	balance_live_done(state->live); /* it borrows from what goes now */
	state->is_stale = true;
	balance_runtime_done(state->runtime);
	*state->runtime = request->draft;
	request->draft = (struct balance_runtime){ 0 };
	for (unsigned i = 0; i < request->count; i++)
		if (!request->commands[i].call->result)
			command_answer(request, &request->commands[i]);
}

static void request_free(struct weir_change *change)
{
	struct balance_request *request = (struct balance_request *)change;

	if (!request)
		return;
	/* It was written and did not come to be live: a restart must not make it so. */
	if (request->is_saved && !request->is_accepted) {
		const struct balance *state = weir_engine_state(request->engine, &weir_balance);
		int r = balance_store_save(state->dir, state->runtime);

		if (r < 0)
			weir_engine_warn(request->engine, weir_balance.name,
					 "balance.json in %s still has what was refused: %s",
					 state->dir, strerror(-r));
	}
	balance_runtime_done(&request->draft);
	free(request->commands);
	free(request);
}

static bool command_add(struct balance_request *request, struct weir_call *call)
{
	struct balance_command *grown =
		reallocarray(request->commands, request->count + 1ul, sizeof(*grown));

	if (!grown)
		return false;
	request->commands = grown;
	request->commands[request->count++] = (struct balance_command){ .call = call };
	return true;
}

static bool request_join(struct weir_change *change, struct weir_call *call)
{
	return call->op->run == balance_change_run &&
	       command_add((struct balance_request *)change, call);
}

int balance_change_run(struct weir_engine *engine, struct weir_call *call)
{
	_Static_assert(offsetof(struct balance_request, change) == 0,
		       "a change is cast to its request");
	struct balance_request *request = calloc(1, sizeof(*request));

	if (!request || !command_add(request, call)) {
		free(request);
		return -ENOMEM;
	}
	request->engine = engine;
	request->started_ns = weir_clock_monotonic_ns();
	request->change = (struct weir_change){
		.feature = &weir_balance,
		.prepare = request_prepare,
		.persist = request_persist,
		.accept = request_accept,
		.free = request_free,
		.join = request_join,
		.call = call,
		.draft = &request->draft,
	};
	return weir_engine_change(engine, &request->change);
}
