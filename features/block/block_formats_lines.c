/* SPDX-License-Identifier: Apache-2.0 */
/* The formats of one entry a line: text, netset (ipset save), CSV. */
#include <string.h>
#include <strings.h>

#include "base/cleanup.h"
#include "features/block/block_import_entry.h"

static bool is_blank(char c)
{
	return c == ' ' || c == '\t';
}

/* The remark behind an entry, without its mark. */
static struct import_text remark(const char *at, const char *end)
{
	while (at < end && (*at == '#' || *at == ';'))
		at++;
	return import_trim(at, end);
}

int import_text_line(struct import_reader *reader, const char *line, const char *end)
{
	const char *p = line;
	while (p < end && !is_blank(*p) && *p != '#' && *p != ';')
		p++;
	struct import_entry entry = { .entry = { line, (size_t)(p - line) } };
	struct import_text rest = import_trim(p, end);
	if (rest.len && *rest.at != '#' && *rest.at != ';')
		return import_fault(reader, rest.at,
				    "put one entry on a line, and remarks behind '#'",
				    "text follows the entry");
	entry.note = remark(rest.at, rest.at + rest.len);
	return import_take(reader, &entry);
}

/* The next word, or what stands in quotes; *p moves behind it. */
static struct import_text next_word(const char **p, const char *end)
{
	while (*p < end && is_blank(**p))
		(*p)++;
	const char *start = *p;
	bool is_quoted = start < end && *start == '"';
	if (is_quoted)
		start = ++*p;
	while (*p < end && (is_quoted ? **p != '"' : !is_blank(**p)))
		(*p)++;
	struct import_text word = { start, (size_t)(*p - start) };
	if (is_quoted && *p < end)
		(*p)++;
	return word;
}

static bool word_is(const struct import_text *word, const char *text)
{
	return word->len == strlen(text) && memcmp(word->at, text, word->len) == 0;
}

/* "timeout N", "comment TEXT"; counters are theirs, and what changes the meaning is refused. */
static int netset_options(struct import_reader *reader, const char *p, const char *end,
			  struct import_entry *entry)
{
	for (;;) {
		struct import_text option = next_word(&p, end);
		if (!option.len)
			return import_take(reader, entry);
		if (word_is(&option, "timeout")) {
			entry->ttl = next_word(&p, end);
		} else if (word_is(&option, "comment")) {
			entry->note = next_word(&p, end);
		} else if (word_is(&option, "packets") || word_is(&option, "bytes") ||
			   word_is(&option, "skbmark") || word_is(&option, "skbprio") ||
			   word_is(&option, "skbqueue")) {
			next_word(&p, end);
		} else if (reader->options->is_secret) {
			return import_fault(reader, option.at, "take it out of the file",
					    "this option has no meaning in a list");
		} else {
			return import_fault(reader, option.at, "take it out of the file",
					    "'%.*s' has no meaning in a list",
					    (int)(option.len < 40 ? option.len : 40), option.at);
		}
	}
}

int import_netset_line(struct import_reader *reader, const char *line, const char *end)
{
	const char *p = line;
	struct import_text verb = next_word(&p, end);
	if (word_is(&verb, "create") || word_is(&verb, "-N") || word_is(&verb, "COMMIT"))
		return 0;
	if (!word_is(&verb, "add") && !word_is(&verb, "-A"))
		return import_text_line(reader, line, end);
	struct import_text name = next_word(&p, end);
	struct import_entry entry = { .entry = next_word(&p, end) };
	if (!name.len || !entry.entry.len)
		return import_fault(reader, line, "write: add NAME ENTRY", "an entry is missing");
	return netset_options(reader, p, end, &entry);
}

/* A field of a line; quotes are taken off, doubled ones inside stay for csv_unquote. */
struct field {
	struct import_text text;
	bool has_doubled;
};

/* The number of fields; -1: a quote is not closed, or there are too many. */
static int csv_split(const char *line, const char *end, struct field fields[IMPORT_COLUMNS_MAX],
		     const char **ret_at)
{
	int count = 0;
	for (const char *p = line; count < IMPORT_COLUMNS_MAX; p++) {
		struct field *field = &fields[count++];
		*field = (struct field){ 0 };
		while (p < end && is_blank(*p))
			p++;
		const char *start = p;
		if (p < end && *p == '"') {
			for (start = ++p; p < end && (*p != '"' || (p + 1 < end && p[1] == '"'));
			     p++) {
				field->has_doubled |= *p == '"';
				p += *p == '"';
			}
			*ret_at = start - 1;
			if (p >= end)
				return -1;
			field->text = (struct import_text){ start, (size_t)(p - start) };
			p++;
			while (p < end && is_blank(*p))
				p++;
			*ret_at = p;
			if (p < end && *p != ',')
				return -1;
		} else {
			while (p < end && *p != ',')
				p++;
			field->text = import_trim(start, p);
		}
		if (p >= end)
			return count;
	}
	*ret_at = line;
	return -1;
}

static int column_of(const struct field *fields, int count, const char *const *names)
{
	for (int i = 0; i < count; i++)
		for (int n = 0; names[n]; n++)
			if (fields[i].text.len == strlen(names[n]) &&
			    strncasecmp(fields[i].text.at, names[n], fields[i].text.len) == 0)
				return i;
	return -1;
}

/*
 * True: the line was a header. Without one the order is entry, note, and lifetime or time of
 * expiry.
 */
static bool csv_learn(const struct field *fields, int count, struct import_columns *columns)
{
	static const char *const entry_names[] = { "entry",   "ip",	"cidr",	 "address",
						   "network", "prefix", "range", NULL };
	static const char *const note_names[] = { "note", "comment", "description", "remark",
						  NULL };
	static const char *const ttl_names[] = { "ttl", "timeout", "ttl_s", NULL };
	static const char *const until_names[] = { "until", "expires", NULL };
	columns->is_known = true;
	columns->entry = column_of(fields, count, entry_names);
	columns->note = column_of(fields, count, note_names);
	columns->ttl = column_of(fields, count, ttl_names);
	columns->until = column_of(fields, count, until_names);
	if (columns->entry >= 0)
		return true;
	*columns = (struct import_columns){
		.entry = 0, .note = 1, .ttl = -1, .until = 2, .is_known = true, .is_guessed = true
	};
	return false;
}

static struct import_text csv_column(const struct field *fields, int count, int column)
{
	return column >= 0 && column < count ? fields[column].text : (struct import_text){ 0 };
}

/* Doubled quotes become one; in place of the reader's scratch, since notes are copied at once. */
static int csv_take_unquoted(struct import_reader *reader, struct import_entry *entry)
{
	_cleanup_buf_ struct weir_buf note = { 0 };
	for (size_t i = 0; i < entry->note.len; i++) {
		weir_buf_add_char(&note, entry->note.at[i]);
		i += entry->note.at[i] == '"';
	}
	if (note.failed)
		return import_take(reader, entry);
	entry->note = (struct import_text){ weir_buf_str(&note), note.len };
	return import_take(reader, entry);
}

int import_csv_line(struct import_reader *reader, struct import_columns *columns, const char *line,
		    const char *end)
{
	struct field fields[IMPORT_COLUMNS_MAX];
	const char *at = line;
	int count = csv_split(line, end, fields, &at);
	if (count < 0)
		return import_fault(reader, at,
				    "close each quote on its line, double those inside, and use 32 "
				    "columns at most",
				    "not a line of CSV");
	if (!columns->is_known && csv_learn(fields, count, columns))
		return 0;
	struct import_entry entry = {
		.entry = csv_column(fields, count, columns->entry),
		.note = csv_column(fields, count, columns->note),
		.ttl = csv_column(fields, count, columns->ttl),
		.until = csv_column(fields, count, columns->until),
	};
	if (!entry.entry.len)
		return import_fault(reader, line, "fill it in, or take the line out",
				    "the column of the entry is empty");
	/*
	 * Without a header the third column may be either: a time of day has a 'T', a lifetime has
	 * none.
	 */
	if (columns->is_guessed && entry.until.len &&
	    !memchr(entry.until.at, 'T', entry.until.len)) {
		entry.ttl = entry.until;
		entry.until = (struct import_text){ 0 };
	}
	bool has_doubled =
		columns->note >= 0 && columns->note < count && fields[columns->note].has_doubled;
	return has_doubled ? csv_take_unquoted(reader, &entry) : import_take(reader, &entry);
}
