/* SPDX-License-Identifier: Apache-2.0 */
/* list and hits: what only looks. No map is walked: counts are those of the last tick. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "features/rules/rules_ops.h"
#include "features/rules/rules_shown.h"
#include "features/rules/rules_text.h"

#define LIST_LIMIT 1000
#define HITS_LIMIT 100
#define HEAVY_RULES 2000 /* about 5 ms to look at and write */

bool rules_list_is_heavy(struct weir_engine *engine, const struct weir_call *call)
{
	const struct rules_state *state = rules_state_of(engine);
	(void)call;
	return state->order && state->order->count > HEAVY_RULES;
}

static bool text_has(const char *text, const char *wanted)
{
	return text && strcasestr(text, wanted);
}

static bool rule_matches(const struct rules_standing *standing, const char *conditions,
			 const char *wanted)
{
	const struct rules_text *text = standing->text;
	return !wanted || text_has(text->name, wanted) || text_has(text->comment, wanted) ||
	       text_has(text->group, wanted) || text_has(conditions, wanted) ||
	       text_has(rules_action_names[text->action], wanted) ||
	       text_has(rules_origin_names[standing->origin], wanted);
}

static void put_rule(const struct rules_state *state, const struct rules_standing *standing,
		     const char *conditions, struct weir_json_out *json)
{
	weir_json_open_object(json, NULL);
	weir_json_put_uint(json, "place", (uint64_t)(standing - state->order->at) + 1);
	weir_json_put_uint(json, "id", standing->row);
	weir_json_put_str(json, "origin", rules_origin_names[standing->origin]);
	weir_json_put_bool(json, "acts", standing->acts);
	rules_text_put(standing->text, json);
	weir_json_put_str(json, "conditions", conditions);
	rules_put_count(state, standing, json);
	weir_json_close_object(json);
}

int rules_run_list(struct weir_engine *engine, struct weir_call *call)
{
	const struct rules_state *state = rules_state_of(engine);
	const char *wanted = weir_call_str(call, "match");
	uint64_t limit = weir_call_uint(call, "limit", LIST_LIMIT), total = 0, shown = 0;
	uint64_t offset = weir_call_uint(call, "offset", 0);
	_cleanup_buf_ struct weir_buf conditions = { 0 };
	struct weir_json_out json = { .out = &call->reply };
	weir_json_open_object(&json, NULL);
	weir_json_open_array(&json, "rules");
	for (uint32_t i = 0; state->order && i < state->order->count; i++) {
		const struct rules_standing *standing = &state->order->at[i];
		weir_buf_clear(&conditions);
		rules_text_conditions(standing->text, &conditions);
		if (!rule_matches(standing, weir_buf_str(&conditions), wanted))
			continue;
		if (total++ < offset || shown == limit)
			continue;
		shown++;
		put_rule(state, standing, weir_buf_str(&conditions), &json);
	}
	weir_json_close_array(&json);
	weir_json_put_uint(&json, "total", total);
	weir_json_put_uint(&json, "shown", shown);
	weir_json_close_object(&json);
	return call->reply.failed || conditions.failed ? -ENOMEM : 0;
}

struct ranked {
	const struct rules_standing *standing;
	uint64_t packets;
};

static int ranked_compare(const void *a, const void *b)
{
	const struct ranked *x = a, *y = b;
	if (x->packets != y->packets)
		return x->packets > y->packets ? -1 : 1;
	return x->standing < y->standing ? -1 : 1;
}

static void put_hits(const struct rules_state *state, const struct rules_standing *standing,
		     struct weir_json_out *json)
{
	_cleanup_buf_ struct weir_buf conditions = { 0 };
	rules_text_conditions(standing->text, &conditions);
	weir_json_open_object(json, NULL);
	rules_put_who(standing, json);
	weir_json_put_bool(json, "acts", standing->acts);
	weir_json_put_str(json, "conditions", weir_buf_str(&conditions));
	rules_put_count(state, standing, json);
	weir_json_close_object(json);
}

/* One rule is read now; its row alone is no walk. */
static int hits_of_one(struct rules_state *state, struct weir_call *call)
{
	const struct rules_standing *standing = NULL;
	struct weir_json_out json = { .out = &call->reply };
	int r = rules_call_find(call, state, "name", &standing);
	if (r < 0)
		return r;
	rules_hits_refresh(&state->hits, standing->row);
	rules_hits_refresh(&state->hits, standing->over);
	weir_json_open_object(&json, NULL);
	weir_json_open_array(&json, "rules");
	put_hits(state, standing, &json);
	weir_json_close_array(&json);
	weir_json_close_object(&json);
	return call->reply.failed ? -ENOMEM : 0;
}

/* Those that are shown at the front, by packets; returns how many. */
static uint32_t hits_rank(const struct rules_state *state, bool is_never, struct ranked *ranked,
			  uint64_t *ret_never)
{
	uint32_t count = 0;
	*ret_never = 0;
	for (uint32_t i = 0; state->order && i < state->order->count; i++) {
		const struct rules_standing *standing = &state->order->at[i];
		uint64_t packets = rules_hits_count(&state->hits, standing->row).packets;
		*ret_never += !packets && standing->acts;
		if (is_never ? !packets && standing->acts : packets > 0)
			ranked[count++] = (struct ranked){ standing, packets };
	}
	qsort(ranked, count, sizeof(*ranked), ranked_compare);
	return count;
}

int rules_run_hits(struct weir_engine *engine, struct weir_call *call)
{
	struct rules_state *state = rules_state_of(engine);
	if (weir_call_str(call, "name"))
		return hits_of_one(state, call);
	uint64_t limit = weir_call_uint(call, "limit", HITS_LIMIT), never;
	_cleanup_free_ struct ranked *ranked =
		calloc((state->order ? state->order->count : 0) + 1, sizeof(*ranked));
	struct weir_json_out json = { .out = &call->reply };
	if (!ranked)
		return -ENOMEM;
	uint32_t count = hits_rank(state, weir_call_flag(call, "never"), ranked, &never);
	weir_json_open_object(&json, NULL);
	weir_json_open_array(&json, "rules");
	for (uint32_t i = 0; i < count && i < limit; i++)
		put_hits(state, ranked[i].standing, &json);
	weir_json_close_array(&json);
	weir_json_put_uint(&json, "total", count);
	weir_json_put_uint(&json, "never", never);
	weir_json_close_object(&json);
	return call->reply.failed ? -ENOMEM : 0;
}
