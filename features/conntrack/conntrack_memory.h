/* SPDX-License-Identifier: Apache-2.0 */
/* Memory that the next run of the daemon goes on with: a file of the run's directory, mapped. It
 * has the lifetime of pinned maps, and a kill takes nothing of it. */
#ifndef WEIR_CONNTRACK_MEMORY_H
#define WEIR_CONNTRACK_MEMORY_H

#include <stddef.h>
#include <stdint.h>

/* In the run's directory. Who makes another adds it to conntrack_run_files. */
#define CONNTRACK_TOTALS_FILE "flow-totals"
#define CONNTRACK_TOLD_FILE "flow-told"

/* What each piece begins with. `flows` tells by whose tables it goes: their seed. */
struct conntrack_memory {
	uint64_t kind, bytes, flows;
};

/* Zeros but for the head. In a file that takes the place of what is there once
 * conntrack_memory_name() is called; path NULL, or no file can be made: it ends with the run. NULL:
 * no memory. */
struct conntrack_memory *conntrack_memory_new(const char *path,
					      const struct conntrack_memory *head);
void conntrack_memory_name(const char *path);
/* The new one is not to take that place after all. */
void conntrack_memory_unname(const char *path);
/* What a run before has left, if it is whole, of that kind and of these flows; NULL: nothing is. */
struct conntrack_memory *conntrack_memory_found(const char *path, uint64_t kind, uint64_t flows);
void conntrack_memory_close(struct conntrack_memory *memory); /* NULL: nothing */

#endif
