/* SPDX-License-Identifier: Apache-2.0 */
/* "hex:00 01 ff" and plain text. */
#include <ctype.h>
#include <errno.h>
#include <string.h>

#include "features/balance/health_bytes.h"

#define HEX "hex:"

static unsigned digit_of(char c)
{
	return isdigit(c) ? (unsigned)(c - '0') : (unsigned)(tolower(c) - 'a') + 10;
}

static int hex_add(const char *text, struct weir_buf *bytes)
{
	for (text += strspn(text, " "); *text; text += strspn(text, " ")) {
		if (!isxdigit(text[0]) || !isxdigit(text[1]))
			return -EINVAL;
		weir_buf_add_char(bytes, (char)(digit_of(text[0]) << 4 | digit_of(text[1])));
		text += 2;
	}
	return bytes->failed ? -ENOMEM : 0;
}

int health_bytes_add(const char *text, struct weir_buf *bytes)
{
	if (!text)
		return 0;
	return strncmp(text, HEX, strlen(HEX)) ? weir_buf_add_str(bytes, text) :
						 hex_add(text + strlen(HEX), bytes);
}
