/* SPDX-License-Identifier: Apache-2.0 */
/* Writes answers. Which one, is decided in route.c and by the operations. */
#include "api/answer.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

#include "api/service.h"
#include "base/json.h"

#define PROBLEM_MAX 512

void weir_answer_headers(const struct weir_api *api, struct weir_http_request *request)
{
	char etag[24];
	snprintf(etag, sizeof(etag), "\"%" PRIu64 "\"", weir_engine_revision(api->engine));
	weir_http_answer_header(request, "ETag", etag);
	weir_http_answer_header(request, "Cache-Control", "no-store");
	weir_http_answer_header(request, "X-Content-Type-Options", "nosniff");
}

void weir_answer_text(const struct weir_api *api, struct weir_http_request *request,
		      unsigned status, const char *type, struct weir_buf *body)
{
	weir_answer_headers(api, request);
	weir_http_answer(request, status, type, body);
}

void weir_answer_refuse(const struct weir_api *api, struct weir_http_request *request,
			unsigned status, const struct weir_diag *diag)
{
	_cleanup_buf_ struct weir_buf text = { 0 };
	struct weir_json_out json = { .out = &text };
	weir_json_open_object(&json, NULL);
	weir_json_put_diag(&json, NULL, diag);
	weir_json_put_uint(&json, "revision", weir_engine_revision(api->engine));
	weir_json_close_object(&json);
	weir_buf_add_char(&text, '\n');
	weir_answer_text(api, request, status, WEIR_TYPE_JSON, &text);
}

void weir_answer_problem(const struct weir_api *api, struct weir_http_request *request,
			 unsigned status, const char *mend, const char *format, ...)
{
	_cleanup_diag_ struct weir_diag diag = { 0 };
	char what[PROBLEM_MAX];
	va_list args;
	va_start(args, format);
	vsnprintf(what, sizeof(what), format, args);
	va_end(args);
	weir_diag_error(&diag, mend, "%s", what);
	weir_answer_refuse(api, request, status, &diag);
}
