/* SPDX-License-Identifier: Apache-2.0 */
/* Services in force: what the configuration says, what run time adds and changes, and what becomes
 * of either when the other is another. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "features/balance/balance_live.h"

#define WEB                                                             \
	"interfaces: [{name: eth0}]\nbalance:\n  services:\n"           \
	"    - {name: web, address: 192.0.2.1, port: 80, backends: [\n" \
	"        {address: 10.0.0.1, port: 8080, weight: 3}, {address: 10.0.0.2}]}\n"
#define DIRECT                                                                         \
	"interfaces: [{name: eth0}]\nbalance:\n  services:\n"                          \
	"    - {name: one, address: 192.0.2.1, port: 80, forward: ipip, backends: [\n" \
	"        {address: 10.0.0.1}]}\n"                                              \
	"    - {name: two, address: 192.0.2.2, port: 80, forward: ipip, backends: [\n" \
	"        {address: 10.0.0.1, weight: 2}, {address: 10.0.0.2}]}\n"
#define NONE "interfaces: [{name: eth0}]\n"

/* A configuration, run time, and what is in force of both. */
struct both {
	struct weir_config *config;
	struct balance_runtime runtime;
	struct balance_live live;
};

static void both_done(struct both *both)
{
	balance_live_done(&both->live);
	balance_runtime_done(&both->runtime);
	weir_config_free(both->config);
}

#define _cleanup_both_ _cleanup_(both_done)

static void both_make(struct both *both, const char *text)
{
	assert_int_equal(weir_config_parse(text, strlen(text), NULL, NULL, &both->config), 0);
}

static void live_make(struct both *both)
{
	balance_live_done(&both->live);
	assert_int_equal(
		balance_live_make(both->config->sections[weir_feature_index(&weir_balance)],
				  &both->runtime, &both->live),
		0);
}

static void service_add(struct both *both, const char *name, const char *address, uint32_t port)
{
	const struct balance_text text = { .name = (char *)name,
					   .address = (char *)address,
					   .port = port };

	assert_int_equal(balance_runtime_add_service(&both->runtime, &text), 0);
}

static void backend_add(struct both *both, const char *service, const char *address,
			uint32_t weight)
{
	const struct balance_row row = { .service = (char *)service,
					 .address = (char *)address,
					 .port = 80,
					 .weight = weight,
					 .has_weight = true,
					 .is_added = true };

	assert_int_equal(balance_runtime_add_row(&both->runtime, &row), 0);
}

static void drain(struct both *both, const char *service, const char *address, uint32_t port)
{
	const struct balance_row row = { .service = (char *)service,
					 .address = (char *)address,
					 .port = port,
					 .is_drained = true };

	assert_int_equal(balance_runtime_add_row(&both->runtime, &row), 0);
}

/* "web 10.0.0.1=3 10.0.0.2=1; other …": of all, or of those that packets meet. */
static void section_is(const struct balance_section *section, const char *expected)
{
	_cleanup_buf_ struct weir_buf text = { 0 };

	for (unsigned i = 0; i < section->service_count; i++) {
		weir_buf_addf(&text, "%s%s", i ? "; " : "", section->services[i].name);
		for (unsigned j = 0; j < section->services[i].backend_count; j++)
			weir_buf_addf(&text, " %s=%u", section->services[i].backends[j].address,
				      section->services[i].backends[j].weight);
	}
	assert_string_equal(weir_buf_str(&text), expected);
}

static void without_run_time_it_is_the_configuration(void **state)
{
	_cleanup_both_ struct both both = { 0 };

	(void)state;
	both_make(&both, WEB);
	live_make(&both);
	section_is(&both.live.all, "web 10.0.0.1=3 10.0.0.2=1");
	section_is(&both.live.acting, "web 10.0.0.1=3 10.0.0.2=1");
	assert_int_equal(both.live.backends[0].end.port, 8080);
	assert_int_equal(both.live.backends[1].end.port, 80);
	assert_int_equal(balance_live_service(&both.live, "web"), 0);
	assert_int_equal(balance_live_service(&both.live, "wob"), -1);
}

static void run_time_stands_behind_and_adds_to_either(void **state)
{
	_cleanup_both_ struct both both = { 0 };

	(void)state;
	both_make(&both, WEB);
	service_add(&both, "dns", "192.0.2.1", 53);
	backend_add(&both, "web", "10.0.0.3", 7);
	backend_add(&both, "dns", "10.0.0.4", 1);
	backend_add(&both, "web", "10.0.0.5", 0);
	live_make(&both);
	section_is(&both.live.acting, "web 10.0.0.1=3 10.0.0.2=1 10.0.0.3=7 10.0.0.5=0; "
				      "dns 10.0.0.4=1");
	assert_false(both.live.services[0].is_runtime);
	assert_true(both.live.services[1].is_runtime);
	assert_int_equal(both.live.services[1].first, 4);
	assert_true(both.live.backends[2].is_runtime);
	assert_int_equal(both.live.backends[2].row, 1);
}

static void edits_change_weights_and_leave_what_is_written(void **state)
{
	_cleanup_both_ struct both both = { 0 };
	const struct balance_row row = { .service = (char *)"web",
					 .address = (char *)"10.0.0.2",
					 .port = 80,
					 .weight = 9,
					 .has_weight = true };

	(void)state;
	both_make(&both, WEB);
	drain(&both, "web", "10.0.0.1", 8080);
	assert_int_equal(balance_runtime_add_row(&both.runtime, &row), 0);
	live_make(&both);
	section_is(&both.live.acting, "web 10.0.0.1=0 10.0.0.2=9");
	assert_true(both.live.backends[0].is_drained);
	assert_int_equal(both.live.backends[0].weight, 3);
	assert_int_equal(both.live.backends[1].weight_written, 1);
}

static void disabled_ones_are_there_and_do_not_act(void **state)
{
	_cleanup_both_ struct both both = { 0 };

	(void)state;
	both_make(&both, WEB);
	service_add(&both, "dns", "192.0.2.1", 53);
	assert_int_equal(balance_runtime_disable(&both.runtime, "web"), 0);
	live_make(&both);
	section_is(&both.live.all, "web 10.0.0.1=3 10.0.0.2=1; dns");
	section_is(&both.live.acting, "dns");
	balance_runtime_enable(&both.runtime, "web");
	both.runtime.is_off = true;
	live_make(&both);
	assert_true(both.live.services[0].is_enabled);
	section_is(&both.live.acting, "");
}

/* What was added, and is written down afterwards. */
static void what_is_written_by_now_is_not_there_twice(void **state)
{
	_cleanup_both_ struct both both = { 0 };

	(void)state;
	both_make(&both, WEB);
	service_add(&both, "web", "192.0.2.1", 80);
	backend_add(&both, "web", "10.0.0.2", 5);
	backend_add(&both, "web", "10.0.0.9", 5);
	live_make(&both);
	section_is(&both.live.acting, "web 10.0.0.1=3 10.0.0.2=1 10.0.0.9=5");
	assert_int_equal(both.live.service_fates[0], BALANCE_IS_WRITTEN);
	assert_int_equal(both.live.row_fates[0], BALANCE_IS_WRITTEN);
	assert_true(balance_runtime_prune(&both.runtime, &both.live));
	assert_int_equal(both.runtime.service_count, 0);
	assert_int_equal(both.runtime.row_count, 1);
	live_make(&both);
	section_is(&both.live.acting, "web 10.0.0.1=3 10.0.0.2=1 10.0.0.9=5");
	assert_false(balance_runtime_prune(&both.runtime, &both.live));
}

static void what_clashes_does_not_act_and_is_kept(void **state)
{
	_cleanup_both_ struct both both = { 0 };

	(void)state;
	both_make(&both, WEB);
	service_add(&both, "web", "192.0.2.7", 80);   /* another of this name */
	service_add(&both, "other", "192.0.2.1", 80); /* another at this end */
	service_add(&both, "third", "192.0.2.3", 80);
	backend_add(&both, "web", "10.0.0.8", 1);    /* the other web's */
	backend_add(&both, "third", "10.0.0.2", 1);  /* a backend of the file's web */
	backend_add(&both, "third", "192.0.2.1", 1); /* a service */
	assert_int_equal(balance_runtime_disable(&both.runtime, "web"), 0);
	live_make(&both);
	section_is(&both.live.acting, "web 10.0.0.1=3 10.0.0.2=1; third");
	assert_int_equal(both.live.service_fates[0], BALANCE_NAME_TAKEN);
	assert_int_equal(both.live.service_fates[1], BALANCE_END_TAKEN);
	assert_int_equal(both.live.row_fates[0], BALANCE_NAME_TAKEN);
	assert_int_equal(both.live.row_fates[1], BALANCE_END_TAKEN);
	assert_int_equal(both.live.row_fates[2], BALANCE_END_TAKEN);
	assert_int_equal(both.live.disabled_fates[0], BALANCE_NAME_TAKEN);
	assert_false(balance_runtime_prune(&both.runtime, &both.live));
}

static void what_has_lost_its_service_is_gone(void **state)
{
	_cleanup_both_ struct both both = { 0 };

	(void)state;
	both_make(&both, NONE);
	drain(&both, "web", "10.0.0.1", 8080);
	backend_add(&both, "web", "10.0.0.3", 7);
	assert_int_equal(balance_runtime_disable(&both.runtime, "web"), 0);
	both.runtime.is_off = true;
	live_make(&both);
	assert_true(balance_runtime_prune(&both.runtime, &both.live));
	assert_int_equal(both.runtime.row_count, 0);
	assert_int_equal(both.runtime.disabled_count, 0);
	assert_true(both.runtime.is_off);
}

static void services_past_the_most_do_not_act(void **state)
{
	_cleanup_both_ struct both both = { 0 };

	(void)state;
	both_make(&both, WEB);
	for (unsigned i = 0; i < BALANCE_SERVICES_MAX; i++) {
		char name[32], address[32];

		snprintf(name, sizeof(name), "s%u", i);
		snprintf(address, sizeof(address), "198.51.%u.%u", i >> 8, i & 255);
		service_add(&both, name, address, 1);
		backend_add(&both, name, address, 1);
	}
	live_make(&both);
	assert_int_equal(both.live.all.service_count, BALANCE_SERVICES_MAX);
	assert_int_equal(both.live.service_fates[BALANCE_SERVICES_MAX - 2], BALANCE_ACTS);
	assert_int_equal(both.live.service_fates[BALANCE_SERVICES_MAX - 1], BALANCE_NO_ROOM);
	assert_int_equal(balance_live_service(&both.live, "s9998"), BALANCE_SERVICES_MAX - 1);
}

/* Who answers by himself bears each service's own address. */
static void direct_backend_stands_in_many_services(void **state)
{
	_cleanup_both_ struct both both = { 0 };

	(void)state;
	both_make(&both, DIRECT);
	backend_add(&both, "one", "10.0.0.2", 4);
	drain(&both, "two", "10.0.0.1", 80);
	live_make(&both);
	section_is(&both.live.acting, "one 10.0.0.1=1 10.0.0.2=4; two 10.0.0.1=0 10.0.0.2=1");
	assert_false(both.live.backends[0].is_drained);
	assert_true(both.live.backends[2].is_drained);
	service_add(&both, "nat", "192.0.2.3", 80);
	backend_add(&both, "nat", "10.0.0.2", 5);
	live_make(&both);
	section_is(&both.live.acting,
		   "one 10.0.0.1=1 10.0.0.2=4; two 10.0.0.1=0 10.0.0.2=1; nat 10.0.0.2=5");
}

/* Of a service that was NAT's when the backend was added. */
static void backend_that_direct_service_cannot_have_is_gone(void **state)
{
	_cleanup_both_ struct both both = { 0 };
	const struct balance_row row = { .service = (char *)"one",
					 .address = (char *)"10.0.0.9",
					 .port = 8080,
					 .weight = 1,
					 .has_weight = true,
					 .is_added = true };

	(void)state;
	both_make(&both, DIRECT);
	assert_int_equal(balance_runtime_add_row(&both.runtime, &row), 0);
	live_make(&both);
	section_is(&both.live.acting, "one 10.0.0.1=1; two 10.0.0.1=2 10.0.0.2=1");
	assert_int_equal(both.live.row_fates[0], BALANCE_IS_GONE);
}

static void acting_fails(const struct both *both, const char *name, int wanted, const char *what,
			 const char *mend)
{
	_cleanup_diag_ struct weir_diag diag = { 0 };

	assert_int_equal(balance_live_acting(&both->live, &both->runtime, name, "service", &diag),
			 wanted);
	assert_int_equal(diag.count, 1);
	assert_string_equal(diag.entries[0].what, what);
	assert_string_equal(diag.entries[0].mend, mend);
}

static void what_does_not_act_is_told_from_what_is_not_there(void **state)
{
	_cleanup_both_ struct both both = { 0 };

	(void)state;
	both_make(&both, WEB);
	live_make(&both);
	assert_int_equal(balance_live_acting(&both.live, &both.runtime, "web", "service", NULL), 0);
	assert_int_equal(balance_runtime_disable(&both.runtime, "web"), 0);
	live_make(&both);
	acting_fails(&both, "web", -EINVAL, "the service 'web' does not act",
		     "weir service enable web");
	acting_fails(&both, "other", -ENOENT, "there is no service 'other'",
		     "see `weir service list`");
	both.runtime.is_off = true;
	live_make(&both);
	acting_fails(&both, "web", -EINVAL, "the service 'web' does not act", "weir lb enable");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(without_run_time_it_is_the_configuration),
		cmocka_unit_test(run_time_stands_behind_and_adds_to_either),
		cmocka_unit_test(edits_change_weights_and_leave_what_is_written),
		cmocka_unit_test(disabled_ones_are_there_and_do_not_act),
		cmocka_unit_test(what_is_written_by_now_is_not_there_twice),
		cmocka_unit_test(what_clashes_does_not_act_and_is_kept),
		cmocka_unit_test(what_has_lost_its_service_is_gone),
		cmocka_unit_test(services_past_the_most_do_not_act),
		cmocka_unit_test(direct_backend_stands_in_many_services),
		cmocka_unit_test(backend_that_direct_service_cannot_have_is_gone),
		cmocka_unit_test(what_does_not_act_is_told_from_what_is_not_there),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
