/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The journal by its own protocol (systemd.io/JOURNAL_NATIVE_PROTOCOL): a datagram an event, a
 * field a line. Each field of ECS is WEIR_ and its name: `journalctl WEIR_SOURCE_IP=192.0.2.7`.
 */
#include <ctype.h>
#include <endian.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "features/log/log_send.h"
#include "features/log/log_target.h"

#define NAME_MAX_BYTES 64 /* the journal refuses longer names of fields */

struct log_journal {
	struct log_target target; /* first */
	struct log_address address;
	int fd; /* -1: not open */
};

/* A value with a line break has its length before it. */
static void field_add(struct weir_buf *text, const char *name, const char *value)
{
	uint64_t len = htole64(strlen(value));

	weir_buf_add_str(text, name);
	if (strchr(value, '\n')) {
		weir_buf_add_char(text, '\n');
		weir_buf_add(text, &len, sizeof(len));
	} else {
		weir_buf_add_char(text, '=');
	}
	weir_buf_add_str(text, value);
	weir_buf_add_char(text, '\n');
}

/* Capitals, digits and underscores are all there may be; "weir." is said once. */
static void name_make(const char *path, char name[NAME_MAX_BYTES + 1])
{
	size_t at = 5;

	memcpy(name, "WEIR_", 6);
	if (strncmp(path, "weir.", 5) == 0)
		path += 5;
	for (; *path && at < NAME_MAX_BYTES; path++)
		if (*path != '@')
			name[at++] = isalnum((unsigned char)*path) ?
					     (char)toupper((unsigned char)*path) :
					     '_';
	name[at] = '\0';
}

static int datagram_make(const struct log_entry *entry, struct weir_buf *text)
{
	struct log_record record;
	int r = log_record_make(&entry->happening, &record);
	char number[16];

	if (!r) {
		const char *message = log_record_get(&record, "message");

		snprintf(number, sizeof(number), "%d", record.kind->severity);
		field_add(text, "MESSAGE", message ? message : entry->happening.kind);
		field_add(text, "PRIORITY", number);
		field_add(text, "SYSLOG_IDENTIFIER", "weir");
		field_add(text, "WEIR_KIND", entry->happening.kind);
	}
	for (unsigned i = 0; !r && i < record.count; i++) {
		char name[NAME_MAX_BYTES + 1];

		if (strcmp(record.fields[i].path, "message") == 0)
			continue;
		name_make(record.fields[i].path, name);
		field_add(text, name, record.fields[i].value);
	}
	log_record_done(&record);
	return r ? r : text->failed ? -ENOMEM : 0;
}

static void journal_close(struct log_journal *journal)
{
	if (journal->fd >= 0)
		close(journal->fd);
	journal->fd = -1;
}

static bool journal_open(struct log_target *target)
{
	struct log_journal *journal = (struct log_journal *)target;

	if (journal->fd >= 0)
		return true;
	int fd = log_connect(&journal->address);

	if (fd < 0) {
		log_problem_set(target, "cannot be reached", -fd);
		return false;
	}
	target->problem[0] = '\0';
	journal->fd = fd;
	return true;
}

static size_t journal_put(struct log_target *target, struct log_entry *const *entries, size_t count)
{
	struct log_journal *journal = (struct log_journal *)target;

	for (size_t i = 0; i < count; i++) {
		_cleanup_buf_ struct weir_buf text = { 0 };

		if (!journal_open(target))
			return i;
		int r = datagram_make(entries[i], &text);

		if (!r)
			r = log_send_datagram(journal->fd, weir_buf_str(&text), text.len);
		entries[i]->is_bad = r == -EINVAL || r == -EMSGSIZE;
		if (!r || entries[i]->is_bad)
			continue;
		log_problem_set(target, "cannot be sent to", -r);
		journal_close(journal);
		return i;
	}
	return count;
}

static void journal_free(struct log_target *target)
{
	struct log_journal *journal = (struct log_journal *)target;

	journal_close(journal);
	free(journal);
}

struct log_target *log_journal_new(const struct log_want *want)
{
	struct log_journal *journal = calloc(1, sizeof(*journal));

	if (!journal)
		return NULL;
	journal->fd = -1;
	journal->target = (struct log_target){
		.want = *want, .put = journal_put, .open = journal_open, .free = journal_free
	};
	log_where_set(&journal->target, want->where);
	if (log_address_read(want->where, &journal->address)) {
		free(journal);
		return NULL;
	}
	return &journal->target;
}
