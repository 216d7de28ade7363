/* SPDX-License-Identifier: Apache-2.0 */
#include "features/rules/rules_limit.h"

#include <errno.h>
#include <stdio.h>

#include "base/units.h"
#include "core/limit.h"

#define KEY_BYTES 64

static const char *key_of(const char *path, const char *member, char key[KEY_BYTES])
{
	snprintf(key, KEY_BYTES, "%s%s%s", path, *path ? "." : "", member);
	return key;
}

/* Keys of a limit in a rule that has none: whoever wrote them thinks it is held to them. */
static int others_refuse(const struct rules_text *text, const char *path, struct weir_diag *diag)
{
	const char *member = text->rate ? "rate" : text->burst ? "burst" : text->per ? "per" : NULL;
	char key[KEY_BYTES];
	if (!member)
		return 0;
	return weir_diag_key(diag, key_of(path, member, key), "write `action: limit`",
			     "`%s` is for rules with the action `limit`", member);
}

/* Packets or bytes: the unit says which. */
static int rate_read(const struct rules_text *text, const char *path, struct weir_diag *diag,
		     struct rules_rule *rule, struct weir_rate *ret_rate)
{
	char key[KEY_BYTES];
	key_of(path, "rate", key);
	if (!text->rate)
		return weir_diag_key(diag, key_of(path, "action", key), "add `rate: 100/s`",
				     "the action `limit` needs a rate");
	/* Packets first: to a rate of bytes "100/s" is one, too. */
	rule->counts_bytes = weir_packet_rate_from_string(text->rate, ret_rate) == -EINVAL &&
			     weir_byte_rate_from_string(text->rate, ret_rate) != -EINVAL;
	int r = weir_limit_rate_read(rule->counts_bytes ? &weir_limit_bytes :
							  &weir_limit_packets_or_bytes,
				     text->rate, key, diag, ret_rate);
	return r ? r : ret_rate->count ? 0 : weir_limit_zero_refuse(key, diag);
}

static int packets_read(const char *text, const char *key, struct weir_diag *diag,
			uint64_t *ret_burst)
{
	const char *rest = text;
	int r = weir_number_read(&rest, ret_burst);
	if (!r && !*rest && *ret_burst && *ret_burst <= UINT32_MAX)
		return 0;
	return weir_diag_key(diag, key, "write a whole number of packets from 1 to 4294967295",
			     "'%.40s' is no burst of packets", text);
}

static int bytes_read(const char *text, const char *key, struct weir_diag *diag,
		      uint64_t *ret_burst)
{
	if (weir_size_from_string(text, ret_burst))
		return weir_diag_key(diag, key, "write 64KiB, or 65550",
				     "'%.40s' is no burst of bytes", text);
	return weir_limit_bytes_check(*ret_burst, key, diag);
}

static int burst_read(const struct rules_text *text, const char *key, struct weir_diag *diag,
		      const struct weir_rate *rate, struct rules_rule *rule)
{
	rule->burst = weir_limit_burst_of(rate, rule->counts_bytes);
	if (!text->burst)
		return 0;
	return rule->counts_bytes ? bytes_read(text->burst, key, diag, &rule->burst) :
				    packets_read(text->burst, key, diag, &rule->burst);
}

int rules_limit_read(const struct rules_text *text, const char *path, struct weir_diag *diag,
		     struct rules_rule *rule)
{
	struct weir_rate rate;
	char key[KEY_BYTES];
	if (text->action != RULES_LIMIT)
		return others_refuse(text, path, diag);
	int r = rate_read(text, path, diag, rule, &rate);
	if (r == 0)
		r = burst_read(text, key_of(path, "burst", key), diag, &rate, rule);
	if (r == 0)
		r = weir_limit_bucket(&rate, rule->burst, rule->counts_bytes,
				      key_of(path, "burst", key), diag, &rule->limit);
	return r ? r :
		   weir_limit_per_read(text->per ? text->per : RULES_LIMIT_PER,
				       key_of(path, "per", key), diag, &rule->limit);
}
