/* SPDX-License-Identifier: Apache-2.0 */
/* The path of a key while walking down: "block.lists[2].entries[0]". */
#ifndef WEIR_CORE_CONFIG_PATH_H
#define WEIR_CORE_CONFIG_PATH_H

#include "base/buf.h"

/* Appends ".key" ("key" at the top); returns what weir_keypath_leave() needs. */
size_t weir_keypath_enter_key(struct weir_buf *path, const char *key);
/* Appends "[index]". */
size_t weir_keypath_enter_index(struct weir_buf *path, unsigned index);
void weir_keypath_leave(struct weir_buf *path, size_t before);

#endif
