/* SPDX-License-Identifier: Apache-2.0 */
/* A connection's quality as JSON, and what stands beside all of them. */
#include <arpa/inet.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#include "base/addr.h"
#include "base/cleanup.h"
#include "core/engine.h"
#include "core/owner.h"
#include "features/quality/quality_state.h"

const char *quality_device(const struct quality *state, uint32_t ifindex, char text[16])
{
	const struct weir_snapshot *snapshot = weir_engine_snapshot(state->engine);

	for (size_t i = 0; snapshot && i < snapshot->interface_count; i++)
		if (snapshot->interfaces[i].ifindex == ifindex)
			return snapshot->interfaces[i].name;
	snprintf(text, 16, "#%u", ifindex);
	return text;
}

/* Without its beginning: whoever has the higher port. */
unsigned quality_src(const struct quality_entry *entry)
{
	if (entry->flow.client != QUALITY_CLIENT_UNKNOWN)
		return entry->flow.client == QUALITY_CLIENT_HIGH;
	return ntohs(entry->key.port[1]) > ntohs(entry->key.port[0]);
}

static void us_put(struct weir_json_out *json, const char *key, double us)
{
	if (us > 0)
		weir_json_put_real(json, key, us / 1000.0);
}

static void side_put(const struct quality *state, const struct quality_side *side,
		     struct weir_json_out *json, const char *key)
{
	char text[16];

	weir_json_open_object(json, key);
	if (side->ifindex)
		weir_json_put_str(json, "interface", quality_device(state, side->ifindex, text));
	us_put(json, "rtt_ms", side->srtt_us8 / 8.0);
	us_put(json, "rttvar_ms", side->rttvar_us4 / 4.0);
	us_put(json, "min_rtt_ms", side->min_rtt_us);
	weir_json_put_uint(json, "rtt_samples", side->rtts);
	weir_json_put_uint(json, "segments", side->segments);
	weir_json_put_uint(json, "bytes", side->bytes);
	weir_json_put_uint(json, "retransmits", side->retransmits);
	weir_json_put_uint(json, "bytes_retransmitted", side->retransmitted_bytes);
	weir_json_put_uint(json, "out_of_order", side->out_of_order);
	weir_json_put_uint(json, "zero_windows", side->zero_windows);
	weir_json_put_uint(json, "resets", side->resets);
	weir_json_put_uint(json, "probes", side->probes);
	weir_json_put_uint(json, "bytes_unseen", side->unseen_bytes);
	weir_json_close_object(json);
}

static void quality_put(const struct quality *state, const struct quality_entry *entry,
			struct weir_json_out *json)
{
	const struct quality_flow *flow = &entry->flow;
	unsigned src = quality_src(entry);

	weir_json_put_bool(json, "whole", flow->syn_ns != 0);
	us_put(json, "handshake_ms", flow->handshake_us);
	if (flow->handshake_us) {
		us_put(json, "handshake_dst_ms", flow->answered_us);
		us_put(json, "handshake_src_ms", flow->handshake_us - flow->answered_us);
	}
	side_put(state, &flow->side[src], json, "src_side");
	side_put(state, &flow->side[!src], json, "dst_side");
}

static void end_put(const struct quality_entry *entry, unsigned side, struct weir_json_out *json,
		    const char *addr, const char *port)
{
	char text[WEIR_ADDR_TEXT];

	weir_json_put_str(json, addr, weir_addr_to_string(&entry->key.addr[side], text));
	weir_json_put_uint(json, port, ntohs(entry->key.port[side]));
}

static const char *state_name(const struct quality_entry *entry)
{
	if (entry->is_silent)
		return "silent";
	if (entry->flow.ended_ns)
		return "ended";
	return entry->flow.syn_ns && !entry->flow.handshake_us ? "opening" : "open";
}

void quality_entry_put(const struct quality *state, const struct quality_entry *entry,
		       struct weir_json_out *json)
{
	const struct quality_flow *flow = &entry->flow;
	unsigned src = quality_src(entry);

	weir_json_open_object(json, NULL);
	end_put(entry, src, json, "src", "sport");
	end_put(entry, !src, json, "dst", "dport");
	weir_json_put_str(json, "state", state_name(entry));
	weir_json_put_moment(json, flow->syn_ns ? "begun" : "first_seen", flow->begun_ns);
	weir_json_put_moment(json, "last_seen",
			     flow->side[0].last_ns > flow->side[1].last_ns ? flow->side[0].last_ns :
									     flow->side[1].last_ns);
	if (flow->ended_ns)
		weir_json_put_moment(json, "ended", flow->ended_ns);
	weir_json_put_uint(json, "sample", flow->sample);
	quality_put(state, entry, json);
	weir_json_close_object(json);
}

static void counts_put(const struct quality_count *count, struct weir_json_out *json)
{
	weir_json_put_uint(json, "segments", count->segments);
	weir_json_put_uint(json, "bytes", count->bytes);
	weir_json_put_uint(json, "retransmits", count->retransmits);
	weir_json_put_uint(json, "bytes_retransmitted", count->retransmitted_bytes);
	weir_json_put_uint(json, "out_of_order", count->out_of_order);
	weir_json_put_uint(json, "zero_windows", count->zero_windows);
	weir_json_put_uint(json, "resets", count->resets);
	weir_json_put_uint(json, "probes", count->probes);
}

static void count_add(struct quality_count *sum, const struct quality_count *count)
{
	__u64 *words = (__u64 *)sum; /* as its members are */

	for (size_t i = 0; i < QUALITY_COUNT_WORDS; i++)
		words[i] += ((const __u64 *)count)[i];
}

/* "total" is what was measured times the rate of that moment: of nothing, too, where none of those
 * that passed was chosen. */
static void totals_put(const struct quality *state, struct weir_json_out *json)
{
	struct quality_count sums[2] = { 0 };

	for (size_t i = 0; i < WEIR_ARRAY_SIZE(state->counts); i++)
		count_add(&sums[i % 2], &state->counts[i]);
	weir_json_open_object(json, "total");
	weir_json_put_bool(json, "is_estimate",
			   sums[1].segments != sums[0].segments || state->sums[QUALITY_UNSAMPLED]);
	counts_put(&sums[1], json);
	weir_json_close_object(json);
	weir_json_open_object(json, "measured");
	counts_put(&sums[0], json);
	weir_json_close_object(json);
}

static void governor_put(const struct quality *state, struct weir_json_out *json)
{
	weir_json_put_uint(json, "sample", state->governor.sample);
	weir_json_put_real(json, "cpu_percent", 100 * state->governor.share);
	if (!state->section.cpu)
		return;
	weir_json_put_uint(json, "cpu_ceiling_percent", state->section.cpu);
	weir_json_put_str(json, "governor", quality_governor_word(state));
}

void quality_sums_put(const struct quality *state, struct weir_json_out *json)
{
	governor_put(state, json);
	weir_json_put_uint(json, "interfaces", state->places);
	weir_json_put_uint(json, "flows", state->live);
	weir_json_put_uint(json, "capacity", state->section.flows);
	weir_json_put_uint(json, "flows_begun", state->sums[QUALITY_BEGUN]);
	weir_json_put_uint(json, "flows_joined", state->sums[QUALITY_JOINED]);
	weir_json_put_uint(json, "no_place", state->sums[QUALITY_NO_PLACE]);
	weir_json_put_uint(json, "not_sampled", state->sums[QUALITY_UNSAMPLED]);
	weir_json_put_uint(json, "let_go", state->let_go);
	weir_json_put_uint(json, "fragments", state->sums[QUALITY_FRAGMENTS]);
	weir_json_put_uint(json, "odd", state->sums[QUALITY_ODD]);
	weir_json_put_uint(json, "met_before", state->sums[QUALITY_ELSEWHERE]);
	totals_put(state, json);
}

bool quality_find(struct quality *state, const struct weir_flow_ends *ends,
		  struct quality_entry *ret_entry)
{
	struct weir_map *map = weir_measurer_map(state->measurer, "st_quality");
	struct quality_key *key = &ret_entry->key;

	*ret_entry = (struct quality_entry){ .key = { .addr = { ends->src, ends->dst },
						      .port = { htons(ends->sport),
								htons(ends->dport) } } };
	if (map && !weir_map_get(map, key, &ret_entry->flow))
		return true;
	*key = (struct quality_key){ .addr = { ends->dst, ends->src },
				     .port = { htons(ends->dport), htons(ends->sport) } };
	return map && !weir_map_get(map, key, &ret_entry->flow);
}

/* Beside a flow that connection tracking has, as long as it is in the table. */
void quality_owner_put(void *data, const struct weir_flow_ends *ends, struct weir_json_out *json)
{
	struct quality *state = data;
	struct quality_entry entry;

	if (!state || !state->measurer || ends->proto != IPPROTO_TCP || ends->is_over ||
	    !quality_find(state, ends, &entry))
		return;
	weir_json_open_object(json, "quality");
	quality_put(state, &entry, json);
	weir_json_close_object(json);
}
