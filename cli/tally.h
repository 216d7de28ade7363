/* SPDX-License-Identifier: Apache-2.0 */
/* Sums over packets that were judged: by reason, and by source. */
#ifndef WEIR_CLI_TALLY_H
#define WEIR_CLI_TALLY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "abi/reason.h"
#include "base/addr.h"

#define WEIR_TALLY_SOURCES_MAX (1u << 20) /* more are counted together */

struct weir_tally_source {
	struct weir_addr addr;
	bool used;
	uint64_t passed, dropped; /* packets */
	uint64_t bytes;
};

/* Zero-initialised is empty. */
struct weir_tally {
	uint64_t packets, bytes;
	uint64_t reason_packets[WEIR_REASONS_MAX];
	uint64_t reason_bytes[WEIR_REASONS_MAX];
	struct weir_tally_source *sources; /* open addressing, a power of two */
	size_t source_room;
	size_t source_count;
	uint64_t other_packets; /* of sources past WEIR_TALLY_SOURCES_MAX */
};

struct weir_tally_packet {
	uint32_t reason;
	bool dropped;
	uint64_t bytes;
	const struct weir_addr *source; /* NULL: not an IP packet */
};

void weir_tally_done(struct weir_tally *tally);
#define _cleanup_tally_ __attribute__((cleanup(weir_tally_done)))
/* -ENOMEM */
int weir_tally_add(struct weir_tally *tally, const struct weir_tally_packet *packet);
/* The sources with most packets, most first, equal ones by address; returns how many, at most
 * `room`. */
size_t weir_tally_top(const struct weir_tally *tally, const struct weir_tally_source **ret_top,
		      size_t room);

#endif
