/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of the feature share: its section of the configuration, its plan, its state.
 * Nothing outside includes it. */
#ifndef WEIR_RULES_STATE_H
#define WEIR_RULES_STATE_H

#include "core/engine.h"
#include "core/feature.h"
#include "features/rules/rules_hits.h"
#include "features/rules/rules_list.h"
#include "features/rules/rules_order.h"
#include "features/rules/rules_rule.h"

struct rules_policy_config {
	char *interface;
	int ingress, egress; /* RULES_ALLOW or RULES_DENY */
};

struct rules_set_config {
	char *name;
	char *members;
};

struct rules_group_config {
	char *name;
	bool enabled;
};

struct rules_section {
	bool enabled;
	struct rules_policy_config *policies;
	unsigned policy_count;
	struct rules_set_config *sets;
	unsigned set_count;
	struct rules_group_config *groups;
	unsigned group_count;
	struct rules_text *rules;
	unsigned rule_count;
};

/*
 * What the last compile() made, waiting for live(). A refused one is forgotten by the next. The
 * worker writes it and the loop takes it over, never at one time: between them lies the engine's
 * hand-over.
 */
struct rules_next {
	struct rules_order *order;
	struct rules_index rows;
	struct rules_index missing; /* names of sets that nothing has, hashed */
	uint32_t words;
	bool is_saved; /* the state file says so already */
};

struct rules_state {
	struct weir_engine *engine;	  /* NULL: a look at a configuration */
	char *dir;			  /* NULL: nothing is kept */
	const struct weir_config *config; /* live; NULL before the first */
	struct rules_list runtime;
	struct rules_order *order; /* of the live policy */
	struct rules_hits hits;
	struct rules_index missing; /* of the live policy */
	struct rules_next next;
	struct weir_map *clock; /* borrowed; NULL before an object is attached */
	uint32_t words;		/* of the live policy's vectors */
	bool is_live;		/* a policy of this run has gone live */
	bool is_damaged;	/* the state file is to be written in any case */
};

extern const struct weir_feature weir_rules;
extern const struct weir_field rules_fields[];
const struct rules_section *rules_section_of(const struct weir_config *config);
int rules_check(const struct weir_config *config, const void *section, struct weir_diag *diag);
/* rules_egress.c: warns of what is said of packets that leave where nobody looks. */
void rules_text_check_egress(const struct weir_config *config, const struct rules_text *text,
			     const char *key, struct weir_diag *diag);
void rules_check_egress(const struct weir_config *config, const struct rules_section *section,
			struct weir_diag *diag);
/* Whether the group lets its rules act; one without a group, or of no group known, does. */
bool rules_group_is_on(const struct rules_section *section, const char *group);
bool rules_group_exists(const struct rules_section *section, const char *group);
/* rules_warn.c. `path` as for rules_rule_read(). */
void rules_rule_warn(const struct weir_config *config, const struct rules_rule *rule,
		     const char *path, struct weir_diag *diag);

/* Names that nothing has, names that two have: refused in what a person does now; a start, the end
 * of a trial, and a look without the lists of run time, go on without them. */
bool rules_is_strict(const struct weir_compile *compile);
/* Whether the configuration is not the live one, and what it does to rules of run time is to be
 * told. */
bool rules_is_new_config(const struct weir_compile *compile);
/* rules_state.c */
int rules_state_new(struct weir_engine *engine, const char *state_dir, struct weir_diag *diag,
		    void **ret_state);
void rules_state_free(void *state);
int rules_state_attach(void *state, struct weir_object *object, struct weir_diag *diag);
void rules_state_live(void *state, const struct weir_config *config);
void rules_state_tick(void *state, uint64_t now_ns);
void rules_next_done(struct rules_next *next);

/* rules_shown.c */
int rules_snapshot(void *state, struct weir_snapshot *snapshot);
void rules_status(void *state, struct weir_json_out *json);
void rules_describe(void *state, const struct weir_verdict *verdict, struct weir_json_out *json);

extern const struct weir_op *const rules_ops[];

#endif
