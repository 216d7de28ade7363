/* SPDX-License-Identifier: Apache-2.0 */
/* How well TCP got on in a flow: one feature follows flows, others measure them by packets or know
 * their sockets, and the one asks the others here. */
#ifndef WEIR_CORE_FLOW_QUALITY_H
#define WEIR_CORE_FLOW_QUALITY_H

#include "owner.h"

/* Which members of a side are known. */
enum weir_quality_known {
	WEIR_QUALITY_RTT = 1,
	WEIR_QUALITY_RETRANSMITS = 2,
	WEIR_QUALITY_OUT_OF_ORDER = 4,
	WEIR_QUALITY_ZERO_WINDOWS = 8,
	WEIR_QUALITY_RESETS = 16,
};

/* Of what an end sent; the round trip is to it. */
struct weir_quality_side {
	uint32_t known;	 /* bits of enum weir_quality_known */
	uint32_t rtt_us; /* smoothed */
	uint32_t retransmits, out_of_order, zero_windows, resets;
};

enum weir_quality_by {
	WEIR_QUALITY_BY_SOCKET = 1,
	WEIR_QUALITY_BY_PACKETS = 2,
};

struct weir_flow_quality {
	uint32_t by;			  /* bits of enum weir_quality_by; 0: nothing is known */
	uint32_t handshake_us;		  /* 0: not known */
	struct weir_quality_side side[2]; /* of source and destination */
};

/* What all features know of it. Loop, or a worker in its turn. */
void weir_flow_quality_get(struct weir_engine *engine, const struct weir_flow_ends *flow,
			   struct weir_flow_quality *ret_quality);
/* What is not known yet, as far as `more` has it. */
void weir_flow_quality_add(struct weir_flow_quality *quality, const struct weir_flow_quality *more);
/* The same, of the flow's other direction. */
struct weir_flow_quality weir_flow_quality_turned(const struct weir_flow_quality *quality);
/* Adds it to an open object as `quality`; nothing where nothing is known. */
void weir_flow_quality_put(const struct weir_flow_quality *quality, struct weir_json_out *json);

struct weir_flow_ends weir_flow_ends_turned(const struct weir_flow_ends *ends);

/* Whether something that lasted from then to then may be this flow; how far their beginnings lie
 * apart, by which the right one of several is told. */
bool weir_flow_may_be(const struct weir_flow_ends *flow, uint64_t begun_ns, uint64_t ended_ns,
		      uint64_t *ret_apart_ns);

#endif
