/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What flows carried that are no more, by what they had in common: of each kind of group the
 * heaviest, in fixed memory. It is fed by their records, and lies in a file of the run's directory,
 * so that the next run of the daemon goes on with it. Any thread.
 */
#ifndef WEIR_CONNTRACK_LEDGER_H
#define WEIR_CONNTRACK_LEDGER_H

#include "features/conntrack/conntrack_heavy.h"
#include "features/conntrack/conntrack_top.h"

struct conntrack_ledger;

/* What is asked of it; the file is made anew where it is for something else. */
struct conntrack_ledger_plan {
	uint32_t keys;	    /* of each kind; 0: nothing is added up */
	unsigned length[2]; /* of networks: IPv4, IPv6 */
	uint64_t seed;	    /* of the tables: what a file has of others is forgotten */
};

/* `dir` NULL, or no file can be made there: it ends with the run. NULL: no memory. */
struct conntrack_ledger *conntrack_ledger_new(const char *dir);
void conntrack_ledger_free(struct conntrack_ledger *ledger);
/* Goes on with what it has, as far as there is room; what it had of before first. Out of memory: as
 * before. */
void conntrack_ledger_keep(struct conntrack_ledger *ledger,
			   const struct conntrack_ledger_plan *plan);
/* What a flow carried by its record. `ends`: it is counted as one; there may be others of it. NULL:
 * nobody is told. */
void conntrack_ledger_add(struct conntrack_ledger *ledger, const struct conntrack_view *view,
			  bool ends);

struct conntrack_ledger_sums {
	struct conntrack_ledger_plan plan;
	struct conntrack_totals told; /* of all records; by side, who began it first */
	uint64_t began_ns;	      /* time of day */
	size_t bytes;		      /* of memory */
};

struct conntrack_ledger_sums conntrack_ledger_sums(struct conntrack_ledger *ledger);
/*
 * Adds what there is of groups->kind, and to its total what all carried; groups->missed is what one
 * without a place may lack. `groups` has nothing yet. Loop, or a worker in its turn, as names are
 * asked for. Gives the sums of the same moment. -ENOMEM.
 */
int conntrack_ledger_read(struct conntrack_ledger *ledger, enum conntrack_measure by,
			  struct conntrack_groups *groups, struct conntrack_ledger_sums *ret_sums);

#endif
