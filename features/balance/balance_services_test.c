/* SPDX-License-Identifier: Apache-2.0 */
/* Which packets are of a service that somebody names: of one port, of several, of every one. */
#include "core/services.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "core/compile.h"
#include "features/balance/balance_live.h"

#define SERVICES                                                                           \
	"interfaces: [{name: eth0}]\nbalance:\n  services:\n"                              \
	"    - {name: every, address: 192.0.2.1, port: all, backends: []}\n"               \
	"    - {name: web, address: 192.0.2.1, port: 80, backends: []}\n"                  \
	"    - {name: web6, address: '2001:db8::1', port: 80, backends: []}\n"             \
	"    - {name: range, address: 192.0.2.1, port: 8000-8099, backends: []}\n"         \
	"    - {name: inner, address: 192.0.2.1, port: 8050, backends: []}\n"              \
	"    - {name: dns, address: 192.0.2.1, port: 53, proto: udp, backends: []}\n"      \
	"    - {name: sigtran, address: 192.0.2.1, port: 2905, proto: sctp, backends: []}" \
	"\n"
#define WITHIN                                                                      \
	"interfaces: [{name: eth0}]\nbalance:\n  services:\n"                       \
	"    - {name: pair, address: 192.0.2.1, port: 65534-65535, backends: []}\n" \
	"    - {name: one, address: 192.0.2.1, port: 65534, backends: []}\n"        \
	"    - {name: two, address: 192.0.2.1, port: 65535, backends: []}\n"

/* A configuration, and what run time has besides. */
struct fixture {
	struct weir_config *config;
	struct balance_runtime runtime;
	struct weir_services services;
};

static void fixture_done(struct fixture *fixture)
{
	weir_services_done(&fixture->services);
	balance_runtime_done(&fixture->runtime);
	weir_config_free(fixture->config);
}

#define _cleanup_fixture_ _cleanup_(fixture_done)

static void fixture_make(struct fixture *fixture, const char *text)
{
	assert_int_equal(weir_config_parse(text, strlen(text), NULL, NULL, &fixture->config), 0);
}

static void collect(struct fixture *fixture)
{
	struct balance state = { .runtime = &fixture->runtime };
	void *states[WEIR_FEATURES_MAX] = { 0 };
	struct weir_compile_input input = { .config = fixture->config, .states = states };

	states[weir_feature_index(&weir_balance)] = &state;
	weir_services_done(&fixture->services);
	assert_int_equal(weir_compile_services(&input, &fixture->services), 0);
}

static void service_add(struct fixture *fixture, const char *name, uint32_t port)
{
	const struct balance_text text = {
		.name = (char *)name,
		.address = (char *)"192.0.2.1",
		.port = port,
	};

	assert_int_equal(balance_runtime_add_service(&fixture->runtime, &text), 0);
}

/* "192.0.2.1 6 1-79 81-65535": its address, protocol and ports. */
static void service_is(const struct fixture *fixture, const char *name, const char *expected)
{
	_cleanup_buf_ struct weir_buf text = { 0 };
	char addr[WEIR_ADDR_TEXT];
	uint32_t count;
	const struct weir_service_end *ends = weir_services_find(&fixture->services, name, &count);

	if (ends)
		weir_buf_addf(&text, "%s %u", weir_addr_to_string(&ends->addr, addr), ends->proto);
	for (uint32_t i = 0; i < count; i++)
		weir_buf_addf(&text, " %u-%u", ends[i].ports.from, ends[i].ports.to);
	assert_string_equal(weir_buf_str(&text), expected);
}

static void a_service_of_one_port_is_that_port(void **state)
{
	_cleanup_fixture_ struct fixture fixture = { 0 };

	(void)state;
	fixture_make(&fixture, SERVICES);
	collect(&fixture);
	service_is(&fixture, "web", "192.0.2.1 6 80-80");
	service_is(&fixture, "web6", "2001:db8::1 6 80-80");
	service_is(&fixture, "dns", "192.0.2.1 17 53-53");
	service_is(&fixture, "sigtran", "192.0.2.1 132 2905-2905");
	service_is(&fixture, "we", "");
	service_is(&fixture, "web66", "");
}

static void what_more_exact_services_have_is_not_the_others(void **state)
{
	_cleanup_fixture_ struct fixture fixture = { 0 };

	(void)state;
	fixture_make(&fixture, SERVICES);
	collect(&fixture);
	service_is(&fixture, "range", "192.0.2.1 6 8000-8049 8051-8099");
	service_is(&fixture, "every", "192.0.2.1 6 1-79 81-7999 8100-65535");
}

static void a_service_whose_ports_are_all_others_has_none(void **state)
{
	_cleanup_fixture_ struct fixture fixture = { 0 };

	(void)state;
	fixture_make(&fixture, WITHIN);
	collect(&fixture);
	service_is(&fixture, "pair", "192.0.2.1 6 1-0");
	service_is(&fixture, "two", "192.0.2.1 6 65535-65535");
}

static void services_of_run_time_are_among_them(void **state)
{
	_cleanup_fixture_ struct fixture fixture = { 0 };

	(void)state;
	fixture_make(&fixture, SERVICES);
	service_add(&fixture, "ssh", 22);
	collect(&fixture);
	service_is(&fixture, "ssh", "192.0.2.1 6 22-22");
	service_is(&fixture, "every", "192.0.2.1 6 1-21 23-79 81-7999 8100-65535");
}

static void a_disabled_service_has_its_port_and_so_has_who_gets_its_packets(void **state)
{
	_cleanup_fixture_ struct fixture fixture = { 0 };

	(void)state;
	fixture_make(&fixture, SERVICES);
	assert_int_equal(balance_runtime_disable(&fixture.runtime, "web"), 0);
	collect(&fixture);
	service_is(&fixture, "web", "192.0.2.1 6 80-80");
	service_is(&fixture, "every", "192.0.2.1 6 1-7999 8100-65535");
	fixture.runtime.is_off = true;
	collect(&fixture);
	service_is(&fixture, "web6", "2001:db8::1 6 80-80");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_service_of_one_port_is_that_port),
		cmocka_unit_test(what_more_exact_services_have_is_not_the_others),
		cmocka_unit_test(a_service_whose_ports_are_all_others_has_none),
		cmocka_unit_test(services_of_run_time_are_among_them),
		cmocka_unit_test(a_disabled_service_has_its_port_and_so_has_who_gets_its_packets),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
