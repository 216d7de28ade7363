/* SPDX-License-Identifier: Apache-2.0 */
/* Lists of addresses in a match. */
#ifndef WEIR_CLI_IMPORT_ADDRS_H
#define WEIR_CLI_IMPORT_ADDRS_H

#include "cli/import_match.h"

/* The list and one more item. */
struct import_addrs import_addrs_add(struct import_arena *arena, struct import_addrs addrs,
				     struct import_addr item);
/* "192.0.2.1", "192.0.2.0/24" or "FROM-TO" of one family: -EOPNOTSUPP when it is none, or of the
 * other family. */
int import_addr_read(struct import *import, const char *text, bool is_v6,
		     struct import_addr *ret_addr);
void import_addr_format(const struct import_addr *addr, struct weir_buf *text);

#endif
