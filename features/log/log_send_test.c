/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <string.h>

#include "base/cleanup.h"
#include "features/log/log_send.h"

static void assert_inet(const char *text, enum log_address_kind kind, const char *host,
			uint16_t port)
{
	struct log_address address;
	char shown[INET6_ADDRSTRLEN];

	assert_int_equal(log_address_read(text, &address), 0);
	assert_int_equal(address.kind, kind);
	if (address.at.ss_family == AF_INET) {
		const struct sockaddr_in *v4 = (const struct sockaddr_in *)&address.at;

		assert_non_null(inet_ntop(AF_INET, &v4->sin_addr, shown, sizeof(shown)));
		assert_int_equal(ntohs(v4->sin_port), port);
	} else {
		const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)&address.at;

		assert_non_null(inet_ntop(AF_INET6, &v6->sin6_addr, shown, sizeof(shown)));
		assert_int_equal(ntohs(v6->sin6_port), port);
	}
	assert_string_equal(shown, host);
}

static void address_of_either_family_and_protocol_is_read(void **state)
{
	assert_inet("udp://192.0.2.1:5514", LOG_ADDRESS_UDP, "192.0.2.1", 5514);
	assert_inet("udp://192.0.2.1", LOG_ADDRESS_UDP, "192.0.2.1", 514);
	assert_inet("tcp://[2001:db8::1]:65535", LOG_ADDRESS_TCP, "2001:db8::1", 65535);
	assert_inet("tcp://[2001:db8::1]", LOG_ADDRESS_TCP, "2001:db8::1", 601);
}

static void address_that_is_none_is_refused(void **state)
{
	static const char *const bad[] = {
		"",
		"log",
		"udp://",
		"udp://loghost",
		"udp://192.0.2.1:",
		"udp://192.0.2.1:0",
		"udp://192.0.2.1:65536",
		"udp://192.0.2.1:5x4",
		"udp://2001:db8::1",
		"udp://[2001:db8::1",
		"udp://[192.0.2.1]x",
		"http://192.0.2.1",
		"udp://192.0.2.1:-514",
	};

	for (size_t i = 0; i < WEIR_ARRAY_SIZE(bad); i++) {
		struct log_address address;

		assert_int_equal(log_address_read(bad[i], &address), -EINVAL);
	}
}

static void path_that_no_socket_can_have_is_refused(void **state)
{
	struct log_address address;
	char path[110];

	memset(path, 'x', sizeof(path));
	path[0] = '/';
	path[108] = '\0';
	assert_int_equal(log_address_read(path, &address), -EINVAL);
	path[107] = '\0';
	assert_int_equal(log_address_read(path, &address), 0);
	assert_int_equal(address.kind, LOG_ADDRESS_UNIX);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(address_of_either_family_and_protocol_is_read),
		cmocka_unit_test(address_that_is_none_is_refused),
		cmocka_unit_test(path_that_no_socket_can_have_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
