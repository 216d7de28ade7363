/* SPDX-License-Identifier: Apache-2.0 */
/* From a request's query, body and If-Match to what an operation's call takes. */
#ifndef WEIR_API_ARGUMENTS_H
#define WEIR_API_ARGUMENTS_H

#include "../core/ops.h"
#include "http.h"

/*
 * Fills in args, body (taken from the request), has_expected and expected of a call. -EINVAL, told
 * in call->diag, when the text itself is wrong; whether the arguments suit the operation is checked
 * by weir_call_run().
 */
int weir_arguments_read(struct weir_http_request *request, struct weir_call *call);
/* The value of one argument of the query, copied; NULL when absent or out of memory. */
char *weir_arguments_query(const struct weir_http_request *request, const char *name);
/* "12" with or without quotes. false when it is anything else: a weak tag, a list, "*". */
bool weir_arguments_revision(const char *text, uint64_t *ret_revision);

#endif
