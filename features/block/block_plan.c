/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reads the lists of a configuration and gives them ids and counters. What the compiler gets of
 * them is block_image.c's.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "features/block/block_state.h"

#define FILE_BYTES_MAX (1ull << 30)

void block_plan_done(struct block_plan *plan)
{
	block_lists_done(&plan->files);
	free(plan->entry_hits);
	*plan = (struct block_plan){ 0 };
}

const struct block_list *block_draft_view(const struct block_draft *draft,
					  const struct block_list *list)
{
	for (size_t i = 0; draft && i < draft->count; i++)
		if (draft->lists[i].old == list)
			return draft->lists[i].next;
	return list;
}

uint32_t block_id_take(const struct block_lists *a, const struct block_lists *b,
		       const struct block_lists *c)
{
	for (uint32_t id = 1; id <= BLOCK_LISTS_MAX; id++)
		if (!block_lists_by_id(a, id) && !block_lists_by_id(b, id) &&
		    !block_lists_by_id(c, id))
			return id;
	return 0;
}

static int plan_append_entries(const struct block_list_config *config, struct block_set *set)
{
	for (unsigned i = 0; i < config->entry_count; i++) {
		struct weir_range range;
		const char *text = config->entries[i];
		int r = weir_range_from_string(text, strlen(text), &range, NULL, NULL);
		if (r == 0)
			r = block_set_append(set, &range, NULL, 0);
		if (r < 0)
			return r;
	}
	return 0;
}

static int plan_refuse_file(struct weir_compile *compile, unsigned index, const char *path,
			    int error)
{
	char key[48];
	snprintf(key, sizeof(key), "block.lists[%u].file", index);
	weir_diag_key(compile->diag, key, "write the path of a file that Weir may read",
		      "cannot read %s: %s", path, strerror(-error));
	return error == -ENOMEM ? error : -EINVAL;
}

static char *plan_path(const struct weir_compile *compile, const char *file)
{
	bool is_here = !compile->base_dir || strcmp(compile->base_dir, ".") == 0;
	return file[0] == '/' || is_here ? strdup(file) : weir_path_join(compile->base_dir, file);
}

/* Entries of a list file are those of the configuration: they do not expire. */
static int plan_read_file(struct weir_compile *compile, unsigned index, struct block_import *import)
{
	const struct block_section *section = compile->section;
	const struct block_list_config *config = &section->lists[index];
	_cleanup_free_ char *path = plan_path(compile, config->file);
	_cleanup_buf_ struct weir_buf text = { 0 };
	if (!path)
		return -ENOMEM;
	int r = weir_file_read(path, FILE_BYTES_MAX, &text);
	if (r < 0)
		return plan_refuse_file(compile, index, path, r);
	struct block_import_options options = { .format = (enum block_format)config->format,
						.file = path,
						.is_secret = compile->state,
						.now = block_now() };
	r = block_import_read(weir_buf_str(&text), text.len, &options, compile->diag, import);
	if (r < 0 || !import->single_count)
		return r;
	char key[48];
	snprintf(key, sizeof(key), "block.lists[%u].file", index);
	return weir_diag_key(compile->diag, key,
			     config->action == BLOCK_SET ?
				     "take the lifetimes out of it" :
				     "import it with `weir block import` instead",
			     "%s has entries that expire, and entries of the configuration do not",
			     path);
}

static int plan_read_list(struct weir_compile *compile, unsigned index, struct block_list *list)
{
	const struct block_section *section = compile->section;
	const struct block_list_config *config = &section->lists[index];
	_cleanup_import_ struct block_import import = { 0 };
	if (config->note && !(list->note = strdup(config->note)))
		return -ENOMEM;
	int r = plan_append_entries(config, &list->set);
	if (r == 0)
		r = block_set_seal(&list->set, NULL);
	if (r == 0 && config->file)
		r = plan_read_file(compile, index, &import);
	if (r < 0 || !config->file)
		return r;

	struct block_set both = { 0 };
	r = block_set_merge(&list->set, &import.set, &both, NULL);
	if (r < 0)
		return r;
	block_set_done(&list->set);
	list->set = both;
	return 0;
}

/*
 * As much of its life before as there is: the list of that name and action in the live
 * configuration.
 */
static const struct block_list *plan_ancestor(const struct block_state *state,
					      const struct block_list *list)
{
	const struct block_list *ancestor =
		state ? block_lists_find(&state->files, list->name) : NULL;
	return ancestor && ancestor->action == list->action ? ancestor : NULL;
}

static int plan_number_entries(struct block_state *state, const struct block_list *ancestor,
			       struct block_list *list, uint32_t *next_slot)
{
	list->has_entry_hits = true;
	for (int family = 0; family < BLOCK_FAMILIES; family++) {
		size_t count = list->set.half[family].count;
		uint32_t *hits = list->entry_hits[family] = calloc(count + 1, sizeof(*hits));
		if (!hits)
			return -ENOMEM;
		for (size_t i = 0; i < count; i++) {
			struct block_entry entry;
			size_t before;
			block_set_at(&list->set, (enum block_family)family, i, &entry);
			if (ancestor && ancestor->entry_hits[family] &&
			    block_set_find(&ancestor->set, &entry.range, &before))
				hits[i] = ancestor->entry_hits[family][before];
			if (!hits[i])
				hits[i] = state ? block_slots_take(&state->slots) : (*next_slot)++;
		}
	}
	return 0;
}

/* Without a state (a check, a replay) numbers simply rise. */
static int plan_number(struct weir_compile *compile, struct block_plan *plan,
		       struct block_list *list, bool has_hits, uint32_t *next_slot)
{
	struct block_state *state = compile->state;
	static const struct block_lists none;
	const struct block_list *ancestor = plan_ancestor(state, list);
	if (ancestor) {
		list->id = ancestor->id;
		list->hit = ancestor->hit;
		list->retired = ancestor->retired;
	} else {
		list->id = block_id_take(&plan->files, state ? &state->files : &none,
					 state ? &state->runtime : &none);
		if (block_list_decides(list))
			list->hit = state ? block_slots_take(&state->slots) : (*next_slot)++;
	}
	if (!list->id)
		return weir_diag_key(compile->diag, "block.lists",
				     "put entries together in fewer lists",
				     "there are more lists than %d, those of run time counted",
				     BLOCK_LISTS_MAX);
	return has_hits ? plan_number_entries(state, ancestor, list, next_slot) : 0;
}

static int plan_check_hits(struct weir_compile *compile, const struct block_lists *files)
{
	const struct block_section *section = compile->section;
	size_t entries = 0;
	for (size_t i = 0; i < files->count; i++)
		entries += section->lists[i].hits ? block_set_count(&files->at[i]->set) : 0;
	if (entries <= BLOCK_HIT_ENTRIES_MAX)
		return 0;
	return weir_diag_key(
		compile->diag, "block.lists", "leave out `hits: true` from the largest",
		"lists with hits: true have %zu entries together, where %d are the most", entries,
		BLOCK_HIT_ENTRIES_MAX);
}

static int plan_read(struct weir_compile *compile, struct block_plan *plan)
{
	const struct block_section *section = compile->section;
	uint32_t next_slot = 1;
	for (unsigned i = 0; i < section->list_count; i++) {
		const struct block_list_config *config = &section->lists[i];
		_cleanup_list_ struct block_list *list = block_list_new(
			config->name, (enum block_action)config->action, BLOCK_FROM_FILE);
		if (!list)
			return -ENOMEM;
		int r = plan_read_list(compile, i, list);
		if (r == 0)
			r = block_lists_add(&plan->files, list);
		if (r < 0)
			return r;
		list = NULL;
	}
	int r = plan_check_hits(compile, &plan->files);
	for (unsigned i = 0; r == 0 && i < section->list_count; i++)
		r = plan_number(compile, plan, plan->files.at[i], section->lists[i].hits,
				&next_slot);
	return r;
}

static void plan_warn_pair(struct weir_compile *compile, const struct block_list *one,
			   const struct block_list *other)
{
	const struct block_list *deny = one->action == BLOCK_DENY ? one : other;
	const struct block_list *allow = deny == one ? other : one;
	struct block_conflicts conflicts;
	if (block_lists_disagree(one, other) && block_conflicts_find(deny, allow, &conflicts) == 0)
		block_conflicts_warn(&conflicts, deny, allow, compile->diag);
}

/* Both stay, each with its origin; but a rule has only the name. */
static void plan_warn_name(struct weir_compile *compile, const struct block_list *list)
{
	const struct block_state *state = compile->state;
	const struct block_list *other =
		state ? block_lists_find(&state->runtime, list->name) : NULL;
	if (other)
		weir_diag_warning(compile->diag, "give one of them another name",
				  "the %s list %s of the configuration and a %s list of run time "
				  "have one name: a rule that names it means both",
				  block_action_names[list->action], list->name,
				  block_action_names[other->action]);
}

/* Each allow list against each deny list, a few examples of each pair. Two lists of run time were
 * told of when the later entry came. */
static void plan_warn_conflicts(struct weir_compile *compile, const struct block_lists *lists)
{
	const struct block_state *state = compile->state;
	for (size_t i = 0; i < lists->count; i++) {
		plan_warn_name(compile, lists->at[i]);
		for (size_t j = i + 1; j < lists->count; j++)
			plan_warn_pair(compile, lists->at[i], lists->at[j]);
		for (size_t j = 0; state && j < state->runtime.count; j++)
			plan_warn_pair(compile, lists->at[i], state->runtime.at[j]);
	}
}

/*
 * The lists of the live configuration are not read again when something else changes: the file of a
 * list takes effect when the configuration is applied, and never by accident. Two configurations
 * cannot be taken for one, as the live one still exists.
 */
int block_compile(struct weir_compile *compile)
{
	struct block_state *state = compile->state;
	struct block_plan local = { 0 }, *plan = state ? &state->plan : &local;
	block_plan_done(plan);
	if (state)
		block_slots_settle(state, compile->draft);
	plan->config = compile->config;
	plan->is_new = !state || state->config != compile->config;
	int r = plan->is_new ? plan_read(compile, plan) : 0;
	const struct block_lists *files = plan->is_new ? &plan->files : &state->files;
	if (r == 0 && plan->is_new)
		plan_warn_conflicts(compile, files);
	if (r == 0)
		r = block_image_write(compile, plan, files);
	block_plan_done(&local);
	return r;
}
