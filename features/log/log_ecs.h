/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An event as fields of the Elastic Common Schema (8.11): what it has a name for under that name,
 * all else under weir.KIND. The tables are in log_ecs_table.c: a new kind of event is a row there.
 */
#ifndef WEIR_LOG_ECS_H
#define WEIR_LOG_ECS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/json.h"

#define LOG_ECS_VERSION "8.11.0"
#define LOG_KINDS_MAX 32
#define LOG_FIELDS_MAX 96
#define LOG_PATH_BYTES 96

/* Severities of RFC 5424. */
enum log_severity {
	LOG_SEVERITY_WARNING = 4,
	LOG_SEVERITY_NOTICE = 5,
	LOG_SEVERITY_INFO = 6,
};

struct log_kind {
	const char *name; /* of the event */
	const char *ecs_kind, *category, *type[3], *action, *outcome;
	int severity;
	/* There may be thousands a second: not for syslog and the journal unless named. */
	bool is_packet;
};

/* How a member of an event is written. */
enum log_as {
	LOG_AS_KEYWORD, /* numbers, too, as text */
	LOG_AS_LONG,
	LOG_AS_DATE,
	LOG_AS_BACKEND, /* "service/address:port": the address and port at its end */
	LOG_AS_OWNER,	/* whose a socket is; of two the first */
};

struct log_member {
	const char *kind; /* NULL: of all kinds */
	const char *key;  /* in the event; "rule.name" is a member of a member */
	const char *path; /* of ECS */
	enum log_as as;
	bool stays; /* under weir.KIND as well: ECS has not all of it */
};

/* The last row, without a name, is for kinds that are not in the table. */
extern const struct log_kind log_kinds[];
extern const size_t log_kind_count;	      /* with the last */
extern const struct log_member log_members[]; /* ends with key NULL */

/* Index into log_kinds. */
size_t log_kind_find(const char *name);

enum log_type {
	LOG_TEXT,
	LOG_NUMBER,
	LOG_JSON, /* what is JSON already */
};

struct log_field {
	char path[LOG_PATH_BYTES];
	enum log_type type;
	char *value;
};

struct log_record {
	struct log_field fields[LOG_FIELDS_MAX]; /* by path, so that those of an object stand
						    together */
	unsigned count;
	unsigned left_out; /* members that found no room */
	bool failed;	   /* out of memory */
	const struct log_kind *kind;
};

/* An event and what the log itself knows of it. */
struct log_happening {
	const char *kind;
	const char *json;
	size_t len;
	uint64_t real_ns;  /* when it reached the log */
	uint64_t sequence; /* of those that were to be written, from 1 */
	uint64_t lost;	   /* right before it, for want of room or of a place to write to */
	uint64_t left_out; /* of its kind by the data path since the last that is told, as of up to
			      a second ago */
	uint32_t sample;   /* one of so many is told; 0: of no meaning here */
};

/* -EINVAL: what is no object; -ENOMEM. log_record_done() in any case. */
int log_record_make(const struct log_happening *happening, struct log_record *record);
void log_record_done(struct log_record *record);
/* Its text, or NULL. */
const char *log_record_get(const struct log_record *record, const char *path);
/* One line with its end. */
void log_record_write(const struct log_record *record, struct weir_buf *line);
/* Ends of a flow for people: log_message.c. */
void log_message_write(const struct log_record *record, const struct weir_json *event,
		       struct weir_buf *text);

/* For the makers of a record. `value` is copied; NULL or "" adds nothing. */
void log_record_add(struct log_record *record, const char *path, enum log_type type,
		    const char *value);
void log_record_addf(struct log_record *record, const char *path, enum log_type type,
		     const char *format, ...) __attribute__((format(printf, 4, 5)));

#endif
