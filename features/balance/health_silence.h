/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What it says that nothing came back to a datagram. A host tells one who asks that a port is
 * closed about once a second, and leaves out the rest: who asks more often, or asks at many ports,
 * mostly hears nothing of ports that are closed.
 */
#ifndef WEIR_HEALTH_SILENCE_H
#define WEIR_HEALTH_SILENCE_H

#include <stdbool.h>
#include <stdint.h>

/* Of one backend. */
struct health_silence {
	uint64_t refused_ns; /* last; or when it was first looked at */
	uint64_t gap_ns;     /* the longest between two refusals, of this time that it is away */
};

/* A refusal has come. */
void health_silence_refused(struct health_silence *silence, uint64_t now_ns);
/* Something was sent back: it is there. */
void health_silence_answered(struct health_silence *silence);
/* Whether it may as well be away, of a check that began then and heard nothing until now;
 * `others_ns` is when anybody was refused last, or 0. */
bool health_silence_is_doubtful(const struct health_silence *silence, uint64_t others_ns,
				uint64_t began_ns, uint64_t now_ns);

#endif
