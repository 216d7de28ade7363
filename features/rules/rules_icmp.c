/* SPDX-License-Identifier: Apache-2.0 */
/* ICMP types: one number space for both versions, ICMPv6 from 256 (rules.h). */
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "features/rules/rules_items.h"

#define NONE (-1)

/* RFC 792, 1256, 4443, 4861, 2710, 3810; a type that only one version has is NONE in the other. */
static const struct {
	const char *name;
	int v4, v6;
} types[] = {
	{ "echo-reply", 0, 129 },
	{ "destination-unreachable", 3, 1 },
	{ "source-quench", 4, NONE },
	{ "redirect", 5, 137 },
	{ "echo-request", 8, 128 },
	{ "router-advertisement", 9, 134 },
	{ "router-solicitation", 10, 133 },
	{ "time-exceeded", 11, 3 },
	{ "parameter-problem", 12, 4 },
	{ "timestamp-request", 13, NONE },
	{ "timestamp-reply", 14, NONE },
	{ "packet-too-big", NONE, 2 },
	{ "mld-listener-query", NONE, 130 },
	{ "mld-listener-report", NONE, 131 },
	{ "mld-listener-done", NONE, 132 },
	{ "neighbour-solicitation", NONE, 135 },
	{ "neighbor-solicitation", NONE, 135 },
	{ "neighbour-advertisement", NONE, 136 },
	{ "neighbor-advertisement", NONE, 136 },
	{ "mld2-listener-report", NONE, 143 },
};

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

static const char *name_read(const char *item, unsigned families, struct rules_values *values)
{
	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
		uint32_t before = values->count;
		if (strcasecmp(types[i].name, item) != 0)
			continue;
		if (add_span(values, families, types[i].v4, types[i].v4, types[i].v6, types[i].v6))
			return "there is no memory";
		return values->count == before ?
			       "the family or protocol of the rule has no such type" :
			       NULL;
	}
	return "is no number and no type known by name";
}

const char *rules_icmp_read(const struct rules_kind *kind, const char *item, unsigned families,
			    struct rules_values *values)
{
	unsigned from, to;
	int end = 0;
	(void)kind;
	if (*item < '0' || *item > '9')
		return name_read(item, families, values);
	if (sscanf(item, "%3u-%3u%n", &from, &to, &end) != 2 || item[end]) {
		if (sscanf(item, "%3u%n", &from, &end) != 1 || item[end])
			return "is no number, and no range FROM-TO, of 0 to 255";
		to = from;
	}
	if (from > 255 || to > 255)
		return "is larger than 255";
	if (from > to)
		return "the range ends before it begins";
	return add_span(values, families, (int)from, (int)to, (int)from, (int)to) ?
		       "there is no memory" :
		       NULL;
}
