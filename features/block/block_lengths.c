/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The kernel copies a new value over cfg_block while packets walk it upwards, so each write changes
 * one byte, and a length moves in such a way that a walk under way meets it all the same: to the
 * right at any time; to the left only by one place a tick, over a repetition of its neighbour, and
 * a whole tick after the last length went (a second: no walk lasts that long). A repetition costs a
 * packet one look-up and no verdict.
 */
#include "features/block/block_lengths.h"

#include <errno.h>
#include <string.h>

struct lengths_view {
	__u8 *lengths;
	__u32 *count;
	uint32_t room;
};

static struct lengths_view view_of(struct block_live_set *live, enum block_family family)
{
	struct block_lengths *written = &live->written;
	if (family == BLOCK_V4)
		return (struct lengths_view){ written->v4, &written->v4_count,
					      sizeof(written->v4) };
	return (struct lengths_view){ written->v6, &written->v6_count, sizeof(written->v6) };
}

static int lengths_write(struct block_live_set *live)
{
	uint32_t zero = 0;
	return live->lengths ? weir_map_set(live->lengths, &zero, &live->written) : 0;
}

static bool view_holds(const struct lengths_view *view, uint32_t length)
{
	return memchr(view->lengths, (int)length, *view->count);
}

/* In one go: a walk under way may miss a length, so only where there is nothing to go by. */
static int lengths_rewrite(struct block_live_set *live)
{
	live->written = (struct block_lengths){ 0 };
	for (int family = 0; family < BLOCK_FAMILIES; family++) {
		struct lengths_view view = view_of(live, (enum block_family)family);
		for (int length = BLOCK_V6_LENGTHS - 1; length >= 0; length--)
			if (live->present[family][length])
				view.lengths[(*view.count)++] = (__u8)length;
	}
	return lengths_write(live);
}

/*
 * A place to move to: one more at the end, so that everything behind moves to the right. Only when
 * there is none left a repetition is used up, which a walk that began before the latest tidying
 * could notice.
 */
static uint32_t view_gap(const struct lengths_view *view, uint32_t from)
{
	if (*view->count < view->room)
		return *view->count;
	for (uint32_t i = from ? from : 1; i < *view->count; i++)
		if (view->lengths[i] == view->lengths[i - 1])
			return i;
	return view->room;
}

int block_lengths_add(struct block_live_set *live, enum block_family family, uint32_t length)
{
	struct lengths_view view = view_of(live, family);
	if (view_holds(&view, length))
		return 0;
	uint32_t place = 0;
	while (place < *view.count && view.lengths[place] > length)
		place++;
	uint32_t gap = view_gap(&view, place);
	/* All repetitions lie before the place: start again, at the risk of one packet's walk. */
	if (gap == view.room) {
		live->present[family][length]++;
		int rewritten = lengths_rewrite(live);
		live->present[family][length]--;
		return rewritten;
	}

	struct block_lengths before = live->written;
	for (uint32_t i = gap; i > place; i--) {
		view.lengths[i] = view.lengths[i - 1];
		*view.count += i == *view.count;
		int r = lengths_write(live);
		if (r < 0) {
			live->written = before;
			return r;
		}
	}
	view.lengths[place] = (__u8)length;
	*view.count += place == *view.count;
	int r = lengths_write(live);
	if (r < 0)
		live->written = before;
	return r;
}

/* Its places become repetitions of a neighbour; at the end they can simply go. */
static void view_drop(struct lengths_view *view, uint32_t length)
{
	uint32_t first = (uint32_t)((__u8 *)memchr(view->lengths, (int)length, *view->count) -
				    view->lengths);
	uint32_t end = first;
	while (end < *view->count && view->lengths[end] == length)
		end++;
	if (!first && end == *view->count) {
		*view->count = 0;
		return;
	}
	memset(view->lengths + first, view->lengths[first ? first - 1 : end], end - first);
	/*
	 * What repeats its left neighbour has been met there; what repeats its right one must stay
	 * until the next tick.
	 */
	if (first && end == *view->count)
		*view->count = first;
}

void block_lengths_dropped(struct block_live_set *live, enum block_family family, uint32_t length)
{
	struct lengths_view view = view_of(live, family);
	if (live->present[family][length] || !view_holds(&view, length))
		return;
	view_drop(&view, length);
	live->is_settling = true;
	lengths_write(live);
}

static bool view_is_sound(const struct lengths_view *view, uint32_t least)
{
	if (*view->count > view->room)
		return false;
	for (uint32_t i = 0; i < *view->count; i++)
		if (view->lengths[i] < least || view->lengths[i] >= BLOCK_V6_LENGTHS ||
		    (i && view->lengths[i] > view->lengths[i - 1]))
			return false;
	return true;
}

int block_lengths_adopt(struct block_live_set *live)
{
	static const uint32_t least[] = { [BLOCK_V4] = 96, [BLOCK_V6] = 0 };
	uint32_t zero = 0;
	int r = live->lengths ? weir_map_get(live->lengths, &zero, &live->written) : 0;
	for (int family = 0; family < BLOCK_FAMILIES; family++) {
		struct lengths_view view = view_of(live, (enum block_family)family);
		if (r || !view_is_sound(&view, least[family]))
			return lengths_rewrite(live);
	}
	for (int family = 0; family < BLOCK_FAMILIES; family++)
		for (uint32_t length = 0; r == 0 && length < BLOCK_V6_LENGTHS; length++)
			if (live->present[family][length])
				r = block_lengths_add(live, (enum block_family)family, length);
	return r;
}

void block_lengths_sweep(struct block_live_set *live)
{
	for (int family = 0; family < BLOCK_FAMILIES; family++)
		for (uint32_t length = 0; length < BLOCK_V6_LENGTHS; length++)
			block_lengths_dropped(live, (enum block_family)family, length);
}

/* The last of several in a row: copying from the right then always changes something. */
static uint32_t view_last_repetition(const struct lengths_view *view)
{
	for (uint32_t i = *view->count; i-- > 1;)
		if (view->lengths[i] == view->lengths[i - 1])
			return i;
	return 0;
}

void block_live_tidy(struct block_live_set *live)
{
	bool changed = false;
	if (live->is_settling) {
		live->is_settling = false;
		return;
	}
	for (int family = 0; family < BLOCK_FAMILIES; family++) {
		struct lengths_view view = view_of(live, (enum block_family)family);
		uint32_t i = view_last_repetition(&view);
		if (!i)
			continue;
		if (i + 1 < *view.count)
			view.lengths[i] = view.lengths[i + 1];
		else
			(*view.count)--;
		changed = true;
	}
	if (changed)
		lengths_write(live);
}
