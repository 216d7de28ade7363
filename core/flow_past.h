/* SPDX-License-Identifier: Apache-2.0 */
/* How well TCP got on in flows that are over: the last so many, by their ends. A flow is told of
 * some minutes after it ended, when what measured it has forgotten it long ago. */
#ifndef WEIR_CORE_FLOW_PAST_H
#define WEIR_CORE_FLOW_PAST_H

#include "flow_quality.h"

struct weir_flow_past;

/* Memory is taken as it is needed: 120 bytes a flow. NULL: there is none. */
struct weir_flow_past *weir_flow_past_new(uint32_t most);
void weir_flow_past_free(struct weir_flow_past *past);
/* Where there are as many as there may be, the oldest goes. */
void weir_flow_past_add(struct weir_flow_past *past, const struct weir_flow_ends *flow,
			const struct weir_flow_quality *quality);
/* With the ends in this order: the one that began next to it. NULL: none. Of ends that were used
 * over and over only the last 64. Borrowed, until the next is added. */
const struct weir_flow_quality *weir_flow_past_find(const struct weir_flow_past *past,
						    const struct weir_flow_ends *flow,
						    uint64_t *ret_apart_ns);

#endif
