/* SPDX-License-Identifier: Apache-2.0 */
/* The log of daemon and cli. Libraries return errors instead; only daemon/ and cli/ call this. */
#ifndef WEIR_BASE_LOG_H
#define WEIR_BASE_LOG_H

#include "base/diag.h"

enum weir_log_level {
	WEIR_LOG_ERROR,
	WEIR_LOG_WARNING,
	WEIR_LOG_INFO,
	WEIR_LOG_DEBUG,
};

enum weir_log_form {
	WEIR_LOG_TEXT,	  /* "weir: warning: …" on standard error */
	WEIR_LOG_JOURNAL, /* "<4>…": standard error read by journald */
	WEIR_LOG_JSON,	  /* a line an event: {"@timestamp":…,"log.level":…,"message":…} */
};

/*
 * Until it is called: up to WEIR_LOG_INFO, as WEIR_LOG_TEXT. `most` is the least important level
 * that is written.
 */
void weir_log_init(enum weir_log_level most, enum weir_log_form form);
/* Control characters in the message are made visible: what a peer sent cannot forge a line. */
void weir_log(enum weir_log_level level, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
#define weir_error(...) weir_log(WEIR_LOG_ERROR, __VA_ARGS__)
#define weir_warning(...) weir_log(WEIR_LOG_WARNING, __VA_ARGS__)
#define weir_info(...) weir_log(WEIR_LOG_INFO, __VA_ARGS__)
#define weir_debug(...) weir_log(WEIR_LOG_DEBUG, __VA_ARGS__)
/* Each entry as one line at its own level. */
void weir_log_diag(const struct weir_diag *diag);

#endif
