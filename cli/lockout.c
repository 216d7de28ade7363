/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The look before the leap: afterwards the answer would no longer arrive. Only for single entries,
 * whose addresses are on the command line; a file is read by the daemon alone.
 */
#include "cli/lockout.h"

#include <stdlib.h>
#include <string.h>

#include "base/addr.h"
#include "base/cleanup.h"
#include "base/json.h"
#include "cli/client.h"
#include "cli/remote.h"

/* "CLIENT PORT SERVER PORT", the client perhaps with a zone. */
static bool session_client(struct weir_addr *ret_client)
{
	const char *session = getenv("SSH_CONNECTION");

	return session && weir_addr_from_string(session, strcspn(session, " %"), ret_client) == 0;
}

static bool is_allowed(const struct weir_command *command, const char *client)
{
	_cleanup_buf_ struct weir_buf target = { 0 };
	_cleanup_diag_ struct weir_diag diag = { 0 };
	_cleanup_answer_ struct weir_answer answer = { 0 };
	_cleanup_json_ struct weir_json *json = NULL;

	weir_buf_add_str(&target, "/api/v1/allow/list?limit=1&match=");
	weir_query_add_escaped(&target, client);
	struct weir_request request = {
		.socket = weir_remote_socket(command),
		.method = "GET",
		.target = weir_buf_str(&target),
		.timeout_ms = weir_remote_timeout_ms(command),
		.body_fd = -1,
	};
	if (weir_client_ask(&request, &diag, &answer) < 0 ||
	    weir_json_parse(weir_buf_str(&answer.body), answer.body.len, NULL, NULL, &json) < 0)
		return true;
	return answer.status / 100 != 2 || weir_json_int(weir_json_get(json, "total"), 0) > 0;
}

bool weir_lockout_is_averted(const struct weir_command *command, struct weir_terminal *terminal)
{
	const char *entry = weir_command_str(command, "entry");
	struct weir_addr client;
	struct weir_range range;
	char text[WEIR_ADDR_TEXT];

	if (strcmp(command->verb->op->name, "block.add") != 0 || !entry ||
	    weir_command_flag(command, "force") || !session_client(&client) ||
	    weir_range_from_string(entry, strlen(entry), &range, NULL, NULL) < 0 ||
	    !weir_range_contains(&range, &client))
		return true;
	if (is_allowed(command, weir_addr_to_string(&client, text)))
		return true;
	_cleanup_buf_ struct weir_buf mend = { 0 };
	weir_buf_addf(&mend, "'weir allow add %s' first, or add --force", text);
	weir_terminal_problem(terminal, weir_buf_str(&mend),
			      "%s holds %s, where you are logged in from: you would lock "
			      "yourself out",
			      entry, text);
	return false;
}
