/* SPDX-License-Identifier: Apache-2.0 */
/* Forgetting a flow while its packets pass. */
#ifndef WEIR_CONNTRACK_FLUSH_H
#define WEIR_CONNTRACK_FLUSH_H

#include "base/filter.h"
#include "features/conntrack/conntrack_table.h"
#include "features/conntrack/conntrack_view.h"

/* Forgets the flow of `view`, which was found at `index` and passed the filter, also where its
 * state has changed since. False: it is gone, passes no more, or is under way to another table. */
bool conntrack_flush(struct conntrack_table *table, uint32_t index,
		     const struct conntrack_view *view, const struct weir_filter *filter);

#endif
