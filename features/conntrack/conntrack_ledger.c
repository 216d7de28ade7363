/* SPDX-License-Identifier: Apache-2.0 */
#include "features/conntrack/conntrack_ledger.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/secret.h"

#define FILE_NAME "flow-totals"
#define FILE_KIND 0x7765697274000001ull /* the last byte: of its layout */

/* The head of the file; behind it a struct conntrack_heavy of each kind. */
struct book {
	uint64_t kind, bytes;
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

static struct conntrack_heavy *heavy_of(const struct book *book, int kind)
{
	return (struct conntrack_heavy *)((char *)(book + 1) +
					  (size_t)kind * conntrack_heavy_bytes(book->plan.keys));
}

static void book_close(struct book *book)
{
	if (book)
		munmap(book, book->bytes);
}

struct conntrack_ledger *conntrack_ledger_new(const char *dir)
{
	struct conntrack_ledger *ledger = calloc(1, sizeof(*ledger));

	if (!ledger)
		return NULL;
	if (dir && !(ledger->path = weir_path_join(dir, FILE_NAME))) {
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

static struct book *memory_map(int fd, size_t bytes)
{
	int flags = fd < 0 ? MAP_PRIVATE | MAP_ANONYMOUS : MAP_SHARED;
	void *at = mmap(NULL, bytes, PROT_READ | PROT_WRITE, flags, fd, 0);

	return at == MAP_FAILED ? NULL : at;
}

/* All of it is there from the start: a page that finds no room when it is written to would be the
 * end of the daemon. */
static struct book *file_map(const char *path, size_t bytes)
{
	_cleanup_close_ int fd =
		open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);

	if (fd < 0)
		return NULL;
	struct book *book = posix_fallocate(fd, 0, (off_t)bytes) ? NULL : memory_map(fd, bytes);

	if (!book)
		unlink(path);
	return book;
}

static void book_init(struct book *book, const struct conntrack_ledger_plan *plan)
{
	*book = (struct book){ .kind = FILE_KIND,
			       .bytes = book_bytes(plan->keys),
			       .began_ns = weir_clock_real_ns(),
			       .plan = *plan };
	for (int i = 0; i < CONNTRACK_LEDGER_KINDS; i++) {
		uint64_t seed = 0;

		(void)weir_random_bytes(&seed, sizeof(seed)); /* without: who sends may choose */
		conntrack_heavy_init(heavy_of(book, i), plan->keys, seed);
	}
}

static bool book_mend(struct book *book)
{
	bool is_whole = book->kind == FILE_KIND && book->bytes == book_bytes(book->plan.keys);

	for (int i = 0; i < CONNTRACK_LEDGER_KINDS && is_whole; i++)
		is_whole = conntrack_heavy_mend(heavy_of(book, i), book->plan.keys);
	return is_whole;
}

/* What a run before has left; NULL: nothing that is of use. */
static struct book *book_found(const char *path)
{
	_cleanup_close_ int fd = path ? open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW) : -1;
	struct book head;

	if (fd < 0 || pread(fd, &head, sizeof(head), 0) != sizeof(head) ||
	    lseek(fd, 0, SEEK_END) != (off_t)head.bytes || head.kind != FILE_KIND ||
	    head.bytes != book_bytes(head.plan.keys))
		return NULL;
	struct book *book = memory_map(fd, head.bytes);

	if (book && book_mend(book))
		return book;
	if (book)
		munmap(book, head.bytes);
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

	book->told = from->told;
	book->began_ns = from->began_ns;
	for (int i = 0; i < CONNTRACK_LEDGER_KINDS; i++) {
		conntrack_heavy_take(heavy_of(book, i), heavy_of(from, i));
		if (i == CONNTRACK_GROUP_PREFIX && !is_same_length)
			conntrack_heavy_forget(heavy_of(book, i));
	}
}

/* In a file beside the old one, which it replaces once it has all. */
static struct book *book_new(const char *path, const struct conntrack_ledger_plan *plan,
			     const struct book *from)
{
	_cleanup_buf_ struct weir_buf beside = { 0 };
	struct book *book = NULL;

	weir_buf_addf(&beside, "%s.new", path ? path : "");
	if (path && !beside.failed)
		book = file_map(weir_buf_str(&beside), book_bytes(plan->keys));
	bool has_file = book;

	if (!book)
		book = memory_map(-1, book_bytes(plan->keys));
	if (!book)
		return NULL;
	book_init(book, plan);
	if (from)
		book_take(book, from);
	if (has_file && rename(weir_buf_str(&beside), path))
		unlink(weir_buf_str(&beside));
	return book;
}

static bool is_of_other_flows(const struct book *book, const struct conntrack_ended *ended)
{
	return book->told.packets[0] + book->told.packets[1] > ended->packets ||
	       book->told.bytes[0] + book->told.bytes[1] > ended->bytes;
}

static void ledger_close(struct conntrack_ledger *ledger)
{
	book_close(ledger->book);
	ledger->book = NULL;
	if (ledger->path)
		unlink(ledger->path);
}

void conntrack_ledger_keep(struct conntrack_ledger *ledger,
			   const struct conntrack_ledger_plan *plan,
			   const struct conntrack_ended *ended)
{
	if (!ledger)
		return;
	pthread_mutex_lock(&ledger->lock);
	if (!ledger->book && plan->keys) {
		ledger->book = book_found(ledger->path);
		if (ledger->book && is_of_other_flows(ledger->book, ended))
			ledger_close(ledger);
	}
	if (!plan->keys) {
		ledger_close(ledger);
	} else if (!ledger->book || !is_same_plan(&ledger->book->plan, plan)) {
		struct book *book = book_new(ledger->path, plan, ledger->book);

		if (book) {
			book_close(ledger->book);
			ledger->book = book;
		}
	}
	pthread_mutex_unlock(&ledger->lock);
}

static void shares_add(struct book *book, const struct conntrack_view *view, bool is_part)
{
	static const unsigned whole[2] = { 32, 128 };

	for (int kind = 0; kind < CONNTRACK_LEDGER_KINDS; kind++) {
		const unsigned *length = kind == CONNTRACK_GROUP_PREFIX ? book->plan.length : whole;
		struct conntrack_share shares[CONNTRACK_SHARES_MAX];
		unsigned count =
			conntrack_shares_of((enum conntrack_group_kind)kind, length, view, shares);

		for (unsigned i = 0; i < count; i++) {
			shares[i].totals.flows = !is_part;
			conntrack_heavy_add(heavy_of(book, kind), &shares[i]);
		}
	}
}

void conntrack_ledger_add(struct conntrack_ledger *ledger, const struct conntrack_view *view,
			  bool is_part)
{
	const struct conntrack_carried *carried = &view->carried;
	const struct conntrack_totals told = {
		.flows = !is_part,
		.packets = { carried->packets[0], carried->packets[1] },
		.bytes = { carried->bytes[0], carried->bytes[1] },
	};

	if (!ledger)
		return;
	pthread_mutex_lock(&ledger->lock);
	if (ledger->book) {
		conntrack_totals_add(&ledger->book->told, &told);
		shares_add(ledger->book, view, is_part);
	}
	pthread_mutex_unlock(&ledger->lock);
}

static struct conntrack_ledger_sums sums_of(const struct book *book)
{
	struct conntrack_ledger_sums none = { .bytes = 0 };

	return book ? (struct conntrack_ledger_sums){ book->plan, book->told, book->began_ns,
						      book->bytes } :
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
