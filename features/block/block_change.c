/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How lists, files, counters and the live set change together. What is asked for is decided
 * elsewhere (block_ops.c, block_import.c).
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "features/block/block_state.h"

size_t block_warn_conflicts(const struct block_state *state, const struct block_list *subject,
			    struct weir_diag *diag)
{
	const struct block_lists *const kinds[] = { &state->files, &state->runtime };
	size_t count = 0;
	for (size_t kind = 0; kind < WEIR_ARRAY_SIZE(kinds); kind++) {
		for (size_t i = 0; i < kinds[kind]->count; i++) {
			const struct block_list *other = kinds[kind]->at[i];
			struct block_conflicts conflicts;
			if (!block_lists_disagree(subject, other) ||
			    block_conflicts_find(subject, other, &conflicts) < 0)
				continue;
			block_conflicts_warn(&conflicts, subject, other, diag);
			count += conflicts.count;
		}
	}
	return count;
}

static struct block_live_owner owner_of(const struct block_list *list,
					const struct block_single *single)
{
	return (struct block_live_owner){
		.action = list->action,
		.list = list->id,
		.hit = single->hit ? single->hit : list->hit,
	};
}

/* The counter's hits, as read last, stay the list's, so that its total does not fall. */
static void hit_retire(struct block_state *state, struct block_list *list, uint32_t slot)
{
	struct weir_count count = block_slots_count(&state->slots, slot);
	if (!slot)
		return;
	list->retired.packets += count.packets;
	list->retired.bytes += count.bytes;
	block_slots_release(&state->slots, slot);
}

int block_single_enforce(struct block_state *state, struct block_list *list,
			 struct block_single *single)
{
	uint32_t adopted =
		block_live_adopted_hit(&state->live, &single->range, list->action, list->id);
	if (!single->hit && block_slots_claim(&state->slots, adopted))
		single->hit = adopted;
	if (!single->hit)
		single->hit = block_slots_take(&state->slots);
	struct block_live_owner owner = owner_of(list, single);
	int r = block_live_add(&state->live, &owner, single);
	if (r < 0) {
		block_slots_release(&state->slots, single->hit);
		single->hit = 0;
		return r;
	}
	if (single->expires_ns && single->expires_ns < state->next_expiry_ns)
		state->next_expiry_ns = single->expires_ns;
	return 0;
}

void block_single_release(struct block_state *state, struct block_list *list,
			  struct block_single *single)
{
	block_live_del(&state->live, list->action, single);
	hit_retire(state, list, single->hit);
	single->hit = 0;
}

static void lists_claim(struct block_slots *slots, const struct block_lists *lists)
{
	for (size_t i = 0; i < lists->count; i++) {
		const struct block_list *list = lists->at[i];
		block_slots_claim(slots, list->hit);
		for (int family = 0; family < BLOCK_FAMILIES && list->has_entry_hits; family++)
			for (size_t j = 0; j < list->set.half[family].count; j++)
				block_slots_claim(slots, list->entry_hits[family][j]);
		for (size_t j = 0; j < list->single_count; j++)
			block_slots_claim(slots, list->singles[j].hit);
	}
}

void block_slots_settle(struct block_state *state, const struct block_draft *draft)
{
	memset(state->slots.used, 0, sizeof(state->slots.used));
	lists_claim(&state->slots, &state->files);
	lists_claim(&state->slots, &state->runtime);
	for (size_t i = 0; draft && i < draft->count; i++)
		if (draft->lists[i].next)
			block_slots_claim(&state->slots, draft->lists[i].next->hit);
}

void block_expiry_settle(struct block_state *state)
{
	state->next_expiry_ns = UINT64_MAX;
	for (size_t i = 0; i < state->runtime.count; i++) {
		const struct block_list *list = state->runtime.at[i];
		for (size_t j = 0; j < list->single_count; j++) {
			uint64_t expires_ns = list->singles[j].expires_ns;
			if (expires_ns && expires_ns < state->next_expiry_ns)
				state->next_expiry_ns = expires_ns;
		}
	}
}

/* Cannot be refused any more at this point; the file has it, and the next start tries again. */
static void enforce_or_warn(struct block_state *state, struct block_list *list,
			    struct block_single *single, struct weir_diag *diag)
{
	char text[WEIR_RANGE_TEXT];
	int r = block_single_enforce(state, list, single);
	if (r < 0)
		weir_diag_warning(diag, "raise block.live, or let entries expire",
				  "%s of list %s is not in force: %s",
				  weir_range_to_string(&single->range, text), list->name,
				  strerror(-r));
}

static void singles_enforce(struct block_state *state, const struct block_list *old,
			    struct block_list *next, struct weir_diag *diag)
{
	for (size_t i = 0; i < next->single_count; i++) {
		struct block_single *single = &next->singles[i];
		if (!old || !block_list_find_single(old, &single->range, NULL)) {
			enforce_or_warn(state, next, single, diag);
			continue;
		}
		struct block_live_owner owner = owner_of(next, single);
		block_live_update(&state->live, &owner, single);
	}
}

void block_draft_enforce(struct block_state *state, struct block_draft *draft,
			 struct weir_diag *diag)
{
	for (size_t i = 0; i < draft->count; i++)
		if (draft->lists[i].next)
			singles_enforce(state, draft->lists[i].old, draft->lists[i].next, diag);
}

static void draft_list_accept(struct block_state *state, struct block_draft_list *change)
{
	struct block_list *old = change->old, *next = weir_take(change->next);
	if (next && old)
		next->retired = old->retired;
	for (size_t i = 0; old && i < old->single_count; i++)
		if (!next || !block_list_find_single(next, &old->singles[i].range, NULL))
			block_single_release(state, next ? next : old, &old->singles[i]);
	if (old) {
		block_lists_remove(&state->runtime, old);
		block_list_free(old);
	}
	/* There is room: one has just gone, or block_lists_reserve() made it. */
	if (next)
		block_lists_add(&state->runtime, next);
	change->old = NULL;
}

void block_draft_accept(struct block_state *state, struct block_draft *draft)
{
	block_slots_read(&state->slots);
	for (size_t i = 0; i < draft->count; i++)
		draft_list_accept(state, &draft->lists[i]);
	draft->count = 0;
	block_slots_settle(state, NULL);
	block_expiry_settle(state);
}

static int persist_refuse(const struct block_state *state, int error, struct weir_diag *diag)
{
	weir_diag_error(diag, "make room or mend the permissions, then try again",
			"cannot write the lists to %s: %s", state->dir, strerror(-error));
	return error;
}

/* The index as it will be, when a list comes or goes. */
static int persist_index(const struct block_state *state, const struct block_draft *draft)
{
	struct block_lists after = { .at = calloc(state->runtime.count + draft->count + 1,
						  sizeof(*after.at)) };
	if (!after.at)
		return -ENOMEM;
	for (size_t i = 0; i < state->runtime.count; i++)
		if (block_draft_view(draft, state->runtime.at[i]))
			after.at[after.count++] = state->runtime.at[i];
	for (size_t i = 0; i < draft->count; i++)
		if (!draft->lists[i].old)
			after.at[after.count++] = draft->lists[i].next;
	int r = block_store_save_index(state->dir, &state->files, &after);
	free(after.at);
	return r;
}

int block_draft_persist(const struct block_state *state, const struct block_draft *draft,
			struct weir_diag *diag)
{
	bool is_index_new = false;
	for (size_t i = 0; i < draft->count; i++)
		is_index_new |= !draft->lists[i].old || !draft->lists[i].next;
	int r = is_index_new ? persist_index(state, draft) : 0;
	for (size_t i = 0; r == 0 && i < draft->count; i++) {
		const struct block_draft_list *change = &draft->lists[i];
		r = change->next ? block_store_save_list(state->dir, change->next) :
				   block_store_remove_list(state->dir, change->old->name);
	}
	return r < 0 ? persist_refuse(state, r, diag) : 0;
}

void block_draft_done(struct block_draft *draft)
{
	for (size_t i = 0; i < draft->count; i++)
		block_list_free(draft->lists[i].next);
	free(draft->lists);
	*draft = (struct block_draft){ 0 };
}
