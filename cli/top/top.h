/* SPDX-License-Identifier: Apache-2.0 */
/* weir top: the whole screen. */
#ifndef WEIR_TOP_TOP_H
#define WEIR_TOP_TOP_H

#include "cli/verbs.h"

extern const struct weir_arg weir_top_args[];
weir_local_fn weir_local_top;

#endif
