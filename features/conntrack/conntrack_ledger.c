/* SPDX-License-Identifier: Apache-2.0 */
#include "features/conntrack/conntrack_ledger.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/secret.h"
#include "features/conntrack/conntrack_memory.h"

#define FILE_KIND 0x7765697274000001ull /* the last byte: of its layout */

/* The head of the file; behind it a struct conntrack_heavy of each kind. */
struct book {
	struct conntrack_memory memory;
	uint64_t began_ns;
	struct conntrack_ledger_plan plan;
	struct conntrack_totals told;
};

struct conntrack_ledger {
	pthread_mutex_t lock;
	char *path;	   /* NULL: no file */
	struct book *book; /* NULL: nothing is added up */
};

static size_t book_bytes(uint32_t keys)
{
	return sizeof(struct book) + CONNTRACK_LEDGER_KINDS * conntrack_heavy_bytes(keys);
}

/* A run of before may have known fewer, the first of those there are now. 0: it is none of ours. */
static int kinds_of(const struct book *book)
{
	size_t each = conntrack_heavy_bytes(book->plan.keys), bytes = book->memory.bytes;

	if (bytes < sizeof(*book) + each || (bytes - sizeof(*book)) % each)
		return 0;
	size_t kinds = (bytes - sizeof(*book)) / each;

	return kinds <= CONNTRACK_LEDGER_KINDS ? (int)kinds : 0;
}

static struct conntrack_heavy *heavy_of(const struct book *book, int kind)
{
	return (struct conntrack_heavy *)((char *)(book + 1) +
					  (size_t)kind * conntrack_heavy_bytes(book->plan.keys));
}

static void book_close(struct book *book)
{
	conntrack_memory_close(book ? &book->memory : NULL);
}

struct conntrack_ledger *conntrack_ledger_new(const char *dir)
{
	struct conntrack_ledger *ledger = calloc(1, sizeof(*ledger));

	if (!ledger)
		return NULL;
	if (dir && !(ledger->path = weir_path_join(dir, CONNTRACK_TOTALS_FILE))) {
		free(ledger);
		return NULL;
	}
	pthread_mutex_init(&ledger->lock, NULL);
	return ledger;
}

void conntrack_ledger_free(struct conntrack_ledger *ledger)
{
	if (!ledger)
		return;
	book_close(ledger->book);
	pthread_mutex_destroy(&ledger->lock);
	free(ledger->path);
	free(ledger);
}

static void book_init(struct book *book, const struct conntrack_ledger_plan *plan)
{
	book->began_ns = weir_clock_real_ns();
	book->plan = *plan;
	for (int i = 0; i < CONNTRACK_LEDGER_KINDS; i++) {
		uint64_t seed = 0;

		(void)weir_random_bytes(&seed, sizeof(seed)); /* without: who sends may choose */
		conntrack_heavy_init(heavy_of(book, i), plan->keys, seed);
	}
}

static bool book_mend(struct book *book)
{
	size_t most = book->memory.bytes / sizeof(struct conntrack_heavy_entry);
	int kinds = book->plan.keys <= most ? kinds_of(book) : 0;
	bool is_whole = kinds > CONNTRACK_GROUP_PROTO;

	for (int i = 0; i < kinds && is_whole; i++)
		is_whole = conntrack_heavy_mend(heavy_of(book, i), book->plan.keys);
	return is_whole;
}

/* What a run before has left; NULL: nothing that is of use. */
static struct book *book_found(const char *path, uint64_t seed)
{
	struct book *book = (struct book *)conntrack_memory_found(path, FILE_KIND, seed);

	if (book && book_mend(book))
		return book;
	book_close(book);
	return NULL;
}

static bool is_same_plan(const struct conntrack_ledger_plan *one,
			 const struct conntrack_ledger_plan *other)
{
	return one->keys == other->keys && one->length[0] == other->length[0] &&
	       one->length[1] == other->length[1];
}

/* Networks of other lengths cannot be told from what there is. */
static void book_take(struct book *book, const struct book *from)
{
	bool is_same_length = book->plan.length[0] == from->plan.length[0] &&
			      book->plan.length[1] == from->plan.length[1];

	int known = kinds_of(from);

	book->told = from->told;
	book->began_ns = from->began_ns;
	for (int i = 0; i < CONNTRACK_LEDGER_KINDS; i++) {
		/* Of one that is new all that came is in no group: as much as of protocols. */
		int same = i < known ? i : CONNTRACK_GROUP_PROTO;

		conntrack_heavy_take(heavy_of(book, i), heavy_of(from, same));
		if (i >= known || (i == CONNTRACK_GROUP_PREFIX && !is_same_length))
			conntrack_heavy_forget(heavy_of(book, i));
	}
}

static struct book *book_new(const char *path, const struct conntrack_ledger_plan *plan,
			     const struct book *from)
{
	const struct conntrack_memory head = { FILE_KIND, book_bytes(plan->keys), plan->seed };
	struct book *book = (struct book *)conntrack_memory_new(path, &head);

	if (!book)
		return NULL;
	book_init(book, plan);
	if (from)
		book_take(book, from);
	conntrack_memory_name(path);
	return book;
}

static void ledger_close(struct conntrack_ledger *ledger)
{
	book_close(ledger->book);
	ledger->book = NULL;
	if (ledger->path)
		unlink(ledger->path);
}

void conntrack_ledger_keep(struct conntrack_ledger *ledger,
			   const struct conntrack_ledger_plan *plan)
{
	if (!ledger)
		return;
	pthread_mutex_lock(&ledger->lock);
	if (!ledger->book && plan->keys)
		ledger->book = book_found(ledger->path, plan->seed);
	if (!plan->keys) {
		ledger_close(ledger);
	} else if (!ledger->book || !is_same_plan(&ledger->book->plan, plan) ||
		   kinds_of(ledger->book) < CONNTRACK_LEDGER_KINDS) {
		struct book *book = book_new(ledger->path, plan, ledger->book);

		if (book) {
			book_close(ledger->book);
			ledger->book = book;
		}
	}
	pthread_mutex_unlock(&ledger->lock);
}

static void shares_add(struct book *book, const struct conntrack_view *view, bool ends)
{
	static const unsigned whole[2] = { 32, 128 };

	for (int kind = 0; kind < CONNTRACK_LEDGER_KINDS; kind++) {
		const unsigned *length = kind == CONNTRACK_GROUP_PREFIX ? book->plan.length : whole;
		struct conntrack_share shares[CONNTRACK_SHARES_MAX];
		unsigned count =
			conntrack_shares_of((enum conntrack_group_kind)kind, length, view, shares);

		for (unsigned i = 0; i < count; i++) {
			shares[i].totals.flows = ends;
			conntrack_heavy_add(heavy_of(book, kind), &shares[i]);
		}
	}
}

void conntrack_ledger_add(struct conntrack_ledger *ledger, const struct conntrack_view *view,
			  bool ends)
{
	const struct conntrack_carried *carried = &view->carried;
	const struct conntrack_totals told = {
		.flows = ends,
		.packets = { carried->packets[0], carried->packets[1] },
		.bytes = { carried->bytes[0], carried->bytes[1] },
	};

	if (!ledger)
		return;
	pthread_mutex_lock(&ledger->lock);
	if (ledger->book) {
		conntrack_totals_add(&ledger->book->told, &told);
		shares_add(ledger->book, view, ends);
	}
	pthread_mutex_unlock(&ledger->lock);
}

static struct conntrack_ledger_sums sums_of(const struct book *book)
{
	struct conntrack_ledger_sums none = { .bytes = 0 };

	return book ? (struct conntrack_ledger_sums){ book->plan, book->told, book->began_ns,
						      book->memory.bytes } :
		      none;
}

struct conntrack_ledger_sums conntrack_ledger_sums(struct conntrack_ledger *ledger)
{
	pthread_mutex_lock(&ledger->lock);
	struct conntrack_ledger_sums sums = sums_of(ledger->book);

	pthread_mutex_unlock(&ledger->lock);
	return sums;
}

static int heavy_put(const struct conntrack_heavy *heavy, enum conntrack_measure by,
		     struct conntrack_groups *groups)
{
	int r = 0;

	for (uint32_t i = 0; i < heavy->count && !r; i++) {
		const struct conntrack_heavy_entry *entry = conntrack_heavy_at(heavy, i);
		const struct conntrack_share share = { entry->key, entry->seen };

		r = conntrack_groups_put(groups, &share, entry->missed[by]);
	}
	groups->missed = heavy->most_missed[by];
	groups->gone = heavy->gone;
	return r;
}

/* A copy is read: whoever ends a flow does not wait for names. */
int conntrack_ledger_read(struct conntrack_ledger *ledger, enum conntrack_measure by,
			  struct conntrack_groups *groups, struct conntrack_ledger_sums *ret_sums)
{
	int kind = groups->kind == CONNTRACK_GROUP_SERVICE ? CONNTRACK_GROUP_BACKEND :
							     (int)groups->kind;
	_cleanup_free_ struct conntrack_heavy *copy = NULL;

	pthread_mutex_lock(&ledger->lock);
	if (ledger->book) {
		size_t bytes = conntrack_heavy_bytes(ledger->book->plan.keys);

		copy = malloc(bytes);
		if (copy)
			memcpy(copy, heavy_of(ledger->book, kind), bytes);
		groups->total = ledger->book->told;
	}
	*ret_sums = sums_of(ledger->book);
	bool is_lacking = ledger->book && !copy;

	pthread_mutex_unlock(&ledger->lock);
	if (copy)
		return heavy_put(copy, by, groups);
	return is_lacking ? -ENOMEM : 0;
}
