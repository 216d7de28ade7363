/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Flows that live long are told of while they do (the active timeout of flow exporters): each time
 * with what they carried since. What each was told to have carried is kept beside the tables, in a
 * file that the next run goes on with, and is taken off what it carried when it ends; so the sum of
 * its records is what it carried. Any thread.
 */
#ifndef WEIR_CONNTRACK_ACTIVE_H
#define WEIR_CONNTRACK_ACTIVE_H

#include "../../abi/maps.h"
#include "features/conntrack/conntrack_carried.h"

struct conntrack_active;

/* `dir` NULL: what is kept ends with the run. NULL: no memory. */
struct conntrack_active *conntrack_active_new(const char *dir);
void conntrack_active_free(struct conntrack_active *active);
struct conntrack_active_plan {
	uint32_t flows; /* that are known at the most */
	uint64_t timeout_ns;
	uint64_t seed; /* of the tables: what a file has of others is forgotten */
};

/* So many flows are told of from now on; 0 of either: none is, and what was told stays known until
 * those flows end. Out of memory: as before. */
void conntrack_active_keep(struct conntrack_active *active,
			   const struct conntrack_active_plan *plan);

enum conntrack_told {
	CONNTRACK_TOLD_LIVES,
	CONNTRACK_TOLD_ENDS,
	CONNTRACK_TOLD_PART, /* numbers of a flow that may have another record */
};

/* Takes off what was told of the flow, and forgets it unless the flow lives. NULL: nothing was.
 */
void conntrack_active_rest(struct conntrack_active *active, const struct conntrack_flow *flow,
			   enum conntrack_told told, struct conntrack_carried *carried);
/* Whether the flow is to be told of at that time: then gives what it carried since it was last, and
 * counts that as told. */
bool conntrack_active_due(struct conntrack_active *active, const struct conntrack_flow *flow,
			  uint64_t now_ns, struct conntrack_carried *carried);
/* Forgets what was told of flows that are no more, and of whose end nobody heard: of those that
 * `lives` denies for a minute. An eighth of all that are known at a time. */
void conntrack_active_sweep(struct conntrack_active *active, uint64_t now_ns,
			    bool (*lives)(const struct conntrack_key *key, void *arg), void *arg);
/* What was told of all flows that were forgotten so, over all runs that the file is of: it is in
 * records, and in what is counted as unrecorded. */
struct weir_count conntrack_active_unheard(struct conntrack_active *active);
#endif
