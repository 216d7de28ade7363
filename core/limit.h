/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Limits as people write them, for every feature that has keys for them: rates, bursts, and whose
 * the buckets are. What they mean to the data path is a struct limit_row (abi/limit.h).
 */
#ifndef WEIR_CORE_LIMIT_H
#define WEIR_CORE_LIMIT_H

#include <stdbool.h>

#include "../abi/limit.h"
#include "../base/diag.h"
#include "../base/json.h"
#include "../base/units.h"

/* One of the ways in which a rate can be told. */
struct weir_limit_measure {
	const char *noun, *mend;
	int (*read)(const char *text, struct weir_rate *ret_rate);
	uint64_t most; /* a second */
	const char *most_text;
};

extern const struct weir_limit_measure weir_limit_packets, weir_limit_bytes;
/* Where a rate may be of either: reads packets. */
extern const struct weir_limit_measure weir_limit_packets_or_bytes;

/* Keys of messages are whole: "limit.limits[3].burst"; diag may be NULL. -EINVAL. */
int weir_limit_rate_read(const struct weir_limit_measure *measure, const char *text,
			 const char *key, struct weir_diag *diag, struct weir_rate *ret_rate);
/* A limit of zero, refused; of block-after and such it may mean something else. */
int weir_limit_zero_refuse(const char *key, struct weir_diag *diag);
/* The burst of who wrote none: what comes in a second, and one packet at the least. */
uint64_t weir_limit_burst_of(const struct weir_rate *rate, bool counts_bytes);
/* Whether a burst of bytes is one packet at least; warns where it is less than what the kernel
 * joins into one. */
int weir_limit_bytes_check(uint64_t burst, const char *key, struct weir_diag *diag);
/* Cost, room and flags of a bucket; refused when it would take longer than a day to drain. */
int weir_limit_bucket(const struct weir_rate *rate, uint64_t burst, bool counts_bytes,
		      const char *key, struct weir_diag *diag, struct limit_row *row);
/* "source", "source/24,/64", "destination + service", "total" …: end, masks and service. */
int weir_limit_per_read(const char *text, const char *key, struct weir_diag *diag,
			struct limit_row *row);

/* What an answer about a packet depends on: how full the bucket is when such a packet comes cannot
 * be foretold. `kind`: "limit" … */
void weir_limit_put_held(const char *kind, const char *name, bool is_over,
			 struct weir_json_out *json);

#endif
