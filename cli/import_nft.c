/* SPDX-License-Identifier: Apache-2.0 */
/* What `nft -j list ruleset` prints (libnftables-json(5)): its tables, chains, sets and rules. */
#include "cli/import_nft.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct tables {
	struct nft nft;
	const struct weir_json *objects;
};

static const char *member(const struct weir_json *object, const char *key)
{
	return weir_json_str(weir_json_get(object, key), "");
}

/* "inet filter" */
static const char *table_of(struct import *import, const struct weir_json *object)
{
	return import_format(&import->arena, "%s %s", member(object, "family"),
			     member(object, "table"));
}

static enum import_hook hook_of(const char *name)
{
	static const struct {
		const char *name;
		enum import_hook hook;
	} hooks[] = {
		{ "ingress", IMPORT_HOOK_INGRESS }, { "prerouting", IMPORT_HOOK_PREROUTING },
		{ "input", IMPORT_HOOK_INPUT },	    { "forward", IMPORT_HOOK_FORWARD },
		{ "output", IMPORT_HOOK_OUTPUT },   { "postrouting", IMPORT_HOOK_POSTROUTING },
		{ "egress", IMPORT_HOOK_EGRESS },
	};

	for (size_t i = 0; i < sizeof(hooks) / sizeof(hooks[0]); i++)
		if (strcmp(hooks[i].name, name) == 0)
			return hooks[i].hook;
	return IMPORT_NO_HOOK;
}

static struct import_spans family_of(struct import *import, const char *family)
{
	struct import_arena *arena = &import->arena;

	if (strcmp(family, "ip") == 0)
		return import_spans_one(arena, 0, 0);
	if (strcmp(family, "ip6") == 0)
		return import_spans_one(arena, 1, 1);
	return import_spans_one(arena, 0, 1);
}

/* "dev" is a name or several. nft 1.0 leaves it out. */
static void devices_read(struct import *import, struct import_chain *chain,
			 const struct weir_json *json)
{
	const struct weir_json *dev = weir_json_get(json, "dev");
	size_t count = !dev ? 0 : weir_json_type(dev) == WEIR_JSON_ARRAY ? weir_json_size(dev) : 1;
	const char **names = import_alloc(&import->arena, count, sizeof(*names));

	for (size_t i = 0; names && i < count; i++) {
		names[i] = weir_json_str(
			weir_json_type(dev) == WEIR_JSON_ARRAY ? weir_json_at(dev, i) : dev, "");
		if (import_iface_check(import, names[i]) < 0)
			chain->why = import->why;
	}
	chain->devices = (struct import_words){ .at = names, .count = names ? count : 0 };
	if (count == 0)
		chain->why = "the JSON does not name the interface of this hook: write these "
			     "rules by hand";
}

static void base_chain_read(struct import *import, struct import_chain *chain,
			    const struct weir_json *json)
{
	const char *family = member(json, "family"), *hook = member(json, "hook");

	chain->hook = hook_of(hook);
	chain->priority = weir_json_int(weir_json_get(json, "prio"), 0);
	chain->policy_drop = strcmp(member(json, "policy"), "drop") == 0;
	chain->type_text = import_format(&import->arena, "type %s hook %s priority %lld policy %s",
					 member(json, "type"), hook, (long long)chain->priority,
					 chain->policy_drop ? "drop" : "accept");
	if (chain->hook == IMPORT_HOOK_INGRESS || chain->hook == IMPORT_HOOK_EGRESS)
		devices_read(import, chain, json);
	if (strcmp(family, "bridge") == 0 || strcmp(family, "arp") == 0)
		chain->why = "Weir judges IP packets at interfaces, not those of a bridge, and "
			     "passes ARP";
	else if (strcmp(member(json, "type"), "nat") == 0)
		chain->why = "Weir's rules translate no addresses";
	else if (chain->hook == IMPORT_NO_HOOK)
		chain->why = "its hook is not known";
}

static struct import_chain *chain_of(struct import *import, const struct weir_json *json,
				     const char *name)
{
	struct import_chain *chain =
		import_chain_get(import, table_of(import, json), member(json, name));

	if (chain && !chain->type_text) {
		chain->type_text = "chain";
		chain->family = family_of(import, member(json, "family"));
	}
	return chain;
}

static void chain_read(struct tables *tables, const struct weir_json *json)
{
	struct import_chain *chain = chain_of(tables->nft.import, json, "name");

	if (chain && weir_json_get(json, "hook"))
		base_chain_read(tables->nft.import, chain, json);
}

static void set_read(struct tables *tables, const struct weir_json *json)
{
	struct nft *nft = &tables->nft;
	struct nft_set *grown =
		import_grow(&nft->import->arena, nft->sets, nft->set_count, sizeof(*grown));

	if (!grown)
		return;
	grown[nft->set_count++] = (struct nft_set){ .json = json,
						    .table = table_of(nft->import, json),
						    .name = member(json, "name") };
	nft->sets = grown;
}

static void rule_read(struct tables *tables, const struct weir_json *json)
{
	struct import *import = tables->nft.import;
	struct import_chain *chain = chain_of(import, json, "chain");
	struct import_rule *rule = chain ? import_rule_add(import, chain) : NULL;
	const struct weir_json *expr = weir_json_get(json, "expr");
	long long handle = (long long)weir_json_int(weir_json_get(json, "handle"), 0);

	if (!rule)
		return;
	rule->where = import_format(&import->arena, "%s %s handle %lld", chain->table, chain->name,
				    handle);
	rule->text = nft_rule_text(import, expr);
	rule->comment = weir_json_str(weir_json_get(json, "comment"), NULL);
	if (chain->why) {
		rule->why = chain->why;
		return;
	}
	struct nft_place place = { .nft = &tables->nft,
				   .table = chain->table,
				   .rule = rule,
				   .set_name = import_format(&import->arena, "%.20s-%lld",
							     chain->name, handle) };
	nft_rule_read(&place, expr);
}

static void objects_each(struct tables *tables, const char *key,
			 void (*read)(struct tables *tables, const struct weir_json *json))
{
	for (size_t i = 0; i < weir_json_size(tables->objects); i++) {
		const struct weir_json *object =
			weir_json_get(weir_json_at(tables->objects, i), key);
		if (object)
			read(tables, object);
	}
}

int import_nft_read(struct import *import, const char *text, size_t len, struct weir_diag *diag)
{
	struct weir_json *json = NULL;
	int result = weir_json_parse(text, len, import->file, diag, &json);

	if (result < 0)
		return result;
	import->source = json; /* rules and sets borrow their words from it */
	const struct weir_json *objects = weir_json_get(json, "nftables");
	if (!objects || weir_json_type(objects) != WEIR_JSON_ARRAY)
		return weir_diag_error(diag, "write it with: nft -j list ruleset",
				       "%s: not a ruleset of nft in JSON", import->file);
	struct tables tables = { .nft = { .import = import }, .objects = objects };
	objects_each(&tables, "chain", chain_read);
	objects_each(&tables, "set", set_read);
	objects_each(&tables, "map", set_read);
	objects_each(&tables, "rule", rule_read);
	return 0;
}
