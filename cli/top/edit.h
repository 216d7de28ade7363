/* SPDX-License-Identifier: Apache-2.0 */
/* A line of text that is typed. */
#ifndef WEIR_TOP_EDIT_H
#define WEIR_TOP_EDIT_H

#include <stdbool.h>
#include <stddef.h>

#define TOP_EDIT_BYTES 512

/* Zero-initialise. UTF-8, and always whole characters of it. */
struct top_edit {
	char text[TOP_EDIT_BYTES];
	size_t at; /* the cursor: bytes before it */
};

void top_edit_set(struct top_edit *edit, const char *text);
/* True: it was a key of this line. A line that is full takes no more. */
bool top_edit_key(struct top_edit *edit, int key);

#endif
