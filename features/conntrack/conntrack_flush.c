/* SPDX-License-Identifier: Apache-2.0 */
/* Forgetting a flow while its packets pass. */
#include "features/conntrack/conntrack_flush.h"

#include "features/conntrack/conntrack_step.h"

/* Packets that change the word add marks, and there are a few only: it ends. One that goes to
 * another table is met there; one that found no place there has stayed. */
bool conntrack_flush(struct conntrack_table *table, uint32_t index,
		     const struct conntrack_view *view, const struct weir_filter *filter)
{
	struct conntrack_flow flow = *view->flow;
	struct conntrack_view again = *view;

	again.flow = &flow;
	while (!conntrack_table_remove(table, index, flow.word)) {
		uint32_t word = conntrack_table_word(table, index, flow.word);

		if (word & CONNTRACK_MOVING || !is_of_turn(word, flow.word))
			return false;
		flow.word = word;
		if (!weir_filter_matches(filter, conntrack_filter_get, &again))
			return false;
	}
	return true;
}
