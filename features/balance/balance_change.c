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

struct balance_request {
	struct weir_change change;
	struct weir_engine *engine;
	const struct balance_verb *verb;
	struct balance_edit edit; /* what the answer says of it */
	struct balance_runtime draft;
	bool is_saved, is_accepted;
	uint64_t started_ns;
};

static const struct balance_section *section_of(const struct weir_config *config)
{
	return config->sections[weir_feature_index(&weir_balance)];
}

static int request_prepare(struct weir_change *change, void *data, struct weir_diag *diag)
{
	struct balance_request *request = (struct balance_request *)change;
	const struct balance *state = data;
	const struct weir_config *config = weir_engine_config(request->engine);
	_cleanup_live_ struct balance_live live = { 0 };
	int r = balance_runtime_copy(state->runtime, &request->draft);

	if (!r)
		r = balance_live_make(section_of(config), state->runtime, NULL, &live);
	if (r)
		return r;
	request->edit.args = change->call->args;
	request->edit.config = config;
	request->edit.live = &live;
	request->edit.runtime = &request->draft;
	request->edit.diag = diag;
	return request->verb->edit(&request->edit);
}

static int request_persist(struct weir_change *change, void *data, struct weir_diag *diag)
{
	struct balance_request *request = (struct balance_request *)change;
	const struct balance *state = data;
	int r = balance_store_save(state->dir, &request->draft);

	if (r < 0)
		weir_diag_error(diag, "make room or mend the permissions, then try again",
				"cannot write balance.json in %s: %s", state->dir, strerror(-r));
	request->is_saved = !r;
	return r;
}

static void request_answer(const struct balance_request *request, struct weir_call *call)
{
	const struct balance_edit *edit = &request->edit;
	struct weir_json_out json = { .out = &call->reply };

	weir_json_open_object(&json, NULL);
	weir_json_put_str(&json, "result", edit->result);
	if (edit->service[0])
		weir_json_put_str(&json, "service", edit->service);
	if (edit->port) {
		weir_json_put_str(&json, "address", edit->address);
		weir_json_put_uint(&json, "port", edit->port);
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
	request_answer(request, change->call);
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
	free(request);
}

int balance_change_run(struct weir_engine *engine, struct weir_call *call)
{
	_Static_assert(offsetof(struct balance_request, change) == 0,
		       "a change is cast to its request");
	struct balance_request *request = calloc(1, sizeof(*request));

	if (!request)
		return -ENOMEM;
	request->engine = engine;
	request->verb = call->op->closure;
	request->started_ns = weir_clock_monotonic_ns();
	request->change = (struct weir_change){
		.feature = &weir_balance,
		.prepare = request_prepare,
		.persist = request_persist,
		.accept = request_accept,
		.free = request_free,
		.call = call,
		.draft = &request->draft,
	};
	return weir_engine_change(engine, &request->change);
}
