/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From lists to an image: hands their ranges to the compiler and says afterwards what each address
 * class means. Reads no configuration.
 */
#include <errno.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "features/block/block_state.h"

/*
 * Tags of our labels: a list's is its id. An entry with a counter of its own: the top bit, the
 * list's id, and the entry's number within this compile, which rises from the smallest range to the
 * largest of a list.
 */
#define TAG_ENTRY 0x80000000u
#define TAG_ID_SHIFT 16

_Static_assert(BLOCK_LISTS_MAX < 1 << 15, "an id fits beside the mark");
_Static_assert(BLOCK_HIT_ENTRIES_MAX <= 1 << 16, "an entry's number fits below the id");

struct range_writer {
	struct weir_compile *compile;
	struct block_plan *plan;
	size_t entries[BLOCK_FAMILIES];
};

static int write_list(struct range_writer *writer, const struct block_list *list)
{
	struct weir_image *image = writer->compile->image;
	uint32_t label;
	int r = weir_image_label(image, &weir_block, list->id, &label);
	if (r == 0)
		r = weir_image_name_label(image, label, list->name);
	for (int family = 0; family < BLOCK_FAMILIES; family++) {
		size_t count = list->set.half[family].count;
		writer->entries[family] += count;
		for (size_t i = 0; r == 0 && i < count; i++) {
			struct block_entry entry;
			block_set_at(&list->set, (enum block_family)family, i, &entry);
			r = weir_image_add_range(image, label, &entry.range);
		}
	}
	for (size_t i = 0; r == 0 && i < list->single_count; i++) {
		const struct block_single *single = &list->singles[i];
		if (single->until_ns || single->is_folded)
			continue;
		writer->entries[block_family_of(&single->range)]++;
		r = weir_image_add_range(image, label, &single->range);
	}
	return r;
}

struct numbered {
	struct weir_range range;
	uint32_t hit;
};

static int numbered_compare(const void *a, const void *b)
{
	const struct numbered *x = a, *y = b;
	unsigned __int128 size[2];
	for (int i = 0; i < 2; i++) {
		const struct weir_range *range = i ? &y->range : &x->range;
		unsigned __int128 from = 0, to = 0;
		for (int byte = 0; byte < 16; byte++) {
			from = from << 8 | range->from.bytes[byte];
			to = to << 8 | range->to.bytes[byte];
		}
		size[i] = to - from;
	}
	if (size[0] != size[1])
		return size[0] < size[1] ? -1 : 1;
	return weir_range_compare(&x->range, &y->range);
}

static int plan_keep_hit(struct block_plan *plan, uint32_t hit)
{
	if (plan->entry_count == plan->entry_capacity) {
		size_t capacity = plan->entry_capacity ? plan->entry_capacity * 2 : 64;
		uint32_t *hits = reallocarray(plan->entry_hits, capacity, sizeof(*hits));
		if (!hits)
			return -ENOMEM;
		plan->entry_hits = hits;
		plan->entry_capacity = capacity;
	}
	plan->entry_hits[plan->entry_count++] = hit;
	return 0;
}

static int write_numbered(struct range_writer *writer, const struct block_list *list,
			  const struct numbered *entry)
{
	uint32_t tag = TAG_ENTRY | list->id << TAG_ID_SHIFT | (uint32_t)writer->plan->entry_count,
		 label;
	struct weir_image *image = writer->compile->image;
	int r = plan_keep_hit(writer->plan, entry->hit);
	if (r == 0)
		r = weir_image_label(image, &weir_block, tag, &label);
	if (r == 0)
		r = weir_image_name_label(image, label, list->name);
	return r < 0 ? r : weir_image_add_range(image, label, &entry->range);
}

static int write_entries(struct range_writer *writer, const struct block_list *list)
{
	size_t count = 0;
	_cleanup_free_ struct numbered *entries =
		calloc(block_set_count(&list->set) + 1, sizeof(*entries));
	if (!entries)
		return -ENOMEM;
	for (int family = 0; family < BLOCK_FAMILIES; family++) {
		writer->entries[family] += list->set.half[family].count;
		for (size_t i = 0; i < list->set.half[family].count; i++) {
			struct block_entry entry;
			block_set_at(&list->set, (enum block_family)family, i, &entry);
			entries[count++] =
				(struct numbered){ entry.range, list->entry_hits[family][i] };
		}
	}
	qsort(entries, count, sizeof(*entries), numbered_compare);
	int r = 0;
	for (size_t i = 0; r == 0 && i < count; i++)
		r = write_numbered(writer, list, &entries[i]);
	return r;
}

static int write_check(const struct range_writer *writer)
{
	const struct block_section *section = writer->compile->section;
	const uint32_t limits[] = { section->v4_entries, section->v6_entries };
	static const char *const keys[] = { "block.v4-entries", "block.v6-entries" };
	for (int family = 0; family < BLOCK_FAMILIES; family++) {
		if (writer->entries[family] <= limits[family])
			continue;
		weir_diag_key(writer->compile->diag, keys[family],
			      "raise it, or take entries out of a list",
			      "the lists have %zu IPv%d entries together, and %u are allowed",
			      writer->entries[family], family == BLOCK_V4 ? 4 : 6, limits[family]);
		return -E2BIG;
	}
	return 0;
}

static int write_all(struct range_writer *writer, const struct block_lists *files)
{
	const struct block_state *state = writer->compile->state;
	const struct block_draft *draft = writer->compile->draft;
	int r = 0;
	for (size_t i = 0; r == 0 && i < files->count; i++)
		r = files->at[i]->has_entry_hits ? write_entries(writer, files->at[i]) :
						   write_list(writer, files->at[i]);
	for (size_t i = 0; r == 0 && state && i < state->runtime.count; i++) {
		const struct block_list *list = block_draft_view(draft, state->runtime.at[i]);
		r = list ? write_list(writer, list) : 0;
	}
	for (size_t i = 0; r == 0 && draft && i < draft->count; i++)
		if (!draft->lists[i].old)
			r = write_list(writer, draft->lists[i].next);
	return r < 0 ? r : write_check(writer);
}

int block_image_write(struct weir_compile *compile, struct block_plan *plan,
		      const struct block_lists *files)
{
	struct range_writer writer = { .compile = compile, .plan = plan };
	return write_all(&writer, files);
}

/* What a tag stands for. */
struct meaning {
	uint32_t id;
	enum block_action action;
	uint32_t hit;
};

static const struct block_list *list_by_id(const struct weir_compile *compile, uint32_t id)
{
	const struct block_state *state = compile->state;
	const struct block_draft *draft = compile->draft;
	const struct block_list *list =
		block_lists_by_id(state->plan.is_new ? &state->plan.files : &state->files, id);
	if (!list)
		list = block_lists_by_id(&state->runtime, id);
	for (size_t i = 0; !list && draft && i < draft->count; i++)
		if (!draft->lists[i].old && draft->lists[i].next->id == id)
			list = draft->lists[i].next;
	return list;
}

/*
 * Without a state list i of the section has id i + 1 and counters are not read by anyone: the id
 * serves.
 */
static bool tag_meaning(const struct weir_compile *compile, uint32_t tag, struct meaning *meaning)
{
	const struct block_section *section = compile->section;
	const struct block_state *state = compile->state;
	meaning->id = tag & TAG_ENTRY ? (tag & ~TAG_ENTRY) >> TAG_ID_SHIFT : tag;
	if (!state) {
		meaning->action = (enum block_action)section->lists[meaning->id - 1].action;
		meaning->hit = meaning->id;
		return true;
	}
	const struct block_list *list = list_by_id(compile, meaning->id);
	if (!list)
		return false;
	meaning->action = list->action;
	meaning->hit = tag & TAG_ENTRY ? state->plan.entry_hits[tag & ((1u << TAG_ID_SHIFT) - 1)] :
					 list->hit;
	return true;
}

/* Tags of one list come in ascending order, so the first of it is its smallest range. */
static void class_fill(const struct weir_compile *compile, uint32_t class_id,
		       struct block_class *class)
{
	const struct weir_label_view *labels;
	size_t count = weir_image_class_labels(compile->image, class_id, &labels);
	for (size_t i = 0; i < count; i++) {
		struct meaning meaning;
		if (labels[i].owner != &weir_block ||
		    !tag_meaning(compile, labels[i].tag, &meaning) || meaning.action == BLOCK_SET)
			continue;
		__u32 *list = &class->action[meaning.action].list;
		if (*list && *list <= meaning.id)
			continue;
		*list = meaning.id;
		class->action[meaning.action].hit = meaning.hit;
	}
}

int block_classes(struct weir_compile *compile)
{
	uint32_t count = weir_image_class_count(compile->image);
	struct block_class *classes = weir_image_section(compile->image, WEIR_SECTION_BLOCK,
							 count * sizeof(struct block_class));
	if (!classes)
		return -ENOMEM;
	for (uint32_t i = 1; i < count; i++)
		class_fill(compile, i, &classes[i]);
	return 0;
}
