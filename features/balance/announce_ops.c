/* SPDX-License-Identifier: Apache-2.0 */
/* service announce: now. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "features/balance/announce.h"
#include "features/balance/balance_live.h"

static int refuse(struct weir_call *call, const struct weir_addr *addr, int error)
{
	int bits = weir_addr_is_v4(addr) ? 32 : 128;
	char text[WEIR_ADDR_TEXT], mend[120];

	weir_addr_to_string(addr, text);
	switch (error) {
	case -EADDRNOTAVAIL:
		snprintf(mend, sizeof(mend), "ip addr add %s/%d dev INTERFACE", text, bits);
		return weir_diag_key(&call->diag, "name", mend,
				     "%s is no address of this host, which would not answer who "
				     "asks for it",
				     text);
	case -ENETUNREACH:
		snprintf(mend, sizeof(mend), "ip addr add %s/%d dev INTERFACE, of a watched one",
			 text, bits);
		return weir_diag_key(
			&call->diag, "name", mend,
			"no watched interface that is up has %s, or its network: where "
			"it is routed to this host, no neighbour asks for it",
			text);
	default:
		weir_diag_key(&call->diag, "name", "give the daemon CAP_NET_RAW and AF_PACKET",
			      "%s cannot be announced: %s", text, strerror(-error));
		return error;
	}
}

static void answer(struct weir_call *call, const char *name, const struct weir_addr *addr,
		   const struct announce_place *places, unsigned count)
{
	struct weir_json_out json = { .out = &call->reply };
	char text[WEIR_ADDR_TEXT];

	weir_json_open_object(&json, NULL);
	weir_json_put_str(&json, "result", "announced");
	weir_json_put_str(&json, "service", name);
	weir_json_put_str(&json, "address", weir_addr_to_string(addr, text));
	weir_json_open_array(&json, "interfaces");
	for (unsigned i = 0; i < count; i++)
		weir_json_put_str(&json, NULL, places[i].name);
	weir_json_close_array(&json);
	weir_json_put_uint(&json, "times", ANNOUNCE_TIMES);
	weir_json_close_object(&json);
}

static int run_announce(struct weir_engine *engine, struct weir_call *call)
{
	struct balance *state = weir_engine_state(engine, &weir_balance);
	const struct balance_live *live = balance_live_of(state);
	const char *name = weir_call_str(call, "name");
	const struct announce_place *places = NULL;
	struct balance_end end;
	unsigned count = 0;

	if (!live)
		return -ENOMEM;
	int service = balance_live_acting(live, state->runtime, name, "name", &call->diag);

	if (service < 0)
		return service;
	end = live->services[service].end;
	int r = announce_ask(state->announce, &end.addr, &places, &count);

	if (r)
		return refuse(call, &end.addr, r);
	answer(call, name, &end.addr, places, count);
	return 0;
}

static const struct weir_arg announce_args[] = {
	{ "name", WEIR_ARG_STRING, WEIR_ARG_REQUIRED | WEIR_ARG_POSITIONAL, "NAME",
	  "the name of a service", NULL, NULL },
	{ 0 },
};

const struct weir_op announce_op = {
	.name = "service.announce",
	.summary = "Tell neighbours that a service's address is here (gratuitous ARP, unsolicited "
		   "advertisements)",
	.kind = WEIR_OP_WRITE,
	.role = WEIR_ROLE_OPERATOR,
	.args = announce_args,
	.example = "service announce web",
	.run = run_announce,
};
