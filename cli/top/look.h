/* SPDX-License-Identifier: Apache-2.0 */
/* One look: what was asked of the daemon, and what came. */
#ifndef WEIR_TOP_LOOK_H
#define WEIR_TOP_LOOK_H

#include <stdbool.h>
#include <stdint.h>

#include "base/json.h"

#define TOP_DETAILS 2 /* questions about one row */

enum top_fate {
	TOP_ANSWERED,
	TOP_REFUSED, /* the daemon is there, and says no */
	TOP_GONE,    /* nobody answers */
};

struct top_look {
	size_t tab, way;
	char *filter;	/* never NULL */
	const char *by; /* what the daemon is to choose the largest by; NULL: its choice */
	char *detail[TOP_DETAILS]; /* what else is asked for, of one row; or NULL */
	bool is_trial;		   /* of a filter: what there is stays when it is refused */
	uint64_t sequence;	   /* each look has the next one */

	enum top_fate fate;
	uint64_t at_ns;					       /* monotonic, when it came */
	struct weir_json *status, *answer, *told[TOP_DETAILS]; /* told: of `detail` */
	char *problem, *mend; /* unless answered; mend may be NULL */
};

/* As it is asked; copies. NULL: no memory. */
struct top_look *top_look_new(size_t tab, size_t way, const char *filter);
void top_look_free(struct top_look *look);

#endif
