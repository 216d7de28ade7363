/* SPDX-License-Identifier: Apache-2.0 */
/* One request, one JSON answer. */
#include "cli/ask.h"

#include <errno.h>
#include <string.h>

#include "base/cleanup.h"
#include "cli/client.h"
#include "cli/remote.h"

/* Of the first problem. */
static const char *mend_of(const struct weir_json *answer)
{
	const struct weir_json *problem = weir_json_at(weir_json_get(answer, "problems"), 0);

	return weir_json_str(weir_json_get(problem, "mend"), NULL);
}

int weir_ask(const struct weir_command *command, const struct weir_question *question,
	     struct weir_diag *diag, struct weir_json **ret_json)
{
	const char *body = question->body;
	_cleanup_diag_ struct weir_diag unheard = { 0 };
	_cleanup_answer_ struct weir_answer answer = { 0 };
	_cleanup_json_ struct weir_json *json = NULL;
	struct weir_request request = {
		.socket = weir_remote_socket(command),
		.method = body ? "POST" : "GET",
		.target = question->target,
		.content_type = body ? "application/json" : NULL,
		.body = body,
		.body_len = body ? strlen(body) : 0,
		.expect = question->expect,
		.timeout_ms = weir_remote_timeout_ms(command),
		.body_fd = -1,
	};
	int r = weir_client_ask(&request, diag ? diag : &unheard, &answer);

	if (r == 0)
		r = weir_json_parse(weir_buf_str(&answer.body), answer.body.len, "answer", diag,
				    &json);
	if (r < 0)
		return r;
	if (answer.status / 100 != 2)
		return weir_diag_error(diag, mend_of(json), "%s: %s", question->target,
				       weir_json_str(weir_json_get(json, "error"), "refused"));
	*ret_json = weir_take(json);
	return 0;
}
