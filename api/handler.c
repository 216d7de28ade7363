/* SPDX-License-Identifier: Apache-2.0 */
/* What the API does with a request, from guard to answer, in the order it is read here. Operations
 * do their own work. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "api/answer.h"
#include "api/arguments.h"
#include "api/connections.h"
#include "api/metrics.h"
#include "api/openapi.h"
#include "api/route.h"
#include "api/service.h"
#include "base/cleanup.h"

#define UPLOADS_SPARE_BYTES (64u << 20)

/*
 * What a request needs from its head to its answer. A call under way holds it too: when its server
 * ends first, `request` becomes NULL and whoever finishes the call finds nobody to tell.
 */
struct job {
	struct weir_api *api;
	struct weir_http_request *request;
	struct weir_route route;
	struct weir_caller caller;
	uint64_t held_bytes;	/* of memory for uploads */
	struct weir_call *call; /* the engine's, from weir_call_run() until it is finished */
};

static void reject(struct weir_api *api, enum weir_http_rejection why)
{
	api->counts.rejected[why]++;
}

/* --- guards: each answers and returns false, or lets the request through --- */

static bool guard_stop(struct weir_api *api, struct weir_http_request *request)
{
	if (!api->is_stopping)
		return true;
	weir_http_answer_header(request, "Retry-After", "1");
	weir_answer_problem(api, request, 503, "try again when it runs again",
			    "the daemon is stopping");
	return false;
}

static bool guard_site(struct weir_api *api, struct weir_http_request *request)
{
	const char *host = weir_http_request_header(request, "Host");
	if (request->server != api->socket &&
	    !weir_auth_host_is_ours(&api->doors[WEIR_DOOR_API].listen, host)) {
		reject(api, WEIR_HTTP_REJECT_HOST);
		weir_answer_problem(api, request, 421, "ask for 127.0.0.1, localhost or [::1]",
				    "this server is not the host that was asked for");
		return false;
	}
	if (!weir_auth_origin_is_ours(weir_http_request_header(request, "Origin"), host)) {
		reject(api, WEIR_HTTP_REJECT_ORIGIN);
		weir_answer_problem(api, request, 403, "use the API from its own address",
				    "requests from pages of other sites are refused");
		return false;
	}
	return true;
}

/* Prometheus next door needs no token, and health tells nothing worth one. */
static bool is_open(const struct weir_http_request *request, const struct weir_route *route)
{
	return route->kind == WEIR_ROUTE_HEALTH ||
	       (route->kind == WEIR_ROUTE_METRICS && request->connection &&
		weir_connection_is_loopback(request->connection));
}

static bool guard_caller(struct weir_api *api, struct weir_http_request *request,
			 const struct weir_route *route, struct weir_caller *ret_caller)
{
	int r = weir_auth_identify(api->tokens, request, ret_caller);
	if (is_open(request, route))
		return true;
	if (r < 0) {
		reject(api, WEIR_HTTP_REJECT_TOKEN);
		weir_http_answer_header(request, "WWW-Authenticate", "Bearer");
		weir_answer_problem(api, request, 401,
				    "send the header Authorization: Bearer TOKEN; tokens stand in "
				    "tokens.json of the state directory",
				    r == -ENOKEY ? "this needs a token" :
						   "this token is not known");
		return false;
	}
	if (ret_caller->role < route->role) {
		reject(api, WEIR_HTTP_REJECT_ROLE);
		weir_answer_problem(api, request, 403, NULL, "this needs the role %s, and %s is %s",
				    weir_role_name(route->role), ret_caller->who,
				    weir_role_name(ret_caller->role));
		return false;
	}
	return true;
}

static bool guard_route(struct weir_api *api, struct weir_http_request *request,
			const struct weir_route *route)
{
	if (route->kind != WEIR_ROUTE_NONE)
		return true;
	_cleanup_buf_ struct weir_buf near = { 0 }, mend = { 0 };
	if (weir_route_nearest(request->path, &near))
		weir_buf_addf(&mend, "did you mean %s?", weir_buf_str(&near));
	else
		weir_buf_add_str(&mend, "GET /api/v1/operations lists all");
	weir_answer_problem(api, request, 404, weir_buf_str(&mend), "there is nothing at %.200s",
			    request->path);
	return false;
}

static bool guard_method(struct weir_api *api, struct weir_http_request *request,
			 const struct weir_route *route)
{
	bool is_options = strcmp(request->method, "OPTIONS") == 0;
	if (weir_route_takes(route, request->method) && !is_options)
		return true;
	weir_http_answer_header(request, "Allow", weir_route_methods(route));
	if (is_options)
		weir_answer_text(api, request, 204, NULL, NULL);
	else
		weir_answer_problem(api, request, 405, NULL, "%.200s takes %s, not %.20s",
				    request->path, weir_route_methods(route), request->method);
	return false;
}

static bool type_is_json(const char *type)
{
	size_t len = strlen(WEIR_TYPE_JSON);
	return type && strncasecmp(type, WEIR_TYPE_JSON, len) == 0 &&
	       (type[len] == '\0' || type[len] == ';' || type[len] == ' ');
}

static bool guard_body(struct weir_api *api, struct weir_http_request *request,
		       const struct weir_route *route)
{
	bool is_write = route->kind == WEIR_ROUTE_OP && route->op->kind == WEIR_OP_WRITE;
	bool is_upload = route->kind == WEIR_ROUTE_OP && route->op->kind == WEIR_OP_UPLOAD;

	request->body_max = is_upload ? api->upload_bytes_max :
			    is_write  ? api->request_bytes_max :
					0;
	if (request->announced == 0)
		return true;
	if (!is_write && !is_upload) {
		weir_answer_problem(api, request, 400, "put the arguments into the query",
				    "a %s has no body", request->method);
		return false;
	}
	/* A form of another site can send text/plain unasked, but not JSON. */
	if (is_write && !type_is_json(weir_http_request_header(request, "Content-Type"))) {
		weir_answer_problem(api, request, 415,
				    "send the header Content-Type: application/json",
				    "the body must be JSON");
		return false;
	}
	return true;
}

/*
 * Uploads are held in memory whole. All of them together may take little more than the largest one
 * may, else a few clients could have the daemon killed for its memory. Small ones always find room
 * beside a large one.
 */
static bool guard_memory(struct weir_api *api, struct weir_http_request *request,
			 const struct weir_route *route, uint64_t *ret_held)
{
	*ret_held = 0;
	if (route->kind != WEIR_ROUTE_OP || route->op->kind != WEIR_OP_UPLOAD)
		return true;
	uint64_t bytes = request->announced == UINT64_MAX ? request->body_max : request->announced;
	if (bytes > request->body_max)
		return true; /* too large anyway, and told so */
	if (bytes + api->upload_bytes_held > api->upload_bytes_max + UPLOADS_SPARE_BYTES) {
		weir_http_answer_header(request, "Retry-After", "1");
		weir_answer_problem(api, request, 503, "try again when they are done",
				    "other uploads take the memory there is for them");
		return false;
	}
	*ret_held = bytes;
	return true;
}

/* While the API lives for sure. */
static void job_settle(struct job *job)
{
	job->api->upload_bytes_held -= job->held_bytes;
	job->held_bytes = 0;
}

static void handler_begin(struct weir_http_request *request)
{
	struct weir_api *api = request->closure;
	struct weir_route route = weir_route_find(request->path);
	struct weir_caller caller = { 0 };
	uint64_t held_bytes = 0;

	if (!guard_stop(api, request) || !guard_site(api, request) ||
	    !guard_caller(api, request, &route, &caller) || !guard_route(api, request, &route) ||
	    !guard_method(api, request, &route) || !guard_body(api, request, &route) ||
	    !guard_memory(api, request, &route, &held_bytes))
		return;
	struct job *job = malloc(sizeof(*job));
	if (!job) {
		weir_answer_problem(api, request, 503, "try again", "out of memory");
		return;
	}
	*job = (struct job){ .api = api,
			     .request = request,
			     .route = route,
			     .caller = caller,
			     .held_bytes = held_bytes };
	api->upload_bytes_held += held_bytes;
	request->job = job;
}

static void handler_too_large(struct weir_http_request *request)
{
	struct weir_api *api = request->closure;
	const struct job *job = request->job;
	bool is_upload =
		job && job->route.kind == WEIR_ROUTE_OP && job->route.op->kind == WEIR_OP_UPLOAD;
	reject(api, WEIR_HTTP_REJECT_SIZE);
	weir_answer_problem(api, request, 413,
			    is_upload ? "raise api.upload-size, or send it in parts" :
					"raise api.request-size, or send less at a time",
			    "the body is larger than the %llu bytes that are taken",
			    (unsigned long long)request->body_max);
}

/* --- answers --- */

static void answer_document(struct weir_api *api, struct weir_http_request *request,
			    void (*write)(struct weir_buf *text))
{
	_cleanup_buf_ struct weir_buf text = { 0 };
	write(&text);
	weir_answer_text(api, request, 200, WEIR_TYPE_JSON, &text);
}

static void answer_stream(struct weir_api *api, struct weir_http_request *request)
{
	_cleanup_free_ char *kind = weir_arguments_query(request, "kind");
	/* A HEAD has no body to stream. */
	if (strcmp(request->method, "HEAD") == 0) {
		weir_answer_text(api, request, 200, "text/event-stream", NULL);
		return;
	}
	int r = weir_sse_open(api->sse, request, kind);
	if (r == -EUSERS) {
		reject(api, WEIR_HTTP_REJECT_STREAM);
		weir_answer_problem(api, request, 503, "close one",
				    "there are %d event streams already", WEIR_SSE_STREAMS_MAX);
	} else if (r < 0) {
		weir_answer_problem(api, request, 503, "try again", "out of memory");
	}
}

static void call_answer(struct weir_api *api, struct weir_http_request *request,
			struct weir_call *call)
{
	if (call->result >= 0) {
		weir_buf_add_char(&call->reply, '\n');
		weir_answer_text(api, request, 200, WEIR_TYPE_JSON, &call->reply);
		return;
	}
	if (call->result == -EACCES)
		reject(api, WEIR_HTTP_REJECT_ROLE);
	/* A refusal without a sentence would leave the caller with a number. */
	if (call->diag.errors == 0)
		weir_diag_error(&call->diag, NULL, "%s: %s", call->op->name,
				strerror(-call->result));
	weir_answer_refuse(api, request, weir_result_to_http(call->result), &call->diag);
}

static void call_finished(struct weir_call *call)
{
	struct job *job = call->door;
	if (job->request) {
		job->call = NULL;
		call_answer(job->api, job->request, call);
	} else {
		free(job); /* the API may be gone too: handler_gone() has settled the account */
	}
	weir_call_free(call);
}

static void answer_op(struct job *job)
{
	struct weir_call *call = weir_call_new(job->route.op);
	if (!call) {
		weir_answer_problem(job->api, job->request, 503, "try again", "out of memory");
		return;
	}
	call->role = job->caller.role;
	call->who = job->caller.who;
	call->door = job;
	call->finished = call_finished;
	job->call = call;
	int r = weir_arguments_read(job->request, call);
	if (r < 0) {
		call->result = r;
		call_finished(call);
		return;
	}
	weir_call_run(job->api->engine, call);
}

static void handler_complete(struct weir_http_request *request)
{
	struct job *job = request->job;
	struct weir_api *api = job->api;
	if (!guard_stop(api, request)) /* its head came before */
		return;
	switch (job->route.kind) {
	case WEIR_ROUTE_OP:
		answer_op(job);
		break;
	case WEIR_ROUTE_HEALTH:
		weir_answer_health(api, request);
		break;
	case WEIR_ROUTE_METRICS:
		weir_answer_metrics(api, request);
		break;
	case WEIR_ROUTE_STREAM:
		answer_stream(api, request);
		break;
	case WEIR_ROUTE_OPENAPI:
		answer_document(api, request, weir_openapi_write);
		break;
	case WEIR_ROUTE_OPERATIONS:
		answer_document(api, request, weir_operations_write);
		break;
	case WEIR_ROUTE_NONE:
		break;
	}
}

static void handler_gone(struct weir_http_request *request)
{
	struct job *job = request->job;
	if (!job)
		return;
	/* Also when the call goes on without its server, as a retired one's may: else its bytes
	 * would stay taken for good. */
	job_settle(job);
	if (job->call)
		job->request = NULL; /* call_finished() frees the job */
	else
		free(job);
}

const struct weir_http_handler weir_api_handler = {
	.begin = handler_begin,
	.too_large = handler_too_large,
	.complete = handler_complete,
	.gone = handler_gone,
};
