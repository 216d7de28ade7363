/* SPDX-License-Identifier: Apache-2.0 */
/* The commands that change services and backends at run time; what they do is balance_edit*.c. */
#include "features/balance/balance_change.h"

#define EDIT_OP(identifier, op_name, what, arguments, shown, does) \
	const struct weir_op identifier = {                        \
		.name = op_name,                                   \
		.summary = what,                                   \
		.kind = WEIR_OP_WRITE,                             \
		.role = WEIR_ROLE_OPERATOR,                        \
		.args = arguments,                                 \
		.example = shown,                                  \
		.run = balance_change_run,                         \
		.closure = &(const struct balance_verb){ does },   \
	}

#define WORD_ARG(key, metavar_of, text)                                                          \
	{                                                                                        \
		key, WEIR_ARG_STRING, WEIR_ARG_REQUIRED | WEIR_ARG_POSITIONAL, metavar_of, text, \
			NULL, NULL                                                               \
	}
#define NEEDED_ARG(key, type_of, metavar_of, text)                            \
	{                                                                     \
		key, type_of, WEIR_ARG_REQUIRED, metavar_of, text, NULL, NULL \
	}
#define SERVICE_ARG WORD_ARG("service", "SERVICE", "the name of a service")
#define BACKEND_ARG                                                                              \
	WORD_ARG("backend", "A[:P]",                                                             \
		 "the backend: 10.0.0.10, 10.0.0.10:8080, [2001:db8::10]:8080; without a port, " \
		 "the service's")
#define PROTO_ARG(key)                                                                       \
	{                                                                                    \
		key, WEIR_ARG_CHOICE, 0, "PROTO", "the protocol", balance_proto_names, "tcp" \
	}

#define SOURCE_ARG                                                                               \
	{                                                                                        \
		"source", WEIR_ARG_STRING, 0, "ADDRESS",                                         \
			"an address of this host that backends see in the clients' place", NULL, \
			NULL                                                                     \
	}

#define NOW_ARG                                                                               \
	{                                                                                     \
		"now", WEIR_ARG_BOOL, 0, NULL, "what lives there is cut, and does not go on", \
			NULL, NULL                                                            \
	}

#define ANNOUNCE_ARG                                                               \
	{                                                                          \
		"announce", WEIR_ARG_BOOL, 0, NULL,                                \
			"neighbours are told that its address is here", NULL, NULL \
	}

/* Those of health_fields, which says what each has without. */
#define HEALTH_ARG(key, type_of, metavar_of, text)                     \
	{                                                              \
		"health" key, type_of, 0, metavar_of, text, NULL, NULL \
	}
#define HEALTH_CHOICE(key, metavar_of, text, names)                             \
	{                                                                       \
		"health" key, WEIR_ARG_CHOICE, 0, metavar_of, text, names, NULL \
	}
#define HEALTH_ARGS                                                                                \
	HEALTH_CHOICE("", "TYPE", "backends are checked by this; not without", health_type_names), \
		HEALTH_ARG("-interval", WEIR_ARG_DURATION, "DURATION", "of checks: 2s without"),   \
		HEALTH_ARG("-timeout", WEIR_ARG_DURATION, "DURATION", "of a check: 1s without"),   \
		HEALTH_ARG("-rise", WEIR_ARG_UINT, "N",                                            \
			   "good checks that bring one up: 2 without"),                            \
		HEALTH_ARG("-fall", WEIR_ARG_UINT, "N",                                            \
			   "failures that bring one down: 3 without"),                             \
		HEALTH_ARG("-jitter", WEIR_ARG_UINT, "N",                                          \
			   "hundredths of the interval that one may begin early: 10 without"),     \
		HEALTH_ARG("-port", WEIR_ARG_UINT, "PORT",                                         \
			   "the port that is asked: the backend's without, or with 0"),            \
		HEALTH_CHOICE("-through", "WAY",                                                   \
			      "the way a check goes where forward is not nat: auto without",       \
			      health_through_names),                                               \
		HEALTH_ARG("-damping-downs", WEIR_ARG_UINT, "N",                                   \
			   "who goes down so often is held down: 5 without; 0 for nobody"),        \
		HEALTH_ARG("-damping-within", WEIR_ARG_DURATION, "DURATION",                       \
			   "the time in which it counts: 10m without"),                            \
		HEALTH_ARG("-damping-hold", WEIR_ARG_DURATION, "DURATION",                         \
			   "how long it is held the first time: 1m without"),                      \
		HEALTH_ARG("-damping-hold-most", WEIR_ARG_DURATION, "DURATION",                    \
			   "how long at most: 1h without"),                                        \
		HEALTH_ARG("-path", WEIR_ARG_STRING, "PATH",                                       \
			   "http, https: what is asked for: / without"),                           \
		HEALTH_ARG("-host", WEIR_ARG_STRING, "NAME",                                       \
			   "http, https, tls: whose page it is, and whom the handshake asks for"), \
		HEALTH_ARG("-verify", WEIR_ARG_BOOL, NULL,                                         \
			   "https, tls: the certificate must be valid, and for the host"),         \
		HEALTH_ARG("-ca", WEIR_ARG_STRING, "FILE",                                         \
			   "https, tls: of who may have signed it, by its whole path: the "        \
			   "system's without. Role: admin"),                                       \
		HEALTH_ARG("-status", WEIR_ARG_STRING, "LIST",                                     \
			   "http, https: what is good, as \"200, 300-399\": 200-399 without"),     \
		HEALTH_ARG("-body", WEIR_ARG_STRING, "TEXT",                                       \
			   "http, https: what must stand in the answer"),                          \
		HEALTH_ARG("-send", WEIR_ARG_STRING, "TEXT",                                       \
			   "udp: what the datagram holds: text, or \"hex:00 01 ff\""),             \
		HEALTH_ARG("-expect", WEIR_ARG_STRING, "TEXT",                                     \
			   "udp: what must stand in the answer, written likewise"),                \
		HEALTH_ARG("-query", WEIR_ARG_STRING, "NAME",                                      \
			   "dns: the name that is asked about; . is the root"),                    \
		HEALTH_CHOICE("-record", "RECORD",                                                 \
			      "dns: which of its records is asked for: a without",                 \
			      health_record_names),                                                \
		HEALTH_ARG("-command", WEIR_ARG_WORDS, "WORD",                                     \
			   "command: the program, by its whole path; once more for each of its "   \
			   "arguments. No shell reads them. Role: admin")

#define ALL_DOWN_ARG(without)                                                               \
	{                                                                                   \
		"on-all-down", WEIR_ARG_CHOICE, 0, "WHAT",                                  \
			"where all are down, new connections are refused, dropped without " \
			"a word, or go on as if all were up",                               \
			health_all_down_names, without                                      \
	}

#define PREFIX_ARG                                                                                 \
	{                                                                                          \
		"client-prefix", WEIR_ARG_UINT, 0, "N",                                            \
			"of source-hash: how many bits of a client's address count; all without, " \
			"or with 0",                                                               \
			NULL, NULL                                                                 \
	}

#define AFFINITY_PREFIX_ARG                                                                  \
	{                                                                                    \
		"affinity-prefix", WEIR_ARG_UINT, 0, "N",                                    \
			"of affinity: how many bits of an address say who a client is; all " \
			"without, or with 0",                                                \
			NULL, NULL                                                           \
	}

static const struct weir_arg add_args[] = {
	WORD_ARG("name", "NAME", "of a-z, 0-9, '.', '_', '-'"),
	NEEDED_ARG("address", WEIR_ARG_STRING, "ADDRESS", "what clients speak to"),
	NEEDED_ARG("port", WEIR_ARG_PORTS, "PORT",
		   "the port that clients speak to; a range, 8000-8099; or all"),
	PROTO_ARG("proto"),
	{ "forward", WEIR_ARG_CHOICE, 0, "HOW",
	  "how packets reach backends; by all but nat they answer clients themselves",
	  balance_forward_names, "nat" },
	SOURCE_ARG,
	{ "scheduler", WEIR_ARG_CHOICE, 0, "HOW", "which backend a new connection gets",
	  balance_scheduler_names, "maglev" },
	PREFIX_ARG,
	{ "affinity", WEIR_ARG_DURATION, 0, "DURATION",
	  "for how long a client that comes again gets the backend that he had", NULL, NULL },
	AFFINITY_PREFIX_ARG,
	ANNOUNCE_ARG,
	HEALTH_ARGS,
	ALL_DOWN_ARG("refuse"),
	{ "backend", WEIR_ARG_STRING, WEIR_ARG_MANY, "A[:P]",
	  "who serves it; may be given more than once, or have commas between", NULL, NULL },
	{ 0 },
};
EDIT_OP(balance_add_op, "service.add", "Add a service at run time, which is kept over restarts",
	add_args,
	"service add web --address 192.0.2.1 --port 80 --backend 10.0.0.10:8080 --backend "
	"10.0.0.11:8080",
	balance_edit_add);

static const struct weir_arg set_args[] = {
	WORD_ARG("name", "NAME", "the name of a service of run time"),
	{ "scheduler", WEIR_ARG_CHOICE, 0, "HOW", "which backend a new connection gets",
	  balance_scheduler_names, NULL },
	PREFIX_ARG,
	{ "affinity", WEIR_ARG_DURATION, 0, "DURATION",
	  "for how long a client that comes again gets the backend that he had; 0s for not at all",
	  NULL, NULL },
	AFFINITY_PREFIX_ARG,
	ANNOUNCE_ARG,
	HEALTH_ARGS,
	ALL_DOWN_ARG(NULL),
	{ 0 },
};
EDIT_OP(balance_set_op, "service.set",
	"Change what is given of a service of run time; what lives goes on", set_args,
	"service set web --health http --health-path /ok", balance_edit_set);

static const struct weir_arg name_args[] = { WORD_ARG("name", "NAME", "the name of a service"),
					     { 0 } };
EDIT_OP(balance_del_op, "service.del", "Delete a service of run time, with its backends", name_args,
	"service del web", balance_edit_del);
EDIT_OP(balance_enable_op, "service.enable", "Undo service disable", name_args,
	"service enable web", balance_edit_enable);
EDIT_OP(balance_disable_op, "service.disable",
	"Let packets to a service go where they would without it, until it is enabled", name_args,
	"service disable web", balance_edit_disable);

static const struct weir_arg backend_add_args[] = {
	SERVICE_ARG,
	BACKEND_ARG,
	{ "weight", WEIR_ARG_UINT, 0, "N", "its share of new connections", NULL, "1" },
	{ 0 },
};
EDIT_OP(balance_backend_add_op, "service.backend.add", "Add a backend to a service at run time",
	backend_add_args, "service backend add web 10.0.0.12:8080 --weight 2",
	balance_edit_backend_add);

static const struct weir_arg backend_args[] = { SERVICE_ARG, BACKEND_ARG, { 0 } };
static const struct weir_arg backend_del_args[] = { SERVICE_ARG, BACKEND_ARG, NOW_ARG, { 0 } };
EDIT_OP(balance_backend_del_op, "service.backend.del",
	"Delete a backend of run time; what lives goes on till it ends", backend_del_args,
	"service backend del web 10.0.0.12:8080", balance_edit_backend_del);

static const struct weir_arg backend_set_args[] = {
	SERVICE_ARG,
	BACKEND_ARG,
	NEEDED_ARG("weight", WEIR_ARG_UINT, "N", "its share of new connections, 0 for none"),
	{ 0 },
};
EDIT_OP(balance_backend_set_op, "service.backend.set", "Change the weight of a backend",
	backend_set_args, "service backend set web 10.0.0.10:8080 --weight 5",
	balance_edit_backend_set);
EDIT_OP(balance_backend_drain_op, "service.backend.drain",
	"Give a backend no new connections; what lives goes on", backend_args,
	"service backend drain web 10.0.0.10:8080", balance_edit_backend_drain);
EDIT_OP(balance_backend_undrain_op, "service.backend.undrain", "Undo service backend drain",
	backend_args, "service backend undrain web 10.0.0.10:8080", balance_edit_backend_undrain);

#define VIP_ARGS                                                                          \
	NEEDED_ARG("vip", WEIR_ARG_STRING, "ADDRESS", "what clients speak to"),           \
		NEEDED_ARG("vport", WEIR_ARG_PORTS, "PORT",                               \
			   "the port that clients speak to; a range, 8000-8099; or all"), \
		PROTO_ARG("protocol")

static const struct weir_arg dnat_add_args[] = {
	VIP_ARGS,
	NEEDED_ARG("rip", WEIR_ARG_STRING, "ADDRESS", "the backend's"),
	{ "rport", WEIR_ARG_UINT, WEIR_ARG_IS_PORT, "PORT", "its port; without, the same", NULL,
	  NULL },
	{ "source", WEIR_ARG_STRING, 0, "ADDRESS",
	  "what backends see in the clients' place, an address of this host, or none; without, one "
	  "of their network if VIP and backend are in one, else none",
	  NULL, NULL },
	ANNOUNCE_ARG,
	HEALTH_ARGS,
	ALL_DOWN_ARG("refuse"),
	{ 0 },
};
EDIT_OP(balance_dnat_add_op, "lb.add-dnat",
	"Add a backend to the service at an address and port, which is made if there is none",
	dnat_add_args,
	"lb add-dnat --vip 192.0.2.1 --vport 80 --rip 10.0.0.10 --rport 8080 --protocol tcp",
	balance_edit_dnat_add);

static const struct weir_arg dnat_remove_args[] = {
	VIP_ARGS,
	{ "rip", WEIR_ARG_STRING, 0, "ADDRESS", "this backend alone; without, all of them", NULL,
	  NULL },
	{ "rport", WEIR_ARG_UINT, WEIR_ARG_IS_PORT, "PORT", "its port; without, the same", NULL,
	  NULL },
	NOW_ARG,
	{ 0 },
};
EDIT_OP(balance_dnat_remove_op, "lb.remove-dnat",
	"Remove the service of run time at an address and port, or one of its backends",
	dnat_remove_args, "lb remove-dnat --vip 192.0.2.1 --vport 80 --protocol tcp",
	balance_edit_dnat_remove);

EDIT_OP(balance_on_op, "lb.enable", "Undo lb disable", NULL, "lb enable", balance_edit_on);
EDIT_OP(balance_off_op, "lb.disable",
	"Let packets go where they would without any service, until it is enabled", NULL,
	"lb disable", balance_edit_off);
