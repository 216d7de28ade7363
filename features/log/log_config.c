/* SPDX-License-Identifier: Apache-2.0 */
/* `log:` of weir.yaml. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "features/log/log_send.h"
#include "features/log/log_state.h"

#define SECTION(member) offsetof(struct log_section, member)
#define PART(part, member) \
	(offsetof(struct log_section, part.member) - offsetof(struct log_section, part))

#define KINDS_HELP                                                                               \
	"drop, log, over (packets), flow, change, warning, interface, block, attack, synproxy, " \
	"quality, health_up and health_down"

static const struct weir_field file_fields[] = {
	{ .key = "path",
	  .type = WEIR_FIELD_STRING,
	  .offset = PART(file, path),
	  .help = "The file, such as /var/log/weir/weir.json; its folder is made. Without it no "
		  "file is written." },
	{ .key = "size",
	  .type = WEIR_FIELD_SIZE,
	  .offset = PART(file, size),
	  .fallback = "100MB",
	  .least = 4096,
	  .most = 1ull << 40,
	  .help = "Before it would be larger the file becomes FILE.1, that FILE.2 and so on, and "
		  "a new one begins." },
	{ .key = "keep",
	  .type = WEIR_FIELD_UINT,
	  .offset = PART(file, keep),
	  .fallback = "5",
	  .least = 1,
	  .most = 1000,
	  .help = "How many old files there are at the most; the oldest is removed." },
	{ .key = "kinds",
	  .type = WEIR_FIELD_STRINGS,
	  .offset = PART(file, kinds.names),
	  .count_offset = PART(file, kinds.count),
	  .help = "What is written, instead of all: " KINDS_HELP "." },
	{ 0 },
};

/* As RFC 5424 numbers them. */
static const char *const facilities[] = { "kern",     "user",	"mail",	  "daemon", "auth",
					  "syslog",   "lpr",	"news",	  "uucp",   "cron",
					  "authpriv", "ftp",	"ntp",	  "audit",  "alert",
					  "clock",    "local0", "local1", "local2", "local3",
					  "local4",   "local5", "local6", "local7", NULL };

enum {
	MESSAGE_TEXT,
	MESSAGE_JSON
};

static const char *const messages[] = { "text", "json", NULL };

#define KINDS_FIELD(place)                                                                      \
	{                                                                                       \
		.key = "kinds", .type = WEIR_FIELD_STRINGS, .offset = PART(place, kinds.names), \
		.count_offset = PART(place, kinds.count),                                       \
		.help = "What is sent, instead of all but packets and flows: " KINDS_HELP "."   \
	}

static const struct weir_field syslog_fields[] = {
	{ .key = "to",
	  .type = WEIR_FIELD_STRING,
	  .offset = PART(syslog, to),
	  .help = "A socket of this host, /dev/log, or an address elsewhere: udp://192.0.2.1:514, "
		  "tcp://[2001:db8::1]:601. Without it nothing is sent." },
	{ .key = "facility",
	  .type = WEIR_FIELD_ENUM,
	  .offset = PART(syslog, facility),
	  .values = facilities,
	  .fallback = "daemon",
	  .help = "Under which facility." },
	{ .key = "message",
	  .type = WEIR_FIELD_ENUM,
	  .offset = PART(syslog, message),
	  .values = messages,
	  .fallback = "text",
	  .help = "text is a sentence, json the line of the file behind `@cee:`, for rsyslog's "
		  "mmjsonparse and syslog-ng's json-parser." },
	KINDS_FIELD(syslog),
	{ 0 },
};

static const struct weir_field journal_fields[] = {
	{ .key = "enabled",
	  .type = WEIR_FIELD_BOOL,
	  .offset = PART(journal, enabled),
	  .fallback = "false",
	  .help = "Send events to systemd's journal, each with its fields: WEIR_KIND, "
		  "WEIR_SOURCE_IP and so on." },
	{ .key = "socket",
	  .type = WEIR_FIELD_STRING,
	  .offset = PART(journal, socket),
	  .fallback = "/run/systemd/journal/socket",
	  .help = "Where the journal listens." },
	KINDS_FIELD(journal),
	{ 0 },
};

const struct weir_field log_fields[] = {
	{ .key = "file",
	  .type = WEIR_FIELD_MAPPING,
	  .offset = SECTION(file),
	  .size = sizeof(((struct log_section *)0)->file),
	  .fields = file_fields,
	  .help = "A JSON line an event, in the words of the Elastic Common Schema." },
	{ .key = "syslog",
	  .type = WEIR_FIELD_MAPPING,
	  .offset = SECTION(syslog),
	  .size = sizeof(((struct log_section *)0)->syslog),
	  .fields = syslog_fields,
	  .help = "A syslog daemon." },
	{ .key = "journal",
	  .type = WEIR_FIELD_MAPPING,
	  .offset = SECTION(journal),
	  .size = sizeof(((struct log_section *)0)->journal),
	  .fields = journal_fields,
	  .help = "The journal of systemd." },
	{ 0 },
};

static int kinds_check(const struct log_kinds_config *kinds, const char *place,
		       struct weir_diag *diag)
{
	int result = 0;
	char key[64];

	for (unsigned i = 0; i < kinds->count; i++) {
		if (log_kind_find(kinds->names[i]) + 1 < log_kind_count)
			continue;
		snprintf(key, sizeof(key), "log.%s.kinds[%u]", place, i);
		result = weir_diag_key(diag, key, "write some of " KINDS_HELP,
				       "there are no events of the kind '%s'", kinds->names[i]);
	}
	return result;
}

static int path_check(const char *path, struct weir_diag *diag)
{
	size_t len = path ? strlen(path) : 0;

	if (!path || (path[0] == '/' && path[len - 1] != '/' && len < 256))
		return 0;
	return weir_diag_key(diag, "log.file.path",
			     "write the whole path of a file: /var/log/weir/weir.json",
			     len >= 256 ? "'%.32s…' is longer than 255 bytes" :
					  "'%s' is no whole path of a file",
			     path);
}

static int syslog_check(const char *to, struct weir_diag *diag)
{
	struct log_address address;

	if (!to || !log_address_read(to, &address))
		return 0;
	return weir_diag_key(diag, "log.syslog.to",
			     "write /dev/log, udp://192.0.2.1:514 or tcp://[2001:db8::1]:601, with "
			     "an address, not a name",
			     "'%.64s' is no place of a syslog daemon", to);
}

static int journal_check(const char *socket, struct weir_diag *diag)
{
	struct log_address address;

	if (socket && socket[0] == '/' && !log_address_read(socket, &address))
		return 0;
	return weir_diag_key(diag, "log.journal.socket",
			     "write its path, or leave the key out: /run/systemd/journal/socket",
			     "'%.64s' is no path of a socket", socket ? socket : "");
}

int log_check(const struct weir_config *config, const void *data, struct weir_diag *diag)
{
	const struct log_section *section = data;
	const struct log_kinds_config *kinds[LOG_PLACES] = {
		[LOG_PLACE_FILE] = &section->file.kinds,
		[LOG_PLACE_SYSLOG] = &section->syslog.kinds,
		[LOG_PLACE_JOURNAL] = &section->journal.kinds,
	};
	int result = path_check(section->file.path, diag), r;

	(void)config;
	r = syslog_check(section->syslog.to, diag);
	result = result ?: r;
	r = journal_check(section->journal.socket, diag);
	result = result ?: r;
	for (int place = 0; place < LOG_PLACES; place++) {
		r = kinds_check(kinds[place], log_place_names[place], diag);
		result = result ?: r;
	}
	return result;
}

static uint32_t kinds_of(const struct log_kinds_config *kinds, bool with_packets)
{
	uint32_t bits = 0;

	for (unsigned i = 0; i < kinds->count; i++)
		bits |= 1u << log_kind_find(kinds->names[i]);
	for (size_t i = 0; !kinds->count && i < log_kind_count; i++)
		if (with_packets || !log_kinds[i].is_packet)
			bits |= 1u << i;
	return bits;
}

void log_want_of(const struct log_section *section, enum log_place place, struct log_want *want)
{
	switch (place) {
	case LOG_PLACE_FILE:
		*want = (struct log_want){ .is_on = section->file.path != NULL,
					   .kinds = kinds_of(&section->file.kinds, true),
					   .where = section->file.path,
					   .size = section->file.size.value,
					   .keep = section->file.keep };
		break;
	case LOG_PLACE_SYSLOG:
		*want = (struct log_want){ .is_on = section->syslog.to != NULL,
					   .kinds = kinds_of(&section->syslog.kinds, false),
					   .where = section->syslog.to,
					   .facility = section->syslog.facility,
					   .as_json = section->syslog.message == MESSAGE_JSON };
		break;
	default:
		*want = (struct log_want){ .is_on = section->journal.enabled,
					   .kinds = kinds_of(&section->journal.kinds, false),
					   .where = section->journal.socket };
	}
}
