/* SPDX-License-Identifier: Apache-2.0 */
/* Chains that call one another made into one list in which the first match wins. */
#ifndef WEIR_CLI_IMPORT_FLAT_H
#define WEIR_CLI_IMPORT_FLAT_H

#include "cli/import_source.h"

enum import_action {
	IMPORT_TO_ALLOW,
	IMPORT_TO_DENY,
	IMPORT_TO_REJECT,
	IMPORT_TO_COUNT,
	IMPORT_TO_LOG,
	IMPORT_TO_MARK,
	IMPORT_TO_POLICY, /* what the base chain does at its end */
};

struct import_flat {
	struct import_rule *rule;	   /* NULL: the end of a chain, see where */
	const struct import_rule *through; /* the jump by which one came here; NULL = none */
	const char *where;		   /* when rule is NULL */
	const char *why;		   /* not taken over: only its place is left */
	struct import_match match;
	enum import_action action;
	bool log, has_mark;
	uint32_t mark;
	bool matters;	     /* a rule behind it in its chain does anything but allow */
	enum import_way way; /* judged where it arrives, or where it leaves */
};

struct import_flats {
	struct import_flat *at;
	size_t count;
};

/* A base chain with all that it jumps to. What cannot be said is told and leaves its place. */
void import_flatten(struct import *import, const struct import_chain *chain,
		    struct import_flats *ret_flats);
int import_flats_add(struct import *import, struct import_flats *flats,
		     const struct import_flat *flat);
/* All base chains in the order in which packets meet them, each rule with its way, and whether the
 * policy at each end is deny. */
void import_fold(struct import *import, struct import_flats *ret_flats, bool ret_deny[IMPORT_WAYS]);
/* Writes result->yaml. */
void import_write(struct import *import, const struct import_flats *flats,
		  const bool deny[IMPORT_WAYS]);

#endif
