/* SPDX-License-Identifier: Apache-2.0 */
/*
 * When a flow was last seen. In it stands only when it is to be forgotten; how long before that its
 * last packet came is told by the timeouts that were live then.
 */
#ifndef WEIR_CONNTRACK_IDLE_H
#define WEIR_CONNTRACK_IDLE_H

#include <stdbool.h>
#include <stdint.h>

#include "features/conntrack/conntrack.h"

/* A policy with these timeouts went live at `now`. False: so it was, nothing has changed. */
bool conntrack_past_add(struct conntrack_past *past, const struct conntrack_timeouts *timeouts,
			uint32_t now);
/* Forgets timeouts that no flow can have its time by any more, before ticks have come round. False:
 * nothing has changed. */
bool conntrack_past_trim(struct conntrack_past *past, uint32_t now);
/*
 * Ticks since a flow's last packet, to a second: the fewest that go with one of the timeouts and
 * with the time it was live. Where none do, it was last seen before all that is known of: since
 * then, at least.
 */
uint32_t conntrack_idle_ticks(const struct conntrack_past *past, const struct conntrack_flow *flow,
			      uint32_t now);

#endif
