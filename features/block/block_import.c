/* SPDX-License-Identifier: Apache-2.0 */
/*
 * import: a file becomes a list, or part of one. Read, sorted and compared on the worker; nothing
 * changes unless all of it is right.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "features/block/block_ops.h"

/*
 * The file's entries as a list, for the comparison with lists of the other action. Borrows from
 * import.
 */
static size_t import_conflicts(const struct block_state *state, const struct block_list *list,
			       const struct block_import *import, struct weir_diag *diag)
{
	struct block_list subject = { .action = list->action };
	memcpy(subject.name, list->name, sizeof(subject.name));
	subject.set = import->set;
	subject.singles = import->singles;
	subject.single_count = import->single_count;
	return block_warn_conflicts(state, &subject, diag);
}

/* Those that the file has for good need no place in the live set any more. */
static int keep_singles(struct block_list *next, const struct block_list *old,
			const struct block_set *permanent)
{
	int r = block_list_copy_singles(next, old, NULL);
	for (size_t i = next->single_count; r == 0 && i-- > 0;)
		if (!next->singles[i].is_folded &&
		    block_set_find(permanent, &next->singles[i].range, NULL))
			block_list_delete_single(next, i);
	return r;
}

/*
 * What stands in the set for good does not begin to expire by an import; and what is left is new to
 * the live set or lasts anew.
 */
static void drop_settled_singles(struct block_import *import, const struct block_set *set)
{
	size_t kept = 0;
	for (size_t i = 0; i < import->single_count; i++) {
		if (block_set_find(set, &import->singles[i].range, NULL))
			free(import->singles[i].note);
		else
			import->singles[kept++] = import->singles[i];
	}
	import->single_count = kept;
}

static size_t count_new_singles(const struct block_list *old, const struct block_import *import)
{
	size_t count = 0;
	for (size_t i = 0; i < import->single_count; i++)
		count += !block_list_find_single(old, &import->singles[i].range, NULL);
	return count;
}

static int next_merge(struct block_request *request, const struct block_list *old,
		      struct block_import *import, struct block_list *next)
{
	size_t added = 0;
	int r = block_set_merge(&old->set, &import->set, &next->set, &added);
	if (r < 0)
		return r;
	drop_settled_singles(import, &next->set);
	request->counts.added = added + count_new_singles(old, import);
	r = keep_singles(next, old, &import->set);
	return r < 0 ? r : block_list_merge_singles(next, import->singles, import->single_count);
}

static bool list_has(const struct block_list *list, const struct weir_range *range)
{
	return block_set_find(&list->set, range, NULL) || block_list_find_single(list, range, NULL);
}

/*
 * Entries of `from` that `list` has not. Sets are compared side by side: a search for each of a
 * million takes too long.
 */
static size_t count_difference(const struct block_list *from, const struct block_list *list)
{
	size_t count = block_set_count_missing(&list->set, &from->set);
	for (size_t i = 0; i < list->single_count; i++)
		count -= count && block_set_find(&from->set, &list->singles[i].range, NULL) &&
			 !block_set_find(&list->set, &list->singles[i].range, NULL);
	for (size_t i = 0; i < from->single_count; i++)
		count += !from->singles[i].is_folded && !list_has(list, &from->singles[i].range);
	return count;
}

/* Singles that were there keep counter and place in the live set. */
static void inherit_singles(struct block_list *next, const struct block_list *old)
{
	for (size_t i = 0; i < next->single_count; i++) {
		size_t index;
		if (!block_list_find_single(old, &next->singles[i].range, &index))
			continue;
		next->singles[i].hit = old->singles[index].hit;
		next->singles[i].ticket = old->singles[index].ticket;
	}
}

static void next_replace(struct block_request *request, const struct block_list *old,
			 struct block_import *import, struct block_list *next)
{
	next->set = import->set;
	import->set = (struct block_set){ 0 };
	next->singles = import->singles;
	next->single_count = import->single_count;
	import->singles = NULL;
	import->single_count = 0;
	inherit_singles(next, old);
	request->counts.added = count_difference(next, old);
	request->counts.replaced = count_difference(old, next);
}

/* Both the old and the new are in force for a moment, so room is needed for all. */
static int check_room(const struct block_state *state, const struct block_import *import,
		      struct weir_diag *diag)
{
	uint64_t cost = 0;
	for (size_t i = 0; i < import->single_count; i++)
		cost += block_live_cost(&state->live, &import->singles[i].range);
	if (!cost || state->live.used + cost <= state->live.limit)
		return 0;
	weir_diag_error(diag, "raise block.live, or import without a lifetime",
			"entries that expire need %" PRIu64
			" prefixes of the live set, where %" PRIu32 " of %" PRIu32 " are used",
			cost, state->live.used, state->live.limit);
	return -ENOSPC;
}

static int import_prepare(struct block_request *request, struct block_state *state,
			  struct weir_diag *diag)
{
	struct weir_call *call = request->change.call;
	_cleanup_import_ struct block_import import = { 0 };
	struct block_import_options options = {
		.format = (enum block_format)request->format,
		.default_ttl_ns = request->ttl_ns,
		.is_lasting = block_noun_of(call)->action == BLOCK_SET,
		.now = block_now(),
	};
	int r = block_import_read(weir_buf_str(&call->body), call->body.len, &options, diag,
				  &import);
	if (r < 0)
		return r;
	weir_buf_done(&call->body);
	r = check_room(state, &import, diag);
	if (r < 0)
		return r;

	static const struct block_list nothing;
	struct block_list *old = block_lists_find(&state->runtime, request->name);
	_cleanup_list_ struct block_list *next =
		old ? block_list_clone(old) :
		      block_list_start(state, request->name, block_noun_of(call)->action, diag);
	if (!next)
		return -ENOMEM;
	request->counts.conflicts = import_conflicts(state, next, &import, diag);
	request->counts.read = import.read;
	request->counts.duplicates = import.duplicates;
	if (import.host_bits)
		weir_diag_warning(diag, NULL,
				  "%zu CIDRs have host bits set: taken as their networks",
				  import.host_bits);
	if (request->is_replace)
		next_replace(request, old ? old : &nothing, &import, next);
	else
		r = next_merge(request, old ? old : &nothing, &import, next);
	if (r < 0)
		return r;
	if (!request->is_replace)
		request->counts.duplicates = request->counts.read - request->counts.added;
	request->counts.v4 = block_list_count(next, BLOCK_V4);
	request->counts.v6 = block_list_count(next, BLOCK_V6);
	r = block_request_add(request, old, next);
	if (r == 0)
		next = NULL;
	return r;
}

static void import_reply(const struct block_request *request, struct weir_json_out *json)
{
	weir_json_put_str(json, "list", request->name);
	weir_json_put_uint(json, "read", request->counts.read);
	weir_json_put_uint(json, "added", request->counts.added);
	weir_json_put_uint(json, "replaced", request->counts.replaced);
	weir_json_put_uint(json, "duplicates", request->counts.duplicates);
	weir_json_put_uint(json, "invalid", 0);
	weir_json_put_uint(json, "conflicts", request->counts.conflicts);
	weir_json_put_uint(json, "entries_v4", request->counts.v4);
	weir_json_put_uint(json, "entries_v6", request->counts.v6);
}

int block_run_import(struct weir_engine *engine, struct weir_call *call)
{
	struct block_state *state = block_state_of(engine);
	struct block_list *list;
	const char *name, *format = weir_call_str(call, "format");
	uint64_t ttl_ns;
	int r = block_call_list(state, call, &name, &list);
	if (r == 0)
		r = block_call_ttl(call, &ttl_ns);
	if (r < 0)
		return r;
	struct block_request *request = block_request_new(engine, call);
	if (!request)
		return -ENOMEM;
	request->prepare = import_prepare;
	request->reply = import_reply;
	request->name = name;
	request->ttl_ns = ttl_ns;
	request->is_replace = weir_call_flag(call, "replace");
	for (int i = 0; format && block_format_names[i]; i++)
		if (strcmp(block_format_names[i], format) == 0)
			request->format = i;
	return block_request_start(request);
}
