/* SPDX-License-Identifier: Apache-2.0 */
/* What was counted between two snapshots, as one JSON object: a second of traffic for whoever
 * watches. */
#ifndef WEIR_API_DELTA_H
#define WEIR_API_DELTA_H

#include "../base/buf.h"
#include "../core/snapshot.h"

/*
 * {"sequence","revision","interval_ms","pass_packets","pass_bytes","drop_packets","drop_bytes",
 * "interfaces":[{"name","ifindex", and the same four}],"reasons":[{"reason","packets","bytes"}]},
 * reasons of which there was nothing left out. A counter that
 * went backwards was set to zero in between, and counts from there.
 */
void weir_delta_write(const struct weir_snapshot *before, const struct weir_snapshot *now,
		      struct weir_buf *text);

#endif
