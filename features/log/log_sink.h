/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A place that lines go to: a queue of bounded size and a thread of its own, so that neither the
 * loop nor another place waits for a slow disk. What finds no room is counted, and the next line
 * says how many.
 */
#ifndef WEIR_LOG_SINK_H
#define WEIR_LOG_SINK_H

#include <stdbool.h>
#include <stdint.h>

#include "features/log/log_ecs.h"

#define LOG_QUEUE_BYTES (4u << 20)
#define LOG_PROBLEM_BYTES 320

enum log_place {
	LOG_PLACE_FILE,
	LOG_PLACE_SYSLOG,
	LOG_PLACE_JOURNAL,
	LOG_PLACES,
};

/* What is asked of a place; what it points at is copied. */
struct log_want {
	bool is_on;
	uint32_t kinds; /* bits by index into log_kinds */
	const char *where;
	uint64_t size; /* of a file, bytes */
	uint32_t keep; /* old files */
	int facility;  /* of syslog, as RFC 5424 numbers them */
	bool as_json;  /* of syslog: the line of JSON in the place of the sentence */
};

struct log_sink;

/* NULL when out of memory or threads. Nothing is opened before log_sink_want(). */
struct log_sink *log_sink_new(enum log_place place);
/* All of them; NULL is none. They write what can be written at once, side by side, and are waited
 * for three seconds at the most: a disk that hangs must not keep the daemon from ending. What is
 * left then is lost: of each place so many lines. */
void log_sinks_free(struct log_sink *const sinks[LOG_PLACES], uint64_t ret_lost[LOG_PLACES]);
/* From the next line on; opens the file anew also when nothing changed, as SIGHUP asks for. */
/* False: there is no memory for it, and nothing is written. */
bool log_sink_want(struct log_sink *sink, const struct log_want *want);
bool log_sink_wants(const struct log_sink *sink, size_t kind);
/* Copies. Its sequence and what was lost before it are the sink's to say. */
void log_sink_put(struct log_sink *sink, const struct log_happening *happening);

struct log_sink_view {
	bool is_on;
	char where[LOG_PROBLEM_BYTES];
	char problem[LOG_PROBLEM_BYTES]; /* "": none */
	uint64_t since_ns;		 /* CLOCK_MONOTONIC: when that began */
	uint64_t written, rotated, waiting, waiting_bytes;
	uint64_t lost[LOG_KINDS_MAX]; /* by index into log_kinds */
	uint64_t lost_all;
};

void log_sink_look(struct log_sink *sink, struct log_sink_view *ret_view);
/* Whether there is a problem that was not told of yet, or an end of one. */
bool log_sink_has_news(struct log_sink *sink, struct log_sink_view *ret_view);

#endif
