/* SPDX-License-Identifier: Apache-2.0 */
/* One walk over both lists side by side, as a merge does it. */
#include "features/block/block_conflict.h"

#include <string.h>

/*
 * Of the other set: entries before `next` start before the subject's entry, and `reach` is the one
 * of them that ends last. Either that one ends inside the subject's entry or behind, or the next
 * one starts inside; nothing else can touch it.
 */
struct sweep {
	const struct block_set *other;
	enum block_family family;
	size_t next;
	bool has_reach;
	struct weir_range reach;
};

static bool sweep_touches(struct sweep *sweep, const struct weir_range *range,
			  struct weir_range *ret_other)
{
	size_t count = sweep->other->half[sweep->family].count;
	struct block_entry entry;
	for (; sweep->next < count; sweep->next++) {
		block_set_at(sweep->other, sweep->family, sweep->next, &entry);
		if (weir_addr_compare(&entry.range.from, &range->from) >= 0)
			break;
		if (!sweep->has_reach || weir_addr_compare(&entry.range.to, &sweep->reach.to) > 0)
			sweep->reach = entry.range;
		sweep->has_reach = true;
	}
	if (sweep->has_reach && weir_addr_compare(&sweep->reach.to, &range->from) >= 0) {
		*ret_other = sweep->reach;
		return true;
	}
	if (sweep->next == count || weir_addr_compare(&entry.range.from, &range->to) > 0)
		return false;
	*ret_other = entry.range;
	return true;
}

static void sets_compare(const struct block_set *subject, const struct block_set *other,
			 struct block_conflicts *conflicts)
{
	for (int family = 0; family < BLOCK_FAMILIES; family++) {
		struct sweep sweep = { .other = other, .family = (enum block_family)family };
		for (size_t i = 0; i < subject->half[family].count && other->half[family].count;
		     i++) {
			struct block_entry entry;
			struct weir_range touched;
			block_set_at(subject, (enum block_family)family, i, &entry);
			if (!sweep_touches(&sweep, &entry.range, &touched))
				continue;
			if (conflicts->count < BLOCK_CONFLICTS_SHOWN) {
				conflicts->shown[conflicts->count].entry = entry.range;
				conflicts->shown[conflicts->count].other = touched;
			}
			conflicts->count++;
		}
	}
}

static int singles_to_set(const struct block_list *list, struct block_set *set)
{
	for (size_t i = 0; i < list->single_count; i++) {
		int r = list->singles[i].is_folded ?
				0 :
				block_set_append(set, &list->singles[i].range, NULL, 0);
		if (r < 0)
			return r;
	}
	return block_set_seal(set, NULL);
}

int block_conflicts_find(const struct block_list *subject, const struct block_list *other,
			 struct block_conflicts *ret_conflicts)
{
	struct block_conflicts conflicts = { 0 };
	_cleanup_set_ struct block_set ours = { 0 }, theirs = { 0 };
	int r = singles_to_set(subject, &ours);
	if (r == 0)
		r = singles_to_set(other, &theirs);
	if (r < 0)
		return r;
	sets_compare(&subject->set, &other->set, &conflicts);
	sets_compare(&subject->set, &theirs, &conflicts);
	sets_compare(&ours, &other->set, &conflicts);
	sets_compare(&ours, &theirs, &conflicts);
	*ret_conflicts = conflicts;
	return 0;
}

void block_conflicts_warn(const struct block_conflicts *conflicts, const struct block_list *subject,
			  const struct block_list *other, struct weir_diag *diag)
{
	static const char mend[] = "take one of them out if that is not meant";
	size_t shown =
		conflicts->count < BLOCK_CONFLICTS_SHOWN ? conflicts->count : BLOCK_CONFLICTS_SHOWN;
	for (size_t i = 0; i < shown; i++) {
		char ours[WEIR_RANGE_TEXT], theirs[WEIR_RANGE_TEXT];
		weir_diag_warning(
			diag, mend,
			"%s in %s list %s shares addresses with %s in %s list %s: allow wins",
			weir_range_to_string(&conflicts->shown[i].entry, ours),
			block_action_names[subject->action], subject->name,
			weir_range_to_string(&conflicts->shown[i].other, theirs),
			block_action_names[other->action], other->name);
	}
	if (conflicts->count > shown)
		weir_diag_warning(diag, mend,
				  "%zu more entries of list %s share addresses with list %s",
				  conflicts->count - shown, subject->name, other->name);
}
