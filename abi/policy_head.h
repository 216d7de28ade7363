/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * How every image begins: its header, then the head of the address table. Of a size known when a
 * program is loaded, so it stands a second time in a plain array (tab_head), whose look-up the
 * kernel compiles in place; a look-up in an image is a call, about 9 ns each.
 */
#ifndef WEIR_ABI_POLICY_HEAD_H
#define WEIR_ABI_POLICY_HEAD_H

#include "addr_table.h"
#include "image.h"

struct weir_policy_head {
	union {
		struct weir_image_header header;
		struct weir_line header_line;
	};
	struct weir_line roots[WEIR_ROOT_COUNT][WEIR_ROOT_LINES]; /* from line 1 */
	struct weir_addr_head addresses; /* from line WEIR_ADDRESSES_LINE */
};

#define WEIR_ADDRESSES_LINE (1 + WEIR_ROOT_COUNT * WEIR_ROOT_LINES)

_Static_assert(__builtin_offsetof(struct weir_policy_head, addresses) ==
		       WEIR_ADDRESSES_LINE * sizeof(struct weir_line),
	       "whole lines");

#endif
