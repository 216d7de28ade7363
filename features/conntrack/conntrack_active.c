/* SPDX-License-Identifier: Apache-2.0 */
#include "features/conntrack/conntrack_active.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "base/hash.h"
#include "features/conntrack/conntrack_memory.h"

#define FILE_KIND 0x7765697274010003ull /* the last byte: of its layout */
#define WAYS 16
#define SWEEPS 8 /* in so many rounds all are looked at */
#define MISSING_NS 60000000000ull

/* A row in use has a family, which is taken away first. */
struct told {
	struct conntrack_key key;
	uint32_t born;
	uint32_t spare;
	uint64_t told_ns, missing_ns; /* 0: it was there when it was looked for */
	uint64_t packets[2], bytes[2];
};

struct book {
	struct conntrack_memory memory;
	uint64_t sets; /* of WAYS */
	struct weir_count unheard;
	struct told rows[];
};

struct conntrack_active {
	pthread_mutex_t lock;
	char *path;	   /* NULL: no file */
	struct book *book; /* NULL: nothing was ever told */
	uint64_t timeout_ns;
	uint64_t next; /* row to be looked at */
};

struct conntrack_active *conntrack_active_new(const char *dir)
{
	struct conntrack_active *active = calloc(1, sizeof(*active));

	if (!active)
		return NULL;
	if (dir && !(active->path = weir_path_join(dir, CONNTRACK_TOLD_FILE))) {
		free(active);
		return NULL;
	}
	pthread_mutex_init(&active->lock, NULL);
	return active;
}

static void book_close(struct book *book)
{
	conntrack_memory_close(book ? &book->memory : NULL);
}

void conntrack_active_free(struct conntrack_active *active)
{
	if (!active)
		return;
	book_close(active->book);
	pthread_mutex_destroy(&active->lock);
	free(active->path);
	free(active);
}

static size_t book_bytes(uint64_t sets)
{
	return sizeof(struct book) + sets * WAYS * sizeof(struct told);
}

/* Without the seed nobody can choose flows that fill one set. */
static struct told *set_of(struct book *book, const struct conntrack_key *key)
{
	uint64_t hash = weir_hash_bytes(key, sizeof(*key), book->memory.flows);

	return &book->rows[hash % book->sets * WAYS];
}

static struct told *row_find(struct book *book, const struct conntrack_key *key)
{
	struct told *set = book ? set_of(book, key) : NULL;

	for (int way = 0; set && way < WAYS; way++)
		if (set[way].key.family && memcmp(&set[way].key, key, sizeof(*key)) == 0)
			return &set[way];
	return NULL;
}

static void row_clear(struct told *row)
{
	row->key.family = 0;
	__atomic_signal_fence(__ATOMIC_SEQ_CST);
	*row = (struct told){ .born = 0 };
}

/* Of whose end nobody heard. A kill between the two loses the sum of that one. */
static void row_forget(struct book *book, struct told *row)
{
	const struct told gone = *row;

	row_clear(row);
	book->unheard.packets += gone.packets[0] + gone.packets[1];
	book->unheard.bytes += gone.bytes[0] + gone.bytes[1];
}

static struct told *row_make(struct book *book, const struct conntrack_flow *flow)
{
	struct told *set = set_of(book, &flow->key);
	int way = 0;

	while (way < WAYS && set[way].key.family)
		way++;
	if (way == WAYS)
		return NULL;
	set[way] = (struct told){ .key = flow->key, .born = flow->born };
	return &set[way];
}

/* False: one finds no place, and would be told of twice. */
static bool book_take(struct book *book, const struct book *from)
{
	for (uint64_t i = 0; from && i < from->sets * WAYS; i++) {
		const struct conntrack_flow flow = { .key = from->rows[i].key };
		struct told *row = from->rows[i].key.family ? row_make(book, &flow) : NULL;

		if (row)
			*row = from->rows[i];
		else if (from->rows[i].key.family)
			return false;
	}
	return true;
}

static struct book *book_found(const char *path, uint64_t seed)
{
	struct book *book = (struct book *)conntrack_memory_found(path, FILE_KIND, seed);

	if (book && book->sets && book->sets <= book->memory.bytes / sizeof(struct told) &&
	    book->memory.bytes == book_bytes(book->sets))
		return book;
	book_close(book);
	return NULL;
}

static void book_renew(struct conntrack_active *active, uint64_t sets, uint64_t seed)
{
	const struct conntrack_memory head = { FILE_KIND, book_bytes(sets), seed };
	struct book *book = (struct book *)conntrack_memory_new(active->path, &head);

	if (!book)
		return;
	book->sets = sets;
	if (active->book)
		book->unheard = active->book->unheard;
	if (!book_take(book, active->book)) {
		conntrack_memory_unname(active->path);
		book_close(book);
		return;
	}
	conntrack_memory_name(active->path);
	book_close(active->book);
	active->book = book;
}

void conntrack_active_keep(struct conntrack_active *active,
			   const struct conntrack_active_plan *plan)
{
	uint64_t sets = ((uint64_t)plan->flows + plan->flows / 4) / WAYS + 1;

	if (!active)
		return;
	pthread_mutex_lock(&active->lock);
	if (!active->book)
		active->book = book_found(active->path, plan->seed);
	/* It never shrinks: what was told of must stay known. */
	if (plan->flows && plan->timeout_ns && (!active->book || active->book->sets < sets))
		book_renew(active, sets, plan->seed);
	active->timeout_ns = plan->flows ? plan->timeout_ns : 0;
	pthread_mutex_unlock(&active->lock);
}

static uint64_t less_of(uint64_t *number, uint64_t told)
{
	uint64_t less = told < *number ? told : *number;

	*number -= less;
	return less;
}

/* What it does not cover is of numbers that come in a record of their own. */
static void row_take_off(struct told *row, struct conntrack_carried *carried, bool is_for_good)
{
	for (int side = 0; side < 2; side++) {
		uint64_t packets = less_of(&carried->packets[side], row->packets[side]),
			 bytes = less_of(&carried->bytes[side], row->bytes[side]);

		row->packets[side] -= is_for_good ? packets : 0;
		row->bytes[side] -= is_for_good ? bytes : 0;
	}
}

static bool is_empty(const struct told *row)
{
	return !(row->packets[0] | row->packets[1] | row->bytes[0] | row->bytes[1]);
}

void conntrack_active_rest(struct conntrack_active *active, const struct conntrack_flow *flow,
			   enum conntrack_told told, struct conntrack_carried *carried)
{
	if (!active)
		return;
	pthread_mutex_lock(&active->lock);
	struct told *row = row_find(active->book, &flow->key);

	if (row && (told == CONNTRACK_TOLD_PART || row->born == flow->born)) {
		row_take_off(row, carried, told != CONNTRACK_TOLD_LIVES);
		if (told != CONNTRACK_TOLD_LIVES && is_empty(row))
			row_clear(row);
	}
	pthread_mutex_unlock(&active->lock);
}

/* Its numbers are under way to another place: next time. */
static bool is_less(const struct conntrack_carried *carried, const struct told *row)
{
	return carried->packets[0] < row->packets[0] || carried->packets[1] < row->packets[1] ||
	       carried->bytes[0] < row->bytes[0] || carried->bytes[1] < row->bytes[1];
}

static bool is_due(const struct conntrack_active *active, const struct told *row,
		   const struct conntrack_carried *carried, uint64_t now_ns)
{
	uint64_t since_ns =
		row && row->told_ns > carried->first_ns ? row->told_ns : carried->first_ns;

	return active->timeout_ns && now_ns > since_ns && now_ns - since_ns >= active->timeout_ns;
}

/* The sum is kept before the flow is told of: a kill between the two loses one record. */
static bool row_tell(struct told *row, uint64_t now_ns, struct conntrack_carried *carried)
{
	const struct conntrack_carried all = *carried;

	if (is_less(carried, row))
		return false;
	row_take_off(row, carried, false);
	row->told_ns = now_ns;
	memcpy(row->packets, all.packets, sizeof(row->packets));
	memcpy(row->bytes, all.bytes, sizeof(row->bytes));
	return carried->packets[0] || carried->packets[1] || carried->bytes[0] || carried->bytes[1];
}

/* The row may be of a flow with the same ends before, whose end may be in the ring yet: it stays
 * until this one has lived for as long as it takes to be due, when whoever ended before it was
 * heard of. */
bool conntrack_active_due(struct conntrack_active *active, const struct conntrack_flow *flow,
			  uint64_t now_ns, struct conntrack_carried *carried)
{
	bool is_told = false;

	pthread_mutex_lock(&active->lock);
	struct told *row = row_find(active->book, &flow->key),
		    *before = row && row->born != flow->born ? row : NULL;

	row = before ? NULL : row;
	if (active->book && is_due(active, row, carried, now_ns)) {
		if (before)
			row_forget(active->book, before);
		row = row ? row : row_make(active->book, flow);
		is_told = row && row_tell(row, now_ns, carried);
	}
	pthread_mutex_unlock(&active->lock);
	return is_told;
}

static void row_look(struct book *book, struct told *row, uint64_t now_ns, bool lives)
{
	if (lives)
		row->missing_ns = 0;
	else if (!row->missing_ns)
		row->missing_ns = now_ns;
	else if (now_ns - row->missing_ns > MISSING_NS)
		row_forget(book, row);
}

void conntrack_active_sweep(struct conntrack_active *active, uint64_t now_ns,
			    bool (*lives)(const struct conntrack_key *key, void *arg), void *arg)
{
	if (!active)
		return;
	pthread_mutex_lock(&active->lock);
	struct book *book = active->book;
	uint64_t count = book ? book->sets * WAYS : 0;

	for (uint64_t i = 0; i < count / SWEEPS + 1 && i < count; i++) {
		struct told *row = &book->rows[active->next++ % count];

		if (row->key.family)
			row_look(book, row, now_ns, lives(&row->key, arg));
	}
	pthread_mutex_unlock(&active->lock);
}

struct weir_count conntrack_active_unheard(struct conntrack_active *active)
{
	struct weir_count count = { 0 };

	if (!active)
		return count;
	pthread_mutex_lock(&active->lock);
	if (active->book)
		count = active->book->unheard;
	pthread_mutex_unlock(&active->lock);
	return count;
}
