/* SPDX-License-Identifier: Apache-2.0 */
/* Words, lists and runs as iptables-save writes them. */
#include <string.h>

#include "cli/import_iptables.h"
#include "cli/import_names.h"

/* One word from *text on, which is moved behind it. */
static int word_read(struct import *import, const char **text, const char **ret_word)
{
	_cleanup_buf_ struct weir_buf word = { 0 };
	const char *p = *text;
	bool is_quoted = false;

	for (; *p && (is_quoted || (*p != ' ' && *p != '\t')); p++) {
		if (*p == '"')
			is_quoted = !is_quoted;
		else if (*p == '\\' && p[1] && is_quoted)
			weir_buf_add_char(&word, *++p);
		else
			weir_buf_add_char(&word, *p);
	}
	if (is_quoted)
		return import_cannot(import, "a quote is not closed");
	*text = p;
	import->arena.failed |= word.failed;
	*ret_word = import_copy(&import->arena, weir_buf_str(&word), word.len);
	return 0;
}

int iptables_words_of(struct import *import, const char *line, struct iptables_words *ret_words)
{
	struct iptables_words words = { 0 };

	for (line += strspn(line, " \t"); *line; line += strspn(line, " \t")) {
		const char **grown =
			import_grow(&import->arena, words.at, words.count, sizeof(*grown));
		if (!grown)
			break;
		words.at = grown;
		int result = word_read(import, &line, &grown[words.count++]);
		if (result < 0)
			return result;
	}
	*ret_words = words;
	return 0;
}

int iptables_parts_each(struct import *import, const char *text,
			int (*each)(const char *part, void *arg), void *arg)
{
	int result = 0;

	for (;;) {
		size_t len = strcspn(text, ",");
		result = each(import_copy(&import->arena, text, len), arg);
		if (result < 0 || !text[len])
			return result;
		text += len + 1;
	}
}

struct runs {
	struct import *import;
	uint32_t max;
	struct import_span *at;
	size_t count;
};

static int run_read(const char *part, void *arg)
{
	struct runs *runs = arg;
	struct import_arena *arena = &runs->import->arena;
	const char *colon = strchr(part, ':');
	struct import_span run = { 0, runs->max };
	struct import_span *grown = import_grow(arena, runs->at, runs->count, sizeof(*grown));
	const char *from = colon ? import_copy(arena, part, (size_t)(colon - part)) : part;

	if (!grown)
		return import_cannot(runs->import, "no memory");
	runs->at = grown;
	/* "1024:" and ":1023" are open at one end. */
	bool is_right = (colon && !*from) || import_number_read(from, runs->max, &run.from);
	if (!colon)
		run.to = run.from;
	else if (colon[1])
		is_right = is_right && import_number_read(colon + 1, runs->max, &run.to);
	if (!is_right || run.from > run.to)
		return import_cannot(runs->import, "'%s' is no number or run of numbers here",
				     part);
	grown[runs->count++] = run;
	return 0;
}

int iptables_spans_read(struct import *import, const char *text, uint32_t max,
			struct import_spans *ret_spans)
{
	struct runs runs = { .import = import, .max = max };
	int result = iptables_parts_each(import, text, run_read, &runs);

	if (result == 0)
		*ret_spans = import_spans_from(runs.at, runs.count);
	return result;
}
