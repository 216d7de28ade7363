/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of the feature share: its section of the configuration, its state. Nothing outside
 * includes it. */
#ifndef WEIR_CONNTRACK_STATE_H
#define WEIR_CONNTRACK_STATE_H

#include "core/engine.h"
#include "core/feature.h"
#include "features/conntrack/conntrack.h"

/* Less than a tick would be none; an entry's time is compared modulo 2^31 ticks. */
#define CONNTRACK_TIMEOUT_LEAST_NS 1000000000ULL
#define CONNTRACK_TIMEOUT_MOST_NS (100ULL * 86400 * 1000000000)

enum conntrack_switch {
	CONNTRACK_AUTO, /* on when a default policy denies, or a rule asks for a state */
	CONNTRACK_ON,
	CONNTRACK_OFF,
};

struct conntrack_section {
	int enabled; /* enum conntrack_switch */
	uint32_t capacity;
	uint32_t half_open;
	bool window_check;
	bool pick_up;
	bool asymmetric;
	struct weir_quantity timeouts[CONNTRACK_STATE_COUNT];
};

struct conntrack {
	struct weir_engine *engine; /* NULL: a look at a configuration */
	struct weir_map *counters;  /* borrowed, as the next; NULL before the first object */
	struct weir_map *shared;
	bool is_on; /* in the policy that is live */
};

extern const struct weir_feature weir_conntrack;
extern const struct weir_field conntrack_fields[];

/* Places are in whole sets, and an eighth more than flows, since a set fills before the table does.
 */
uint32_t conntrack_sets(uint32_t capacity);

#endif
