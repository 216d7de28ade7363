/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reads a file of any format: line by line, entry by entry, faults collected. The formats
 * themselves are in block_formats_*.c.
 */
#include "features/block/block_formats.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/units.h"
#include "features/block/block_import_entry.h"

#define NOTE_SHOWN_MAX 60 /* of a faulty entry, in the message */
#define NOTE_LEN_MAX 1024
#define BINARY_LOOK_BYTES 4096
#define UNTIL_MOST_S (UINT64_MAX / WEIR_NS_PER_S) /* since 1970: what fits, into the year 2554 */

const char *const block_format_names[] = { "auto", "text", "csv", "json", "netset", NULL };

void block_import_done(struct block_import *import)
{
	for (size_t i = 0; i < import->single_count; i++)
		free(import->singles[i].note);
	free(import->singles);
	block_set_done(&import->set);
	*import = (struct block_import){ 0 };
}

int import_fault(struct import_reader *reader, const char *at, const char *mend, const char *format,
		 ...)
{
	_cleanup_buf_ struct weir_buf what = { 0 };
	va_list args;
	va_start(args, format);
	weir_buf_vaddf(&what, format, args);
	va_end(args);
	reader->import->invalid++;
	weir_diag_error(reader->diag, mend, "%s", weir_buf_str(&what));
	struct weir_diag_entry *entry = weir_diag_last(reader->diag);
	if (!entry)
		return 0;
	entry->line = reader->line;
	if (at && at >= reader->line_start)
		entry->column = (unsigned)(at - reader->line_start) + 1;
	if (reader->options->file && !(entry->file = strdup(reader->options->file)))
		return -ENOMEM;
	return 0;
}

static bool text_is_number(const struct import_text *text, uint64_t *ret_number)
{
	uint64_t number = 0;
	for (size_t i = 0; i < text->len; i++) {
		if (text->at[i] < '0' || text->at[i] > '9' || number > UINT32_MAX)
			return false;
		number = number * 10 + (uint64_t)(text->at[i] - '0');
	}
	*ret_number = number;
	return text->len;
}

/* False: no lifetime that is allowed. *ret_ns 0: none given, or "0" as ipset writes it. */
static bool text_to_ttl(const struct import_text *text, uint64_t *ret_ns)
{
	char copy[32];
	uint64_t seconds;
	*ret_ns = 0;
	if (!text->len)
		return true;
	if (text_is_number(text, &seconds)) {
		*ret_ns = seconds * WEIR_NS_PER_S;
		return seconds <= BLOCK_TTL_MOST_S;
	}
	if (text->len >= sizeof(copy))
		return false;
	memcpy(copy, text->at, text->len);
	copy[text->len] = '\0';
	return weir_duration_from_string(copy, ret_ns) == 0 && *ret_ns >= WEIR_NS_PER_S &&
	       *ret_ns <= BLOCK_TTL_MOST_S * WEIR_NS_PER_S;
}

static bool text_to_until(const struct import_text *text, uint64_t *ret_ns)
{
	char copy[40];
	uint64_t seconds;
	if (text_is_number(text, &seconds)) {
		*ret_ns = seconds * WEIR_NS_PER_S;
		return seconds <= UNTIL_MOST_S;
	}
	if (text->len >= sizeof(copy))
		return false;
	memcpy(copy, text->at, text->len);
	copy[text->len] = '\0';
	return weir_clock_parse(copy, ret_ns) == 0;
}

static int import_add_single(struct import_reader *reader, const struct weir_range *range,
			     const struct import_entry *entry, uint64_t until_ns)
{
	struct block_import *import = reader->import;
	const struct import_text *note = &entry->note;
	if (reader->options->is_lasting)
		return import_fault(reader, entry->until.len ? entry->until.at : entry->ttl.at,
				    "take its lifetime out", "an entry of a set does not expire");
	if (until_ns <= reader->options->now.real_ns) {
		reader->expired++;
		return 0;
	}
	if (import->single_count == import->single_capacity) {
		size_t capacity = import->single_capacity ? import->single_capacity * 2 : 64;
		struct block_single *singles =
			reallocarray(import->singles, capacity, sizeof(*singles));
		if (!singles)
			return -ENOMEM;
		import->singles = singles;
		import->single_capacity = capacity;
	}
	struct block_single single = {
		.range = *range,
		.until_ns = until_ns,
		.expires_ns = block_expires(&reader->options->now, until_ns),
	};
	if (note->len && !(single.note = strndup(note->at, note->len)))
		return -ENOMEM;
	import->singles[import->single_count++] = single;
	return 0;
}

static int import_fault_range(struct import_reader *reader, const struct import_entry *entry,
			      const char *why)
{
	static const char mend[] = "write an address, a CIDR or FROM-TO";
	int shown = entry->entry.len > NOTE_SHOWN_MAX ? NOTE_SHOWN_MAX : (int)entry->entry.len;
	if (reader->options->is_secret)
		return import_fault(reader, entry->entry.at, mend, "%s", why);
	return import_fault(reader, entry->entry.at, mend, "'%.*s': %s", shown, entry->entry.at,
			    why);
}

int import_take(struct import_reader *reader, const struct import_entry *entry)
{
	struct weir_range range;
	bool had_host_bits;
	const char *why;
	struct import_text note = entry->note;
	if (weir_range_from_string(entry->entry.at, entry->entry.len, &range, &had_host_bits,
				   &why) < 0)
		return import_fault_range(reader, entry, why);
	if (note.len > NOTE_LEN_MAX)
		return import_fault(reader, note.at, "shorten it",
				    "a note of %zu bytes, where %d are the most", note.len,
				    NOTE_LEN_MAX);
	uint64_t ttl_ns, until_ns = 0;
	if (!text_to_ttl(&entry->ttl, &ttl_ns))
		return import_fault(reader, entry->ttl.at,
				    "write for example 10m or 7d, or seconds",
				    "the lifetime is not between 1s and 10 years");
	if (entry->until.len && !text_to_until(&entry->until, &until_ns))
		return import_fault(reader, entry->until.at,
				    "write for example 2031-05-01T12:30:00Z",
				    "the time of expiry cannot be read");
	if (!until_ns && !entry->ttl.len)
		ttl_ns = reader->options->default_ttl_ns;
	if (!until_ns && ttl_ns)
		until_ns = reader->options->now.real_ns + ttl_ns;

	reader->import->read++;
	reader->import->host_bits += had_host_bits;
	return until_ns ? import_add_single(reader, &range, entry, until_ns) :
			  block_set_append(&reader->import->set, &range, note.at, note.len);
}

static bool starts_with(const char *at, const char *end, const char *word)
{
	size_t len = strlen(word);
	return (size_t)(end - at) >= len && memcmp(at, word, len) == 0;
}

/* What is no text at all is told once, and not line by line. */
static int refuse_binary(struct import_reader *reader, const char *text, const char *end)
{
	static const struct {
		const char *magic, *unpack;
	} packed[] = {
		{ "\x1f\x8b", "zcat" },
		{ "\xfd"
		  "7zXZ",
		  "xzcat" },
		{ "\x28\xb5\x2f\xfd", "zstdcat" },
		{ "BZh", "bzcat" },
	};
	reader->line = 1;
	reader->line_start = text;
	for (size_t i = 0; i < sizeof(packed) / sizeof(packed[0]); i++) {
		if (!starts_with(text, end, packed[i].magic))
			continue;
		_cleanup_buf_ struct weir_buf mend = { 0 };
		weir_buf_addf(&mend, "unpack it first, as in: %s FILE | weir block import -",
			      packed[i].unpack);
		import_fault(reader, text, weir_buf_str(&mend), "the file is compressed");
		return -EINVAL;
	}
	size_t looked_at =
		(size_t)(end - text) < BINARY_LOOK_BYTES ? (size_t)(end - text) : BINARY_LOOK_BYTES;
	if (!looked_at || !memchr(text, '\0', looked_at))
		return 0;
	import_fault(reader, text, "give a file of text, CSV, JSON or ipset save",
		     "this is no text file: it has NUL bytes");
	return -EINVAL;
}

/* By the first line that says something. */
static enum block_format format_guess(const char *text, const char *end)
{
	for (const char *line = text; line < end;) {
		const char *newline = memchr(line, '\n', (size_t)(end - line));
		const char *line_end = newline ? newline : end;
		while (line < line_end && (*line == ' ' || *line == '\t' || *line == '\r'))
			line++;
		if (line == line_end || *line == '#' || *line == ';') {
			line = line_end + 1;
			continue;
		}
		if (*line == '[' || *line == '{')
			return BLOCK_FORMAT_JSON;
		if (starts_with(line, line_end, "add ") || starts_with(line, line_end, "create ") ||
		    starts_with(line, line_end, "-"))
			return BLOCK_FORMAT_NETSET;
		/* A comma in the remark behind an entry is no column. */
		size_t before = 0;
		while (line + before < line_end && !strchr("#;,", line[before]))
			before++;
		return line + before < line_end && line[before] == ',' ? BLOCK_FORMAT_CSV :
									 BLOCK_FORMAT_TEXT;
	}
	return BLOCK_FORMAT_TEXT;
}

static int import_lines(struct import_reader *reader, const char *text, const char *end,
			enum block_format format)
{
	struct import_columns columns = { 0 };
	for (const char *line = text; line < end;) {
		const char *newline = memchr(line, '\n', (size_t)(end - line));
		const char *line_end = newline ? newline : end, *next = line_end + 1;
		reader->line++;
		reader->line_start = line;
		if (line_end > line && line_end[-1] == '\r')
			line_end--;
		struct import_text said = import_trim(line, line_end);
		line = next;
		if (!said.len || *said.at == '#' || *said.at == ';')
			continue;
		const char *said_end = said.at + said.len;
		int r = format == BLOCK_FORMAT_CSV ?
				import_csv_line(reader, &columns, said.at, said_end) :
			format == BLOCK_FORMAT_NETSET ?
				import_netset_line(reader, said.at, said_end) :
				import_text_line(reader, said.at, said_end);
		if (r < 0)
			return r;
	}
	return 0;
}

/* Sorts; of a range that stands twice the entry that holds longer stays. */
static size_t singles_settle(struct block_import *import)
{
	if (import->single_count)
		qsort(import->singles, import->single_count, sizeof(*import->singles),
		      block_single_compare);
	size_t kept = 0, count = import->single_count;
	for (size_t i = 0; i < count; i++) {
		struct block_single *single = &import->singles[i],
				    *last = kept ? &import->singles[kept - 1] : NULL;
		if (block_set_find(&import->set, &single->range, NULL)) {
			free(single->note);
		} else if (!last || block_single_compare(last, single) != 0) {
			import->singles[kept++] = *single;
		} else if (last->until_ns < single->until_ns) {
			free(last->note);
			*last = *single;
		} else {
			free(single->note);
		}
	}
	import->single_count = kept;
	return count - kept;
}

static int import_finish(struct import_reader *reader)
{
	struct block_import *import = reader->import;
	if (import->invalid)
		return -EINVAL;
	int r = block_set_seal(&import->set, &import->duplicates);
	if (r < 0)
		return r;
	import->duplicates += singles_settle(import);
	if (reader->expired)
		weir_diag_warning(reader->diag, NULL,
				  "%zu entries have expired already and are left out",
				  reader->expired);
	return 0;
}

int block_import_read(const char *text, size_t len, const struct block_import_options *options,
		      struct weir_diag *diag, struct block_import *ret_import)
{
	_cleanup_import_ struct block_import import = { .format = options->format };
	struct import_reader reader = { .import = &import, .options = options, .diag = diag };
	const char *end = text + len;
	if (starts_with(text, end, "\xef\xbb\xbf"))
		text += 3;
	if (import.format == BLOCK_FORMAT_AUTO)
		import.format = format_guess(text, end);
	int r = refuse_binary(&reader, text, end);
	if (r < 0)
		return r;
	reader.line = 0;
	r = import.format == BLOCK_FORMAT_JSON ? import_json(&reader, text, (size_t)(end - text)) :
						 import_lines(&reader, text, end, import.format);
	if (r == 0)
		r = import_finish(&reader);
	if (r < 0)
		return r;
	*ret_import = import;
	import = (struct block_import){ 0 };
	return 0;
}
