/* SPDX-License-Identifier: Apache-2.0 */
/* Old files by number, the newest is .1: as logrotate has them. */
#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "features/log/log_target.h"

static int name_write(const char *path, uint32_t number, struct weir_buf *name)
{
	weir_buf_clear(name);
	if (number)
		weir_buf_addf(name, "%s.%u", path, number);
	else
		weir_buf_add_str(name, path);
	return name->failed ? -ENOMEM : 0;
}

/* Those beyond `keep` are of a time when more were kept. */
static void surplus_remove(const char *path, uint32_t keep)
{
	_cleanup_buf_ struct weir_buf name = { 0 };

	for (uint32_t number = keep + 1; !name_write(path, number, &name); number++)
		if (unlink(weir_buf_str(&name)))
			return;
}

/* From the oldest on: whenever this stops, each file has a name and none is written over but the
 * one that was to go. */
int log_rotate(const char *path, uint32_t keep)
{
	_cleanup_buf_ struct weir_buf from = { 0 }, to = { 0 };

	for (uint32_t number = keep; number > 0; number--) {
		if (name_write(path, number - 1, &from) || name_write(path, number, &to))
			return -ENOMEM;
		if (rename(weir_buf_str(&from), weir_buf_str(&to)) && errno != ENOENT)
			return -errno;
	}
	surplus_remove(path, keep);
	return 0;
}
