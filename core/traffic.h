/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What watched devices themselves count, all packets of the wire whoever let them pass, and how
 * much that was a second of late. Nothing of it is the program's: a restart leaves no gap in it.
 */
#ifndef WEIR_CORE_TRAFFIC_H
#define WEIR_CORE_TRAFFIC_H

#include "core/snapshot.h"

#define WEIR_TRAFFIC_RATE_S 5 /* rates are over so long, less where the device was seen for less */

struct weir_traffic; /* what was counted of late */

/* NULL: no memory. */
struct weir_traffic *weir_traffic_new(void);
void weir_traffic_free(struct weir_traffic *traffic);
/* Reads the counters of the snapshot's interfaces and adds them and their rates to
 * its samples and to its interfaces.
 * What the kernel does not tell is left out. -ENOMEM. */
int weir_traffic_sample(struct weir_traffic *traffic, struct weir_snapshot *snapshot);

#endif
