/* SPDX-License-Identifier: Apache-2.0 */
/* Events as they happen: the stream of the API, a line an event. */
#include <errno.h>

#include "cli/cli.h"
#include "cli/client.h"
#include "cli/remote.h"
#include "cli/render.h"
#include "cli/sse.h"

#include <string.h>

struct follow {
	struct weir_terminal *terminal;
	const char *kind; /* those wanted, which the daemon sees to; or NULL */
	struct weir_sse sse;
};

static int event_show(void *arg, const char *kind, const char *data, size_t len)
{
	struct follow *follow = arg;
	_cleanup_json_ struct weir_json *json = NULL;
	_cleanup_buf_ struct weir_buf out = { 0 };

	/* Totals once a second are for the console; as lines they would bury what happens. */
	if (!follow->kind && strcmp(kind, "snapshot") == 0)
		return 0;
	if (weir_json_parse(data, len, NULL, NULL, &json) < 0)
		return 0;
	if (follow->terminal->json) {
		weir_buf_addf(&out, "%s\n", data);
	} else {
		struct weir_view view = { .out = &out, .color = follow->terminal->color };

		weir_render_event(&view, kind, json);
	}
	return weir_terminal_print(follow->terminal, &out) ? 0 : -ECANCELED;
}

static int piece_take(void *arg, const char *bytes, size_t len)
{
	struct follow *follow = arg;

	return weir_sse_feed(&follow->sse, bytes, len);
}

static int follow_refused(struct weir_terminal *terminal, const struct weir_answer *answer)
{
	_cleanup_json_ struct weir_json *json = NULL;

	(void)weir_json_parse(weir_buf_str(&answer->body), answer->body.len, NULL, NULL, &json);
	weir_terminal_problems(terminal, json, NULL);
	return WEIR_EXIT_FAILED;
}

int weir_follow_run(const struct weir_command *command, struct weir_terminal *terminal)
{
	_cleanup_diag_ struct weir_diag diag = { 0 };
	_cleanup_answer_ struct weir_answer answer = { 0 };
	_cleanup_buf_ struct weir_buf target = { 0 };
	struct follow follow = {
		.terminal = terminal,
		.kind = weir_command_str(command, "kind"),
	};

	if (weir_command_flag(command, "csv")) {
		weir_terminal_problem(terminal, "--json has a line each",
				      "--csv: what columns events to come have is not known");
		return WEIR_EXIT_USAGE;
	}
	weir_buf_add_str(&target, "/api/v1/stream");
	if (follow.kind) {
		weir_buf_add_str(&target, "?kind=");
		weir_query_add_escaped(&target, follow.kind);
	}
	follow.sse.event = event_show;
	follow.sse.arg = &follow;
	struct weir_request request = {
		.socket = weir_remote_socket(command),
		.method = "GET",
		.target = weir_buf_str(&target),
		.timeout_ms = weir_remote_timeout_ms(command),
		.piece = piece_take,
		.arg = &follow,
	};
	int result = weir_client_ask(&request, &diag, &answer);
	weir_sse_done(&follow.sse);
	if (result ==
	    -ECANCELED) /* the reader of our output went away: `weir events --follow | head` */
		return WEIR_EXIT_OK;
	if (result < 0)
		return weir_remote_failed(terminal, result, &diag);
	if (answer.status / 100 != 2)
		return follow_refused(terminal, &answer);
	weir_terminal_problem(terminal, NULL, "the daemon ended the stream");
	return WEIR_EXIT_FAILED;
}
