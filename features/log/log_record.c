/* SPDX-License-Identifier: Apache-2.0 */
/* Fields by path, and a line of them. Objects are nested as Elasticsearch stores them: a line needs
 * no option of the reader. */
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "features/log/log_ecs.h"

/* A dot comes before any other letter, so that no sibling stands between an object's members. */
static int path_compare(const char *a, const char *b)
{
	while (*a && *a == *b) {
		a++;
		b++;
	}
	int x = *a == '.' ? 1 : (unsigned char)*a, y = *b == '.' ? 1 : (unsigned char)*b;

	return x - y;
}

/* Where it is, or belongs. */
static unsigned place_find(const struct log_record *record, const char *path, bool *ret_is_there)
{
	unsigned i = 0;
	int order = 1;

	while (i < record->count && (order = path_compare(record->fields[i].path, path)) < 0)
		i++;
	*ret_is_there = i < record->count && order == 0;
	return i;
}

/* The first to name a field has it. */
void log_record_add(struct log_record *record, const char *path, enum log_type type,
		    const char *value)
{
	bool is_there;
	unsigned at = place_find(record, path, &is_there);

	if (!value || !value[0] || is_there)
		return;
	char *copy = strdup(value);

	if (!copy || record->count == LOG_FIELDS_MAX || strlen(path) >= LOG_PATH_BYTES) {
		record->failed = true;
		free(copy);
		return;
	}
	memmove(&record->fields[at + 1], &record->fields[at],
		(record->count - at) * sizeof(record->fields[0]));
	record->count++;
	record->fields[at] = (struct log_field){ .type = type, .value = copy };
	strncpy(record->fields[at].path, path, LOG_PATH_BYTES - 1);
}

void log_record_addf(struct log_record *record, const char *path, enum log_type type,
		     const char *format, ...)
{
	_cleanup_buf_ struct weir_buf text = { 0 };
	va_list args;

	va_start(args, format);
	weir_buf_vaddf(&text, format, args);
	va_end(args);
	record->failed |= text.failed;
	log_record_add(record, path, type, weir_buf_str(&text));
}

void log_record_done(struct log_record *record)
{
	for (unsigned i = 0; i < record->count; i++)
		free(record->fields[i].value);
	record->count = 0;
}

const char *log_record_get(const struct log_record *record, const char *path)
{
	bool is_there;
	unsigned at = place_find(record, path, &is_there);

	return is_there ? record->fields[at].value : NULL;
}

/* How much of the object that stands open `path` is in: up to and with a dot. */
static size_t common(const char *open, const char *path)
{
	size_t whole = 0;

	for (size_t i = 0; open[i] && open[i] == path[i]; i++)
		if (open[i] == '.')
			whole = i + 1;
	return whole;
}

static void objects_close(struct weir_json_out *json, char *open, size_t down_to)
{
	size_t len = strlen(open);

	while (len > down_to) {
		len--;
		while (len > down_to && open[len - 1] != '.')
			len--;
		weir_json_close_object(json);
	}
	open[down_to] = '\0';
}

/* Opens what stands before the last part; returns that part. */
static const char *objects_open(struct weir_json_out *json, char *open, const char *path)
{
	size_t at = strlen(open);
	const char *dot;
	char name[LOG_PATH_BYTES];

	while ((dot = strchr(path + at, '.'))) {
		size_t len = (size_t)(dot - path) - at;

		memcpy(name, path + at, len);
		name[len] = '\0';
		weir_json_open_object(json, name);
		at += len + 1;
	}
	memcpy(open, path, at);
	open[at] = '\0';
	return path + at;
}

void log_record_write(const struct log_record *record, struct weir_buf *line)
{
	struct weir_json_out json = { .out = line };
	char open[LOG_PATH_BYTES] = "";

	weir_json_open_object(&json, NULL);
	for (unsigned i = 0; i < record->count; i++) {
		const struct log_field *field = &record->fields[i];

		objects_close(&json, open, common(open, field->path));
		const char *name = objects_open(&json, open, field->path);

		if (field->type == LOG_TEXT)
			weir_json_put_str(&json, name, field->value);
		else
			weir_json_put_raw(&json, name, field->value);
	}
	objects_close(&json, open, 0);
	weir_json_close_object(&json);
	weir_buf_add_char(line, '\n');
}
