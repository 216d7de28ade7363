/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/ports.h"

static void ports_reading_what_is_right_gives_first_and_last(void **state)
{
	static const struct {
		const char *text;
		uint32_t ports;
	} cases[] = {
		{ "1", 1 },
		{ "80", 80 },
		{ "65535", 65535 },
		{ "8000-8099", 8099u << 16 | 8000 },
		{ "1-65535", 0xffff0001 },
		{ "80-80", 80 },
		{ "all", 0xffff0000 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		uint32_t ports = 0;

		assert_int_equal(weir_ports_from_string(cases[i].text, &ports), 0);
		assert_int_equal(ports, cases[i].ports);
	}
}

static void ports_reading_what_is_wrong_is_refused(void **state)
{
	static const struct {
		const char *text;
		int error;
	} cases[] = {
		{ "", -EINVAL },
		{ "x", -EINVAL },
		{ "80-", -EINVAL },
		{ "-80", -EINVAL },
		{ "80 ", -EINVAL },
		{ "80-90-", -EINVAL },
		{ "All", -EINVAL },
		{ "0", -ERANGE },
		{ "0-5", -ERANGE },
		{ "65536", -ERANGE },
		{ "9-8", -ERANGE },
		{ "1-65536", -ERANGE },
		{ "99999999999999999999", -ERANGE },
	};
	uint32_t ports = 7;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++)
		assert_int_equal(weir_ports_from_string(cases[i].text, &ports), cases[i].error);
	assert_string_equal(weir_ports_fault("80-"), "is neither a port nor a range of ports");
	assert_string_equal(weir_ports_fault("9-8"), "ends before it begins");
	assert_string_equal(weir_ports_fault("9-0"), "is not within 1 to 65535");
	assert_int_equal(ports, 7);
}

static void ports_text_is_as_it_was_read(void **state)
{
	static const char *const texts[] = { "1", "65535", "10000-65535", "1-65535", "all" };

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++) {
		char text[WEIR_PORTS_TEXT];
		uint32_t ports;

		assert_int_equal(weir_ports_from_string(texts[i], &ports), 0);
		assert_string_equal(weir_ports_to_string(ports, text), texts[i]);
	}
}

static void ports_every_one_has_an_end(void **state)
{
	(void)state;
	assert_int_equal(weir_ports_first(8099u << 16 | 8000), 8000);
	assert_int_equal(weir_ports_last(8099u << 16 | 8000), 8099);
	assert_int_equal(weir_ports_last(80), 80);
	assert_int_equal(weir_ports_last(WEIR_PORTS_ALL), 65535);
	assert_false(weir_ports_are_wide(65535));
	assert_true(weir_ports_are_wide(WEIR_PORTS_ALL));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ports_reading_what_is_right_gives_first_and_last),
		cmocka_unit_test(ports_reading_what_is_wrong_is_refused),
		cmocka_unit_test(ports_text_is_as_it_was_read),
		cmocka_unit_test(ports_every_one_has_an_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
