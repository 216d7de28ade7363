/* SPDX-License-Identifier: Apache-2.0 */
#include "inside.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"

/* The door. */
struct inside {
	weir_inside_fn *done;
	void *arg;
};

static void call_freep(struct weir_call **call)
{
	weir_call_free(*call);
}

static void inside_finished(struct weir_call *call)
{
	_cleanup_(call_freep) struct weir_call *owned = call;
	_cleanup_free_ struct inside *inside = call->door;
	_cleanup_json_ struct weir_json *reply = NULL;
	int r = call->result;

	if (!r)
		r = weir_json_parse(weir_buf_str(&call->reply), call->reply.len, NULL, NULL,
				    &reply);
	inside->done(inside->arg, r, reply, &owned->diag);
}

int weir_inside_run(struct weir_engine *engine, const char *op_name, const char *args,
		    const char *who, weir_inside_fn *done, void *arg)
{
	const struct weir_op *op = weir_op_find(op_name);
	_cleanup_(call_freep) struct weir_call *call = op ? weir_call_new(op) : NULL;
	_cleanup_free_ struct inside *inside = calloc(1, sizeof(*inside));

	if (!op)
		return -ENOENT;
	if (!call || !inside)
		return -ENOMEM;
	int r = weir_json_parse(args, strlen(args), NULL, NULL, &call->args);

	if (r)
		return r;
	*inside = (struct inside){ done, arg };
	call->role = WEIR_ROLE_OPERATOR;
	call->who = who;
	call->finished = inside_finished;
	call->door = weir_take(inside);
	weir_call_run(engine, weir_take(call));
	return 0;
}
