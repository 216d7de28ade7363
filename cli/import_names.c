/* SPDX-License-Identifier: Apache-2.0 */
/* The tables of names: IANA's numbers under the names of nft and iptables. */
#include "cli/import_names.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "cli/import_match.h"

struct named {
	const char *name;
	uint8_t number;
};

/* What weir.yaml knows by name stands first of each number. */
static const struct named protos[] = {
	{ "icmp", 1 },
	{ "igmp", 2 },
	{ "tcp", 6 },
	{ "udp", 17 },
	{ "dccp", 33 },
	{ "gre", 47 },
	{ "esp", 50 },
	{ "ah", 51 },
	{ "icmpv6", 58 },
	{ "ospf", 89 },
	{ "vrrp", 112 },
	{ "sctp", 132 },
	{ "udplite", 136 },
	{ NULL, 0 },
	{ "ipv6-icmp", 58 },
	{ "ospfigp", 89 },
	{ "ip", 0 },
	{ "ipencap", 4 },
	{ "ipip", 4 },
	{ "egp", 8 },
	{ "igp", 9 },
	{ "ipv6", 41 },
	{ "rsvp", 46 },
	{ "eigrp", 88 },
	{ "l2tp", 115 },
	{ "pim", 103 },
	{ "comp", 108 },
	{ "ipcomp", 108 },
	{ "mobility-header", 135 },
	{ "ipv6-mh", 135 },
	{ "mh", 135 },
	{ "hopopt", 0 },
	{ "ipv6-route", 43 },
	{ "ipv6-frag", 44 },
	{ "ipv6-nonxt", 59 },
	{ "ipv6-opts", 60 },
	{ "etherip", 97 },
	{ "encap", 98 },
	{ "mpls-in-ip", 137 },
	{ "carp", 112 },
};

static const struct named icmp_types[] = {
	{ "echo-reply", 0 },
	{ "pong", 0 },
	{ "destination-unreachable", 3 },
	{ "source-quench", 4 },
	{ "redirect", 5 },
	{ "echo-request", 8 },
	{ "ping", 8 },
	{ "router-advertisement", 9 },
	{ "router-solicitation", 10 },
	{ "time-exceeded", 11 },
	{ "ttl-exceeded", 11 },
	{ "parameter-problem", 12 },
	{ "timestamp-request", 13 },
	{ "timestamp-reply", 14 },
	{ "info-request", 15 },
	{ "info-reply", 16 },
	{ "address-mask-request", 17 },
	{ "address-mask-reply", 18 },
};

static const struct named icmpv6_types[] = {
	{ "destination-unreachable", 1 },
	{ "packet-too-big", 2 },
	{ "time-exceeded", 3 },
	{ "ttl-exceeded", 3 },
	{ "parameter-problem", 4 },
	{ "echo-request", 128 },
	{ "ping", 128 },
	{ "echo-reply", 129 },
	{ "pong", 129 },
	{ "mld-listener-query", 130 },
	{ "mld-listener-report", 131 },
	{ "mld-listener-done", 132 },
	{ "mld-listener-reduction", 132 },
	{ "nd-router-solicit", 133 },
	{ "router-solicitation", 133 },
	{ "nd-router-advert", 134 },
	{ "router-advertisement", 134 },
	{ "nd-neighbor-solicit", 135 },
	{ "neighbour-solicitation", 135 },
	{ "neighbor-solicitation", 135 },
	{ "nd-neighbor-advert", 136 },
	{ "neighbour-advertisement", 136 },
	{ "neighbor-advertisement", 136 },
	{ "nd-redirect", 137 },
	{ "redirect", 137 },
	{ "router-renumbering", 138 },
	{ "ind-neighbor-solicit", 141 },
	{ "ind-neighbor-advert", 142 },
	{ "mld2-listener-report", 143 },
};

static const struct named icmp_codes[] = {
	{ "net-unreachable", 0 },  { "host-unreachable", 1 },  { "prot-unreachable", 2 },
	{ "port-unreachable", 3 }, { "frag-needed", 4 },       { "net-prohibited", 9 },
	{ "host-prohibited", 10 }, { "admin-prohibited", 13 },
};

static const struct named icmpv6_codes[] = {
	{ "no-route", 0 },	   { "admin-prohibited", 1 }, { "addr-unreachable", 3 },
	{ "port-unreachable", 4 }, { "policy-fail", 5 },      { "reject-route", 6 },
};

static const struct named dscps[] = {
	{ "be", 0 },	{ "df", 0 },	{ "cs0", 0 },	{ "lephb", 1 },	       { "le", 1 },
	{ "cs1", 8 },	{ "af11", 10 }, { "af12", 12 }, { "af13", 14 },	       { "cs2", 16 },
	{ "af21", 18 }, { "af22", 20 }, { "af23", 22 }, { "cs3", 24 },	       { "af31", 26 },
	{ "af32", 28 }, { "af33", 30 }, { "cs4", 32 },	{ "af41", 34 },	       { "af42", 36 },
	{ "af43", 38 }, { "cs5", 40 },	{ "va", 44 },	{ "voice-admit", 44 }, { "ef", 46 },
	{ "cs6", 48 },	{ "cs7", 56 },
};

static const struct named states[] = {
	{ "new", IMPORT_NEW },
	{ "established", IMPORT_ESTABLISHED },
	{ "related", IMPORT_RELATED },
	{ "invalid", IMPORT_INVALID },
	{ "untracked", IMPORT_UNTRACKED },
};

static const struct named flags[] = {
	{ "fin", 0 }, { "syn", 1 }, { "rst", 2 }, { "psh", 3 }, { "ack", 4 },
	{ "urg", 5 }, { "ecn", 6 }, { "ece", 6 }, { "cwr", 7 },
};

static const struct named days[] = {
	{ "mon", 0 }, { "tue", 1 }, { "wed", 2 }, { "thu", 3 },
	{ "fri", 4 }, { "sat", 5 }, { "sun", 6 },
};

#define ROWS(array)                                         \
	{                                                   \
		(array), sizeof(array) / sizeof((array)[0]) \
	}

static const struct {
	const struct named *rows;
	size_t count;
} tables[] = {
	[IMPORT_NAMES_PROTO] = ROWS(protos),
	[IMPORT_NAMES_ICMP] = ROWS(icmp_types),
	[IMPORT_NAMES_ICMPV6] = ROWS(icmpv6_types),
	[IMPORT_NAMES_ICMP_CODE] = ROWS(icmp_codes),
	[IMPORT_NAMES_ICMPV6_CODE] = ROWS(icmpv6_codes),
	[IMPORT_NAMES_DSCP] = ROWS(dscps),
	[IMPORT_NAMES_STATE] = ROWS(states),
	[IMPORT_NAMES_FLAG] = ROWS(flags),
	[IMPORT_NAMES_DAY] = ROWS(days),
};

/* The kinds of ICMP messages that iptables names together with a code. */
static const struct {
	const char *name;
	bool is_v6;
	uint8_t type, code;
} icmp_pairs[] = {
	{ "network-unreachable", false, 3, 0 },
	{ "host-unreachable", false, 3, 1 },
	{ "protocol-unreachable", false, 3, 2 },
	{ "port-unreachable", false, 3, 3 },
	{ "fragmentation-needed", false, 3, 4 },
	{ "source-route-failed", false, 3, 5 },
	{ "network-unknown", false, 3, 6 },
	{ "host-unknown", false, 3, 7 },
	{ "network-prohibited", false, 3, 9 },
	{ "host-prohibited", false, 3, 10 },
	{ "TOS-network-unreachable", false, 3, 11 },
	{ "TOS-host-unreachable", false, 3, 12 },
	{ "communication-prohibited", false, 3, 13 },
	{ "host-precedence-violation", false, 3, 14 },
	{ "precedence-cutoff", false, 3, 15 },
	{ "network-redirect", false, 5, 0 },
	{ "host-redirect", false, 5, 1 },
	{ "TOS-network-redirect", false, 5, 2 },
	{ "TOS-host-redirect", false, 5, 3 },
	{ "ttl-zero-during-transit", false, 11, 0 },
	{ "ttl-zero-during-reassembly", false, 11, 1 },
	{ "ip-header-bad", false, 12, 0 },
	{ "required-option-missing", false, 12, 1 },
	{ "no-route", true, 1, 0 },
	{ "communication-prohibited", true, 1, 1 },
	{ "beyond-scope", true, 1, 2 },
	{ "address-unreachable", true, 1, 3 },
	{ "port-unreachable", true, 1, 4 },
	{ "failed-policy", true, 1, 5 },
	{ "reject-route", true, 1, 6 },
	{ "ttl-zero-during-transit", true, 3, 0 },
	{ "ttl-zero-during-reassembly", true, 3, 1 },
	{ "bad-header", true, 4, 0 },
	{ "unknown-header-type", true, 4, 1 },
	{ "unknown-option", true, 4, 2 },
};

bool import_number_read(const char *word, uint32_t max, uint32_t *ret_number)
{
	char *end;

	if (*word < '0' || *word > '9')
		return false;
	errno = 0;
	unsigned long number = strtoul(word, &end, word[0] == '0' && word[1] == 'x' ? 16 : 10);
	if (*end || errno || number > max)
		return false;
	*ret_number = (uint32_t)number;
	return true;
}

static bool is_named(enum import_names kind, const char *name, const char *word)
{
	if (!name)
		return false;
	return kind == IMPORT_NAMES_DAY ? strncasecmp(name, word, 3) == 0 :
					  strcasecmp(name, word) == 0;
}

bool import_names_find(enum import_names kind, const char *word, uint32_t max, uint32_t *ret_number)
{
	for (size_t i = 0; i < tables[kind].count; i++)
		if (is_named(kind, tables[kind].rows[i].name, word)) {
			*ret_number = tables[kind].rows[i].number;
			return true;
		}
	return import_number_read(word, max, ret_number);
}

const char *import_proto_name(uint32_t number)
{
	for (const struct named *row = protos; row->name; row++)
		if (row->number == number)
			return row->name;
	return NULL;
}

const char *import_state_name(uint32_t state)
{
	return states[state].name;
}

const char *import_flag_name(unsigned bit)
{
	static const char *const names[] = {
		"fin", "syn", "rst", "psh", "ack", "urg", "ece", "cwr"
	};

	return names[bit];
}

const char *import_day_name(uint32_t day)
{
	return days[day].name;
}

static bool icmp_numbers_read(const char *word, uint32_t *ret_type, int *ret_code)
{
	const char *slash = strchr(word, '/');
	size_t len = slash ? (size_t)(slash - word) : strlen(word);
	char type[8] = "";
	uint32_t code;

	if (len >= sizeof(type))
		return false;
	memcpy(type, word, len);
	if (!import_number_read(type, UINT8_MAX, ret_type))
		return false;
	if (!slash) {
		*ret_code = -1;
		return true;
	}
	if (!import_number_read(slash + 1, UINT8_MAX, &code))
		return false;
	*ret_code = (int)code;
	return true;
}

bool import_icmp_read(bool is_v6, const char *word, uint32_t *ret_type, int *ret_code)
{
	enum import_names kind = is_v6 ? IMPORT_NAMES_ICMPV6 : IMPORT_NAMES_ICMP;

	for (size_t i = 0; i < sizeof(icmp_pairs) / sizeof(icmp_pairs[0]); i++)
		if (icmp_pairs[i].is_v6 == is_v6 && strcasecmp(icmp_pairs[i].name, word) == 0) {
			*ret_type = icmp_pairs[i].type;
			*ret_code = icmp_pairs[i].code;
			return true;
		}
	if (icmp_numbers_read(word, ret_type, ret_code))
		return true;
	*ret_code = -1;
	return import_names_find(kind, word, UINT8_MAX, ret_type);
}
