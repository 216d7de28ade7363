/* SPDX-License-Identifier: Apache-2.0 */
/* Help for people and the reference page, both from the verb table. */
#ifndef WEIR_CLI_HELP_H
#define WEIR_CLI_HELP_H

#include "base/buf.h"
#include "cli/verbs.h"

/* All commands by noun. */
void weir_help_overview(const struct weir_verbs *verbs, struct weir_buf *out);
void weir_help_noun(const struct weir_verbs *verbs, const char *noun, struct weir_buf *out);
void weir_help_verb(const struct weir_verb *verb, struct weir_buf *out);
/* docs/user/commands.md */
void weir_help_markdown(const struct weir_verbs *verbs, struct weir_buf *out);
/* "weir block add ENTRY [--ttl DURATION]" on one line. */
void weir_help_synopsis(const struct weir_verb *verb, struct weir_buf *out);

#endif
