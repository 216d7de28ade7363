/* SPDX-License-Identifier: Apache-2.0 */
/* The keys of `sanity:` in weir.yaml, and what they come to. */
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "features/sanity/sanity_state.h"

#define SECTION(member) offsetof(struct sanity_section, member)

static const char *const level_names[] = { "off", "basic", "strict", NULL };
static const char *const switch_names[] = { "by-level", "true", "false", NULL };
static const char *const ethertype_names[] = { "by-level", "strict", "any", NULL };
static const char *const pass_names[] = { "pass", "drop", NULL };
static const char *const mode_names[] = { "strict", "loose", NULL };

#define CHOICE(yaml, at, names, first, words)                                            \
	{                                                                                \
		.key = yaml, .type = WEIR_FIELD_ENUM, .offset = (at), .values = (names), \
		.fallback = first, .help = words                                         \
	}
#define SWITCH(yaml, member, words) CHOICE(yaml, SECTION(member), switch_names, "by-level", words)
#define STRINGS(yaml, at, count_at, words)                               \
	{                                                                \
		.key = yaml, .type = WEIR_FIELD_STRINGS, .offset = (at), \
		.count_offset = (count_at), .help = words                \
	}

#define FRAGMENTS(member) (offsetof(struct sanity_section, fragments.member) - SECTION(fragments))
#define REVERSE_PATH(member) \
	(offsetof(struct sanity_section, reverse_path.member) - SECTION(reverse_path))

static const struct weir_field fragment_fields[] = {
	CHOICE("tiny", FRAGMENTS(tiny), switch_names, "by-level",
	       "Refuse fragments that hide the transport header. From level basic on."),
	CHOICE("overlapping", FRAGMENTS(overlapping), switch_names, "by-level",
	       "Refuse fragments that overlap others of their datagram, and what comes of it "
	       "afterwards. From level strict on; where packets arrive."),
	{ 0 },
};

static const struct weir_field path_fields[] = {
	STRINGS("interfaces", REVERSE_PATH(interfaces), REVERSE_PATH(interface_count),
		"Names and patterns of the interfaces on which it is asked."),
	CHOICE("mode", REVERSE_PATH(mode), mode_names, "strict",
	       "strict: the route back to the source leads out of the interface the packet came "
	       "by; loose: there is one at all."),
	{ 0 },
};

const struct weir_field sanity_fields[] = {
	CHOICE("level", SECTION(level), level_names, "off",
	       "What is checked where no switch says otherwise. basic: what no honest packet is; "
	       "strict: overlapping fragments and EtherTypes too."),
	SWITCH("tcp-flags", tcp_flags,
	       "Refuse TCP flags no connection sends together: none at all, SYN with FIN or RST, "
	       "FIN without ACK. From level basic on."),
	SWITCH("land", land,
	       "Refuse packets from and to the same address, and the same port if they have "
	       "ports. From level basic on."),
	SWITCH("martian", martian,
	       "Refuse addresses that are never on a wire: loopback, multicast as a source, "
	       "0.0.0.0 but for DHCP. From level basic on."),
	SWITCH("malformed", malformed,
	       "Refuse headers that are cut short or contradict themselves. From level basic on."),
	{ .key = "fragments",
	  .type = WEIR_FIELD_MAPPING,
	  .offset = SECTION(fragments),
	  .size = sizeof(((struct sanity_section *)0)->fragments),
	  .fields = fragment_fields,
	  .help = "What is asked of fragments." },
	CHOICE("ethertype", SECTION(ethertype), ethertype_names, "by-level",
	       "strict: only IPv4, IPv6, ARP and what `ethertypes` names; any: all. By level, "
	       "strict is strict."),
	STRINGS("ethertypes", SECTION(ethertypes), SECTION(ethertype_count),
		"Further EtherTypes that pass: 0x88cc, or llc for frames with a length instead."),
	CHOICE("arp", SECTION(arp), pass_names, "pass", "What becomes of ARP."),
	CHOICE("neighbour", SECTION(neighbour), pass_names, "pass",
	       "What becomes of IPv6 neighbour and router discovery."),
	STRINGS("bogons", SECTION(bogons), SECTION(bogon_count),
		"Names and patterns of interfaces to the Internet: sources set apart for other "
		"uses (private, documentation, reserved) are refused where they arrive there."),
	{ .key = "reverse-path",
	  .type = WEIR_FIELD_MAPPING,
	  .offset = SECTION(reverse_path),
	  .size = sizeof(((struct sanity_section *)0)->reverse_path),
	  .fields = path_fields,
	  .help = "Refuse sources that no route leads back to. On interfaces that forward." },
	{ 0 },
};

int sanity_ethertype(const char *text, uint16_t *ret_ethertype, const char **ret_fault)
{
	char *end;

	if (strcmp(text, "llc") == 0) {
		*ret_ethertype = SANITY_LLC;
		return 0;
	}
	unsigned long number = strtoul(text, &end, 0);
	*ret_fault = "that is no number";
	if (text[0] < '0' || text[0] > '9' || *end)
		return -EINVAL;
	*ret_fault = "EtherTypes are from 0x0600 to 0xffff";
	if (number < SANITY_ETHERTYPE_LEAST || number > 0xffff)
		return -EINVAL;
	*ret_ethertype = htons((uint16_t)number);
	return 0;
}

static int ethertypes_check(const struct sanity_section *section, struct weir_diag *diag)
{
	int result = 0;
	if (section->ethertype_count > SANITY_ETHERTYPES - SANITY_OWN_ETHERTYPES)
		return weir_diag_key(diag, "sanity.ethertypes",
				     "leave some out, or write `ethertype: any`",
				     "%u EtherTypes, where %d are the most",
				     section->ethertype_count,
				     SANITY_ETHERTYPES - SANITY_OWN_ETHERTYPES);
	for (unsigned i = 0; i < section->ethertype_count; i++) {
		const char *fault;
		uint16_t ethertype;
		char key[48];
		snprintf(key, sizeof(key), "sanity.ethertypes[%u]", i);
		if (sanity_ethertype(section->ethertypes[i], &ethertype, &fault) < 0)
			result = weir_diag_key(diag, key, "write a number such as 0x88cc, or llc",
					       "'%s': %s", section->ethertypes[i], fault);
	}
	return result;
}

static int names_check(char *const *names, unsigned count, const char *where,
		       struct weir_diag *diag)
{
	int result = 0;
	for (unsigned i = 0; i < count; i++) {
		char key[64];
		snprintf(key, sizeof(key), "%s[%u]", where, i);
		if (!*names[i] || strlen(names[i]) >= SANITY_NAME_BYTES)
			result = weir_diag_key(diag, key,
					       "write the name of an interface, or a pattern",
					       "'%s': 1 to %d characters", names[i],
					       SANITY_NAME_BYTES - 1);
	}
	return result;
}

int sanity_check(const struct weir_config *config, const void *data, struct weir_diag *diag)
{
	const struct sanity_section *section = data;
	(void)config;
	int ethertypes = ethertypes_check(section, diag);
	int bogons = names_check(section->bogons, section->bogon_count, "sanity.bogons", diag);
	int paths =
		names_check(section->reverse_path.interfaces, section->reverse_path.interface_count,
			    "sanity.reverse-path.interfaces", diag);
	return ethertypes ? ethertypes : bogons ? bogons : paths;
}

static uint32_t switched(const struct sanity_section *section, int by, enum sanity_level from,
			 uint32_t check)
{
	bool is_on = by == SANITY_BY_LEVEL ? section->level >= (int)from : by == SANITY_ON;
	return is_on ? check : 0;
}

uint32_t sanity_checks(const struct sanity_section *s)
{
	return switched(s, s->malformed, SANITY_LEVEL_BASIC, SANITY_MALFORMED) |
	       switched(s, s->tcp_flags, SANITY_LEVEL_BASIC, SANITY_TCP_FLAGS) |
	       switched(s, s->land, SANITY_LEVEL_BASIC, SANITY_LAND) |
	       switched(s, s->martian, SANITY_LEVEL_BASIC, SANITY_MARTIAN) |
	       switched(s, s->fragments.tiny, SANITY_LEVEL_BASIC, SANITY_TINY) |
	       switched(s, s->fragments.overlapping, SANITY_LEVEL_STRICT, SANITY_OVERLAP) |
	       switched(s, s->ethertype, SANITY_LEVEL_STRICT, SANITY_ETHERTYPE) |
	       (s->arp ? SANITY_ARP : 0) | (s->neighbour ? SANITY_NEIGHBOUR : 0) |
	       (s->bogon_count ? SANITY_BOGON : 0) |
	       (!s->reverse_path.interface_count ? 0 :
		s->reverse_path.mode		 ? SANITY_PATH_LOOSE :
						   SANITY_PATH_STRICT);
}
