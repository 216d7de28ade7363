/* SPDX-License-Identifier: Apache-2.0 */
/* Tests of the hash. Expected values are from the same steps written in Python. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "base/hash.h"

static void hash_mix_gives_known_values(void **state)
{
	assert_int_equal(weir_hash_mix(0), 0);
	assert_int_equal(weir_hash_mix(1), 0xb456bcfc34c2cb2c);
	assert_int_equal(weir_hash_mix(0xdeadbeef), 0xd24bd59f862a1dac);
}

static void hash_bytes_of_every_length_give_known_values(void **state)
{
	assert_int_equal(weir_hash_bytes("", 0, 1), 0x7d6e4ac38b2b1be2);
	assert_int_equal(weir_hash_bytes("a", 1, 0), 0xf05da57d93a4cf13);
	assert_int_equal(weir_hash_bytes("abcdefgh", 8, 0), 0xb4edaaf70ef9cb72);
	assert_int_equal(weir_hash_bytes("The quick brown fox", 19, 42), 0xf31b7e4cec6554ce);
}

static void hash_bytes_tell_trailing_zeros_apart(void **state)
{
	assert_int_not_equal(weir_hash_bytes("a\0", 2, 0), weir_hash_bytes("a", 1, 0));
	assert_int_not_equal(weir_hash_bytes("\0\0\0\0\0\0\0\0", 8, 0), weir_hash_bytes("", 0, 0));
}

/* On the heap to the byte, so that the sanitizer sees a read past the end. */
static void hash_bytes_read_no_further_than_told(void **state)
{
	for (size_t len = 1; len < 20; len++) {
		_cleanup_free_ char *exact = malloc(len);
		memset(exact, 'x', len);
		assert_int_not_equal(weir_hash_bytes(exact, len, 0), 0);
	}
}

/*
 * 64 single-bit keys into 64 slots hit about 40 of them by chance; a hash that ignores bits hits
 * few.
 */
static void hash_bytes_single_bits_spread_over_the_low_bits(void **state)
{
	uint64_t slots = 0;
	for (int bit = 0; bit < 64; bit++) {
		uint64_t key = 1ull << bit;
		slots |= 1ull << (weir_hash_bytes(&key, sizeof(key), 0) & 63);
	}
	assert_true(__builtin_popcountll(slots) >= 30);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(hash_mix_gives_known_values),
		cmocka_unit_test(hash_bytes_of_every_length_give_known_values),
		cmocka_unit_test(hash_bytes_tell_trailing_zeros_apart),
		cmocka_unit_test(hash_bytes_read_no_further_than_told),
		cmocka_unit_test(hash_bytes_single_bits_spread_over_the_low_bits),
	};
	return cmocka_run_group_tests_name("hash", tests, NULL, NULL);
}
