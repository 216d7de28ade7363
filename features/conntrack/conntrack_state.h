/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of the feature share: its section of the configuration, its state. Nothing outside
 * includes it. */
#ifndef WEIR_CONNTRACK_STATE_H
#define WEIR_CONNTRACK_STATE_H

#include "core/engine.h"
#include "core/feature.h"
#include "features/conntrack/conntrack_table.h"

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
	bool account;
	uint32_t records;		     /* of ended flows, that are kept */
	struct weir_quantity active_timeout; /* 0: none */
	struct {
		uint32_t keys;
		uint32_t prefix, prefix6;
	} totals;
	struct conntrack_lives {
		struct weir_quantity of_state[CONNTRACK_STATE_COUNT];
		struct weir_quantity of_proto[CONNTRACK_TIMEOUT_COUNT]; /* 0: as of the state */
	} timeouts;
	struct {
		char **ftp;
		unsigned ftp_count;
	} helpers;
};

struct conntrack {
	struct weir_engine *engine; /* NULL: a look at a configuration */
	struct weir_map *counters;  /* borrowed, as the next; NULL before the first object */
	struct weir_map *shared;
	struct weir_map *expected;
	struct weir_map *known_past;
	struct weir_map *reasons;	       /* accounts are among them (abi/account.h) */
	uint64_t expectations, offers_refused; /* written, and not */
	struct conntrack_table tables[CONNTRACK_TABLES]; /* of the object at hand */
	uint64_t resize; /* the last there was (weir_object_resize()) */
	struct conntrack_table old[CONNTRACK_TABLES]; /* of before a reload, or closed */
	/* Flows that may come over, after conntrack_fits(): all, or as many as --drop-oldest
	 * leaves. */
	uint32_t room[CONNTRACK_TABLES];
	struct conntrack_records *records; /* conntrack_record.h */
	struct conntrack_ledger *ledger;   /* conntrack_ledger.h */
	struct conntrack_active *active;   /* conntrack_active.h */
	struct conntrack_hold *hold;	   /* conntrack_hold.h */
	bool goes_on;			   /* flows are told of while they live */
	unsigned length[2];		   /* of networks, IPv4 and IPv6, by the live policy */
	uint64_t streamed, unstreamed;	   /* the next of them to be streamed; lost by being late */
	uint64_t measured;		   /* the next that others are asked of */
	struct weir_replay *replay;	   /* NULL: live packets */
	uint64_t replayed;		   /* flows of it that were told of */
	uint64_t seed;
	int enabled; /* enum conntrack_switch, of the live policy */
	bool is_on;
	bool relays;		      /* the object at hand translates flows */
	bool is_reused;		      /* the tables were there before */
	uint64_t adopted;	      /* connections of before, in this run */
	uint32_t capacity, half_open; /* of the live policy, as the next */
	struct conntrack_past past;
	/* Of all flows there are, it is written that their numbers are not followed. A run that
	 * begins does not know. */
	bool has_lost;
	struct conntrack_sweep {
		uint32_t next; /* set */
		uint32_t live; /* counted since the first set */
		uint32_t seen; /* the same of the last whole round */
	} sweeps[CONNTRACK_TABLES];
};

extern const struct weir_feature weir_conntrack;
extern const struct weir_replay_hooks conntrack_replay;
extern const struct weir_field conntrack_fields[];
extern const struct weir_op *const conntrack_ops[];
/* conntrack_compile.c */
int conntrack_compile(struct weir_compile *compile);
int conntrack_classes(struct weir_compile *compile);
int conntrack_constants_set(const void *section, const struct weir_image *image,
			    struct weir_constants *constants);
/* conntrack_config.c */
struct conntrack_timeouts conntrack_timeouts_of(const struct conntrack_section *section);
/* conntrack_adopt.c */
bool conntrack_wants_flows(const void *state);
int conntrack_adopt(void *state, const struct weir_config *config,
		    const struct weir_kernel_flow *flow, enum weir_adopted_as as);
/* conntrack_help.c */
int conntrack_check(const struct weir_config *config, const void *section, struct weir_diag *diag);
int conntrack_helpers_check(const struct weir_config *config, const void *section,
			    struct weir_diag *diag);
/* Fills in the ports; returns whether there are any. */
bool conntrack_helpers_fill(const struct conntrack_section *section,
			    struct conntrack_helpers *helpers);
void conntrack_event(void *state, const struct weir_event *event);
/* Expectations that nothing came of go. */
void conntrack_expectations_sweep(struct conntrack *state, uint32_t now);
/* conntrack_account.c */
struct conntrack_ended conntrack_ended_get(const struct conntrack *state);
int conntrack_account_snapshot(const struct conntrack *state, struct weir_snapshot *snapshot);
/* Where packets are counted, by account: a member of the open object. */
void conntrack_account_put(const struct conntrack *state, struct weir_json_out *json);
void conntrack_account_status(const struct conntrack *state, struct weir_json_out *json);
/* conntrack_move.c */
int conntrack_fits(void *state, const struct weir_config *config, bool drops,
		   struct weir_diag *diag);
/* Whether only the other table has another size: then this one is what it was. */
bool conntrack_table_stays(const struct conntrack *state, int kind);
int conntrack_turn(void *state);
void conntrack_settle(void *state, struct weir_settling *settling);

/* Places are in whole sets, and a quarter more than flows, since a set fills before the table does.
 */
uint32_t conntrack_sets(uint32_t capacity);
/* conntrack_ops.c: how many flows the tables are to hold, and the places they have for that. */
void conntrack_capacities_put(const struct conntrack *state, struct weir_json_out *json);

#endif
