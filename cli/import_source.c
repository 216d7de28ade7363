/* SPDX-License-Identifier: Apache-2.0 */
/* Chains, rules and remarks as the readers and the translation build them. */
#include "cli/import_source.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define NAME_MAX_LEN 31

int import_cannot(struct import *import, const char *format, ...)
{
	_cleanup_buf_ struct weir_buf text = { 0 };
	va_list args;

	va_start(args, format);
	weir_buf_vaddf(&text, format, args);
	va_end(args);
	import->why = import_copy(&import->arena, weir_buf_str(&text), text.len);
	return -EOPNOTSUPP;
}

struct import_chain *import_chain_find(const struct import *import, const char *table,
				       const char *name)
{
	for (size_t i = 0; i < import->chain_count; i++)
		if (strcmp(import->chains[i]->table, table) == 0 &&
		    strcmp(import->chains[i]->name, name) == 0)
			return import->chains[i];
	return NULL;
}

struct import_chain *import_chain_get(struct import *import, const char *table, const char *name)
{
	struct import_chain *chain = import_chain_find(import, table, name);

	if (chain)
		return chain;
	struct import_chain **grown =
		import_grow(&import->arena, import->chains, import->chain_count, sizeof(*grown));
	chain = import_alloc(&import->arena, 1, sizeof(*chain));
	if (!grown || !chain)
		return NULL;
	chain->table = import_copy(&import->arena, table, strlen(table));
	chain->name = import_copy(&import->arena, name, strlen(name));
	grown[import->chain_count++] = chain;
	import->chains = grown;
	return chain;
}

struct import_rule *import_rule_add(struct import *import, struct import_chain *chain)
{
	struct import_rule *grown =
		import_grow(&import->arena, chain->rules, chain->rule_count, sizeof(*grown));

	if (!grown)
		return NULL;
	chain->rules = grown;
	struct import_rule *rule = &grown[chain->rule_count++];
	rule->order = ++import->rule_count;
	return rule;
}

static void remark_add(struct import *import, struct weir_import_remarks *remarks,
		       struct weir_import_remark remark)
{
	struct weir_import_remark *grown =
		reallocarray(remarks->at, remarks->count + 1, sizeof(*grown));

	if (grown)
		remarks->at = grown;
	if (!grown || !remark.where || !remark.rule || !remark.why) {
		import->arena.failed = true;
		free(remark.where);
		free(remark.rule);
		free(remark.why);
		return;
	}
	grown[remarks->count++] = remark;
}

void import_problem(struct import *import, const char *where, const char *rule, const char *why)
{
	remark_add(import, &import->result->unmapped,
		   (struct weir_import_remark){ strdup(where), strdup(rule), strdup(why) });
}

void import_note(struct import *import, const char *where, const char *rule, const char *why)
{
	remark_add(import, &import->result->notes,
		   (struct weir_import_remark){ strdup(where), strdup(rule), strdup(why) });
}

void import_notes_cut(struct import *import, size_t count)
{
	struct weir_import_remarks *notes = &import->result->notes;

	while (notes->count > count) {
		struct weir_import_remark *last = &notes->at[--notes->count];
		free(last->where);
		free(last->rule);
		free(last->why);
	}
}

void import_rule_fail(struct import *import, struct import_rule *rule, const char *why)
{
	if (rule->told && strcmp(rule->told, why) == 0)
		return;
	rule->told = why;
	remark_add(import, &import->result->unmapped,
		   (struct weir_import_remark){ strdup(rule->where), strdup(rule->text),
						strdup(why), rule->order });
}

const char *import_name(struct import *import, const char *text)
{
	char name[NAME_MAX_LEN + 1];
	size_t len = 0;

	for (const char *p = text; *p && len < NAME_MAX_LEN; p++) {
		unsigned char c = (unsigned char)*p;
		bool is_plain = c < 0x80 && isalnum(c);
		if (is_plain)
			name[len++] = (char)tolower(c);
		else if (len > 0 && (c == '.' || c == '_' || name[len - 1] != '-'))
			name[len++] = c == '.' || c == '_' ? (char)c : '-';
	}
	while (len > 0 && name[len - 1] == '-')
		len--;
	return import_copy(&import->arena, name, len);
}

int import_iface_check(struct import *import, const char *name)
{
	static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				    "0123456789._:@-";
	size_t len = strspn(name, plain);

	if (strcmp(name + len, "*") != 0 && name[len])
		return import_cannot(import, "the interface '%s' cannot be named in weir.yaml",
				     name);
	if (!*name || strcmp(name, "not") == 0 || strlen(name) > 15)
		return import_cannot(import, "'%s' is no name of an interface", name);
	return 0;
}

static bool set_is_known(const struct import *import, const char *name)
{
	for (size_t i = 0; i < import->set_count; i++)
		if (strcmp(import->sets[i].name, name) == 0)
			return true;
	return false;
}

/* Not to be read as an address or as a word of weir.yaml. */
static bool set_name_is_plain(const char *name)
{
	static const char *const words[] = { "not", "none", "any", "all" };

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (strcmp(words[i], name) == 0)
			return false;
	return *name && !isdigit((unsigned char)*name);
}

/* Two tables may have a set of the same name, and ours are told apart by fewer characters. */
static const char *set_name(struct import *import, const char *wanted)
{
	const char *base = import_name(import, wanted);
	const char *name =
		set_name_is_plain(base) ? base : import_format(&import->arena, "set-%.24s", base);

	for (unsigned i = 2; set_is_known(import, name) && !import->arena.failed; i++)
		name = import_format(&import->arena, "%.24s-%u", base, i);
	return name;
}

const char *import_set_add(struct import *import, const char *name, const char *origin,
			   struct import_addrs members)
{
	struct import_set *grown =
		import_grow(&import->arena, import->sets, import->set_count, sizeof(*grown));

	if (!grown)
		return "";
	import->sets = grown;
	grown[import->set_count] = (struct import_set){ .name = set_name(import, name),
							.origin = origin,
							.members = members };
	return grown[import->set_count++].name;
}
