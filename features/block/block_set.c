/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The compact sorted set. One code for both families: only how a range is stored differs (half_get,
 * half_put).
 */
#include "features/block/block_set.h"

#include <endian.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/hash.h"
#include "features/block/block_sort.h"

#define RUN_BITS 6 /* entries to one word of `reach`: 64 */
#define RUN (1u << RUN_BITS)
#define FIRST_CAPACITY 16

static size_t half_width(const struct block_half *half)
{
	return half->family == BLOCK_V4 ? sizeof(struct block_v4) : sizeof(struct weir_range);
}

static struct weir_addr addr_of_v4(uint32_t number)
{
	struct weir_addr addr = { .bytes = { [10] = 0xff, [11] = 0xff } };
	addr.be32[3] = htobe32(number);
	return addr;
}

static void half_get(const struct block_half *half, size_t index, struct weir_range *ret_range)
{
	if (half->family == BLOCK_V6) {
		*ret_range = ((const struct weir_range *)half->ranges)[index];
		return;
	}
	const struct block_v4 *v4 = (const struct block_v4 *)half->ranges + index;
	*ret_range = (struct weir_range){ addr_of_v4(v4->from), addr_of_v4(v4->to) };
}

static void half_put(struct block_half *half, size_t index, const struct weir_range *range)
{
	if (half->family == BLOCK_V6)
		((struct weir_range *)half->ranges)[index] = *range;
	else
		((struct block_v4 *)half->ranges)[index] = (struct block_v4){
			be32toh(range->from.be32[3]),
			be32toh(range->to.be32[3]),
		};
}

void block_set_done(struct block_set *set)
{
	for (int family = 0; family < BLOCK_FAMILIES; family++) {
		free(set->half[family].ranges);
		free(set->half[family].notes);
		free(set->half[family].reach);
	}
	weir_buf_done(&set->notes);
	free(set->note_cache);
	*set = (struct block_set){ 0 };
}

size_t block_set_count(const struct block_set *set)
{
	return set->half[BLOCK_V4].count + set->half[BLOCK_V6].count;
}

size_t block_set_bytes(const struct block_set *set)
{
	size_t bytes = set->notes.capacity;
	for (int family = 0; family < BLOCK_FAMILIES; family++) {
		const struct block_half *half = &set->half[family];
		bytes += half->capacity *
			 (half_width(half) + (half->notes ? sizeof(*half->notes) : 0));
		bytes += half->reach ? (half->count + RUN) / RUN * sizeof(*half->reach) : 0;
	}
	return bytes;
}

static int half_resize(struct block_half *half, size_t capacity)
{
	void *ranges = realloc(half->ranges, capacity * half_width(half));
	if (!ranges)
		return -ENOMEM;
	half->ranges = ranges;
	if (half->notes) {
		uint32_t *notes = realloc(half->notes, capacity * sizeof(*notes));
		if (!notes)
			return -ENOMEM;
		half->notes = notes;
	}
	half->capacity = capacity;
	return 0;
}

static int half_reserve(struct block_half *half, size_t capacity)
{
	return capacity <= half->capacity ? 0 : half_resize(half, capacity);
}

/* Most lists have no notes at all and pay nothing for them. */
static int half_set_note(struct block_half *half, size_t index, uint32_t note)
{
	if (!half->notes && note)
		half->notes = calloc(half->capacity, sizeof(*half->notes));
	if (!half->notes)
		return note ? -ENOMEM : 0;
	half->notes[index] = note;
	return 0;
}

static uint32_t half_note(const struct block_half *half, size_t index)
{
	return half->notes ? half->notes[index] : 0;
}

static int half_append(struct block_half *half, const struct weir_range *range, uint32_t note)
{
	if (half->count == half->capacity) {
		int r = half_resize(half, half->capacity ? half->capacity * 2 : FIRST_CAPACITY);
		if (r < 0)
			return r;
	}
	half_put(half, half->count, range);
	int r = half_set_note(half, half->count, note);
	if (r < 0)
		return r;
	half->count++;
	return 0;
}

/*
 * A feed repeats few notes over many lines; a small cache by hash keeps one copy of most of them.
 */
static int note_intern(struct block_set *set, const char *note, size_t len, uint32_t *ret_offset)
{
	if (!set->note_cache)
		set->note_cache = calloc(BLOCK_NOTE_CACHE, sizeof(*set->note_cache));
	if (!set->note_cache)
		return -ENOMEM;
	uint32_t *seen = &set->note_cache[weir_hash_bytes(note, len, 0) % BLOCK_NOTE_CACHE];
	const char *text = *seen ? set->notes.data + *seen : NULL;
	if (text && strncmp(text, note, len) == 0 && !text[len]) {
		*ret_offset = *seen;
		return 0;
	}

	if (!set->notes.len)
		weir_buf_add_char(&set->notes, '\0');
	if (set->notes.len + len + 1 > UINT32_MAX)
		return -E2BIG;
	uint32_t offset = (uint32_t)set->notes.len;
	weir_buf_add(&set->notes, note, len);
	if (weir_buf_add_char(&set->notes, '\0') < 0)
		return -ENOMEM;
	*ret_offset = *seen = offset;
	return 0;
}

int block_set_append(struct block_set *set, const struct weir_range *range, const char *note,
		     size_t len)
{
	uint32_t offset = 0;
	if (len) {
		int r = note_intern(set, note, len, &offset);
		if (r < 0)
			return r;
	}
	enum block_family family = block_family_of(range);
	set->half[family].family = family;
	return half_append(&set->half[family], range, offset);
}

/* Two entries next to one another that are the same become one. */
static size_t half_unique(struct block_half *half)
{
	size_t kept = 0, width = half_width(half);
	char *ranges = half->ranges;
	for (size_t i = 0; i < half->count; i++) {
		if (kept && memcmp(ranges + (kept - 1) * width, ranges + i * width, width) == 0)
			continue;
		if (kept != i) {
			memcpy(ranges + kept * width, ranges + i * width, width);
			if (half->notes)
				half->notes[kept] = half->notes[i];
		}
		kept++;
	}
	size_t dropped = half->count - kept;
	half->count = kept;
	return dropped;
}

/* Recomputes `reach`, and gives back what growing by doubling took too much. */
static int half_finish(struct block_half *half)
{
	free(half->reach);
	half->reach = NULL;
	if (!half->count)
		return 0;
	if (half->capacity > half->count + half->count / 8 && half_resize(half, half->count) < 0)
		return -ENOMEM;

	half->reach = calloc((half->count + RUN - 1) / RUN, sizeof(*half->reach));
	if (!half->reach)
		return -ENOMEM;
	for (size_t i = 0; i < half->count; i++) {
		struct weir_range range;
		half_get(half, i, &range);
		struct weir_addr *reach = &half->reach[i >> RUN_BITS];
		if (!(i & (RUN - 1)) || weir_addr_compare(reach, &range.to) < 0)
			*reach = range.to;
	}
	return 0;
}

int block_set_seal(struct block_set *set, size_t *ret_duplicates)
{
	struct block_half *v4 = &set->half[BLOCK_V4], *v6 = &set->half[BLOCK_V6];
	int r = block_sort_v4(v4->ranges, v4->notes, v4->count);
	if (r == 0)
		r = block_sort_v6(v6->ranges, v6->notes, v6->count);
	if (r < 0)
		return r;

	size_t duplicates = half_unique(v4) + half_unique(v6);
	r = half_finish(v4);
	if (r == 0)
		r = half_finish(v6);
	if (r < 0)
		return r;
	free(weir_take(set->note_cache));
	if (ret_duplicates)
		*ret_duplicates = duplicates;
	return 0;
}

void block_set_at(const struct block_set *set, enum block_family family, size_t index,
		  struct block_entry *ret_entry)
{
	const struct block_half *half = &set->half[family];
	uint32_t note = half_note(half, index);
	half_get(half, index, &ret_entry->range);
	ret_entry->note = note ? set->notes.data + note : NULL;
}

/* First entry that is not before range. */
static size_t half_lower_bound(const struct block_half *half, const struct weir_range *range)
{
	size_t low = 0, high = half->count;
	while (low < high) {
		size_t middle = low + (high - low) / 2;
		struct weir_range found;
		half_get(half, middle, &found);
		if (weir_range_compare(&found, range) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

bool block_set_find(const struct block_set *set, const struct weir_range *range, size_t *ret_index)
{
	const struct block_half *half = &set->half[block_family_of(range)];
	size_t index = half_lower_bound(half, range);
	if (index == half->count)
		return false;
	struct weir_range found;
	half_get(half, index, &found);
	if (weir_range_compare(&found, range) != 0)
		return false;
	if (ret_index)
		*ret_index = index;
	return true;
}

/*
 * Entries that start at or before `last`, from the last one back, the first that ends at or after
 * `first`.
 */
static bool half_reaching(const struct block_half *half, const struct weir_addr *first,
			  const struct weir_addr *last, size_t *ret_index)
{
	/*
	 * A range of one address sorts after every other that starts there: all starts <= last lie
	 * before it.
	 */
	struct weir_range point = { *last, *last };
	size_t i = half_lower_bound(half, &point);
	struct weir_range range;
	if (i < half->count) {
		half_get(half, i, &range);
		i += weir_addr_compare(&range.from, last) <= 0;
	}
	while (i > 0) {
		size_t run = (i - 1) >> RUN_BITS;
		if (weir_addr_compare(&half->reach[run], first) < 0) {
			i = run << RUN_BITS;
			continue;
		}
		half_get(half, --i, &range);
		if (weir_addr_compare(&range.to, first) >= 0) {
			*ret_index = i;
			return true;
		}
	}
	return false;
}

bool block_set_cover(const struct block_set *set, const struct weir_addr *addr, size_t *ret_index)
{
	const struct block_half *half = &set->half[weir_addr_is_v4(addr) ? BLOCK_V4 : BLOCK_V6];
	return half_reaching(half, addr, addr, ret_index);
}

bool block_set_overlap(const struct block_set *set, const struct weir_range *range,
		       size_t *ret_index)
{
	return half_reaching(&set->half[block_family_of(range)], &range->from, &range->to,
			     ret_index);
}

/* Appends an entry of one set to another, its note too. */
static int set_copy_entry(struct block_set *to, const struct block_set *from,
			  enum block_family family, size_t index)
{
	struct block_entry entry;
	block_set_at(from, family, index, &entry);
	return block_set_append(to, &entry.range, entry.note, entry.note ? strlen(entry.note) : 0);
}

/* Both halves side by side, in order. */
static int half_merge(struct block_set *to, const struct block_set *a, const struct block_set *b,
		      enum block_family family, size_t *added)
{
	const struct block_half *x = &a->half[family], *y = &b->half[family];
	to->half[family].family = family;
	int r = half_reserve(&to->half[family], x->count + y->count + 1);
	for (size_t i = 0, j = 0; r == 0 && (i < x->count || j < y->count);) {
		struct weir_range left, right;
		if (i < x->count)
			half_get(x, i, &left);
		if (j < y->count)
			half_get(y, j, &right);
		int order = j == y->count ? -1 :
			    i == x->count ? 1 :
					    weir_range_compare(&left, &right);
		bool takes_right = order > 0 || (order == 0 && half_note(y, j));
		r = takes_right ? set_copy_entry(to, b, family, j) :
				  set_copy_entry(to, a, family, i);
		*added += order > 0;
		i += order <= 0;
		j += order >= 0;
	}
	return r;
}

int block_set_merge(const struct block_set *set, const struct block_set *more,
		    struct block_set *ret_union, size_t *ret_added)
{
	_cleanup_set_ struct block_set merged = { 0 };
	size_t added = 0;
	int r = half_merge(&merged, set, more, BLOCK_V4, &added);
	if (r == 0)
		r = half_merge(&merged, set, more, BLOCK_V6, &added);
	if (r == 0)
		r = block_set_seal(&merged, NULL);
	if (r < 0)
		return r;
	*ret_union = merged;
	merged = (struct block_set){ 0 };
	if (ret_added)
		*ret_added = added;
	return 0;
}

size_t block_set_count_missing(const struct block_set *set, const struct block_set *other)
{
	size_t missing = 0;
	for (int family = 0; family < BLOCK_FAMILIES; family++) {
		const struct block_half *x = &set->half[family], *y = &other->half[family];
		for (size_t i = 0, j = 0; j < y->count;) {
			struct weir_range left, right;
			half_get(y, j, &right);
			int order = 1;
			if (i < x->count) {
				half_get(x, i, &left);
				order = weir_range_compare(&left, &right);
			}
			missing += order > 0;
			i += order <= 0;
			j += order >= 0;
		}
	}
	return missing;
}

int block_set_without(const struct block_set *set, const struct weir_range *range,
		      struct block_set *ret_rest)
{
	_cleanup_set_ struct block_set rest = { 0 };
	size_t gone;
	bool is_there = block_set_find(set, range, &gone);
	for (int family = 0; family < BLOCK_FAMILIES; family++) {
		const struct block_half *half = &set->half[family];
		rest.half[family].family = (enum block_family)family;
		int r = half->count ? half_reserve(&rest.half[family], half->count) : 0;
		for (size_t i = 0; r == 0 && i < half->count; i++)
			if (!is_there || i != gone || (int)block_family_of(range) != family)
				r = set_copy_entry(&rest, set, (enum block_family)family, i);
		if (r < 0)
			return r;
	}
	int r = block_set_seal(&rest, NULL);
	if (r < 0)
		return r;
	*ret_rest = rest;
	rest = (struct block_set){ 0 };
	return 0;
}

int block_set_note(struct block_set *set, enum block_family family, size_t index, const char *note)
{
	uint32_t offset = 0;
	if (note && *note) {
		int r = note_intern(set, note, strlen(note), &offset);
		if (r < 0)
			return r;
	}
	free(weir_take(set->note_cache));
	return half_set_note(&set->half[family], index, offset);
}
