/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The statements of a rule in order. Conditions multiply its branches where a concatenation or a
 * verdict map has several elements; a verdict ends it.
 */
#include <errno.h>
#include <string.h>

#include "cli/import_nft.h"

struct reading {
	const struct nft_place *place;
	struct import_branch *branches;
	size_t count;
	bool acted;   /* logged or marked: what stands behind must not narrow that */
	bool decided; /* has its verdict */
};

typedef int statement_fn(struct reading *reading, const char *key, const struct weir_json *value);

static struct import *import_of(const struct reading *reading)
{
	return reading->place->nft->import;
}

/* Adds the conditions of one element: of its parts, for a concatenation. */
static int element_add(struct reading *reading, const struct weir_json *left, const char *op,
		       const struct weir_json *element, struct import_match *match)
{
	const struct weir_json *lefts = weir_json_get(left, "concat");
	const struct weir_json *rights = weir_json_get(element, "concat");
	size_t count = lefts ? weir_json_size(lefts) : 1;
	int result = 0;

	if (lefts && (!rights || weir_json_size(rights) != count))
		return import_cannot(import_of(reading), "a part of the concatenation is missing");
	for (size_t i = 0; i < count && result == 0; i++) {
		struct nft_selector selector;
		const struct weir_json *part =
			lefts ? nft_element(weir_json_at(rights, i)) : element;
		struct nft_values values = { .at = &part, .count = 1 };
		result = nft_selector_read(import_of(reading),
					   lefts ? weir_json_at(lefts, i) : left, &selector);
		if (result == 0)
			result = nft_condition_add(reading->place, &selector, op, &values, match);
	}
	return result;
}

static int plain_match(struct reading *reading, const struct weir_json *left, const char *op,
		       const struct nft_values *values)
{
	struct nft_selector selector;
	int result = nft_selector_read(import_of(reading), left, &selector);

	for (size_t i = 0; i < reading->count && result == 0; i++)
		result = nft_condition_add(reading->place, &selector, op, values,
					   &reading->branches[i].match);
	return result;
}

/* Makes room for `factor` branches out of each; the i-th of old branch b is at b * factor + i. */
static int branches_multiply(struct reading *reading, size_t factor)
{
	struct import *import = import_of(reading);

	if (factor * reading->count > NFT_BRANCHES_MAX)
		return import_cannot(import, "its elements would be more than %u rules",
				     NFT_BRANCHES_MAX);
	struct import_branch *all =
		import_alloc(&import->arena, factor * reading->count, sizeof(*all));
	if (!all)
		return -ENOMEM;
	for (size_t i = 0; i < factor * reading->count; i++)
		all[i] = reading->branches[i / factor];
	reading->branches = all;
	reading->count *= factor;
	return 0;
}

static int concat_match(struct reading *reading, const struct weir_json *left, const char *op,
			const struct nft_values *values)
{
	int result = strcmp(op, "==") == 0 ?
			     branches_multiply(reading, values->count) :
			     import_cannot(import_of(reading),
					   "a concatenation is only compared by '=='");

	for (size_t i = 0; i < reading->count && result == 0; i++)
		result = element_add(reading, left, op, nft_element(values->at[i % values->count]),
				     &reading->branches[i].match);
	return result;
}

static int match_read(struct reading *reading, const char *key, const struct weir_json *value)
{
	const struct weir_json *left = weir_json_get(value, "left");
	const char *op = weir_json_str(weir_json_get(value, "op"), "==");
	struct nft_values values;

	if (reading->acted)
		return import_cannot(import_of(reading),
				     "a condition stands behind a log or mark of its rule");
	int result = nft_values_of(reading->place, weir_json_get(value, "right"), &values);
	if (result < 0)
		return result;
	return weir_json_get(left, "concat") ? concat_match(reading, left, op, &values) :
					       plain_match(reading, left, op, &values);
}

static int verdict_of(struct import *import, const char *key, const struct weir_json *value,
		      struct import_branch *branch)
{
	static const struct {
		const char *name;
		enum import_verdict verdict;
	} verdicts[] = {
		{ "accept", IMPORT_ACCEPT },	   { "drop", IMPORT_DROP },
		{ "reject", IMPORT_REJECT },	   { "return", IMPORT_RETURN },
		{ "jump", IMPORT_JUMP },	   { "goto", IMPORT_GOTO },
		{ "continue", IMPORT_NO_VERDICT },
	};

	for (size_t i = 0; i < sizeof(verdicts) / sizeof(verdicts[0]); i++)
		if (strcmp(verdicts[i].name, key) == 0) {
			branch->verdict = verdicts[i].verdict;
			branch->target = weir_json_str(weir_json_get(value, "target"), "");
			return 0;
		}
	return import_cannot(import, "'%s' has no counterpart in Weir's rules", key);
}

static int verdict_read(struct reading *reading, const char *key, const struct weir_json *value)
{
	int result = 0;

	for (size_t i = 0; i < reading->count && result == 0; i++)
		result = verdict_of(import_of(reading), key, value, &reading->branches[i]);
	reading->decided = true;
	if (result < 0 || reading->count == 0)
		return result;
	enum import_verdict verdict = reading->branches[0].verdict;
	reading->place->rule->may_return = verdict == IMPORT_RETURN || verdict == IMPORT_GOTO;
	return 0;
}

static int reject_read(struct reading *reading, const char *key, const struct weir_json *value)
{
	const struct import_rule *rule = reading->place->rule;
	const char *type = weir_json_str(weir_json_get(value, "type"), "");
	const char *expr = weir_json_str(weir_json_get(value, "expr"), "");

	if (*type && strcmp(expr, "port-unreachable") != 0)
		import_note(import_of(reading), rule->where, rule->text,
			    "reject answers TCP with a reset and all else with ICMP: its own "
			    "choice is not kept");
	else
		import_note(import_of(reading), rule->where, rule->text,
			    "reject answers TCP with a reset, and not with ICMP");
	return verdict_read(reading, key, value);
}

static int verdict_json_read(struct import *import, const struct weir_json *json,
			     struct import_branch *branch)
{
	static const char *const known[] = {
		"accept", "drop", "continue", "return", "jump", "goto"
	};

	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		if (weir_json_size(json) == 1 && weir_json_get(json, known[i]))
			return verdict_of(import, known[i], weir_json_get(json, known[i]), branch);
	return import_cannot(import, "an element of its map is not a verdict");
}

/* [[ELEMENT, VERDICT], …] */
static int vmap_element(struct reading *reading, const struct weir_json *key,
			const struct weir_json *pair, struct import_branch *branch)
{
	const struct weir_json *element = nft_element(weir_json_at(pair, 0));

	int result = verdict_json_read(import_of(reading), weir_json_at(pair, 1), branch);

	if (result < 0 || !element)
		return import_cannot(import_of(reading), "an element of its map is not a verdict");
	if (branch->verdict == IMPORT_RETURN || branch->verdict == IMPORT_GOTO)
		reading->place->rule->may_return = true;
	return element_add(reading, key, "==", element, &branch->match);
}

static int vmap_read(struct reading *reading, const char *key, const struct weir_json *value)
{
	struct nft_values values;
	int result = nft_values_of(reading->place, weir_json_get(value, "data"), &values);

	if (reading->acted && result == 0)
		result = import_cannot(import_of(reading),
				       "a verdict map stands behind a log or mark of its rule");
	if (result == 0)
		result = branches_multiply(reading, values.count);
	for (size_t i = 0; i < reading->count && result == 0; i++)
		result = vmap_element(reading, weir_json_get(value, "key"),
				      values.at[i % values.count], &reading->branches[i]);
	reading->decided = true;
	return result;
}

static int log_read(struct reading *reading, const char *key, const struct weir_json *value)
{
	struct import_rule *rule = reading->place->rule;

	rule->log = true;
	reading->acted = true;
	if (weir_json_size(value) > 0)
		import_note(import_of(reading), rule->where, rule->text,
			    "logged as an event of Weir: prefix, level and group are not kept");
	return 0;
}

static int mark_read(struct reading *reading, const char *key, const struct weir_json *value)
{
	struct import_rule *rule = reading->place->rule;
	const struct weir_json *meta = weir_json_get(weir_json_get(value, "key"), "meta");
	int64_t mark = weir_json_int(weir_json_get(value, "value"), -1);

	if (strcmp(weir_json_str(weir_json_get(meta, "key"), ""), "mark") != 0 || mark < 0 ||
	    mark > UINT32_MAX)
		return import_cannot(import_of(reading),
				     "Weir's rules change nothing in a packet but its whole mark");
	rule->has_mark = true;
	rule->mark = (uint32_t)mark;
	reading->acted = true;
	return 0;
}

static int counter_read(struct reading *reading, const char *key, const struct weir_json *value)
{
	return 0; /* every rule of Weir's counts */
}

/*
 * Not taken over by itself, since it would be another limit: nft's has one bucket for all ways to
 * its chain, and counts each packet also where Weir follows connections and asks no rule again.
 */
static int limit_read(struct reading *reading, const char *key, const struct weir_json *value)
{
	return import_cannot(
		import_of(reading),
		weir_json_bool(weir_json_get(value, "inv"), false) ?
			"write it with `action: limit`, which drops what is over its "
			"rate; with connections tracked that counts new ones" :
			"write `action: limit`, which drops what is over its rate, and "
			"the verdict as the rule behind it");
}

static int statement_read(const char *key, const struct weir_json *value, void *arg)
{
	static const struct {
		const char *key;
		statement_fn *read;
	} statements[] = {
		{ "match", match_read },   { "counter", counter_read }, { "log", log_read },
		{ "mangle", mark_read },   { "comment", counter_read }, { "vmap", vmap_read },
		{ "reject", reject_read }, { "limit", limit_read },
	};
	struct reading *reading = arg;

	if (reading->decided)
		return import_cannot(import_of(reading), "something stands behind its verdict");
	for (size_t i = 0; i < sizeof(statements) / sizeof(statements[0]); i++)
		if (strcmp(statements[i].key, key) == 0)
			return statements[i].read(reading, key, value);
	return verdict_read(reading, key, value);
}

/* Also of a rule that is not understood up to its verdict. */
static bool expr_returns(const struct weir_json *expr)
{
	for (size_t i = 0; i < weir_json_size(expr); i++) {
		const struct weir_json *one = weir_json_at(expr, i);
		if (weir_json_get(one, "return") || weir_json_get(one, "goto") ||
		    weir_json_get(one, "vmap"))
			return true;
	}
	return false;
}

static int expr_read(struct reading *reading, const struct weir_json *expr)
{
	int result = 0;

	for (size_t i = 0; i < weir_json_size(expr) && result == 0; i++) {
		const struct weir_json *one = weir_json_at(expr, i);
		result = weir_json_size(one) == 1 ?
				 weir_json_each(one, statement_read, reading) :
				 import_cannot(import_of(reading), "a part of it is no statement");
	}
	return result;
}

void nft_rule_read(const struct nft_place *place, const struct weir_json *expr)
{
	struct import *import = place->nft->import;
	struct reading reading = { .place = place, .count = 1 };
	size_t notes = import->result->notes.count;

	reading.branches = import_alloc(&import->arena, 1, sizeof(*reading.branches));
	if (!reading.branches)
		return;
	int result = expr_read(&reading, expr);
	place->rule->branches = reading.branches;
	place->rule->branch_count = reading.count;
	if (result == 0)
		return;
	place->rule->why = import->why ? import->why : "no memory";
	place->rule->may_return = expr_returns(expr);
	import_notes_cut(import, notes);
}
