/* SPDX-License-Identifier: Apache-2.0 */
/* What others are shown of rules: with a packet, in the status, as metrics. */
#include "features/rules/rules_shown.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "core/limit.h"

/* Each is two metrics; the rest is one more, so that a scrape stays small whatever is added. */
#define SERIES_MAX 50

void rules_put_who(const struct rules_standing *standing, struct weir_json_out *json)
{
	weir_json_put_str(json, "name", standing->text->name);
	weir_json_put_uint(json, "id", standing->row);
	weir_json_put_str(json, "origin", rules_origin_names[standing->origin]);
	weir_json_put_str(json, "action", rules_action_names[standing->text->action]);
}

void rules_put_count(const struct rules_state *state, const struct rules_standing *standing,
		     struct weir_json_out *json)
{
	struct weir_count count = rules_hits_count(&state->hits, standing->row);
	weir_json_put_uint(json, "packets", count.packets);
	weir_json_put_uint(json, "bytes", count.bytes);
	if (standing->text->action != RULES_LIMIT)
		return;
	struct weir_count over = rules_hits_count(&state->hits, standing->over);
	weir_json_put_uint(json, "over", over.packets);
	weir_json_put_uint(json, "over_bytes", over.bytes);
}

/* A packet that the default policy ends may bear the number of a rule that only told of it. */
static bool is_by_default(uint32_t reason)
{
	return reason == WEIR_PASS_POLICY || reason == WEIR_DROP_POLICY ||
	       reason == WEIR_PASS_ALLOWED;
}

static void held_put(const struct rules_state *state, const struct weir_verdict *verdict,
		     struct weir_json_out *json)
{
	const struct rules_standing *standing =
		verdict->held & (LIMIT_LIST | LIMIT_NEVER) ?
			NULL :
			rules_order_by_row(state->order, verdict->held);
	char number[16];
	if (!standing)
		return;
	snprintf(number, sizeof(number), "%u", standing->row);
	weir_limit_put_held("limit of rule", standing->text->name ? standing->text->name : number,
			    verdict->reason == WEIR_DROP_RULE_LIMIT, json);
}

void rules_describe(void *data, const struct weir_verdict *verdict, struct weir_json_out *json)
{
	const struct rules_state *state = data;
	if (state)
		held_put(state, verdict, json);
	if (!state || !verdict->rule || is_by_default(verdict->reason))
		return;
	const struct rules_standing *standing = rules_order_by_row(state->order, verdict->rule);
	weir_json_open_object(json, "rule");
	if (standing)
		rules_put_who(standing, json);
	else
		weir_json_put_uint(json, "id", verdict->rule); /* it went since */
	weir_json_close_object(json);
}

static void put_policies(const struct rules_section *section, struct weir_json_out *json)
{
	weir_json_open_array(json, "policy");
	/* Those of a section that is switched off hold nothing. */
	for (unsigned i = 0; section->enabled && i < section->policy_count; i++) {
		const struct rules_policy_config *policy = &section->policies[i];
		weir_json_open_object(json, NULL);
		weir_json_put_str(json, "interface", policy->interface);
		weir_json_put_str(json, "ingress", rules_action_names[policy->ingress]);
		weir_json_put_str(json, "egress", rules_action_names[policy->egress]);
		weir_json_close_object(json);
	}
	weir_json_close_array(json);
}

void rules_status(void *data, struct weir_json_out *json)
{
	const struct rules_state *state = data;
	const struct rules_order *order = state->order;
	uint64_t acting = 0, origins[2] = { 0 };
	for (uint32_t i = 0; order && i < order->count; i++) {
		acting += order->at[i].acts;
		origins[order->at[i].origin]++;
	}
	weir_json_open_object(json, "rules");
	weir_json_put_uint(json, "file", origins[RULES_FROM_FILE]);
	weir_json_put_uint(json, "runtime", origins[RULES_FROM_RUNTIME]);
	weir_json_put_uint(json, "acting", acting);
	weir_json_put_uint(json, "most", RULES_MAX);
	weir_json_put_uint(json, "words", state->words);
	weir_json_put_uint(json, "counters", state->hits.rows.count);
	weir_json_put_uint(json, "counters_most", RULES_ROWS - 1);
	if (state->config)
		put_policies(rules_section_of(state->config), json);
	weir_json_close_object(json);
}

static int sample(struct weir_snapshot *snapshot, const char *name, const char *action,
		  struct weir_count count)
{
	int r = weir_snapshot_add(snapshot, WEIR_SAMPLE_COUNTER, "rule_packets_total",
				  "Packets that a rule matched and decided or told of.",
				  (double)count.packets, "rule=\"%s\",action=\"%s\"", name, action);
	return r ? r :
		   weir_snapshot_add(snapshot, WEIR_SAMPLE_COUNTER, "rule_bytes_total",
				     "Bytes of the packets that a rule matched.",
				     (double)count.bytes, "rule=\"%s\",action=\"%s\"", name,
				     action);
}

static int sample_over(struct weir_snapshot *snapshot, const char *name, struct weir_count count)
{
	int r = weir_snapshot_add(snapshot, WEIR_SAMPLE_COUNTER, "rule_over_packets_total",
				  "Packets that were dropped for being over a rule's limit.",
				  (double)count.packets, "rule=\"%s\"", name);
	return r ? r :
		   weir_snapshot_add(snapshot, WEIR_SAMPLE_COUNTER, "rule_over_bytes_total",
				     "Bytes of the packets that were over a rule's limit.",
				     (double)count.bytes, "rule=\"%s\"", name);
}

static void count_add(struct weir_count *to, struct weir_count count)
{
	to->packets += count.packets;
	to->bytes += count.bytes;
}

static int samples_of(const struct rules_state *state, const struct rules_standing *standing,
		      struct weir_snapshot *snapshot)
{
	int r = sample(snapshot, standing->text->name, rules_action_names[standing->text->action],
		       rules_hits_count(&state->hits, standing->row));

	if (r || standing->text->action != RULES_LIMIT)
		return r;
	return sample_over(snapshot, standing->text->name,
			   rules_hits_count(&state->hits, standing->over));
}

/* Those without a series of their own. */
struct others {
	uint32_t rules, limits;
	struct weir_count hits, over;
};

static void others_add(struct others *others, const struct rules_state *state,
		       const struct rules_standing *standing)
{
	others->rules++;
	count_add(&others->hits, rules_hits_count(&state->hits, standing->row));
	if (standing->text->action != RULES_LIMIT)
		return;
	others->limits++;
	count_add(&others->over, rules_hits_count(&state->hits, standing->over));
}

static int others_sample(const struct others *others, struct weir_snapshot *snapshot)
{
	int r = others->rules ?
			sample(snapshot, WEIR_SERIES_OTHER, WEIR_SERIES_OTHER, others->hits) :
			0;

	return r || !others->limits ? r : sample_over(snapshot, WEIR_SERIES_OTHER, others->over);
}

/* The first rules with a name, in their order: a choice by hits would make series come and go. */
static int samples_add(const struct rules_state *state, struct weir_snapshot *snapshot)
{
	struct others others = { 0 };
	uint32_t series = 0;
	int r = 0;

	for (uint32_t i = 0; i < state->order->count && !r; i++) {
		const struct rules_standing *standing = &state->order->at[i];
		const char *name = standing->text->name;

		if (!name || series == SERIES_MAX || strcmp(name, WEIR_SERIES_OTHER) == 0) {
			others_add(&others, state, standing);
			continue;
		}
		series++;
		r = samples_of(state, standing, snapshot);
	}
	return r ? r : others_sample(&others, snapshot);
}

int rules_snapshot(void *data, struct weir_snapshot *snapshot)
{
	struct rules_state *state = data;
	int r = rules_hits_read(&state->hits, weir_clock_monotonic_ns());
	return r || !state->order ? r : samples_add(state, snapshot);
}
