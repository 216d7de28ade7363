/* SPDX-License-Identifier: Apache-2.0 */
/* Reads lists of ports. */
#include "base/spans.h"

#include <errno.h>
#include <stdint.h>
#include <string.h>

#include "base/units.h"

/* "22" or "8000-8100", with blanks around; moves *text past it. */
static int span_read(const char **text, struct weir_span *ret_span)
{
	uint64_t from, to;

	*text += strspn(*text, " ");
	if (weir_number_read(text, &from))
		return -EINVAL;
	to = from;
	*text += strspn(*text, " ");
	if (**text == '-') {
		*text += 1;
		*text += strspn(*text, " ");
		if (weir_number_read(text, &to))
			return -EINVAL;
	}
	*text += strspn(*text, " ");
	*ret_span = (struct weir_span){ (uint16_t)from, (uint16_t)to };
	return from > to || to > 65535 ? -EINVAL : 0;
}

int weir_spans_read(const char *text, struct weir_span *spans, unsigned count)
{
	for (unsigned i = 0; i < count; i++)
		spans[i] = (struct weir_span){ 1, 0 };
	for (unsigned i = 0; text; i++) {
		if (i == count)
			return -E2BIG;
		if (span_read(&text, &spans[i]) || (*text && *text != ','))
			return -EINVAL;
		if (!*text++)
			break;
	}
	return 0;
}
