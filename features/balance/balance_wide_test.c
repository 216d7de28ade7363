/* SPDX-License-Identifier: Apache-2.0 */
/* Tests of whose a port is, and of what cannot be told apart. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "features/balance/balance_wide.h"

static struct balance_end end_of(const char *address, uint16_t port, uint16_t last)
{
	struct balance_end end = { .port = port, .proto = 6, .last = last };

	assert_int_equal(weir_addr_from_string(address, strlen(address), &end.addr), 0);
	return end;
}

static struct balance_span service_of(unsigned index, uint16_t port, uint16_t last)
{
	struct balance_end end = end_of("192.0.2.1", port, last);

	return balance_span_of(index, -1, &end, &end);
}

/* Of a service at `vip`, whose ports are from..last; at the backend they begin with `port`. */
static struct balance_span backend_of(unsigned index, const char *vip, uint16_t from, uint16_t last,
				      uint16_t port)
{
	struct balance_end service = end_of(vip, from, last);
	uint16_t there = (uint16_t)(last ? port + last - from : 0);
	struct balance_end end = end_of("10.0.0.1", port, there);

	return balance_span_of(index, 0, &service, &end);
}

static bool clash(struct balance_span a, struct balance_span b)
{
	assert_int_equal(balance_span_clashes(&a, &b), balance_span_clashes(&b, &a));
	return balance_span_clashes(&a, &b);
}

static void services_of_like_exactness_clash_where_they_overlap(void **state)
{
	(void)state;
	assert_true(clash(service_of(0, 10, 20), service_of(1, 20, 30)));
	assert_true(clash(service_of(0, 10, 20), service_of(1, 5, 30)));
	assert_false(clash(service_of(0, 10, 20), service_of(1, 21, 30)));
	assert_true(clash(service_of(0, 0, 65535), service_of(1, 0, 65535)));
	assert_false(clash(service_of(0, 0, 65535), service_of(1, 1, 65535)));
	assert_false(clash(service_of(0, 10, 20), service_of(1, 15, 0)));
	assert_false(clash(service_of(0, 0, 65535), service_of(1, 15, 0)));
}

static void backends_of_two_services_clash_unless_answers_tell_them(void **state)
{
	(void)state;
	/* One address, and no port is changed. */
	assert_false(clash(backend_of(0, "192.0.2.1", 0, 65535, 0),
			   backend_of(1, "192.0.2.1", 80, 0, 80)));
	assert_false(clash(backend_of(0, "192.0.2.1", 0, 65535, 0),
			   backend_of(1, "192.0.2.1", 80, 90, 80)));
	/* A port is changed: 8080 may be of either. */
	assert_true(clash(backend_of(0, "192.0.2.1", 0, 65535, 0),
			  backend_of(1, "192.0.2.1", 80, 0, 8080)));
	/* Two addresses. */
	assert_true(clash(backend_of(0, "192.0.2.1", 0, 65535, 0),
			  backend_of(1, "192.0.2.2", 80, 0, 80)));
	assert_true(clash(backend_of(0, "192.0.2.1", 0, 65535, 0),
			  backend_of(1, "192.0.2.2", 0, 65535, 0)));
	assert_false(clash(backend_of(0, "192.0.2.1", 10, 20, 100),
			   backend_of(1, "192.0.2.2", 10, 20, 111)));
	assert_true(clash(backend_of(0, "192.0.2.1", 10, 20, 100),
			  backend_of(1, "192.0.2.2", 10, 20, 110)));
}

static void backends_of_a_service_clash_where_they_overlap(void **state)
{
	(void)state;
	assert_true(clash(backend_of(0, "192.0.2.1", 10, 20, 100),
			  backend_of(0, "192.0.2.1", 10, 20, 105)));
	assert_false(clash(backend_of(0, "192.0.2.1", 10, 20, 100),
			   backend_of(0, "192.0.2.1", 10, 20, 111)));
}

static void service_and_backend_clash_where_they_overlap(void **state)
{
	struct balance_end own = end_of("192.0.2.9", 50, 60);
	struct balance_end end = end_of("192.0.2.1", 55, 65);

	(void)state;
	assert_true(clash(service_of(0, 0, 65535), balance_span_of(1, 0, &own, &end)));
	assert_false(clash(service_of(0, 66, 70), balance_span_of(1, 0, &own, &end)));
}

static void the_most_exact_service_has_a_port(void **state)
{
	const struct balance_span rows[] = { service_of(0, 0, 65535), service_of(1, 10, 20),
					     service_of(2, 30, 40) };
	const struct {
		uint16_t port;
		int service;
	} cases[] = { { 9, 0 },	 { 10, 1 }, { 20, 1 }, { 21, 0 },
		      { 30, 2 }, { 40, 2 }, { 0, -1 }, { 65535, 0 } };
	struct balance_spans spans;

	(void)state;
	assert_int_equal(balance_spans_init(&spans, 3), 0);
	for (int i = 0; i < 3; i++)
		balance_spans_add(&spans, &rows[i]);
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct balance_end end = end_of("192.0.2.1", cases[i].port, 0);
		const struct balance_span *found = balance_spans_service(&spans, &end);

		assert_int_equal(found ? (int)found->service : -1, cases[i].service);
		end.proto = 17;
		assert_null(balance_spans_service(&spans, &end));
	}
	balance_spans_done(&spans);
}

static void a_217th_range_of_an_address_is_too_many(void **state)
{
	struct balance_spans spans;

	(void)state;
	assert_int_equal(balance_spans_init(&spans, 216), 0);
	for (uint16_t i = 0; i < 216; i++) {
		struct balance_span span = service_of(i, 10 * i + 1, 10 * i + 5);

		assert_false(balance_spans_are_full(&spans, &span));
		balance_spans_add(&spans, &span);
	}
	struct balance_span more = service_of(216, 9000, 9001), all = service_of(217, 0, 65535);

	assert_true(balance_spans_are_full(&spans, &more));
	assert_false(balance_spans_are_full(&spans, &all));
	balance_spans_done(&spans);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(services_of_like_exactness_clash_where_they_overlap),
		cmocka_unit_test(backends_of_two_services_clash_unless_answers_tell_them),
		cmocka_unit_test(backends_of_a_service_clash_where_they_overlap),
		cmocka_unit_test(service_and_backend_clash_where_they_overlap),
		cmocka_unit_test(the_most_exact_service_has_a_port),
		cmocka_unit_test(a_217th_range_of_an_address_is_too_many),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
