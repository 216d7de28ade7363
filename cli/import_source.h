/* SPDX-License-Identifier: Apache-2.0 */
/* A foreign ruleset as both readers understand it, and what is found on the way to Weir's rules. */
#ifndef WEIR_CLI_IMPORT_SOURCE_H
#define WEIR_CLI_IMPORT_SOURCE_H

#include "base/diag.h"
#include "base/json.h"
#include "cli/import.h"
#include "cli/import_match.h"

#define IMPORT_RULES_MAX 10000 /* as many as rules: takes */
#define IMPORT_INLINE_SET 32   /* members; a larger set becomes a list of its own */

enum import_verdict {
	IMPORT_NO_VERDICT,
	IMPORT_ACCEPT,
	IMPORT_DROP,
	IMPORT_REJECT,
	IMPORT_RETURN,
	IMPORT_JUMP,
	IMPORT_GOTO,
};

enum import_hook {
	IMPORT_NO_HOOK, /* a chain that is jumped to */
	IMPORT_HOOK_INGRESS,
	IMPORT_HOOK_PREROUTING,
	IMPORT_HOOK_INPUT,
	IMPORT_HOOK_FORWARD,
	IMPORT_HOOK_OUTPUT,
	IMPORT_HOOK_POSTROUTING,
	IMPORT_HOOK_EGRESS,
};

/* One way a rule can match; a rule over a verdict map has several. They exclude one another. */
struct import_branch {
	struct import_match match;
	enum import_verdict verdict;
	const char *target; /* of jump and goto */
};

struct import_rule {
	size_t order; /* among all rules of the source, from 1 */
	const char *where, *text;
	const char *comment; /* NULL = none */
	const char *why;     /* cannot be taken over, and why; NULL = can */
	struct import_branch *branches;
	size_t branch_count;
	bool may_return; /* also when it cannot be taken over */
	bool log;
	bool has_mark;
	uint32_t mark;
	bool is_reached;  /* from a base chain */
	const char *told; /* why it was not taken over; NULL = it was */
};

struct import_chain {
	const char *table; /* "inet filter" */
	const char *name;
	const char *type_text; /* "hook input, policy drop" */
	struct import_spans family;
	struct import_words devices; /* of an ingress or egress hook */
	enum import_hook hook;
	int64_t priority;
	bool policy_drop;
	const char *why; /* the whole chain cannot be taken over; NULL = can */
	struct import_rule *rules;
	size_t rule_count;
};

/* A set of addresses that becomes one of Weir's. */
struct import_set {
	const char *name;
	const char *origin;
	struct import_addrs members; /* ranges only */
};

/* One import, from text to YAML. */
struct import {
	struct import_arena arena;
	struct weir_import *result;
	const char *file;
	struct import_chain **chains;
	size_t chain_count;
	size_t rule_count;
	struct import_set *sets;
	size_t set_count;
	const char *why; /* of the last refusal */
	struct weir_json *source;
};

/* Remembers why and returns -EOPNOTSUPP. */
int import_cannot(struct import *import, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
struct import_chain *import_chain_find(const struct import *import, const char *table,
				       const char *name);
/* Found or made; NULL without memory. */
struct import_chain *import_chain_get(struct import *import, const char *table, const char *name);
/* A new rule at the end of the chain, or NULL without memory. */
struct import_rule *import_rule_add(struct import *import, struct import_chain *chain);
/* Tells the user of a rule that is not taken over; of a chain that is inlined more than once, only
 * when the reason changes. */
void import_rule_fail(struct import *import, struct import_rule *rule, const char *why);
void import_problem(struct import *import, const char *where, const char *rule, const char *why);
void import_note(struct import *import, const char *where, const char *rule, const char *why);
/* Forgets the notes behind the first `count`: those of a rule that failed after all. */
void import_notes_cut(struct import *import, size_t count);
/* "name" as Weir's rules and sets may be called: at most 31 of a-z 0-9 . _ -; "" when nothing is
 * left of it. */
const char *import_name(struct import *import, const char *text);
/* "eth0", or "eth*": the only pattern that nft and iptables know. -EOPNOTSUPP for what weir.yaml
 * would read otherwise. */
int import_iface_check(struct import *import, const char *name);
/* Adds a set under a name of its own, and returns that. */
const char *import_set_add(struct import *import, const char *name, const char *origin,
			   struct import_addrs members);

/* "08:00" or "08:00:30" */
bool import_second_read(const char *text, uint32_t *ret_second);
/*
 * Seconds of the day as runs of whole minutes. nft and iptables count the last second of a range as
 * part of it, so that "to 18:00" ends a second later there than in a schedule: a note says so.
 * -EOPNOTSUPP for other seconds.
 */
int import_hours_align(struct import *import, const struct import_rule *rule,
		       struct import_spans *spans);

/* import_nft.c, import_iptables.c: the text as chains. -EINVAL with diag when it is not such text
 * at all. */
int import_nft_read(struct import *import, const char *text, size_t len, struct weir_diag *diag);
int import_iptables_read(struct import *import, const char *text, size_t len,
			 struct weir_diag *diag);

#endif
