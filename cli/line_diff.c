/* SPDX-License-Identifier: Apache-2.0 */
/* Longest common subsequence of lines, after what is equal at both ends has been taken off. */
#include "cli/line_diff.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"

#define CELLS_MAX \
	(16u << 20) /* 64 MiB of table; beyond it all old lines go and all new ones come */

struct text_line {
	const char *text;
	size_t len;
};

struct text_lines {
	struct text_line *all;
	size_t from, to; /* the part that may differ */
};

static void lines_done(struct text_lines *lines)
{
	free(lines->all);
}

static int lines_split(const char *text, struct text_lines *lines)
{
	size_t count = 1;

	for (const char *c = text; *c; c++)
		count += *c == '\n';
	lines->all = calloc(count, sizeof(*lines->all));
	if (!lines->all)
		return -ENOMEM;
	while (*text) {
		size_t len = strcspn(text, "\n");

		lines->all[lines->to++] = (struct text_line){ text, len };
		text += len + (text[len] == '\n');
	}
	return 0;
}

static bool line_equal(const struct text_line *a, const struct text_line *b)
{
	return a->len == b->len && memcmp(a->text, b->text, a->len) == 0;
}

static void ends_trim(struct text_lines *a, struct text_lines *b)
{
	while (a->from < a->to && b->from < b->to &&
	       line_equal(&a->all[a->from], &b->all[b->from])) {
		a->from++;
		b->from++;
	}
	while (a->to > a->from && b->to > b->from &&
	       line_equal(&a->all[a->to - 1], &b->all[b->to - 1])) {
		a->to--;
		b->to--;
	}
}

static void line_put(struct weir_json_out *json, const char *sign, const struct text_line *line)
{
	_cleanup_buf_ struct weir_buf text = { 0 };

	weir_buf_add_str(&text, sign);
	weir_buf_add(&text, line->text, line->len);
	weir_json_put_str(json, NULL, weir_buf_str(&text));
}

/* table[i][j]: most lines that a from i and b from j on can have in common. */
static uint32_t *common_table(const struct text_lines *a, const struct text_lines *b)
{
	size_t rows = a->to - a->from;
	size_t columns = b->to - b->from;

	if ((rows + 1) * (columns + 1) > CELLS_MAX)
		return NULL;
	uint32_t *table = calloc((rows + 1) * (columns + 1), sizeof(*table));
	if (!table)
		return NULL;
	for (size_t i = rows; i-- > 0;)
		for (size_t j = columns; j-- > 0;) {
			uint32_t *cell = &table[i * (columns + 1) + j];
			uint32_t down = table[(i + 1) * (columns + 1) + j];

			if (line_equal(&a->all[a->from + i], &b->all[b->from + j]))
				*cell = table[(i + 1) * (columns + 1) + j + 1] + 1;
			else
				*cell = down > cell[1] ? down : cell[1];
		}
	return table;
}

int weir_line_diff(const char *from, const char *to, struct weir_json_out *json)
{
	_cleanup_(lines_done) struct text_lines a = { 0 };
	_cleanup_(lines_done) struct text_lines b = { 0 };

	if (lines_split(from, &a) < 0 || lines_split(to, &b) < 0)
		return -ENOMEM;
	ends_trim(&a, &b);
	_cleanup_free_ uint32_t *table = common_table(&a, &b);
	size_t columns = b.to - b.from + 1;
	size_t i = 0;
	size_t j = 0;
	while (a.from + i < a.to || b.from + j < b.to) {
		const struct text_line *old = &a.all[a.from + i];
		const struct text_line *new = &b.all[b.from + j];
		bool old_left = a.from + i < a.to;
		bool new_left = b.from + j < b.to;

		if (table && old_left && new_left && line_equal(old, new)) {
			i++;
			j++;
		} else if (old_left &&
			   (!new_left || !table ||
			    table[(i + 1) * columns + j] >= table[i * columns + j + 1])) {
			line_put(json, "- ", old);
			i++;
		} else {
			line_put(json, "+ ", new);
			j++;
		}
	}
	return 0;
}
