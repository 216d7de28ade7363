/* SPDX-License-Identifier: Apache-2.0 */
/* A sum that follows a change is that of the changed packet, taken bit by bit. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "bpf/lib/crc32c.h"

#define MOST 65535

static uint32_t crc32c(const uint8_t *bytes, size_t count)
{
	uint32_t crc = UINT32_MAX;

	for (size_t i = 0; i < count; i++) {
		crc ^= bytes[i];
		for (int bit = 0; bit < 8; bit++)
			crc = crc >> 1 ^ (crc & 1 ? 0x82f63b78 : 0);
	}
	return ~crc;
}

/* RFC 3720, B.4: 32 bytes, of zeros and counting up. */
static void the_reference_has_the_sums_of_the_rfc(void **state)
{
	uint8_t bytes[32] = { 0 };

	(void)state;
	assert_int_equal(crc32c(bytes, sizeof(bytes)), 0x8a9136aa);
	for (uint8_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = i;
	assert_int_equal(crc32c(bytes, sizeof(bytes)), 0x46dd794e);
}

static void sum_after_a_change_is_that_of_the_changed_packet(void **state)
{
	static const size_t counts[] = { 12, 13, 16, 255, 256, 1480, 9000, 32768, MOST };
	uint8_t *bytes = malloc(MOST);
	int wrong = 0;

	(void)state;
	assert_non_null(bytes);
	srand(1);
	for (size_t i = 0; i < MOST; i++)
		bytes[i] = (uint8_t)rand();
	for (size_t i = 0; i < sizeof(counts) / sizeof(*counts); i++)
		for (size_t at = 0; at < 4; at += 2) {
			uint32_t before = crc32c(bytes, counts[i]), after;
			uint16_t old, now = (uint16_t)rand();

			memcpy(&old, bytes + at, sizeof(old));
			memcpy(bytes + at, &now, sizeof(now));
			after = before ^
				crc32c_le32(crc32c_change(old ^ now, (__u32)(counts[i] - at)));
			wrong += after != crc32c(bytes, counts[i]);
		}
	free(bytes);
	assert_int_equal(wrong, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_reference_has_the_sums_of_the_rfc),
		cmocka_unit_test(sum_after_a_change_is_that_of_the_changed_packet),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
