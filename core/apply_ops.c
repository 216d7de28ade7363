/* SPDX-License-Identifier: Apache-2.0 */
/* Operations that make a configuration live, for good or on trial: apply, confirm, rollback. */
#include <errno.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "base/units.h"
#include "confirm.h"

static int confirm_arg(struct weir_call *call, uint64_t *ret_confirm_ns)
{
	const char *text = weir_call_str(call, "confirm");
	uint64_t confirm_ns = 0;

	if (text && (weir_duration_from_string(text, &confirm_ns) ||
		     confirm_ns < WEIR_CONFIRM_LEAST_NS || confirm_ns > WEIR_CONFIRM_MOST_NS))
		return weir_diag_key(&call->diag, "confirm", "write 5s to 1h, as in 60s",
				     "'%s' is no time to confirm a configuration in", text);
	*ret_confirm_ns = confirm_ns;
	return 0;
}

static int run_apply(struct weir_engine *engine, struct weir_call *call)
{
	struct weir_apply apply = {
		.text = weir_buf_str(&call->body),
		.len = call->body.len,
		.file = weir_call_str(call, "name"),
		.drops_oldest = weir_call_flag(call, "drop-oldest"),
	};
	int r = confirm_arg(call, &apply.confirm_ns);

	return r ? r : weir_engine_apply(engine, &apply, call);
}

static int run_confirm(struct weir_engine *engine, struct weir_call *call)
{
	if (engine->policy.trial.until_ns)
		return weir_engine_confirm(engine, call);
	weir_diag_error(&call->diag,
			"weir events --kind change tells whether it was rolled back already",
			"no configuration is on trial");
	return -ENOENT;
}

static int run_rollback(struct weir_engine *engine, struct weir_call *call)
{
	const struct weir_policy_file *policy = &engine->policy;
	const struct weir_policy_text *back =
		policy->trial.until_ns ? &policy->trial.confirmed : &policy->previous;

	if (!back->text) {
		weir_diag_error(&call->diag, "weir apply FILE",
				"there is no earlier configuration to go back to");
		return -ENOENT;
	}
	return weir_engine_apply(engine,
				 &(struct weir_apply){ .text = back->text,
						       .len = strlen(back->text),
						       .file = back->file,
						       .ends_trial_ns = policy->trial.until_ns },
				 call);
}

#define DROP_OLDEST                                                                             \
	{                                                                                       \
		.name = "drop-oldest", .type = WEIR_ARG_BOOL,                                   \
		.help = "where a table shrinks below what is stored: forget what was not seen " \
			"for "                                                                  \
			"the longest time"                                                      \
	}

static const struct weir_arg apply_args[] = {
	{ "name", WEIR_ARG_STRING, 0, "NAME", "what to call the file in messages", NULL, NULL },
	{ "confirm", WEIR_ARG_DURATION, 0, "DURATION",
	  "on trial: rolled back unless weir confirm comes within 5s to 1h", NULL, NULL },
	DROP_OLDEST,
	{ 0 },
};

const struct weir_op weir_op_apply = {
	.name = "apply",
	.summary = "Make a configuration live, whole or not at all",
	.kind = WEIR_OP_UPLOAD,
	.role = WEIR_ROLE_ADMIN,
	.args = apply_args,
	.upload = "a configuration",
	.example = "apply weir.yaml --confirm 60s",
	.run = run_apply,
};

/* The file the daemon was started with, as it is now. */
static int run_reload(struct weir_engine *engine, struct weir_call *call)
{
	const char *file = engine->options.config_file;
	_cleanup_buf_ struct weir_buf text = {};
	int r = file ? weir_file_read(file, WEIR_CONFIG_BYTES_MAX, &text) : -ENOENT;

	if (r) {
		weir_diag_error(&call->diag, "weir apply FILE makes another one live", "%s: %s",
				file ? file : "no configuration file", strerror(-r));
		return r;
	}
	return weir_engine_apply(engine,
				 &(struct weir_apply){
					 .text = weir_buf_str(&text),
					 .len = text.len,
					 .file = file,
					 .is_file = true,
					 .drops_oldest = weir_call_flag(call, "drop-oldest"),
				 },
				 call);
}

static const struct weir_arg reload_args[] = { DROP_OLDEST, { 0 } };

const struct weir_op weir_op_reload = {
	.name = "reload",
	.summary = "Read the configuration file again and make it live, losing nothing",
	.kind = WEIR_OP_WRITE,
	.role = WEIR_ROLE_ADMIN,
	.args = reload_args,
	.example = "reload",
	.run = run_reload,
};

const struct weir_op weir_op_confirm = {
	.name = "confirm",
	.summary = "Keep the configuration that is live on trial",
	.kind = WEIR_OP_WRITE,
	.role = WEIR_ROLE_ADMIN,
	.example = "confirm",
	.run = run_confirm,
};

const struct weir_op weir_op_rollback = {
	.name = "rollback",
	.summary = "Go back to the configuration confirmed before this one",
	.kind = WEIR_OP_WRITE,
	.role = WEIR_ROLE_ADMIN,
	.example = "rollback",
	.run = run_rollback,
};
