/* SPDX-License-Identifier: Apache-2.0 */
/* The values of a condition: single ones, ranges, prefixes, and sets with and without a name. */
#include <string.h>

#include "cli/import_addrs.h"
#include "cli/import_nft.h"

struct nft_set *nft_set_find(const struct nft *nft, const char *table, const char *name)
{
	for (size_t i = 0; i < nft->set_count; i++)
		if (strcmp(nft->sets[i].table, table) == 0 && strcmp(nft->sets[i].name, name) == 0)
			return &nft->sets[i];
	return NULL;
}

const struct weir_json *nft_element(const struct weir_json *json)
{
	const struct weir_json *val = weir_json_get(weir_json_get(json, "elem"), "val");

	return val ? val : json;
}

static int values_from(struct import *import, const struct weir_json *array,
		       struct nft_values *values)
{
	size_t count =
		array && weir_json_type(array) == WEIR_JSON_ARRAY ? weir_json_size(array) : 0;

	values->at = import_alloc(&import->arena, count, sizeof(*values->at));
	for (size_t i = 0; values->at && i < count; i++)
		values->at[values->count++] = weir_json_at(array, i);
	return 0;
}

int nft_values_of(const struct nft_place *place, const struct weir_json *right,
		  struct nft_values *ret_values)
{
	struct import *import = place->nft->import;
	const struct weir_json *inner = weir_json_get(right, "set");
	const char *name = weir_json_str(right, "");
	struct nft_values values = { 0 };

	if (!right)
		return import_cannot(import, "it compares with nothing");
	if (*name == '@') {
		values.set = nft_set_find(place->nft, place->table, name + 1);
		if (!values.set)
			return import_cannot(import, "there is no set '%s'", name + 1);
		(void)values_from(import, weir_json_get(values.set->json, "elem"), &values);
	} else if (inner && weir_json_type(inner) == WEIR_JSON_ARRAY) {
		(void)values_from(import, inner, &values);
	} else {
		values.at = import_alloc(&import->arena, 1, sizeof(*values.at));
		values.count = values.at ? 1 : 0;
		if (values.at)
			values.at[0] = inner ? inner : right;
	}
	*ret_values = values;
	return 0;
}

static int addr_read(struct import *import, const struct weir_json *value, bool is_v6,
		     struct import_addr *ret_addr)
{
	const struct weir_json *prefix = weir_json_get(value, "prefix");
	const struct weir_json *range = weir_json_get(value, "range");
	const char *text = weir_json_str(value, "");

	if (prefix)
		text = import_format(&import->arena, "%s/%lld",
				     weir_json_str(weir_json_get(prefix, "addr"), ""),
				     (long long)weir_json_int(weir_json_get(prefix, "len"), -1));
	else if (range)
		text = import_format(&import->arena, "%s-%s",
				     weir_json_str(weir_json_at(range, 0), ""),
				     weir_json_str(weir_json_at(range, 1), ""));
	return import_addr_read(import, text, is_v6, ret_addr);
}

static int addrs_read(struct import *import, const struct nft_values *values, bool is_v6,
		      struct import_addrs *ret_addrs)
{
	struct import_addrs addrs = { 0 };

	for (size_t i = 0; i < values->count; i++) {
		struct import_addr addr;
		int result = addr_read(import, nft_element(values->at[i]), is_v6, &addr);
		if (result < 0)
			return result;
		addrs = import_addrs_add(&import->arena, addrs, addr);
	}
	*ret_addrs = addrs;
	return 0;
}

static struct import_addrs addrs_of_set(struct import *import, const char *name)
{
	struct import_addr item = { .set = name };

	return import_addrs_add(&import->arena, (struct import_addrs){ 0 }, item);
}

/* What rules or programs put into it from now on goes unseen. */
static void set_tell(struct import *import, const struct nft_set *set)
{
	const struct weir_json *flags = weir_json_get(set->json, "flags");
	bool changes = weir_json_get(set->json, "timeout") != NULL;

	for (size_t i = 0; flags && i < weir_json_size(flags); i++) {
		const char *flag = weir_json_str(weir_json_at(flags, i), "");
		changes |= strcmp(flag, "timeout") == 0 || strcmp(flag, "dynamic") == 0;
	}
	if (changes)
		import_note(import,
			    import_format(&import->arena, "%s set %s", set->table, set->name),
			    set->name,
			    "its members of this moment were taken, for good: what expires or is "
			    "added later is not followed");
}

/* A set is taken over when a rule first needs it. */
static int set_take(struct import *import, struct nft_set *set, const struct nft_values *values,
		    bool is_v6)
{
	struct import_addrs addrs = { 0 };

	if (set->taken_as)
		return 0;
	int result = addrs_read(import, values, is_v6, &addrs);
	if (result < 0)
		return result;
	set->taken_as =
		import_set_add(import, set->name,
			       import_format(&import->arena, "%s set %s", set->table, set->name),
			       addrs);
	set_tell(import, set);
	return 0;
}

static int addr_add(const struct nft_place *place, const struct nft_selector *selector,
		    const char *op, const struct nft_values *values, struct import_match *match)
{
	struct import *import = place->nft->import;
	bool is_v6 = selector->family == 1;
	bool is_not = strcmp(op, "!=") == 0;
	struct import_addrs addrs = { 0 };

	if (!is_not && strcmp(op, "==") != 0 && strcmp(op, "in") != 0)
		return import_cannot(import, "Weir's rules do not compare addresses by '%s'", op);
	int result = values->set ? set_take(import, values->set, values, is_v6) :
				   addrs_read(import, values, is_v6, &addrs);
	if (result < 0)
		return result;
	if (values->set)
		addrs = addrs_of_set(import, values->set->taken_as);
	else if (addrs.count > IMPORT_INLINE_SET)
		addrs = addrs_of_set(import, import_set_add(import, place->set_name,
							    place->rule->where, addrs));
	match->never |= addrs.count == 0 && !is_not;
	struct import_addr_field field = { 0 };
	*(is_not ? &field.out : &field.in) = addrs;
	return import_match_addr(import, match, selector->end, &field);
}

static int iface_add(const struct nft_place *place, const struct nft_selector *selector,
		     const char *op, const struct nft_values *values, struct import_match *match)
{
	struct import *import = place->nft->import;
	const char **names = import_alloc(&import->arena, values->count, sizeof(*names));
	struct import_name_field field = { 0 };
	bool is_not = strcmp(op, "!=") == 0;

	if (!is_not && strcmp(op, "==") != 0)
		return import_cannot(import, "interfaces are not compared by '%s'", op);
	for (size_t i = 0; names && i < values->count; i++) {
		names[i] = weir_json_str(nft_element(values->at[i]), "");
		int result = import_iface_check(import, names[i]);
		if (result < 0)
			return result;
	}
	match->never |= values->count == 0 && !is_not;
	*(is_not ? &field.out : &field.in) =
		(struct import_words){ .at = names, .count = values->count };
	return import_match_iface(import, match, selector->way, &field);
}

static int number_add(const struct nft_place *place, const struct nft_selector *selector,
		      const char *op, const struct nft_values *values, struct import_match *match)
{
	struct import *import = place->nft->import;
	struct import_arena *arena = &import->arena;
	uint32_t max = import_number_max(selector->number);
	struct import_spans spans = { 0 };
	int result = nft_number_spans(place, selector, op, values, &spans);

	if (result < 0)
		return result;
	bool is_one = spans.count == 1 && spans.at[0].from == spans.at[0].to;
	if (strcmp(op, "!=") == 0)
		spans = import_spans_not(arena, spans, max);
	else if (*op == '<' && is_one && (op[1] || spans.at[0].from > 0))
		spans = import_spans_one(arena, 0, spans.at[0].from - (op[1] ? 0 : 1));
	else if (*op == '<' && is_one)
		spans = (struct import_spans){ 0 };
	else if (*op == '>' && is_one)
		spans = import_spans_one(arena, spans.at[0].from + (op[1] ? 0 : 1), max);
	else if (strcmp(op, "==") != 0 && strcmp(op, "in") != 0)
		return import_cannot(import, "'%s' is not understood here", op);
	if (selector->number == IMPORT_SECOND)
		result = import_hours_align(import, place->rule, &spans);
	return result < 0 ? result : import_match_number(import, match, selector->number, spans);
}

/* Of which packets the selector can be read. */
static int presence_add(const struct nft_place *place, const struct nft_selector *selector,
			struct import_match *match)
{
	struct import *import = place->nft->import;
	struct import_arena *arena = &import->arena;
	int result = 0;

	match->any_transport |= selector->any_transport;
	if (selector->note)
		import_note(import, place->rule->where, place->rule->text, selector->note);
	if (selector->family >= 0)
		result = import_match_number(import, match, IMPORT_FAMILY,
					     import_spans_one(arena, (uint32_t)selector->family,
							      (uint32_t)selector->family));
	if (selector->proto >= 0 && result == 0)
		result = import_match_number(import, match, IMPORT_PROTO,
					     import_spans_one(arena, (uint32_t)selector->proto,
							      (uint32_t)selector->proto));
	return result;
}

int nft_condition_add(const struct nft_place *place, const struct nft_selector *selector,
		      const char *op, const struct nft_values *values, struct import_match *match)
{
	int result = presence_add(place, selector, match);

	if (result < 0)
		return result;
	switch (selector->kind) {
	case NFT_ADDR:
		return addr_add(place, selector, op, values, match);
	case NFT_IFACE:
		return iface_add(place, selector, op, values, match);
	case NFT_FLAGS:
		return nft_flags_add(place, selector, op, values, match);
	case NFT_FRAG_OFF:
		return nft_frag_off_add(place, selector, op, values, match);
	case NFT_NUMBER:
	default:
		return number_add(place, selector, op, values, match);
	}
}
