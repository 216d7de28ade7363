/* SPDX-License-Identifier: Apache-2.0 */
/* Which of Weir's fields a selector of nft is, and of which packets it can be read at all. */
#include <string.h>

#include "cli/import_names.h"
#include "cli/import_nft.h"

#define NO_NAMES (-1)
#define ANY (-1)
#define V4 0
#define V6 1
#define PROTO_ICMP 1
#define PROTO_TCP 6
#define PROTO_UDP 17
#define PROTO_DCCP 33
#define PROTO_ICMPV6 58
#define PROTO_SCTP 132
#define PROTO_UDPLITE 136
#define IPV6_HEADER_BYTES 40

#define NUMBER(of, with, v, p) \
	.kind = NFT_NUMBER, .number = (of), .names = (with), .family = (v), .proto = (p)
#define ADDR(of, v) .kind = NFT_ADDR, .end = (of), .family = (v), .proto = ANY
#define IFACE(of) .kind = NFT_IFACE, .way = (of), .family = ANY, .proto = ANY

/* `in` is the protocol of a payload, or "meta" or "ct". */
static const struct {
	const char *in, *field;
	struct nft_selector selector;
} rows[] = {
	{ "meta", "iifname", { IFACE(IMPORT_IN) } },
	{ "meta", "iif", { IFACE(IMPORT_IN) } },
	{ "meta", "oifname", { IFACE(IMPORT_OUT) } },
	{ "meta", "oif", { IFACE(IMPORT_OUT) } },
	{ "meta", "l4proto", { NUMBER(IMPORT_PROTO, IMPORT_NAMES_PROTO, ANY, ANY) } },
	{ "meta", "nfproto", { NUMBER(IMPORT_FAMILY, NO_NAMES, ANY, ANY) } },
	{ "meta", "protocol", { NUMBER(IMPORT_FAMILY, NO_NAMES, ANY, ANY) } },
	{ "ether", "type", { NUMBER(IMPORT_FAMILY, NO_NAMES, ANY, ANY) } },
	{ "meta", "length", { NUMBER(IMPORT_LENGTH, NO_NAMES, ANY, ANY) } },
	{ "meta",
	  "day",
	  { NUMBER(IMPORT_DAY, IMPORT_NAMES_DAY, ANY, ANY),
	    .note = "nft takes the day by the kernel's clock, Weir by local time" } },
	{ "meta", "hour", { NUMBER(IMPORT_SECOND, NO_NAMES, ANY, ANY) } },
	{ "ct", "state", { NUMBER(IMPORT_STATE, IMPORT_NAMES_STATE, ANY, ANY) } },
	{ "ip", "saddr", { ADDR(IMPORT_SRC, V4) } },
	{ "ip", "daddr", { ADDR(IMPORT_DST, V4) } },
	{ "ip6", "saddr", { ADDR(IMPORT_SRC, V6) } },
	{ "ip6", "daddr", { ADDR(IMPORT_DST, V6) } },
	{ "ip", "protocol", { NUMBER(IMPORT_PROTO, IMPORT_NAMES_PROTO, V4, ANY) } },
	{ "ip6",
	  "nexthdr",
	  { NUMBER(IMPORT_PROTO, IMPORT_NAMES_PROTO, V6, ANY),
	    .note = "nft looks at the first header behind IPv6's own, Weir at the protocol behind "
		    "all extension headers" } },
	{ "ip", "dscp", { NUMBER(IMPORT_DSCP, IMPORT_NAMES_DSCP, V4, ANY) } },
	{ "ip6", "dscp", { NUMBER(IMPORT_DSCP, IMPORT_NAMES_DSCP, V6, ANY) } },
	{ "ip", "length", { NUMBER(IMPORT_LENGTH, NO_NAMES, V4, ANY) } },
	{ "ip6",
	  "length",
	  { NUMBER(IMPORT_LENGTH, NO_NAMES, V6, ANY), .extra = IPV6_HEADER_BYTES } },
	{ "ip", "frag-off", { .kind = NFT_FRAG_OFF, .family = V4, .proto = ANY } },
	{ "vlan", "id", { NUMBER(IMPORT_VLAN, NO_NAMES, ANY, ANY) } },
	{ "icmp", "type", { NUMBER(IMPORT_ICMP_TYPE, IMPORT_NAMES_ICMP, ANY, PROTO_ICMP) } },
	{ "icmp", "code", { NUMBER(IMPORT_ICMP_CODE, IMPORT_NAMES_ICMP_CODE, ANY, PROTO_ICMP) } },
	{ "icmpv6", "type", { NUMBER(IMPORT_ICMP_TYPE, IMPORT_NAMES_ICMPV6, ANY, PROTO_ICMPV6) } },
	{ "icmpv6",
	  "code",
	  { NUMBER(IMPORT_ICMP_CODE, IMPORT_NAMES_ICMPV6_CODE, ANY, PROTO_ICMPV6) } },
	{ "tcp", "flags", { .kind = NFT_FLAGS, .family = ANY, .proto = PROTO_TCP } },
};

static const struct {
	const char *name;
	int proto;
} transports[] = {
	{ "tcp", PROTO_TCP },	{ "udp", PROTO_UDP },	      { "dccp", PROTO_DCCP },
	{ "sctp", PROTO_SCTP }, { "udplite", PROTO_UDPLITE }, { "th", ANY },
};

/* sport and dport of each protocol that has ports. */
static bool port_find(const char *in, const char *field, struct nft_selector *ret_selector)
{
	bool is_sport = strcmp(field, "sport") == 0;

	if (!is_sport && strcmp(field, "dport") != 0)
		return false;
	for (size_t i = 0; i < sizeof(transports) / sizeof(transports[0]); i++)
		if (strcmp(transports[i].name, in) == 0) {
			*ret_selector = (struct nft_selector){
				NUMBER(is_sport ? IMPORT_SPORT : IMPORT_DPORT, NO_NAMES, ANY,
				       transports[i].proto),
				.any_transport = transports[i].proto == ANY
			};
			return true;
		}
	return false;
}

static int selector_find(struct import *import, const char *in, const char *field,
			 struct nft_selector *ret_selector)
{
	if (port_find(in, field, ret_selector))
		return 0;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (strcmp(rows[i].in, in) == 0 && strcmp(rows[i].field, field) == 0) {
			*ret_selector = rows[i].selector;
			return 0;
		}
	return import_cannot(import, "Weir's rules do not look at '%s %s'", in, field);
}

static int plain_read(struct import *import, const struct weir_json *left,
		      struct nft_selector *ret_selector)
{
	const struct weir_json *payload = weir_json_get(left, "payload");
	const struct weir_json *meta = weir_json_get(left, "meta");
	const struct weir_json *ct = weir_json_get(left, "ct");

	if (payload && weir_json_get(payload, "protocol"))
		return selector_find(import, weir_json_str(weir_json_get(payload, "protocol"), ""),
				     weir_json_str(weir_json_get(payload, "field"), ""),
				     ret_selector);
	if (meta)
		return selector_find(import, "meta", weir_json_str(weir_json_get(meta, "key"), ""),
				     ret_selector);
	if (ct && !weir_json_get(ct, "dir"))
		return selector_find(import, "ct", weir_json_str(weir_json_get(ct, "key"), ""),
				     ret_selector);
	return import_cannot(import, "Weir's rules cannot ask for what it compares");
}

static int flag_mask_add(const struct weir_json *json, uint32_t *mask)
{
	uint32_t bit;
	int64_t number = weir_json_int(json, -1);

	if (number >= 0 && number <= UINT8_MAX) {
		*mask |= (uint32_t)number;
		return 0;
	}
	if (!import_names_find(IMPORT_NAMES_FLAG, weir_json_str(json, ""), 0, &bit))
		return -1;
	*mask |= 1u << bit;
	return 0;
}

/* {"&": [SELECTOR, MASK]}, for TCP flags and the fragment offset. */
static int masked_read(struct import *import, const struct weir_json *both,
		       struct nft_selector *ret_selector)
{
	const struct weir_json *mask = weir_json_at(both, 1);
	struct nft_selector selector = { 0 };
	int result = plain_read(import, weir_json_at(both, 0), &selector);
	size_t count = mask && weir_json_type(mask) == WEIR_JSON_ARRAY ? weir_json_size(mask) : 0;

	if (result < 0)
		return result;
	if (!mask || (selector.kind != NFT_FLAGS && selector.kind != NFT_FRAG_OFF))
		return import_cannot(import, "Weir's rules compare no single bits but TCP flags");
	if (selector.kind == NFT_FRAG_OFF)
		selector.mask = (uint32_t)weir_json_int(mask, 0);
	else if (!count && flag_mask_add(mask, &selector.mask) < 0)
		return import_cannot(import, "unknown TCP flag");
	for (size_t i = 0; i < count && selector.kind == NFT_FLAGS; i++)
		if (flag_mask_add(weir_json_at(mask, i), &selector.mask) < 0)
			return import_cannot(import, "unknown TCP flag");
	*ret_selector = selector;
	return 0;
}

int nft_selector_read(struct import *import, const struct weir_json *left,
		      struct nft_selector *ret_selector)
{
	const struct weir_json *both = weir_json_get(left, "&");

	return both ? masked_read(import, both, ret_selector) :
		      plain_read(import, left, ret_selector);
}
