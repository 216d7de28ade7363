/* SPDX-License-Identifier: Apache-2.0 */
/* Items, and fields of plain numbers and names. */
#include "features/rules/rules_items.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static const char *skip_space(const char *text)
{
	while (isspace((unsigned char)*text))
		text++;
	return text;
}

static const char *skip_not(const char *text, bool *ret_is_negated)
{
	*ret_is_negated = true;
	if (*text == '!')
		return skip_space(text + 1);
	if (strncmp(text, "not", 3) == 0 && isspace((unsigned char)text[3]))
		return skip_space(text + 3);
	*ret_is_negated = false;
	return text;
}

int rules_item_next(const char **text, const char *between, struct rules_item *item,
		    const char **ret_why)
{
	const char *at = skip_space(*text);
	if (!*at)
		return 0;
	at = skip_not(at, &item->is_negated);
	size_t len = strcspn(at, between);
	const char *next = at + len;
	while (len && isspace((unsigned char)at[len - 1]))
		len--;
	*ret_why = len ? "is too long" : "there is nothing between two separators";
	if (!len || len >= sizeof(item->text))
		return -EINVAL;
	memcpy(item->text, at, len);
	item->text[len] = '\0';
	next = *next ? skip_space(next + 1) : next;
	*ret_why = "a separator stands at the end";
	if (!*next && at[strcspn(at, between)] == ',')
		return -EINVAL;
	*text = next;
	return 1;
}

static int values_refuse(const struct rules_kind *kind, const char *key, struct weir_diag *diag,
			 const char *item, const char *why)
{
	return weir_diag_key(diag, key, kind->mend, "'%s': %s", item, why);
}

/* The positive items, everything when there are none, less the negative ones. */
static int values_settle(const struct rules_kind *kind, struct rules_values *in,
			 struct rules_values *out, struct rules_values *ret_values)
{
	int r = in->count ? 0 : rules_values_add(in, 0, kind->last);
	if (r < 0)
		return r;
	rules_values_seal(in);
	rules_values_seal(out);
	return rules_values_subtract(in, out, ret_values);
}

int rules_values_read(const struct rules_kind *kind, const char *text, const char *key,
		      unsigned families, struct weir_diag *diag, struct rules_values *ret_values)
{
	_cleanup_values_ struct rules_values in = { 0 }, out = { 0 }, values = { 0 };
	const char *why = NULL, *at = text;
	struct rules_item item;
	int r;
	while ((r = rules_item_next(&at, kind->between ? kind->between : ",", &item, &why)) > 0) {
		why = kind->read(kind, item.text, families, item.is_negated ? &out : &in);
		if (why)
			return values_refuse(kind, key, diag, item.text, why);
	}
	if (r < 0)
		return values_refuse(kind, key, diag, text, why);
	if (!in.count && !out.count)
		return values_refuse(kind, key, diag, text, "it says nothing");
	r = values_settle(kind, &in, &out, &values);
	if (r < 0)
		return r;
	if (!values.count)
		return values_refuse(kind, key, diag, text, "no value is left of it");
	*ret_values = values;
	values = (struct rules_values){ 0 };
	return 0;
}

/* Digits alone, or 0x and hexadecimal digits. */
static bool number_read(const char *text, char **end, uint32_t *ret_number)
{
	if (!isdigit((unsigned char)*text))
		return false;
	errno = 0;
	unsigned long number = strtoul(text, end, text[0] == '0' && text[1] == 'x' ? 16 : 10);
	*ret_number = number > UINT32_MAX ? UINT32_MAX : (uint32_t)number;
	return true;
}

/* Words of the feature's own, else those of core/packet_names.h. */
static bool word_read(const struct rules_kind *kind, const char *name, uint32_t *ret_from,
		      uint32_t *ret_to)
{
	uint8_t number;
	for (const struct rules_word *word = kind->words; word && word->name; word++)
		if (strcasecmp(word->name, name) == 0) {
			*ret_from = word->from;
			*ret_to = word->to;
			return true;
		}
	if (!kind->has_names || !weir_packet_name_find(kind->names, name, strlen(name), &number))
		return false;
	*ret_from = *ret_to = number;
	return true;
}

const char *rules_range_read(const char *item, uint32_t most, uint32_t *ret_from, uint32_t *ret_to)
{
	char *end;
	uint32_t from, to;
	if (!number_read(item, &end, &from))
		return "is no number and no name known here";
	to = from;
	if (*end == '-' && !number_read(end + 1, &end, &to))
		return "a range is written FROM-TO";
	if (*end)
		return "something stands behind the number";
	if (from > most || to > most)
		return "is larger than the largest there is";
	if (from > to)
		return "the range ends before it begins";
	*ret_from = from;
	*ret_to = to;
	return NULL;
}

/* "22", "8000-8100", or a name. */
static const char *number_item(const struct rules_kind *kind, const char *item, unsigned families,
			       struct rules_values *values)
{
	uint32_t from, to, most = rules_key_last((unsigned)(kind - rules_kinds));
	(void)families;
	if (!word_read(kind, item, &from, &to)) {
		const char *why =
			kind->is_named ? "is not known" : rules_range_read(item, most, &from, &to);
		if (why)
			return why;
	}
	return rules_values_add(values, from, to) ? "there is no memory" : NULL;
}

static const struct rules_word families[] = {
	{ "ipv4", 0, 0 },
	{ "ipv6", 1, 1 },
	{ 0 },
};

static const struct rules_word fragments[] = {
	{ "none", 0, 0 }, { "first", 1, 1 }, { "later", 2, 2 }, { "any", 1, 2 }, { 0 },
};

static const struct rules_word states[] = {
	{ "untracked", WEIR_CONN_UNTRACKED, WEIR_CONN_UNTRACKED },
	{ "new", WEIR_CONN_NEW, WEIR_CONN_NEW },
	{ "established", WEIR_CONN_ESTABLISHED, WEIR_CONN_ESTABLISHED },
	{ "related", WEIR_CONN_RELATED, WEIR_CONN_RELATED },
	{ "invalid", WEIR_CONN_INVALID, WEIR_CONN_INVALID },
	{ 0 },
};

static const struct rules_word untagged[] = {
	{ "none", RULES_NO_VLAN, RULES_NO_VLAN },
	{ 0 },
};

#define PORT_MEND "write ports 0 to 65535 and ranges: 22, 80, 8000-8100"

const struct rules_kind rules_kinds[RULES_KEYS] = {
	[RULES_KEY_WIDE(RULES_SPORT)] = { "sport", 65535, PORT_MEND, number_item },
	[RULES_KEY_WIDE(RULES_DPORT)] = { "dport", 65535, PORT_MEND, number_item },
	[RULES_KEY_WIDE(RULES_LENGTH)] = { "length", 65535,
					   "write bytes 0 to 65535 and ranges: 0-127, 1500",
					   number_item },
	[RULES_KEY_WIDE(RULES_VLAN)] = { "vlan", RULES_NO_VLAN,
					 "write `none`, ids 0 to 4095 and ranges: 100, 200-299",
					 number_item, untagged },
	[RULES_KEY_FIELD(RULES_PROTO)] = { "proto", 255,
					   "write tcp, udp, icmp, icmpv6, sctp, gre, esp, ah, "
					   "igmp, ospf, vrrp, dccp, udplite or 0 to 255",
					   number_item, .has_names = true,
					   .names = WEIR_NAMES_PROTO },
	[RULES_KEY_FIELD(RULES_FLAGS)] = { "tcp-flags", 255,
					   "write VALUE/MASK as in syn/syn,ack,rst,fin; flags are "
					   "fin syn rst psh ack urg ece cwr, none and all",
					   rules_flags_read, NULL, " \t" },
	[RULES_KEY_FIELD(RULES_TYPE)] = { "icmp-type", 511,
					  "write 0 to 255, ranges, or names such as echo-request, "
					  "destination-unreachable, packet-too-big",
					  rules_icmp_read },
	[RULES_KEY_FIELD(RULES_CODE)] = { "icmp-code", 255, "write 0 to 255 and ranges",
					  number_item },
	[RULES_KEY_FIELD(RULES_DSCP)] = { "dscp", 63,
					  "write 0 to 63, ranges, or names such as ef, cs1, af41",
					  number_item, .has_names = true,
					  .names = WEIR_NAMES_DSCP },
	[RULES_KEY_FIELD(RULES_FAMILY)] = { "family", 1, "write ipv4 or ipv6", number_item,
					    families, NULL, true },
	[RULES_KEY_FIELD(RULES_FRAGMENT)] = { "fragment", 2, "write none, first, later or any",
					      number_item, fragments, NULL, true },
	[RULES_KEY_FIELD(RULES_STATE)] = { "state", WEIR_CONN_STATES - 1,
					   "write new, established, related, invalid or untracked",
					   number_item, states, NULL, true },
	[RULES_KEY_FIELD(RULES_MINUTE)] = { "schedule", RULES_FIELD_VALUES - 1,
					    "write days and times: mon-fri 08:00-18:00, sat "
					    "10:00-12:00, 22:00-06:00",
					    rules_minutes_read },
};

const char *rules_key_name(unsigned key)
{
	return rules_kinds[key].key;
}

/* Numbers a person may write; VLAN ids end one before "none", families and the like have names. */
uint32_t rules_key_last(unsigned key)
{
	if (key == RULES_KEY_WIDE(RULES_VLAN))
		return RULES_NO_VLAN - 1;
	return rules_kinds[key].last;
}
