/* SPDX-License-Identifier: Apache-2.0 */
/* A binary heap by time. */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#include "features/balance/health_heap.h"

void health_heap_done(struct health_heap *heap)
{
	free(heap->at);
	*heap = (struct health_heap){ 0 };
}

int health_heap_reserve(struct health_heap *heap, uint32_t count)
{
	if (count <= heap->room)
		return 0;
	struct health_due **at = reallocarray(heap->at, count, sizeof(struct health_due *));

	if (!at)
		return -ENOMEM;
	heap->at = at;
	heap->room = count;
	return 0;
}

static void put(struct health_heap *heap, uint32_t index, struct health_due *due)
{
	heap->at[index] = due;
	due->place = index + 1;
}

static void rise(struct health_heap *heap, uint32_t index, struct health_due *due)
{
	while (index && heap->at[(index - 1) / 2]->due_ns > due->due_ns) {
		put(heap, index, heap->at[(index - 1) / 2]);
		index = (index - 1) / 2;
	}
	put(heap, index, due);
}

static void sink(struct health_heap *heap, uint32_t index, struct health_due *due)
{
	for (uint32_t child = 2 * index + 1; child < heap->count; child = 2 * index + 1) {
		if (child + 1 < heap->count &&
		    heap->at[child + 1]->due_ns < heap->at[child]->due_ns)
			child++;
		if (heap->at[child]->due_ns >= due->due_ns)
			break;
		put(heap, index, heap->at[child]);
		index = child;
	}
	put(heap, index, due);
}

void health_heap_add(struct health_heap *heap, struct health_due *due, uint64_t due_ns)
{
	assert(!due->place && heap->count < heap->room);
	due->due_ns = due_ns;
	rise(heap, heap->count++, due);
}

void health_heap_del(struct health_heap *heap, struct health_due *due)
{
	if (!due->place)
		return;
	uint32_t index = due->place - 1;
	struct health_due *last = heap->at[--heap->count];

	due->place = 0;
	if (last == due)
		return;
	sink(heap, index, last);
	rise(heap, last->place - 1, last);
}

struct health_due *health_heap_first(const struct health_heap *heap)
{
	return heap->count ? heap->at[0] : NULL;
}
