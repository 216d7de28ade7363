/* SPDX-License-Identifier: Apache-2.0 */
/* Reads JSON by jansson. Writing, which needs no library, is json_out.c. */
#include "base/json.h"

#include <errno.h>
#include <jansson.h>
#include <string.h>

/* A struct weir_json is a json_t under a name of ours: nobody else needs to know the library. */
static struct weir_json *json_wrap(json_t *value)
{
	return (struct weir_json *)value;
}

static json_t *json_unwrap(const struct weir_json *json)
{
	return (json_t *)json;
}

static const char *error_mend(const json_error_t *error)
{
	switch (json_error_code(error)) {
	case json_error_duplicate_key:
		return "keep one of the two members";
	case json_error_end_of_input_expected:
		return "remove what follows the first value";
	case json_error_premature_end_of_input:
		return "the text ends too early: is it cut off, or a bracket or quote missing?";
	case json_error_invalid_utf8:
		return "write the text in UTF-8";
	case json_error_numeric_overflow:
		return "write a number that fits: an integer of 64 bits with sign, or up to 1e308";
	case json_error_null_character:
		return "remove it";
	default:
		return NULL;
	}
}

/* The library's own sentence, except where that speaks to programmers. */
static const char *error_sentence(const json_error_t *error)
{
	if (json_error_code(error) == json_error_null_character)
		return "the character U+0000 is not taken";
	return error->text;
}

/*
 * jansson counts the columns it has read past, in characters; ours is that of the last one of them,
 * from 1.
 */
static void error_report(const json_error_t *error, const char *file, struct weir_diag *diag)
{
	weir_diag_error(diag, error_mend(error), "not valid JSON: %s", error_sentence(error));
	struct weir_diag_entry *entry = weir_diag_last(diag);
	if (!entry)
		return;
	entry->file = file ? strdup(file) : NULL;
	entry->line = error->line > 0 ? (unsigned)error->line : 1;
	entry->column = error->column > 0 ? (unsigned)error->column : 1;
}

int weir_json_parse(const char *text, size_t len, const char *file, struct weir_diag *diag,
		    struct weir_json **ret_json)
{
	json_error_t error;
	/* jansson takes NULL for a fault of the caller; an empty weir_buf has no data. */
	json_t *value = json_loadb(text ? text : "", text ? len : 0,
				   JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &error);
	if (!value) {
		error_report(&error, file, diag);
		return json_error_code(&error) == json_error_out_of_memory ? -ENOMEM : -EINVAL;
	}
	*ret_json = json_wrap(value);
	return 0;
}

void weir_json_free(struct weir_json *json)
{
	json_decref(json_unwrap(json));
}

enum weir_json_type weir_json_type(const struct weir_json *json)
{
	switch (json_typeof(json_unwrap(json))) {
	case JSON_TRUE:
	case JSON_FALSE:
		return WEIR_JSON_BOOL;
	case JSON_INTEGER:
		return WEIR_JSON_INTEGER;
	case JSON_REAL:
		return WEIR_JSON_REAL;
	case JSON_STRING:
		return WEIR_JSON_STRING;
	case JSON_ARRAY:
		return WEIR_JSON_ARRAY;
	case JSON_OBJECT:
		return WEIR_JSON_OBJECT;
	case JSON_NULL:
	default:
		return WEIR_JSON_NULL;
	}
}

const struct weir_json *weir_json_get(const struct weir_json *json, const char *key)
{
	return json_wrap(json_object_get(json_unwrap(json), key));
}

size_t weir_json_size(const struct weir_json *json)
{
	json_t *value = json_unwrap(json);
	return json_is_array(value) ? json_array_size(value) : json_object_size(value);
}

const struct weir_json *weir_json_at(const struct weir_json *json, size_t index)
{
	return json_wrap(json_array_get(json_unwrap(json), index));
}

int weir_json_each(const struct weir_json *object,
		   int (*each)(const char *key, const struct weir_json *value, void *arg),
		   void *arg)
{
	json_t *members = json_unwrap(object);
	for (void *i = json_object_iter(members); i; i = json_object_iter_next(members, i)) {
		int r = each(json_object_iter_key(i), json_wrap(json_object_iter_value(i)), arg);
		if (r)
			return r;
	}
	return 0;
}

const char *weir_json_str(const struct weir_json *json, const char *fallback)
{
	const char *text = json_string_value(json_unwrap(json));
	return text ? text : fallback;
}

int64_t weir_json_int(const struct weir_json *json, int64_t fallback)
{
	json_t *value = json_unwrap(json);
	return json_is_integer(value) ? json_integer_value(value) : fallback;
}

double weir_json_real(const struct weir_json *json, double fallback)
{
	json_t *value = json_unwrap(json);
	return json_is_number(value) ? json_number_value(value) : fallback;
}

bool weir_json_bool(const struct weir_json *json, bool fallback)
{
	json_t *value = json_unwrap(json);
	return json_is_boolean(value) ? json_is_true(value) : fallback;
}

int weir_json_add(const struct weir_json *json, struct weir_buf *out)
{
	char *text = json_dumps(json_unwrap(json), JSON_COMPACT | JSON_ENCODE_ANY);

	if (!text)
		return -ENOMEM;
	weir_buf_add_str(out, text);
	free(text);
	return out->failed ? -ENOMEM : 0;
}
