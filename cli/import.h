/* SPDX-License-Identifier: Apache-2.0 */
/* Rules of other firewalls as a `rules:` section, and what of them Weir cannot say. */
#ifndef WEIR_CLI_IMPORT_H
#define WEIR_CLI_IMPORT_H

#include <stddef.h>

#include "base/buf.h"
#include "base/diag.h"

enum weir_import_from {
	WEIR_IMPORT_NFT,      /* nft -j list ruleset */
	WEIR_IMPORT_IPTABLES, /* iptables-save and ip6tables-save */
};

struct weir_import_remark {
	char *where; /* table, chain and handle, or the line */
	char *rule;  /* as it stands there */
	char *why;
	size_t order; /* of the rule in the source, from 1; 0 = not about one rule */
};

struct weir_import_remarks {
	struct weir_import_remark *at;
	size_t count;
};

struct weir_import {
	struct weir_buf yaml;
	size_t mapped;			     /* rules of the source taken over exactly */
	struct weir_import_remarks unmapped; /* not taken over, in the order of the source */
	struct weir_import_remarks notes;    /* taken over, with something one should know */
};

void weir_import_done(struct weir_import *import);
#define _cleanup_weir_import_ __attribute__((cleanup(weir_import_done)))
/*
 * Same text, same result. -EINVAL with diag when it is not what `from` says; -ENOMEM. `file` is
 * named in problems.
 */
int weir_import_text(enum weir_import_from from, const char *text, size_t len, const char *file,
		     struct weir_diag *diag, struct weir_import *ret_import);

#endif
