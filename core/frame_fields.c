/* SPDX-License-Identifier: Apache-2.0 */
/* One row a field: how its text is read and what is said when it is none. */
#include "frame_fields.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "packet_names.h"

const char *const weir_fragment_names[] = { "none", "first", "later", NULL };

struct field {
	const char *key;
	const char *noun; /* "'x' is not …" */
	const char *mend;
	int (*read)(const struct field *field, struct weir_frame_spec *spec, const char *text);
	/* For number_read. */
	size_t offset;
	unsigned least, most;
	unsigned given;
};

static int src_read(const struct field *field, struct weir_frame_spec *spec, const char *text)
{
	return weir_addr_from_string(text, strlen(text), &spec->src);
}

static int dst_read(const struct field *field, struct weir_frame_spec *spec, const char *text)
{
	return weir_addr_from_string(text, strlen(text), &spec->dst);
}

static int proto_read(const struct field *field, struct weir_frame_spec *spec, const char *text)
{
	return weir_proto_from_string(text, weir_addr_is_v4(&spec->src), &spec->proto);
}

static int tcp_flags_read(const struct field *field, struct weir_frame_spec *spec, const char *text)
{
	return weir_tcp_flags_from_string(text, &spec->tcp_flags);
}

static int icmp_type_read(const struct field *field, struct weir_frame_spec *spec, const char *text)
{
	return weir_icmp_type_from_string(text, weir_addr_is_v4(&spec->src), &spec->icmp_type);
}

static int dscp_read(const struct field *field, struct weir_frame_spec *spec, const char *text)
{
	return weir_dscp_from_string(text, &spec->dscp);
}

static int fragment_read(const struct field *field, struct weir_frame_spec *spec, const char *text)
{
	for (int i = 0; weir_fragment_names[i]; i++)
		if (strcmp(weir_fragment_names[i], text) == 0) {
			spec->fragment = i;
			return 0;
		}
	return -EINVAL;
}

static int number_read(const struct field *field, struct weir_frame_spec *spec, const char *text)
{
	char *end, *at = (char *)spec + field->offset;

	if (*text < '0' || *text > '9')
		return -EINVAL;
	unsigned long number = strtoul(text, &end, 10);

	if (*end || number < field->least || number > field->most)
		return -EINVAL;
	uint8_t narrow = (uint8_t)number;
	uint16_t wide = (uint16_t)number;

	if (field->most > UINT8_MAX)
		memcpy(at, &wide, sizeof(wide));
	else
		memcpy(at, &narrow, sizeof(narrow));
	return 0;
}

#define NUMBER(member, low, high) number_read, offsetof(struct weir_frame_spec, member), low, high

static const struct field fields[] = {
	{ "src", "an address", "write one address, v4 or v6", src_read },
	{ "dst", "an address", "write one address, v4 or v6", dst_read },
	{ "proto", "a protocol", "write " WEIR_PROTO_WORDS, proto_read },
	{ "sport", "a port", "write 0 to 65535", NUMBER(sport, 0, 65535), WEIR_FRAME_PORTS },
	{ "dport", "a port", "write 0 to 65535", NUMBER(dport, 0, 65535), WEIR_FRAME_PORTS },
	{ "tcp-flags", "a set of TCP flags", "write " WEIR_TCP_FLAG_WORDS, tcp_flags_read,
	  .given = WEIR_FRAME_TCP_FLAGS },
	{ "icmp-type", "an ICMP type of this family", "write " WEIR_ICMP_TYPE_WORDS, icmp_type_read,
	  .given = WEIR_FRAME_ICMP_TYPE },
	{ "icmp-code", "an ICMP code", "write 0 to 255", NUMBER(icmp_code, 0, 255),
	  WEIR_FRAME_ICMP_CODE },
	{ "length", "a length of an IP packet", "write how many bytes it has, headers included",
	  NUMBER(length, 1, 65535) },
	{ "dscp", "a DSCP", "write " WEIR_DSCP_WORDS, dscp_read },
	{ "ttl", "a TTL", "write 0 to 255", NUMBER(ttl, 0, 255), WEIR_FRAME_TTL },
	{ "fragment", "a kind of fragment", "write none, first or later", fragment_read },
	{ "vlan", "a VLAN", "write 1 to 4094", NUMBER(vlan, 1, 4094) },
};

static const struct field *field_find(const char *key)
{
	for (size_t i = 0; i < WEIR_ARRAY_SIZE(fields); i++)
		if (strcmp(fields[i].key, key) == 0)
			return &fields[i];
	return NULL;
}

bool weir_frame_has_field(const char *key)
{
	return field_find(key);
}

int weir_frame_set(struct weir_frame_spec *spec, const char *key, const char *text,
		   struct weir_diag *diag)
{
	const struct field *field = field_find(key);

	if (!field)
		return -ENOENT;
	if (field->read(field, spec, text))
		return weir_diag_key(diag, key, field->mend, "'%s' is not %s", text, field->noun);
	spec->given |= field->given;
	return 0;
}
