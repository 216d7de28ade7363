/* SPDX-License-Identifier: Apache-2.0 */
/* A GET by a stream that is made up: whenever it can go no further, it is asked of the stream what
 * its descriptor is to be waited for (TLS may want to read where the check writes). */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/epoll.h>

#include <cmocka.h>

#include "features/balance/health.h"

static ssize_t stream_gives;
static unsigned waits;
static uint32_t watched;

ssize_t health_stream_send(struct health_target *target, const void *bytes, size_t len)
{
	(void)target;
	(void)bytes;
	return stream_gives > (ssize_t)len ? (ssize_t)len : stream_gives;
}

ssize_t health_stream_recv(struct health_target *target, void *bytes, size_t len)
{
	(void)target;
	(void)bytes;
	(void)len;
	return -EAGAIN;
}

void health_stream_wait(struct health_target *target)
{
	(void)target;
	waits++;
}

void health_watch(struct health_target *target, uint32_t events)
{
	(void)target;
	watched = events;
}

enum health_result health_tls_shake(struct health_target *target)
{
	(void)target;
	return HEALTH_OK;
}

enum health_result health_socket_start(struct health_target *target, int type)
{
	(void)target;
	(void)type;
	return HEALTH_PENDING;
}

enum health_result health_socket_ready(struct health_target *target)
{
	(void)target;
	return HEALTH_OK;
}

enum health_result health_end(struct health_target *target, enum health_result result,
			      const char *what, int error)
{
	(void)target;
	(void)what;
	(void)error;
	return result;
}

static struct balance_text text = { .health.type = HEALTH_HTTPS };
static struct health_target target;

static int setup(void **state)
{
	(void)state;
	target = (struct health_target){ .text = &text };
	waits = 0;
	watched = 0;
	return health_http_probe.start(&target) == HEALTH_PENDING ? 0 : -1;
}

static int teardown(void **state)
{
	(void)state;
	weir_buf_done(&target.out);
	return 0;
}

static void request_that_cannot_go_on_asks_what_to_wait_for(void **state)
{
	(void)state;
	stream_gives = -EAGAIN;
	assert_int_equal(health_http_probe.ready(&target, EPOLLOUT), HEALTH_PENDING);
	assert_int_equal(waits, 1);
	assert_int_equal(health_http_probe.ready(&target, EPOLLIN), HEALTH_PENDING);
	assert_int_equal(waits, 2);
}

static void answer_that_is_not_there_asks_what_to_wait_for(void **state)
{
	(void)state;
	stream_gives = 4096;
	assert_int_equal(health_http_probe.ready(&target, EPOLLOUT), HEALTH_PENDING);
	assert_int_equal(watched, EPOLLIN);
	assert_int_equal(waits, 0);
	assert_int_equal(health_http_probe.ready(&target, EPOLLIN), HEALTH_PENDING);
	assert_int_equal(waits, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(request_that_cannot_go_on_asks_what_to_wait_for,
						setup, teardown),
		cmocka_unit_test_setup_teardown(answer_that_is_not_there_asks_what_to_wait_for,
						setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
