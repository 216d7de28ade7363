/* SPDX-License-Identifier: Apache-2.0 */
/* Bytes as they are written. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "features/balance/health_bytes.h"

static void bytes_of_text_are_the_text(void **state)
{
	_cleanup_buf_ struct weir_buf bytes = { 0 };

	(void)state;
	assert_int_equal(health_bytes_add("PING\r\n", &bytes), 0);
	assert_int_equal(bytes.len, 6);
	assert_memory_equal(bytes.data, "PING\r\n", 6);
}

static void bytes_of_hex_may_be_any(void **state)
{
	_cleanup_buf_ struct weir_buf bytes = { 0 };

	(void)state;
	assert_int_equal(health_bytes_add("hex: 00 1f fFA0", &bytes), 0);
	assert_int_equal(bytes.len, 4);
	assert_memory_equal(bytes.data, "\x00\x1f\xff\xa0", 4);
}

static void bytes_not_written_are_none(void **state)
{
	_cleanup_buf_ struct weir_buf bytes = { 0 };

	(void)state;
	assert_int_equal(health_bytes_add(NULL, &bytes), 0);
	assert_int_equal(health_bytes_add("hex:", &bytes), 0);
	assert_int_equal(bytes.len, 0);
}

static void bytes_of_half_a_number_are_refused(void **state)
{
	static const char *const wrong[] = { "hex:0", "hex:0g", "hex:001", "hex:0 1", "hex:0x01" };

	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		_cleanup_buf_ struct weir_buf bytes = { 0 };

		assert_int_equal(health_bytes_add(wrong[i], &bytes), -EINVAL);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(bytes_of_text_are_the_text),
		cmocka_unit_test(bytes_of_hex_may_be_any),
		cmocka_unit_test(bytes_not_written_are_none),
		cmocka_unit_test(bytes_of_half_a_number_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
