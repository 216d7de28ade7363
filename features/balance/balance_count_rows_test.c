/* SPDX-License-Identifier: Apache-2.0 */
/* Which row of the counters is whose, while backends come and go, and from one run to the next. */
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/file.h"
#include "features/balance/balance_state.h"

static const struct balance_rows none;

/* Rows of identities in their order. */
static struct balance_rows numbered(const struct balance_rows *before,
				    const struct balance_rows *resting, const uint64_t *identities,
				    uint32_t count, uint32_t *numbers)
{
	struct balance_rows rows = { 0 };

	assert_int_equal(balance_rows_number(before, resting, identities, count, numbers, &rows),
			 0);
	return rows;
}

static void rows_begin_at_one_in_their_order(void **state)
{
	const uint64_t identities[] = { 900, 5, 77 };
	uint32_t numbers[3];
	_cleanup_balance_rows_ struct balance_rows rows =
		numbered(&none, &none, identities, 3, numbers);

	(void)state;
	assert_int_equal(numbers[0], 1);
	assert_int_equal(numbers[1], 2);
	assert_int_equal(numbers[2], 3);
	assert_int_equal(balance_rows_end(&rows), 4);
	assert_int_equal(balance_rows_end(&none), 1);
	assert_int_equal(balance_rows_find(&rows, 77), 3);
	assert_int_equal(balance_rows_find(&rows, 78), 0);
}

static void rows_stay_wherever_a_backend_stands(void **state)
{
	const uint64_t before[] = { 900, 5, 77 }, after[] = { 1, 77, 900 };
	uint32_t numbers[3];
	_cleanup_balance_rows_ struct balance_rows rows =
		numbered(&none, &none, before, 3, numbers);
	_cleanup_balance_rows_ struct balance_rows next = numbered(&rows, &none, after, 3, numbers);

	(void)state;
	assert_int_equal(numbers[0], 4); /* not 2: its packets may be under way */
	assert_int_equal(numbers[1], 3);
	assert_int_equal(numbers[2], 1);
	assert_false(balance_rows_equal(&rows, &next));
	assert_true(balance_rows_equal(&rows, &rows));
}

static void rows_that_went_rest_a_second(void **state)
{
	const uint64_t both[] = { 900, 5 }, one[] = { 5 }, other[] = { 5, 6 };
	uint32_t numbers[2];
	_cleanup_balance_rows_ struct balance_rows rows = numbered(&none, &none, both, 2, numbers);
	_cleanup_balance_rows_ struct balance_rows next = numbered(&rows, &none, one, 1, numbers);
	_cleanup_balance_rows_ struct balance_rows resting = { 0 };

	(void)state;
	assert_int_equal(balance_rows_rest(&resting, &rows, &next, WEIR_NS_PER_S), 0);
	_cleanup_balance_rows_ struct balance_rows soon =
		numbered(&next, &resting, other, 2, numbers);

	assert_int_equal(numbers[1], 3);
	assert_int_equal(balance_rows_rest(&resting, &next, &next, 2 * WEIR_NS_PER_S), 0);
	_cleanup_balance_rows_ struct balance_rows late =
		numbered(&next, &resting, other, 2, numbers);

	assert_int_equal(numbers[1], 1);
}

static void identities_tell_services_and_backends_apart(void **state)
{
	const struct balance_end a = { .port = 80, .proto = 6 }, b = { .port = 81, .proto = 6 },
				 c = { .port = 80, .proto = 17 };

	(void)state;
	assert_true(balance_identity(&a, &b) == balance_identity(&a, &b));
	assert_true(balance_identity(&a, &b) != balance_identity(&b, &a));
	assert_true(balance_identity(&a, &b) != balance_identity(&c, &b));
	assert_true(balance_identity(&a, &b) != 0);
}

static char dir[40];

static int dir_make(void **state)
{
	(void)state;
	snprintf(dir, sizeof(dir), "/tmp/balance-rows-XXXXXX");
	return mkdtemp(dir) ? 0 : -1;
}

static int dir_remove(void **state)
{
	static const char *const names[] = { "balance-rows.json", "balance-rows.json.damaged-1" };

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		_cleanup_free_ char *path = weir_path_join(dir, names[i]);

		unlink(path);
	}
	return rmdir(dir);
}

static void rows_are_the_same_in_the_next_run(void **state)
{
	const uint64_t identities[] = { 0xfedcba9876543211, 5, 77 };
	uint32_t numbers[3];
	_cleanup_balance_rows_ struct balance_rows rows =
		numbered(&none, &none, identities, 3, numbers);
	_cleanup_balance_rows_ struct balance_rows read = { 0 };

	(void)state;
	assert_int_equal(balance_rows_load(dir, NULL, &read), 0);
	assert_int_equal(read.count, 0);
	assert_int_equal(balance_rows_save(dir, &rows), 0);
	assert_int_equal(balance_rows_load(dir, NULL, &read), 0);
	assert_true(balance_rows_equal(&rows, &read));
	assert_int_equal(balance_rows_find(&read, 0xfedcba9876543211), 1);
}

static void a_damaged_file_is_kept_aside_and_told_of(void **state)
{
	static const char *const texts[] = {
		"{\"version\":1,\"rows\":{\"05\":1,\"06\":1}}",
		"{\"version\":1,\"rows\":{\"05\":0}}",
		"{\"version\":1,\"rows\":{\"zz\":1}}",
		"{\"version\":2,\"rows\":{}}",
		"{\"version\":1}",
		"not JSON",
	};
	_cleanup_free_ char *path = weir_path_join(dir, "balance-rows.json"),
			    *kept = weir_path_join(dir, "balance-rows.json.damaged-1");

	(void)state;
	for (size_t i = 0; i < WEIR_ARRAY_SIZE(texts); i++) {
		_cleanup_diag_ struct weir_diag diag = { 0 };
		_cleanup_balance_rows_ struct balance_rows rows = { 0 };

		assert_int_equal(weir_file_replace(path, texts[i], strlen(texts[i]), 0600), 0);
		assert_int_equal(balance_rows_load(dir, &diag, &rows), 0);
		assert_int_equal(rows.count, 0);
		assert_int_equal(diag.count, 1);
		assert_int_equal(unlink(kept), 0);
		assert_int_equal(access(path, F_OK), -1);
	}
}

/* Of two rows, each of user space's part and a processor's: two counters and the owner. */
enum {
	WORDS = 3,
	EACH = 2,
	ROW = WORDS * EACH
};

static struct weir_map_memory memory_made(void)
{
	return (struct weir_map_memory){ calloc(2 * ROW, sizeof(__u64)), 2 * ROW * sizeof(__u64) };
}

static void count(const struct weir_map_memory *memory, __u64 value)
{
	((__u64 *)memory->at)[ROW + WORDS] += value;
}

static __u64 counted(const struct balance_book *book)
{
	__u64 sums[WORDS] = { 0 };

	balance_book_sum(book, 1, sums);
	return sums[0];
}

struct counting {
	struct balance_book book;
	struct weir_map_memory larger;
};

static int counting_make(void **state)
{
	struct counting *made = calloc(1, sizeof(*made));

	*made = (struct counting){ { .now = memory_made(), .words = WORDS, .each = EACH },
				   memory_made() };
	balance_book_own(&made->book, 1, 77);
	count(&made->book.now, 5);
	*state = made;
	return counted(&made->book) == 5 ? 0 : -1;
}

static int counting_free(void **state)
{
	struct counting *made = *state;

	free(made->book.now.at == made->larger.at ? NULL : made->book.now.at);
	free(made->book.before.at);
	free(made->larger.at);
	free(made);
	return 0;
}

static void another_map(struct counting *made)
{
	made->book.before = made->book.now;
	made->book.now = made->larger;
}

static void who_takes_the_row_of_another_begins_at_zero(void **state)
{
	struct counting *made = *state;

	balance_book_own(&made->book, 1, 79);
	assert_int_equal(counted(&made->book), 0);
}

static void who_takes_it_as_the_map_grows_begins_at_zero(void **state)
{
	struct counting *made = *state;

	another_map(made);
	count(&made->book.now, 2); /* a packet before it is live */
	balance_book_own(&made->book, 1, 79);
	assert_int_equal(counted(&made->book), 2);
}

static void who_keeps_it_as_the_map_grows_keeps_its_counts(void **state)
{
	struct counting *made = *state;

	another_map(made);
	count(&made->book.now, 2);
	balance_book_own(&made->book, 1, 77);
	assert_int_equal(counted(&made->book), 7);
}

static void who_comes_back_begins_at_zero(void **state)
{
	struct counting *made = *state;

	balance_book_disown(&made->book, 1);
	balance_book_own(&made->book, 1, 77);
	assert_int_equal(counted(&made->book), 0);
}

static void who_comes_back_as_the_map_grows_begins_at_zero(void **state)
{
	struct counting *made = *state;

	balance_book_disown(&made->book, 1);
	another_map(made);
	balance_book_own(&made->book, 1, 77);
	assert_int_equal(counted(&made->book), 0);
}

#define MAPPED_BYTES 4096
#define READS 300000

/* The memory of a map by that name, as another program has it in its turn. */
static struct weir_map_memory memory_mapped(__u64 name)
{
	void *at = mmap(NULL, MAPPED_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
			0);

	assert_ptr_not_equal(at, MAP_FAILED);
	*(__u64 *)at = name;
	return (struct weir_map_memory){ at, MAPPED_BYTES };
}

struct reader {
	const struct balance_book *book;
	bool is_over;
};

static void *reader_run(void *data)
{
	struct reader *reader = data;

	for (int i = 0; i < READS; i++)
		counted(reader->book);
	__atomic_store_n(&reader->is_over, true, __ATOMIC_RELEASE);
	return NULL;
}

/* Reloads, of which each takes the memory of the one before away. */
static void sums_are_read_while_maps_are_taken(void **state)
{
	struct balance_book book = { .words = WORDS, .each = EACH };
	struct reader reader = { .book = &book };
	pthread_t thread;

	(void)state;
	assert_int_equal(pthread_create(&thread, NULL, reader_run, &reader), 0);
	for (__u64 i = 0; !__atomic_load_n(&reader.is_over, __ATOMIC_ACQUIRE); i++) {
		struct weir_map_memory memory = memory_mapped(i / 2 * 2 + 1);

		balance_book_take(&book, &memory);
	}
	assert_int_equal(pthread_join(thread, NULL), 0);
	assert_int_equal(counted(&book), 0);
	balance_book_done(&book);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rows_begin_at_one_in_their_order),
		cmocka_unit_test(rows_stay_wherever_a_backend_stands),
		cmocka_unit_test(rows_that_went_rest_a_second),
		cmocka_unit_test(identities_tell_services_and_backends_apart),
		cmocka_unit_test_setup_teardown(rows_are_the_same_in_the_next_run, dir_make,
						dir_remove),
		cmocka_unit_test_setup_teardown(a_damaged_file_is_kept_aside_and_told_of, dir_make,
						dir_remove),
		cmocka_unit_test_setup_teardown(who_takes_the_row_of_another_begins_at_zero,
						counting_make, counting_free),
		cmocka_unit_test_setup_teardown(who_takes_it_as_the_map_grows_begins_at_zero,
						counting_make, counting_free),
		cmocka_unit_test_setup_teardown(who_keeps_it_as_the_map_grows_keeps_its_counts,
						counting_make, counting_free),
		cmocka_unit_test_setup_teardown(who_comes_back_begins_at_zero, counting_make,
						counting_free),
		cmocka_unit_test_setup_teardown(who_comes_back_as_the_map_grows_begins_at_zero,
						counting_make, counting_free),
		cmocka_unit_test(sums_are_read_while_maps_are_taken),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
