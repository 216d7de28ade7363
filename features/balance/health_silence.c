/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whose refusals are left out cannot be seen: the bucket is the host's, which may have other
 * addresses, or that of a router before many hosts. So a silence is believed where nobody at all
 * was refused of late, for then the bucket had something in it; or else when it lasts much longer
 * than those between two refusals did, and a minute at least.
 */
#include "features/balance/health_silence.h"

#include "base/clock.h"

#define REFILL_NS (2 * WEIR_NS_PER_S) /* a refusal a second, and one more for delays */
#define LEAST_NS (60 * WEIR_NS_PER_S)
#define MOST_NS (600 * WEIR_NS_PER_S)
#define GAPS 4 /* to hear nothing for so many of the longest is rare, and makes that longer */

static uint64_t doubt_ns(const struct health_silence *silence)
{
	uint64_t span_ns = GAPS * silence->gap_ns;

	if (span_ns > MOST_NS)
		return MOST_NS;
	return span_ns > LEAST_NS ? span_ns : LEAST_NS;
}

void health_silence_refused(struct health_silence *silence, uint64_t now_ns)
{
	uint64_t gap_ns = now_ns - silence->refused_ns;

	if (!silence->refused_ns || gap_ns > MOST_NS)
		silence->gap_ns = 0; /* another time that it went away */
	else if (gap_ns > silence->gap_ns)
		silence->gap_ns = gap_ns;
	silence->refused_ns = now_ns;
}

void health_silence_answered(struct health_silence *silence)
{
	*silence = (struct health_silence){ 0 };
}

bool health_silence_is_doubtful(const struct health_silence *silence, uint64_t others_ns,
				uint64_t began_ns, uint64_t now_ns)
{
	if (!silence->refused_ns || now_ns - silence->refused_ns >= doubt_ns(silence))
		return false;
	return others_ns && began_ns < others_ns + REFILL_NS;
}
