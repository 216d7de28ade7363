/* SPDX-License-Identifier: Apache-2.0 */
/* Addresses as text, and who may reach the unix socket. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <arpa/inet.h>
#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "api/auth.h"
#include "api/listen.h"

static void address_with_port_is_read(void **state)
{
	struct weir_diag diag = { 0 };
	struct weir_listen listen = { 0 };
	assert_int_equal(weir_listen_parse("api.listen", "127.0.0.1:11811", &diag, &listen), 0);
	const struct sockaddr_in *v4 = (const struct sockaddr_in *)&listen.address;
	assert_int_equal(v4->sin_family, AF_INET);
	assert_int_equal(ntohs(v4->sin_port), 11811);
	assert_int_equal(ntohl(v4->sin_addr.s_addr), 0x7f000001);
	assert_true(listen.is_loopback);
	assert_int_equal(weir_listen_parse("api.listen", "192.0.2.1:80", &diag, &listen), 0);
	assert_false(listen.is_loopback);
	assert_int_equal(weir_listen_parse("api.listen", "[::1]:443", &diag, &listen), 0);
	assert_int_equal(((const struct sockaddr_in6 *)&listen.address)->sin6_family, AF_INET6);
	assert_true(listen.is_loopback);
	assert_int_equal(weir_listen_parse("api.listen", "[2001:db8::1]:443", &diag, &listen), 0);
	assert_false(listen.is_loopback);
	assert_int_equal(diag.count, 0);
}

static void off_is_no_address(void **state)
{
	struct weir_diag diag = { 0 };
	struct weir_listen listen = { 0 };
	assert_int_equal(weir_listen_parse("api.listen", "off", &diag, &listen), 0);
	assert_true(listen.is_off);
}

static void anything_else_is_refused_with_a_cure(void **state)
{
	static const char *const wrong[] = { "",
					     "127.0.0.1",
					     "127.0.0.1:",
					     "127.0.0.1:0",
					     "127.0.0.1:65536",
					     "127.0.0.1:+1",
					     "::1:80",
					     "[::1]80",
					     "[127.0.0.1]:80",
					     ":80",
					     "localhost:80",
					     "[]:80",
					     "127.0.0.1:80x",
					     "[::1:80",
					     "1.2.3.4.5:80" };
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		struct weir_diag diag = { 0 };
		struct weir_listen listen = { 0 };
		if (weir_listen_parse("api.listen", wrong[i], &diag, &listen) != -EINVAL)
			fail_msg("'%s' was taken", wrong[i]);
		assert_string_equal(diag.entries[0].key, "api.listen");
		assert_non_null(diag.entries[0].mend);
		weir_diag_done(&diag);
	}
}

struct place {
	char dir[64];
	char path[96];
};

static struct place place_new(void)
{
	struct place place;
	snprintf(place.dir, sizeof(place.dir), "/tmp/weir-listen-%d-XXXXXX", (int)getpid());
	assert_non_null(mkdtemp(place.dir));
	snprintf(place.path, sizeof(place.path), "%s/weir.sock", place.dir);
	return place;
}

static void place_free(struct place *place)
{
	unlink(place->path);
	assert_int_equal(rmdir(place->dir), 0); /* also says that no draft was left */
}

static void unix_socket_is_for_owner_and_group(void **state)
{
	struct place place = place_new();
	struct weir_diag diag = { 0 };
	struct stat facts;
	int fd = -1;
	assert_int_equal(weir_listen_unix(place.path, NULL, &diag, &fd), 0);
	assert_int_equal(stat(place.path, &facts), 0);
	assert_true(S_ISSOCK(facts.st_mode));
	assert_int_equal(facts.st_mode & 0777, 0660);
	close(fd);
	place_free(&place);
}

static void unix_socket_of_the_dead_is_replaced(void **state)
{
	struct place place = place_new();
	struct weir_diag diag = { 0 };
	int fd = -1;
	assert_int_equal(weir_listen_unix(place.path, NULL, &diag, &fd), 0);
	close(fd);
	assert_int_equal(weir_listen_unix(place.path, NULL, &diag, &fd), 0);
	close(fd);
	place_free(&place);
}

static void unix_socket_of_the_living_is_left(void **state)
{
	struct place place = place_new();
	struct weir_diag diag = { 0 };
	int fd = -1, second = -1;
	assert_int_equal(weir_listen_unix(place.path, NULL, &diag, &fd), 0);
	assert_int_equal(weir_listen_unix(place.path, NULL, &diag, &second), -EADDRINUSE);
	assert_int_equal(second, -1);
	assert_int_equal(diag.errors, 1);
	weir_diag_done(&diag);
	close(fd);
	place_free(&place);
}

static void unknown_group_is_refused_and_leaves_nothing(void **state)
{
	struct place place = place_new();
	struct weir_diag diag = { 0 };
	int fd = -1;
	assert_int_equal(weir_listen_unix(place.path, "no-such-group", &diag, &fd), -EINVAL);
	assert_string_equal(diag.entries[0].key, "api.socket-group");
	weir_diag_done(&diag);
	place_free(&place);
}

static void too_long_path_is_refused(void **state)
{
	char path[200] = "/tmp/";
	struct weir_diag diag = { 0 };
	int fd = -1;
	for (size_t i = 5; i < sizeof(path) - 1; i++)
		path[i] = 'x';
	assert_int_equal(weir_listen_unix(path, NULL, &diag, &fd), -ENAMETOOLONG);
	weir_diag_done(&diag);
}

static void loopback_is_asked_for_by_its_own_names_only(void **state)
{
	static const char *const ours[] = { "127.0.0.1",  "127.0.0.1:11811", "localhost:80",
					    "LocalHost",  "[::1]:11811",     "[::1]",
					    "127.0.0.9:1" };
	static const char *const others[] = { "evil.example",
					      "127.0.0.1.evil.example",
					      "localhost.evil.example:80",
					      "[::2]",
					      "192.0.2.1",
					      "" };
	struct weir_diag diag = { 0 };
	struct weir_listen listen = { 0 };
	assert_int_equal(weir_listen_parse("api.listen", "127.0.0.9:11811", &diag, &listen), 0);
	for (size_t i = 0; i < sizeof(ours) / sizeof(ours[0]); i++)
		if (!weir_auth_host_is_ours(&listen, ours[i]))
			fail_msg("%s was refused", ours[i]);
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
		if (weir_auth_host_is_ours(&listen, others[i]))
			fail_msg("%s was taken", others[i]);
	assert_int_equal(weir_listen_parse("api.listen", "192.0.2.1:11811", &diag, &listen), 0);
	assert_true(weir_auth_host_is_ours(&listen, "weir.example"));
}

static void origin_is_ours_only_with_the_very_host_and_port(void **state)
{
	assert_true(weir_auth_origin_is_ours(NULL, "127.0.0.1:11811"));
	assert_true(weir_auth_origin_is_ours("https://Weir.example", "weir.example"));
	assert_false(weir_auth_origin_is_ours("http://127.0.0.1:8080", "127.0.0.1:11811"));
	assert_false(
		weir_auth_origin_is_ours("http://127.0.0.1:11811.evil.example", "127.0.0.1:11811"));
	assert_false(weir_auth_origin_is_ours("null", "127.0.0.1:11811"));
	assert_false(weir_auth_origin_is_ours("http://127.0.0.1", NULL));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(address_with_port_is_read),
		cmocka_unit_test(off_is_no_address),
		cmocka_unit_test(anything_else_is_refused_with_a_cure),
		cmocka_unit_test(unix_socket_is_for_owner_and_group),
		cmocka_unit_test(unix_socket_of_the_dead_is_replaced),
		cmocka_unit_test(unix_socket_of_the_living_is_left),
		cmocka_unit_test(unknown_group_is_refused_and_leaves_nothing),
		cmocka_unit_test(too_long_path_is_refused),
		cmocka_unit_test(loopback_is_asked_for_by_its_own_names_only),
		cmocka_unit_test(origin_is_ours_only_with_the_very_host_and_port),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
