/* SPDX-License-Identifier: Apache-2.0 */
/* What is told of a configuration that is refused. */
#ifndef WEIR_TESTS_REFUSED_H
#define WEIR_TESTS_REFUSED_H

#include <errno.h>
#include <string.h>

#include "core/config.h"

/* The first entry, "FILE:LINE:COLUMN: KEY: WHAT; MEND", begins with `where`, and `what` is told. */
static void is_refused(const char *text, const char *where, const char *what)
{
	_cleanup_diag_ struct weir_diag diag = { 0 };
	struct weir_config *config = NULL;
	_cleanup_buf_ struct weir_buf told = { 0 };

	assert_int_equal(weir_config_parse(text, strlen(text), "f", &diag, &config), -EINVAL);
	weir_diag_format(&diag, &told);
	if (strncmp(weir_buf_str(&told), where, strlen(where)) != 0 ||
	    !strstr(weir_buf_str(&told), what))
		fail_msg("%s\nis told: %s\nwanted: %s … %s", text, weir_buf_str(&told), where,
			 what);
}

#endif
