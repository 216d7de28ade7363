/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A sorted set of address ranges, each with a note if wanted: 8 bytes for an IPv4 entry, 32 for an
 * IPv6 one, so that millions fit. For what is replaced as a whole; single changes with a lifetime
 * are struct block_single.
 */
#ifndef WEIR_BLOCK_SET_H
#define WEIR_BLOCK_SET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/addr.h"
#include "base/buf.h"

enum block_family {
	BLOCK_V4,
	BLOCK_V6,
	BLOCK_FAMILIES,
};

/*
 * The entries of one family. Sorted by start, the larger first; no range stands twice; they may
 * nest and overlap.
 */
struct block_half {
	enum block_family family;
	void *ranges;
	uint32_t *notes; /* offsets into the pool of notes; NULL: none has a note */
	struct weir_addr *
		reach; /* greatest end of each run of entries, so that a look-up skips whole runs */
	size_t count;
	size_t capacity;
};

#define BLOCK_NOTE_CACHE 256

/* Zero-initialised is empty and valid. Entries are appended in any order, then sealed. */
struct block_set {
	struct block_half half[BLOCK_FAMILIES];
	struct weir_buf notes; /* texts with their NUL; offset 0 is "no note" */
	uint32_t *note_cache;  /* offsets of notes seen lately, while building */
};

struct block_entry {
	struct weir_range range;
	const char *note; /* NULL = none; borrowed from the set */
};

void block_set_done(struct block_set *set);
#define _cleanup_set_ __attribute__((cleanup(block_set_done)))
size_t block_set_count(const struct block_set *set);
/* Bytes it occupies on the heap. */
size_t block_set_bytes(const struct block_set *set);

/*
 * Adds an entry while building; `note` need not end in NUL, len 0 = none. Amortised constant.
 * -ENOMEM, -E2BIG (4 GiB of notes).
 */
int block_set_append(struct block_set *set, const struct weir_range *range, const char *note,
		     size_t len);
/*
 * Sorts, drops repeated ranges (the first stays) and says how many those were. Linear for IPv4.
 * -ENOMEM.
 */
int block_set_seal(struct block_set *set, size_t *ret_duplicates);

/* Below: of a sealed set. */
void block_set_at(const struct block_set *set, enum block_family family, size_t index,
		  struct block_entry *ret_entry);
/* This very range. */
bool block_set_find(const struct block_set *set, const struct weir_range *range, size_t *ret_index);
/* Of the entries that hold addr the one that starts last: the most specific one where they nest. */
bool block_set_cover(const struct block_set *set, const struct weir_addr *addr, size_t *ret_index);
/* Any entry that shares an address with range. */
bool block_set_overlap(const struct block_set *set, const struct weir_range *range,
		       size_t *ret_index);
/*
 * Union. Where both have an entry the note of `more` wins, if it has one. ret_added counts those
 * that `set` had not.
 */
int block_set_merge(const struct block_set *set, const struct block_set *more,
		    struct block_set *ret_union, size_t *ret_added);
/* How many entries of `other` the set has not. Linear. */
size_t block_set_count_missing(const struct block_set *set, const struct block_set *other);
/* A copy without the one entry. */
int block_set_without(const struct block_set *set, const struct weir_range *range,
		      struct block_set *ret_rest);
/* Sets or (NULL) takes away the note of an entry. */
int block_set_note(struct block_set *set, enum block_family family, size_t index, const char *note);

static inline enum block_family block_family_of(const struct weir_range *range)
{
	return weir_addr_is_v4(&range->from) ? BLOCK_V4 : BLOCK_V6;
}

#endif
