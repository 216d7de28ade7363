/* SPDX-License-Identifier: Apache-2.0 */
/* Cuts a line into words and says what is wrong with them, and where. */
#include "cli/expect_words.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/nearest.h"

int weir_expect_placed(const struct weir_expect_line *line, unsigned column, int result)
{
	struct weir_diag_entry *entry = weir_diag_last(line->diag);

	if (!entry)
		return result;
	/* The place says which field it is, and the words of explain are not those of the file. */
	free(entry->key);
	entry->key = NULL;
	entry->file = strdup(line->file);
	entry->line = line->number;
	entry->column = column;
	return result;
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r';
}

static bool is_control(unsigned char c)
{
	return c < 0x20 || c == 0x7f;
}

int weir_expect_word_next(struct weir_expect_line *line, struct weir_expect_word *ret_word)
{
	while (line->at < line->end && is_blank(*line->at))
		line->at++;
	const char *from = line->at;
	bool is_remark = from < line->end && *from == '#';

	ret_word->column = (unsigned)(from - line->start) + 1;
	while (!is_remark && line->at < line->end && !is_blank(*line->at)) {
		if (is_control((unsigned char)*line->at))
			return weir_expect_placed(line, (unsigned)(line->at - line->start) + 1,
						  weir_diag_error(line->diag, "take it out",
								  "a control character"));
		line->at++;
	}
	size_t len = (size_t)(line->at - from);

	if (len >= sizeof(ret_word->text))
		return weir_expect_placed(
			line, ret_word->column,
			weir_diag_error(line->diag, WEIR_EXPECT_EXAMPLE,
					"a word of %zu characters, %zu are the most", len,
					sizeof(ret_word->text) - 1));
	memcpy(ret_word->text, from, len);
	ret_word->text[len] = '\0';
	return 0;
}

int weir_expect_word_need(struct weir_expect_line *line, const char *what,
			  struct weir_expect_word *ret_word)
{
	int r = weir_expect_word_next(line, ret_word);

	if (r || ret_word->text[0])
		return r;
	return weir_expect_placed(line, ret_word->column,
				  weir_diag_error(line->diag, WEIR_EXPECT_EXAMPLE, "%s is missing",
						  what));
}

int weir_expect_word_unknown(const struct weir_expect_line *line,
			     const struct weir_expect_word *word, const char *what,
			     const char *const *known)
{
	const char *near = weir_nearest(word->text, known);
	_cleanup_buf_ struct weir_buf mend = { 0 };

	if (near)
		weir_buf_addf(&mend, "did you mean '%s'?", near);
	for (size_t i = 0; !near && known[i]; i++)
		weir_buf_addf(&mend, "%s%s", i ? ", " : "write one of: ", known[i]);
	return weir_expect_placed(line, word->column,
				  weir_diag_error(line->diag, weir_buf_str(&mend), "'%s' is not %s",
						  word->text, what));
}

unsigned weir_expect_column_of(const struct weir_expect_line *line, const char *key)
{
	for (size_t i = 0; i < line->place_count; i++)
		if (strcmp(line->places[i].key, key) == 0)
			return line->places[i].column;
	return 0;
}

/* The places have room: no key is taken twice. */
int weir_expect_place_add(struct weir_expect_line *line, const char *key, unsigned column)
{
	if (weir_expect_column_of(line, key))
		return weir_expect_placed(line, column,
					  weir_diag_error(line->diag, "leave one out",
							  "this was given already at column %u",
							  weir_expect_column_of(line, key)));
	line->places[line->place_count++] = (struct weir_expect_place){ key, column };
	return 0;
}

char *weir_expect_line_text(const struct weir_expect_line *line)
{
	const char *from = line->start, *to = line->at;

	while (from < to && is_blank(*from))
		from++;
	while (to > from && is_blank(to[-1]))
		to--;
	return strndup(from, (size_t)(to - from));
}
