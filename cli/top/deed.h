/* SPDX-License-Identifier: Apache-2.0 */
/* A command from the keyboard: the very one that would be typed, with all it checks and says. */
#ifndef WEIR_TOP_DEED_H
#define WEIR_TOP_DEED_H

#include "cli/top/asker.h"

/* NULL: no memory. `ttl` empty: without an end. */
struct top_deed *top_deed_block(const char *target, const char *ttl);
/* As it would be typed in a shell. */
void top_deed_text(const struct top_deed *deed, struct weir_buf *out);
/* At the daemon of `command`; fills in what came of it. */
void top_deed_run(const struct weir_command *command, struct top_deed *deed);

#endif
