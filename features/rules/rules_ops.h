/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of operations share. */
#ifndef WEIR_RULES_OPS_H
#define WEIR_RULES_OPS_H

#include "features/rules/rules_state.h"

#define RULES_NAME_TEXT 32 /* a name and its NUL */

enum rules_edit {
	RULES_ADDED,
	RULES_DELETED,
	RULES_MOVED,
	RULES_ENABLED,
	RULES_DISABLED,
};

/* One edit of the rules of run time on its way into the policy. */
struct rules_request {
	struct weir_change change;
	struct weir_engine *engine;
	enum rules_edit edit;
	struct rules_entry entry; /* RULES_ADDED: the rule; RULES_MOVED: its place alone */
	uint32_t from;		  /* where it stands in the list: all but RULES_ADDED */
	uint32_t to;		  /* before which it is put: RULES_ADDED, RULES_MOVED */
	uint32_t named;		  /* of the list, afterwards */
	char name[RULES_NAME_TEXT];
	struct rules_list draft;
	bool is_saved, is_accepted;
	uint64_t started_ns;
};

struct rules_state *rules_state_of(struct weir_engine *engine);
/* NULL: out of memory. */
struct rules_request *rules_request_new(struct weir_engine *engine, struct weir_call *call,
					enum rules_edit edit);
void rules_request_free(struct rules_request *request);
/* Returns WEIR_OP_PENDING, or an error after which the request is gone. */
int rules_request_start(struct rules_request *request);

/* The rule that the call's argument names; -ENOENT with a message. */
int rules_call_find(struct weir_call *call, const struct rules_state *state, const char *arg,
		    const struct rules_standing **ret_standing);
/* Whether the call says where, by --before, --after, --first or --last. */
bool rules_call_has_place(const struct weir_call *call);
/* Where the call wants the rule: entry->where, entry->anchor, and before which of the list. Behind
 * all others when it does not say. -EINVAL, -ENOENT, -ENOMEM. */
int rules_call_place(struct weir_call *call, const struct rules_state *state,
		     struct rules_entry *entry, uint32_t *ret_index);

int rules_run_add(struct weir_engine *engine, struct weir_call *call);
int rules_run_del(struct weir_engine *engine, struct weir_call *call);
int rules_run_move(struct weir_engine *engine, struct weir_call *call);
int rules_run_enable(struct weir_engine *engine, struct weir_call *call);
int rules_run_disable(struct weir_engine *engine, struct weir_call *call);
int rules_run_list(struct weir_engine *engine, struct weir_call *call);
int rules_run_hits(struct weir_engine *engine, struct weir_call *call);
bool rules_list_is_heavy(struct weir_engine *engine, const struct weir_call *call);

#endif
