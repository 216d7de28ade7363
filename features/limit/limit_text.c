/* SPDX-License-Identifier: Apache-2.0 */
/* A limit as text, in YAML and JSON, and in memory: by the table of keys, so that a new key is in
 * it. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "core/config_value.h"
#include "features/limit/limit_state.h"

#define EACH_FIELD(field)                                    \
	const struct weir_field *field = limit_limit_fields; \
	field->key;                                          \
	field++

/* Where a member has its text in memory; NULL: it has none. */
static char **text_of(const struct limit_text *text, const struct weir_field *field)
{
	char *member = (char *)text + field->offset;

	if (field->type == WEIR_FIELD_STRING)
		return (char **)member;
	return field->type == WEIR_FIELD_SIZE || field->type == WEIR_FIELD_DURATION ?
		       &((struct weir_quantity *)member)->text :
		       NULL;
}

void limit_text_done(struct limit_text *text)
{
	for (EACH_FIELD(field))
		if (text_of(text, field))
			free(*text_of(text, field));
	*text = (struct limit_text){ 0 };
}

int limit_text_copy(const struct limit_text *text, struct limit_text *ret_text)
{
	struct limit_text copy = *text;
	bool failed = false;

	for (EACH_FIELD(field)) {
		char **own = text_of(&copy, field);

		if (!own || !*own)
			continue;
		*own = strdup(*own);
		failed |= !*own;
	}
	if (failed) {
		limit_text_done(&copy);
		return -ENOMEM;
	}
	*ret_text = copy;
	return 0;
}

/* What is written; nothing where nothing is, or what holds without being written. */
static void member_text(const struct limit_text *text, const struct weir_field *field,
			struct weir_buf *value)
{
	const char *member = (const char *)text + field->offset;
	char **own = text_of(text, field);

	if (own && *own)
		weir_buf_add_str(value, *own);
	else if (field->type == WEIR_FIELD_ENUM && *(const int *)member)
		weir_buf_add_str(value, field->values[*(const int *)member]);
	else if (field->type == WEIR_FIELD_BOOL && *(const bool *)member)
		weir_buf_add_str(value, "true");
	else if (field->type == WEIR_FIELD_UINT && *(const uint32_t *)member)
		weir_buf_addf(value, "%u", *(const uint32_t *)member);
	if (field->fallback && strcmp(weir_buf_str(value), field->fallback) == 0)
		weir_buf_clear(value);
}

void limit_text_put(const struct limit_text *text, struct weir_json_out *json)
{
	for (EACH_FIELD(field)) {
		_cleanup_buf_ struct weir_buf value = { 0 };

		member_text(text, field, &value);
		if (value.len)
			weir_json_put_str(json, field->key, weir_buf_str(&value));
	}
}

/* The value as text: commands and queries send it so, and JSON may have numbers and truths. */
static int value_get(const struct weir_field *field, const struct weir_json *value,
		     struct weir_diag *diag, struct weir_buf *text)
{
	switch (weir_json_type(value)) {
	case WEIR_JSON_STRING:
		weir_buf_add_str(text, weir_json_str(value, ""));
		break;
	case WEIR_JSON_BOOL:
		weir_buf_add_str(text, weir_json_bool(value, false) ? "true" : "false");
		break;
	case WEIR_JSON_INTEGER:
		weir_buf_addf(text, "%lld", (long long)weir_json_int(value, 0));
		break;
	default:
		return weir_diag_key(diag, field->key, "write a text", "it is no text");
	}
	return text->failed ? -ENOMEM : 0;
}

static int member_get(const struct weir_field *field, const struct weir_json *value,
		      struct weir_diag *diag, struct limit_text *text)
{
	_cleanup_buf_ struct weir_buf read = { 0 };
	char **own = text_of(text, field);
	bool is_given = value && weir_json_type(value) != WEIR_JSON_NULL;
	int r = is_given ? value_get(field, value, diag, &read) : 0;

	if (!is_given && field->fallback)
		weir_buf_add_str(&read, field->fallback);
	if (r || (!is_given && !field->fallback))
		return r;
	/* A quantity has a text only where one was written. */
	if (own && (is_given || field->type == WEIR_FIELD_STRING) &&
	    !(*own = strdup(weir_buf_str(&read))))
		return -ENOMEM;
	return weir_value_read(field, weir_buf_str(&read), field->key, diag,
			       (char *)text + field->offset);
}

int limit_text_get(const struct weir_json *object, struct weir_diag *diag,
		   struct limit_text *ret_text)
{
	struct limit_text text = { 0 };
	int result = 0;

	for (EACH_FIELD(field)) {
		int r = member_get(field, weir_json_get(object, field->key), diag, &text);

		result = r < 0 ? r : result;
	}
	if (result == 0 && !text.name)
		result = weir_diag_key(diag, "name", "give it one", "a limit has a name");
	if (result < 0) {
		limit_text_done(&text);
		return result;
	}
	*ret_text = text;
	return 0;
}

static void row_yaml(const struct limit_preset_row *row, struct weir_buf *yaml)
{
	weir_buf_addf(yaml, "    # %s\n    - name: %s\n", row->why, row->text.name);
	/* The first key is the name. */
	for (const struct weir_field *field = limit_limit_fields + 1; field->key; field++) {
		_cleanup_buf_ struct weir_buf value = { 0 };

		member_text(&row->text, field, &value);
		if (value.len)
			weir_buf_addf(yaml, "      %s: %s\n", field->key, weir_buf_str(&value));
	}
}

void limit_preset_yaml(const struct limit_preset *preset, struct weir_buf *yaml)
{
	weir_buf_addf(yaml,
		      "# %s: %s\n# As `presets: [%s]`. What is changed and named as here stands in "
		      "its place.\nlimit:\n  limits:\n",
		      preset->name, preset->summary, preset->name);
	for (unsigned i = 0; i < preset->count; i++)
		row_yaml(&preset->rows[i], yaml);
}
