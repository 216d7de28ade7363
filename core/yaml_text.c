/* SPDX-License-Identifier: Apache-2.0 */
/* Refuses bytes that are no text. libyaml would too, but names neither line nor column for it. */
#include "core/yaml_text.h"

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

/* Where we are: `at` in bytes, line and column from 1, column in characters. */
struct cursor {
	const unsigned char *bytes;
	size_t len;
	size_t at;
	unsigned line;
	unsigned column;
};

static int text_refuse(const struct cursor *cursor, struct weir_diag *diag, const char *what,
		       const char *mend)
{
	int r = weir_diag_error(diag, mend, "%s 0x%02x", what, cursor->bytes[cursor->at]);
	struct weir_diag_entry *entry = weir_diag_last(diag);
	if (entry) {
		entry->line = cursor->line;
		entry->column = cursor->column;
	}
	return r;
}

/* RFC 3629: how many bytes the character at the cursor has, and 0 when they are not one. */
static size_t character_bytes(const struct cursor *cursor)
{
	const unsigned char *c = cursor->bytes + cursor->at;
	size_t left = cursor->len - cursor->at;
	size_t n = c[0] < 0x80 ? 1 : c[0] < 0xc2 ? 0 : c[0] < 0xe0 ? 2 : c[0] < 0xf0 ? 3 : 4;
	if (n == 0 || n > left || c[0] > 0xf4)
		return 0;
	for (size_t i = 1; i < n; i++)
		if ((c[i] & 0xc0) != 0x80)
			return 0;
	/* Longer than need be, half of a UTF-16 pair, past U+10FFFF. */
	bool overlong = (c[0] == 0xe0 && c[1] < 0xa0) || (c[0] == 0xf0 && c[1] < 0x90);
	bool no_character = (c[0] == 0xed && c[1] >= 0xa0) || (c[0] == 0xf4 && c[1] >= 0x90);
	return overlong || no_character ? 0 : n;
}

static bool is_control(unsigned char c)
{
	return (c < 0x20 && c != '\t' && c != '\n' && c != '\r') || c == 0x7f;
}

/*
 * The other things YAML calls not printable: C1 controls but U+0085, a byte order mark inside,
 * U+FFFE, U+FFFF.
 */
static bool is_wide_control(const unsigned char *c, size_t n, size_t at)
{
	if (n == 2)
		return c[0] == 0xc2 && c[1] < 0xa0 && c[1] != 0x85;
	if (n != 3 || c[0] != 0xef)
		return false;
	return (c[1] == 0xbf && c[2] >= 0xbe) || (at > 0 && c[1] == 0xbb && c[2] == 0xbf);
}

static void cursor_step(struct cursor *cursor, size_t n)
{
	bool newline = cursor->bytes[cursor->at] == '\n';
	cursor->at += n;
	cursor->line += newline;
	cursor->column = newline ? 1 : cursor->column + 1;
}

int weir_yaml_text_check(const char *text, size_t len, struct weir_diag *diag)
{
	struct cursor cursor = { (const unsigned char *)text, len, 0, 1, 1 };
	while (cursor.at < len) {
		const unsigned char *c = cursor.bytes + cursor.at;
		if (is_control(c[0]))
			return text_refuse(&cursor, diag, "control character",
					   "remove it: a configuration is plain text");
		size_t n = character_bytes(&cursor);
		if (n == 0)
			return text_refuse(&cursor, diag, "not UTF-8: byte",
					   "save the file as UTF-8 text");
		if (is_wide_control(c, n, cursor.at))
			return text_refuse(&cursor, diag, "character that does not print, byte",
					   "remove it: a configuration is plain text");
		cursor_step(&cursor, n);
	}
	return 0;
}

const char *weir_text_shorten(const char *text, char shown[WEIR_TEXT_SHOWN])
{
	static const char ellipsis[] = "…";
	size_t len = strnlen(text, WEIR_TEXT_SHOWN);
	bool cut = len == WEIR_TEXT_SHOWN;
	if (cut) {
		len = WEIR_TEXT_SHOWN - sizeof(ellipsis);
		while (len > 0 && (text[len] & 0xc0) == 0x80)
			len--;
	}
	memcpy(shown, text, len);
	memcpy(shown + len, cut ? ellipsis : "", cut ? sizeof(ellipsis) : 1);
	return shown;
}
