/* SPDX-License-Identifier: Apache-2.0 */
/* Operations of the engine itself: status, check, diff, config, events, interfaces. Those that
 * apply stand in apply_ops.c, explain in explain_ops.c. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "compile.h"
#include "config_diff.h"
#include "engine_private.h"
#include "event_log.h"
#include "status.h"

static int run_status(struct weir_engine *engine, struct weir_call *call)
{
	return weir_status_write(engine, &call->reply);
}

static int run_check(struct weir_engine *engine, struct weir_call *call)
{
	struct weir_json_out json = { .out = &call->reply };
	_cleanup_config_ struct weir_config *config = NULL;
	_cleanup_image_ struct weir_image *image = NULL;
	int r = weir_config_parse(weir_buf_str(&call->body), call->body.len,
				  weir_call_str(call, "name"), &call->diag, &config);

	if (!r)
		r = weir_compile(config, &call->diag, &image);
	if (r)
		return r;
	weir_config_advise(config, &call->diag);
	weir_json_open_object(&json, NULL);
	weir_json_put_bool(&json, "valid", true);
	weir_json_put_uint(&json, "bytes", weir_image_bytes(image));
	weir_json_put_uint(&json, "classes", weir_image_class_count(image));
	if (call->diag.count)
		weir_json_put_diag(&json, "warnings", &call->diag);
	weir_json_close_object(&json);
	return 0;
}

/* A few lines may name files with a million entries. */
static bool is_always_heavy(struct weir_engine *engine, const struct weir_call *call)
{
	return true;
}

static int run_diff(struct weir_engine *engine, struct weir_call *call)
{
	const struct weir_policy_text *live = &engine->policy.current;
	_cleanup_config_ struct weir_config *config = NULL;
	int r = weir_config_parse(weir_buf_str(&call->body), call->body.len,
				  weir_call_str(call, "name"), &call->diag, &config);

	return r ? r :
		   weir_config_diff(live->text ?: "", weir_buf_str(&call->body), &call->diag,
				    &call->reply);
}

static int run_config_show(struct weir_engine *engine, struct weir_call *call)
{
	struct weir_json_out json = { .out = &call->reply };
	const struct weir_policy_text *text = &engine->policy.current;

	weir_json_open_object(&json, NULL);
	weir_json_put_uint(&json, "revision", weir_engine_revision(engine));
	weir_json_put_str(&json, "file", text->file);
	weir_json_put_str(&json, "text", text->text ?: "");
	weir_json_put_bool(&json, "can_roll_back",
			   engine->policy.previous.text || engine->policy.trial.until_ns);
	weir_json_close_object(&json);
	return 0;
}

static void event_put(void *arg, const char *kind, const char *json)
{
	weir_json_put_raw(arg, NULL, json);
}

static int run_events(struct weir_engine *engine, struct weir_call *call)
{
	struct weir_json_out json = { .out = &call->reply };

	weir_json_open_object(&json, NULL);
	weir_json_open_array(&json, "events");
	weir_event_log_each(engine->log, weir_call_str(call, "kind"),
			    weir_call_uint(call, "limit", 100), event_put, &json);
	weir_json_close_array(&json);
	weir_json_close_object(&json);
	return 0;
}

static int interfaces_reply(struct weir_engine *engine, struct weir_call *call)
{
	struct weir_json_out json = { .out = &call->reply };

	weir_engine_look(engine);
	weir_json_open_object(&json, NULL);
	weir_json_put_uint(&json, "revision", weir_engine_revision(engine));
	weir_status_put_interfaces(engine->snapshot, &json);
	if (call->diag.count)
		weir_json_put_diag(&json, "warnings", &call->diag);
	weir_json_close_object(&json);
	return 0;
}

static int run_interface_list(struct weir_engine *engine, struct weir_call *call)
{
	return interfaces_reply(engine, call);
}

static int hook_arg(const struct weir_call *call)
{
	static const char *const names[] = { "auto", "xdp", "tc", "xdp-generic" };
	const char *text = weir_call_str(call, "hook");

	for (size_t i = 0; text && i < WEIR_ARRAY_SIZE(names); i++)
		if (strcmp(text, names[i]) == 0)
			return (int)i;
	return WEIR_HOOK_AUTO;
}

static int run_interface_attach(struct weir_engine *engine, struct weir_call *call)
{
	struct weir_interface_config wanted = {
		.name = (char *)weir_call_str(call, "interface"),
		.hook = hook_arg(call),
		.egress = weir_call_flag(call, "egress"),
	};
	int r = weir_interfaces_attach(engine->interfaces, &wanted, &call->diag);

	return r ? r : interfaces_reply(engine, call);
}

static int run_interface_detach(struct weir_engine *engine, struct weir_call *call)
{
	int r = weir_interfaces_detach(engine->interfaces, weir_call_str(call, "interface"),
				       &call->diag);

	return r ? r : interfaces_reply(engine, call);
}

static const char *const hook_names[] = { "auto", "xdp", "tc", "xdp-generic", NULL };

static const struct weir_arg text_args[] = {
	{ "name", WEIR_ARG_STRING, 0, "NAME", "what to call the file in messages", NULL, NULL },
	{ 0 },
};

static const struct weir_arg events_args[] = {
	{ "kind", WEIR_ARG_STRING, 0, "KIND",
	  "only these, as in drop,change; also attack, block, health_down, health_up, interface, "
	  "log, over, quality, synproxy, warning; and, to follow, flow: those that end",
	  NULL, NULL },
	{ "limit", WEIR_ARG_UINT, 0, "N", "at most so many, the newest", NULL, "100" },
	{ 0 },
};

static const struct weir_arg attach_args[] = {
	{ "interface", WEIR_ARG_STRING, WEIR_ARG_REQUIRED | WEIR_ARG_POSITIONAL, "IF",
	  "name of the interface", NULL, NULL },
	{ "hook", WEIR_ARG_CHOICE, 0, "HOOK", "where to attach", hook_names, "auto" },
	{ "egress", WEIR_ARG_BOOL, 0, NULL, "what leaves there too, not only what arrives", NULL,
	  NULL },
	{ 0 },
};

static const struct weir_arg detach_args[] = {
	{ "interface", WEIR_ARG_STRING, WEIR_ARG_REQUIRED | WEIR_ARG_POSITIONAL, "IF",
	  "name of the interface", NULL, NULL },
	{ 0 },
};

#define ROW(id, ...) static const struct weir_op op_##id = { __VA_ARGS__ }

ROW(status, .name = "status",
    .summary = "Show interfaces, hooks, the live policy and how packets ended",
    .kind = WEIR_OP_READ, .role = WEIR_ROLE_VIEWER, .example = "status", .run = run_status);
ROW(check, .name = "check", .summary = "Say what is wrong with a configuration, changing nothing",
    .kind = WEIR_OP_UPLOAD, .role = WEIR_ROLE_VIEWER, .args = text_args,
    .upload = "a configuration", .example = "check weir.yaml", .run = run_check,
    .is_heavy = is_always_heavy);
ROW(diff, .name = "diff", .summary = "Show what a configuration would change",
    .kind = WEIR_OP_UPLOAD, .role = WEIR_ROLE_VIEWER, .args = text_args,
    .upload = "a configuration", .example = "diff weir.yaml", .run = run_diff,
    .is_heavy = is_always_heavy);
ROW(config_show, .name = "config.show", .summary = "Show the configuration that is live",
    .kind = WEIR_OP_READ, .role = WEIR_ROLE_OPERATOR, .example = "config show",
    .run = run_config_show);
ROW(events, .name = "events", .summary = "Show the latest drops and changes", .kind = WEIR_OP_READ,
    .role = WEIR_ROLE_VIEWER, .args = events_args, .example = "events --follow --kind drop",
    .run = run_events);
ROW(interface_list, .name = "interface.list",
    .summary = "Show the watched interfaces, their hooks and why those", .kind = WEIR_OP_READ,
    .role = WEIR_ROLE_VIEWER, .example = "interface list", .run = run_interface_list);
ROW(interface_attach, .name = "interface.attach",
    .summary = "Watch an interface; a restart remembers it", .kind = WEIR_OP_WRITE,
    .role = WEIR_ROLE_ADMIN, .args = attach_args, .example = "interface attach eth1 --hook tc",
    .run = run_interface_attach);
ROW(interface_detach, .name = "interface.detach", .summary = "Watch an interface no longer",
    .kind = WEIR_OP_WRITE, .role = WEIR_ROLE_ADMIN, .args = detach_args,
    .example = "interface detach eth1", .run = run_interface_detach);

const struct weir_op *const weir_engine_ops[] = {
	&op_status,
	&weir_op_apply,
	&weir_op_reload,
	&op_diff,
	&op_check,
	&weir_op_confirm,
	&weir_op_rollback,
	&op_config_show,
	&weir_explain_op,
	&op_events,
	&op_interface_list,
	&op_interface_attach,
	&op_interface_detach,
	NULL,
};
