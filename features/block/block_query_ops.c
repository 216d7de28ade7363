/* SPDX-License-Identifier: Apache-2.0 */
/* list, lists and export: what only looks. No map is read: hits are those of the last tick. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "core/inside.h"
#include "features/block/block_ops.h"

#define LIMIT_DEFAULT 1000
#define LIMIT_MOST 100000
#define HEAVY_ENTRIES 20000 /* a look at each takes some ms, and writing them ten times that */

struct query {
	const struct block_state *state;
	struct block_now now;
	const char *text; /* --match, when it is no address */
	bool has_range;
	struct weir_range range; /* … and when it is one */
	uint64_t offset;
	uint64_t limit;
	uint64_t total;
	uint64_t shown;
	struct weir_json_out *json;
};

static bool range_holds(const struct weir_range *outer, const struct weir_range *inner)
{
	return weir_range_contains(outer, &inner->from) && weir_range_contains(outer, &inner->to);
}

static bool query_matches(const struct query *query, const struct block_shown *shown)
{
	if (query->has_range)
		return range_holds(&shown->range, &query->range) ||
		       range_holds(&query->range, &shown->range);
	if (!query->text)
		return true;
	const char *list_note = shown->list->note;
	return (shown->note && strcasestr(shown->note, query->text)) ||
	       (list_note && strcasestr(list_note, query->text));
}

static void put_count(struct weir_json_out *json, const char *key, struct weir_count count)
{
	weir_json_open_object(json, key);
	weir_json_put_uint(json, "packets", count.packets);
	weir_json_put_uint(json, "bytes", count.bytes);
	weir_json_close_object(json);
}

static void query_put(struct query *query, const struct block_shown *shown)
{
	struct weir_json_out *json = query->json;
	char entry[WEIR_RANGE_TEXT];
	weir_json_open_object(json, NULL);
	weir_json_put_str(json, "entry", weir_range_to_string(&shown->range, entry));
	weir_json_put_str(json, "list", shown->list->name);
	weir_json_put_str(json, "origin", block_origin_names[shown->list->origin]);
	weir_json_put_str(json, "note", shown->note ? shown->note : shown->list->note);
	if (shown->until_ns) {
		uint64_t left_ns = shown->until_ns > query->now.real_ns ?
					   shown->until_ns - query->now.real_ns :
					   0;
		weir_json_put_time(json, "until", shown->until_ns);
		weir_json_put_uint(json, "ttl_s", (left_ns + WEIR_NS_PER_S - 1) / WEIR_NS_PER_S);
	} else {
		weir_json_put_null(json, "until");
		weir_json_put_null(json, "ttl_s");
	}
	if (shown->hit)
		put_count(json, "hits", block_slots_count(&query->state->slots, shown->hit));
	else
		weir_json_put_null(json, "hits"); /* the list's counter counts them together */
	weir_json_close_object(json);
}

static int query_visit(const struct block_shown *shown, void *arg)
{
	struct query *query = arg;
	/* What has expired is out of force already, whether the sweep has come by or not. */
	if ((shown->until_ns && shown->until_ns <= query->now.real_ns) ||
	    !query_matches(query, shown))
		return 0;
	if (query->total++ < query->offset || query->shown == query->limit)
		return 0;
	query->shown++;
	query_put(query, shown);
	return 0;
}

/* Those of the call: its action, and its --list if it has one. Configuration first. */
static size_t call_lists(const struct block_state *state, const struct weir_call *call,
			 const struct block_list **lists)
{
	const struct block_lists *const kinds[] = { &state->files, &state->runtime };
	const char *given =
		weir_call_flag(call, "auto") ? WEIR_LIST_AUTO : weir_call_str(call, "list");
	size_t count = 0;
	for (size_t kind = 0; kind < WEIR_ARRAY_SIZE(kinds); kind++) {
		for (size_t i = 0; i < kinds[kind]->count; i++) {
			const struct block_list *list = kinds[kind]->at[i];
			if (list->action == block_noun_of(call)->action &&
			    (!given || strcmp(given, list->name) == 0))
				lists[count++] = list;
		}
	}
	return count;
}

bool block_is_heavy(struct weir_engine *engine, const struct weir_call *call)
{
	const struct block_state *state = block_state_of(engine);
	const struct block_lists *const kinds[] = { &state->files, &state->runtime };
	size_t entries = 0;
	for (size_t kind = 0; kind < WEIR_ARRAY_SIZE(kinds); kind++)
		for (size_t i = 0; i < kinds[kind]->count; i++)
			if (kinds[kind]->at[i]->action == block_noun_of(call)->action)
				entries += block_set_count(&kinds[kind]->at[i]->set) +
					   kinds[kind]->at[i]->single_count;
	return entries > HEAVY_ENTRIES;
}

static int call_find_lists(const struct block_state *state, struct weir_call *call,
			   const struct block_list ***ret_lists, size_t *ret_count)
{
	const struct block_list **lists =
		calloc(state->files.count + state->runtime.count + 1, sizeof(*lists));
	if (!lists)
		return -ENOMEM;
	size_t count = call_lists(state, call, lists);
	if (!count && weir_call_str(call, "list")) {
		free(lists);
		weir_diag_key(&call->diag, "list", block_noun_of(call)->see_lists,
			      "there is no %s list '%s'",
			      block_action_names[block_noun_of(call)->action],
			      weir_call_str(call, "list"));
		return -ENOENT;
	}
	*ret_lists = lists;
	*ret_count = count;
	return 0;
}

int block_run_list(struct weir_engine *engine, struct weir_call *call)
{
	const struct block_state *state = block_state_of(engine);
	_cleanup_free_ const struct block_list **lists = NULL;
	size_t count;
	int r = call_find_lists(state, call, &lists, &count);
	if (r < 0)
		return r;
	struct weir_json_out json = { .out = &call->reply };
	struct query query = {
		.state = state,
		.now = block_now(),
		.text = weir_call_str(call, "match"),
		.offset = weir_call_uint(call, "offset", 0),
		.limit = weir_call_uint(call, "limit", LIMIT_DEFAULT),
		.json = &json,
	};
	if (query.limit > LIMIT_MOST)
		query.limit = LIMIT_MOST;
	query.has_range = query.text && weir_range_from_string(query.text, strlen(query.text),
							       &query.range, NULL, NULL) == 0;
	weir_json_open_object(&json, NULL);
	weir_json_open_array(&json, "entries");
	for (size_t i = 0; i < count; i++)
		block_list_each(lists[i], query_visit, &query);
	weir_json_close_array(&json);
	weir_json_put_uint(&json, "total", query.total);
	weir_json_put_uint(&json, "shown", query.shown);
	weir_json_close_object(&json);
	return call->reply.failed ? -ENOMEM : 0;
}

static void put_list(const struct block_state *state, const struct block_list *list,
		     struct weir_json_out *json)
{
	weir_json_open_object(json, NULL);
	weir_json_put_str(json, "name", list->name);
	weir_json_put_str(json, "action", block_action_names[list->action]);
	weir_json_put_str(json, "origin", block_origin_names[list->origin]);
	weir_json_put_uint(json, "v4", block_list_count(list, BLOCK_V4));
	weir_json_put_uint(json, "v6", block_list_count(list, BLOCK_V6));
	weir_json_put_str(json, "note", list->note);
	if (block_list_decides(list))
		put_count(json, "hits", block_list_hits(&state->slots, list));
	else
		weir_json_put_null(json, "hits");
	weir_json_close_object(json);
}

void block_status(void *data, struct weir_json_out *json)
{
	const struct block_state *state = data;
	const struct block_lists *const kinds[] = { &state->files, &state->runtime };
	weir_json_open_object(json, "block");
	weir_json_open_array(json, "lists");
	for (size_t kind = 0; kind < WEIR_ARRAY_SIZE(kinds); kind++)
		for (size_t i = 0; i < kinds[kind]->count; i++)
			put_list(state, kinds[kind]->at[i], json);
	weir_json_close_array(json);
	weir_json_open_object(json, "live");
	weir_json_put_uint(json, "entries", state->live.used);
	weir_json_put_uint(json, "capacity", state->live.limit);
	weir_json_close_object(json);
	weir_json_close_object(json);
}

int block_run_lists(struct weir_engine *engine, struct weir_call *call)
{
	const struct block_state *state = block_state_of(engine);
	_cleanup_free_ const struct block_list **lists = NULL;
	size_t count;
	int r = call_find_lists(state, call, &lists, &count);
	if (r < 0)
		return r;
	struct weir_json_out json = { .out = &call->reply };
	weir_json_open_object(&json, NULL);
	weir_json_open_array(&json, "lists");
	for (size_t i = 0; i < count; i++)
		put_list(state, lists[i], &json);
	weir_json_close_array(&json);
	weir_json_close_object(&json);
	return call->reply.failed ? -ENOMEM : 0;
}

static int format_of(const char *name)
{
	for (int i = 0; name && block_format_names[i]; i++)
		if (strcmp(block_format_names[i], name) == 0)
			return i;
	return BLOCK_FORMAT_AUTO;
}

int block_run_export(struct weir_engine *engine, struct weir_call *call)
{
	const struct block_state *state = block_state_of(engine);
	_cleanup_free_ const struct block_list **lists = NULL;
	_cleanup_buf_ struct weir_buf text = { 0 };
	struct block_now now = block_now();
	size_t count;
	int r = call_find_lists(state, call, &lists, &count);
	if (r < 0)
		return r;
	int format = format_of(weir_call_str(call, "format"));
	if (format == BLOCK_FORMAT_AUTO)
		format = BLOCK_FORMAT_TEXT;
	block_export_write(lists, count, (enum block_format)format, &now, &text);
	struct weir_json_out json = { .out = &call->reply };
	weir_json_open_object(&json, NULL);
	weir_json_put_str(&json, "format", block_format_names[format]);
	weir_json_put_str(&json, "text", weir_buf_str(&text));
	weir_json_close_object(&json);
	return text.failed || call->reply.failed ? -ENOMEM : 0;
}
