/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whom the kernel can send to on its links: its neighbours with a link address. They are told of
 * again and again, each time the kernel makes sure of one; of a way only another link address, or
 * none any more, makes an end.
 */
#ifndef WEIR_CORE_WAYS_NEAR_H
#define WEIR_CORE_WAYS_NEAR_H

#include <linux/netlink.h>
#include <stdbool.h>

struct weir_ways_near {
	void *tree;	    /* <search.h>, of those that packets may be sent to */
	unsigned forgotten; /* of those, whom the kernel itself does not know any more */
	bool is_whole;	    /* else all that is told of may end a way */
};

/* All that the kernel has now, whatever was known. Blocks for its answer only; not whole when that
 * has gaps. Changes are to be listened to before. */
void weir_ways_near_ask(struct weir_ways_near *near);
/* RTM_NEWNEIGH or RTM_DELNEIGH: notes it; whether a way may end by it. */
bool weir_ways_near_note(struct weir_ways_near *near, const struct nlmsghdr *message);
void weir_ways_near_clear(struct weir_ways_near *near);

#endif
