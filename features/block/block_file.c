/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Writes and reads the file of a list. The quick reader knows our own line by line form; anything
 * else goes through base/json.
 */
#include "features/block/block_file.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/json.h"

static const char tail[] = "]}\n";

struct block_now block_now(void)
{
	return (struct block_now){ weir_clock_real_ns(), weir_clock_monotonic_ns() };
}

uint64_t block_expires(const struct block_now *now, uint64_t until_ns)
{
	if (!until_ns)
		return 0;
	return until_ns > now->real_ns ? now->monotonic_ns + (until_ns - now->real_ns) : 1;
}

struct writing {
	struct weir_buf *text;
	bool is_first;
};

static int write_entry(const struct block_shown *shown, void *arg)
{
	struct writing *writing = arg;
	char entry[WEIR_RANGE_TEXT + 2] = "\"";
	if (!writing->is_first)
		weir_buf_add(writing->text, ",\n", 2);
	writing->is_first = false;
	weir_range_to_string(&shown->range, entry + 1);
	if (!shown->note && !shown->until_ns) {
		size_t len = strlen(entry);
		entry[len] = '"';
		return weir_buf_add(writing->text, entry, len + 1);
	}

	struct weir_json_out json = { .out = writing->text };
	weir_json_open_object(&json, NULL);
	weir_json_put_str(&json, "entry", entry + 1);
	if (shown->note)
		weir_json_put_str(&json, "note", shown->note);
	if (shown->until_ns)
		weir_json_put_time(&json, "until", shown->until_ns);
	weir_json_close_object(&json);
	return writing->text->failed ? -ENOMEM : 0;
}

void block_file_write(const struct block_list *list, struct weir_buf *text)
{
	struct weir_json_out json = { .out = text };
	weir_json_open_object(&json, NULL);
	weir_json_put_uint(&json, "version", BLOCK_FILE_VERSION);
	weir_json_put_str(&json, "name", list->name);
	weir_json_put_str(&json, "action", block_action_names[list->action]);
	weir_json_put_str(&json, "origin", block_origin_names[list->origin]);
	if (list->note)
		weir_json_put_str(&json, "note", list->note);
	weir_json_open_array(&json, "entries");
	weir_buf_add_char(text, '\n');
	struct writing writing = { text, true };
	block_list_each(list, write_entry, &writing);
	weir_buf_add_char(text, '\n');
	weir_buf_add_str(text, tail);
}

struct reading {
	struct block_list *list;
	const struct block_now *now;
	struct weir_diag *diag;
	unsigned line;
	size_t single_capacity;
};

static int read_damage(struct reading *reading, const char *what)
{
	int r = weir_diag_error(reading->diag, NULL, "%s", what);
	struct weir_diag_entry *entry = weir_diag_last(reading->diag);
	if (entry)
		entry->line = reading->line;
	return r;
}

/* Appends; put in order when all are there. */
static int read_single(struct reading *reading, const struct weir_range *range, const char *note,
		       uint64_t until_ns)
{
	struct block_list *list = reading->list;
	if (until_ns <= reading->now->real_ns)
		return 0;
	if (list->single_count == reading->single_capacity) {
		size_t capacity = reading->single_capacity ? reading->single_capacity * 2 : 16;
		struct block_single *singles =
			reallocarray(list->singles, capacity, sizeof(*singles));
		if (!singles)
			return -ENOMEM;
		list->singles = singles;
		reading->single_capacity = capacity;
	}
	struct block_single single = {
		.range = *range,
		.until_ns = until_ns,
		.expires_ns = block_expires(reading->now, until_ns),
	};
	if (note && !(single.note = strdup(note)))
		return -ENOMEM;
	list->singles[list->single_count++] = single;
	return 0;
}

struct read_entry {
	const char *text;
	size_t len;
	const char *note;
	size_t note_len;
	const char *until;
};

static int read_take(struct reading *reading, const struct read_entry *entry)
{
	struct weir_range range;
	const char *why;
	if (weir_range_from_string(entry->text, entry->len, &range, NULL, &why) < 0)
		return read_damage(reading, why);
	if (!entry->until)
		return block_set_append(&reading->list->set, &range, entry->note, entry->note_len);
	uint64_t until_ns;
	if (!block_list_decides(reading->list))
		return read_damage(reading, "an entry of a set does not expire; take 'until' out");
	if (weir_clock_parse(entry->until, &until_ns) < 0)
		return read_damage(reading, "'until' is no time such as 2031-05-01T12:30:00Z");
	return read_single(reading, &range, entry->note, until_ns);
}

static int read_json_entry(struct reading *reading, const struct weir_json *json)
{
	const struct weir_json *object = weir_json_type(json) == WEIR_JSON_OBJECT ? json : NULL;
	struct read_entry entry = {
		.text = weir_json_str(object ? weir_json_get(object, "entry") : json, NULL),
		.note = weir_json_str(weir_json_get(object, "note"), NULL),
		.until = weir_json_str(weir_json_get(object, "until"), NULL),
	};
	if (!entry.text)
		return read_damage(reading, "an entry is a string, or an object with 'entry'");
	entry.len = strlen(entry.text);
	entry.note_len = entry.note ? strlen(entry.note) : 0;
	return read_take(reading, &entry);
}

/* Text between two quotes, without escapes: at *p stands what follows the opening one. */
static bool quick_string(const char **p, const char *end, const char **ret_text, size_t *ret_len)
{
	const char *quote = memchr(*p, '"', (size_t)(end - *p));
	if (!quote || memchr(*p, '\\', (size_t)(quote - *p)))
		return false;
	*ret_text = *p;
	*ret_len = (size_t)(quote - *p);
	*p = quote + 1;
	return true;
}

static bool quick_literal(const char **p, const char *end, const char *literal)
{
	size_t len = strlen(literal);
	if ((size_t)(end - *p) < len || memcmp(*p, literal, len) != 0)
		return false;
	*p += len;
	return true;
}

/* The two shapes of which there may be a million: "ENTRY" and {"entry":"ENTRY","note":"NOTE"}. */
static bool quick_entry(const char *p, const char *end, struct read_entry *entry)
{
	*entry = (struct read_entry){ 0 };
	if (quick_literal(&p, end, "\""))
		return quick_string(&p, end, &entry->text, &entry->len) && p == end;
	return quick_literal(&p, end, "{\"entry\":\"") &&
	       quick_string(&p, end, &entry->text, &entry->len) &&
	       quick_literal(&p, end, ",\"note\":\"") &&
	       quick_string(&p, end, &entry->note, &entry->note_len) &&
	       quick_literal(&p, end, "}") && p == end;
}

static int read_line(struct reading *reading, const char *line, const char *end)
{
	struct read_entry entry;
	if (end > line && end[-1] == ',')
		end--;
	if (quick_entry(line, end, &entry))
		return read_take(reading, &entry);
	_cleanup_json_ struct weir_json *json = NULL;
	int r = weir_json_parse(line, (size_t)(end - line), NULL, NULL, &json);
	return r < 0 ? read_damage(reading, "not a line of JSON") : read_json_entry(reading, json);
}

static int read_lines(struct reading *reading, const char *text, const char *end)
{
	for (const char *line = text; line < end;) {
		const char *newline = memchr(line, '\n', (size_t)(end - line));
		const char *line_end = newline ? newline : end;
		reading->line++;
		int r = line_end > line ? read_line(reading, line, line_end) : 0;
		if (r < 0)
			return r;
		line = line_end + 1;
	}
	return 0;
}

static int name_index(const char *const *names, const char *name)
{
	for (int i = 0; names[i]; i++)
		if (name && strcmp(names[i], name) == 0)
			return i;
	return -1;
}

static int read_header(struct reading *reading, const struct weir_json *json)
{
	int64_t version = weir_json_int(weir_json_get(json, "version"), 0);
	if (version != BLOCK_FILE_VERSION) {
		weir_diag_error(reading->diag, "use the Weir that wrote it",
				"it is of version %lld, this Weir reads %d", (long long)version,
				BLOCK_FILE_VERSION);
		return -EPROTONOSUPPORT;
	}
	const char *name = weir_json_str(weir_json_get(json, "name"), "");
	const char *note = weir_json_str(weir_json_get(json, "note"), NULL);
	int action = block_action_from_string(weir_json_str(weir_json_get(json, "action"), ""));
	int origin =
		name_index(block_origin_names, weir_json_str(weir_json_get(json, "origin"), NULL));
	if (block_name_fault(name) || action < 0 || origin < 0)
		return read_damage(reading,
				   "name, action or origin of the list is missing or wrong");
	reading->list = block_list_new(name, (enum block_action)action, (enum block_origin)origin);
	if (!reading->list || (note && !(reading->list->note = strdup(note))))
		return -ENOMEM;
	return 0;
}

/* Our own form: the head on the first line, which with the tail is a document of its own. */
static int read_quick(struct reading *reading, const char *text, size_t len)
{
	const char *newline = memchr(text, '\n', len), *end = text + len - (sizeof(tail) - 1);
	static const char head_end[] = "\"entries\":[";
	if (!newline || end <= newline || memcmp(end, tail, sizeof(tail) - 1) != 0 ||
	    (size_t)(newline - text) < sizeof(head_end) ||
	    memcmp(newline - (sizeof(head_end) - 1), head_end, sizeof(head_end) - 1) != 0)
		return -EAGAIN;

	_cleanup_buf_ struct weir_buf head = { 0 };
	weir_buf_add(&head, text, (size_t)(newline - text));
	if (weir_buf_add_str(&head, "]}") < 0)
		return -ENOMEM;
	_cleanup_json_ struct weir_json *json = NULL;
	if (weir_json_parse(weir_buf_str(&head), head.len, NULL, NULL, &json) < 0)
		return -EAGAIN;
	reading->line = 1;
	int r = read_header(reading, json);
	return r < 0 ? r : read_lines(reading, newline + 1, end);
}

static int read_document(struct reading *reading, const char *text, size_t len)
{
	_cleanup_json_ struct weir_json *json = NULL;
	int r = weir_json_parse(text, len, NULL, reading->diag, &json);
	if (r == 0)
		r = read_header(reading, json);
	const struct weir_json *entries = weir_json_get(json, "entries");
	if (r == 0 && (!entries || weir_json_type(entries) != WEIR_JSON_ARRAY))
		return read_damage(reading, "'entries' is missing");
	for (size_t i = 0; r == 0 && i < weir_json_size(entries); i++)
		r = read_json_entry(reading, weir_json_at(entries, i));
	return r;
}

/* By hand a range may have been written twice: the one that lasts longer stays. */
static void singles_settle(struct block_list *list)
{
	if (!list->single_count)
		return;
	qsort(list->singles, list->single_count, sizeof(*list->singles), block_single_compare);
	size_t kept = 1;
	for (size_t i = 1; i < list->single_count; i++) {
		struct block_single *last = &list->singles[kept - 1], *next = &list->singles[i];
		if (block_single_compare(last, next) != 0) {
			list->singles[kept++] = *next;
			continue;
		}
		struct block_single *shorter = last->until_ns < next->until_ns ? last : next;
		free(shorter->note);
		if (shorter == last)
			*last = *next;
	}
	list->single_count = kept;
}

int block_file_read(const char *text, size_t len, const struct block_now *now,
		    struct weir_diag *diag, struct block_list **ret_list)
{
	struct reading reading = { .now = now, .diag = diag };
	int r = len < sizeof(tail) ? -EAGAIN : read_quick(&reading, text, len);
	if (r == -EAGAIN)
		r = read_document(&reading, text, len);
	_cleanup_list_ struct block_list *list = reading.list;
	if (r == 0)
		r = block_set_seal(&list->set, NULL);
	if (r < 0)
		return r;
	singles_settle(list);
	*ret_list = weir_take(list);
	return 0;
}
