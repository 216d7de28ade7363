/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "features/sockets/sockets_past.h"

/* The number is in the remote address, so that there may be more of them than ports. */
static struct sockets_past_row row_of(uint32_t number, uint32_t pid)
{
	struct sockets_past_row row = {
		.ends = { .local_port = 4000, .remote_port = 443, .proto = 6 },
		.owner = { .pid = pid },
	};

	row.ends.remote.be32[3] = number;
	return row;
}

static void add(struct sockets_past *past, uint32_t number, uint32_t pid)
{
	const struct sockets_past_row row = row_of(number, pid);

	sockets_past_add(past, &row);
}

static const struct sockets_past_row *first(const struct sockets_past *past, uint32_t number)
{
	const struct sockets_past_row row = row_of(number, 0);

	return sockets_past_first(past, &row.ends);
}

static void those_with_the_same_ends_come_newest_first(void **state)
{
	struct sockets_past *past = sockets_past_new();

	(void)state;
	assert_non_null(past);
	assert_null(first(past, 1));
	add(past, 1, 100);
	add(past, 2, 200);
	add(past, 1, 101);
	const struct sockets_past_row *row = first(past, 1);

	assert_int_equal(row->owner.pid, 101);
	row = sockets_past_next(past, row);
	assert_int_equal(row->owner.pid, 100);
	assert_null(sockets_past_next(past, row));
	assert_int_equal(first(past, 2)->owner.pid, 200);
	assert_null(first(past, 3));
	sockets_past_free(past);
}

static void as_many_as_there_is_room_for_are_all_found(void **state)
{
	struct sockets_past *past = sockets_past_new();

	(void)state;
	assert_non_null(past);
	for (uint32_t i = 0; i < 65536; i++)
		add(past, i, i + 1);
	for (uint32_t i = 1; i < 65536; i++)
		assert_int_equal(first(past, i)->owner.pid, i + 1);
	sockets_past_free(past);
}

static void the_oldest_makes_room(void **state)
{
	struct sockets_past *past = sockets_past_new();

	(void)state;
	assert_non_null(past);
	add(past, 7, 1);
	add(past, 7, 2);
	for (uint32_t i = 0; i < 65535; i++)
		add(past, 1000 + i, 3);
	const struct sockets_past_row *row = first(past, 7);

	assert_non_null(row);
	assert_int_equal(row->owner.pid, 2);
	assert_null(sockets_past_next(past, row));
	add(past, 8, 3);
	assert_null(first(past, 7));
	sockets_past_free(past);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(those_with_the_same_ends_come_newest_first),
		cmocka_unit_test(as_many_as_there_is_room_for_are_all_found),
		cmocka_unit_test(the_oldest_makes_room),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
