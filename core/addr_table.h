/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The address table: every labelled range of addresses that any feature names, folded into one
 * structure that answers an address with one small class number. docs/design/classify.md says how;
 * this is how to use it.
 */
#ifndef WEIR_CORE_ADDR_TABLE_H
#define WEIR_CORE_ADDR_TABLE_H

#include <stdbool.h>
#include <stdint.h>

#include "../abi/addr_table.h"
#include "addr_classes.h"

struct weir_addr_table;

/* NULL when out of memory. */
struct weir_addr_table *weir_addr_table_new(void);
void weir_addr_table_free(struct weir_addr_table *table);

/*
 * The addresses from `from` to `to`, both included, bear `label` (below 2^31). Any order; overlaps,
 * nesting and repetition are welcome. Amortised constant time. A range whose ends both lie in
 * ::ffff:0:0/96 is IPv4 and answers for IPv4 packets alone; any other is IPv6 and answers for IPv6
 * packets alone, also where it spans that block, as ::/0 does. -EINVAL: from > to, or label too
 * large; -E2BIG: more than 2^30 ranges of a family; -ENOMEM.
 */
int weir_addr_table_add(struct weir_addr_table *table, const struct weir_addr *from,
			const struct weir_addr *to, uint32_t label);

struct weir_addr_compiled {
	struct weir_line *line; /* aligned to a line; line[0], numbered first_line in the image,
				   begins struct weir_addr_head */
	uint32_t first_line;
	uint32_t line_count;
	struct weir_addr_classes classes;
};

/*
 * Compile what was added, for an image in which the first of the lines will be number `first_line`,
 * which must not be 0. The table stays as it was. The same ranges in any order give the same bytes
 * and the same class numbers, which go by the order in which ascending addresses first need them,
 * IPv4 before IPv6. 1,000,000 prefixes take some 150 ms. -E2BIG: more than WEIR_ADDR_CLASSES_MAX
 * distinct combinations of labels, or out of line numbers; -ENOMEM.
 */
int weir_addr_table_compile(const struct weir_addr_table *table, uint32_t first_line,
			    struct weir_addr_compiled *ret_compiled);
void weir_addr_compiled_done(struct weir_addr_compiled *compiled);

/* What the data path answers for this address: the class, 0 for none. */
uint32_t weir_addr_compiled_lookup(const struct weir_addr_compiled *compiled,
				   const struct weir_addr *addr, bool is_v4);

#endif
