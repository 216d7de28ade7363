/* SPDX-License-Identifier: Apache-2.0 */
/* The rows of the operation table. */
#include "features/rules/rules_ops.h"

#define TEXT_ARG(key, metavar_of, text)                               \
	{                                                             \
		key, WEIR_ARG_STRING, 0, metavar_of, text, NULL, NULL \
	}
#define PLACE_ARGS                                                                              \
	TEXT_ARG("before", "NAME", "right before this rule; one without a name by its number"), \
		TEXT_ARG("after", "NAME", "right behind this rule"),                            \
		{ "first", WEIR_ARG_BOOL, 0, NULL, "before all others", NULL, NULL },           \
	{                                                                                       \
		"last", WEIR_ARG_BOOL, 0, NULL, "behind all others, as without any of these",   \
			NULL, NULL                                                              \
	}
#define NAME_ARG(text)                                                                          \
	{                                                                                       \
		"name", WEIR_ARG_STRING, WEIR_ARG_REQUIRED | WEIR_ARG_POSITIONAL, "NAME", text, \
			NULL, NULL                                                              \
	}

static const struct weir_arg add_args[] = {
	{ "name", WEIR_ARG_STRING, WEIR_ARG_POSITIONAL, "NAME",
	  "of a-z, 0-9, '.', '_', '-'; without, rule-1, rule-2 …", NULL, NULL },
	{ "action", WEIR_ARG_CHOICE, WEIR_ARG_REQUIRED, "ACTION",
	  "allow, deny and reject decide; count, log, mark and limit go on with the next rule",
	  rules_action_names, NULL },
	TEXT_ARG("src", "ADDRS", "sources: addresses, CIDRs, FROM-TO, sets and lists; `not X`"),
	TEXT_ARG("dst", "ADDRS", "destinations, likewise"),
	TEXT_ARG("service", "NAMES",
		 "packets to these services, in the place of --dst, --proto and --dport: web, dns"),
	TEXT_ARG("proto", "PROTOS", "protocols by name or number: tcp, udp, 47"),
	TEXT_ARG("sport", "PORTS", "source ports: 1024-65535, not 5060"),
	TEXT_ARG("dport", "PORTS", "destination ports: 22, 80, 8000-8100"),
	TEXT_ARG("interface", "IFS", "names and patterns: eth0, ppp*, not lo"),
	{ "direction", WEIR_ARG_CHOICE, 0, "WAY", "packets that arrive there, leave, or both",
	  rules_way_names, "both" },
	TEXT_ARG("family", "FAMILY", "ipv4 or ipv6; both without it"),
	TEXT_ARG("icmp-type", "TYPES", "by number or name: echo-request"),
	TEXT_ARG("icmp-code", "CODES", "0 to 255 and ranges"),
	TEXT_ARG("tcp-flags", "FLAGS", "VALUE/MASK: syn/syn,ack,rst,fin"),
	TEXT_ARG("state", "STATES",
		 "of the connection: new, established, related, invalid, "
		 "untracked"),
	TEXT_ARG("fragment", "WHICH", "none, first, later, or any for both"),
	TEXT_ARG("length", "BYTES", "of the IP packet: 0-127, 1500"),
	TEXT_ARG("dscp", "DSCPS", "by number or name: ef, af41, 0-7"),
	TEXT_ARG("vlan", "IDS", "none, or ids and ranges: 100, 200-299"),
	TEXT_ARG("schedule", "TIMES", "in local time: mon-fri 08:00-18:00, sat 10:00-12:00"),
	{ "log", WEIR_ARG_BOOL, 0, NULL, "tell an event for each packet that matches", NULL, NULL },
	TEXT_ARG("mark", "MARK", "set the packet's mark to this number, at TC hooks"),
	TEXT_ARG("rate", "RATE", "of the action limit: 100/s or 1MB/s; what is over it is dropped"),
	TEXT_ARG("burst", "BURST", "of the action limit: packets, or bytes, at once: 50, 64KiB"),
	TEXT_ARG("per", "WHOM",
		 "of the action limit: total (one bucket, as without it), source, source/24,/64, "
		 "destination, service, source + service"),
	TEXT_ARG("comment", "TEXT", "a remark, shown with the rule"),
	TEXT_ARG("group", "GROUP", "of the configuration, so that it is switched with it"),
	PLACE_ARGS,
	{ 0 },
};

static const struct weir_arg move_args[] = {
	NAME_ARG("the rule of run time to move"),
	PLACE_ARGS,
	{ 0 },
};

static const struct weir_arg name_args[] = {
	NAME_ARG("the rule of run time"),
	{ 0 },
};

static const struct weir_arg list_args[] = {
	TEXT_ARG("match", "TEXT",
		 "only rules with this in name, remark, group, conditions, "
		 "action or origin"),
	{ "limit", WEIR_ARG_UINT, 0, "N", "rules to show", NULL, "1000" },
	{ "offset", WEIR_ARG_UINT, 0, "N", "rules to leave out first", NULL, "0" },
	{ 0 },
};

static const struct weir_arg hits_args[] = {
	{ "name", WEIR_ARG_STRING, WEIR_ARG_POSITIONAL, "NAME", "only this rule, read anew", NULL,
	  NULL },
	{ "never", WEIR_ARG_BOOL, 0, NULL, "rules that act and that no packet has met yet", NULL,
	  NULL },
	{ "limit", WEIR_ARG_UINT, 0, "N", "rules to show", NULL, "100" },
	{ 0 },
};

#define ROW(verb, kind_of, role_of, args_of, text, typed, heavy) \
	static const struct weir_op rule_##verb = {              \
		.name = "rule." #verb,                           \
		.summary = text,                                 \
		.kind = kind_of,                                 \
		.role = role_of,                                 \
		.args = args_of,                                 \
		.example = "rule " #verb typed,                  \
		.run = rules_run_##verb,                         \
		.is_heavy = heavy,                               \
	}
#define READ(verb, args_of, text, typed) \
	ROW(verb, WEIR_OP_READ, WEIR_ROLE_VIEWER, args_of, text, typed, rules_list_is_heavy)
#define WRITE(verb, args_of, text, typed) \
	ROW(verb, WEIR_OP_WRITE, WEIR_ROLE_OPERATOR, args_of, text, typed, NULL)

WRITE(add, add_args, "Add a rule to the live policy; a restart remembers it",
      " no-telnet --action deny --proto tcp --dport 23 --log");
WRITE(del, name_args, "Delete a rule that was added at run time", " no-telnet");
READ(list, list_args, "Show all rules in the order packets meet them", " --match telnet");
WRITE(move, move_args, "Put a rule that was added at run time elsewhere",
      " no-telnet --before ssh");
READ(hits, hits_args, "Show which rules packets met, most first, or which they never did",
     " --never");
WRITE(enable, name_args, "Let a rule that was added at run time act again", " no-telnet");
WRITE(disable, name_args, "Keep a rule that was added at run time, but let it not act",
      " no-telnet");

const struct weir_op *const rules_ops[] = {
	&rule_add, &rule_del, &rule_list, &rule_move, &rule_hits, &rule_enable, &rule_disable, NULL,
};
