/* SPDX-License-Identifier: Apache-2.0 */
/* What probe.c and replay.c share. */
#ifndef WEIR_CORE_PROBE_PRIVATE_H
#define WEIR_CORE_PROBE_PRIVATE_H

#include "probe.h"

struct weir_probe {
	struct weir_object *object;
	struct weir_commit *commit;
	bool follows;
	void *states[WEIR_FEATURES_MAX];
};

#endif
