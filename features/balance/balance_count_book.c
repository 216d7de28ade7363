/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Counters in memory that is shared with the data path. A map cannot grow: around a reload that
 * makes another, both programs count for a moment, each in its own. So both are summed until the
 * one before is still, and then it is added to the part of a row that only user space writes. A
 * daemon that is killed in between loses what was counted in it, and no more than that.
 */
#include <errno.h>
#include <pthread.h>

#include "base/secret.h"
#include "features/balance/balance_state.h"

/* The one before is still by then: its program is gone when the change is over. */
#define WAIT_TICKS 2
/* The owner of a row whose backend is gone: no identity, which are odd. */
#define GONE 2

/* A worker takes the maps of another program while the loop sums for metrics and whoever asks. One
 * lock for all books: it is held for a row, or once for all rows as they are brought over. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static __u64 *row_of(const struct balance_book *book, const struct weir_map_memory *memory,
		     uint32_t row)
{
	size_t bytes = sizeof(__u64) * book->words * book->each;

	return memory->at && (row + 1ul) * bytes <= memory->bytes ?
		       (__u64 *)((char *)memory->at + row * bytes) :
		       NULL;
}

/* Which map it is, in the row of nobody. */
static uint64_t name_of(const struct weir_map_memory *memory)
{
	return memory->at ? *(const __u64 *)memory->at : 0;
}

static void row_add(const struct balance_book *book, const struct weir_map_memory *memory,
		    uint32_t row, __u64 *sums)
{
	const __u64 *at = row_of(book, memory, row);

	for (uint32_t i = 0; at && i < book->each * book->words; i++)
		sums[i % book->words] += __atomic_load_n(&at[i], __ATOMIC_RELAXED);
}

void balance_book_sum(const struct balance_book *book, uint32_t row, __u64 *sums)
{
	pthread_mutex_lock(&lock);
	row_add(book, &book->now, row, sums);
	row_add(book, &book->before, row, sums);
	pthread_mutex_unlock(&lock);
}

static void row_clear(const struct balance_book *book, const struct weir_map_memory *memory,
		      uint32_t row)
{
	__u64 *at = row_of(book, memory, row);

	for (uint32_t i = 0; at && i < book->each * book->words; i++)
		__atomic_store_n(&at[i], 0, __ATOMIC_RELAXED);
}

/* Whose a row is: the last word of user space's part. */
static __u64 *owner_of(const struct balance_book *book, const struct weir_map_memory *memory,
		       uint32_t row)
{
	__u64 *at = row_of(book, memory, row);

	return at ? &at[book->words - 1] : NULL;
}

/* Of one that has no owner yet it is not known whose its counts are: packets come before live. */
static void row_own(const struct balance_book *book, const struct weir_map_memory *memory,
		    uint32_t row, uint64_t identity)
{
	const __u64 *owner = owner_of(book, memory, row);

	if (owner && *owner && *owner != identity)
		row_clear(book, memory, row);
}

static void book_own(struct balance_book *book, uint32_t row, uint64_t identity)
{
	__u64 *owner = owner_of(book, &book->now, row);

	if (!owner || *owner == identity)
		return;
	row_own(book, &book->now, row, identity);
	row_own(book, &book->before, row, identity);
	*owner = identity;
}

void balance_book_own(struct balance_book *book, uint32_t row, uint64_t identity)
{
	pthread_mutex_lock(&lock);
	book_own(book, row, identity);
	pthread_mutex_unlock(&lock);
}

static void row_disown(const struct balance_book *book, const struct weir_map_memory *memory,
		       uint32_t row)
{
	__u64 *owner = owner_of(book, memory, row);

	if (owner)
		*owner = GONE;
}

void balance_book_disown(struct balance_book *book, uint32_t row)
{
	pthread_mutex_lock(&lock);
	row_disown(book, &book->now, row);
	row_disown(book, &book->before, row);
	pthread_mutex_unlock(&lock);
}

/* What was counted for a backend that has the row no more is nobody's. */
static bool row_stays(const struct balance_book *book, uint32_t row)
{
	const __u64 *before = owner_of(book, &book->before, row),
		    *now = owner_of(book, &book->now, row);

	return before && now && *now && *now != GONE && (!*before || *before == *now);
}

static void row_bring(struct balance_book *book, uint32_t row)
{
	const __u64 *from = row_of(book, &book->before, row);
	__u64 *to = row_of(book, &book->now, row);

	if (!row_stays(book, row))
		return;
	for (uint32_t i = 0; i < book->each * book->words; i++)
		if (from[i] && i % book->words != book->words - 1)
			__atomic_fetch_add(&to[i % book->words], from[i], __ATOMIC_RELAXED);
}

static void book_bring(struct balance_book *book)
{
	uint32_t rows = (uint32_t)(book->before.bytes / sizeof(__u64) / book->words / book->each);

	for (uint32_t row = 1; row < rows; row++)
		row_bring(book, row);
	weir_map_memory_done(&book->before);
}

void balance_book_tick(struct balance_book *book)
{
	pthread_mutex_lock(&lock);
	if (book->before.at && !book->waits--)
		book_bring(book);
	pthread_mutex_unlock(&lock);
}

static int name_set(struct weir_map_memory *memory)
{
	uint64_t name = name_of(memory);
	int r = name ? 0 : weir_random_bytes(&name, sizeof(name));

	if (!r)
		*(__u64 *)memory->at = name | 1;
	return r;
}

static void book_turn(struct balance_book *book, struct weir_map_memory *memory)
{
	/* The same map again: a reload that keeps it, or one that failed and goes back to it. */
	if (name_of(memory) == name_of(&book->now)) {
		weir_map_memory_done(&book->now);
		book->now = *memory;
		return;
	}
	if (name_of(memory) == name_of(&book->before))
		weir_map_memory_done(&book->before);
	else if (book->before.at)
		book_bring(book);
	book->before = book->now;
	book->now = *memory;
	book->waits = WAIT_TICKS;
}

void balance_book_take(struct balance_book *book, struct weir_map_memory *memory)
{
	pthread_mutex_lock(&lock);
	book_turn(book, memory);
	pthread_mutex_unlock(&lock);
}

int balance_book_open(struct balance_book *book, const struct weir_map *map)
{
	struct weir_map_memory memory = { 0 };
	int r = weir_map_memory_open(map, &memory);

	if (!r)
		r = name_set(&memory);
	if (r) {
		weir_map_memory_done(&memory);
		return r;
	}
	balance_book_take(book, &memory);
	return 0;
}

/* The next run finds it brought over. */
void balance_book_done(struct balance_book *book)
{
	if (book->before.at)
		book_bring(book);
	weir_map_memory_done(&book->now);
}
