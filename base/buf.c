/* SPDX-License-Identifier: Apache-2.0 */
/* The growable buffer. Doubles, so that appending byte by byte stays linear. */
#include "base/buf.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BUF_FIRST 64

void weir_buf_done(struct weir_buf *buf)
{
	free(buf->data);
	*buf = (struct weir_buf){ 0 };
}

void weir_buf_clear(struct weir_buf *buf)
{
	buf->len = 0;
	buf->failed = false;
	if (buf->data)
		buf->data[0] = '\0';
}

static int buf_fail(struct weir_buf *buf)
{
	buf->failed = true;
	return -ENOMEM;
}

static int buf_grow(struct weir_buf *buf, size_t needed)
{
	size_t capacity = buf->capacity < BUF_FIRST ? BUF_FIRST : buf->capacity;
	while (capacity < needed)
		capacity = capacity > SIZE_MAX / 2 ? needed : capacity * 2;

	char *data = realloc(buf->data, capacity);
	if (!data)
		return buf_fail(buf);
	data[buf->len] = '\0';
	buf->data = data;
	buf->capacity = capacity;
	return 0;
}

int weir_buf_reserve(struct weir_buf *buf, size_t more)
{
	if (buf->failed)
		return -ENOMEM;
	if (more > PTRDIFF_MAX - 1 - buf->len)
		return buf_fail(buf);

	size_t needed = buf->len + more + 1;
	return needed <= buf->capacity ? 0 : buf_grow(buf, needed);
}

int weir_buf_add(struct weir_buf *buf, const void *bytes, size_t len)
{
	int r = weir_buf_reserve(buf, len);
	if (r < 0)
		return r;
	if (len)
		memcpy(buf->data + buf->len, bytes, len);
	buf->len += len;
	buf->data[buf->len] = '\0';
	return 0;
}

int weir_buf_add_str(struct weir_buf *buf, const char *text)
{
	return weir_buf_add(buf, text, strlen(text));
}

int weir_buf_add_char(struct weir_buf *buf, char c)
{
	return weir_buf_add(buf, &c, 1);
}

int weir_buf_add_visible(struct weir_buf *buf, const char *text)
{
	size_t plain = 0;
	for (const char *p = text;; p++) {
		unsigned char c = (unsigned char)*p;
		if (c >= 0x20 && c != 0x7f) {
			plain++;
			continue;
		}
		weir_buf_add(buf, p - plain, plain);
		plain = 0;
		if (!c)
			return buf->failed ? -ENOMEM : 0;
		weir_buf_addf(buf, "\\x%02x", c);
	}
}

int weir_buf_addf(struct weir_buf *buf, const char *format, ...)
{
	va_list args;
	va_start(args, format);
	int r = weir_buf_vaddf(buf, format, args);
	va_end(args);
	return r;
}

int weir_buf_vaddf(struct weir_buf *buf, const char *format, va_list args)
{
	if (weir_buf_reserve(buf, BUF_FIRST) < 0)
		return -ENOMEM;

	va_list again;
	va_copy(again, args);
	size_t room = buf->capacity - buf->len;
	int n = vsnprintf(buf->data + buf->len, room, format, args);
	if (n >= 0 && (size_t)n >= room) {
		/* What was cut off is forgotten until there is room for all of it. */
		buf->data[buf->len] = '\0';
		if (weir_buf_reserve(buf, (size_t)n) == 0)
			n = vsnprintf(buf->data + buf->len, (size_t)n + 1, format, again);
	}
	va_end(again);
	if (buf->failed)
		return -ENOMEM;
	if (n < 0)
		return buf_fail(buf);
	buf->len += (size_t)n;
	return 0;
}

const char *weir_buf_str(const struct weir_buf *buf)
{
	return buf->data ? buf->data : "";
}

char *weir_buf_take(struct weir_buf *buf)
{
	char *text = NULL;
	if (weir_buf_reserve(buf, 0) == 0) {
		text = buf->data;
		buf->data = NULL;
	}
	weir_buf_done(buf);
	return text;
}
