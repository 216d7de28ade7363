/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The data path's own look-up, built natively: the one file of core/ that sees bpf/lib, so that
 * there is no second search to keep equal to the first.
 */
#include "../bpf/lib/classify.h"
#include "addr_table.h"

uint32_t weir_addr_compiled_lookup(const struct weir_addr_compiled *compiled,
				   const struct weir_addr *addr, bool is_v4)
{
	/* Lines before first_line are the image's own and never asked for. */
	return classify_addr(compiled->line - compiled->first_line, (const void *)compiled->line,
			     addr, is_v4);
}
