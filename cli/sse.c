/* SPDX-License-Identifier: Apache-2.0 */
/* Lines into fields, fields into events. `id` and `retry` are not needed: we do not reconnect. */
#include "cli/sse.h"

#include <errno.h>
#include <string.h>

void weir_sse_done(struct weir_sse *sse)
{
	weir_buf_done(&sse->line);
	weir_buf_done(&sse->kind);
	weir_buf_done(&sse->data);
}

static int event_end(struct weir_sse *sse)
{
	int result = 0;

	if (sse->data.len > 0) {
		const char *kind = sse->kind.len > 0 ? weir_buf_str(&sse->kind) : "message";

		sse->data.data[--sse->data.len] =
			'\0'; /* each data line adds a newline; the last is too many */
		result = sse->event(sse->arg, kind, weir_buf_str(&sse->data), sse->data.len);
	}
	weir_buf_clear(&sse->kind);
	weir_buf_clear(&sse->data);
	return result;
}

static int line_take(struct weir_sse *sse)
{
	const char *line = weir_buf_str(&sse->line);
	size_t name_len = strcspn(line, ":");
	const char *value = line[name_len] ? line + name_len + 1 : line + name_len;

	if (line[0] == '\0')
		return event_end(sse);
	if (*value == ' ')
		value++;
	if (name_len == 5 && strncmp(line, "event", 5) == 0) {
		weir_buf_clear(&sse->kind);
		return weir_buf_add_str(&sse->kind, value);
	}
	if (name_len == 4 && strncmp(line, "data", 4) == 0) {
		if (sse->data.len + strlen(value) > WEIR_SSE_EVENT_MAX)
			return -E2BIG;
		weir_buf_add_str(&sse->data, value);
		return weir_buf_add_char(&sse->data, '\n');
	}
	return 0;
}

int weir_sse_feed(struct weir_sse *sse, const char *bytes, size_t len)
{
	int result = 0;

	for (size_t i = 0; i < len && result == 0; i++) {
		if (bytes[i] == '\n') {
			if (sse->line.len > 0 && sse->line.data[sse->line.len - 1] == '\r')
				sse->line.data[--sse->line.len] = '\0';
			result = line_take(sse);
			weir_buf_clear(&sse->line);
		} else if (sse->line.len >= WEIR_SSE_EVENT_MAX) {
			result = -E2BIG;
		} else {
			result = weir_buf_add_char(&sse->line, bytes[i]);
		}
	}
	return result;
}
