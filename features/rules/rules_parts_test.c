/* SPDX-License-Identifier: Apache-2.0 */
/* What a rule for services asks for, by hand. */
#include "features/rules/rules_parts.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "features/rules/rules_state.h"

/* Rules own their strings where the configuration makes them; here nobody frees them. */
#pragma GCC diagnostic ignored "-Wdiscarded-qualifiers"

static struct weir_services services;

static void service_add(const char *name, const char *addr, uint8_t proto, uint16_t from,
			uint16_t to)
{
	struct weir_service_end end = { .service = name, .proto = proto, .ports = { from, to } };
	assert_int_equal(weir_addr_from_string(addr, strlen(addr), &end.addr), 0);
	assert_int_equal(weir_services_add(&services, &end), 0);
}

static int services_make(void **state)
{
	service_add("web", "192.0.2.1", 6, 80, 80);
	service_add("tls", "192.0.2.1", 6, 443, 443);
	service_add("next", "192.0.2.1", 6, 81, 99);
	service_add("web6", "2001:db8::1", 6, 80, 80);
	service_add("dns", "192.0.2.1", 17, 53, 53);
	service_add("every", "192.0.2.1", 132, 1, 2904);
	service_add("every", "192.0.2.1", 132, 2906, 65535);
	service_add("none", "192.0.2.1", 6, 1, 0);
	weir_services_sort(&services);
	(void)state;
	return 0;
}

static int services_free(void **state)
{
	weir_services_done(&services);
	(void)state;
	return 0;
}

static void part_put(const struct rules_rule *rule, struct weir_buf *text)
{
	const struct rules_values *protos = &rule->keys[RULES_KEY_FIELD(RULES_PROTO)],
				  *ports = &rule->keys[RULES_KEY_WIDE(RULES_DPORT)];
	char range[WEIR_RANGE_TEXT];
	assert_true(rule->dst.is_given);
	assert_int_equal(rule->dst.in.range_count, 1);
	assert_int_equal(protos->count, 1);
	assert_int_equal(protos->at[0].from, protos->at[0].to);
	weir_buf_addf(text, "%s%s %u", text->len ? "; " : "",
		      weir_range_to_string(rule->dst.in.ranges, range), protos->at[0].from);
	for (uint32_t i = 0; i < ports->count; i++)
		weir_buf_addf(text, " %u-%u", ports->at[i].from, ports->at[i].to);
}

/* "192.0.2.1 6 80-80; …": address, protocol and ports of each part. */
static void assert_parts(const char *service, const char *expected)
{
	struct rules_text text = { .service = service, .src = "10.0.0.0/8", .vlan = "7" };
	_cleanup_parts_ struct rules_parts parts = { 0 };
	_cleanup_diag_ struct weir_diag diag = { 0 };
	_cleanup_buf_ struct weir_buf said = { 0 };
	assert_int_equal(rules_parts_read(&text, "", &diag, &services, &parts), 0);
	for (uint32_t i = 0; i < parts.count; i++) {
		const struct rules_rule *part = &parts.at[i];
		assert_ptr_equal(part->text, &text);
		assert_int_equal(part->src.in.range_count, 1);
		assert_true(part->given & 1u << RULES_KEY_WIDE(RULES_VLAN));
		assert_true(part->given & 1u << RULES_KEY_WIDE(RULES_DPORT));
		assert_true(part->given & 1u << RULES_KEY_FIELD(RULES_PROTO));
		part_put(part, &said);
	}
	assert_string_equal(weir_buf_str(&said), expected);
}

static void a_service_is_one_part_whatever_ports_it_has(void **state)
{
	assert_parts("web", "192.0.2.1 6 80-80");
	assert_parts("web6", "2001:db8::1 6 80-80");
	assert_parts("every", "192.0.2.1 132 1-2904 2906-65535");
	(void)state;
}

static void services_of_one_address_and_protocol_are_one_part(void **state)
{
	assert_parts("web, tls", "192.0.2.1 6 80-80 443-443");
	assert_parts("tls, next, web", "192.0.2.1 6 80-99 443-443");
	assert_parts("web, web6, dns, tls",
		     "192.0.2.1 6 80-80 443-443; 2001:db8::1 6 80-80; 192.0.2.1 17 53-53");
	(void)state;
}

static void a_service_that_is_not_there_or_has_no_port_is_no_part(void **state)
{
	assert_parts("gone", "");
	assert_parts("none", "");
	assert_parts("none, gone, dns", "192.0.2.1 17 53-53");
	(void)state;
}

static void a_rule_without_services_is_whole(void **state)
{
	struct rules_text text = { .src = "10.0.0.0/8" };
	_cleanup_parts_ struct rules_parts parts = { 0 };
	_cleanup_diag_ struct weir_diag diag = { 0 };
	assert_int_equal(rules_parts_read(&text, "", &diag, &services, &parts), 0);
	assert_int_equal(parts.count, 1);
	assert_int_equal(parts.at[0].given, 0);
	assert_false(parts.at[0].dst.is_given);
	(void)state;
}

static void a_rule_counts_once_for_each_service(void **state)
{
	struct rules_text rules[] = { { .src = "10.0.0.1, 10.0.0.2" },
				      { .service = "web" },
				      { .service = "web, web6 ,dns" } };
	struct rules_section section = { .rules = rules, .rule_count = 3 };
	assert_int_equal(rules_text_weight(&rules[0]), 1);
	assert_int_equal(rules_text_weight(&rules[1]), 1);
	assert_int_equal(rules_text_weight(&rules[2]), 3);
	assert_int_equal(rules_section_weight(&section), 5);
	(void)state;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_service_is_one_part_whatever_ports_it_has),
		cmocka_unit_test(services_of_one_address_and_protocol_are_one_part),
		cmocka_unit_test(a_service_that_is_not_there_or_has_no_port_is_no_part),
		cmocka_unit_test(a_rule_without_services_is_whole),
		cmocka_unit_test(a_rule_counts_once_for_each_service),
	};
	return cmocka_run_group_tests(tests, services_make, services_free);
}
