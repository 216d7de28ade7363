/* SPDX-License-Identifier: Apache-2.0 */
/* `log:` of weir.yaml. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "features/log/log_state.h"

#define SECTION(member) offsetof(struct log_section, member)
#define PART(part, member) \
	(offsetof(struct log_section, part.member) - offsetof(struct log_section, part))

#define KINDS_HELP                                                                               \
	"drop, log, over (packets), flow, change, warning, interface, block, attack, synproxy, " \
	"health_up and health_down"

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

const struct weir_field log_fields[] = {
	{ .key = "file",
	  .type = WEIR_FIELD_MAPPING,
	  .offset = SECTION(file),
	  .size = sizeof(((struct log_section *)0)->file),
	  .fields = file_fields,
	  .help = "A JSON line an event, in the words of the Elastic Common Schema." },
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

int log_check(const struct weir_config *config, const void *data, struct weir_diag *diag)
{
	const struct log_section *section = data;
	int path = path_check(section->file.path, diag);
	int kinds = kinds_check(&section->file.kinds, log_place_names[LOG_PLACE_FILE], diag);

	(void)config;
	return path ?: kinds;
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
	(void)place;
	*want = (struct log_want){
		.is_on = section->file.path != NULL,
		.kinds = kinds_of(&section->file.kinds, true),
		.where = section->file.path,
		.size = section->file.size.value,
		.keep = section->file.keep,
	};
}
