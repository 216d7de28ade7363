/* SPDX-License-Identifier: Apache-2.0 */
/* TCP flags: VALUE/MASK, as iptables and nftables have it. */
#include <string.h>
#include <strings.h>

#include "features/rules/rules_items.h"

static bool flag_bit(const char *name, size_t len, unsigned *bits)
{
	static const char *const names[] = {
		"fin", "syn", "rst", "psh", "ack", "urg", "ece", "cwr"
	};
	for (unsigned i = 0; i < 8; i++)
		if (strlen(names[i]) == len && strncasecmp(names[i], name, len) == 0) {
			*bits |= 1u << i;
			return true;
		}
	if (len == 3 && strncasecmp(name, "all", len) == 0)
		*bits = 0xff;
	return len == 3 ? *bits == 0xff : len == 4 && strncasecmp(name, "none", len) == 0;
}

/* "syn,ack" up to `end`. */
static bool flags_parse(const char *text, const char *end, unsigned *ret_bits)
{
	unsigned bits = 0;
	while (text < end) {
		size_t len = strcspn(text, ",/");
		if (!flag_bit(text, len, &bits))
			return false;
		text += len + (text + len < end);
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
	if (slash && (slash + 1 == end || !flags_parse(slash + 1, end, &mask)))
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
