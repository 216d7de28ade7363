/* SPDX-License-Identifier: Apache-2.0 */
/* What the CLI does by itself: the rows, and one function a verb. */
#ifndef WEIR_CLI_LOCAL_H
#define WEIR_CLI_LOCAL_H

#include "cli/command.h"
#include "cli/terminal.h"
#include "cli/verbs.h"

extern const struct weir_local weir_locals[];

weir_local_fn weir_local_help;
weir_local_fn weir_local_completion;
weir_local_fn weir_local_check;
weir_local_fn weir_local_diff;
weir_local_fn weir_local_replay;
weir_local_fn weir_local_status;
weir_local_fn weir_local_cleanup;
weir_local_fn weir_local_doctor;
weir_local_fn weir_local_monitor, weir_local_summary;
extern const char *const weir_summary_langs[];
weir_local_fn weir_local_rule_test;
weir_local_fn weir_local_rule_import;

struct weir_config;
/* Reads and parses a configuration file; "-" is standard input. Problems in diag. */
int weir_local_config(const char *path, struct weir_diag *diag, struct weir_config **ret_config);
/* A private data path by this configuration, which must outlive it: features look into it. options
 * may be NULL. Problems in diag. */
struct weir_probe;
struct weir_probe_options;
int weir_local_probe(const struct weir_config *config, const struct weir_probe_options *options,
		     struct weir_diag *diag, struct weir_probe **ret_probe);

/* Shows a JSON answer made in this process as one of the daemon's would be: the text itself with
 * --json. */
int weir_local_show(const struct weir_command *command, struct weir_terminal *terminal,
		    const struct weir_buf *json);
/* Problems as text, and with --json as the JSON of a refusal too. Returns WEIR_EXIT_FAILED. */
int weir_local_refuse(struct weir_terminal *terminal, const struct weir_diag *diag);

#endif
