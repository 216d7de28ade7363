/* SPDX-License-Identifier: Apache-2.0 */
/* Values of labels, as the exposition format has them. */
#include <string.h>

#include "base/utf8.h"
#include "core/snapshot.h"

/* As it stands in a label; *ret_value is behind it then. */
static const char *piece_of(const char **ret_value, size_t *ret_len)
{
	const char *value = *ret_value;
	size_t len = weir_utf8_length(value);

	*ret_value += len ? len : 1;
	*ret_len = 2;
	if (*value == '\\')
		return "\\\\";
	if (*value == '"')
		return "\\\"";
	if (*value == '\n')
		return "\\n";
	*ret_len = len ? len : strlen(WEIR_UTF8_REPLACEMENT);
	return len ? value : WEIR_UTF8_REPLACEMENT;
}

const char *weir_label_escape(const char *value, char *text, size_t size)
{
	size_t at = 0, len = 0;

	while (*value) {
		const char *piece = piece_of(&value, &len);

		if (at + len >= size)
			break;
		memcpy(text + at, piece, len);
		at += len;
	}
	text[at] = '\0';
	return text;
}
