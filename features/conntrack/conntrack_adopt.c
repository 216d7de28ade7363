/* SPDX-License-Identifier: Apache-2.0 */
/* Connections of before: what the kernel says of one becomes a flow. */
#include <errno.h>

#include "base/addr.h"
#include "core/kernel_flows.h"
#include "features/conntrack/conntrack_state.h"

bool conntrack_wants_flows(const void *data)
{
	const struct conntrack *state = data;

	return state->is_on && !state->is_reused &&
	       state->old[CONNTRACK_TABLE_PROVEN].set_count <= CONNTRACK_SETS_OFF;
}

static uint32_t marks_of(const struct weir_kernel_flow *flow)
{
	const uint32_t open = (CONNTRACK_SYN | CONNTRACK_SYN_ACKED) * CONNTRACK_BOTH,
		       fins = CONNTRACK_FIN * CONNTRACK_BOTH;

	switch (flow->stage) {
	case WEIR_KERNEL_FLOW_UNSTAGED:
		return 0;
	case WEIR_KERNEL_FLOW_OPENING:
		return CONNTRACK_SYN |
		       (flow->answered ? CONNTRACK_SYN << 1 | CONNTRACK_SYN_ACKED : 0);
	case WEIR_KERNEL_FLOW_ESTABLISHED:
		return open;
	case WEIR_KERNEL_FLOW_INITIATOR_CLOSED:
		return open | CONNTRACK_FIN;
	case WEIR_KERNEL_FLOW_RESPONDER_CLOSED:
		return open | CONNTRACK_FIN << 1;
	case WEIR_KERNEL_FLOW_BOTH_CLOSED:
		return open | fins;
	case WEIR_KERNEL_FLOW_TIME_WAIT:
		return open | fins | CONNTRACK_FIN_ACKED * CONNTRACK_BOTH;
	case WEIR_KERNEL_FLOW_RESET:
		return open | CONNTRACK_RESET;
	}
	return 0;
}

/* Ends in the order of keys, as the packet programs put them (conntrack_key.bpf.h). */
static bool is_later(const struct weir_kernel_flow *flow)
{
	const struct weir_addr *a = &flow->initiator, *b = &flow->responder;

	if (a->be64[0] != b->be64[0])
		return a->be64[0] > b->be64[0];
	if (a->be64[1] != b->be64[1])
		return a->be64[1] > b->be64[1];
	return flow->initiator_port > flow->responder_port;
}

static struct conntrack_key key_of(const struct weir_kernel_flow *flow, bool later)
{
	bool is_icmp = flow->proto == CONNTRACK_ICMP || flow->proto == CONNTRACK_ICMPV6;
	struct conntrack_key key = {
		.proto = flow->proto,
		.family = weir_addr_is_v4(&flow->initiator) ? 4 : 6,
		.requester = is_icmp ? 1 + later : 0,
	};

	key.addr[later] = flow->initiator;
	key.addr[!later] = flow->responder;
	key.port[later] = flow->initiator_port;
	key.port[!later] = flow->responder_port;
	return key;
}

/* Numbers of TCP are not known, so windows are not checked: as for one that was picked up. */
static void flow_fill(const struct weir_kernel_flow *from, bool is_granted, uint32_t now,
		      const struct weir_config *config, struct conntrack_flow *flow)
{
	const struct conntrack_section *section =
		config->sections[weir_feature_index(&weir_conntrack)];
	bool later = is_later(from);
	uint32_t marks = marks_of(from) | CONNTRACK_PICKED_UP | CONNTRACK_LIVE |
			 (later ? CONNTRACK_SECOND : 0) | (is_granted ? CONNTRACK_GRANTED : 0) |
			 (from->answered ? CONNTRACK_ANSWERED : 0) |
			 (from->answered && from->assured ? CONNTRACK_AGAIN : 0);
	uint64_t left_ns = section->timeouts[conntrack_state_of(from->proto, marks)].value;

	*flow = (struct conntrack_flow){
		.key = key_of(from, later),
		.word = marks,
		.born = now,
		.expires_ticks = now + (uint32_t)(left_ns >> CONNTRACK_TICK_SHIFT),
	};
}

/* Tracked already, and perhaps let in by the policy of before: that was live for some packets after
 * the programs that track. */
static bool late_is_there(struct conntrack *state, const struct conntrack_key *key, uint32_t now)
{
	uint32_t revision = (uint32_t)weir_engine_revision(state->engine);

	return conntrack_table_grant(&state->tables[CONNTRACK_TABLE_PROVEN], key, state->seed,
				     revision, now) ||
	       conntrack_table_grant(&state->tables[CONNTRACK_TABLE_HALF], key, state->seed,
				     revision, now);
}

bool conntrack_adopt(void *data, const struct weir_config *config,
		     const struct weir_kernel_flow *from, enum weir_adopted_as as)
{
	struct conntrack *state = data;
	uint32_t now = conntrack_now();
	struct conntrack_flow flow;

	flow_fill(from, as != WEIR_ADOPTED_KNOWN, now, config, &flow);
	bool is_proven = conntrack_is_proven(flow.key.proto, flow.word);
	struct conntrack_table *table =
		&state->tables[is_proven ? CONNTRACK_TABLE_PROVEN : CONNTRACK_TABLE_HALF];

	if (as == WEIR_ADOPTED_LATE ? late_is_there(state, &flow.key, now) :
				      conntrack_table_has(&state->tables[CONNTRACK_TABLE_PROVEN],
							  &flow.key, state->seed, now))
		return true;
	int r = conntrack_table_add(table, &flow, state->seed, now);

	state->adopted += r == 0;
	return r != -ENOSPC;
}
