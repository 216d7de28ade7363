/* SPDX-License-Identifier: Apache-2.0 */
/* Bytes of DNS: one question out, the head of an answer in. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "features/balance/health_dns.h"

#define HEAD_BYTES 12
#define LABEL_MOST 63
#define NAME_MOST 255 /* with the length of each label */
#define IS_ANSWER 0x80
#define CODE_MASK 0x0f

static void number_add(struct weir_buf *message, unsigned number)
{
	weir_buf_add_char(message, (char)(number >> 8));
	weir_buf_add_char(message, (char)number);
}

static int name_add(const char *name, struct weir_buf *message)
{
	size_t all = 1;

	if (!strcmp(name, "."))
		name = "";
	while (*name) {
		size_t len = strcspn(name, ".");

		all += len + 1;
		if (!len || len > LABEL_MOST || all > NAME_MOST)
			return -EINVAL;
		weir_buf_add_char(message, (char)len);
		weir_buf_add(message, name, len);
		name += len + (name[len] == '.');
	}
	weir_buf_add_char(message, 0);
	return 0;
}

int health_dns_ask(const char *name, enum health_record record, uint16_t id,
		   struct weir_buf *message)
{
	static const uint16_t types[] = {
		[HEALTH_A] = 1,	  [HEALTH_AAAA] = 28, [HEALTH_NS] = 2,	 [HEALTH_SOA] = 6,
		[HEALTH_MX] = 15, [HEALTH_TXT] = 16,  [HEALTH_PTR] = 12,
	};
	const uint16_t head[] = { id, 0x0100 /* look for it */, 1, 0, 0, 0 };

	for (size_t i = 0; i < WEIR_ARRAY_SIZE(head); i++)
		number_add(message, head[i]);
	int r = *name ? name_add(name, message) : -EINVAL;

	number_add(message, types[record]);
	number_add(message, 1); /* of the Internet */
	return r ? r : message->failed ? -ENOMEM : 0;
}

enum health_result health_dns_judge(uint16_t id, const void *message, size_t len,
				    char reason[HEALTH_REASON_TEXT])
{
	static const char *const names[] = { "NOERROR",	 "FORMERR", "SERVFAIL",
					     "NXDOMAIN", "NOTIMP",  "REFUSED" };
	const uint8_t *bytes = message;

	if (len < HEAD_BYTES || (bytes[0] << 8 | bytes[1]) != id || !(bytes[2] & IS_ANSWER))
		return HEALTH_PENDING;
	unsigned code = bytes[3] & CODE_MASK;

	if (code < WEIR_ARRAY_SIZE(names))
		snprintf(reason, HEALTH_REASON_TEXT, "%s", names[code]);
	else
		snprintf(reason, HEALTH_REASON_TEXT, "answered with code %u", code);
	return code ? HEALTH_FAILED : HEALTH_OK;
}
