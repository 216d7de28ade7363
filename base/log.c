/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Writes the log to standard error, one write() a line, so that lines of several processes do not
 * mix.
 */
#include "base/log.h"

#include <errno.h>
#include <stdarg.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/json.h"

static enum weir_log_level log_most = WEIR_LOG_INFO;
static enum weir_log_form log_form = WEIR_LOG_TEXT;

static const struct {
	const char *name;
	int priority; /* of syslog(3), which journald reads */
} levels[] = {
	[WEIR_LOG_ERROR] = { "error", 3 },
	[WEIR_LOG_WARNING] = { "warning", 4 },
	[WEIR_LOG_INFO] = { "info", 6 },
	[WEIR_LOG_DEBUG] = { "debug", 7 },
};

void weir_log_init(enum weir_log_level most, enum weir_log_form form)
{
	log_most = most;
	log_form = form;
}

/* Names are those of the Elastic Common Schema, which most collectors know. */
static void line_put_json(struct weir_buf *line, enum weir_log_level level, const char *message)
{
	char now[WEIR_CLOCK_TEXT];
	struct weir_json_out json = { .out = line };
	weir_json_open_object(&json, NULL);
	weir_json_put_str(&json, "@timestamp", weir_clock_format(weir_clock_real_ns(), now));
	weir_json_put_str(&json, "log.level", levels[level].name);
	weir_json_put_str(&json, "message", message);
	weir_json_close_object(&json);
}

static void line_put(struct weir_buf *line, enum weir_log_level level, const char *message)
{
	switch (log_form) {
	case WEIR_LOG_JSON:
		line_put_json(line, level, message);
		break;
	case WEIR_LOG_JOURNAL:
		weir_buf_addf(line, "<%d>", levels[level].priority);
		weir_buf_add_visible(line, message);
		break;
	case WEIR_LOG_TEXT:
		weir_buf_add_str(line, "weir: ");
		if (level != WEIR_LOG_INFO)
			weir_buf_addf(line, "%s: ", levels[level].name);
		weir_buf_add_visible(line, message);
		break;
	}
	weir_buf_add_char(line, '\n');
}

/* There is nowhere to report that the log itself cannot be written. */
static void line_write(const char *bytes, size_t len)
{
	while (len) {
		ssize_t n = write(STDERR_FILENO, bytes, len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return;
		bytes += n;
		len -= (size_t)n;
	}
}

static void log_message(enum weir_log_level level, const struct weir_buf *message)
{
	static const char no_memory[] = "weir: error: out of memory for a line of the log\n";
	_cleanup_buf_ struct weir_buf line = { 0 };
	line_put(&line, level, weir_buf_str(message));
	if (message->failed || line.failed)
		line_write(no_memory, sizeof(no_memory) - 1);
	else
		line_write(line.data, line.len);
}

void weir_log(enum weir_log_level level, const char *format, ...)
{
	if (level > log_most)
		return;
	int saved = errno;
	_cleanup_buf_ struct weir_buf message = { 0 };
	va_list args;
	va_start(args, format);
	weir_buf_vaddf(&message, format, args);
	va_end(args);
	log_message(level, &message);
	errno = saved;
}

void weir_log_diag(const struct weir_diag *diag)
{
	for (size_t i = 0; i < diag->count; i++) {
		const struct weir_diag_entry *entry = &diag->entries[i];
		enum weir_log_level level =
			entry->level == WEIR_DIAG_ERROR ? WEIR_LOG_ERROR : WEIR_LOG_WARNING;
		_cleanup_buf_ struct weir_buf message = { 0 };
		weir_diag_entry_format(entry, &message);
		if (level <= log_most)
			log_message(level, &message);
	}
	if (diag->dropped)
		weir_log(WEIR_LOG_WARNING, "and %zu more problems", diag->dropped);
}
