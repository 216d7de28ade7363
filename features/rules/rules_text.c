/* SPDX-License-Identifier: Apache-2.0 */
/* Rules as text in other forms: all by the table of keys, so that a new key is in all of them. */
#include "features/rules/rules_text.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/hash.h"

/* What a key is in the line for people. */
enum shown {
	SHOWN_KEY,   /* "dport 22" */
	SHOWN_VALUE, /* "tcp": needs no word before it */
	SHOWN_NOT,   /* is no condition */
};

static enum shown key_shown(const char *key)
{
	static const char *const others[] = { "name", "comment", "group", "enabled", "action",
					      "log",  "mark",	 "rate",  "burst",   "per" };
	static const char *const plain[] = { "interface", "direction", "family", "proto" };
	for (size_t i = 0; i < WEIR_ARRAY_SIZE(others); i++)
		if (strcmp(key, others[i]) == 0)
			return SHOWN_NOT;
	for (size_t i = 0; i < WEIR_ARRAY_SIZE(plain); i++)
		if (strcmp(key, plain[i]) == 0)
			return SHOWN_VALUE;
	return SHOWN_KEY;
}

static void *member_of(const struct rules_text *text, const struct weir_field *field)
{
	return (char *)text + field->offset;
}

/* The value as it is written; NULL where nothing is, and for what holds without being written. */
static const char *member_text(const struct rules_text *text, const struct weir_field *field)
{
	const void *member = member_of(text, field);
	if (field->type == WEIR_FIELD_STRING)
		return *(char *const *)member;
	if (field->type == WEIR_FIELD_BOOL)
		return *(const bool *)member ? "true" : NULL;
	const char *value = field->values[*(const int *)member];
	return field->fallback && strcmp(value, field->fallback) == 0 ? NULL : value;
}

void rules_text_put(const struct rules_text *text, struct weir_json_out *json)
{
	for (const struct weir_field *field = rules_rule_fields; field->key; field++) {
		const char *value = member_text(text, field);
		if (strcmp(field->key, "enabled") == 0)
			weir_json_put_bool(json, field->key, text->enabled);
		else if (value && field->type == WEIR_FIELD_BOOL)
			weir_json_put_bool(json, field->key, true);
		else if (value)
			weir_json_put_str(json, field->key, value);
	}
}

static int string_get(const struct weir_field *field, const struct weir_json *value,
		      struct weir_diag *diag, char **string)
{
	const char *text = weir_json_str(value, NULL);
	if (!value || weir_json_type(value) == WEIR_JSON_NULL)
		return 0;
	if (!text)
		return weir_diag_key(diag, field->key, "write a text", "it is no text");
	*string = strdup(text);
	return *string ? 0 : -ENOMEM;
}

/* Commands and queries say it in text. */
static void bool_get(const struct weir_field *field, const struct weir_json *value, bool *ret_bool)
{
	const char *text = weir_json_str(value, NULL);
	bool fallback = field->fallback && strcmp(field->fallback, "true") == 0;
	*ret_bool = text ? strcmp(text, "true") == 0 || strcmp(text, "1") == 0 || !*text :
			   weir_json_bool(value, fallback);
}

static int enum_get(const struct weir_field *field, const struct weir_json *value,
		    struct weir_diag *diag, int *ret_number)
{
	const char *text = weir_json_str(value, field->fallback);
	for (int i = 0; text && field->values[i]; i++)
		if (strcmp(field->values[i], text) == 0) {
			*ret_number = i;
			return 0;
		}
	return weir_diag_key(diag, field->key, field->help, "'%s' is not known", text ? text : "");
}

static int member_get(const struct weir_field *field, const struct weir_json *value,
		      struct weir_diag *diag, struct rules_text *text)
{
	void *member = member_of(text, field);
	if (field->type == WEIR_FIELD_STRING)
		return string_get(field, value, diag, member);
	if (field->type == WEIR_FIELD_ENUM)
		return enum_get(field, value, diag, member);
	bool_get(field, value, member);
	return 0;
}

int rules_text_get(const struct weir_json *object, struct weir_diag *diag,
		   struct rules_text *ret_text)
{
	struct rules_text text = { 0 };
	int result = 0;
	for (const struct weir_field *field = rules_rule_fields; field->key; field++) {
		int r = member_get(field, weir_json_get(object, field->key), diag, &text);
		result = r < 0 ? r : result;
	}
	if (result < 0) {
		rules_text_done(&text);
		return result;
	}
	*ret_text = text;
	return 0;
}

void rules_text_conditions(const struct rules_text *text, struct weir_buf *line)
{
	size_t before = line->len;
	for (const struct weir_field *field = rules_rule_fields; field->key; field++) {
		enum shown shown = key_shown(field->key);
		const char *value = shown == SHOWN_NOT ? NULL : member_text(text, field);
		if (!value)
			continue;
		weir_buf_add_str(line, line->len > before ? " " : "");
		weir_buf_addf(line, "%s%s%s", shown == SHOWN_KEY ? field->key : "",
			      shown == SHOWN_KEY ? " " : "", value);
	}
	if (line->len == before)
		weir_buf_add_str(line, "all packets");
}

uint64_t rules_text_hash(const struct rules_text *text)
{
	static const char *const left_out[] = { "name", "comment", "group", "enabled" };
	uint64_t hash = 0;
	for (const struct weir_field *field = rules_rule_fields; field->key; field++) {
		const char *value = member_text(text, field);
		bool is_in = value;
		for (size_t i = 0; i < WEIR_ARRAY_SIZE(left_out); i++)
			is_in = is_in && strcmp(field->key, left_out[i]) != 0;
		/* The key is in it by way of the seed: sport 22 is not dport 22. */
		if (is_in)
			hash = weir_hash_bytes(value, strlen(value),
					       weir_hash_bytes(field->key, strlen(field->key),
							       hash));
	}
	return hash;
}
