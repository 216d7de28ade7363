/* SPDX-License-Identifier: Apache-2.0 */
/* Writes the translated list as sections of weir.yaml. */
#include <string.h>

#include "cli/import_addrs.h"
#include "cli/import_fields.h"
#include "cli/import_flat.h"

#define REMARK_MAX_BYTES \
	200 /* of a foreign rule in a comment: a set may have thousands of members */

struct page {
	struct import *import;
	struct weir_buf *out;
	const char **names; /* given so far */
	size_t name_count;
	size_t rule_count;
};

/* A length of 0 is no character that YAML takes as it is. */
static size_t char_bytes(const char *text)
{
	const unsigned char *c = (const unsigned char *)text;
	size_t len = c[0] < 0x80 ? 1 : c[0] >= 0xc3 && c[0] < 0xe0 ? 2 : c[0] >> 4 == 0xe ? 3 : 0;

	if (c[0] < 0x20 || c[0] == 0x7f)
		return 0;
	for (size_t i = 1; i < len; i++)
		if (c[i] >> 6 != 2)
			return 0;
	/* Overlong forms, surrogates, the line separators and the byte order mark. */
	if (len == 3 && ((c[0] == 0xe0 && c[1] < 0xa0) || (c[0] == 0xed && c[1] > 0x9f) ||
			 (c[0] == 0xe2 && c[1] == 0x80 && (c[2] | 1) == 0xa9) || c[0] == 0xef))
		return 0;
	return len;
}

static void quoted_put(struct weir_buf *out, const char *text)
{
	size_t start = out->len;

	weir_buf_add_char(out, '"');
	while (*text && out->len - start < REMARK_MAX_BYTES) {
		size_t len = char_bytes(text);
		if (*text == '"' || *text == '\\')
			weir_buf_add_char(out, '\\');
		if (len > 0)
			weir_buf_add(out, text, len);
		else
			weir_buf_add_char(out, '?');
		text += len > 0 ? len : 1;
	}
	weir_buf_add_str(out, *text ? "...\"" : "\"");
}

/* Plain ASCII only: a line separator of Unicode would end the comment. */
static void comment_put(struct weir_buf *out, const char *text)
{
	size_t left = REMARK_MAX_BYTES;

	for (; *text && left > 0; text++, left--)
		weir_buf_add_char(out, *text >= 0x20 && *text < 0x7f ? *text : '?');
	if (*text)
		weir_buf_add_str(out, "...");
}

static void value_put(struct weir_buf *out, const char *value)
{
	static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				    "0123456789 ,./_-";

	weir_buf_addf(out, value[strspn(value, plain)] ? "\"%s\"" : "%s", value);
}

static void field_put(const char *key, const char *value, void *arg)
{
	struct page *page = arg;

	weir_buf_addf(page->out, "      %s: ", key);
	value_put(page->out, value);
	weir_buf_add_char(page->out, '\n');
}

static bool name_is_free(const struct page *page, const char *name)
{
	for (size_t i = 0; i < page->name_count; i++)
		if (strcmp(page->names[i], name) == 0)
			return false;
	return *name;
}

/* From the rule's comment, else its number here. */
static const char *name_make(struct page *page, const struct import_flat *flat)
{
	struct import_arena *arena = &page->import->arena;
	const char *number = import_format(arena, "r%zu", page->rule_count);
	const char *name = flat->rule && flat->rule->comment ?
				   import_name(page->import, flat->rule->comment) :
				   number;

	if (!name_is_free(page, name) && *name)
		name = import_format(arena, "%.20s-%s", name, number);
	if (!name_is_free(page, name))
		name = number;
	return name_is_free(page, name) ? name : import_format(arena, "imported-%s", number);
}

static const char *action_name(enum import_action action)
{
	static const char *const names[] = {
		[IMPORT_TO_ALLOW] = "allow",   [IMPORT_TO_DENY] = "deny",
		[IMPORT_TO_REJECT] = "reject", [IMPORT_TO_COUNT] = "count",
		[IMPORT_TO_LOG] = "log",       [IMPORT_TO_MARK] = "mark",
		[IMPORT_TO_POLICY] = "allow",
	};

	return names[action];
}

static void origin_put(struct page *page, const struct import_flat *flat)
{
	const struct import_rule *rule = flat->rule;
	_cleanup_buf_ struct weir_buf text = { 0 };

	weir_buf_add_str(&text, rule ? rule->where : flat->where);
	if (flat->through)
		weir_buf_addf(&text, " through %s", flat->through->where);
	if (rule && rule->comment)
		weir_buf_addf(&text, ": %s", rule->comment);
	weir_buf_add_str(page->out, "      comment: ");
	quoted_put(page->out, weir_buf_str(&text));
	weir_buf_add_char(page->out, '\n');
}

static void place_put(struct page *page, const struct import_flat *flat)
{
	weir_buf_add_str(page->out, "    # not taken over: ");
	comment_put(page->out, flat->rule->where);
	weir_buf_add_str(page->out, ": ");
	comment_put(page->out, flat->rule->text);
	weir_buf_add_char(page->out, '\n');
}

static void rule_put(struct page *page, const struct import_flat *flat)
{
	page->rule_count++;
	const char *name = name_make(page, flat);
	page->names[page->name_count++] = name;
	if (flat->rule) {
		weir_buf_add_str(page->out, "    # ");
		comment_put(page->out, flat->rule->text);
		weir_buf_add_char(page->out, '\n');
	}
	weir_buf_addf(page->out, "    - name: %s\n", name);
	origin_put(page, flat);
	import_fields_each(page->import, flat, field_put, page);
	weir_buf_addf(page->out, "      action: %s\n", action_name(flat->action));
	if (flat->log && flat->action != IMPORT_TO_LOG)
		weir_buf_add_str(page->out, "      log: true\n");
	if (flat->has_mark)
		weir_buf_addf(page->out, "      mark: 0x%x\n", flat->mark);
}

static void set_put(struct weir_buf *out, const struct import_set *set)
{
	_cleanup_buf_ struct weir_buf members = { 0 };

	for (size_t i = 0; i < set->members.count; i++) {
		if (i)
			weir_buf_add_str(&members, ", ");
		import_addr_format(&set->members.at[i], &members);
	}
	weir_buf_addf(out, "    # ");
	comment_put(out, set->origin);
	weir_buf_addf(out, "\n    - name: %s\n      members: ", set->name);
	value_put(out, weir_buf_str(&members));
	weir_buf_add_char(out, '\n');
	out->failed |= members.failed;
}

static void list_put(struct weir_buf *out, const struct import_set *set)
{
	weir_buf_add_str(out, "    # ");
	comment_put(out, set->origin);
	weir_buf_addf(out, "\n    - name: %s\n      action: set\n      entries:%s\n", set->name,
		      set->members.count ? "" : " []");
	for (size_t i = 0; i < set->members.count; i++) {
		char text[WEIR_RANGE_TEXT];
		weir_buf_addf(out, "        - \"%s\"\n",
			      weir_range_to_string(&set->members.at[i].range, text));
	}
}

/* A set has its members in one line; what has many, or none, is a list. */
enum set_form {
	SET_LINE,
	SET_LIST,
};

static enum set_form set_form(const struct import_set *set)
{
	return set->members.count == 0 || set->members.count > IMPORT_INLINE_SET ? SET_LIST :
										   SET_LINE;
}

static void sets_put(struct import *import, struct weir_buf *out, enum set_form form)
{
	bool has_heading = false;

	for (size_t i = 0; i < import->set_count; i++) {
		const struct import_set *set = &import->sets[i];
		if (set_form(set) != form)
			continue;
		if (!has_heading)
			weir_buf_add_str(out,
					 form == SET_LIST ? "block:\n  lists:\n" : "  sets:\n");
		has_heading = true;
		if (form == SET_LIST)
			list_put(out, set);
		else
			set_put(out, set);
	}
}

static bool has_rules(const struct import_flats *flats)
{
	for (size_t i = 0; i < flats->count; i++)
		if (!flats->at[i].why)
			return true;
	return false;
}

void import_write(struct import *import, const struct import_flats *flats,
		  const bool deny[IMPORT_WAYS])
{
	struct weir_buf *out = &import->result->yaml;
	struct page page = { .import = import, .out = out };

	page.names = import_alloc(&import->arena, flats->count, sizeof(*page.names));
	if (!page.names)
		return;
	sets_put(import, out, SET_LIST);
	weir_buf_addf(out, "rules:\n  policy:\n    - ingress: %s\n      egress: %s\n",
		      deny[IMPORT_IN] ? "deny" : "allow", deny[IMPORT_OUT] ? "deny" : "allow");
	sets_put(import, out, SET_LINE);
	weir_buf_addf(out, "  rules:%s\n", has_rules(flats) ? "" : " []");
	for (size_t i = 0; i < flats->count; i++) {
		if (flats->at[i].why)
			place_put(&page, &flats->at[i]);
		else
			rule_put(&page, &flats->at[i]);
	}
}
