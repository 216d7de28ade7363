/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which backend each slot of a service belongs to: Maglev hashing (Eisenbud et al., Maglev: a fast
 * and reliable software network load balancer, NSDI 2016, 3.4), with weights.
 */
#ifndef WEIR_BALANCE_MAGLEV_H
#define WEIR_BALANCE_MAGLEV_H

#include <stddef.h>
#include <stdint.h>

#define BALANCE_SLOTS 65537 /* a prime, as Maglev wants it */

struct balance_maglev_backend {
	const void *identity; /* bytes that are its own: what it prefers follows from them */
	size_t identity_len;
	uint32_t weight; /* its share beside the others'; 0: no slot */
	uint16_t number; /* not 0, and nobody else's: what is written into its slots */
	uint16_t order;	 /* of turns, by what it is alone; of the same, by its bytes */
};

/*
 * Fills BALANCE_SLOTS slots. The same backends get the same slots in whatever order they come, and
 * whatever numbers they have.
 * 1; 0 where no backend has a weight: all slots are 0, nobody's. -ENOMEM.
 */
int balance_maglev_fill(const struct balance_maglev_backend *backends, unsigned count,
			uint16_t *slots);

#endif
