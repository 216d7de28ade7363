/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The look before the leap: afterwards the answer would no longer arrive. Only for single entries,
 * whose addresses are on the command line; gate.c looks at configurations.
 */
#include "cli/lockout.h"

#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/addr.h"
#include "base/cleanup.h"
#include "base/json.h"
#include "cli/ask.h"
#include "cli/client.h"

static bool is_address(const char *text, struct weir_addr *ret_addr)
{
	return weir_addr_from_string(text, strcspn(text, " %"), ret_addr) == 0;
}

/* "CLIENT PORT SERVER PORT", addresses perhaps with a zone. */
bool weir_lockout_session(struct weir_flow *ret_session)
{
	const char *text = getenv("SSH_CONNECTION");
	struct weir_flow session = { .kind = WEIR_FLOW_PEER, .proto = IPPROTO_TCP };
	char client[64], server[64];

	if (!text ||
	    sscanf(text, "%63s %hu %63s %hu", client, &session.sport, server, &session.dport) != 4)
		return false;
	*ret_session = session;
	return is_address(client, &ret_session->src) && is_address(server, &ret_session->dst);
}

static bool is_allowed(const struct weir_command *command, const char *client)
{
	_cleanup_buf_ struct weir_buf target = { 0 };
	_cleanup_json_ struct weir_json *json = NULL;

	weir_buf_add_str(&target, "/api/v1/allow/list?limit=1&match=");
	weir_query_add_escaped(&target, client);
	struct weir_question question = { .target = weir_buf_str(&target) };

	return weir_ask(command, &question, NULL, &json) < 0 ||
	       weir_json_int(weir_json_get(json, "total"), 0) > 0;
}

bool weir_lockout_is_averted(const struct weir_command *command, struct weir_terminal *terminal)
{
	const char *entry = weir_command_str(command, "entry");
	struct weir_flow session;
	struct weir_range range;
	char text[WEIR_ADDR_TEXT];

	if (strcmp(command->verb->op->name, "block.add") != 0 || !entry ||
	    weir_command_flag(command, "force") || !weir_lockout_session(&session) ||
	    weir_range_from_string(entry, strlen(entry), &range, NULL, NULL) < 0 ||
	    !weir_range_contains(&range, &session.src))
		return true;
	if (is_allowed(command, weir_addr_to_string(&session.src, text)))
		return true;
	_cleanup_buf_ struct weir_buf mend = { 0 };
	weir_buf_addf(&mend, "'weir allow add %s' first, or add --force", text);
	weir_terminal_problem(terminal, weir_buf_str(&mend),
			      "%s holds %s, where you are logged in from: you would lock "
			      "yourself out",
			      entry, text);
	return false;
}
