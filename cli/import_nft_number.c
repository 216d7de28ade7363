/* SPDX-License-Identifier: Apache-2.0 */
/* Values that are numbers or names of numbers; TCP flags; the fragment offset. */
#include <errno.h>
#include <string.h>

#include "cli/import_names.h"
#include "cli/import_nft.h"

#define FRAG_OFFSET 0x1fff
#define FRAG_OFFSET_AND_MORE 0x3fff
#define NFPROTO_V4 2
#define NFPROTO_V6 10

static bool family_read(const struct weir_json *json, uint32_t *ret_family)
{
	const char *text = weir_json_str(json, "");
	int64_t number = weir_json_int(json, 0);

	*ret_family = strcmp(text, "ipv6") == 0 || strcmp(text, "ip6") == 0 || number == NFPROTO_V6;
	return *ret_family || strcmp(text, "ipv4") == 0 || strcmp(text, "ip") == 0 ||
	       number == NFPROTO_V4;
}

static int number_read(struct import *import, const struct nft_selector *selector,
		       const struct weir_json *json, uint32_t *ret_number)
{
	const char *text = weir_json_str(json, "");
	uint32_t max = import_number_max(selector->number);
	int64_t number = weir_json_int(json, -1);

	if (selector->number == IMPORT_FAMILY)
		return family_read(json, ret_number) ?
			       0 :
			       import_cannot(import, "Weir's rules see IPv4 and IPv6 only");
	if (selector->number == IMPORT_SECOND && import_second_read(text, ret_number))
		return 0;
	if (number >= 0 && number + selector->extra <= max && selector->number != IMPORT_DAY &&
	    selector->number != IMPORT_STATE) {
		*ret_number = (uint32_t)number + selector->extra;
		return 0;
	}
	if (selector->names >= 0 &&
	    import_names_find((enum import_names)selector->names, text, max, ret_number))
		return 0;
	return import_cannot(
		import, "'%s' is not known here",
		number >= 0 ? import_format(&import->arena, "%lld", (long long)number) : text);
}

static int span_read(struct import *import, const struct nft_selector *selector,
		     const struct weir_json *json, struct import_span *ret_span)
{
	const struct weir_json *range = weir_json_get(json, "range");
	struct import_span span = { 0 };
	int result =
		number_read(import, selector, range ? weir_json_at(range, 0) : json, &span.from);

	span.to = span.from;
	if (range && result == 0)
		result = number_read(import, selector, weir_json_at(range, 1), &span.to);
	if (result == 0 && span.from > span.to)
		result = import_cannot(import, "the range runs backwards");
	if (result == 0)
		*ret_span = span;
	return result;
}

/* `ct state established,related` gives an array: any of them. */
static int listed_values(struct import *import, const char *op, const struct nft_values *values,
			 struct nft_values *ret_values)
{
	const struct weir_json *only = values->count == 1 ? values->at[0] : NULL;

	*ret_values = *values;
	if (!only || weir_json_type(only) != WEIR_JSON_ARRAY)
		return 0;
	if (strcmp(op, "in") != 0)
		return import_cannot(import,
				     "a list of states is only understood as 'any of them'");
	size_t count = weir_json_size(only);
	ret_values->at = import_alloc(&import->arena, count, sizeof(*ret_values->at));
	ret_values->count = ret_values->at ? count : 0;
	for (size_t i = 0; i < ret_values->count; i++)
		ret_values->at[i] = weir_json_at(only, i);
	return 0;
}

int nft_number_spans(const struct nft_place *place, const struct nft_selector *selector,
		     const char *op, const struct nft_values *values,
		     struct import_spans *ret_spans)
{
	struct import *import = place->nft->import;
	struct nft_values all;
	int result = listed_values(import, op, values, &all);

	if (result < 0)
		return result;
	struct import_span *runs = import_alloc(&import->arena, all.count, sizeof(*runs));
	for (size_t i = 0; runs && i < all.count; i++) {
		result = span_read(import, selector, nft_element(all.at[i]), &runs[i]);
		if (result < 0)
			return result;
	}
	*ret_spans = import_spans_from(runs, runs ? all.count : 0);
	return 0;
}

/* One value: a name, a number, or several names that are all meant at once. */
static int flag_bits_read(struct import *import, const struct weir_json *json, uint8_t *ret_bits)
{
	const struct weir_json *joined = weir_json_get(json, "|");
	const struct weir_json *list = joined ? joined : json;
	bool is_list = list && weir_json_type(list) == WEIR_JSON_ARRAY;
	size_t count = is_list ? weir_json_size(list) : 1;
	uint32_t bits = 0, bit;

	for (size_t i = 0; i < count; i++) {
		const struct weir_json *one = is_list ? weir_json_at(list, i) : json;
		int64_t number = weir_json_int(one, -1);
		if (number >= 0 && number <= UINT8_MAX)
			bits |= (uint32_t)number;
		else if (import_names_find(IMPORT_NAMES_FLAG, weir_json_str(one, ""), 0, &bit))
			bits |= 1u << bit;
		else
			return import_cannot(import, "unknown TCP flag");
	}
	*ret_bits = (uint8_t)bits;
	return 0;
}

static int flags_any(struct import *import, uint8_t bits, struct import_match *match)
{
	/* Not "none of them is set". */
	return import_match_flags(import, match,
				  import_flags_not(import, (struct import_flag_pair){ 0, bits }));
}

static int flags_one(struct import *import, struct import_flag_pair pair,
		     struct import_match *match)
{
	struct import_flag_pair *own = import_alloc(&import->arena, 1, sizeof(*own));

	if (!own)
		return -ENOMEM;
	*own = pair;
	bool can = (pair.value & ~pair.mask) == 0;
	return import_match_flags(import, match,
				  (struct import_flags){ .at = own, .count = can ? 1 : 0 });
}

static int flags_compare(struct import *import, const struct nft_selector *selector, const char *op,
			 uint8_t bits, struct import_match *match)
{
	uint8_t mask = selector->mask ? (uint8_t)selector->mask : 0xff;
	bool is_bare = selector->mask == 0;

	if (strcmp(op, "==") == 0)
		return flags_one(import, (struct import_flag_pair){ bits, mask }, match);
	if (strcmp(op, "!=") == 0 && (bits & ~mask) == 0)
		return import_match_flags(
			import, match,
			import_flags_not(import, (struct import_flag_pair){ bits, mask }));
	if (is_bare && bits && strcmp(op, "in") == 0)
		return flags_any(import, bits, match);
	if (is_bare && bits && strcmp(op, "!") == 0)
		return flags_one(import, (struct import_flag_pair){ 0, bits }, match);
	return import_cannot(import, "TCP flags are not compared like this");
}

/* Several values are alternatives; several that it must not be are conditions, one by one. */
int nft_flags_add(const struct nft_place *place, const struct nft_selector *selector,
		  const char *op, const struct nft_values *values, struct import_match *match)
{
	struct import *import = place->nft->import;
	struct import_flag_pair *pairs =
		import_alloc(&import->arena, values->count, sizeof(*pairs));
	uint8_t mask = selector->mask ? (uint8_t)selector->mask : 0xff, bits = 0;
	bool is_choice = values->count != 1 && strcmp(op, "==") == 0;
	size_t count = 0;

	if (values->count > 256)
		return import_cannot(import, "too many TCP flag combinations for one rule");
	for (size_t i = 0; pairs && i < values->count; i++) {
		int result = flag_bits_read(import, nft_element(values->at[i]), &bits);
		if (result == 0 && !is_choice)
			result = flags_compare(import, selector, op, bits, match);
		if (result < 0)
			return result;
		if ((bits & ~mask) == 0)
			pairs[count++] = (struct import_flag_pair){ bits, mask };
	}
	return is_choice ?
		       import_match_flags(import, match,
					  (struct import_flags){ .at = pairs, .count = count }) :
		       0;
}

int nft_frag_off_add(const struct nft_place *place, const struct nft_selector *selector,
		     const char *op, const struct nft_values *values, struct import_match *match)
{
	struct import *import = place->nft->import;
	struct import_arena *arena = &import->arena;
	bool is_zero = values->count == 1 && weir_json_int(values->at[0], -1) == 0;
	bool is_equal = strcmp(op, "==") == 0;

	if (!is_zero || (!is_equal && strcmp(op, "!=") != 0) ||
	    (selector->mask != FRAG_OFFSET && selector->mask != FRAG_OFFSET_AND_MORE))
		return import_cannot(import, "of the fragment offset, only whether it is 0 (with "
					     "& 0x1fff or 0x3fff) can be asked");
	/* In the order none, first, later: those before `split` have zeros there. */
	uint32_t split = selector->mask == FRAG_OFFSET ? 2 : 1;
	struct import_spans spans = is_equal ? import_spans_one(arena, 0, split - 1) :
					       import_spans_one(arena, split, 2);
	return import_match_number(import, match, IMPORT_FRAGMENT, spans);
}
