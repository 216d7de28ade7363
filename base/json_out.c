/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Writes JSON straight into a buffer. Keeps no tree and checks no grammar: who opens an object
 * closes it.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/json.h"
#include "base/units.h"
#include "base/utf8.h"

#define UINT64_DIGITS 20

static bool text_is_plain(unsigned char c)
{
	return c >= 0x20 && c < 0x80 && c != '"' && c != '\\';
}

static void text_put_escaped(struct weir_buf *out, unsigned char c)
{
	static const char shorts[256] = {
		['"'] = '"',  ['\\'] = '\\', ['\b'] = 'b', ['\f'] = 'f',
		['\n'] = 'n', ['\r'] = 'r',  ['\t'] = 't',
	};
	if (shorts[c])
		weir_buf_add(out, (const char[]){ '\\', shorts[c] }, 2);
	else
		weir_buf_addf(out, "\\u%04x", c);
}

/* Plain runs are copied whole: most text is one. */
static void text_put_quoted(struct weir_buf *out, const char *text)
{
	const unsigned char *p = (const unsigned char *)text;
	weir_buf_add_char(out, '"');
	while (*p) {
		const unsigned char *run = p;
		while (text_is_plain(*p))
			p++;
		weir_buf_add(out, run, (size_t)(p - run));
		if (!*p)
			break;

		size_t len = weir_utf8_length((const char *)p);
		if (len > 1)
			weir_buf_add(out, p, len);
		else if (len == 1)
			text_put_escaped(out, *p);
		else
			weir_buf_add_str(out, WEIR_UTF8_REPLACEMENT);
		p += len ? len : 1;
	}
	weir_buf_add_char(out, '"');
}

static void json_put_key(struct weir_json_out *json, const char *key)
{
	if (json->need_comma)
		weir_buf_add_char(json->out, ',');
	if (key) {
		text_put_quoted(json->out, key);
		weir_buf_add_char(json->out, ':');
	}
	json->need_comma = true;
}

static void json_open(struct weir_json_out *json, const char *key, char bracket)
{
	json_put_key(json, key);
	weir_buf_add_char(json->out, bracket);
	json->need_comma = false;
}

static void json_close(struct weir_json_out *json, char bracket)
{
	weir_buf_add_char(json->out, bracket);
	json->need_comma = true;
}

void weir_json_open_object(struct weir_json_out *json, const char *key)
{
	json_open(json, key, '{');
}

void weir_json_close_object(struct weir_json_out *json)
{
	json_close(json, '}');
}

void weir_json_open_array(struct weir_json_out *json, const char *key)
{
	json_open(json, key, '[');
}

void weir_json_close_array(struct weir_json_out *json)
{
	json_close(json, ']');
}

void weir_json_put_raw(struct weir_json_out *json, const char *key, const char *text)
{
	json_put_key(json, key);
	weir_buf_add_str(json->out, text);
}

void weir_json_put_str(struct weir_json_out *json, const char *key, const char *value)
{
	if (!value) {
		weir_json_put_null(json, key);
		return;
	}
	json_put_key(json, key);
	text_put_quoted(json->out, value);
}

static void text_put_uint(struct weir_buf *out, uint64_t value)
{
	char digits[UINT64_DIGITS];
	char *end = digits + sizeof(digits), *p = end;
	do {
		*--p = (char)('0' + value % 10);
		value /= 10;
	} while (value);
	weir_buf_add(out, p, (size_t)(end - p));
}

void weir_json_put_uint(struct weir_json_out *json, const char *key, uint64_t value)
{
	json_put_key(json, key);
	text_put_uint(json->out, value);
}

void weir_json_put_int(struct weir_json_out *json, const char *key, int64_t value)
{
	json_put_key(json, key);
	if (value < 0)
		weir_buf_add_char(json->out, '-');
	text_put_uint(json->out, value < 0 ? 0 - (uint64_t)value : (uint64_t)value);
}

void weir_json_put_real(struct weir_json_out *json, const char *key, double value)
{
	if (!isfinite(value)) {
		weir_json_put_null(json, key);
		return;
	}
	json_put_key(json, key);
	weir_real_format(value, json->out);
}

void weir_json_put_bool(struct weir_json_out *json, const char *key, bool value)
{
	weir_json_put_raw(json, key, value ? "true" : "false");
}

void weir_json_put_null(struct weir_json_out *json, const char *key)
{
	weir_json_put_raw(json, key, "null");
}

void weir_json_put_time(struct weir_json_out *json, const char *key, uint64_t real_ns)
{
	char text[WEIR_CLOCK_TEXT];

	weir_json_put_str(json, key, weir_clock_format(real_ns, text));
}

void weir_json_put_moment(struct weir_json_out *json, const char *key, uint64_t monotonic_ns)
{
	weir_json_put_time(json, key, weir_clock_real_at(monotonic_ns));
}

static void json_put_place(struct weir_json_out *json, const char *key, unsigned place)
{
	if (place)
		weir_json_put_uint(json, key, place);
	else
		weir_json_put_null(json, key);
}

static void json_put_entry(struct weir_json_out *json, const struct weir_diag_entry *entry)
{
	weir_json_open_object(json, NULL);
	weir_json_put_str(json, "level", entry->level == WEIR_DIAG_ERROR ? "error" : "warning");
	weir_json_put_str(json, "file", entry->file);
	json_put_place(json, "line", entry->line);
	json_put_place(json, "column", entry->column);
	weir_json_put_str(json, "key", entry->key);
	weir_json_put_str(json, "what", entry->what);
	weir_json_put_str(json, "mend", entry->mend);
	weir_json_close_object(json);
}

static const char *diag_first_error(const struct weir_diag *diag)
{
	for (size_t i = 0; i < diag->count; i++)
		if (diag->entries[i].level == WEIR_DIAG_ERROR)
			return diag->entries[i].what;
	return NULL;
}

void weir_json_put_diag(struct weir_json_out *json, const char *key, const struct weir_diag *diag)
{
	if (key)
		weir_json_open_object(json, key);
	weir_json_put_str(json, "error", diag_first_error(diag));
	weir_json_open_array(json, "problems");
	for (size_t i = 0; i < diag->count; i++)
		json_put_entry(json, &diag->entries[i]);
	weir_json_close_array(json);
	weir_json_put_uint(json, "problems_left_out", diag->dropped);
	if (key)
		weir_json_close_object(json);
}
