/* SPDX-License-Identifier: Apache-2.0 */
/* TCP flags: VALUE/MASK, as iptables and nftables have it. */
#include <string.h>
#include <strings.h>

#include "features/rules/rules_items.h"

static bool is_word(const char *text, size_t len, const char *word)
{
	return strlen(word) == len && strncasecmp(word, text, len) == 0;
}

static bool flag_bits(const char *name, size_t len, unsigned *bits)
{
	uint8_t flag = is_word(name, len, "all") ? 0xff : 0;
	bool is_known = flag || is_word(name, len, "none") ||
			weir_packet_name_find(WEIR_NAMES_TCP_FLAG, name, len, &flag);
	*bits |= flag;
	return is_known;
}

/* "syn,ack" up to `end`; every word is one, so that "syn, ack" is not taken for "syn or ack". */
static bool flags_parse(const char *text, const char *end, unsigned *ret_bits)
{
	unsigned bits = 0;
	for (bool more = true; more;) {
		size_t len = strcspn(text, ",/");
		if (!flag_bits(text, len, &bits))
			return false;
		text += len;
		more = text < end;
		if (more && *text++ != ',')
			return false;
	}
	*ret_bits = bits;
	return true;
}

const char *rules_flags_read(const struct rules_kind *kind, const char *item, unsigned families,
			     struct rules_values *values)
{
	const char *end = item + strlen(item), *slash = strchr(item, '/');
	unsigned value = 0, mask = 0;
	(void)kind, (void)families;
	if (!flags_parse(item, slash ? slash : end, &value))
		return "names a flag that TCP has not";
	mask = value;
	if (slash && !flags_parse(slash + 1, end, &mask))
		return "the mask names a flag that TCP has not";
	if (!mask)
		return "asks for no flag; write none/all or none/syn,ack";
	if (value & ~mask)
		return "asks for a flag that its mask leaves out, so nothing matches";
	for (unsigned flags = 0; flags < 256; flags++)
		if ((flags & mask) == value && rules_values_add(values, flags, flags))
			return "there is no memory";
	return NULL;
}
