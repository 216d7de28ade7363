/* SPDX-License-Identifier: Apache-2.0 */
/* The one way into the engine: checks role, arguments and revision against the table, then runs the
 * row. */
#include "ops.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/addr.h"
#include "base/cleanup.h"
#include "base/ports.h"
#include "base/units.h"
#include "engine_private.h"
#include "feature.h"

struct weir_call *weir_call_new(const struct weir_op *op)
{
	struct weir_call *call = calloc(1, sizeof(*call));

	if (call)
		call->op = op;
	return call;
}

void weir_call_free(struct weir_call *call)
{
	if (!call)
		return;
	weir_json_free(call->args);
	weir_buf_done(&call->body);
	weir_buf_done(&call->reply);
	weir_diag_done(&call->diag);
	free(call);
}

const char *weir_call_str(const struct weir_call *call, const char *name)
{
	return weir_json_str(weir_json_get(call->args, name), NULL);
}

uint64_t weir_call_uint(const struct weir_call *call, const char *name, uint64_t fallback)
{
	const struct weir_json *value = weir_json_get(call->args, name);

	if (value && weir_json_type(value) == WEIR_JSON_STRING)
		return strtoull(weir_json_str(value, "0"), NULL, 10);
	return (uint64_t)weir_json_int(value, (int64_t)fallback);
}

bool weir_args_flag(const struct weir_json *args, const char *name)
{
	const struct weir_json *value = weir_json_get(args, name);
	const char *text = weir_json_str(value, NULL);

	return text ? strcmp(text, "true") == 0 || strcmp(text, "1") == 0 || !*text :
		      weir_json_bool(value, false);
}

bool weir_call_flag(const struct weir_call *call, const char *name)
{
	return weir_args_flag(call->args, name);
}

const struct weir_op *weir_op_at(size_t index)
{
	size_t i = 0;

	for (; weir_engine_ops[i]; i++)
		if (i == index)
			return weir_engine_ops[i];
	for (size_t f = 0; weir_features[f]; f++)
		for (size_t o = 0; weir_features[f]->ops && weir_features[f]->ops[o]; o++, i++)
			if (i == index)
				return weir_features[f]->ops[o];
	return NULL;
}

const struct weir_op *weir_op_find(const char *name)
{
	const struct weir_op *op;

	for (size_t i = 0; (op = weir_op_at(i)); i++)
		if (strcmp(op->name, name) == 0)
			return op;
	return NULL;
}

void weir_op_route(const struct weir_op *op, struct weir_buf *route)
{
	weir_buf_add_str(route, "/api/v1/");
	for (const char *c = op->name; *c; c++)
		weir_buf_add_char(route, *c == '.' ? '/' : *c);
}

unsigned weir_result_to_http(int result)
{
	switch (result) {
	case 0:
		return 200;
	case -EINVAL:
	case -ERANGE:
		return 400;
	case -EACCES:
	case -EPERM:
		return 403;
	case -ENOENT:
		return 404;
	case -EEXIST:
	case -ESTALE:
		return 409;
	case -EBUSY:
		return 503;
	case -ENOSPC:
	case -E2BIG:
		return 507;
	default:
		return 500;
	}
}

const char *weir_role_name(enum weir_role role)
{
	static const char *const names[] = { "none", "viewer", "operator", "admin" };

	return (unsigned)role < WEIR_ARRAY_SIZE(names) ? names[role] : "?";
}

static bool choice_is_known(const struct weir_arg *arg, const char *value)
{
	for (size_t i = 0; arg->choices && arg->choices[i]; i++)
		if (strcmp(arg->choices[i], value) == 0)
			return true;
	return false;
}

static int choice_refuse(const struct weir_arg *arg, const char *value, struct weir_diag *diag)
{
	_cleanup_buf_ struct weir_buf known = {};

	weir_buf_add_str(&known, "write one of: ");
	for (size_t i = 0; arg->choices && arg->choices[i]; i++)
		weir_buf_addf(&known, "%s%s", i ? ", " : "", arg->choices[i]);
	return weir_diag_key(diag, arg->name, weir_buf_str(&known), "'%s' is not known", value);
}

static bool text_is_uint(const char *text)
{
	char *end;

	errno = 0;
	strtoull(text, &end, 10);
	return *text >= '0' && *text <= '9' && !*end && !errno;
}

/* Numbers and flags may come as text too: a query string knows nothing else. */
static int text_check(const struct weir_arg *arg, const char *text, struct weir_diag *diag)
{
	struct weir_range range;
	uint64_t number;
	uint32_t ports;
	const char *why = NULL;

	switch (arg->type) {
	case WEIR_ARG_STRING:
		return 0;
	case WEIR_ARG_UINT:
		return text_is_uint(text) ? 0 :
					    weir_diag_key(diag, arg->name, "write a whole number",
							  "'%s' is not a number", text);
	case WEIR_ARG_BOOL:
		if (!*text || !strcmp(text, "true") || !strcmp(text, "false") ||
		    !strcmp(text, "1") || !strcmp(text, "0"))
			return 0;
		return weir_diag_key(diag, arg->name, "write true or false",
				     "'%s' is neither true nor false", text);
	case WEIR_ARG_DURATION:
		if (weir_duration_from_string(text, &number) == 0)
			return 0;
		return weir_diag_key(diag, arg->name, "write it like 30s, 10m, 1h30m or 7d",
				     "'%s' is not a duration", text);
	case WEIR_ARG_RANGE:
		if (weir_range_from_string(text, strlen(text), &range, NULL, &why) == 0)
			return 0;
		return weir_diag_key(diag, arg->name,
				     "write it like 192.0.2.1, 192.0.2.0/24, 192.0.2.10-192.0.2.20 "
				     "or 2001:db8::/32",
				     "'%s': %s", text, why ? why : "not an address");
	case WEIR_ARG_PORTS:
		return weir_ports_from_string(text, &ports) == 0 ?
			       0 :
			       weir_diag_key(diag, arg->name, WEIR_PORTS_MEND, "'%s' %s", text,
					     weir_ports_fault(text));
	case WEIR_ARG_CHOICE:
		return choice_is_known(arg, text) ? 0 : choice_refuse(arg, text, diag);
	case WEIR_ARG_WORDS:
		return weir_diag_key(diag, arg->name, "write [\"one\", \"another\"]",
				     "it is one text, and no array of texts");
	}
	return 0;
}

static bool is_words(const struct weir_json *value)
{
	bool is = weir_json_type(value) == WEIR_JSON_ARRAY;

	for (size_t i = 0; i < weir_json_size(value); i++)
		is = is && weir_json_type(weir_json_at(value, i)) == WEIR_JSON_STRING;
	return is;
}

static int value_check(const struct weir_arg *arg, const struct weir_json *value,
		       struct weir_diag *diag)
{
	enum weir_json_type type = weir_json_type(value);

	if (type == WEIR_JSON_STRING)
		return text_check(arg, weir_json_str(value, ""), diag);
	if (arg->type == WEIR_ARG_PORTS && type == WEIR_JSON_INTEGER)
		return weir_json_int(value, 0) > 0 && weir_json_int(value, 0) <= UINT16_MAX ?
			       0 :
			       weir_diag_key(diag, arg->name, WEIR_PORTS_MEND,
					     "%lld is not within 1 to 65535",
					     (long long)weir_json_int(value, 0));
	if (arg->type == WEIR_ARG_UINT && type == WEIR_JSON_INTEGER &&
	    weir_json_int(value, -1) >= 0)
		return 0;
	if (arg->type == WEIR_ARG_BOOL && type == WEIR_JSON_BOOL)
		return 0;
	if (arg->type == WEIR_ARG_WORDS && is_words(value))
		return 0;
	static const char *const wanted[] = {
		[WEIR_ARG_STRING] = "a text",
		[WEIR_ARG_UINT] = "a whole number",
		[WEIR_ARG_BOOL] = "true or false",
		[WEIR_ARG_DURATION] = "a text such as \"10m\"",
		[WEIR_ARG_RANGE] = "a text such as \"192.0.2.0/24\"",
		[WEIR_ARG_PORTS] = "a port, or a text such as \"8000-8099\"",
		[WEIR_ARG_CHOICE] = "a text",
		[WEIR_ARG_WORDS] = "an array of texts",
	};
	return weir_diag_key(diag, arg->name, arg->help, "the value is of the wrong type: write %s",
			     wanted[arg->type]);
}

static int member_check(const char *key, const struct weir_json *value, void *closure)
{
	struct weir_call *call = closure;

	for (const struct weir_arg *arg = call->op->args; arg && arg->name; arg++)
		if (strcmp(arg->name, key) == 0) {
			value_check(arg, value, &call->diag);
			return 0;
		}
	weir_diag_key(&call->diag, key, "see weir help, or /api/v1/openapi.json",
		      "%s takes no such argument", call->op->name);
	return 0;
}

static int args_check(struct weir_call *call)
{
	if (!call->args || weir_json_type(call->args) != WEIR_JSON_OBJECT)
		return weir_diag_error(&call->diag, "send {} when there are none",
				       "the arguments must be a JSON object");
	weir_json_each(call->args, member_check, call);
	for (const struct weir_arg *arg = call->op->args; arg && arg->name; arg++)
		if ((arg->flags & WEIR_ARG_REQUIRED) && !weir_json_get(call->args, arg->name))
			weir_diag_key(&call->diag, arg->name, arg->help, "%s is missing",
				      arg->name);
	return call->diag.errors ? -EINVAL : 0;
}

static int role_check(struct weir_call *call)
{
	if (call->role >= call->op->role)
		return 0;
	weir_diag_error(&call->diag, NULL, "%s needs the role %s; this caller is %s",
			call->op->name, weir_role_name(call->op->role), weir_role_name(call->role));
	return -EACCES;
}

void weir_call_run(struct weir_engine *engine, struct weir_call *call)
{
	int r = role_check(call);

	if (!r)
		r = args_check(call);
	if (r)
		weir_call_finish(call, r);
	else
		weir_engine_run(engine, call);
}

void weir_call_finish(struct weir_call *call, int result)
{
	if (result && !call->diag.errors)
		weir_diag_error(&call->diag, NULL, "%s failed: %s", call->op->name,
				strerror(-result));
	call->result = result;
	call->finished(call);
}
