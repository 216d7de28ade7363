/* SPDX-License-Identifier: Apache-2.0 */
/* The matches of iptables (iptables-extensions(8)) that Weir's rules can say. */
#include <arpa/inet.h>
#include <errno.h>
#include <string.h>

#include "cli/import_addrs.h"
#include "cli/import_iptables.h"
#include "cli/import_names.h"

#define PROTO_ICMP 1
#define PROTO_ICMPV6 58

static int number_add(struct iptables_line *line, bool is_not, enum import_number number,
		      struct import_spans spans)
{
	if (is_not)
		spans = import_spans_not(&line->import->arena, spans, import_number_max(number));
	return import_match_number(line->import, &line->match, number, spans);
}

static struct import_spans one(struct iptables_line *line, uint32_t number)
{
	return import_spans_one(&line->import->arena, number, number);
}

static int numbers_read(struct iptables_line *line, bool is_not, enum import_number number,
			const char *text)
{
	struct import_spans spans;
	int result = iptables_spans_read(line->import, text, import_number_max(number), &spans);

	return result < 0 ? result : number_add(line, is_not, number, spans);
}

struct addr_list {
	struct iptables_line *line;
	struct import_addrs addrs;
};

/* "255.255.0.0" as 16; -1 when its ones are not all in front. */
static int mask_length(const char *mask)
{
	struct in_addr addr;

	if (inet_pton(AF_INET, mask, &addr) != 1)
		return -1;
	uint32_t zeros = ~ntohl(addr.s_addr);
	return zeros & (zeros + 1) ? -1 : 32 - __builtin_popcount(zeros);
}

static int addr_part(const char *part, void *arg)
{
	struct addr_list *list = arg;
	struct import *import = list->line->import;
	const char *slash = strchr(part, '/');
	struct import_addr addr;

	if (slash && strchr(slash, '.')) {
		int length = mask_length(slash + 1);
		if (length < 0)
			return import_cannot(import, "the mask of '%s' is no prefix", part);
		part = import_format(&import->arena, "%.*s/%d", (int)(slash - part), part, length);
	}
	int result = import_addr_read(import, part, list->line->is_v6, &addr);
	if (result == 0)
		list->addrs = import_addrs_add(&import->arena, list->addrs, addr);
	return result;
}

static int addrs_add(struct iptables_line *line, bool is_not, enum import_end end,
		     struct import_addrs addrs)
{
	struct import_addr_field field = { 0 };

	*(is_not ? &field.out : &field.in) = addrs;
	return import_match_addr(line->import, &line->match, end, &field);
}

static int addr_read(struct iptables_line *line, bool is_not, enum import_end end, const char *text)
{
	struct addr_list list = { .line = line };
	int result = iptables_parts_each(line->import, text, addr_part, &list);

	return result < 0 ? result : addrs_add(line, is_not, end, list.addrs);
}

static int source_read(struct iptables_line *line, bool is_not, const char *const *values)
{
	return addr_read(line, is_not, IMPORT_SRC, values[0]);
}

static int destination_read(struct iptables_line *line, bool is_not, const char *const *values)
{
	return addr_read(line, is_not, IMPORT_DST, values[0]);
}

static int iface_read(struct iptables_line *line, bool is_not, enum import_way way,
		      const char *name)
{
	struct import *import = line->import;
	size_t len = strlen(name);
	const char **words = import_alloc(&import->arena, 1, sizeof(*words));
	struct import_name_field field = { 0 };

	if (!words)
		return -ENOMEM;
	if (strcmp(name, "+") == 0 && !is_not)
		return 0;
	bool is_pattern = len > 0 && name[len - 1] == '+';
	words[0] = is_pattern ? import_format(&import->arena, "%.*s*", (int)len - 1, name) : name;
	*(is_not ? &field.out : &field.in) = (struct import_words){ .at = words, .count = 1 };
	if (strchr(name, '*'))
		return import_cannot(import, "'%s' is no name of an interface", name);
	int result = import_iface_check(import, words[0]);
	return result < 0 ? result : import_match_iface(import, &line->match, way, &field);
}

static int in_read(struct iptables_line *line, bool is_not, const char *const *values)
{
	return iface_read(line, is_not, IMPORT_IN, values[0]);
}

static int out_read(struct iptables_line *line, bool is_not, const char *const *values)
{
	return iface_read(line, is_not, IMPORT_OUT, values[0]);
}

static int proto_read(struct iptables_line *line, bool is_not, const char *const *values)
{
	uint32_t proto;

	if (strcmp(values[0], "all") == 0 || strcmp(values[0], "0") == 0)
		return is_not ? import_cannot(line->import, "it matches no packet at all") : 0;
	if (!import_names_find(IMPORT_NAMES_PROTO, values[0], UINT8_MAX, &proto))
		return import_cannot(line->import, "the protocol '%s' is not known here",
				     values[0]);
	return number_add(line, is_not, IMPORT_PROTO, one(line, proto));
}

static int fragment_read(struct iptables_line *line, bool is_not, const char *const *values)
{
	return number_add(line, is_not, IMPORT_FRAGMENT, one(line, 2));
}

static int sport_read(struct iptables_line *line, bool is_not, const char *const *values)
{
	line->match.any_transport = true;
	return numbers_read(line, is_not, IMPORT_SPORT, values[0]);
}

static int dport_read(struct iptables_line *line, bool is_not, const char *const *values)
{
	line->match.any_transport = true;
	return numbers_read(line, is_not, IMPORT_DPORT, values[0]);
}

static int ports_read(struct iptables_line *line, bool is_not, const char *const *values)
{
	line->match.any_transport = true;
	line->is_not_ports = is_not;
	if (line->has_ports)
		return import_cannot(line->import, "--ports stands twice");
	line->has_ports = true;
	return iptables_spans_read(line->import, values[0], UINT16_MAX, &line->ports);
}

struct bits {
	struct import *import;
	uint8_t value;
};

static int flag_part(const char *part, void *arg)
{
	struct bits *bits = arg;
	uint32_t bit;

	if (strcmp(part, "NONE") == 0)
		return 0;
	if (strcmp(part, "ALL") == 0) {
		bits->value |= 0x3f; /* the six of RFC 793: iptables leaves ECE and CWR out */
		return 0;
	}
	if (!import_names_find(IMPORT_NAMES_FLAG, part, 0, &bit))
		return import_cannot(bits->import, "unknown TCP flag '%s'", part);
	bits->value |= (uint8_t)(1u << bit);
	return 0;
}

static int flags_add(struct iptables_line *line, bool is_not, struct import_flag_pair pair)
{
	struct import *import = line->import;
	struct import_flag_pair *own = import_alloc(&import->arena, 1, sizeof(*own));

	if (!own)
		return -ENOMEM;
	if (!pair.mask)
		return import_cannot(import, "it looks at no TCP flag at all");
	*own = pair;
	line->match.any_transport = true;
	bool can = (pair.value & ~pair.mask) == 0;
	if (is_not && can)
		return import_match_flags(import, &line->match, import_flags_not(import, pair));
	if (is_not)
		return import_cannot(import, "it asks for flags outside its mask");
	return import_match_flags(import, &line->match,
				  (struct import_flags){ .at = own, .count = can ? 1 : 0 });
}

static int flags_read(struct iptables_line *line, bool is_not, const char *const *values)
{
	struct bits mask = { .import = line->import }, value = mask;
	int result = iptables_parts_each(line->import, values[0], flag_part, &mask);

	if (result == 0)
		result = iptables_parts_each(line->import, values[1], flag_part, &value);
	return result < 0 ? result :
			    flags_add(line, is_not,
				      (struct import_flag_pair){ value.value, mask.value });
}

static int syn_read(struct iptables_line *line, bool is_not, const char *const *values)
{
	static const char *const syn[] = { "FIN,SYN,RST,ACK", "SYN" };

	return flags_read(line, is_not, syn);
}

static int icmp_read(struct iptables_line *line, bool is_not, const char *const *values)
{
	uint32_t type;
	int code;
	bool is_any = strcmp(values[0], "any") == 0 || strcmp(values[0], "255") == 0;
	int result = import_match_number(line->import, &line->match, IMPORT_PROTO,
					 one(line, line->is_v6 ? PROTO_ICMPV6 : PROTO_ICMP));

	if (result < 0 || (is_any && !line->is_v6 && !is_not))
		return result;
	if (!import_icmp_read(line->is_v6, values[0], &type, &code))
		return import_cannot(line->import, "the ICMP type '%s' is not known here",
				     values[0]);
	if (code >= 0 && is_not)
		return import_cannot(line->import,
				     "'all but this type with this code' is not one rule");
	result = number_add(line, is_not, IMPORT_ICMP_TYPE, one(line, type));
	if (result == 0 && code >= 0)
		result = number_add(line, false, IMPORT_ICMP_CODE, one(line, (uint32_t)code));
	return result;
}

struct named_list {
	struct import *import;
	enum import_names names;
	struct import_spans spans;
};

static int named_part(const char *part, void *arg)
{
	struct named_list *list = arg;
	uint32_t number;

	if (!import_names_find(list->names, part, 0, &number))
		return import_cannot(list->import, "'%s' has no counterpart in Weir's rules", part);
	list->spans = import_spans_union(&list->import->arena, list->spans,
					 import_spans_one(&list->import->arena, number, number));
	return 0;
}

int iptables_names_read(struct iptables_line *line, bool is_not, enum import_number number,
			int names, const char *text)
{
	struct named_list list = { .import = line->import, .names = (enum import_names)names };
	int result = iptables_parts_each(line->import, text, named_part, &list);

	return result < 0 ? result : number_add(line, is_not, number, list.spans);
}

static int state_read(struct iptables_line *line, bool is_not, const char *const *values)
{
	return iptables_names_read(line, is_not, IMPORT_STATE, IMPORT_NAMES_STATE, values[0]);
}

static int length_read(struct iptables_line *line, bool is_not, const char *const *values)
{
	return numbers_read(line, is_not, IMPORT_LENGTH, values[0]);
}

static int dscp_read(struct iptables_line *line, bool is_not, const char *const *values)
{
	uint32_t dscp;

	if (!import_names_find(IMPORT_NAMES_DSCP, values[0], 63, &dscp))
		return import_cannot(line->import, "the DSCP '%s' is not known here", values[0]);
	return number_add(line, is_not, IMPORT_DSCP, one(line, dscp));
}

static int set_read(struct iptables_line *line, bool is_not, const char *const *values)
{
	struct import *import = line->import;
	struct import_addr item = { .set = values[0] };
	bool is_src = strcmp(values[1], "src") == 0;

	if (!is_src && strcmp(values[1], "dst") != 0)
		return import_cannot(import, "Weir's sets hold addresses only, not '%s'",
				     values[1]);
	if (strcmp(import_name(import, values[0]), values[0]) != 0 || !*values[0])
		return import_cannot(import,
				     "Weir's sets cannot be called '%s': 1 to 31 of a-z 0-9 . _ -",
				     values[0]);
	import_note(import, line->rule->where, line->rule->text,
		    import_format(&import->arena,
				  "a list or set named '%s' must exist: weir block import reads "
				  "what ipset save writes",
				  values[0]));
	return addrs_add(line, is_not, is_src ? IMPORT_SRC : IMPORT_DST,
			 import_addrs_add(&import->arena, (struct import_addrs){ 0 }, item));
}

static int comment_read(struct iptables_line *line, bool is_not, const char *const *values)
{
	line->rule->comment = values[0];
	return 0;
}

static int module_read(struct iptables_line *line, bool is_not, const char *const *values)
{
	static const char *const known[] = { "tcp",  "udp",	 "udplite", "sctp",  "dccp",
					     "icmp", "icmp6",	 "icmpv6",  "state", "conntrack",
					     "set",  "iprange",	 "comment", "time",  "length",
					     "dscp", "multiport" };

	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		if (strcmp(known[i], values[0]) == 0)
			return 0;
	/* As with nft's: another limit, with other buckets. */
	if (strcmp(values[0], "limit") == 0 || strcmp(values[0], "hashlimit") == 0)
		return import_cannot(line->import,
				     "-m %s: write `action: limit`, which drops what is over its "
				     "rate, and the verdict as the rule behind it",
				     values[0]);
	return import_cannot(line->import, "-m %s has no counterpart in Weir's rules", values[0]);
}

static int nothing_read(struct iptables_line *line, bool is_not, const char *const *values)
{
	return 0; /* every rule of Weir's counts, from 0 */
}

const struct iptables_option iptables_matches[] = {
	{ "-s", "--source", 1, source_read },
	{ "-d", "--destination", 1, destination_read },
	{ "-i", "--in-interface", 1, in_read },
	{ "-o", "--out-interface", 1, out_read },
	{ "-p", "--protocol", 1, proto_read },
	{ "-f", "--fragment", 0, fragment_read },
	{ "-m", "--match", 1, module_read, true },
	{ "-c", "--set-counters", 2, nothing_read, true },
	{ "--sport", "--source-port", 1, sport_read },
	{ "--dport", "--destination-port", 1, dport_read },
	{ "--sports", "--source-ports", 1, sport_read },
	{ "--dports", "--destination-ports", 1, dport_read },
	{ "--ports", NULL, 1, ports_read },
	{ "--tcp-flags", NULL, 2, flags_read },
	{ "--syn", NULL, 0, syn_read },
	{ "--icmp-type", NULL, 1, icmp_read },
	{ "--icmpv6-type", NULL, 1, icmp_read },
	{ "--state", "--ctstate", 1, state_read },
	{ "--src-range", NULL, 1, source_read },
	{ "--dst-range", NULL, 1, destination_read },
	{ "--comment", NULL, 1, comment_read, true },
	{ "--length", NULL, 1, length_read },
	{ "--dscp", "--dscp-class", 1, dscp_read },
	{ "--match-set", NULL, 2, set_read },
	{ 0 },
};
