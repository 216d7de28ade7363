/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of `attack` share in user space. Nothing outside includes it. */
#ifndef WEIR_ATTACK_STATE_H
#define WEIR_ATTACK_STATE_H

#include "core/alarm.h"
#include "core/feature.h"
#include "features/attack/attack.h"
#include "features/attack/attack_machine.h"
#include "features/attack/attack_store.h"

struct attack_levels {
	struct weir_quantity elevated, attack; /* packets a second */
};

/* `attack:` of weir.yaml. */
struct attack_section {
	bool enabled;
	struct weir_quantity elevated_after, attack_after, calm_after, learn_over;
	uint32_t falls_below; /* percent */
	uint32_t elevated_factor, attack_factor;
	struct attack_levels rates[WEIR_FLOOD_COUNT]; /* by enum weir_flood */
};

/* A watched interface, by its slot. */
struct attack_iface {
	uint32_t ifindex; /* 0: none has this slot */
	char name[ATTACK_NAME_BYTES];
	struct attack_machine machine;
	uint64_t entered[WEIR_ALARMS]; /* how often it came to be so, in this run */
};

struct attack {
	struct weir_engine *engine;	   /* NULL: a look at a configuration */
	struct weir_object *object;	   /* attached last; NULL before the first */
	struct weir_map *counters, *begun; /* borrowed from it */
	bool is_clear; /* switched off, and all words say that nothing is known */
	struct attack_iface at[WEIR_INTERFACES_MAX];
	char *state_dir;
	uint64_t saved_ns; /* CLOCK_MONOTONIC; 0: nothing was judged since it was switched on */
	bool is_told;	   /* that it cannot be saved */
	struct attack_usuals usuals;
};

extern const struct weir_feature weir_attack;
extern const struct weir_field attack_fields[];
extern const struct weir_op *const attack_ops[];

/* attack_config.c */
int attack_check(const struct weir_config *config, const void *section, struct weir_diag *diag);
void attack_settings_read(const struct attack_section *section,
			  struct attack_settings *ret_settings);

/* attack.c: of the live policy. */
const struct attack_section *attack_section_of(const struct attack *state);

/* attack_watch.c */
void attack_tick(void *data, uint64_t now_ns);
void attack_watched(void *data);
/* Keeps what is usual, where there is a state directory. */
int attack_save(struct attack *state);
/* Packets of each kind that arrived at the interface with this slot. */
void attack_counts_read(const struct attack *state, uint32_t slot, struct attack_count *ret_count);

/* attack_ops.c: level, cause and since when, as members of an open object. */
void attack_put_level(const struct attack *state, uint32_t slot, struct weir_json_out *json);

/* attack_metrics.c */
int attack_snapshot(void *data, struct weir_snapshot *snapshot);

#endif
