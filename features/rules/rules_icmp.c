/* SPDX-License-Identifier: Apache-2.0 */
/* ICMP types: one number space for both versions, ICMPv6 from 256 (rules.h). */
#include <string.h>

#include "features/rules/rules_items.h"

#define NONE (-1)

static int add_span(struct rules_values *values, unsigned families, int v4_from, int v4_to,
		    int v6_from, int v6_to)
{
	int r = 0;
	if (families & RULES_V4 && v4_from != NONE)
		r = rules_values_add(values, (uint32_t)v4_from, (uint32_t)v4_to);
	if (r == 0 && families & RULES_V6 && v6_from != NONE)
		r = rules_values_add(values, 256 + (uint32_t)v6_from, 256 + (uint32_t)v6_to);
	return r;
}

/* A type that only one version has is NONE in the other. */
static int name_number(enum weir_packet_names names, const char *item)
{
	uint8_t number;
	return weir_packet_name_find(names, item, strlen(item), &number) ? number : NONE;
}

static const char *name_read(const char *item, unsigned families, struct rules_values *values)
{
	int v4 = name_number(WEIR_NAMES_ICMP_TYPE, item),
	    v6 = name_number(WEIR_NAMES_ICMPV6_TYPE, item);
	uint32_t before = values->count;
	if (v4 == NONE && v6 == NONE)
		return "is no number and no type known by name";
	if (add_span(values, families, v4, v4, v6, v6))
		return "there is no memory";
	return values->count == before ? "the family or protocol of the rule has no such type" :
					 NULL;
}

const char *rules_icmp_read(const struct rules_kind *kind, const char *item, unsigned families,
			    struct rules_values *values)
{
	uint32_t from, to;
	(void)kind;
	if (!families)
		return "the family or protocol of the rule has no ICMP types";
	if (*item < '0' || *item > '9')
		return name_read(item, families, values);
	const char *why = rules_range_read(item, UINT8_MAX, &from, &to);
	if (why)
		return why;
	return add_span(values, families, (int)from, (int)to, (int)from, (int)to) ?
		       "there is no memory" :
		       NULL;
}
