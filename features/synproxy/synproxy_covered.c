/* SPDX-License-Identifier: Apache-2.0 */
/* Services that never act, as one before them is about all that they are about. */
#include <stdio.h>

#include "features/synproxy/synproxy_state.h"

static bool span_is_covered(const struct weir_span *span, const struct synproxy_service *by)
{
	if (span->from > span->to)
		return true; /* not used */
	for (unsigned i = 0; i < SYNPROXY_SPANS; i++)
		if (by->port[i].from <= span->from && span->to <= by->port[i].to)
			return true;
	return false;
}

static bool is_within(const struct synproxy_destination *to, const struct synproxy_destination *by)
{
	for (unsigned i = 0; i < sizeof(to->mask.bytes); i++) {
		unsigned wider = by->mask.bytes[i] & (unsigned)~to->mask.bytes[i];
		unsigned other = by->mask.bytes[i] & (to->addr.bytes[i] ^ by->addr.bytes[i]);

		if (wider | other)
			return false;
	}
	return true;
}

static bool destination_is_covered(const struct synproxy_destination *to,
				   const struct synproxy_destination by[SYNPROXY_DESTINATIONS])
{
	if (to->addr.bytes[0] == 0xff) /* not used: groups are refused */
		return true;
	for (unsigned i = 0; i < SYNPROXY_DESTINATIONS; i++)
		if (is_within(to, &by[i]))
			return true;
	return false;
}

static bool is_covered(const struct synproxy_meaning *meaning, const struct synproxy_meaning *by)
{
	for (unsigned i = 0; i < SYNPROXY_SPANS; i++)
		if (!span_is_covered(&meaning->service.port[i], &by->service))
			return false;
	for (unsigned i = 0; i < SYNPROXY_DESTINATIONS; i++)
		if (!destination_is_covered(&meaning->to[i], by->to))
			return false;
	return true;
}

void synproxy_covered_tell(const struct synproxy_meaning *meanings, unsigned count,
			   struct weir_diag *diag)
{
	for (unsigned i = 1; i < count; i++) {
		unsigned by = 0;
		char key[64];

		while (by < i && !is_covered(&meanings[i], &meanings[by]))
			by++;
		if (by == i)
			continue;
		snprintf(key, sizeof(key), "synproxy.services[%u]", i);
		weir_diag_warning_key(diag, key, "put it before that one, or leave it out",
				      "it never acts: services[%u] is for all that it is for, and "
				      "stands before it",
				      by);
	}
}
