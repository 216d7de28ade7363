/* SPDX-License-Identifier: Apache-2.0 */
/* JSON of nft back into words: what people know their rules by. Not meant for nft to read. */
#include <string.h>

#include "cli/import_nft.h"

#define NEST_MAX 12

struct text {
	struct weir_buf *out;
	unsigned depth;
};

static void value_put(struct text *text, const struct weir_json *json);

static void array_put(struct text *text, const struct weir_json *array, const char *between)
{
	for (size_t i = 0; i < weir_json_size(array); i++) {
		if (i)
			weir_buf_add_str(text->out, between);
		value_put(text, weir_json_at(array, i));
	}
}

static void field_put(struct text *text, const struct weir_json *object, const char *key)
{
	const struct weir_json *value = weir_json_get(object, key);

	if (!value)
		return;
	if (text->out->len && text->out->data[text->out->len - 1] != ' ')
		weir_buf_add_char(text->out, ' ');
	value_put(text, value);
}

static void match_put(struct text *text, const struct weir_json *match)
{
	const char *op = weir_json_str(weir_json_get(match, "op"), "==");

	value_put(text, weir_json_get(match, "left"));
	if (strcmp(op, "==") != 0 && strcmp(op, "in") != 0)
		weir_buf_addf(text->out, " %s", op);
	weir_buf_add_char(text->out, ' ');
	value_put(text, weir_json_get(match, "right"));
}

static void braces_put(struct text *text, const struct weir_json *value)
{
	bool is_array = weir_json_type(value) == WEIR_JSON_ARRAY;

	weir_buf_add_str(text->out, "{ ");
	for (size_t i = 0; is_array && i < weir_json_size(value); i++) {
		const struct weir_json *one = weir_json_at(value, i);
		if (i)
			weir_buf_add_str(text->out, ", ");
		if (weir_json_type(one) == WEIR_JSON_ARRAY) /* of a map: element and verdict */
			array_put(text, one, " : ");
		else
			value_put(text, one);
	}
	if (!is_array)
		value_put(text, value);
	weir_buf_add_str(text->out, " }");
}

static int pair_put(const char *key, const struct weir_json *value, void *arg)
{
	struct text *text = arg;

	weir_buf_addf(text->out, " %s ", key);
	value_put(text, value);
	return 0;
}

/* {"payload": {"protocol": "tcp", "field": "dport"}} and others with a form of their own. */
static bool known_put(struct text *text, const char *key, const struct weir_json *value)
{
	if (strcmp(key, "match") == 0) {
		match_put(text, value);
	} else if (strcmp(key, "payload") == 0) {
		field_put(text, value, "protocol");
		field_put(text, value, "field");
	} else if (strcmp(key, "meta") == 0 || strcmp(key, "ct") == 0) {
		const char *name = weir_json_str(weir_json_get(value, "key"), "");
		bool is_short = strncmp(name, "iif", 3) == 0 || strncmp(name, "oif", 3) == 0;
		weir_buf_addf(text->out, "%s%s%s", is_short ? "" : key, is_short ? "" : " ", name);
	} else if (strcmp(key, "prefix") == 0) {
		value_put(text, weir_json_get(value, "addr"));
		weir_buf_add_char(text->out, '/');
		value_put(text, weir_json_get(value, "len"));
	} else if (strcmp(key, "range") == 0) {
		array_put(text, value, "-");
	} else if (strcmp(key, "concat") == 0) {
		array_put(text, value, " . ");
	} else if (strcmp(key, "&") == 0 || strcmp(key, "|") == 0) {
		array_put(text, value, strcmp(key, "&") == 0 ? " & " : " | ");
	} else if (strcmp(key, "set") == 0 && !weir_json_get(value, "elem")) {
		braces_put(text, value);
	} else {
		return false;
	}
	return true;
}

static bool statement_put(struct text *text, const char *key, const struct weir_json *value)
{
	if (strcmp(key, "vmap") == 0) {
		field_put(text, value, "key");
		weir_buf_add_str(text->out, " vmap");
		field_put(text, value, "data");
	} else if (strcmp(key, "mangle") == 0) {
		field_put(text, value, "key");
		weir_buf_add_str(text->out, " set");
		field_put(text, value, "value");
	} else if (strcmp(key, "jump") == 0 || strcmp(key, "goto") == 0) {
		weir_buf_add_str(text->out, key);
		field_put(text, value, "target");
	} else if (strcmp(key, "elem") == 0) {
		value_put(text, weir_json_get(value, "val"));
	} else if (strcmp(key, "counter") == 0) {
		weir_buf_add_str(text->out, key);
	} else {
		return false;
	}
	return true;
}

static int member_put(const char *key, const struct weir_json *value, void *arg)
{
	struct text *text = arg;

	if (known_put(text, key, value) || statement_put(text, key, value))
		return 0;
	weir_buf_add_str(text->out, key);
	if (weir_json_type(value) == WEIR_JSON_OBJECT)
		return weir_json_each(value, pair_put, text);
	if (weir_json_type(value) != WEIR_JSON_NULL) {
		weir_buf_add_char(text->out, ' ');
		value_put(text, value);
	}
	return 0;
}

static void nested_put(struct text *text, const struct weir_json *json)
{
	if (text->depth >= NEST_MAX) {
		weir_buf_add_str(text->out, "...");
		return;
	}
	text->depth++;
	if (weir_json_type(json) == WEIR_JSON_ARRAY)
		array_put(text, json, ",");
	else
		(void)weir_json_each(json, member_put, text);
	text->depth--;
}

static void value_put(struct text *text, const struct weir_json *json)
{
	if (!json)
		return;
	switch (weir_json_type(json)) {
	case WEIR_JSON_STRING:
		weir_buf_add_str(text->out, weir_json_str(json, ""));
		break;
	case WEIR_JSON_INTEGER:
		weir_buf_addf(text->out, "%lld", (long long)weir_json_int(json, 0));
		break;
	case WEIR_JSON_BOOL:
		weir_buf_add_str(text->out, weir_json_bool(json, false) ? "true" : "false");
		break;
	case WEIR_JSON_ARRAY:
	case WEIR_JSON_OBJECT:
		nested_put(text, json);
		break;
	case WEIR_JSON_NULL:
	case WEIR_JSON_REAL:
	default:
		break;
	}
}

const char *nft_rule_text(struct import *import, const struct weir_json *expr)
{
	_cleanup_buf_ struct weir_buf out = { 0 };
	struct text text = { .out = &out };

	for (size_t i = 0; i < weir_json_size(expr); i++) {
		if (i)
			weir_buf_add_char(&out, ' ');
		value_put(&text, weir_json_at(expr, i));
	}
	import->arena.failed |= out.failed;
	return import_copy(&import->arena, weir_buf_str(&out), out.len);
}
