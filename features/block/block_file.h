/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The file of one run-time list: JSON, an entry a line, so that a million are read in a fraction of
 * a second and a person can still look at them, or mend them by hand.
 */
#ifndef WEIR_BLOCK_FILE_H
#define WEIR_BLOCK_FILE_H

#include "base/diag.h"
#include "features/block/block_list.h"

#define BLOCK_FILE_VERSION 1

/* Both instants of one expiry: a wall clock for the file, a monotonic one for the kernel. */
struct block_now {
	uint64_t real_ns;
	uint64_t monotonic_ns;
};
struct block_now block_now(void);
/* The monotonic instant of a wall-clock one that lies ahead; 0 for 0. */
uint64_t block_expires(const struct block_now *now, uint64_t until_ns);

/*
 * Members entry, note and until, those that are there; or, for a bare entry outside an object, its
 * text alone.
 */
void block_file_write(const struct block_list *list, struct weir_buf *text);
/*
 * Permanent entries come into the list's set, those that expire among its singles; what has expired
 * is left out. -EINVAL: damaged; -EPROTONOSUPPORT: of another version. Both with one line in diag
 * that says what.
 */
int block_file_read(const char *text, size_t len, const struct block_now *now,
		    struct weir_diag *diag, struct block_list **ret_list);

#endif
