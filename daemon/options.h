/* SPDX-License-Identifier: Apache-2.0 */
/* The command line of `weir daemon`. */
#ifndef WEIR_DAEMON_OPTIONS_H
#define WEIR_DAEMON_OPTIONS_H

#include "../base/log.h"
#include "../core/engine.h"

#define DAEMON_INTERFACES_MAX 64

struct daemon_options {
	struct weir_engine_options engine;
	const char *interfaces[DAEMON_INTERFACES_MAX + 1];
	enum weir_log_level log_level;
	enum weir_log_form log_form;
};

/* 0: go on; 1: done (help was printed); -EINVAL: said on standard error what is wrong. */
int daemon_options_parse(int argc, char **argv, struct daemon_options *ret_options);

#endif
