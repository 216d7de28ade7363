/* SPDX-License-Identifier: Apache-2.0 */
#include "features/rules/rules_parts.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "features/rules/rules_state.h"

#define PROTO RULES_KEY_FIELD(RULES_PROTO)
#define DPORT RULES_KEY_WIDE(RULES_DPORT)

/* What services of one address and protocol have. */
struct place {
	struct weir_addr addr;
	uint8_t proto;
	struct rules_values ports;
};

struct places {
	struct place *at;
	uint32_t count;
	bool lack_some;
};

static void places_done(struct places *places)
{
	for (uint32_t i = 0; i < places->count; i++)
		rules_values_done(&places->at[i].ports);
	free(places->at);
}

static struct place *place_get(struct places *places, const struct weir_service_end *end)
{
	for (uint32_t i = 0; i < places->count; i++)
		if (places->at[i].proto == end->proto &&
		    memcmp(&places->at[i].addr, &end->addr, sizeof(end->addr)) == 0)
			return &places->at[i];
	struct place *at = reallocarray(places->at, places->count + 1, sizeof(*at));
	if (!at)
		return NULL;
	places->at = at;
	at[places->count] = (struct place){ .addr = end->addr, .proto = end->proto };
	return &at[places->count++];
}

static int service_add(struct places *places, const struct weir_services *services,
		       const char *name)
{
	uint32_t count = 0;
	const struct weir_service_end *ends = weir_services_find(services, name, &count);
	places->lack_some |= !ends;
	for (uint32_t i = 0; i < count; i++) {
		if (ends[i].ports.from > ends[i].ports.to)
			continue;
		struct place *place = place_get(places, &ends[i]);
		if (!place || rules_values_add(&place->ports, ends[i].ports.from, ends[i].ports.to))
			return -ENOMEM;
	}
	return 0;
}

/* Takes the ports. */
static int place_put(struct place *place, struct rules_rule *rule)
{
	struct weir_range *range = malloc(sizeof(*range));
	if (!range || rules_values_add(&rule->keys[PROTO], place->proto, place->proto)) {
		free(range);
		return -ENOMEM;
	}
	*range = (struct weir_range){ .from = place->addr, .to = place->addr };
	rule->dst =
		(struct rules_end){ .is_given = true, .in = { .ranges = range, .range_count = 1 } };
	rules_values_seal(&place->ports);
	rule->keys[DPORT] = place->ports;
	place->ports = (struct rules_values){ 0 };
	rule->given |= 1u << PROTO | 1u << DPORT;
	return 0;
}

void rules_parts_done(struct rules_parts *parts)
{
	for (uint32_t i = 0; i < parts->count; i++)
		rules_rule_done(&parts->at[i]);
	free(parts->at);
	*parts = (struct rules_parts){ 0 };
}

/* What is wrong was told when the rule was read first; names of services, which may be thousands,
 * are not read again for each. */
static int places_read(const struct rules_text *text, const char *path, struct places *places,
		       struct rules_parts *ret_parts)
{
	_cleanup_parts_ struct rules_parts parts = {
		.at = calloc(places->count + 1, sizeof(*parts.at)),
		.lacks_some = places->lack_some,
	};
	struct rules_text rest = *text;
	int r = parts.at ? 0 : -ENOMEM;
	rest.service = NULL;
	for (uint32_t i = 0; r == 0 && i < places->count; i++) {
		_cleanup_diag_ struct weir_diag told = { 0 };
		r = rules_rule_read(&rest, path, &told, &parts.at[i]);
		if (r == 0) {
			parts.at[parts.count++].text = text;
			r = place_put(&places->at[i], &parts.at[i]);
		}
	}
	if (r < 0)
		return r;
	*ret_parts = parts;
	parts = (struct rules_parts){ 0 };
	return 0;
}

int rules_parts_read(const struct rules_text *text, const char *path, struct weir_diag *diag,
		     const struct weir_services *services, struct rules_parts *ret_parts)
{
	_cleanup_parts_ struct rules_parts whole = { .at = calloc(1, sizeof(*whole.at)) };
	_cleanup_(places_done) struct places places = { 0 };
	int r = whole.at ? rules_rule_read(text, path, diag, whole.at) : -ENOMEM;
	if (r < 0)
		return r;
	whole.count = 1;
	if (!whole.at->services.in) {
		*ret_parts = whole;
		whole = (struct rules_parts){ 0 };
		return 0;
	}
	for (char *const *name = whole.at->services.in; r == 0 && *name; name++)
		r = service_add(&places, services, *name);
	return r ? r : places_read(text, path, &places, ret_parts);
}

uint32_t rules_text_weight(const struct rules_text *text)
{
	uint32_t weight = 1;
	for (const char *c = text->service ? text->service : ""; *c; c++)
		weight += *c == ',';
	return weight;
}

uint32_t rules_section_weight(const struct rules_section *section)
{
	uint32_t weight = 0;
	for (unsigned i = 0; i < section->rule_count; i++)
		weight += rules_text_weight(&section->rules[i]);
	return weight;
}

uint32_t rules_list_weight(const struct rules_list *list)
{
	uint32_t weight = 0;
	for (uint32_t i = 0; i < list->count; i++)
		weight += rules_text_weight(&list->at[i].text);
	return weight;
}
