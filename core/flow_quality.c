/* SPDX-License-Identifier: Apache-2.0 */
#include "flow_quality.h"

#include "engine.h"
#include "feature.h"

#include "base/clock.h"

/* A server's socket begins after the packet that makes it, which may be the flow's last. */
#define LATE_NS WEIR_NS_PER_S

static const struct {
	enum weir_quality_known bit;
	const char *name;
	size_t offset;
} counts[] = {
	{ WEIR_QUALITY_RETRANSMITS, "retransmits",
	  offsetof(struct weir_quality_side, retransmits) },
	{ WEIR_QUALITY_OUT_OF_ORDER, "out_of_order",
	  offsetof(struct weir_quality_side, out_of_order) },
	{ WEIR_QUALITY_ZERO_WINDOWS, "zero_windows",
	  offsetof(struct weir_quality_side, zero_windows) },
	{ WEIR_QUALITY_RESETS, "resets", offsetof(struct weir_quality_side, resets) },
};

#define COUNTS (sizeof(counts) / sizeof(counts[0]))

void weir_flow_quality_get(struct weir_engine *engine, const struct weir_flow_ends *flow,
			   struct weir_flow_quality *ret_quality)
{
	*ret_quality = (struct weir_flow_quality){ 0 };
	for (size_t i = 0; engine && weir_features[i]; i++)
		if (weir_features[i]->quality_add)
			weir_features[i]->quality_add(weir_engine_state(engine, weir_features[i]),
						      flow, ret_quality);
}

static uint32_t *count_at(struct weir_quality_side *side, size_t at)
{
	return (uint32_t *)((char *)side + counts[at].offset);
}

static bool side_add(struct weir_quality_side *side, const struct weir_quality_side *more)
{
	uint32_t wanted = more->known & ~side->known;
	struct weir_quality_side from = *more;

	if (wanted & WEIR_QUALITY_RTT)
		side->rtt_us = more->rtt_us;
	for (size_t i = 0; i < COUNTS; i++)
		if (wanted & counts[i].bit)
			*count_at(side, i) = *count_at(&from, i);
	side->known |= wanted;
	return wanted != 0;
}

void weir_flow_quality_add(struct weir_flow_quality *quality, const struct weir_flow_quality *more)
{
	bool is_new = !quality->handshake_us && more->handshake_us;

	if (is_new)
		quality->handshake_us = more->handshake_us;
	for (int i = 0; i < 2; i++)
		is_new |= side_add(&quality->side[i], &more->side[i]);
	if (is_new)
		quality->by |= more->by;
}

struct weir_flow_quality weir_flow_quality_turned(const struct weir_flow_quality *quality)
{
	struct weir_flow_quality turned = *quality;

	turned.side[0] = quality->side[1];
	turned.side[1] = quality->side[0];
	return turned;
}

struct weir_flow_ends weir_flow_ends_turned(const struct weir_flow_ends *ends)
{
	return (struct weir_flow_ends){ .src = ends->dst,
					.dst = ends->src,
					.sport = ends->dport,
					.dport = ends->sport,
					.proto = ends->proto,
					.first_ns = ends->first_ns,
					.last_ns = ends->last_ns };
}

static void side_put(struct weir_quality_side side, const char *key, struct weir_json_out *json)
{
	if (!side.known)
		return;
	weir_json_open_object(json, key);
	if (side.known & WEIR_QUALITY_RTT)
		weir_json_put_real(json, "rtt_ms", side.rtt_us / 1000.0);
	for (size_t i = 0; i < COUNTS; i++)
		if (side.known & counts[i].bit)
			weir_json_put_uint(json, counts[i].name, *count_at(&side, i));
	weir_json_close_object(json);
}

void weir_flow_quality_put(const struct weir_flow_quality *quality, struct weir_json_out *json)
{
	static const char *const by[] = { "", "socket", "packets", "socket and packets" };

	if (!quality->by)
		return;
	weir_json_open_object(json, "quality");
	weir_json_put_str(json, "known_by", by[quality->by & 3]);
	if (quality->handshake_us)
		weir_json_put_real(json, "handshake_ms", quality->handshake_us / 1000.0);
	side_put(quality->side[0], "src_side", json);
	side_put(quality->side[1], "dst_side", json);
	weir_json_close_object(json);
}

bool weir_flow_may_be(const struct weir_flow_ends *flow, uint64_t begun_ns, uint64_t ended_ns,
		      uint64_t *ret_apart_ns)
{
	bool is_later = begun_ns > flow->last_ns && begun_ns - flow->last_ns > LATE_NS,
	     is_earlier =
		     ended_ns < flow->first_ns && flow->first_ns - ended_ns > WEIR_FLOW_TICK_NS;

	if (is_later || is_earlier)
		return false;
	*ret_apart_ns =
		begun_ns > flow->first_ns ? begun_ns - flow->first_ns : flow->first_ns - begun_ns;
	return true;
}
