/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A growable run of bytes, always followed by a NUL that is not counted, so text needs no copy to
 * be read.
 */
#ifndef WEIR_BASE_BUF_H
#define WEIR_BASE_BUF_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>

/*
 * Zero-initialised is empty and valid. After a failed allocation `failed` stays set and appends do
 * nothing: check once, at the end.
 */
struct weir_buf {
	char *data;
	size_t len;
	size_t capacity;
	bool failed;
};

void weir_buf_done(struct weir_buf *buf);
/* Forgets the content and a failure, keeps the memory. */
void weir_buf_clear(struct weir_buf *buf);
int weir_buf_reserve(struct weir_buf *buf, size_t more);
int weir_buf_add(struct weir_buf *buf, const void *bytes, size_t len);
int weir_buf_add_str(struct weir_buf *buf, const char *text);
int weir_buf_add_char(struct weir_buf *buf, char c);
/*
 * Text that came from outside, for a terminal or a line of a log: control characters become \xNN,
 * so that it can neither steer the terminal nor forge a line.
 */
int weir_buf_add_visible(struct weir_buf *buf, const char *text);
int weir_buf_addf(struct weir_buf *buf, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
int weir_buf_vaddf(struct weir_buf *buf, const char *format, va_list args)
	__attribute__((format(printf, 2, 0)));
/* Content as text ("" when empty); valid until the next change. */
const char *weir_buf_str(const struct weir_buf *buf);
/*
 * Hands the memory to the caller (to be freed), or NULL when an append had failed; the buffer is
 * empty afterwards.
 */
char *weir_buf_take(struct weir_buf *buf);

#define _cleanup_buf_ __attribute__((cleanup(weir_buf_done)))

#endif
