/* SPDX-License-Identifier: Apache-2.0 */
/* Names of protocols, ICMP types, DSCPs and TCP flags, by the IANA registries. */
#include "packet_names.h"

#include <errno.h>
#include <netinet/in.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

struct named {
	const char *name;
	uint8_t number;
};

static const struct named protos[] = {
	{ "icmp", IPPROTO_ICMP },
	{ "tcp", IPPROTO_TCP },
	{ "udp", IPPROTO_UDP },
	{ "icmpv6", IPPROTO_ICMPV6 },
	{ "sctp", IPPROTO_SCTP },
	{ "gre", IPPROTO_GRE },
	{ "esp", IPPROTO_ESP },
	{ "ah", IPPROTO_AH },
	{ "udplite", IPPROTO_UDPLITE },
	{ "dccp", IPPROTO_DCCP },
	{ "igmp", IPPROTO_IGMP },
	{ "ospf", 89 },
	{ "vrrp", 112 },
	{ NULL, 0 },
};

static const struct named icmp_types[] = {
	{ "echo-reply", 0 },	       { "destination-unreachable", 3 },
	{ "source-quench", 4 },	       { "redirect", 5 },
	{ "echo-request", 8 },	       { "router-advertisement", 9 },
	{ "router-solicitation", 10 }, { "time-exceeded", 11 },
	{ "parameter-problem", 12 },   { "timestamp-request", 13 },
	{ "timestamp-reply", 14 },     { "info-request", 15 },
	{ "info-reply", 16 },	       { "address-mask-request", 17 },
	{ "address-mask-reply", 18 },  { NULL, 0 },
};

static const struct named icmpv6_types[] = {
	{ "destination-unreachable", 1 },
	{ "packet-too-big", 2 },
	{ "time-exceeded", 3 },
	{ "parameter-problem", 4 },
	{ "echo-request", 128 },
	{ "echo-reply", 129 },
	{ "mld-listener-query", 130 },
	{ "mld-listener-report", 131 },
	{ "mld-listener-done", 132 },
	{ "nd-router-solicit", 133 },
	{ "nd-router-advert", 134 },
	{ "nd-neighbor-solicit", 135 },
	{ "nd-neighbor-advert", 136 },
	{ "nd-redirect", 137 },
	{ "router-renumbering", 138 },
	{ "ind-neighbor-solicit", 141 },
	{ "ind-neighbor-advert", 142 },
	{ "mld2-listener-report", 143 },
	/* RFC 4861's own words. */
	{ "router-solicitation", 133 },
	{ "router-advertisement", 134 },
	{ "neighbour-solicitation", 135 },
	{ "neighbor-solicitation", 135 },
	{ "neighbour-advertisement", 136 },
	{ "neighbor-advertisement", 136 },
	{ "redirect", 137 },
	{ NULL, 0 },
};

/* RFC 2474 (cs), 2597 (af), 3246 (ef), 5865 (va), 8622 (le). */
static const struct named dscps[] = {
	{ "be", 0 },	{ "le", 1 },	{ "cs0", 0 },	{ "cs1", 8 },	{ "cs2", 16 },
	{ "cs3", 24 },	{ "cs4", 32 },	{ "cs5", 40 },	{ "cs6", 48 },	{ "cs7", 56 },
	{ "af11", 10 }, { "af12", 12 }, { "af13", 14 }, { "af21", 18 }, { "af22", 20 },
	{ "af23", 22 }, { "af31", 26 }, { "af32", 28 }, { "af33", 30 }, { "af41", 34 },
	{ "af42", 36 }, { "af43", 38 }, { "va", 44 },	{ "ef", 46 },	{ NULL, 0 },
};

static const struct named tcp_flags[] = {
	{ "fin", 0x01 }, { "syn", 0x02 }, { "rst", 0x04 }, { "psh", 0x08 }, { "ack", 0x10 },
	{ "urg", 0x20 }, { "ece", 0x40 }, { "cwr", 0x80 }, { NULL, 0 },
};

static int name_read(const struct named *names, const char *text, size_t len, uint8_t *ret_number)
{
	for (; names->name; names++)
		if (strlen(names->name) == len && memcmp(names->name, text, len) == 0) {
			*ret_number = names->number;
			return 0;
		}
	return -EINVAL;
}

static const struct named *const tables[] = {
	[WEIR_NAMES_PROTO] = protos,
	[WEIR_NAMES_ICMP_TYPE] = icmp_types,
	[WEIR_NAMES_ICMPV6_TYPE] = icmpv6_types,
	[WEIR_NAMES_DSCP] = dscps,
	[WEIR_NAMES_TCP_FLAG] = tcp_flags,
};

bool weir_packet_name_find(enum weir_packet_names names, const char *text, size_t len,
			   uint8_t *ret_number)
{
	for (const struct named *at = tables[names]; at->name; at++)
		if (strlen(at->name) == len && strncasecmp(at->name, text, len) == 0) {
			*ret_number = at->number;
			return true;
		}
	return false;
}

static int number_read(const struct named *names, const char *text, unsigned most,
		       uint8_t *ret_number)
{
	char *end;

	if (name_read(names, text, strlen(text), ret_number) == 0)
		return 0;
	if (*text < '0' || *text > '9')
		return -EINVAL;
	unsigned long number = strtoul(text, &end, 10);

	if (*end || number > most)
		return -EINVAL;
	*ret_number = (uint8_t)number;
	return 0;
}

int weir_proto_from_string(const char *text, bool v4, uint8_t *ret_proto)
{
	if (strcmp(text, "icmp") == 0) {
		*ret_proto = v4 ? IPPROTO_ICMP : IPPROTO_ICMPV6;
		return 0;
	}
	return number_read(protos, text, UINT8_MAX, ret_proto);
}

int weir_icmp_type_from_string(const char *text, bool v4, uint8_t *ret_type)
{
	return number_read(v4 ? icmp_types : icmpv6_types, text, UINT8_MAX, ret_type);
}

int weir_dscp_from_string(const char *text, uint8_t *ret_dscp)
{
	return number_read(dscps, text, 63, ret_dscp);
}

int weir_tcp_flags_from_string(const char *text, uint8_t *ret_flags)
{
	uint8_t flags = 0, flag;

	if (strcmp(text, "none") == 0) {
		*ret_flags = 0;
		return 0;
	}
	for (bool more = true; more;) {
		size_t len = strcspn(text, ",");

		if (name_read(tcp_flags, text, len, &flag))
			return -EINVAL;
		flags |= flag;
		more = text[len];
		text += len + more;
	}
	*ret_flags = flags;
	return 0;
}
