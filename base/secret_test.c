/* SPDX-License-Identifier: Apache-2.0 */
/* Tests of random bytes and of comparing secrets. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "base/secret.h"

static void secret_random_bytes_fill_all_and_differ(void **state)
{
	uint8_t a[300] = { 0 }, b[300] = { 0 };
	static const uint8_t zeros[16];
	assert_int_equal(weir_random_bytes(a, sizeof(a)), 0);
	assert_int_equal(weir_random_bytes(b, sizeof(b)), 0);
	assert_memory_not_equal(a, b, sizeof(a));
	assert_memory_not_equal(a + sizeof(a) - 16, zeros, 16);
}

static void secret_random_bytes_stay_inside(void **state)
{
	uint8_t bytes[8] = { 0 };
	assert_int_equal(weir_random_bytes(bytes, 4), 0);
	static const uint8_t zeros[4];
	assert_memory_equal(bytes + 4, zeros, 4);
}

static void secret_random_hex_is_two_digits_a_byte(void **state)
{
	_cleanup_free_ char *a = weir_random_hex(32);
	_cleanup_free_ char *b = weir_random_hex(32);
	assert_int_equal(strlen(a), 64);
	assert_int_equal(strspn(a, "0123456789abcdef"), 64);
	assert_string_not_equal(a, b);
}

/*
 * Were a byte written over before it is read, its digits would come from the digits of another: all
 * in 0-9 or a-f.
 */
static void secret_random_hex_uses_every_digit_in_every_place(void **state)
{
	uint16_t seen[16] = { 0 };
	for (int i = 0; i < 2000; i++) {
		_cleanup_free_ char *hex = weir_random_hex(8);
		for (int j = 0; j < 16; j++)
			seen[j] |= (uint16_t)(1 << strtoul((char[]){ hex[j], 0 }, NULL, 16));
	}
	for (int j = 0; j < 16; j++)
		assert_int_equal(seen[j], 0xffff);
}

static void secret_random_hex_of_nothing_is_empty(void **state)
{
	_cleanup_free_ char *hex = weir_random_hex(0);
	assert_string_equal(hex, "");
}

static void secret_equal_only_when_every_byte_is(void **state)
{
	assert_true(weir_secret_equal("token", "token"));
	assert_true(weir_secret_equal("", ""));
	assert_false(weir_secret_equal("token", "tokem"));
	assert_false(weir_secret_equal("token", "Token"));
	assert_false(weir_secret_equal("token", "token2"));
	assert_false(weir_secret_equal("token2", "token"));
	assert_false(weir_secret_equal("", "token"));
	assert_false(weir_secret_equal("token", ""));
	assert_false(weir_secret_equal("abab", "ab"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(secret_random_bytes_fill_all_and_differ),
		cmocka_unit_test(secret_random_bytes_stay_inside),
		cmocka_unit_test(secret_random_hex_is_two_digits_a_byte),
		cmocka_unit_test(secret_random_hex_uses_every_digit_in_every_place),
		cmocka_unit_test(secret_random_hex_of_nothing_is_empty),
		cmocka_unit_test(secret_equal_only_when_every_byte_is),
	};
	return cmocka_run_group_tests_name("secret", tests, NULL, NULL);
}
