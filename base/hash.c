/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One hash of any bytes. Its values must not change: by them flows that outlive the daemon remember
 * their backends, and hosts that share a service agree (features/balance).
 */
#include "base/hash.h"

#include <endian.h>
#include <string.h>

/* The length is mixed in first, so that bytes and the same bytes with zeros behind them differ. */
uint64_t weir_hash_bytes(const void *bytes, size_t len, uint64_t seed)
{
	const unsigned char *p = bytes;
	uint64_t hash = weir_hash_mix(seed ^ (uint64_t)len);
	uint64_t word;
	for (; len >= sizeof(word); len -= sizeof(word), p += sizeof(word)) {
		memcpy(&word, p, sizeof(word));
		hash = weir_hash_mix(hash ^ le64toh(word));
	}
	word = 0;
	if (len)
		memcpy(&word, p, len);
	return weir_hash_mix(hash ^ le64toh(word));
}
