/* SPDX-License-Identifier: Apache-2.0 */
/* Hashes for tables and fingerprints; not for secrets. */
#ifndef WEIR_BASE_HASH_H
#define WEIR_BASE_HASH_H

#include <stddef.h>
#include <stdint.h>

/* The murmur3 finaliser: every input bit reaches every output bit. */
static inline uint64_t weir_hash_mix(uint64_t x)
{
	x ^= x >> 33;
	x *= 0xff51afd7ed558ccdull;
	x ^= x >> 33;
	x *= 0xc4ceb9fe1a85ec53ull;
	return x ^ (x >> 33);
}

/* Of any bytes, 8 at a time; not for untrusted keys (no secret seed). */
uint64_t weir_hash_bytes(const void *bytes, size_t len, uint64_t seed);

#endif
