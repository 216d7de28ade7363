/* SPDX-License-Identifier: Apache-2.0 */
/* Numbers by chance, the same in each run: xorshift, 44 bits. */
#ifndef WEIR_TESTS_DRAWN_H
#define WEIR_TESTS_DRAWN_H

#include <stdint.h>

static inline uint64_t draw(void)
{
	static uint64_t state = 0x9e3779b97f4a7c15;

	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return state >> 20;
}

#endif
