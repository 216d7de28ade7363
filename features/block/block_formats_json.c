/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Lists as JSON. The tree does not say where an element stood: that is looked up in the text, and
 * only when one is wrong.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/json.h"
#include "features/block/block_import_entry.h"

/* Walks the text of a valid document. */
struct walk {
	const char *p;
	const char *end;
};

static void walk_string(struct walk *walk)
{
	for (walk->p++; walk->p < walk->end && *walk->p != '"'; walk->p++)
		walk->p += *walk->p == '\\';
	walk->p++;
}

static void walk_blank(struct walk *walk)
{
	while (walk->p < walk->end && strchr(" \t\r\n,:", *walk->p))
		walk->p++;
}

/* Over one value, whatever is inside. */
static void walk_value(struct walk *walk)
{
	int depth = 0;
	do {
		walk_blank(walk);
		if (walk->p >= walk->end)
			return;
		if (*walk->p == '"') {
			walk_string(walk);
			continue;
		}
		depth += *walk->p == '[' || *walk->p == '{';
		depth -= *walk->p == ']' || *walk->p == '}';
		walk->p++;
		while (!depth && walk->p < walk->end && !strchr(" \t\r\n,:]}", *walk->p))
			walk->p++;
	} while (depth > 0);
}

/* To the array: the document itself, or its member "entries". */
static void walk_to_array(struct walk *walk)
{
	static const char key[] = "\"entries\"";
	walk_blank(walk);
	if (walk->p >= walk->end || *walk->p++ == '[')
		return;
	for (walk_blank(walk); walk->p < walk->end && *walk->p == '"'; walk_blank(walk)) {
		bool is_it = (size_t)(walk->end - walk->p) >= sizeof(key) - 1 &&
			     memcmp(walk->p, key, sizeof(key) - 1) == 0;
		walk_string(walk);
		walk_blank(walk);
		if (is_it) {
			walk->p++;
			return;
		}
		walk_value(walk);
	}
}

/*
 * Where elements stand; asked in ascending order, so that the text is walked once for all faults.
 */
struct places {
	struct walk walk;
	size_t index;
	const char *counted; /* lines are counted up to here */
};

static const char *places_find(struct places *places, struct import_reader *reader, size_t index)
{
	for (; places->index < index; places->index++)
		walk_value(&places->walk);
	walk_blank(&places->walk);
	const char *at = places->walk.p < places->walk.end ? places->walk.p : places->walk.end;
	for (; places->counted < at; places->counted++) {
		if (*places->counted != '\n')
			continue;
		reader->line++;
		reader->line_start = places->counted + 1;
	}
	return at;
}

static struct import_text text_of(const struct weir_json *json, char number[24])
{
	const char *text = weir_json_str(json, NULL);
	if (json && weir_json_type(json) == WEIR_JSON_INTEGER) {
		snprintf(number, 24, "%lld", (long long)weir_json_int(json, 0));
		text = number;
	}
	return (struct import_text){ text, text ? strlen(text) : 0 };
}

/* Members that would be left out silently are refused: a misspelt "ttl" would block for ever. */
static int unknown_member(const char *key, const struct weir_json *value, void *arg)
{
	static const char *const known[] = { "entry", "note", "ttl", "until" };
	const char **unknown = arg;
	(void)value;
	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		if (strcmp(key, known[i]) == 0)
			return 0;
	*unknown = key;
	return 1;
}

/* A lifetime of another type would be none, and the entry would never expire. */
static bool is_text_or_absent(const struct weir_json *element, const char *key)
{
	const struct weir_json *value = weir_json_get(element, key);
	return !value || weir_json_type(value) == WEIR_JSON_NULL ||
	       weir_json_type(value) == WEIR_JSON_STRING ||
	       weir_json_type(value) == WEIR_JSON_INTEGER;
}

static bool element_is_sound(const struct weir_json *element, const char **ret_unknown)
{
	*ret_unknown = NULL;
	if (weir_json_type(element) == WEIR_JSON_STRING)
		return true;
	return weir_json_type(element) == WEIR_JSON_OBJECT &&
	       weir_json_str(weir_json_get(element, "entry"), NULL) &&
	       is_text_or_absent(element, "note") && is_text_or_absent(element, "ttl") &&
	       is_text_or_absent(element, "until") &&
	       !weir_json_each(element, unknown_member, ret_unknown);
}

static int import_element(struct import_reader *reader, const struct weir_json *element)
{
	char numbers[4][24];
	bool is_object = weir_json_type(element) == WEIR_JSON_OBJECT;
	struct import_entry entry = {
		.entry = text_of(is_object ? weir_json_get(element, "entry") : element, numbers[0]),
		.note = text_of(weir_json_get(element, "note"), numbers[1]),
		.ttl = text_of(weir_json_get(element, "ttl"), numbers[2]),
		.until = text_of(weir_json_get(element, "until"), numbers[3]),
	};
	return import_take(reader, &entry);
}

static int import_elements(struct import_reader *reader, const struct weir_json *array,
			   struct places *places)
{
	for (size_t i = 0; i < weir_json_size(array); i++) {
		const struct weir_json *element = weir_json_at(array, i);
		const char *unknown;
		size_t invalid = reader->import->invalid;
		bool is_sound = element_is_sound(element, &unknown);
		int r = 0;
		if (is_sound)
			r = import_element(reader, element);
		else if (unknown)
			r = import_fault(reader, NULL, "an entry has entry, note, ttl and until",
					 "an entry has no member '%.40s'",
					 reader->options->is_secret ? "…" : unknown);
		else
			r = import_fault(
				reader, NULL,
				"write \"192.0.2.0/24\" or "
				"{\"entry\":\"192.0.2.0/24\",\"note\":\"...\"}",
				"an entry is a string, or an object with strings, 'entry' at "
				"least");
		if (r < 0)
			return r;
		struct weir_diag_entry *fault = weir_diag_last(reader->diag);
		if (reader->import->invalid == invalid || !fault)
			continue;
		const char *at = places_find(places, reader, i);
		fault->line = reader->line;
		fault->column = (unsigned)(at - reader->line_start) + 1;
	}
	return 0;
}

/* The parser quotes what it stumbled over. */
static int json_parse(struct import_reader *reader, const char *text, size_t len,
		      struct weir_json **ret_json)
{
	_cleanup_diag_ struct weir_diag quoting = { 0 };
	if (!reader->options->is_secret)
		return weir_json_parse(text, len, reader->options->file, reader->diag, ret_json);
	int r = weir_json_parse(text, len, NULL, &quoting, ret_json);
	const struct weir_diag_entry *said = weir_diag_last(&quoting);
	if (!said)
		return r;
	reader->line = said->line;
	int told = import_fault(reader, NULL, "write [\"192.0.2.1\", ...]", "not valid JSON");
	return told < 0 ? told : r;
}

int import_json(struct import_reader *reader, const char *text, size_t len)
{
	_cleanup_json_ struct weir_json *json = NULL;
	int r = json_parse(reader, text, len, &json);
	if (r < 0)
		return r;
	const struct weir_json *array =
		weir_json_type(json) == WEIR_JSON_ARRAY ? json : weir_json_get(json, "entries");
	reader->line = 1;
	reader->line_start = text;
	if (!array || weir_json_type(array) != WEIR_JSON_ARRAY)
		return import_fault(reader, text, "write [\"192.0.2.1\", ...]",
				    "neither an array nor an object with an array 'entries'");
	struct places places = { .walk = { text, text + len }, .counted = text };
	walk_to_array(&places.walk);
	return import_elements(reader, array, &places);
}
