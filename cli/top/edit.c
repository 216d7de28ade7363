/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/top/edit.h"

#include <stdio.h>
#include <string.h>

#include "cli/top/keys.h"

static bool is_inside(char c)
{
	return ((unsigned char)c & 0xc0) == 0x80;
}

static size_t before(const struct top_edit *edit, size_t at)
{
	while (at > 0 && is_inside(edit->text[--at]))
		;
	return at;
}

static size_t behind(const struct top_edit *edit, size_t at)
{
	if (edit->text[at])
		at++;
	while (is_inside(edit->text[at]))
		at++;
	return at;
}

void top_edit_set(struct top_edit *edit, const char *text)
{
	snprintf(edit->text, sizeof(edit->text), "%s", text);
	edit->at = strlen(edit->text);
	while (edit->at && edit->text[edit->at - 1] & 0x80 && strlen(text) > edit->at)
		edit->text[--edit->at] = '\0';
}

static void cut(struct top_edit *edit, size_t from, size_t to)
{
	memmove(edit->text + from, edit->text + to, strlen(edit->text + to) + 1);
	edit->at = from;
}

static size_t encode(unsigned c, char bytes[4])
{
	static const unsigned char leads[] = { 0, 0xc0, 0xe0, 0xf0 };
	size_t more = c < 0x80 ? 0 : c < 0x800 ? 1 : c < 0x10000 ? 2 : 3;

	for (size_t i = more; i > 0; i--, c >>= 6)
		bytes[i] = (char)(0x80 | (c & 0x3f));
	bytes[0] = (char)(leads[more] | c);
	return more + 1;
}

static void put(struct top_edit *edit, unsigned c)
{
	char bytes[4];
	size_t len = encode(c, bytes), left = strlen(edit->text + edit->at) + 1;

	if (edit->at + left + len > sizeof(edit->text))
		return;
	memmove(edit->text + edit->at + len, edit->text + edit->at, left);
	memcpy(edit->text + edit->at, bytes, len);
	edit->at += len;
}

static size_t word_begin(const struct top_edit *edit)
{
	size_t at = edit->at;

	while (at > 0 && edit->text[at - 1] == ' ')
		at--;
	while (at > 0 && edit->text[at - 1] != ' ')
		at--;
	return at;
}

bool top_edit_key(struct top_edit *edit, int key)
{
	if (key == TOP_KEY_LEFT)
		edit->at = before(edit, edit->at);
	else if (key == TOP_KEY_RIGHT)
		edit->at = behind(edit, edit->at);
	else if (key == TOP_KEY_HOME || key == TOP_KEY_CTRL('a'))
		edit->at = 0;
	else if (key == TOP_KEY_END || key == TOP_KEY_CTRL('e'))
		edit->at = strlen(edit->text);
	else if (key == TOP_KEY_BACKSPACE)
		cut(edit, before(edit, edit->at), edit->at);
	else if (key == TOP_KEY_DELETE)
		cut(edit, edit->at, behind(edit, edit->at));
	else if (key == TOP_KEY_CTRL('u'))
		cut(edit, 0, edit->at);
	else if (key == TOP_KEY_CTRL('w'))
		cut(edit, word_begin(edit), edit->at);
	else if (key >= ' ' && key != 127 && key < TOP_KEY_UP)
		put(edit, (unsigned)key);
	else
		return false;
	return true;
}
