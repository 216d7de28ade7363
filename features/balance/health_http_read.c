/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Status and body of an answer. All of it is read again whenever more has come: it is short, and
 * nothing needs to be kept between.
 */
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/units.h"
#include "features/balance/health_http.h"

#define STATUS_LEAST 100
#define STATUS_MOST 599
#define STATUS_LINE_LEAST 12 /* "HTTP/1.1 200" */

struct answer {
	const char *bytes;
	size_t len;
	bool is_end;
};

static bool status_read(const char **text, uint64_t *ret_status)
{
	*text += strspn(*text, " ");
	return weir_number_read(text, ret_status) == 0 && *ret_status >= STATUS_LEAST &&
	       *ret_status <= STATUS_MOST;
}

int health_status_has(const char *list, unsigned status)
{
	uint64_t from, to;
	int has = 0;

	do {
		if (!status_read(&list, &from))
			return -EINVAL;
		to = from;
		list += strspn(list, " ");
		if (*list == '-' && (list++, !status_read(&list, &to) || to < from))
			return -EINVAL;
		has |= status >= from && status <= to;
		list += strspn(list, " ");
	} while (*list == ',' && list++);
	return *list ? -EINVAL : has;
}

/* The head with the empty line that ends it; 0: not all of it is there. */
static size_t head_length(const struct answer *answer)
{
	const char *end = memmem(answer->bytes, answer->len, "\r\n\r\n", 4);
	const char *bare = memmem(answer->bytes, answer->len, "\n\n", 2);

	if (bare && (!end || bare < end))
		return (size_t)(bare - answer->bytes) + 2;
	return end ? (size_t)(end - answer->bytes) + 4 : 0;
}

/* Behind the name and its colon, up to the end of the line; NULL: there is no such field. */
static const char *field_find(const char *head, size_t len, const char *name)
{
	const char *end = head + len;
	size_t name_len = strlen(name);

	for (const char *line = memchr(head, '\n', len); line && line + name_len + 2 < end;
	     line = memchr(line, '\n', (size_t)(end - line))) {
		line++;
		if (!strncasecmp(line, name, name_len) && line[name_len] == ':')
			return line + name_len + 1 + strspn(line + name_len + 1, " \t");
	}
	return NULL;
}

/* What follows the head, as it was before it was sent in pieces (RFC 9112, 7.1). True: that is all
 * there is. */
static bool chunks_join(const char *bytes, size_t len, struct weir_buf *body)
{
	while (len) {
		const char *line_end = memchr(bytes, '\n', len);

		if (!line_end || line_end - bytes > 32)
			return false;
		size_t size = isxdigit(*bytes) ? strtoul(bytes, NULL, 16) : 0;
		size_t left = len - (size_t)(line_end + 1 - bytes);

		if (!size)
			return true;
		weir_buf_add(body, line_end + 1, size < left ? size : left);
		if (size + 2 > left || size > HEALTH_HTTP_BYTES)
			return false;
		bytes = line_end + 1 + size + 2;
		len = left - size - 2;
	}
	return false;
}

static bool body_read(const struct answer *answer, size_t head, struct weir_buf *body)
{
	const char *encoding = field_find(answer->bytes, head, "transfer-encoding");
	const char *length = field_find(answer->bytes, head, "content-length");
	const char *bytes = answer->bytes + head;
	size_t len = answer->len - head;

	if (encoding && !strncasecmp(encoding, "chunked", 7))
		return chunks_join(bytes, len, body) || answer->is_end;
	weir_buf_add(body, bytes, len);
	return answer->is_end || (length && isdigit(*length) && len >= strtoul(length, NULL, 10));
}

static enum health_result body_judge(const struct health_http_wanted *wanted,
				     const struct answer *answer, size_t head,
				     char reason[HEALTH_REASON_TEXT])
{
	_cleanup_buf_ struct weir_buf body = { 0 };
	bool is_whole = body_read(answer, head, &body);

	if (body.len && memmem(body.data, body.len, wanted->body, strlen(wanted->body)))
		return HEALTH_OK;
	if (!is_whole && answer->len < HEALTH_HTTP_BYTES)
		return HEALTH_PENDING;
	snprintf(reason, HEALTH_REASON_TEXT, "body without '%.60s'", wanted->body);
	return HEALTH_FAILED;
}

static enum health_result more_wanted(const struct answer *answer, char reason[HEALTH_REASON_TEXT])
{
	if (!answer->is_end && answer->len < HEALTH_HTTP_BYTES)
		return HEALTH_PENDING;
	snprintf(reason, HEALTH_REASON_TEXT, "%s",
		 answer->is_end ? "ended before its answer did" : "a head without end");
	return HEALTH_FAILED;
}

/* "HTTP/1.1 200", as far as it has come; 0: that it is not. */
static unsigned line_read(const struct answer *answer)
{
	static const char start[] = "HTTP/1.";
	size_t len = sizeof(start) - 1;
	unsigned status = 0;

	if (memcmp(answer->bytes, start, answer->len < len ? answer->len : len))
		return 0;
	if (answer->len < STATUS_LINE_LEAST)
		return STATUS_LEAST;
	for (size_t i = STATUS_LINE_LEAST - 3; i < STATUS_LINE_LEAST; i++) {
		unsigned digit = (unsigned char)answer->bytes[i] - (unsigned)'0';

		status = digit > 9 ? 0 : status * 10 + digit;
	}
	return answer->bytes[8] == ' ' && status >= STATUS_LEAST ? status : 0;
}

enum health_result health_http_judge(const struct health_http_wanted *wanted, const char *bytes,
				     size_t len, bool is_end, char reason[HEALTH_REASON_TEXT])
{
	struct answer answer = { bytes, len, is_end };
	unsigned status = line_read(&answer);
	size_t head = head_length(&answer);

	while (len >= STATUS_LINE_LEAST && status >= 100 && status < 200 && head) {
		answer.bytes += head; /* told by the way: the answer comes behind it */
		answer.len -= head;
		status = line_read(&answer);
		head = head_length(&answer);
	}
	if (!status) {
		snprintf(reason, HEALTH_REASON_TEXT, "the answer is not HTTP");
		return HEALTH_FAILED;
	}
	if (status < 200)
		return more_wanted(&answer, reason);
	if (health_status_has(wanted->status, status) != 1) {
		snprintf(reason, HEALTH_REASON_TEXT, "status %u, wanted %.40s", status,
			 wanted->status);
		return HEALTH_FAILED;
	}
	snprintf(reason, HEALTH_REASON_TEXT, "status %u", status);
	if (!wanted->body)
		return HEALTH_OK;
	return head ? body_judge(wanted, &answer, head, reason) : more_wanted(&answer, reason);
}
