/* SPDX-License-Identifier: Apache-2.0 */
/* Whom the list of connections cuts, by socket pairs and a clock that is only a number. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <sys/socket.h>
#include <unistd.h>

#include "api/connections.h"

#define PAIRS 4

struct fixture {
	struct weir_connections connections;
	struct weir_connection *c[PAIRS];
	int near[PAIRS], far[PAIRS];
};

static void setup(struct fixture *f, unsigned most, unsigned most_per_address)
{
	*f = (struct fixture){ .connections = { .most = most,
						.most_per_address = most_per_address,
						.patience_ms = 1000 } };
	for (int i = 0; i < PAIRS; i++) {
		int fds[2];
		assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
		f->near[i] = fds[0];
		f->far[i] = fds[1];
	}
}

static void teardown(struct fixture *f)
{
	weir_connections_done(&f->connections);
	for (int i = 0; i < PAIRS; i++) {
		close(f->near[i]);
		close(f->far[i]);
	}
}

static bool add(struct fixture *f, int i, uint64_t now_ms)
{
	bool cut = false;
	f->c[i] = weir_connections_add(&f->connections, f->near[i], now_ms, &cut);
	assert_non_null(f->c[i]);
	return cut;
}

/* The peer sees the end of the stream. */
static bool is_cut(const struct fixture *f, int i)
{
	char byte;
	return recv(f->far[i], &byte, 1, MSG_DONTWAIT) == 0;
}

static void add_within_bound_cuts_nobody(void **state)
{
	struct fixture f;
	setup(&f, 2, 0);
	assert_false(add(&f, 0, 0));
	assert_false(add(&f, 1, 1));
	assert_false(is_cut(&f, 0) || is_cut(&f, 1));
	teardown(&f);
}

static void add_past_bound_cuts_longest_idle(void **state)
{
	struct fixture f;
	setup(&f, 2, 0);
	add(&f, 0, 0);
	add(&f, 1, 1);
	weir_connection_set_state(f.c[0], WEIR_CONNECTION_IDLE, 5);
	assert_true(add(&f, 2, 6));
	assert_false(is_cut(&f, 0));
	assert_true(is_cut(&f, 1));
	assert_false(is_cut(&f, 2));
	teardown(&f);
}

static void add_past_bound_prefers_idle_to_body(void **state)
{
	struct fixture f;
	setup(&f, 2, 0);
	add(&f, 0, 0);
	add(&f, 1, 9);
	weir_connection_set_state(f.c[0], WEIR_CONNECTION_BODY, 0);
	assert_true(add(&f, 2, 10));
	assert_false(is_cut(&f, 0));
	assert_true(is_cut(&f, 1));
	teardown(&f);
}

static void add_past_bound_when_all_are_busy_cuts_newcomer(void **state)
{
	struct fixture f;
	setup(&f, 2, 0);
	add(&f, 0, 0);
	add(&f, 1, 0);
	weir_connection_set_state(f.c[0], WEIR_CONNECTION_BUSY, 0);
	weir_connection_set_state(f.c[1], WEIR_CONNECTION_BUSY, 0);
	assert_true(add(&f, 2, 1));
	assert_false(is_cut(&f, 0) || is_cut(&f, 1));
	assert_true(is_cut(&f, 2));
	teardown(&f);
}

static void add_past_bound_of_address_cuts_within_address(void **state)
{
	struct fixture f;
	setup(&f, 10, 2);
	add(&f, 0, 0);
	f.c[0]->address[0] = 9; /* somebody else, idle the longest */
	add(&f, 1, 1);
	add(&f, 2, 2);
	assert_true(add(&f, 3, 3));
	assert_false(is_cut(&f, 0));
	assert_true(is_cut(&f, 1));
	assert_false(is_cut(&f, 2) || is_cut(&f, 3));
	teardown(&f);
}

static void cut_connection_no_longer_counts(void **state)
{
	struct fixture f;
	setup(&f, 1, 0);
	add(&f, 0, 0);
	assert_true(add(&f, 1, 1));
	assert_true(add(&f, 2, 2));
	assert_true(is_cut(&f, 0) && is_cut(&f, 1));
	assert_false(is_cut(&f, 2));
	teardown(&f);
}

static void sweep_cuts_only_heads_past_patience(void **state)
{
	struct fixture f;
	setup(&f, 10, 0);
	add(&f, 0, 0);
	add(&f, 1, 1);
	add(&f, 2, 0);
	weir_connection_set_state(f.c[2], WEIR_CONNECTION_BUSY, 0);
	assert_int_equal(weir_connections_sweep(&f.connections, 1000), 0);
	assert_int_equal(weir_connections_sweep(&f.connections, 1001), 1);
	assert_true(is_cut(&f, 0));
	assert_false(is_cut(&f, 1) || is_cut(&f, 2));
	teardown(&f);
}

static void sweep_cuts_body_slower_than_a_kibibyte_a_second(void **state)
{
	struct fixture f;
	setup(&f, 10, 0);
	add(&f, 0, 0);
	add(&f, 1, 0);
	weir_connection_set_state(f.c[0], WEIR_CONNECTION_BODY, 0);
	weir_connection_set_state(f.c[1], WEIR_CONNECTION_BODY, 0);
	f.c[0]->body_bytes = 2047;
	f.c[1]->body_bytes = 2048;
	assert_int_equal(weir_connections_sweep(&f.connections, 2000), 1);
	assert_true(is_cut(&f, 0));
	assert_false(is_cut(&f, 1));
	teardown(&f);
}

static void cut_idle_leaves_those_at_work(void **state)
{
	struct fixture f;
	setup(&f, 10, 0);
	add(&f, 0, 0);
	add(&f, 1, 0);
	weir_connection_set_state(f.c[1], WEIR_CONNECTION_BUSY, 0);
	weir_connections_cut_idle(&f.connections);
	assert_true(is_cut(&f, 0));
	assert_false(is_cut(&f, 1));
	teardown(&f);
}

static void peer_of_unix_socket_is_known_by_user(void **state)
{
	struct fixture f;
	uid_t uid = 12345;
	setup(&f, 10, 0);
	add(&f, 0, 0);
	assert_int_equal(weir_connection_peer_uid(f.c[0], &uid), 0);
	assert_int_equal(uid, geteuid());
	assert_false(weir_connection_is_loopback(f.c[0]));
	teardown(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(add_within_bound_cuts_nobody),
		cmocka_unit_test(add_past_bound_cuts_longest_idle),
		cmocka_unit_test(add_past_bound_prefers_idle_to_body),
		cmocka_unit_test(add_past_bound_when_all_are_busy_cuts_newcomer),
		cmocka_unit_test(add_past_bound_of_address_cuts_within_address),
		cmocka_unit_test(cut_connection_no_longer_counts),
		cmocka_unit_test(sweep_cuts_only_heads_past_patience),
		cmocka_unit_test(sweep_cuts_body_slower_than_a_kibibyte_a_second),
		cmocka_unit_test(cut_idle_leaves_those_at_work),
		cmocka_unit_test(peer_of_unix_socket_is_known_by_user),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
