/* SPDX-License-Identifier: Apache-2.0 */
/* Reads what a caller sent. Knows the table's types only as far as text must become a JSON number
 * or boolean. */
#include "api/arguments.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"

#define ARGUMENTS_MAX 64

struct query {
	const struct weir_op *op;
	struct weir_diag *diag;
	struct weir_json_out json;
	const char *seen[ARGUMENTS_MAX]; /* borrowed from the request */
	size_t count;
};

static const struct weir_arg *op_arg(const struct weir_op *op, const char *name)
{
	for (const struct weir_arg *arg = op->args; arg && arg->name; arg++)
		if (strcmp(arg->name, name) == 0)
			return arg;
	return NULL;
}

/* Text that JSON takes for the same whole number: no sign, no leading zero, within what json.h
 * reads. */
static bool is_json_uint(const char *text)
{
	size_t len = strlen(text);
	return len > 0 && len <= 18 && strspn(text, "0123456789") == len &&
	       (text[0] != '0' || len == 1);
}

/* "?flag", "?flag=1" and "?flag=true" are the same. NULL when it is no boolean. */
static const char *boolean_of(const char *text)
{
	if (*text == '\0' || strcmp(text, "1") == 0 || strcmp(text, "true") == 0)
		return "true";
	return strcmp(text, "0") == 0 || strcmp(text, "false") == 0 ? "false" : NULL;
}

/* What is no number or boolean stays a string: the check against the table then names argument and
 * cure. */
static void query_put(struct query *query, const char *name, const char *value)
{
	const struct weir_arg *arg = op_arg(query->op, name);
	if (arg && arg->type == WEIR_ARG_UINT && is_json_uint(value))
		weir_json_put_raw(&query->json, name, value);
	else if (arg && arg->type == WEIR_ARG_BOOL && boolean_of(value))
		weir_json_put_raw(&query->json, name, boolean_of(value));
	else
		weir_json_put_str(&query->json, name, value);
}

static int query_step(void *arg, const char *name, size_t name_len, const char *value,
		      size_t value_len)
{
	struct query *query = arg;
	if (query->count == ARGUMENTS_MAX)
		return weir_diag_error(query->diag, NULL, "the query has more than %d arguments",
				       ARGUMENTS_MAX);
	if (name_len == 0 || strlen(name) != name_len || (value && strlen(value) != value_len))
		return weir_diag_error(
			query->diag, NULL,
			"the query has an argument without name, or with a NUL byte");
	for (size_t i = 0; i < query->count; i++)
		if (strcmp(query->seen[i], name) == 0)
			return weir_diag_key(query->diag, name, "give it once",
					     "stands twice in the query");
	query->seen[query->count++] = name;
	query_put(query, name, value ? value : "");
	return 0;
}

static int arguments_set(struct weir_call *call, const char *text, size_t len)
{
	struct weir_json *json = NULL;
	int r = weir_json_parse(text, len, NULL, &call->diag, &json);
	if (r < 0)
		return r;
	if (weir_json_type(json) != WEIR_JSON_OBJECT) {
		weir_json_free(json);
		return weir_diag_error(&call->diag, "write {\"name\": value, …}",
				       "the body is JSON, but not an object of arguments");
	}
	weir_json_free(call->args);
	call->args = json;
	return 0;
}

static int arguments_from_query(struct weir_http_request *request, struct weir_call *call)
{
	_cleanup_buf_ struct weir_buf text = { 0 };
	struct query query = { .op = call->op, .diag = &call->diag, .json = { .out = &text } };
	weir_json_open_object(&query.json, NULL);
	int r = weir_http_request_query(request, query_step, &query);
	weir_json_close_object(&query.json);
	if (r < 0)
		return r;
	return text.failed ? -ENOMEM : arguments_set(call, text.data, text.len);
}

static int query_refuse(void *arg, const char *name, size_t name_len, const char *value,
			size_t value_len)
{
	return weir_diag_error(arg, "put it into the JSON object of the body",
			       "arguments of this operation do not stand in the query");
}

static int arguments_from_body(struct weir_http_request *request, struct weir_call *call)
{
	int r = weir_http_request_query(request, query_refuse, &call->diag);
	if (r < 0)
		return r;
	if (request->body.len == 0)
		return arguments_set(call, "{}", 2);
	return arguments_set(call, request->body.data, request->body.len);
}

bool weir_arguments_revision(const char *text, uint64_t *ret_revision)
{
	char digits[24];
	size_t len = strlen(text);
	bool is_quoted = len >= 2 && text[0] == '"' && text[len - 1] == '"';
	text += is_quoted;
	len -= 2u * is_quoted;
	if (len == 0 || len > 19 || strspn(text, "0123456789") != len)
		return false;
	memcpy(digits, text, len);
	digits[len] = '\0';
	*ret_revision = strtoull(digits, NULL, 10);
	return true;
}

static int expected_read(const struct weir_http_request *request, struct weir_call *call)
{
	const char *match = weir_http_request_header(request, "If-Match");
	if (!match || call->op->kind == WEIR_OP_READ)
		return 0;
	if (!weir_arguments_revision(match, &call->expected))
		return weir_diag_error(&call->diag,
				       "send the ETag of an earlier answer: If-Match: \"12\"",
				       "If-Match does not name a revision");
	call->has_expected = true;
	return 0;
}

int weir_arguments_read(struct weir_http_request *request, struct weir_call *call)
{
	int r = expected_read(request, call);
	if (r < 0)
		return r;
	if (call->op->kind == WEIR_OP_WRITE)
		return arguments_from_body(request, call);
	if (call->op->kind == WEIR_OP_UPLOAD) {
		call->body = request->body;
		request->body = (struct weir_buf){ 0 };
	}
	return arguments_from_query(request, call);
}

struct wanted {
	const char *name;
	char *value;
};

static int wanted_step(void *arg, const char *name, size_t name_len, const char *value,
		       size_t value_len)
{
	struct wanted *wanted = arg;
	if (strcmp(name, wanted->name) != 0)
		return 0;
	wanted->value = strdup(value ? value : "");
	return 1;
}

char *weir_arguments_query(const struct weir_http_request *request, const char *name)
{
	struct wanted wanted = { .name = name };
	weir_http_request_query(request, wanted_step, &wanted);
	return wanted.value;
}
