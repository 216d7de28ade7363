/* SPDX-License-Identifier: Apache-2.0 */
/* What is known of a flow that somebody else follows: from the table, or of those that are over. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>

#include "features/quality/quality_state.h"

static struct weir_quality_side side_of(const struct quality_side *side)
{
	struct weir_quality_side made = {
		.rtt_us = side->srtt_us8 / 8,
		.retransmits = side->retransmits,
		.out_of_order = side->out_of_order,
		.zero_windows = side->zero_windows,
		.resets = side->resets,
	};

	if (side->segments) /* else it took another way */
		made.known = WEIR_QUALITY_RETRANSMITS | WEIR_QUALITY_OUT_OF_ORDER |
			     WEIR_QUALITY_ZERO_WINDOWS | WEIR_QUALITY_RESETS;
	if (side->rtts)
		made.known |= WEIR_QUALITY_RTT;
	return made;
}

static struct weir_flow_quality quality_of(const struct quality_entry *entry, unsigned src)
{
	const struct quality_flow *flow = &entry->flow;

	return (struct weir_flow_quality){
		.by = WEIR_QUALITY_BY_PACKETS,
		.handshake_us = flow->handshake_us,
		.side = { side_of(&flow->side[src]), side_of(&flow->side[!src]) },
	};
}

static struct weir_flow_ends ends_of(const struct quality_entry *entry, unsigned src)
{
	const struct quality_key *key = &entry->key;
	const struct quality_side *side = entry->flow.side;

	return (struct weir_flow_ends){
		.src = key->addr[src],
		.dst = key->addr[!src],
		.sport = ntohs(key->port[src]),
		.dport = ntohs(key->port[!src]),
		.proto = IPPROTO_TCP,
		.first_ns = entry->flow.begun_ns,
		.last_ns = side[0].last_ns > side[1].last_ns ? side[0].last_ns : side[1].last_ns,
	};
}

void quality_past_add(struct quality *state, const struct quality_entry *entry)
{
	struct weir_flow_ends flow = ends_of(entry, 0);
	struct weir_flow_quality quality = quality_of(entry, 0);

	weir_flow_past_add(state->past, &flow, &quality);
}

/* The nearest so far. */
struct nearest {
	struct weir_flow_quality quality;
	uint64_t apart_ns; /* UINT64_MAX: there is none */
};

static void live_look(struct quality *state, const struct weir_flow_ends *flow,
		      struct nearest *nearest)
{
	struct quality_entry entry;
	uint64_t apart_ns;

	if (!quality_find(state, flow, &entry))
		return;
	unsigned src = memcmp(&entry.key.addr[0], &flow->src, sizeof(flow->src)) != 0 ||
		       ntohs(entry.key.port[0]) != flow->sport;
	struct weir_flow_ends mine = ends_of(&entry, src);

	if (weir_flow_may_be(flow, mine.first_ns, mine.last_ns, &apart_ns))
		*nearest = (struct nearest){ quality_of(&entry, src), apart_ns };
}

static void past_look(const struct quality *state, const struct weir_flow_ends *flow,
		      bool is_turned, struct nearest *nearest)
{
	struct weir_flow_ends asked = is_turned ? weir_flow_ends_turned(flow) : *flow;
	uint64_t apart_ns;
	const struct weir_flow_quality *found = weir_flow_past_find(state->past, &asked, &apart_ns);

	if (!found || apart_ns >= nearest->apart_ns)
		return;
	nearest->apart_ns = apart_ns;
	nearest->quality = is_turned ? weir_flow_quality_turned(found) : *found;
}

void quality_flow_add(void *data, const struct weir_flow_ends *flow,
		      struct weir_flow_quality *quality)
{
	struct nearest nearest = { .apart_ns = UINT64_MAX };
	struct quality *state = data;

	if (!state || !state->measurer || flow->proto != IPPROTO_TCP)
		return;
	live_look(state, flow, &nearest);
	past_look(state, flow, false, &nearest);
	past_look(state, flow, true, &nearest);
	if (nearest.apart_ns != UINT64_MAX)
		weir_flow_quality_add(quality, &nearest.quality);
}
