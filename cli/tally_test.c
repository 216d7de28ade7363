/* SPDX-License-Identifier: Apache-2.0 */
/* Sums and the order of the top sources. */
#include "cli/tally.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static struct weir_addr v4(uint32_t number)
{
	struct weir_addr addr = { .be16 = { [5] = 0xffff } };

	addr.bytes[12] = (unsigned char)(number >> 24);
	addr.bytes[13] = (unsigned char)(number >> 16);
	addr.bytes[14] = (unsigned char)(number >> 8);
	addr.bytes[15] = (unsigned char)number;
	return addr;
}

static void add(struct weir_tally *tally, uint32_t source, bool dropped, unsigned times)
{
	struct weir_addr addr = v4(source);

	for (unsigned i = 0; i < times; i++)
		assert_int_equal(
			weir_tally_add(tally,
				       &(struct weir_tally_packet){ .reason = dropped ? 7 : 1,
								    .dropped = dropped,
								    .bytes = 100,
								    .source = &addr }),
			0);
}

static void reasons_are_summed(void **state)
{
	_cleanup_tally_ struct weir_tally tally = { 0 };

	add(&tally, 1, false, 3);
	add(&tally, 2, true, 2);
	assert_int_equal(tally.packets, 5);
	assert_int_equal(tally.bytes, 500);
	assert_int_equal(tally.reason_packets[1], 3);
	assert_int_equal(tally.reason_packets[7], 2);
	assert_int_equal(tally.reason_bytes[7], 200);
}

static void packet_without_a_source_is_summed_too(void **state)
{
	_cleanup_tally_ struct weir_tally tally = { 0 };

	assert_int_equal(
		weir_tally_add(&tally, &(struct weir_tally_packet){ .reason = 3, .bytes = 60 }), 0);
	assert_int_equal(tally.packets, 1);
	assert_int_equal(tally.source_count, 0);
}

static void top_is_ordered_by_packets_then_address(void **state)
{
	_cleanup_tally_ struct weir_tally tally = { 0 };
	const struct weir_tally_source *top[3];

	add(&tally, 9, false, 2);
	add(&tally, 5, true, 4);
	add(&tally, 7, false, 1);
	add(&tally, 7, true, 1);
	add(&tally, 6, false, 1);
	assert_int_equal(weir_tally_top(&tally, top, 3), 3);
	assert_int_equal(top[0]->addr.bytes[15], 5);
	assert_int_equal(top[0]->dropped, 4);
	assert_int_equal(top[1]->addr.bytes[15], 7);
	assert_int_equal(top[1]->passed, 1);
	assert_int_equal(top[1]->dropped, 1);
	assert_int_equal(top[2]->addr.bytes[15], 9);
}

static void many_sources_are_all_found_again(void **state)
{
	_cleanup_tally_ struct weir_tally tally = { 0 };
	const struct weir_tally_source *top[2];

	for (int round = 0; round < 2; round++)
		for (uint32_t i = 0; i < 50000; i++)
			add(&tally, i * 2654435761u, false, 1);
	assert_int_equal(tally.source_count, 50000);
	assert_int_equal(weir_tally_top(&tally, top, 2), 2);
	assert_int_equal(top[0]->passed, 2);
	assert_int_equal(top[1]->passed, 2);
}

static void sources_past_the_ceiling_are_counted_together(void **state)
{
	_cleanup_tally_ struct weir_tally tally = { 0 };

	for (uint32_t i = 0; i < WEIR_TALLY_SOURCES_MAX + 10; i++)
		add(&tally, i, false, 1);
	assert_int_equal(tally.source_count, WEIR_TALLY_SOURCES_MAX);
	assert_int_equal(tally.other_packets, 10);
	assert_int_equal(tally.packets, WEIR_TALLY_SOURCES_MAX + 10);
	add(&tally, 3, false, 1);
	assert_int_equal(tally.other_packets, 10);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reasons_are_summed),
		cmocka_unit_test(packet_without_a_source_is_summed_too),
		cmocka_unit_test(top_is_ordered_by_packets_then_address),
		cmocka_unit_test(many_sources_are_all_found_again),
		cmocka_unit_test(sources_past_the_ceiling_are_counted_together),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
