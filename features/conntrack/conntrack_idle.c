/* SPDX-License-Identifier: Apache-2.0 */
/* When a flow was last seen, also where its timeout was another one then. */
#include "features/conntrack/conntrack_idle.h"

#include <string.h>

/* The longest timeout there may be: 100 days. */
#define PAST_TICKS (uint32_t)(100ULL * 86400 * 1000000000 >> CONNTRACK_TICK_SHIFT)
/* A policy works some time before it is said to be live: on one interface before the other. */
#define SLACK_TICKS 120 /* two seconds */

bool conntrack_past_add(struct conntrack_past *past, const struct conntrack_timeouts *timeouts,
			uint32_t now)
{
	if (past->count && memcmp(&past->timeouts[0], timeouts, sizeof(*timeouts)) == 0)
		return false;
	if (past->count < CONNTRACK_PAST)
		past->count++;
	for (uint32_t i = past->count - 1; i > 0; i--) {
		past->since[i] = past->since[i - 1];
		past->timeouts[i] = past->timeouts[i - 1];
	}
	past->since[0] = now;
	past->timeouts[0] = *timeouts;
	return true;
}

bool conntrack_past_trim(struct conntrack_past *past, uint32_t now)
{
	if (past->count < 2 || now - past->since[0] <= PAST_TICKS)
		return false;
	past->count = 1;
	return true;
}

/* Whether timeouts were live then. Of the oldest it is not known from when on. */
static bool were_live(const struct conntrack_past *past, uint32_t i, uint32_t at)
{
	if (i + 1 < past->count && (int32_t)(at - past->since[i]) < -SLACK_TICKS)
		return false;
	return !i || (int32_t)(at - past->since[i - 1]) <= SLACK_TICKS;
}

static uint32_t idle_at_least(const struct conntrack_past *past, const struct conntrack_flow *flow,
			      uint32_t now)
{
	uint32_t age = now - flow->born;
	uint32_t known = past->count ? now - past->since[past->count - 1] : 0;

	return known < age ? known : age;
}

uint32_t conntrack_idle_ticks(const struct conntrack_past *past, const struct conntrack_flow *flow,
			      uint32_t now)
{
	uint32_t which = conntrack_timeout_of(flow->key.proto, flow->word), fewest = UINT32_MAX;
	bool is_one_way = flow->side[0].flags & CONNTRACK_SIDE_ONE_WAY;

	for (uint32_t i = 0; i < past->count; i++) {
		uint32_t seen = flow->expires_ticks -
				conntrack_life_ticks(past->timeouts[i].ticks[which], is_one_way);
		int32_t idle = (int32_t)(now - seen);

		if (idle < -SLACK_TICKS || !were_live(past, i, seen))
			continue;
		if (idle < 0) /* since `now` was read, or on another interface already */
			idle = 0;
		if ((uint32_t)idle < fewest)
			fewest = (uint32_t)idle;
	}
	return fewest == UINT32_MAX ? idle_at_least(past, flow, now) : fewest;
}
