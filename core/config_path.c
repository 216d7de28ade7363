/* SPDX-License-Identifier: Apache-2.0 */
/* Puts a step on a path and takes it off again; the text is shared by the whole walk. */
#include "core/config_path.h"

size_t weir_keypath_enter_key(struct weir_buf *path, const char *key)
{
	size_t before = path->len;
	if (before > 0)
		weir_buf_add_char(path, '.');
	weir_buf_add_str(path, key);
	return before;
}

size_t weir_keypath_enter_index(struct weir_buf *path, unsigned index)
{
	size_t before = path->len;
	weir_buf_addf(path, "[%u]", index);
	return before;
}

void weir_keypath_leave(struct weir_buf *path, size_t before)
{
	if (path->len <= before)
		return;
	path->len = before;
	path->data[before] = 0;
}
