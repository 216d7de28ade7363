/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of `log` share. Nothing outside includes it. */
#ifndef WEIR_LOG_STATE_H
#define WEIR_LOG_STATE_H

#include "core/engine.h"
#include "features/log/log_sink.h"

struct log_kinds_config {
	char **names;
	unsigned count; /* 0: what is usual for that place */
};

/* `log:` of weir.yaml. */
struct log_section {
	struct {
		char *path; /* NULL: none is written */
		struct weir_quantity size;
		uint32_t keep;
		struct log_kinds_config kinds;
	} file;
	struct {
		char *to; /* NULL: none is sent */
		int facility, message;
		struct log_kinds_config kinds;
	} syslog;
	struct {
		bool enabled;
		char *socket;
		struct log_kinds_config kinds;
	} journal;
};

struct log_state {
	struct weir_subscriber subscriber; /* first: the engine knows only this */
	struct weir_engine *engine;
	struct log_sink *sinks[LOG_PLACES]; /* NULL: never asked for */
	/* What the data path had left out of each kind when a line was last made of one. */
	uint64_t left_out[LOG_PLACES][WEIR_EVENT_KIND_COUNT];
	bool knows_left_out[LOG_PLACES][WEIR_EVENT_KIND_COUNT];
};

extern const struct weir_feature weir_log_feature;
extern const struct weir_field log_fields[];
extern const struct weir_op *const log_ops[];
extern const char *const log_place_names[LOG_PLACES];

int log_check(const struct weir_config *config, const void *section, struct weir_diag *diag);
/* What the section says of one place. */
void log_want_of(const struct log_section *section, enum log_place place, struct log_want *want);

#endif
