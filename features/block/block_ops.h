/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of operations share. */
#ifndef WEIR_BLOCK_OPS_H
#define WEIR_BLOCK_OPS_H

#include "features/block/block_state.h"

/*
 * The nouns "block", "allow" and "set" have the same operations, told apart by the closure of their
 * rows.
 */
struct block_noun {
	enum block_action action;
	const char *runtime_list;	  /* where entries go that name no list */
	const char *see_list, *see_lists; /* how to mend the name of an entry or a list */
};

extern const struct block_noun block_noun_deny;
extern const struct block_noun block_noun_allow;
extern const struct block_noun block_noun_set;

static inline const struct block_noun *block_noun_of(const struct weir_call *call)
{
	return call->op->closure;
}

struct block_state *block_state_of(struct weir_engine *engine);

/* block_ops.c */
/*
 * The run-time list of the call, --list or the noun's own; *ret_list NULL when there is none of
 * that name yet. -EINVAL, -EEXIST.
 */
int block_call_list(struct block_state *state, struct weir_call *call, const char **ret_name,
		    struct block_list **ret_list);
/* The entry of the call; host bits that were set are a warning. -EINVAL. */
int block_call_range(struct weir_call *call, struct weir_range *ret_range);
/* Says in the call's diag that the list could not be written; returns error. */
int block_refuse_write(const struct block_state *state, struct weir_call *call, int error);
/* A successor of the list without the entry, in the set and among the singles. */
int block_list_without(const struct block_list *list, const struct weir_range *range,
		       struct block_list **ret_next);
/* --ttl in ns, 0 when not given. -EINVAL outside 1 s to 10 years, and for a set. */
int block_call_ttl(struct weir_call *call, uint64_t *ret_ttl_ns);
/* A new run-time list with its id and counter. NULL: diag says why. */
struct block_list *block_list_start(struct block_state *state, const char *name,
				    enum block_action action, struct weir_diag *diag);
/* "warnings": [text…] of the call's diag, when there are any. */
void block_reply_warnings(struct weir_call *call, struct weir_json_out *json);
/*
 * Hands a draft to the engine; `reply` writes what else is to be said once it is live. Takes the
 * draft over.
 */
struct block_request {
	struct weir_change change;
	struct block_draft draft;
	struct weir_engine *engine;
	/* Worker; builds the draft. NULL: it is built already. */
	int (*prepare)(struct block_request *request, struct block_state *state,
		       struct weir_diag *diag);
	void (*reply)(const struct block_request *request, struct weir_json_out *json);
	/*
	 * With `saved`: nothing but a single of that list changed, which is done already, and its
	 * large file is written by the worker. Then settle() is told the result, once: to finish,
	 * or to undo what was done.
	 */
	struct block_list *saved;
	void (*settle)(struct block_request *request, struct block_state *state, int result);
	struct block_single before; /* of settle(); its note is owned */
	uint64_t until_ns;
	int outcome;
	struct weir_range range;
	uint64_t ttl_ns;
	uint64_t started_ns;
	const char *name; /* of the list; borrowed from the call */
	bool is_replace;
	int format;
	struct {
		size_t read, added, replaced, duplicates, conflicts, v4, v6, removed;
	} counts;
};
struct block_request *block_request_new(struct weir_engine *engine, struct weir_call *call);
void block_request_free(struct block_request *request);
/* Returns WEIR_OP_PENDING, or an error after which the request is gone. */
int block_request_start(struct block_request *request);
/* Likewise, with `saved` and settle() set: the policy stays as it is. */
int block_request_save(struct block_request *request);
int block_request_add(struct block_request *request, struct block_list *old,
		      struct block_list *next);

int block_run_add(struct weir_engine *engine, struct weir_call *call);
int block_run_del(struct weir_engine *engine, struct weir_call *call);
int block_run_list(struct weir_engine *engine, struct weir_call *call);
int block_run_lists(struct weir_engine *engine, struct weir_call *call);
/* Lists and live set for `weir status`. */
void block_status(void *state, struct weir_json_out *json);
int block_run_import(struct weir_engine *engine, struct weir_call *call);
/* Whether a look at all entries of the call's lists takes longer than the loop may. */
bool block_is_heavy(struct weir_engine *engine, const struct weir_call *call);
int block_run_export(struct weir_engine *engine, struct weir_call *call);
int block_run_clear(struct weir_engine *engine, struct weir_call *call);

#endif
