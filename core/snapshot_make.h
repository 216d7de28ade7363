/* SPDX-License-Identifier: Apache-2.0 */
/* Making a snapshot; for the engine's tick alone. */
#ifndef WEIR_CORE_SNAPSHOT_MAKE_H
#define WEIR_CORE_SNAPSHOT_MAKE_H

#include "feature.h"
#include "interfaces.h"
#include "snapshot.h"
#include "traffic.h"

struct weir_snapshot_sources {
	struct weir_object *object;
	const struct weir_interfaces *interfaces;
	void *const *states;
	struct weir_traffic *traffic;
	uint64_t sequence;
	uint64_t revision;
};

int weir_snapshot_make(const struct weir_snapshot_sources *sources,
		       struct weir_snapshot **ret_snapshot);

#endif
