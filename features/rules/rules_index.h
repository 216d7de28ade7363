/* SPDX-License-Identifier: Apache-2.0 */
/* Numbers by 64-bit key: open addressing, no deletion. Zero-initialised is empty. */
#ifndef WEIR_RULES_INDEX_H
#define WEIR_RULES_INDEX_H

#include <stdbool.h>
#include <stdint.h>

struct rules_index_slot {
	uint64_t key; /* 0 = free */
	uint32_t value;
};

struct rules_index {
	struct rules_index_slot *slots;
	uint32_t slot_count, count;
};

void rules_index_done(struct rules_index *index);
#define _cleanup_index_ __attribute__((cleanup(rules_index_done)))
/* The key is not 0. A value that was there is replaced. -ENOMEM. */
int rules_index_set(struct rules_index *index, uint64_t key, uint32_t value);
bool rules_index_get(const struct rules_index *index, uint64_t key, uint32_t *ret_value);

#endif
