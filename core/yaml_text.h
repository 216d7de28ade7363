/* SPDX-License-Identifier: Apache-2.0 */
/* Whether bytes are text at all, before a parser sees them, and how a long one is shown. */
#ifndef WEIR_CORE_YAML_TEXT_H
#define WEIR_CORE_YAML_TEXT_H

#include <stddef.h>

#include "base/diag.h"

/*
 * UTF-8 (a byte order mark in front is fine) without control characters but tab and line ends.
 * -EINVAL at the first byte that is not, with its line and column in diag.
 */
int weir_yaml_text_check(const char *text, size_t len, struct weir_diag *diag);
#define WEIR_TEXT_SHOWN 64

/* A text for a message: whole, or cut after a character and ended by "…". Returns `shown`. */
const char *weir_text_shorten(const char *text, char shown[WEIR_TEXT_SHOWN]);

#endif
