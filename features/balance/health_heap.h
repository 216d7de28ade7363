/* SPDX-License-Identifier: Apache-2.0 */
/* What is due first, of many: a binary heap of entries that lie in what they are about. */
#ifndef WEIR_HEALTH_HEAP_H
#define WEIR_HEALTH_HEAP_H

#include <stddef.h>
#include <stdint.h>

struct health_due {
	uint64_t due_ns;
	uint32_t place; /* in the heap, from 1; 0: it is in none */
};

struct health_heap {
	struct health_due **at; /* from 0 */
	uint32_t count, room;
};

void health_heap_done(struct health_heap *heap);
/* So many will find room. -ENOMEM */
int health_heap_reserve(struct health_heap *heap, uint32_t count);
/* There is room for it, and it is in no heap. */
void health_heap_add(struct health_heap *heap, struct health_due *due, uint64_t due_ns);
void health_heap_del(struct health_heap *heap, struct health_due *due); /* if it is there */
/* NULL: it is empty. */
struct health_due *health_heap_first(const struct health_heap *heap);

#endif
