/* SPDX-License-Identifier: Apache-2.0 */
/* What an entry of `services:` means. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/addr.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/spans.h"
#include "features/synproxy/synproxy_state.h"

static const char *key_of(unsigned index, const char *member, char key[64])
{
	snprintf(key, 64, "synproxy.services[%u].%s", index, member);
	return key;
}

static bool has_port_zero(const struct synproxy_service *service)
{
	for (unsigned i = 0; i < SYNPROXY_SPANS; i++)
		if (!service->port[i].from)
			return true;
	return false;
}

static int ports_mean(const struct synproxy_text *text, unsigned index, struct weir_diag *diag,
		      struct synproxy_service *service)
{
	int r = weir_spans_read(text->ports, service->port, SYNPROXY_SPANS);
	char key[64];

	if (r == -E2BIG)
		return weir_diag_key(diag, key_of(index, "ports", key),
				     "write a second service for the others",
				     "more than %d ports or ranges", SYNPROXY_SPANS);
	if (r)
		return weir_diag_key(diag, key_of(index, "ports", key),
				     "write 80, or 80, 443, 8000-8100", "'%.40s' are no ports",
				     text->ports);
	if (has_port_zero(service))
		return weir_diag_key(diag, key_of(index, "ports", key), "write 1 or higher",
				     "nobody can listen at port 0");
	return 0;
}

static void mask_write(struct weir_addr *mask, unsigned length)
{
	for (unsigned i = 0; i < sizeof(mask->bytes); i++) {
		unsigned bits = length > 8 * i ? length - 8 * i : 0;

		mask->bytes[i] = (uint8_t)(bits >= 8 ? 0xff : 0xff00 >> bits);
	}
}

static bool is_of_groups(const struct weir_range *range)
{
	static const char *const groups[] = { "224.0.0.0-255.255.255.255", "ff00::/8" };

	for (size_t i = 0; i < WEIR_ARRAY_SIZE(groups); i++) {
		struct weir_range group;

		if (weir_range_from_string(groups[i], strlen(groups[i]), &group, NULL, NULL) == 0 &&
		    weir_range_contains(&group, &range->from))
			return true;
	}
	return false;
}

static int destination_mean(const char *text, const char **ret_fault,
			    struct synproxy_destination *to)
{
	struct weir_range range;
	struct weir_prefix prefix;
	bool has_host_bits;

	if (weir_range_from_string(text, strlen(text), &range, &has_host_bits, ret_fault))
		return -EINVAL;
	*ret_fault = "that is no address, and no prefix";
	if (!weir_range_is_prefix(&range, &prefix))
		return -EINVAL;
	*ret_fault = "that is for groups of hosts, and TCP speaks to one";
	if (is_of_groups(&range))
		return -EINVAL;
	to->addr = prefix.addr;
	mask_write(&to->mask, prefix.length);
	return 0;
}

/* What is not used is an address that nobody has, of all ones; without any, all that there are. */
static int destinations_mean(const struct synproxy_text *text, unsigned index,
			     struct weir_diag *diag, struct synproxy_destination *to)
{
	char key[64], member[24];

	memset(to, 0xff, SYNPROXY_DESTINATIONS * sizeof(*to));
	if (!text->to_count)
		to[0] = (struct synproxy_destination){};
	if (text->to_count > SYNPROXY_DESTINATIONS)
		return weir_diag_key(diag, key_of(index, "to", key),
				     "write a second service for the others",
				     "more than %d addresses or prefixes", SYNPROXY_DESTINATIONS);
	for (unsigned i = 0; i < text->to_count; i++) {
		const char *fault = "";

		snprintf(member, sizeof(member), "to[%u]", i);
		if (destination_mean(text->to[i], &fault, &to[i]))
			return weir_diag_key(diag, key_of(index, member, key),
					     "write 192.0.2.1, 2001:db8::1 or 192.0.2.0/24",
					     "'%.60s': %s", text->to[i], fault);
	}
	return 0;
}

/* SYNs of a window, which is a little longer than a second. */
static uint32_t window_of(uint64_t per_second)
{
	return (uint32_t)((per_second << SYNPROXY_WINDOW_SHIFT) / WEIR_NS_PER_S);
}

/* What is said of rates where there is none to go by. */
static int always_check(const struct synproxy_text *text, unsigned index, struct weir_diag *diag)
{
	const char *member = text->on.text   ? "on" :
			     text->off.text  ? "off" :
			     text->hold.text ? "hold" :
					       NULL;
	char key[64];

	if (!member)
		return 0;
	return weir_diag_key(diag, key_of(index, member, key), "write mode: rate, or leave it out",
			     "with `mode: always` SYNs are answered at any rate");
}

static int rates_mean(const struct synproxy_text *text, unsigned index, struct weir_diag *diag,
		      struct synproxy_service *service)
{
	uint64_t off = text->off.value ? text->off.value : (text->on.value + 1) / 2;
	char key[64];

	if (text->mode == SYNPROXY_ALWAYS)
		return always_check(text, index, diag);
	if (off > text->on.value)
		return weir_diag_key(diag, key_of(index, "off", key), "write less than `on`",
				     "%s is more than `on`, %s", text->off.text, text->on.text);
	service->on = window_of(text->on.value);
	service->off = window_of(off);
	service->hold_ns = text->hold.value;
	return 0;
}

/* 0.0.0.0/0, ::/0, and what is as wide. */
static bool is_everywhere(const struct synproxy_destination *to)
{
	return !to->mask.bytes[12] && (!to->mask.bytes[0] || weir_addr_is_v4(&to->addr));
}

static bool names_everywhere(const struct synproxy_destination *to)
{
	for (unsigned i = 0; i < SYNPROXY_DESTINATIONS; i++)
		if (is_everywhere(&to[i]))
			return true;
	return false;
}

/* Without addresses it would be about all that its clients speak to in the world. */
static int where_means(const struct synproxy_text *text, unsigned index, struct weir_diag *diag,
		       struct synproxy_meaning *meaning)
{
	static const uint32_t bits[] = {
		[SYNPROXY_AT_HERE] = SYNPROXY_HERE,
		[SYNPROXY_AT_BEHIND] = SYNPROXY_BEHIND,
		[SYNPROXY_AT_BOTH] = SYNPROXY_HERE | SYNPROXY_BEHIND,
	};
	char key[64];

	if (text->where != SYNPROXY_AT_HERE && names_everywhere(meaning->to))
		return weir_diag_key(diag, key_of(index, text->to_count ? "to" : "where", key),
				     "write `to:` with the addresses of the servers",
				     "`where: %s` is about servers, and none are named",
				     synproxy_where_names[text->where]);
	meaning->service.where = bits[text->where];
	return 0;
}

int synproxy_read(const struct synproxy_text *text, unsigned index, struct weir_diag *diag,
		  struct synproxy_meaning *ret_meaning)
{
	struct synproxy_meaning meaning = {};
	int ports = ports_mean(text, index, diag, &meaning.service);
	int to = destinations_mean(text, index, diag, meaning.to);
	int rates = rates_mean(text, index, diag, &meaning.service);
	int where = where_means(text, index, diag, &meaning);
	int r = ports ? ports : to ? to : rates ? rates : where;

	if (!r)
		*ret_meaning = meaning;
	return r;
}
