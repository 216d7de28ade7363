/* SPDX-License-Identifier: Apache-2.0 */
/* How this API answers: JSON with the revision as ETag, refusals with what is wrong and how to mend
 * it. */
#ifndef WEIR_API_ANSWER_H
#define WEIR_API_ANSWER_H

#include "http.h"
#include "../base/buf.h"
#include "../base/diag.h"

struct weir_api;

#define WEIR_TYPE_JSON "application/json"

/* The headers that every answer has, streams included. */
void weir_answer_headers(const struct weir_api *api, struct weir_http_request *request);
/* Takes the content of body. */
void weir_answer_text(const struct weir_api *api, struct weir_http_request *request,
		      unsigned status, const char *type, struct weir_buf *body);
/* {"error":…,"problems":[…],"revision":N} of the entries in diag, which has an error. */
void weir_answer_refuse(const struct weir_api *api, struct weir_http_request *request,
			unsigned status, const struct weir_diag *diag);
/* The same with one problem. mend may be NULL. */
void weir_answer_problem(const struct weir_api *api, struct weir_http_request *request,
			 unsigned status, const char *mend, const char *format, ...)
	__attribute__((format(printf, 5, 6)));

#endif
