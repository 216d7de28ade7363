/* SPDX-License-Identifier: Apache-2.0 */
/* The keys of `conntrack:` in weir.yaml. */
#include "core/compile.h"
#include "features/conntrack/conntrack_state.h"

#define SECTION(member) offsetof(struct conntrack_section, member)
#define CAPACITY_MOST 16000000
#define RECORDS_MOST 10000000
#define KEYS_MOST 1000000

static const char *const switch_names[] = { "auto", "true", "false", NULL };

#define LIFE(member) (offsetof(struct conntrack_lives, member))
#define OF_STATE(identifier, name, timeout, words)                                \
	{ .key = (name),                                                          \
	  .type = WEIR_FIELD_DURATION,                                            \
	  .offset = LIFE(of_state) + (identifier) * sizeof(struct weir_quantity), \
	  .fallback = (timeout),                                                  \
	  .least = CONNTRACK_TIMEOUT_LEAST_NS,                                    \
	  .most = CONNTRACK_TIMEOUT_MOST_NS,                                      \
	  .help = words "." },

#define TOTALS(member) (offsetof(struct conntrack_section, totals.member) - SECTION(totals))

static const struct weir_field totals_fields[] = {
	{ .key = "keys",
	  .type = WEIR_FIELD_UINT,
	  .offset = TOTALS(keys),
	  .fallback = "4096",
	  .least = 0,
	  .most = KEYS_MOST,
	  .help = "How many addresses are kept apart, the heaviest; as many networks, ports and "
		  "each of the others. About 1,400 bytes each, together. 0: nothing is summed "
		  "up." },
	{ .key = "prefix",
	  .type = WEIR_FIELD_UINT,
	  .offset = TOTALS(prefix),
	  .fallback = "24",
	  .most = 32,
	  .help = "How long networks of IPv4 are." },
	{ .key = "prefix6",
	  .type = WEIR_FIELD_UINT,
	  .offset = TOTALS(prefix6),
	  .fallback = "64",
	  .most = 128,
	  .help = "How long networks of IPv6 are." },
	{ 0 },
};

#define HELPERS(member) (offsetof(struct conntrack_section, helpers.member) - SECTION(helpers))

static const struct weir_field helper_fields[] = {
	{ .key = "ftp",
	  .type = WEIR_FIELD_STRINGS,
	  .offset = HELPERS(ftp),
	  .count_offset = HELPERS(ftp_count),
	  .help = "Ports of FTP servers, [21] as a rule: the data connections they and their "
		  "clients agree on are let in, from and to the two only." },
	{ 0 },
};

/* The timeout of a state in one protocol, whose timeouts lie `behind` the states'. */
#define OF_PROTO(behind, identifier, name)                                    \
	{ .key = (name),                                                      \
	  .type = WEIR_FIELD_DURATION,                                        \
	  .offset = ((identifier) + (behind)) * sizeof(struct weir_quantity), \
	  .least = CONNTRACK_TIMEOUT_LEAST_NS,                                \
	  .most = CONNTRACK_TIMEOUT_MOST_NS,                                  \
	  .help = "As `" name "` of `timeouts`, for this protocol alone." },

#define OF_NEITHER(identifier, name, timeout, words) OF_PROTO(0, identifier, name)
#define OF_SCTP(identifier, name, timeout, words) \
	OF_PROTO(CONNTRACK_TIMEOUT_SCTP - CONNTRACK_TIMEOUT_TCP, identifier, name)
#define OF_UDPLITE(identifier, name, timeout, words) \
	OF_PROTO(CONNTRACK_TIMEOUT_UDPLITE - CONNTRACK_TIMEOUT_UDP, identifier, name)
#define OF_DCCP(identifier, name, timeout, words) \
	OF_PROTO(CONNTRACK_TIMEOUT_DCCP - CONNTRACK_TIMEOUT_UDP, identifier, name)

static const struct weir_field tcp_fields[] = { CONNTRACK_TCP_STATES(OF_NEITHER){ 0 } };
static const struct weir_field sctp_fields[] = { CONNTRACK_TCP_STATES(OF_SCTP){ 0 } };
static const struct weir_field udp_fields[] = { CONNTRACK_UDP_STATES(OF_NEITHER){ 0 } };
static const struct weir_field udplite_fields[] = { CONNTRACK_UDP_STATES(OF_UDPLITE){ 0 } };
static const struct weir_field dccp_fields[] = { CONNTRACK_UDP_STATES(OF_DCCP){ 0 } };

#define OF_ONE(number, name, words)                                                     \
	{                                                                               \
		.key = (name), .type = WEIR_FIELD_DURATION,                             \
		.offset = LIFE(of_proto) + (number) * sizeof(struct weir_quantity),     \
		.least = CONNTRACK_TIMEOUT_LEAST_NS, .most = CONNTRACK_TIMEOUT_MOST_NS, \
		.help = words                                                           \
	}
#define OF_SEVERAL(name, words, inner)                                                          \
	{                                                                                       \
		.key = (name), .type = WEIR_FIELD_MAPPING, .offset = LIFE(of_proto),            \
		.size = sizeof(((struct conntrack_lives *)0)->of_proto), .fields = (inner),     \
		.help = "Timeouts of " words " that differ from those that all protocols have." \
	}

static const struct weir_field timeout_fields[] = {
	CONNTRACK_STATES(OF_STATE) OF_SEVERAL("tcp", "TCP", tcp_fields),
	OF_SEVERAL("sctp", "SCTP", sctp_fields),
	OF_SEVERAL("udp", "UDP", udp_fields),
	OF_SEVERAL("udplite", "UDP-Lite", udplite_fields),
	OF_SEVERAL("dccp", "DCCP", dccp_fields),
	OF_ONE(CONNTRACK_TIMEOUT_ICMP, "icmp", "`echo` of ICMP alone."),
	OF_ONE(CONNTRACK_TIMEOUT_ICMPV6, "icmpv6", "`echo` of ICMPv6 alone."),
	OF_ONE(CONNTRACK_TIMEOUT_GRE, "gre", "`other` of GRE alone."),
	OF_ONE(CONNTRACK_TIMEOUT_ESP, "esp", "`other` of ESP alone."),
	{ 0 },
};

/* By timeout, the state it is of. */
#define STATE(identifier, name, timeout, words) identifier,
static const enum conntrack_state timeout_states[CONNTRACK_TIMEOUT_COUNT] = {
	CONNTRACK_STATES(STATE)		  /* those that all have */
	CONNTRACK_TCP_STATES(STATE)	  /* SCTP */
	CONNTRACK_UDP_STATES(STATE)	  /* UDP-Lite */
	CONNTRACK_UDP_STATES(STATE)	  /* DCCP */
	CONNTRACK_ECHO,			  /* ICMPv6 */
	CONNTRACK_OTHER, CONNTRACK_OTHER, /* GRE, ESP */
};
#undef STATE

struct conntrack_timeouts conntrack_timeouts_of(const struct conntrack_section *section)
{
	const struct conntrack_lives *lives = &section->timeouts;
	struct conntrack_timeouts timeouts = {};

	for (int i = 0; i < CONNTRACK_TIMEOUT_COUNT; i++) {
		uint64_t own_ns = lives->of_proto[i].value;
		uint64_t ns = own_ns ? own_ns : lives->of_state[timeout_states[i]].value;

		timeouts.ticks[i] = (uint32_t)(ns >> CONNTRACK_TICK_SHIFT);
	}
	return timeouts;
}

const struct weir_field conntrack_fields[] = {
	{ .key = "enabled",
	  .type = WEIR_FIELD_ENUM,
	  .offset = SECTION(enabled),
	  .values = switch_names,
	  .fallback = "auto",
	  .help = "Whether connections are tracked. auto: when a default policy or a last rule "
		  "denies, a rule asks for a state, or a limit counts connections of others than "
		  "TCP." },
	{ .key = "capacity",
	  .type = WEIR_FIELD_UINT,
	  .offset = SECTION(capacity),
	  .fallback = "100000",
	  .least = 1,
	  .most = CAPACITY_MOST,
	  .help = "Flows that have proven themselves: both sides were seen, and the first again. "
		  "About 165 bytes each. A quarter of the room is for TCP whose handshake was "
		  "seen." },
	{ .key = "half-open",
	  .type = WEIR_FIELD_UINT,
	  .offset = SECTION(half_open),
	  .fallback = "65536",
	  .least = 1,
	  .most = CAPACITY_MOST,
	  .help = "Flows that have not. In a flood they make room for newer ones, set by set "
		  "in turn, and only here." },
	{ .key = "window-check",
	  .type = WEIR_FIELD_BOOL,
	  .offset = SECTION(window_check),
	  .fallback = "true",
	  .help = "TCP packets whose numbers lie outside what both sides have room for are "
		  "invalid, and SCTP packets with a wrong tag." },
	{ .key = "pick-up",
	  .type = WEIR_FIELD_BOOL,
	  .offset = SECTION(pick_up),
	  .fallback = "true",
	  .help = "TCP connections whose beginning was not seen are new, not invalid." },
	{ .key = "asymmetric",
	  .type = WEIR_FIELD_BOOL,
	  .offset = SECTION(asymmetric),
	  .fallback = "false",
	  .help = "Only one direction of a connection may come by here: it counts as established "
		  "without an answer, and windows are not checked. None has then shown that its "
		  "sender hears the answers, so a quarter of the room stays unused." },
	{ .key = "account",
	  .type = WEIR_FIELD_BOOL,
	  .offset = SECTION(account),
	  .fallback = "false",
	  .help = "Count packets and bytes of each flow, both ways; what is counted in no flow is "
		  "counted as unaccounted, and why. 80 bytes more a flow." },
	{ .key = "records",
	  .type = WEIR_FIELD_UINT,
	  .offset = SECTION(records),
	  .fallback = "10000",
	  .least = 0,
	  .most = RECORDS_MOST,
	  .help = "Where flows are counted: how many of those that have ended are kept to look at. "
		  "280 bytes each. 0: no flow is told of when it ends." },
	{ .key = "active-timeout",
	  .type = WEIR_FIELD_DURATION,
	  .offset = SECTION(active_timeout),
	  .least = CONNTRACK_TIMEOUT_LEAST_NS,
	  .most = CONNTRACK_TIMEOUT_MOST_NS,
	  .help = "Where flows are counted: a flow that lives longer leaves a record so often, of "
		  "what it carried since. 110 bytes for each of `capacity`. Without it, one when "
		  "it ends." },
	{ .key = "totals",
	  .type = WEIR_FIELD_MAPPING,
	  .offset = SECTION(totals),
	  .size = sizeof(((struct conntrack_section *)0)->totals),
	  .fields = totals_fields,
	  .help = "Where flows are counted: what those that have ended carried, summed up by "
		  "addresses, networks, ports and so on, for `flow top --ended`." },
	{ .key = "timeouts",
	  .type = WEIR_FIELD_MAPPING,
	  .offset = SECTION(timeouts),
	  .size = sizeof(((struct conntrack_section *)0)->timeouts),
	  .fields = timeout_fields,
	  .help = "How long a flow is remembered after its last packet, by its state." },
	{ .key = "helpers",
	  .type = WEIR_FIELD_MAPPING,
	  .offset = SECTION(helpers),
	  .size = sizeof(((struct conntrack_section *)0)->helpers),
	  .fields = helper_fields,
	  .help = "Protocols whose words open second connections." },
	{ 0 },
};

int conntrack_check(const struct weir_config *config, const void *data, struct weir_diag *diag)
{
	const struct conntrack_section *section = data;

	if (section->enabled == CONNTRACK_OFF && weir_config_denies_by_default(config))
		weir_diag_warning_key(diag, "conntrack.enabled", "leave it out, or write auto",
				      "a policy denies by default and connections are not tracked: "
				      "answers to what this host sends are denied, too, unless a "
				      "rule lets them in");
	return conntrack_helpers_check(config, data, diag);
}
