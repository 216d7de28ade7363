/* SPDX-License-Identifier: Apache-2.0 */
/* The grammar of expectations. All of a file's bad lines are told, not the first only. */
#include "cli/expect.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "cli/client.h"
#include "cli/expect_words.h"
#include "core/frame_fields.h"

#define BYTE_ORDER_MARK "\xef\xbb\xbf"

/* Words before `is` that one value follows, and what explain calls them. */
static const struct option {
	const char *word;
	const char *key;
} options[] = {
	{ "in", "ingress" },	    { "out", "egress" },     { "flags", "tcp-flags" },
	{ "type", "icmp-type" },    { "code", "icmp-code" }, { "length", "length" },
	{ "dscp", "dscp" },	    { "ttl", "ttl" },	     { "vlan", "vlan" },
	{ "fragment", "fragment" },
};

static const char *const option_words[] = { "in",   "out", "flags", "type",	"code", "length",
					    "dscp", "ttl", "vlan",  "fragment", "is",	NULL };
static const char *const outcome_words[] = { "allowed", "denied", "rejected", NULL };

static void query_add(struct weir_expect_line *line, const char *key, const char *text)
{
	if (line->query.len)
		weir_buf_add_char(&line->query, '&');
	weir_query_add_escaped(&line->query, key);
	weir_buf_add_char(&line->query, '=');
	weir_query_add_escaped(&line->query, text);
}

static int field_set(struct weir_expect_line *line, const char *key, const char *text,
		     unsigned column)
{
	int r = weir_expect_place_add(line, key, column);

	if (r)
		return r;
	query_add(line, key, text);
	r = weir_frame_set(&line->into->spec, key, text, line->diag);
	return r ? weir_expect_placed(line, column, r) : 0;
}

/* Cuts ADDR, ADDR:PORT, [ADDR] or [ADDR]:PORT apart in place; *ret_port is NULL without one. */
static char *endpoint_split(char *text, char **ret_port)
{
	char *colon = strchr(text, ':'), *bracket = text[0] == '[' ? strchr(text, ']') : NULL;

	*ret_port = NULL;
	if (bracket && (!bracket[1] || bracket[1] == ':')) {
		*ret_port = bracket[1] ? bracket + 2 : NULL;
		*bracket = '\0';
		return text + 1;
	}
	if (!colon || strchr(colon + 1, ':'))
		return text;
	*colon = '\0';
	*ret_port = colon + 1;
	return text;
}

static int endpoint_read(struct weir_expect_line *line, const char *what, const char *addr_key,
			 const char *port_key)
{
	struct weir_expect_word word;
	char *port;
	int r = weir_expect_word_need(line, what, &word);

	if (r)
		return r;
	char *addr = endpoint_split(word.text, &port);

	r = field_set(line, addr_key, addr, word.column + (unsigned)(addr - word.text));
	if (!r && port)
		r = field_set(line, port_key, port, word.column + (unsigned)(port - word.text));
	return r;
}

/* "tcp 192.0.2.1:5 > 192.0.2.2:22". What a protocol's name stands for depends on the family, so it
 * is set last. */
static int packet_read(struct weir_expect_line *line)
{
	struct weir_expect_word proto, arrow;
	int r = weir_expect_word_need(line, "a protocol", &proto);

	if (!r)
		r = endpoint_read(line, "a source address", "src", "sport");
	if (!r)
		r = weir_expect_word_need(line, "'>'", &arrow);
	if (!r && strcmp(arrow.text, ">") != 0)
		r = weir_expect_placed(
			line, arrow.column,
			weir_diag_error(line->diag, WEIR_EXPECT_EXAMPLE,
					"'%s' stands where '>' and the destination should",
					arrow.text));
	if (!r)
		r = endpoint_read(line, "a destination address", "dst", "dport");
	return r ? r : field_set(line, "proto", proto.text, proto.column);
}

static int interface_set(struct weir_expect_line *line, const char *way,
			 const struct weir_expect_word *name)
{
	struct weir_expectation *into = line->into;
	size_t len = strlen(name->text);
	int r = weir_expect_place_add(line, "interface", name->column);

	if (r)
		return r;
	if (len >= sizeof(into->interface))
		return weir_expect_placed(
			line, name->column,
			weir_diag_error(line->diag, "write the name of an interface",
					"an interface's name has %zu characters at most",
					sizeof(into->interface) - 1));
	memcpy(into->interface, name->text, len + 1);
	into->direction = strcmp(way, "egress") == 0 ? WEIR_EGRESS : WEIR_INGRESS;
	query_add(line, "interface", name->text);
	query_add(line, "direction", way);
	return 0;
}

static int option_read(struct weir_expect_line *line, const struct weir_expect_word *word)
{
	struct weir_expect_word value;
	_cleanup_buf_ struct weir_buf what = { 0 };

	for (size_t i = 0; i < WEIR_ARRAY_SIZE(options); i++) {
		if (strcmp(options[i].word, word->text) != 0)
			continue;
		weir_buf_addf(&what, "what follows '%s'", word->text);
		int r = weir_expect_word_need(line, weir_buf_str(&what), &value);
		if (r)
			return r;
		return weir_frame_has_field(options[i].key) ?
			       field_set(line, options[i].key, value.text, value.column) :
			       interface_set(line, options[i].key, &value);
	}
	return weir_expect_word_unknown(line, word, "a word that may stand before 'is'",
					option_words);
}

static int options_read(struct weir_expect_line *line)
{
	struct weir_expect_word word;
	int r = weir_expect_word_need(line, "the word 'is'", &word);

	while (!r && strcmp(word.text, "is") != 0) {
		r = option_read(line, &word);
		if (!r)
			r = weir_expect_word_need(line, "the word 'is'", &word);
	}
	return r;
}

static int by_read(struct weir_expect_line *line)
{
	struct weir_expect_word word;
	int r = weir_expect_word_next(line, &word);

	if (r || !word.text[0])
		return r;
	if (strcmp(word.text, "by") != 0)
		return weir_expect_placed(line, word.column,
					  weir_diag_error(line->diag, "write 'by NAME', or nothing",
							  "'%s' stands after what is expected",
							  word.text));
	r = weir_expect_word_need(line, "the name of a rule or list, a reason or 'policy'", &word);
	if (r)
		return r;
	memcpy(line->into->by, word.text, sizeof(word.text));
	r = weir_expect_word_next(line, &word);
	if (r || !word.text[0])
		return r;
	return weir_expect_placed(line, word.column,
				  weir_diag_error(line->diag,
						  "write it on a line of its own, or after '#'",
						  "'%s' stands after the end", word.text));
}

static int outcome_read(struct weir_expect_line *line)
{
	struct weir_expect_word word;
	int r = weir_expect_word_need(line, "allowed, denied or rejected", &word);

	if (r)
		return r;
	for (int i = 0; outcome_words[i]; i++)
		if (strcmp(outcome_words[i], word.text) == 0) {
			line->into->outcome = i;
			return by_read(line);
		}
	return weir_expect_word_unknown(line, &word, "what can be expected", outcome_words);
}

/* Points at the field that no such packet can have. */
static int packet_complete(struct weir_expect_line *line)
{
	struct weir_diag *diag = line->diag;
	size_t before = diag->count;
	int r = weir_frame_complete(&line->into->spec, diag);

	for (; before < diag->count; before++) {
		struct weir_diag_entry *entry = &diag->entries[before];

		entry->column = weir_expect_column_of(line, entry->key);
		entry->line = line->number;
		entry->file = strdup(line->file);
		free(entry->key);
		entry->key = NULL;
	}
	return r;
}

static int line_read(struct weir_expect_line *line)
{
	int r = packet_read(line);

	if (!r)
		r = options_read(line);
	if (!r)
		r = outcome_read(line);
	if (!r)
		r = packet_complete(line);
	if (r)
		return r;
	line->into->line = line->number;
	line->into->text = weir_expect_line_text(line);
	line->into->query = weir_buf_take(&line->query);
	return line->into->text && line->into->query ? 0 : -ENOMEM;
}

/* Appends what the line expects, if anything. */
static int line_take(struct weir_expect_line *line, struct weir_expectations *into)
{
	struct weir_expectation *rows;
	struct weir_expect_line ahead = *line;
	struct weir_expect_word word;

	if (weir_expect_word_next(&ahead, &word))
		return -EINVAL;
	if (!word.text[0])
		return 0;
	rows = reallocarray(into->rows, into->count + 1, sizeof(*rows));
	if (!rows)
		return -ENOMEM;
	into->rows = rows;
	line->into = &rows[into->count++];
	*line->into = (struct weir_expectation){ .line = line->number };
	int r = line_read(line);

	weir_buf_done(&line->query);
	return r;
}

int weir_expectations_read(const char *text, size_t len, const char *file, struct weir_diag *diag,
			   struct weir_expectations *ret_expectations)
{
	_cleanup_expectations_ struct weir_expectations into = { 0 };
	const char *end = text + len;
	int result = 0;

	if (len >= 3 && memcmp(text, BYTE_ORDER_MARK, 3) == 0)
		text += 3;
	for (unsigned number = 1; text < end; number++) {
		const char *newline = memchr(text, '\n', (size_t)(end - text));
		struct weir_expect_line line = {
			.start = text,
			.at = text,
			.end = newline ? newline : end,
			.file = file,
			.number = number,
			.diag = diag,
		};
		int r = line_take(&line, &into);

		if (r == -ENOMEM)
			return r;
		result = r ? r : result;
		text = newline ? newline + 1 : end;
	}
	if (result)
		return result;
	*ret_expectations = into;
	into = (struct weir_expectations){ 0 };
	return 0;
}

void weir_expectations_done(struct weir_expectations *expectations)
{
	for (size_t i = 0; i < expectations->count; i++) {
		free(expectations->rows[i].text);
		free(expectations->rows[i].query);
	}
	free(expectations->rows);
	*expectations = (struct weir_expectations){ 0 };
}
