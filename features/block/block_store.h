/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The lists on disk: block.json says which ids and counters they have, block-NAME.json holds a run-
 * time list.
 */
#ifndef WEIR_BLOCK_STORE_H
#define WEIR_BLOCK_STORE_H

#include "base/diag.h"
#include "features/block/block_list.h"

/*
 * Lists of one kind, those of run time ordered by name. Zero-initialised is empty. Owns them where
 * its holder says so.
 */
struct block_lists {
	struct block_list **at;
	size_t count;
};

void block_lists_done(struct block_lists *lists); /* frees the lists too */
#define _cleanup_lists_ __attribute__((cleanup(block_lists_done)))
/* Makes room for one more, so that the next add cannot fail. */
int block_lists_reserve(struct block_lists *lists);
/* Takes the list over. -ENOMEM: not taken. */
int block_lists_add(struct block_lists *lists, struct block_list *list);
/* Takes it out without freeing it. */
void block_lists_remove(struct block_lists *lists, const struct block_list *list);
struct block_list *block_lists_find(const struct block_lists *lists, const char *name);
struct block_list *block_lists_by_id(const struct block_lists *lists, uint32_t id);

/* `dir` NULL, here and in load: nothing is kept (a configuration is only tried out). */
int block_store_save_index(const char *dir, const struct block_lists *files,
			   const struct block_lists *runtime);
int block_store_save_list(const char *dir, const struct block_list *list);
/* Absent is fine. */
int block_store_remove_list(const char *dir, const char *name);
/*
 * Reads all. ret_files: the lists of the configuration as of last time, without entries but for
 * those that have counters; ret_runtime whole. Damaged files and those of another version are kept
 * aside and told of as warnings. -ENOMEM, or what kept the directory from being read.
 */
int block_store_load(const char *dir, struct weir_diag *diag, struct block_lists *ret_files,
		     struct block_lists *ret_runtime);

#endif
