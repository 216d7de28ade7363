/* SPDX-License-Identifier: Apache-2.0 */
/* Which address of this host is in a network of two others. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "core/neighbours.h"

static struct weir_addr addr(const char *text)
{
	struct weir_addr addr;

	assert_int_equal(weir_addr_from_string(text, strlen(text), &addr), 0);
	return addr;
}

struct own {
	const char *text;
	uint8_t length; /* of 128 */
	bool is_proven, is_lasting;
};

/* `own` ends with a text of NULL. */
static void found_is(const char *one, const char *other, const struct own *own, bool has_one,
		     const char *expected)
{
	struct weir_addr a = addr(one), b = addr(other);
	struct weir_neighbours pair = { .one = &a, .other = &b };

	for (; own->text; own++) {
		const struct weir_host_address at = {
			.addr = addr(own->text),
			.length = own->length,
			.is_proven = own->is_proven,
			.is_lasting = own->is_lasting,
		};
		weir_neighbours_look(&pair, &at);
	}
	assert_int_equal(pair.has_one, has_one);
	assert_int_equal(pair.has_own, expected != NULL);
	if (expected) {
		struct weir_addr wanted = addr(expected);

		assert_memory_equal(&pair.own, &wanted, sizeof(wanted));
	}
}

static void the_first_in_the_network_of_both_is_found(void **state)
{
	static const struct own own[] = {
		{ "127.0.0.1", 104, true, true },   { "10.0.0.1", 104, true, true },
		{ "192.0.2.126", 120, true, true }, { "192.0.2.127", 120, true, true },
		{ "2001:db8::1", 64, true, true },  { NULL, 0, 0, 0 },
	};

	(void)state;
	found_is("192.0.2.9", "192.0.2.200", own, false, "192.0.2.126");
	found_is("2001:db8::9", "2001:db8::a:10", own, false, "2001:db8::1");
	found_is("192.0.2.9", "10.0.0.9", own, false, NULL);
	found_is("192.0.2.9", "192.0.3.9", own, false, NULL);
	found_is("2001:db8::9", "2001:db8:0:1::10", own, false, NULL);
}

static void the_one_asked_about_is_told_apart(void **state)
{
	static const struct own only[] = { { "192.0.2.9", 120, true, true }, { NULL, 0, 0, 0 } };
	static const struct own alone[] = { { "192.0.2.9", 128, true, true }, { NULL, 0, 0, 0 } };
	static const struct own both[] = { { "192.0.2.9", 120, true, true },
					   { "192.0.2.1", 120, true, true },
					   { NULL, 0, 0, 0 } };

	(void)state;
	found_is("192.0.2.9", "192.0.2.10", only, true, NULL);
	found_is("192.0.2.9", "192.0.2.10", alone, false, NULL);
	found_is("192.0.2.9", "192.0.2.10", both, true, "192.0.2.1");
}

/* RFC 4862: tentative, deprecated; RFC 8981: temporary. */
static void what_may_go_is_not_found(void **state)
{
	static const struct own own[] = {
		{ "2001:db8::1", 64, false, true },
		{ "2001:db8::2", 64, true, false },
		{ "2001:db8::3", 64, true, true },
		{ NULL, 0, 0, 0 },
	};

	(void)state;
	found_is("2001:db8::9", "2001:db8::10", own, false, "2001:db8::3");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_first_in_the_network_of_both_is_found),
		cmocka_unit_test(the_one_asked_about_is_told_apart),
		cmocka_unit_test(what_may_go_is_not_found),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
