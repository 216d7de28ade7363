/* SPDX-License-Identifier: Apache-2.0 */
/* The last values of something that is looked at again and again, and the line they make. */
#ifndef WEIR_TOP_HISTORY_H
#define WEIR_TOP_HISTORY_H

#include <stdbool.h>

#include "base/buf.h"

#define TOP_HISTORY_MOST 160

/* Zero-initialise. A value that is not known is NAN. */
struct top_history {
	float at[TOP_HISTORY_MOST];
	unsigned count; /* ever; the last TOP_HISTORY_MOST of them are kept */
};

void top_history_add(struct top_history *history, double value);
/*
 * So many columns, the newest at the right, as high as the largest of those shown is; blank where
 * nothing came or is known, and the lowest step for the least that is not nothing.
 */
void top_spark(const struct top_history *history, unsigned columns, bool is_utf8,
	       struct weir_buf *out);

#endif
