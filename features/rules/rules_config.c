/* SPDX-License-Identifier: Apache-2.0 */
/* The keys of `rules:` in weir.yaml. What must hold across them is rules_check.c's. */
#include <string.h>

#include "features/rules/rules_state.h"
#include "features/rules/rules_text.h"

#define RULE(member) offsetof(struct rules_text, member)
#define SECTION(member) offsetof(struct rules_section, member)

#define STRING_KEY(yaml, member, words)                                                       \
	{                                                                                     \
		.key = yaml, .type = WEIR_FIELD_STRING, .offset = RULE(member), .help = words \
	}

/* A template that left it empty must not make the rule one about everything. */
#define CONDITION_KEY(yaml, member, words)                                                     \
	{                                                                                      \
		.key = yaml, .type = WEIR_FIELD_STRING, .offset = RULE(member), .help = words, \
		.wants_value = true                                                            \
	}

const struct weir_field rules_rule_fields[] = {
	STRING_KEY("name", name,
		   "The rule's name: 1 to 31 of a-z, 0-9, '.', '_' and '-', the first a letter or "
		   "digit; shown with each packet it decides."),
	STRING_KEY("comment", comment, "A remark, shown with the rule."),
	CONDITION_KEY("group", group,
		      "The group it belongs to, so that many can be switched at once."),
	{ .key = "enabled",
	  .type = WEIR_FIELD_BOOL,
	  .offset = RULE(enabled),
	  .fallback = "true",
	  .help = "Whether the rule acts." },
	CONDITION_KEY("interface", interface, "Names and patterns: eth0, ppp*, not lo."),
	{ .key = "direction",
	  .type = WEIR_FIELD_ENUM,
	  .offset = RULE(direction),
	  .values = rules_way_names,
	  .fallback = "both",
	  .wants_value = true,
	  .help = "Packets that arrive at an interface, leave it, or both." },
	CONDITION_KEY("family", family, "ipv4 or ipv6; both without it."),
	CONDITION_KEY("src", src,
		      "Source: addresses, CIDRs, ranges FROM-TO, names of sets and lists; `not X` "
		      "takes "
		      "X out."),
	CONDITION_KEY("dst", dst, "Destination, written like `src`."),
	CONDITION_KEY("service", service,
		      "Packets to services of `balance`, by name: web, dns. In the place of `dst`, "
		      "`proto` and `dport`, which a service has."),
	CONDITION_KEY("proto", proto, "Protocols by name or number: tcp, udp, 47."),
	CONDITION_KEY("sport", sport, "Source ports: 1024-65535, not 5060."),
	CONDITION_KEY("dport", dport, "Destination ports: 22, 80, 8000-8100."),
	CONDITION_KEY("icmp-type", icmp_type,
		      "ICMP types by number or name: echo-request; of both versions, unless "
		      "`proto` "
		      "or "
		      "`family` says which."),
	CONDITION_KEY("icmp-code", icmp_code, "ICMP codes: 0-3."),
	CONDITION_KEY("tcp-flags", tcp_flags,
		      "VALUE/MASK: of the flags in MASK those in VALUE are set and no other: "
		      "syn/syn,ack,rst,fin. Several, between spaces, are alternatives."),
	CONDITION_KEY("state", state,
		      "What connection tracking says: new, established, related, invalid, "
		      "untracked."),
	CONDITION_KEY("fragment", fragment, "none, first, later, or any for both."),
	CONDITION_KEY("length", length, "Bytes of the IP packet: 0-127, 1500."),
	CONDITION_KEY("dscp", dscp, "DSCP by number or name: ef, af41, 0-7."),
	CONDITION_KEY("vlan", vlan, "VLAN ids of the outermost tag, or none: 100, 200-299."),
	CONDITION_KEY("schedule", schedule,
		      "When the rule acts, in local time: mon-fri 08:00-18:00, sat 10:00-12:00."),
	{ .key = "action",
	  .type = WEIR_FIELD_ENUM,
	  .offset = RULE(action),
	  .values = rules_action_names,
	  .required = true,
	  .help = "allow, deny and reject decide; count, log and mark do that and go on with the "
		  "next rule. limit drops what is over `rate`, and goes on with what is not." },
	CONDITION_KEY("rate", rate,
		      "Of the action limit: packets, 100/s, 30/m, 10kpps, or bytes, 1MB/s, "
		      "100Mbit/s, that a bucket lets pass on average."),
	CONDITION_KEY("burst", burst,
		      "Of the action limit: packets, 50, or bytes, 64KiB, that may come at once "
		      "when "
		      "there were none for a while. Without it what comes in a second: one packet, "
		      "or 65550 bytes, at the least."),
	CONDITION_KEY("per", per,
		      "Of the action limit: total, one bucket for the rule, as without it; or one "
		      "for "
		      "each source, destination or service, written as `limit.limits` has it: "
		      "source/24,/64, source + service."),
	{ .key = "log",
	  .type = WEIR_FIELD_BOOL,
	  .offset = RULE(log),
	  .fallback = "false",
	  .help = "Tell an event for each packet that matches, within the rate of `events`." },
	CONDITION_KEY("mark", mark, "Set the packet's mark to this number, at TC hooks."),
	{ 0 },
};

static const char *const policy_values[] = { "allow", "deny", NULL };

static const struct weir_field policy_fields[] = {
	{ .key = "interface",
	  .type = WEIR_FIELD_STRING,
	  .offset = offsetof(struct rules_policy_config, interface),
	  .fallback = "*",
	  .wants_value = true,
	  .help = "Names and patterns of interfaces; the first entry that matches one holds." },
	{ .key = "ingress",
	  .type = WEIR_FIELD_ENUM,
	  .offset = offsetof(struct rules_policy_config, ingress),
	  .values = policy_values,
	  .fallback = "allow",
	  .help = "What happens to packets that arrive there and that no rule decides." },
	{ .key = "egress",
	  .type = WEIR_FIELD_ENUM,
	  .offset = offsetof(struct rules_policy_config, egress),
	  .values = policy_values,
	  .fallback = "allow",
	  .help = "Likewise for packets that leave there." },
	{ 0 },
};

static const struct weir_field set_fields[] = {
	{ .key = "name",
	  .type = WEIR_FIELD_STRING,
	  .offset = offsetof(struct rules_set_config, name),
	  .required = true,
	  .help = "The name rules and other sets use." },
	{ .key = "members",
	  .type = WEIR_FIELD_STRING,
	  .offset = offsetof(struct rules_set_config, members),
	  .required = true,
	  .help = "Addresses, CIDRs, ranges, other sets, and lists of `block`." },
	{ 0 },
};

static const struct weir_field group_fields[] = {
	{ .key = "name",
	  .type = WEIR_FIELD_STRING,
	  .offset = offsetof(struct rules_group_config, name),
	  .required = true,
	  .help = "The name rules give as their group." },
	{ .key = "enabled",
	  .type = WEIR_FIELD_BOOL,
	  .offset = offsetof(struct rules_group_config, enabled),
	  .fallback = "true",
	  .help = "Whether its rules act." },
	{ 0 },
};

#define LIST_OF(yaml, member, count, type_, fields_, words)                               \
	{                                                                                 \
		.key = yaml, .type = WEIR_FIELD_SEQUENCE, .offset = SECTION(member),      \
		.count_offset = SECTION(count), .size = sizeof(type_), .fields = fields_, \
		.help = words                                                             \
	}

const struct weir_field rules_fields[] = {
	{ .key = "enabled",
	  .type = WEIR_FIELD_BOOL,
	  .offset = SECTION(enabled),
	  .fallback = "true",
	  .help = "Whether rules and default policies act at all." },
	LIST_OF("policy", policies, policy_count, struct rules_policy_config, policy_fields,
		"Default policies: what happens where no rule decides. Without any, all passes."),
	LIST_OF("sets", sets, set_count, struct rules_set_config, set_fields,
		"Addresses by name, for the rules."),
	LIST_OF("groups", groups, group_count, struct rules_group_config, group_fields,
		"Groups of rules that can be switched off."),
	LIST_OF("rules", rules, rule_count, struct rules_text, rules_rule_fields,
		"The rules, in order; the first that decides wins."),
	{ 0 },
};

const struct rules_section *rules_section_of(const struct weir_config *config)
{
	return config->sections[weir_feature_index(&weir_rules)];
}

bool rules_group_is_on(const struct rules_section *section, const char *group)
{
	for (unsigned i = 0; group && i < section->group_count; i++)
		if (strcmp(section->groups[i].name, group) == 0)
			return section->groups[i].enabled;
	return true;
}
