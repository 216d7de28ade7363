/* SPDX-License-Identifier: Apache-2.0 */
/* A state machine over lines and runs of body bytes. */
#include "cli/answer.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define CHUNK_LINE_MAX 256

void weir_answer_reader_done(struct weir_answer_reader *reader)
{
	weir_buf_done(&reader->line);
}

/* The value of a header line if it is the one named, else NULL. */
static const char *header_value(const char *line, const char *name)
{
	size_t len = strlen(name);

	if (strncasecmp(line, name, len) != 0 || line[len] != ':')
		return NULL;
	line += len + 1;
	return line + strspn(line, " \t");
}

static int number_read(const char *text, int base, uint64_t *ret_number)
{
	char *end;

	if (!strchr("0123456789abcdefABCDEF", text[0]) || !text[0])
		return -EPROTO;
	errno = 0;
	unsigned long long number = strtoull(text, &end, base);
	if (errno != 0 || end == text || (*end && !strchr(" \t;", *end)))
		return -EPROTO;
	*ret_number = number;
	return 0;
}

static int status_read(struct weir_answer_reader *reader, const char *line)
{
	uint64_t status;

	if (strncmp(line, "HTTP/1.", 7) != 0 || line[7] == '\0' || line[8] != ' ')
		return -EPROTO;
	int result = number_read(line + 9, 10, &status);
	if (result < 0 || status < 100 || status > 599)
		return -EPROTO;
	reader->status = (unsigned)status;
	return 0;
}

/* The whole head, lines apart by NUL: says how the body will come. */
static int head_read(struct weir_answer_reader *reader)
{
	const char *line = weir_buf_str(&reader->line);
	const char *end = line + reader->line.len;
	bool has_length = false;
	bool chunked = false;
	int result = status_read(reader, line);

	while (result == 0 && (line += strlen(line) + 1) < end) {
		const char *value = header_value(line, "Content-Length");

		if (value) {
			has_length = true;
			result = number_read(value, 10, &reader->left);
		}
		value = header_value(line, "Transfer-Encoding");
		if (value)
			chunked = strcasecmp(value, "chunked") == 0;
	}
	if (result < 0)
		return result;
	weir_buf_clear(&reader->line);
	if (reader->status < 200) /* 100 Continue: the answer proper is still to come */
		reader->state = WEIR_ANSWER_HEAD;
	else if (reader->status == 204 || reader->status == 304)
		reader->state = WEIR_ANSWER_DONE;
	else if (chunked)
		reader->state = WEIR_ANSWER_CHUNK_SIZE;
	else if (has_length)
		reader->state = reader->left ? WEIR_ANSWER_LENGTH : WEIR_ANSWER_DONE;
	else
		reader->state = WEIR_ANSWER_TO_END;
	return 0;
}

/* Ends the line under way; `start` is where it began in reader->line. */
static void line_end(struct weir_answer_reader *reader, size_t start)
{
	struct weir_buf *line = &reader->line;

	if (line->len > start && line->data[line->len - 1] == '\r')
		line->data[--line->len] = '\0';
}

static size_t line_start(const struct weir_buf *head)
{
	size_t start = head->len;

	while (start > 0 && head->data[start - 1] != '\0')
		start--;
	return start;
}

static int head_byte(struct weir_answer_reader *reader, char c)
{
	if (reader->line.len >= WEIR_ANSWER_HEAD_MAX || c == '\0')
		return -EPROTO;
	if (c != '\n')
		return weir_buf_add_char(&reader->line, c);
	size_t start = line_start(&reader->line);
	line_end(reader, start);
	if (reader->line.len > start)
		return weir_buf_add(&reader->line, "", 1);
	return start == 0 ? -EPROTO : head_read(reader);
}

static int chunk_line_done(struct weir_answer_reader *reader)
{
	int result = 0;

	line_end(reader, 0);
	if (reader->state == WEIR_ANSWER_CHUNK_SIZE) {
		result = number_read(weir_buf_str(&reader->line), 16, &reader->left);
		reader->state = reader->left ? WEIR_ANSWER_CHUNK : WEIR_ANSWER_TRAILER;
	} else if (reader->state == WEIR_ANSWER_CHUNK_END) {
		result = reader->line.len == 0 ? 0 : -EPROTO;
		reader->state = WEIR_ANSWER_CHUNK_SIZE;
	} else if (reader->line.len == 0) {
		reader->state = WEIR_ANSWER_DONE;
	}
	weir_buf_clear(&reader->line);
	return result;
}

static int chunk_line_byte(struct weir_answer_reader *reader, char c)
{
	if (c == '\n')
		return chunk_line_done(reader);
	if (reader->line.len >= CHUNK_LINE_MAX || c == '\0')
		return -EPROTO;
	return weir_buf_add_char(&reader->line, c);
}

/* Takes as much of the run as belongs to the body; returns how much, or -errno. */
static int body_run(struct weir_answer_reader *reader, const char *bytes, size_t len,
		    size_t *ret_taken)
{
	if (reader->state != WEIR_ANSWER_TO_END && len > reader->left)
		len = (size_t)reader->left;
	*ret_taken = len;
	int result = reader->body(reader->arg, reader->status, bytes, len);
	if (result != 0 || reader->state == WEIR_ANSWER_TO_END)
		return result;
	reader->left -= len;
	if (reader->left == 0)
		reader->state = reader->state == WEIR_ANSWER_CHUNK ? WEIR_ANSWER_CHUNK_END :
								     WEIR_ANSWER_DONE;
	return 0;
}

int weir_answer_reader_feed(struct weir_answer_reader *reader, const char *bytes, size_t len)
{
	const char *end = bytes + len;
	int result = 0;

	while (result == 0 && bytes < end && reader->state != WEIR_ANSWER_DONE) {
		size_t taken = 1;

		switch (reader->state) {
		case WEIR_ANSWER_HEAD:
			result = head_byte(reader, *bytes);
			break;
		case WEIR_ANSWER_LENGTH:
		case WEIR_ANSWER_TO_END:
		case WEIR_ANSWER_CHUNK:
			result = body_run(reader, bytes, (size_t)(end - bytes), &taken);
			break;
		default:
			result = chunk_line_byte(reader, *bytes);
			break;
		}
		bytes += taken;
	}
	return result;
}

int weir_answer_reader_end(const struct weir_answer_reader *reader)
{
	return reader->state == WEIR_ANSWER_DONE || reader->state == WEIR_ANSWER_TO_END ? 0 :
											  -EPROTO;
}
