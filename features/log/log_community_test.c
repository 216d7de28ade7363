/* SPDX-License-Identifier: Apache-2.0 */
/* Vectors of the specification's own tests and of Zeek's; the last ones by Python's hashlib. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "base/addr.h"
#include "features/log/log_community.h"

static void assert_id(const char *src, int sport, const char *dst, int dport, uint8_t proto,
		      const char *wanted)
{
	struct log_flow flow = { .sport = (uint16_t)sport,
				 .dport = (uint16_t)dport,
				 .has_ports = sport >= 0,
				 .proto = proto };
	char text[LOG_COMMUNITY_TEXT];

	assert_int_equal(weir_addr_from_string(src, strlen(src), &flow.src), 0);
	assert_int_equal(weir_addr_from_string(dst, strlen(dst), &flow.dst), 0);
	log_community_id(&flow, text);
	assert_string_equal(text, wanted);
}

static void community_id_is_that_of_the_published_vectors(void **state)
{
	assert_id("1.2.3.4", 1122, "5.6.7.8", 3344, 6, "1:wCb3OG7yAFWelaUydu0D+125CLM=");
	assert_id("1.2.3.4", 1122, "5.6.7.8", 3344, 17, "1:0Mu9InQx6z4ZiCZM/7HXi2WMhOg=");
	assert_id("128.232.110.120", 34855, "66.35.250.204", 80, 6,
		  "1:LQU9qZlK+B5F3KDmev6m5PMibrg=");
}

static void community_id_is_one_for_both_directions(void **state)
{
	assert_id("66.35.250.204", 80, "128.232.110.120", 34855, 6,
		  "1:LQU9qZlK+B5F3KDmev6m5PMibrg=");
	assert_id("192.0.2.1", 9, "192.0.2.1", 7, 17, "1:byKnAcrQBB/ino84yYSpYpnK72A=");
	assert_id("192.0.2.1", 7, "192.0.2.1", 9, 17, "1:byKnAcrQBB/ino84yYSpYpnK72A=");
}

static void community_id_of_ipv6_and_without_ports(void **state)
{
	assert_id("2001:db8::1", 1000, "2001:db8::2", 443, 6, "1:q7rP3/mmBcQR2sWKjCG9IQ4gJVI=");
	assert_id("192.0.2.1", -1, "198.51.100.7", -1, 47, "1:RgkLaSviQYJ7OVkhn/T3l+5nv8A=");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(community_id_is_that_of_the_published_vectors),
		cmocka_unit_test(community_id_is_one_for_both_directions),
		cmocka_unit_test(community_id_of_ipv6_and_without_ports),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
