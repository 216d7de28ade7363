/* SPDX-License-Identifier: Apache-2.0 */
/* For unit tests: a table of flows in plain memory. */
#ifndef WEIR_CONNTRACK_FAKE_TABLE_H
#define WEIR_CONNTRACK_FAKE_TABLE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "features/conntrack/conntrack_table.h"

static inline struct conntrack_table table_new(enum conntrack_table_kind kind, uint32_t sets)
{
	struct conntrack_table table = {
		.kind = kind,
		.flows = calloc((size_t)sets * CONNTRACK_WAYS, sizeof(*table.flows)),
		.sets = calloc(sets, sizeof(*table.sets)),
		.set_count = sets,
	};

	assert_non_null(table.flows);
	assert_non_null(table.sets);
	return table;
}

static inline void table_free(struct conntrack_table *table)
{
	free(table->flows);
	free(table->sets);
}

#endif
