/* SPDX-License-Identifier: Apache-2.0 */
/* The lines in which two texts differ. */
#ifndef WEIR_CLI_LINE_DIFF_H
#define WEIR_CLI_LINE_DIFF_H

#include "base/json.h"

/*
 * "- old line" and "+ new line" as strings into an open JSON array, in order; the fewest that there
 * can be, unless the part that differs is so long that finding them would take seconds. -ENOMEM.
 */
int weir_line_diff(const char *from, const char *to, struct weir_json_out *json);

#endif
