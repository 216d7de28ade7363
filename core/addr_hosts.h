/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The exact hash of single IPv6 addresses: two buckets of three places for each, built off-line
 * until all have one.
 */
#ifndef WEIR_CORE_ADDR_HOSTS_H
#define WEIR_CORE_ADDR_HOSTS_H

#include "addr_lines.h"

struct weir_host6 {
	uint64_t high;
	uint64_t low;
	uint32_t class;
	bool placed; /* out: false when neither bucket had room, and the tree must have it */
};

/*
 * Append the buckets to `lines` and fill in the hosts6 fields of root. Hosts are distinct; the same
 * hosts in the same order give the same bytes. Addresses that were made to collide are left out
 * (`placed`) rather than allowed to grow the table. -ENOMEM, -E2BIG as weir_lines_add().
 */
int weir_hosts6_build(struct weir_lines *lines, struct weir_host6 *hosts, uint32_t count,
		      struct weir_addr_root *root);

#endif
