/* SPDX-License-Identifier: Apache-2.0 */
/* Generated at each request from the rows: there is no second list of operations that could differ.
 */
#include "api/openapi.h"

#include "api/answer.h"
#include "base/cleanup.h"
#include "core/ops.h"

static const char *const kinds[] = {
	[WEIR_OP_READ] = "read",
	[WEIR_OP_WRITE] = "write",
	[WEIR_OP_UPLOAD] = "upload",
};

static const char *const types[] = {
	[WEIR_ARG_STRING] = "string",	  [WEIR_ARG_UINT] = "uint",   [WEIR_ARG_BOOL] = "bool",
	[WEIR_ARG_DURATION] = "duration", [WEIR_ARG_RANGE] = "range", [WEIR_ARG_CHOICE] = "choice",
	[WEIR_ARG_PORTS] = "ports",	  [WEIR_ARG_WORDS] = "words",
};

/* --- the table as it is --- */

static void choices_put(struct weir_json_out *json, const char *key, const char *const *choices)
{
	if (!choices)
		return;
	weir_json_open_array(json, key);
	for (; *choices; choices++)
		weir_json_put_str(json, NULL, *choices);
	weir_json_close_array(json);
}

static void arg_put(struct weir_json_out *json, const struct weir_arg *arg)
{
	weir_json_open_object(json, NULL);
	weir_json_put_str(json, "name", arg->name);
	weir_json_put_str(json, "type", types[arg->type]);
	weir_json_put_bool(json, "required", arg->flags & WEIR_ARG_REQUIRED);
	weir_json_put_bool(json, "positional", arg->flags & WEIR_ARG_POSITIONAL);
	weir_json_put_str(json, "metavar", arg->metavar);
	weir_json_put_str(json, "help", arg->help);
	weir_json_put_str(json, "fallback", arg->fallback);
	choices_put(json, "choices", arg->choices);
	weir_json_close_object(json);
}

static void op_put(struct weir_json_out *json, const struct weir_op *op)
{
	_cleanup_buf_ struct weir_buf route = { 0 };
	weir_op_route(op, &route);
	weir_json_open_object(json, NULL);
	weir_json_put_str(json, "name", op->name);
	weir_json_put_str(json, "route", weir_buf_str(&route));
	weir_json_put_str(json, "method", op->kind == WEIR_OP_READ ? "GET" : "POST");
	weir_json_put_str(json, "kind", kinds[op->kind]);
	weir_json_put_str(json, "role", weir_role_name(op->role));
	weir_json_put_str(json, "summary", op->summary);
	weir_json_put_str(json, "example", op->example);
	weir_json_put_str(json, "upload", op->upload);
	weir_json_open_array(json, "args");
	for (const struct weir_arg *arg = op->args; arg && arg->name; arg++)
		arg_put(json, arg);
	weir_json_close_array(json);
	weir_json_close_object(json);
}

void weir_operations_write(struct weir_buf *text)
{
	struct weir_json_out json = { .out = text };
	const struct weir_op *op;
	weir_json_open_object(&json, NULL);
	weir_json_open_array(&json, "operations");
	for (size_t i = 0; (op = weir_op_at(i)); i++)
		op_put(&json, op);
	weir_json_close_array(&json);
	weir_json_close_object(&json);
	weir_buf_add_char(text, '\n');
}

/* --- OpenAPI --- */

static void description_put(struct weir_json_out *json, const struct weir_arg *arg)
{
	_cleanup_buf_ struct weir_buf text = { 0 };
	weir_buf_add_str(&text, arg->help ? arg->help : arg->name);
	if (arg->fallback)
		weir_buf_addf(&text, " (default: %s)", arg->fallback);
	weir_json_put_str(json, "description", weir_buf_str(&text));
}

static void schema_put(struct weir_json_out *json, const char *key, const struct weir_arg *arg)
{
	static const char *const json_types[] = {
		[WEIR_ARG_STRING] = "string", [WEIR_ARG_UINT] = "integer",
		[WEIR_ARG_BOOL] = "boolean",  [WEIR_ARG_DURATION] = "string",
		[WEIR_ARG_RANGE] = "string",  [WEIR_ARG_CHOICE] = "string",
		[WEIR_ARG_WORDS] = "array",   [WEIR_ARG_PORTS] = NULL,
	};
	weir_json_open_object(json, key);
	if (json_types[arg->type])
		weir_json_put_str(json, "type", json_types[arg->type]);
	else
		weir_json_put_raw(json, "type", "[\"integer\",\"string\"]");
	description_put(json, arg);
	if (arg->type == WEIR_ARG_UINT)
		weir_json_put_uint(json, "minimum", 0);
	else if (arg->type == WEIR_ARG_DURATION)
		weir_json_put_raw(json, "examples", "[\"10m\",\"1h30m\"]");
	else if (arg->type == WEIR_ARG_PORTS)
		weir_json_put_raw(json, "examples", "[80,\"8000-8099\",\"all\"]");
	else if (arg->type == WEIR_ARG_RANGE)
		weir_json_put_raw(json, "examples",
				  "[\"192.0.2.0/24\",\"2001:db8::1-2001:db8::9\"]");
	else if (arg->type == WEIR_ARG_WORDS)
		weir_json_put_raw(json, "items", "{\"type\":\"string\"}");
	else if (arg->type == WEIR_ARG_CHOICE)
		choices_put(json, "enum", arg->choices);
	weir_json_close_object(json);
}

static void reference_put(struct weir_json_out *json, const char *key, const char *target)
{
	weir_json_open_object(json, key);
	weir_json_put_str(json, "$ref", target);
	weir_json_close_object(json);
}

static void parameters_put(struct weir_json_out *json, const struct weir_op *op)
{
	weir_json_open_array(json, "parameters");
	for (const struct weir_arg *arg = op->args; arg && arg->name && op->kind != WEIR_OP_WRITE;
	     arg++) {
		weir_json_open_object(json, NULL);
		weir_json_put_str(json, "name", arg->name);
		weir_json_put_str(json, "in", "query");
		weir_json_put_bool(json, "required", arg->flags & WEIR_ARG_REQUIRED);
		schema_put(json, "schema", arg);
		weir_json_close_object(json);
	}
	if (op->kind != WEIR_OP_READ)
		reference_put(json, NULL, "#/components/parameters/IfMatch");
	weir_json_close_array(json);
}

static void body_schema_put(struct weir_json_out *json, const struct weir_op *op)
{
	weir_json_open_object(json, "schema");
	weir_json_put_str(json, "type", "object");
	weir_json_put_bool(json, "additionalProperties", false);
	weir_json_open_object(json, "properties");
	for (const struct weir_arg *arg = op->args; arg && arg->name; arg++)
		schema_put(json, arg->name, arg);
	weir_json_close_object(json);
	weir_json_open_array(json, "required");
	for (const struct weir_arg *arg = op->args; arg && arg->name; arg++)
		if (arg->flags & WEIR_ARG_REQUIRED)
			weir_json_put_str(json, NULL, arg->name);
	weir_json_close_array(json);
	weir_json_close_object(json);
}

static void body_put(struct weir_json_out *json, const struct weir_op *op)
{
	if (op->kind == WEIR_OP_READ)
		return;
	weir_json_open_object(json, "requestBody");
	if (op->kind == WEIR_OP_UPLOAD) {
		weir_json_put_str(json, "description", op->upload ? op->upload : "a file");
		weir_json_put_bool(json, "required", true);
	}
	weir_json_open_object(json, "content");
	weir_json_open_object(json, op->kind == WEIR_OP_UPLOAD ? "application/octet-stream" :
								 WEIR_TYPE_JSON);
	if (op->kind == WEIR_OP_WRITE)
		body_schema_put(json, op);
	weir_json_close_object(json);
	weir_json_close_object(json);
	weir_json_close_object(json);
}

static void answer_put(struct weir_json_out *json, const char *type)
{
	weir_json_open_object(json, "200");
	weir_json_put_str(json, "description", "done; ETag is the revision");
	weir_json_open_object(json, "content");
	weir_json_open_object(json, type);
	weir_json_close_object(json);
	weir_json_close_object(json);
	weir_json_close_object(json);
}

/* Which refusals a row can meet follows from its kind and role. */
static void answers_put(struct weir_json_out *json, const struct weir_op *op)
{
	static const struct {
		const char *status;
		unsigned kinds; /* bits by enum weir_op_kind */
	} refusals[] = {
		{ "400", 1u << WEIR_OP_READ | 1u << WEIR_OP_WRITE | 1u << WEIR_OP_UPLOAD },
		{ "401", 1u << WEIR_OP_READ | 1u << WEIR_OP_WRITE | 1u << WEIR_OP_UPLOAD },
		{ "403", 1u << WEIR_OP_READ | 1u << WEIR_OP_WRITE | 1u << WEIR_OP_UPLOAD },
		{ "404", 1u << WEIR_OP_READ | 1u << WEIR_OP_WRITE | 1u << WEIR_OP_UPLOAD },
		{ "409", 1u << WEIR_OP_WRITE | 1u << WEIR_OP_UPLOAD },
		{ "413", 1u << WEIR_OP_WRITE | 1u << WEIR_OP_UPLOAD },
		{ "415", 1u << WEIR_OP_WRITE },
		{ "503", 1u << WEIR_OP_READ | 1u << WEIR_OP_WRITE | 1u << WEIR_OP_UPLOAD },
		{ "507", 1u << WEIR_OP_WRITE | 1u << WEIR_OP_UPLOAD },
	};
	weir_json_open_object(json, "responses");
	answer_put(json, WEIR_TYPE_JSON);
	for (size_t i = 0; i < WEIR_ARRAY_SIZE(refusals); i++)
		if (refusals[i].kinds & 1u << op->kind)
			reference_put(json, refusals[i].status, "#/components/responses/Refusal");
	weir_json_close_object(json);
}

static void security_put(struct weir_json_out *json, enum weir_role role)
{
	weir_json_open_array(json, "security");
	weir_json_open_object(json, NULL);
	weir_json_open_array(json, "bearer");
	weir_json_put_str(json, NULL, weir_role_name(role));
	weir_json_close_array(json);
	weir_json_close_object(json);
	weir_json_close_array(json);
}

static void path_put(struct weir_json_out *json, const struct weir_op *op)
{
	_cleanup_buf_ struct weir_buf route = { 0 };
	const char *tag_end = op->name;
	while (*tag_end && *tag_end != '.')
		tag_end++;
	_cleanup_buf_ struct weir_buf tag = { 0 };
	weir_buf_add(&tag, op->name, (size_t)(tag_end - op->name));

	weir_op_route(op, &route);
	weir_json_open_object(json, weir_buf_str(&route));
	weir_json_open_object(json, op->kind == WEIR_OP_READ ? "get" : "post");
	weir_json_put_str(json, "operationId", op->name);
	weir_json_put_str(json, "summary", op->summary);
	weir_json_open_array(json, "tags");
	weir_json_put_str(json, NULL, weir_buf_str(&tag));
	weir_json_close_array(json);
	security_put(json, op->role);
	parameters_put(json, op);
	body_put(json, op);
	answers_put(json, op);
	weir_json_close_object(json);
	weir_json_close_object(json);
}

/* The resources that are no operations; there is nothing in the table to make them from. */
static const char health_path[] = "{\"get\":{\"operationId\":\"health\",\"summary\":\"Say that the "
				  "daemon answers\",\"security\":[],"
				  "\"responses\":{\"200\":{\"description\":\"it "
				  "does\",\"content\":{\"application/json\":{}}}}}}";
static const char metrics_path[] = "{\"get\":{\"operationId\":\"metrics\",\"summary\":\"Metrics "
				   "for Prometheus; no token from loopback\","
				   "\"responses\":{\"200\":{\"description\":\"exposition format "
				   "0.0.4\",\"content\":{\"text/plain\":{}}},"
				   "\"401\":{\"$ref\":\"#/components/responses/Refusal\"}}}}";
static const char stream_path[] =
	"{\"get\":{\"operationId\":\"stream\",\"summary\":\"Follow what happens, as server-sent "
	"events\","
	"\"parameters\":[{\"name\":\"kind\",\"in\":\"query\",\"required\":false,\"schema\":{"
	"\"type\":\"string\","
	"\"description\":\"kinds of event, separated by commas; all when absent\"}}],"
	"\"responses\":{\"200\":{\"description\":\"events\",\"content\":{\"text/"
	"event-stream\":{}}},"
	"\"401\":{\"$ref\":\"#/components/responses/Refusal\"},"
	"\"503\":{\"$ref\":\"#/components/responses/Refusal\"}}}}";
static const char components[] =
	"{\"securitySchemes\":{\"bearer\":{\"type\":\"http\",\"scheme\":\"bearer\"}},"
	"\"parameters\":{\"IfMatch\":{\"name\":\"If-Match\",\"in\":\"header\",\"required\":false,"
	"\"description\":\"the revision this change was made for; 409 when another is live\","
	"\"schema\":{\"type\":\"string\",\"examples\":[\"\\\"12\\\"\"]}}},"
	"\"responses\":{\"Refusal\":{\"description\":\"refused; nothing was changed\",\"content\":"
	"{\"application/json\":{\"schema\":{\"$ref\":\"#/components/schemas/Refusal\"}}}}},"
	"\"schemas\":{\"Refusal\":{\"type\":\"object\",\"required\":[\"error\",\"problems\","
	"\"revision\"],"
	"\"properties\":{\"error\":{\"type\":\"string\"},\"revision\":{\"type\":\"integer\"},"
	"\"problems_left_out\":{\"type\":\"integer\"},\"problems\":{\"type\":\"array\",\"items\":"
	"{\"$ref\":\"#/components/schemas/Problem\"}}}},"
	"\"Problem\":{\"type\":\"object\",\"required\":[\"level\",\"what\"],\"properties\":{"
	"\"level\":{\"enum\":[\"error\",\"warning\"]},\"what\":{\"type\":\"string\"},"
	"\"mend\":{\"type\":[\"string\",\"null\"]},\"file\":{\"type\":[\"string\",\"null\"]},"
	"\"key\":{\"type\":[\"string\",\"null\"]},\"line\":{\"type\":[\"integer\",\"null\"]},"
	"\"column\":{\"type\":[\"integer\",\"null\"]}}}}}";

static void info_put(struct weir_json_out *json)
{
	weir_json_open_object(json, "info");
	weir_json_put_str(json, "title", "Weir");
	weir_json_put_str(json, "version", WEIR_VERSION);
	weir_json_put_str(json, "summary", "Packet filter and monitor");
	weir_json_open_object(json, "license");
	weir_json_put_str(json, "name", "Apache 2.0");
	weir_json_put_str(json, "identifier", "Apache-2.0");
	weir_json_close_object(json);
	weir_json_close_object(json);
}

void weir_openapi_write(struct weir_buf *text)
{
	struct weir_json_out json = { .out = text };
	const struct weir_op *op;
	weir_json_open_object(&json, NULL);
	weir_json_put_str(&json, "openapi", "3.1.0");
	info_put(&json);
	security_put(&json, WEIR_ROLE_VIEWER);
	weir_json_open_object(&json, "paths");
	weir_json_put_raw(&json, "/healthz", health_path);
	weir_json_put_raw(&json, "/metrics", metrics_path);
	weir_json_put_raw(&json, "/api/v1/stream", stream_path);
	for (size_t i = 0; (op = weir_op_at(i)); i++)
		path_put(&json, op);
	weir_json_close_object(&json);
	weir_json_put_raw(&json, "components", components);
	weir_json_close_object(&json);
	weir_buf_add_char(text, '\n');
}
