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

static uint32_t expiry_of(const struct conntrack_flow *flow, uint32_t now,
			  const struct weir_config *config)
{
	const struct conntrack_section *section =
		config->sections[weir_feature_index(&weir_conntrack)];
	const struct conntrack_timeouts timeouts = conntrack_timeouts_of(section);

	return now + timeouts.ticks[conntrack_timeout_of(flow->key.proto, flow->word)];
}

/* Numbers of TCP are not known, so windows are not checked: as for one that was picked up. The tags
 * of SCTP are. */
static void flow_fill(const struct weir_kernel_flow *from, bool is_granted, uint32_t now,
		      struct conntrack_flow *flow)
{
	bool later = is_later(from);

	*flow = (struct conntrack_flow){
		.key = key_of(from, later),
		.word = marks_of(from) | CONNTRACK_PICKED_UP | CONNTRACK_LIVE |
			(later ? CONNTRACK_SECOND : 0) | (is_granted ? CONNTRACK_GRANTED : 0) |
			(from->answered ? CONNTRACK_ANSWERED : 0) |
			(from->answered && from->assured ? CONNTRACK_AGAIN : 0),
		.born = now,
		.side = { { .tag = from->initiator_tag }, { .tag = from->responder_tag } },
	};
}

/* One whose beginning a hook has seen, when the hook that its answer went by had no program yet. */
static bool lacks_answer(uint32_t known, uint32_t told)
{
	return told & CONNTRACK_SYN << 1 && !(known & (CONNTRACK_PICKED_UP | CONNTRACK_SYN << 1));
}

/*
 * One that was adopted as half-open has come further by what is told of it now, by the other
 * source or the second time: with the marks of before its next packets were invalid, for an answer
 * seems to be missing that went by before the programs were there. So it is where packets made the
 * flow, and not its answer. Else what packets made themselves is left to them, and so is one that
 * a packet is changing right now: it has seen more than the kernel had when it was asked. Returns
 * whether the flow, with all that is known of it, is to be put where it was taken from.
 */
static bool half_take(struct conntrack_table *half, const struct conntrack_flow *there,
		      uint32_t index, struct conntrack_flow *flow)
{
	const uint32_t adopted = CONNTRACK_PICKED_UP | (flow->word & CONNTRACK_GRANTED);
	uint32_t known = there->word & CONNTRACK_MARKS;

	if ((known & adopted) != adopted && !lacks_answer(known, flow->word))
		return false;
	/* Whether it is granted is known of it: by which policy its beginning was let in. */
	uint32_t told = flow->word & ~(uint32_t)CONNTRACK_GRANTED;

	if (known & CONNTRACK_RESET || (known ^ told) & CONNTRACK_SECOND ||
	    !(told & ~known & CONNTRACK_MARKS) || !conntrack_table_remove(half, index, there->word))
		return false;
	const struct conntrack_flow from = *flow;

	*flow = *there;
	flow->word = known | told;
	for (int i = 0; i < 2 && flow->key.proto == CONNTRACK_SCTP; i++)
		conntrack_tags_take(&flow->side[i], &from.side[i]);
	return true;
}

/* Tracked already, and perhaps let in by the policy of before: that was live for some packets after
 * the programs that track. */
static bool is_there(struct conntrack *state, enum conntrack_table_kind kind,
		     const struct conntrack_key *key, enum weir_adopted_as as, uint32_t now)
{
	struct conntrack_table *table = &state->tables[kind];

	if (as != WEIR_ADOPTED_LATE)
		return conntrack_table_has(table, key, state->seed, now);
	return conntrack_table_grant(table, key, state->seed,
				     (uint32_t)weir_engine_revision(state->engine), now);
}

/* For a moment a flow that is taken is in no table: a packet that comes just then is lost, and is
 * sent again. In both it could not be: who proves a flow asks nobody whether it is proven. */
int conntrack_adopt(void *data, const struct weir_config *config,
		    const struct weir_kernel_flow *from, enum weir_adopted_as as)
{
	struct conntrack *state = data;
	struct conntrack_table *half = &state->tables[CONNTRACK_TABLE_HALF];
	uint32_t now = conntrack_now(), index;
	struct conntrack_flow flow, there;

	flow_fill(from, as != WEIR_ADOPTED_KNOWN, now, &flow);
	if (is_there(state, CONNTRACK_TABLE_PROVEN, &flow.key, as, now))
		return 0;
	bool is_known = is_there(state, CONNTRACK_TABLE_HALF, &flow.key, as, now);

	if (is_known && (!conntrack_table_find(half, &flow.key, state->seed, now, &there, &index) ||
			 !half_take(half, &there, index, &flow)))
		return 0;
	flow.expires_ticks = expiry_of(&flow, now, config);
	bool is_proven = conntrack_is_proven(flow.key.proto, flow.word);
	int r = conntrack_table_add(is_proven ? &state->tables[CONNTRACK_TABLE_PROVEN] : half,
				    &flow, state->seed, now);

	/* No room among the proven: it goes on where it was. */
	if (r == -ENOSPC && is_proven && is_known)
		r = conntrack_table_add(half, &flow, state->seed, now);
	if (r == -ENOSPC)
		return r;
	state->adopted += r == 0 && !is_known;
	return r == 0 && !is_known;
}
