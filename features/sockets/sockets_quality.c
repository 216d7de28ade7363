/* SPDX-License-Identifier: Apache-2.0 */
/* How well TCP got on in a flow that somebody else follows, by the sockets of this host at its
 * ends: those that live, or the last so many that ended. */
#include <netinet/in.h>

#include "core/flow_quality.h"
#include "features/sockets/sockets_state.h"

static uint32_t known_if(const struct sockets *state, const char *program,
			 enum weir_quality_known known)
{
	return weir_tracer_has(state->tracer, program) ? known : 0;
}

/* The kernel counts what this end had to send again; what comes out of order the other end has
 * sent, and what this end is told of are the other's windows and resets. */
static struct weir_flow_quality quality_of(const struct sockets *state,
					   const struct sockets_entry *entry)
{
	const struct sockets_numbers *numbers = &entry->numbers;
	struct weir_quality_side mine = {
		.known = WEIR_QUALITY_RETRANSMITS |
			 known_if(state, "weir_sock_rst_out", WEIR_QUALITY_RESETS) |
			 known_if(state, "weir_sock_read", WEIR_QUALITY_ZERO_WINDOWS),
		.retransmits = numbers->retransmits,
		.zero_windows = SOCKETS_ZERO_TIMES(entry->zero_sent),
		.resets = entry->resets_sent,
	}, other = {
		.known = WEIR_QUALITY_OUT_OF_ORDER |
			 known_if(state, "weir_sock_rst_in", WEIR_QUALITY_RESETS) |
			 known_if(state, "weir_sock_segment", WEIR_QUALITY_ZERO_WINDOWS),
		.rtt_us = numbers->srtt_us,
		.out_of_order = numbers->out_of_order,
		.zero_windows = SOCKETS_ZERO_TIMES(entry->zero_received),
		.resets = entry->resets_received,
	};

	if (numbers->srtt_us)
		other.known |= WEIR_QUALITY_RTT;
	return (struct weir_flow_quality){
		.by = WEIR_QUALITY_BY_SOCKET,
		.handshake_us = entry->handshake_us,
		.side = { mine, other },
	};
}

void sockets_measured_add(struct sockets *state, const struct sockets_entry *entry)
{
	if (entry->proto != IPPROTO_TCP)
		return;
	const struct weir_flow_ends flow = {
		.src = entry->local,
		.dst = entry->remote,
		.sport = entry->local_port,
		.dport = entry->remote_port,
		.proto = entry->proto,
		.first_ns = entry->begun_ns,
		.last_ns = entry->ended_ns,
	};
	struct weir_flow_quality quality = quality_of(state, entry);

	weir_flow_past_add(state->measured, &flow, &quality);
}

/* By the socket at that end, as its own direction has it. Whether there is one. */
static bool end_find(struct sockets *state, const struct weir_flow_ends *flow, bool is_dst,
		     struct weir_flow_quality *ret_quality)
{
	const struct sockets_entry *entry = sockets_live_at(state, flow, is_dst);
	const struct weir_flow_ends asked = is_dst ? weir_flow_ends_turned(flow) : *flow;
	uint64_t live_ns = UINT64_MAX, past_ns = UINT64_MAX;

	bool lives = entry && weir_flow_may_be(flow, entry->begun_ns, UINT64_MAX, &live_ns);
	const struct weir_flow_quality *past =
		weir_flow_past_find(state->measured, &asked, &past_ns);

	if (past && past_ns < live_ns)
		*ret_quality = *past;
	else if (lives)
		*ret_quality = quality_of(state, entry);
	return past || lives;
}

/* What was read of sockets has those that a flow had which began then. */
static bool is_known(const struct sockets *state, uint64_t stamp_ns)
{
	return stamp_ns + WEIR_FLOW_TICK_NS < state->view->read_ns;
}

/* The source first: of two handshakes the one it waited for. */
void sockets_quality_add(void *data, const struct weir_flow_ends *flow,
			 struct weir_flow_quality *quality)
{
	struct sockets *state = data;
	struct weir_flow_quality found;

	if (!state || !state->view || flow->proto != IPPROTO_TCP)
		return;
	if (!is_known(state, flow->last_ns))
		sockets_refresh(state);
	/* Or what another flow had, between the same ends before it, would be taken for its own. */
	if (!is_known(state, flow->first_ns))
		return;
	if (end_find(state, flow, false, &found))
		weir_flow_quality_add(quality, &found);
	if (!end_find(state, flow, true, &found))
		return;
	found = weir_flow_quality_turned(&found);
	weir_flow_quality_add(quality, &found);
}
