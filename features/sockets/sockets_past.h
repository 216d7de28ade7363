/* SPDX-License-Identifier: Apache-2.0 */
/* Whose sockets were that ended: for flows, which are asked about when they end, minutes later. */
#ifndef WEIR_SOCKETS_PAST_H
#define WEIR_SOCKETS_PAST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "features/sockets/sockets.h"

#define SOCKETS_PAST_MAX 65536 /* the last so many; a power of two */

/* Both ends of a socket. No padding: it is hashed and compared whole. */
struct sockets_ends {
	struct weir_addr local, remote;
	uint16_t local_port, remote_port; /* host byte order */
	uint32_t proto;
};

_Static_assert(sizeof(struct sockets_ends) == 40, "no padding");

struct sockets_past_row {
	struct sockets_ends ends;
	uint64_t begun_ns, ended_ns; /* CLOCK_MONOTONIC; begun 0: it was there before */
	struct sockets_process owner;
	const char *known_by;
	uint64_t next; /* the one before it in its chain, by turn; 0: none */
};

struct sockets_past;

/* Takes memory as it fills up: some 8 MB at the most. NULL: no memory. */
struct sockets_past *sockets_past_new(void);
void sockets_past_free(struct sockets_past *past);
/* The oldest makes room. `row->next` is not looked at. */
void sockets_past_add(struct sockets_past *past, const struct sockets_past_row *row);
/* Those with these ends, the last that was added first; NULL: there are no more. */
const struct sockets_past_row *sockets_past_first(const struct sockets_past *past,
						  const struct sockets_ends *ends);
const struct sockets_past_row *sockets_past_next(const struct sockets_past *past,
						 const struct sockets_past_row *row);

#endif
