/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of `add` share: one entry on its way into a list. */
#ifndef WEIR_BLOCK_ADDITION_H
#define WEIR_BLOCK_ADDITION_H

#include "features/block/block_ops.h"

enum add_outcome {
	ADD_NEW,
	ADD_REFRESHED, /* lifetime or note are others now */
	ADD_UNCHANGED,
};

struct block_addition {
	struct block_state *state;
	struct weir_call *call;
	struct block_list *list;
	struct weir_range range;
	const char *note;
	uint64_t ttl_ns;
	uint64_t until_ns;
	uint64_t expires_ns;
	enum add_outcome outcome;
};

/* What became of it, as members of an open object. */
void addition_reply(const struct block_addition *addition, struct weir_json_out *json);
/*
 * The list's file is large: what was added is in force, and the worker writes it down before that
 * is told. The caller sets settle(). NULL: out of memory.
 */
struct block_request *addition_save(const struct block_addition *addition,
				    enum add_outcome outcome);
/* Whether `given` is a note (not NULL) and another one than `has` (may be NULL). */
bool block_note_differs(const char *has, const char *given);

/* block_add_compiled.c: where the compiled policy has the entry. */
/* It is to stay: only the note can be new. */
int addition_renote(struct block_addition *addition, size_t index);
/* Into the list of that name, a set, by a change: rules see the compiled policy alone. */
int addition_join(const struct block_addition *addition, const char *name);
/* It is to expire: only then, made anew without it, can the policy let it go. */
int addition_demote(struct block_addition *addition);

#endif
