/* SPDX-License-Identifier: Apache-2.0 */
/* From a rule as text to a rule as sets. */
#include "features/rules/rules_rule.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "features/rules/rules_items.h"
#include "features/rules/rules_limit.h"

#define PATH_BYTES 64
#define NAME_MAX_BYTES 31

const char *const rules_action_names[] = { "allow", "deny", "reject", "count",
					   "log",   "mark", "limit",  NULL };
const char *const rules_way_names[] = { "both", "ingress", "egress", NULL };

const char *rules_name_fault(const char *name)
{
	static const char letters[] = "abcdefghijklmnopqrstuvwxyz0123456789";
	size_t len = strlen(name);
	if (!len || len > NAME_MAX_BYTES)
		return "a name has 1 to 31 bytes";
	if (strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789._-") != len)
		return "a name is of a-z, 0-9, '.', '_' and '-'";
	return strchr(letters, name[0]) ? NULL : "a name begins with a letter or digit";
}

/* Offsets of the strings of a rule, in the order of rules_kinds where they are keys. */
#define TEXT(member) offsetof(struct rules_text, member)

static const size_t key_offsets[RULES_KEYS] = {
	[RULES_KEY_WIDE(RULES_SPORT)] = TEXT(sport),
	[RULES_KEY_WIDE(RULES_DPORT)] = TEXT(dport),
	[RULES_KEY_WIDE(RULES_LENGTH)] = TEXT(length),
	[RULES_KEY_WIDE(RULES_VLAN)] = TEXT(vlan),
	[RULES_KEY_FIELD(RULES_PROTO)] = TEXT(proto),
	[RULES_KEY_FIELD(RULES_FLAGS)] = TEXT(tcp_flags),
	[RULES_KEY_FIELD(RULES_TYPE)] = TEXT(icmp_type),
	[RULES_KEY_FIELD(RULES_CODE)] = TEXT(icmp_code),
	[RULES_KEY_FIELD(RULES_DSCP)] = TEXT(dscp),
	[RULES_KEY_FIELD(RULES_FAMILY)] = TEXT(family),
	[RULES_KEY_FIELD(RULES_FRAGMENT)] = TEXT(fragment),
	[RULES_KEY_FIELD(RULES_STATE)] = TEXT(state),
	[RULES_KEY_FIELD(RULES_MINUTE)] = TEXT(schedule),
};

static const size_t other_offsets[] = { TEXT(name), TEXT(comment), TEXT(group),	  TEXT(interface),
					TEXT(src),  TEXT(dst),	   TEXT(service), TEXT(mark),
					TEXT(rate), TEXT(burst),   TEXT(per) };

static char **text_at(const struct rules_text *text, size_t offset)
{
	return (char **)((char *)text + offset);
}

static const char *key_text(const struct rules_text *text, unsigned key)
{
	return *text_at(text, key_offsets[key]);
}

static const char *path_join(char buf[PATH_BYTES], const char *path, const char *key)
{
	snprintf(buf, PATH_BYTES, "%s%s%s", path, *path ? "." : "", key);
	return buf;
}

void rules_text_done(struct rules_text *text)
{
	for (unsigned i = 0; i < RULES_KEYS; i++)
		free(*text_at(text, key_offsets[i]));
	for (size_t i = 0; i < WEIR_ARRAY_SIZE(other_offsets); i++)
		free(*text_at(text, other_offsets[i]));
	*text = (struct rules_text){ 0 };
}

static int string_copy(const struct rules_text *from, struct rules_text *to, size_t offset)
{
	const char *string = *text_at(from, offset);
	char *copy = string ? strdup(string) : NULL;
	*text_at(to, offset) = copy;
	return string && !copy ? -ENOMEM : 0;
}

int rules_text_copy(const struct rules_text *text, struct rules_text *ret_text)
{
	struct rules_text copy = { .enabled = text->enabled,
				   .direction = text->direction,
				   .action = text->action,
				   .log = text->log };
	int r = 0;
	for (unsigned i = 0; i < RULES_KEYS; i++)
		r = string_copy(text, &copy, key_offsets[i]) ?: r;
	for (size_t i = 0; i < WEIR_ARRAY_SIZE(other_offsets); i++)
		r = string_copy(text, &copy, other_offsets[i]) ?: r;
	if (r < 0) {
		rules_text_done(&copy);
		return r;
	}
	*ret_text = copy;
	return 0;
}

void rules_rule_done(struct rules_rule *rule)
{
	rules_end_done(&rule->src);
	rules_end_done(&rule->dst);
	rules_names_done(&rule->interface);
	rules_names_done(&rule->services);
	for (unsigned i = 0; i < RULES_KEYS; i++)
		rules_values_done(&rule->keys[i]);
}

static int read_key(struct rules_rule *rule, unsigned key, const char *path, unsigned families,
		    struct weir_diag *diag)
{
	const char *text = key_text(rule->text, key);
	char buf[PATH_BYTES];
	if (!text)
		return 0;
	rule->given |= 1u << key;
	return rules_values_read(&rules_kinds[key], text,
				 path_join(buf, path, rules_kinds[key].key), families, diag,
				 &rule->keys[key]);
}

static bool key_excludes(const struct rules_rule *rule, unsigned key, uint32_t value)
{
	return rule->given & 1u << key && !rules_values_has(&rule->keys[key], value);
}

/* Which versions of ICMP the rule can be about: names of types mean other numbers in each. */
static unsigned rule_families(const struct rules_rule *rule)
{
	unsigned proto = RULES_KEY_FIELD(RULES_PROTO), family = RULES_KEY_FIELD(RULES_FAMILY);
	unsigned families = RULES_V4 | RULES_V6;
	if (key_excludes(rule, proto, 1) || key_excludes(rule, family, 0))
		families &= ~RULES_V4;
	if (key_excludes(rule, proto, 58) || key_excludes(rule, family, 1))
		families &= ~RULES_V6;
	return families;
}

static int read_keys(struct rules_rule *rule, const char *path, struct weir_diag *diag)
{
	int result = 0;
	for (unsigned key = 0; key < RULES_KEYS; key++) {
		if (key == RULES_KEY_FIELD(RULES_TYPE))
			continue;
		int r = read_key(rule, key, path, 0, diag);
		result = r < 0 ? r : result;
	}
	int r = read_key(rule, RULES_KEY_FIELD(RULES_TYPE), path, rule_families(rule), diag);
	return r < 0 ? r : result;
}

static int read_end(const char *text, const char *path, const char *key, struct weir_diag *diag,
		    struct rules_end *end)
{
	char buf[PATH_BYTES];
	return text ? rules_end_read(text, path_join(buf, path, key), diag, end) : 0;
}

static int read_mark(struct rules_rule *rule, const char *path, struct weir_diag *diag)
{
	const char *text = rule->text->mark;
	char buf[PATH_BYTES], *end = NULL;
	path_join(buf, path, "mark");
	if (!text)
		return rule->text->action != RULES_MARK ?
			       0 :
			       weir_diag_key(diag, buf, "add `mark: 0x10`",
					     "the action `mark` needs a mark to set");
	errno = 0;
	unsigned long mark = strtoul(text, &end, 0);
	if (*text < '0' || *text > '9' || *end || errno || mark > UINT32_MAX)
		return weir_diag_key(diag, buf, "write 0 to 0xffffffff", "'%s' is no mark", text);
	rule->mark = (uint32_t)mark;
	rule->has_mark = true;
	return 0;
}

static int check_text(const struct rules_text *text, const char *path, struct weir_diag *diag)
{
	char buf[PATH_BYTES];
	const char *fault = text->name ? rules_name_fault(text->name) : NULL;
	if (fault)
		return weir_diag_key(diag, path_join(buf, path, "name"), "choose another name",
				     "'%s': %s", text->name, fault);
	return 0;
}

/* Ports and ICMP types are of other protocols: a rule that asks for both can match nothing. */
static int check_sense(const struct rules_rule *rule, const char *path, struct weir_diag *diag)
{
	char buf[PATH_BYTES];
	bool ports = rule->given &
		     (1u << RULES_KEY_WIDE(RULES_SPORT) | 1u << RULES_KEY_WIDE(RULES_DPORT)),
	     icmp = rule->given &
		    (1u << RULES_KEY_FIELD(RULES_TYPE) | 1u << RULES_KEY_FIELD(RULES_CODE)),
	     flags = rule->given & 1u << RULES_KEY_FIELD(RULES_FLAGS);
	if (!icmp || (!ports && !flags))
		return 0;
	return weir_diag_key(
		diag, path_join(buf, path, "icmp-type"), "make two rules of it",
		"a packet with an ICMP type has no ports and no TCP flags, so the rule "
		"matches nothing");
}

/* A service is an address, a protocol and ports: nothing that it says may be said twice. */
static int check_service(const struct rules_text *text, const char *path, struct weir_diag *diag)
{
	const char *key = text->dst ? "dst" : text->proto ? "proto" : text->dport ? "dport" : NULL;
	char buf[PATH_BYTES];
	if (!text->service)
		return 0;
	if (key)
		return weir_diag_key(
			diag, path_join(buf, path, key),
			"leave it out, or write `dst`, `proto` and `dport` in the "
			"place of `service`",
			"`service` says address, protocol and ports: `%s` cannot stand "
			"beside it",
			key);
	key = text->icmp_type ? "icmp-type" : text->icmp_code ? "icmp-code" : NULL;
	return !key ? 0 :
		      weir_diag_key(diag, path_join(buf, path, key), "make two rules of it",
				    "a packet to a service has ports and no ICMP type, so the rule "
				    "matches nothing");
}

static int read_services(const struct rules_text *text, const char *path, struct weir_diag *diag,
			 struct rules_names *services)
{
	char buf[PATH_BYTES];
	int r = text->service ? rules_services_read(text->service, path_join(buf, path, "service"),
						    diag, services) :
				0;
	return r ? r : check_service(text, path, diag);
}

int rules_rule_read(const struct rules_text *text, const char *path, struct weir_diag *diag,
		    struct rules_rule *ret_rule)
{
	struct rules_rule rule = { .text = text, .direction = text->direction };
	char buf[PATH_BYTES];
	int r[] = {
		check_text(text, path, diag),
		read_keys(&rule, path, diag),
		read_end(text->src, path, "src", diag, &rule.src),
		read_end(text->dst, path, "dst", diag, &rule.dst),
		text->interface ?
			rules_names_read(text->interface, path_join(buf, path, "interface"), diag,
					 &rule.interface) :
			0,
		read_services(text, path, diag, &rule.services),
		read_mark(&rule, path, diag),
		rules_limit_read(text, path, diag, &rule),
		check_sense(&rule, path, diag),
	};
	for (size_t i = 0; i < WEIR_ARRAY_SIZE(r); i++)
		if (r[i] < 0) {
			rules_rule_done(&rule);
			return r[i];
		}
	*ret_rule = rule;
	return 0;
}
