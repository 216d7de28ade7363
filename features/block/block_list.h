/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One list: its name, what it does, and its entries. Those of the compiled policy are a block_set;
 * those that act through the live set, because they were added one by one or expire, are "singles".
 */
#ifndef WEIR_BLOCK_LIST_H
#define WEIR_BLOCK_LIST_H

#include "features/block/block.h"
#include "features/block/block_set.h"
#include "features/block/block_slots.h"

#define BLOCK_NAME_MAX 31
#define BLOCK_LISTS_MAX 4096	    /* ids are 1 to this */
#define BLOCK_HIT_ENTRIES_MAX 16384 /* entries of lists with hits: true, together */
#define BLOCK_TTL_MOST_S (10ull * 365 * 86400)

enum block_origin {
	BLOCK_FROM_FILE,    /* the configuration */
	BLOCK_FROM_RUNTIME, /* operations */
	BLOCK_FROM_FEED,
	BLOCK_FROM_CLUSTER,
	BLOCK_ORIGINS,
};

extern const char *const block_action_names[];
/* Its number, or -1. */
int block_action_from_string(const char *name);
extern const char *const block_origin_names[];

struct block_single {
	struct weir_range range;
	char *note;	     /* NULL = none */
	uint64_t until_ns;   /* CLOCK_REALTIME, 0 = stays */
	uint64_t expires_ns; /* the same instant by CLOCK_MONOTONIC, 0 = stays */
	uint32_t hit;	     /* its counter; 0: the list's */
	uint32_t ticket;     /* tells owners of one prefix apart in the live set */
	bool is_folded;	     /* the compiled policy has it too; about to leave the live set */
};

struct block_list {
	uint32_t id;
	enum block_action action;
	enum block_origin origin;
	char name[BLOCK_NAME_MAX + 1];
	char *note;
	bool has_entry_hits;
	uint32_t hit; /* counter of what no entry's counter counts */
	uint32_t *
		entry_hits[BLOCK_FAMILIES]; /* with has_entry_hits: one for each entry of the set */
	struct weir_count retired;	    /* of counters that were given back */
	struct block_set set;
	struct block_single *singles; /* in the order of their ranges */
	size_t single_count;
	/*
	 * Greatest end of each run of singles, for block_list_cover(); made when first asked for
	 * and void after each change of the singles (block_list_singles_changed). Loop only.
	 */
	struct weir_addr *reach;
	bool has_reach;
	bool is_dirty; /* the file is behind: entries expired */
};

struct block_list *block_list_new(const char *name, enum block_action action,
				  enum block_origin origin);
void block_list_free(struct block_list *list);
static inline void block_list_freep(struct block_list **list)
{
	block_list_free(*list);
}
#define _cleanup_list_ __attribute__((cleanup(block_list_freep)))
/* Name, id, counters, note: all but the entries. NULL when out of memory. */
struct block_list *block_list_clone(const struct block_list *list);

/* A set decides nothing: it has no counters, and none of its entries acts through the live set. */
static inline bool block_list_decides(const struct block_list *list)
{
	return list->action < BLOCK_VERDICTS;
}

/* Whether an address on both is contradictory. */
static inline bool block_lists_disagree(const struct block_list *one,
					const struct block_list *other)
{
	return one->action != other->action && block_list_decides(one) && block_list_decides(other);
}

/* NULL when it is one, else a sentence that says what a name may be. */
const char *block_name_fault(const char *name);

/* Whether writing its file takes longer than the loop may. */
bool block_list_is_large(const struct block_list *list);
/* Where the range stands among the singles, or would. */
bool block_list_find_single(const struct block_list *list, const struct weir_range *range,
			    size_t *ret_index);
/* Takes single over, its note too; the range must not be there yet. -ENOMEM: nothing taken. */
int block_list_insert_single(struct block_list *list, size_t index, struct block_single *single);
void block_list_delete_single(struct block_list *list, size_t index);
/* After singles were moved by other means than the functions here. */
void block_list_singles_changed(struct block_list *list);
/*
 * Copies all singles of `from` but the one that is exactly `except` (may be NULL). `list` must have
 * none.
 */
int block_list_copy_singles(struct block_list *list, const struct block_list *from,
			    const struct weir_range *except);
/*
 * Joins `more` (sorted, taken over: emptied) into the singles; one of the same range replaces the
 * old, keeping its counter.
 */
int block_list_merge_singles(struct block_list *list, struct block_single *more, size_t count);
int block_single_compare(const void *a, const void *b);

/* Packets and bytes it decided, by all its counters as read last. */
struct weir_count block_list_hits(const struct block_slots *slots, const struct block_list *list);
/* Entries as a user counts them: those in both places once. */
size_t block_list_count(const struct block_list *list, enum block_family family);
/*
 * Calls `each` in address order, IPv4 first, until it returns non-zero, which is returned. hit 0:
 * the entry has no counter.
 */
struct block_shown {
	const struct block_list *list;
	struct weir_range range;
	const char *note;
	uint64_t until_ns;
	uint32_t hit;
};
int block_list_each(const struct block_list *list,
		    int (*each)(const struct block_shown *shown, void *arg), void *arg);
/* The most specific entry that holds addr. On the loop's thread; in O(log n), so each event may
 * ask. */
bool block_list_cover(struct block_list *list, const struct weir_addr *addr,
		      struct block_shown *ret_shown);
/* Any entry that shares an address with range. */
bool block_list_overlap(const struct block_list *list, const struct weir_range *range,
			struct weir_range *ret_entry);

#endif
