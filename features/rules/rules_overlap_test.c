/* SPDX-License-Identifier: Apache-2.0 */
/* Each definition by hand. Random rules against every packet are tests/golden/rule_overlap_test.py.
 */
#include "features/rules/rules_overlap.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "features/rules/rules_overlap_shape.h"

/* Rules own their strings where the configuration makes them; here nobody frees them. */
#pragma GCC diagnostic ignored "-Wdiscarded-qualifiers"

#define RULE(action_, ...)                                      \
	{                                                       \
		.enabled = true, .action = action_, __VA_ARGS__ \
	}
#define ALLOW(...) RULE(RULES_ALLOW, __VA_ARGS__)
#define DENY(...) RULE(RULES_DENY, __VA_ARGS__)

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
	service_add("dns", "192.0.2.1", 17, 53, 53);
	service_add("web6", "2001:db8::1", 6, 80, 80);
	service_add("range", "192.0.2.9", 6, 8000, 8049);
	service_add("range", "192.0.2.9", 6, 8051, 8099);
	weir_services_sort(&services);
	return 0;
}

static int services_free(void **state)
{
	weir_services_done(&services);
	return 0;
}

static struct rules_findings find_in(const struct rules_section *section)
{
	struct rules_findings findings = { 0 };
	assert_int_equal(rules_overlap_find(section, &services, RULES_OVERLAP_STEPS, &findings), 0);
	assert_false(findings.is_partial);
	return findings;
}

/* Two rules and perhaps a set `office` of 10.1.0.0/16 and the list `bad`. */
static struct rules_findings find_two(struct rules_text first, struct rules_text second)
{
	struct rules_text rules[] = { first, second };
	struct rules_set_config set = { "office", "10.1.0.0/16" }, *sets = &set;
	struct rules_section section = {
		.enabled = true, .rules = rules, .rule_count = 2, .sets = sets, .set_count = 1
	};
	return find_in(&section);
}

static void assert_two(struct rules_text first, struct rules_text second,
		       enum rules_finding_kind kind)
{
	_cleanup_findings_ struct rules_findings findings = find_two(first, second);
	assert_int_equal(findings.count, 1);
	assert_int_equal(findings.at[0].kind, kind);
	assert_int_equal(findings.at[0].rule, 1);
	assert_int_equal(findings.at[0].by, 0);
}

static void assert_both_act(struct rules_text first, struct rules_text second)
{
	_cleanup_findings_ struct rules_findings findings = find_two(first, second);
	assert_int_equal(findings.count, 0);
}

/* The second is within the first, and the first is not within the second. */
static void assert_within(struct rules_text outer, struct rules_text inner)
{
	assert_two(outer, inner, RULES_SHADOWED);
	assert_both_act(inner, outer);
}

#define TEXT(...) ((struct rules_text)ALLOW(__VA_ARGS__))

static void same_conditions_and_action_are_a_duplicate(void **state)
{
	assert_two(TEXT(.proto = "tcp", .dport = "22,80"),
		   TEXT(.dport = "80, 22", .proto = "6", .name = "other"), RULES_DUPLICATE);
	assert_two(TEXT(.src = "10.0.0.0-10.0.0.255"), TEXT(.src = "10.0.0.0/24"), RULES_DUPLICATE);
}

static void same_conditions_and_another_action_are_contradicted(void **state)
{
	struct rules_text deny = DENY(.proto = "udp"), reject = RULE(RULES_REJECT, .proto = "udp");
	assert_two(TEXT(.proto = "udp"), deny, RULES_CONTRADICTED);
	assert_two(deny, reject, RULES_CONTRADICTED);
}

static void prefixes_ranges_and_sets_hold_what_is_in_them(void **state)
{
	assert_within(TEXT(.src = "10.0.0.0/8"), TEXT(.src = "10.255.255.255"));
	assert_both_act(TEXT(.src = "10.0.0.0/8"), TEXT(.src = "10.255.255.255-11.0.0.0"));
	assert_within(TEXT(.dst = "10.0.0.0/8"), TEXT(.dst = "office"));
	assert_within(TEXT(.dst = "office"), TEXT(.dst = "10.1.255.255"));
	assert_within(TEXT(.src = "2001:db8::/32"), TEXT(.src = "2001:db8:ffff::/48"));
	assert_both_act(TEXT(.src = "10.0.0.0/8"), TEXT(.dst = "10.0.0.0/9"));
	assert_within(TEXT(.src = "10.0.0.0/9, 10.128.0.0/9"),
		      TEXT(.src = "10.127.0.0-10.128.0.9"));
}

static void negated_addresses_are_all_others_of_both_families(void **state)
{
	assert_within(TEXT(.src = "not 10.0.0.0/8"), TEXT(.src = "2001:db8::1"));
	assert_within(TEXT(.src = "not 10.0.0.0/8"), TEXT(.src = "9.0.0.0/8"));
	assert_both_act(TEXT(.src = "not 10.0.0.0/8"), TEXT(.src = "10.0.0.0/7"));
	assert_within(TEXT(.src = "not 10.1.0.0/16"), TEXT(.src = "not 10.0.0.0/8"));
	assert_within(TEXT(.src = "10.0.0.0/8, not office"), TEXT(.src = "10.2.0.0/16"));
	assert_both_act(TEXT(.src = "10.0.0.0/8, not office"), TEXT(.src = "10.1.2.3"));
}

static void lists_of_other_features_are_equal_by_name_only(void **state)
{
	assert_two(TEXT(.src = "bad"), TEXT(.src = "bad"), RULES_DUPLICATE);
	assert_within(TEXT(.src = "bad, 10.0.0.0/8"), TEXT(.src = "bad"));
	assert_within(TEXT(.src = "bad"), TEXT(.src = "bad, not 10.0.0.0/8"));
	assert_within(TEXT(.src = "not bad"), TEXT(.src = "not bad, not 10.0.0.0/8"));
	assert_within(TEXT(.src = "not 10.0.0.0/8"), TEXT(.src = "bad, not 10.0.0.0/8"));
	assert_both_act(TEXT(.src = "bad"), TEXT(.src = "10.0.0.1"));
	assert_both_act(TEXT(.src = "not bad"), TEXT(.src = "10.0.0.1"));
	assert_both_act(TEXT(.src = "bad"), TEXT(.src = "worse"));
	assert_both_act(TEXT(.src = "not 10.0.0.0/8"), TEXT(.src = "bad"));
	assert_both_act(TEXT(.src = "0.0.0.0/0"), TEXT(.src = "bad"));
}

static void what_a_condition_implies_counts(void **state)
{
	assert_within(TEXT(.proto = "tcp,udp,sctp,dccp,udplite"), TEXT(.dport = "22"));
	assert_within(TEXT(.sport = "0-65535"), TEXT(.dport = "22"));
	assert_within(TEXT(.proto = "tcp"), TEXT(.tcp_flags = "syn"));
	assert_within(TEXT(.proto = "icmp,icmpv6"), TEXT(.icmp_code = "3"));
	assert_within(TEXT(.family = "ipv4"), TEXT(.src = "10.0.0.0/8"));
	assert_within(TEXT(.src = "0.0.0.0/0"), TEXT(.family = "ipv4", .proto = "tcp"));
	assert_within(TEXT(.fragment = "none,first"), TEXT(.sport = "1"));
	/* A TCP packet whose header is cut short has neither ports nor flags. */
	assert_both_act(TEXT(.dport = "0-65535"), TEXT(.proto = "tcp"));
	assert_both_act(TEXT(.tcp_flags = "syn none/syn"), TEXT(.proto = "tcp"));
}

static void fields_hold_what_is_in_them(void **state)
{
	assert_within(TEXT(.length = "0-100"), TEXT(.length = "50,60"));
	assert_within(TEXT(.dscp = "not 46"), TEXT(.dscp = "cs1"));
	assert_within(TEXT(.vlan = "not 100"), TEXT(.vlan = "none"));
	assert_within(TEXT(.schedule = "mon-fri"), TEXT(.schedule = "tue 08:00-09:00"));
	assert_both_act(TEXT(.schedule = "mon-fri"), TEXT(.schedule = "fri 23:00-01:00"));
	assert_within(TEXT(.state = "new,established"), TEXT(.state = "new"));
	assert_within(TEXT(.direction = RULES_BOTH, .proto = "tcp"),
		      TEXT(.direction = RULES_IN, .proto = "tcp"));
	assert_both_act(TEXT(.direction = RULES_OUT), TEXT(.direction = RULES_IN, .proto = "tcp"));
}

static void interfaces_are_compared_as_texts(void **state)
{
	assert_within(TEXT(.interface = "eth*"), TEXT(.interface = "eth0"));
	assert_within(TEXT(.interface = "eth*"), TEXT(.interface = "eth0, eth1*"));
	assert_within(TEXT(.interface = "eth?"), TEXT(.interface = "eth0"));
	assert_within(TEXT(.interface = "not ppp*"), TEXT(.interface = "eth*"));
	assert_within(TEXT(.interface = "not ppp0"), TEXT(.interface = "not ppp*"));
	assert_within(TEXT(.interface = "eth*"), TEXT(.interface = "eth*, not eth0"));
	assert_two(TEXT(.interface = "*", .proto = "tcp"), TEXT(.proto = "tcp"), RULES_DUPLICATE);
	assert_both_act(TEXT(.interface = "eth*"), TEXT(.interface = "eth0, lo"));
	assert_both_act(TEXT(.interface = "eth*, not eth0"), TEXT(.interface = "eth0"));
	assert_both_act(TEXT(.interface = "eth*, not *0"), TEXT(.interface = "eth?"));
	assert_both_act(TEXT(.interface = "eth[0-9]"), TEXT(.interface = "eth?"));
	assert_both_act(TEXT(.interface = "eth0"), TEXT(.proto = "tcp"));
}

static void what_does_not_decide_takes_nothing_away(void **state)
{
	struct rules_text count = RULE(RULES_COUNT, .proto = "tcp"),
			  log = RULE(RULES_LOG, .proto = "tcp"),
			  mark = RULE(RULES_MARK, .proto = "tcp", .mark = "1");
	assert_both_act(count, TEXT(.proto = "tcp"));
	assert_both_act(log, TEXT(.proto = "tcp"));
	assert_both_act(mark, TEXT(.proto = "tcp"));
	assert_both_act(count, count);
	assert_two(TEXT(.proto = "tcp"), count, RULES_SHADOWED);
	assert_two(TEXT(.proto = "tcp,udp"), mark, RULES_SHADOWED);
}

static void what_is_off_neither_shadows_nor_is_shadowed(void **state)
{
	struct rules_text off = DENY(.proto = "tcp"), in_group = DENY(.proto = "tcp", .group = "g");
	struct rules_text rules[] = { in_group, DENY(.proto = "tcp") };
	struct rules_group_config group = { "g", false };
	struct rules_section section = {
		.rules = rules, .rule_count = 2, .groups = &group, .group_count = 1, .enabled = true
	};
	off.enabled = false;
	assert_both_act(off, TEXT(.proto = "tcp"));
	assert_both_act(TEXT(.proto = "tcp"), off);
	_cleanup_findings_ struct rules_findings findings = find_in(&section);
	assert_int_equal(findings.count, 0);
	group.enabled = true;
	_cleanup_findings_ struct rules_findings on = find_in(&section);
	assert_int_equal(on.count, 1);
	section.enabled = false;
	_cleanup_findings_ struct rules_findings none = find_in(&section);
	assert_int_equal(none.count, 0);
}

static void several_rules_shadow_in_one_condition(void **state)
{
	struct rules_text rules[] = {
		DENY(.dport = "100-199"),
		DENY(.proto = "gre"),
		ALLOW(.dport = "200-299"),
		DENY(.dport = "300-399"),
		ALLOW(.dport = "150-350", .proto = "udp"),
		ALLOW(.dport = "99-350", .proto = "udp"),
	};
	struct rules_section section = { .enabled = true, .rules = rules, .rule_count = 6 };
	_cleanup_findings_ struct rules_findings findings = find_in(&section);
	assert_int_equal(findings.count, 1);
	assert_int_equal(findings.at[0].kind, RULES_SHADOWED_TOGETHER);
	assert_int_equal(findings.at[0].rule, 4);
	assert_int_equal(findings.at[0].by, 0);
	assert_int_equal(findings.at[0].last, 3);
	assert_int_equal(findings.at[0].others, 1);
}

static void several_rules_shadow_by_addresses_protocols_or_direction(void **state)
{
	struct rules_text rules[] = {
		DENY(.src = "10.0.0.0/9"),
		DENY(.src = "10.128.0.0/9"),
		ALLOW(.src = "10.127.0.0-10.128.0.255"),
		DENY(.proto = "tcp", .dport = "22"),
		DENY(.proto = "udp", .dport = "22"),
		ALLOW(.proto = "tcp, udp", .dport = "22"),
		DENY(.vlan = "5", .direction = RULES_IN),
		DENY(.vlan = "5", .direction = RULES_OUT),
		ALLOW(.vlan = "5"),
	};
	struct rules_section section = { .enabled = true, .rules = rules, .rule_count = 9 };
	_cleanup_findings_ struct rules_findings findings = find_in(&section);
	assert_int_equal(findings.count, 3);
	for (uint32_t i = 0; i < 3; i++) {
		assert_int_equal(findings.at[i].kind, RULES_SHADOWED_TOGETHER);
		assert_int_equal(findings.at[i].rule, 3 * i + 2);
		assert_int_equal(findings.at[i].by, 3 * i);
		assert_int_equal(findings.at[i].last, 3 * i + 1);
		assert_int_equal(findings.at[i].others, 0);
	}
}

static void lists_of_other_features_shadow_nothing_together(void **state)
{
	struct rules_text rules[] = {
		DENY(.src = "0.0.0.0-127.255.255.255, not bad"),
		DENY(.src = "128.0.0.0/1, ::/0"),
		ALLOW(.src = "10.0.0.0-200.0.0.0"),
	};
	struct rules_section section = { .enabled = true, .rules = rules, .rule_count = 3 };
	_cleanup_findings_ struct rules_findings findings = find_in(&section);
	assert_int_equal(findings.count, 0);
}

static void all_behind_a_rule_for_every_packet_are_one_finding(void **state)
{
	struct rules_text rules[] = {
		RULE(RULES_COUNT),
		DENY(.src = "0.0.0.0/0, ::/0", .interface = "*", .proto = "0-255"),
		ALLOW(.proto = "tcp"),
		ALLOW(.proto = "udp"),
		RULE(RULES_COUNT),
	};
	struct rules_section section = { .enabled = true, .rules = rules, .rule_count = 5 };
	_cleanup_findings_ struct rules_findings findings = find_in(&section);
	assert_int_equal(findings.count, 1);
	assert_int_equal(findings.rules, 3);
	assert_int_equal(findings.at[0].kind, RULES_BEHIND_ALL);
	assert_int_equal(findings.at[0].rule, 2);
	assert_int_equal(findings.at[0].by, 1);
	assert_int_equal(findings.at[0].others, 2);
	section.rule_count = 2;
	_cleanup_findings_ struct rules_findings last = find_in(&section);
	assert_int_equal(last.count, 0);
}

static void conditions_that_no_packet_meets_match_nothing(void **state)
{
	static const struct rules_text rules[] = {
		DENY(.proto = "gre", .sport = "5"),
		DENY(.proto = "udp", .tcp_flags = "syn"),
		DENY(.fragment = "later", .dport = "5"),
		DENY(.fragment = "later", .icmp_type = "8"),
		DENY(.family = "ipv4", .src = "2001:db8::/32"),
		DENY(.family = "ipv6", .dst = "office"),
		DENY(.src = "10.0.0.1", .dst = "2001:db8::1"),
		DENY(.src = "10.0.0.1, not 10.0.0.0/8"),
		DENY(.interface = "eth0, not eth*"),
		DENY(.proto = "icmp", .icmp_type = "3", .src = "2001:db8::1"),
		DENY(.proto = "not tcp, not udp, not sctp, not dccp, not udplite", .dport = "0"),
	};
	for (size_t i = 0; i < WEIR_ARRAY_SIZE(rules); i++) {
		_cleanup_findings_ struct rules_findings findings =
			find_two(rules[i], TEXT(.vlan = "7"));
		assert_int_equal(findings.count, 1);
		assert_int_equal(findings.at[0].kind, RULES_NOTHING);
		assert_int_equal(findings.at[0].rule, 0);
	}
}

static void conditions_that_some_packet_meets_match_something(void **state)
{
	static const struct rules_text rules[] = {
		DENY(.proto = "not gre", .sport = "5"),
		DENY(.fragment = "first", .dport = "5"),
		DENY(.fragment = "later", .proto = "tcp"),
		DENY(.src = "10.0.0.1, 2001:db8::1", .dst = "2001:db8::1"),
		DENY(.src = "bad, not 0.0.0.0/0", .dst = "10.0.0.1"),
		DENY(.src = "bad", .family = "ipv6"),
		DENY(.interface = "eth*, not eth0"),
		DENY(.src = "::-::1:0:0:0", .family = "ipv6"),
		DENY(.length = "0"),
	};
	for (size_t i = 0; i < WEIR_ARRAY_SIZE(rules); i++)
		assert_both_act(rules[i], TEXT(.vlan = "7"));
}

static void what_matches_nothing_shadows_nothing(void **state)
{
	_cleanup_findings_ struct rules_findings findings = find_two(
		TEXT(.proto = "gre", .sport = "5"), TEXT(.sport = "5", .proto = "gre,tcp"));
	assert_int_equal(findings.count, 1);
	assert_int_equal(findings.at[0].rule, 0);
}

static void too_many_steps_are_said_and_what_is_found_stays_true(void **state)
{
	struct rules_text rules[] = { DENY(.proto = "tcp"), DENY(.proto = "tcp"),
				      DENY(.proto = "udp") };
	struct rules_section section = { .enabled = true, .rules = rules, .rule_count = 3 };
	_cleanup_findings_ struct rules_findings findings = { 0 };
	assert_int_equal(rules_overlap_find(&section, &services, 100, &findings), 0);
	assert_true(findings.is_partial);
	assert_int_equal(findings.count, 0);
}

/* Written by hand: what each name stands for is in services_make(). */
static void a_service_is_its_address_protocol_and_ports(void **state)
{
	assert_two(TEXT(.service = "web"), TEXT(.dst = "192.0.2.1", .proto = "tcp", .dport = "80"),
		   RULES_DUPLICATE);
	assert_two(TEXT(.dst = "192.0.2.1", .proto = "tcp", .dport = "80"), TEXT(.service = "web"),
		   RULES_DUPLICATE);
	assert_within(TEXT(.dst = "192.0.2.0/24"), TEXT(.service = "web"));
	assert_within(TEXT(.service = "web"), TEXT(.service = "web", .src = "10.0.0.0/8"));
	assert_within(TEXT(.service = "range"),
		      TEXT(.dst = "192.0.2.9", .proto = "tcp", .dport = "8051-8060"));
	assert_both_act(TEXT(.service = "range"),
			TEXT(.dst = "192.0.2.9", .proto = "tcp", .dport = "8050"));
	assert_both_act(TEXT(.service = "web"), TEXT(.service = "web6"));
	assert_both_act(TEXT(.service = "web"), TEXT(.service = "dns"));
}

static void several_services_are_all_of_them_and_no_more(void **state)
{
	struct rules_text deny = DENY(.service = "web, web6, dns");
	assert_within(TEXT(.service = "web, web6, dns"), TEXT(.service = "web6, dns"));
	assert_within(TEXT(.service = "web, tls"),
		      TEXT(.dst = "192.0.2.1", .proto = "tcp", .dport = "443"));
	assert_two(TEXT(.service = "dns, web6, web"), TEXT(.service = "web, web6, dns"),
		   RULES_DUPLICATE);
	assert_two(TEXT(.service = "dns, web6, web"), deny, RULES_CONTRADICTED);
	assert_two(TEXT(.service = "web, tls"),
		   TEXT(.dst = "192.0.2.1", .proto = "tcp", .dport = "80, 443"), RULES_DUPLICATE);
	assert_two(TEXT(.service = "web, web6"),
		   TEXT(.dst = "192.0.2.1, 2001:db8::1", .proto = "tcp", .dport = "80"),
		   RULES_SHADOWED);
	/* Ports of one are no ports of the other. */
	assert_both_act(TEXT(.service = "web, dns"),
			TEXT(.dst = "192.0.2.1", .proto = "tcp", .dport = "53"));
	assert_both_act(TEXT(.service = "web6"), TEXT(.service = "web, web6"));
	assert_both_act(TEXT(.proto = "udp"), TEXT(.service = "web, dns"));
}

static void services_may_be_taken_by_several_rules(void **state)
{
	struct rules_text rules[] = { DENY(.proto = "udp"), DENY(.proto = "gre"),
				      DENY(.proto = "tcp"), DENY(.service = "web, dns"),
				      DENY(.service = "web, web6, dns", .family = "ipv4") };
	struct rules_section section = { .enabled = true, .rules = rules, .rule_count = 5 };
	_cleanup_findings_ struct rules_findings findings = find_in(&section);
	assert_int_equal(findings.count, 2);
	assert_int_equal(findings.rules, 2);
	for (uint32_t i = 0; i < 2; i++) {
		assert_int_equal(findings.at[i].kind, RULES_SHADOWED_TOGETHER);
		assert_int_equal(findings.at[i].rule, 3 + i);
		assert_int_equal(findings.at[i].by, 0);
		assert_int_equal(findings.at[i].last, 2);
		assert_int_equal(findings.at[i].others, 0);
	}
}

static void rules_for_services_behind_one_for_all_count_once(void **state)
{
	struct rules_text rules[] = { DENY(.comment = "all"), DENY(.proto = "tcp"),
				      DENY(.service = "web, web6, dns"), DENY(.service = "web") };
	struct rules_section section = { .enabled = true, .rules = rules, .rule_count = 4 };
	_cleanup_findings_ struct rules_findings findings = find_in(&section);
	assert_int_equal(findings.count, 1);
	assert_int_equal(findings.at[0].kind, RULES_BEHIND_ALL);
	assert_int_equal(findings.at[0].others, 2);
	assert_int_equal(findings.rules, 3);
}

static void of_a_service_that_is_not_there_nothing_is_told(void **state)
{
	assert_both_act(TEXT(.service = "gone"), TEXT(.service = "gone"));
	assert_both_act(TEXT(.proto = "tcp"), TEXT(.service = "gone"));
	assert_within(TEXT(.service = "gone, web"), TEXT(.service = "web", .src = "10.0.0.1"));
	assert_both_act(TEXT(.service = "web"), TEXT(.service = "gone, web"));
	assert_two(TEXT(.service = "gone, web"), TEXT(.service = "web"), RULES_SHADOWED);
}

static void services_of_another_family_match_nothing(void **state)
{
	_cleanup_findings_ struct rules_findings findings =
		find_two(TEXT(.service = "web, dns", .family = "ipv6"), TEXT(.vlan = "7"));
	assert_int_equal(findings.count, 1);
	assert_int_equal(findings.at[0].kind, RULES_NOTHING);
	assert_both_act(TEXT(.service = "web, web6", .family = "ipv6"), TEXT(.vlan = "7"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(same_conditions_and_action_are_a_duplicate),
		cmocka_unit_test(same_conditions_and_another_action_are_contradicted),
		cmocka_unit_test(prefixes_ranges_and_sets_hold_what_is_in_them),
		cmocka_unit_test(negated_addresses_are_all_others_of_both_families),
		cmocka_unit_test(lists_of_other_features_are_equal_by_name_only),
		cmocka_unit_test(what_a_condition_implies_counts),
		cmocka_unit_test(fields_hold_what_is_in_them),
		cmocka_unit_test(interfaces_are_compared_as_texts),
		cmocka_unit_test(what_does_not_decide_takes_nothing_away),
		cmocka_unit_test(what_is_off_neither_shadows_nor_is_shadowed),
		cmocka_unit_test(several_rules_shadow_in_one_condition),
		cmocka_unit_test(several_rules_shadow_by_addresses_protocols_or_direction),
		cmocka_unit_test(lists_of_other_features_shadow_nothing_together),
		cmocka_unit_test(all_behind_a_rule_for_every_packet_are_one_finding),
		cmocka_unit_test(conditions_that_no_packet_meets_match_nothing),
		cmocka_unit_test(conditions_that_some_packet_meets_match_something),
		cmocka_unit_test(what_matches_nothing_shadows_nothing),
		cmocka_unit_test(too_many_steps_are_said_and_what_is_found_stays_true),
		cmocka_unit_test(a_service_is_its_address_protocol_and_ports),
		cmocka_unit_test(several_services_are_all_of_them_and_no_more),
		cmocka_unit_test(services_may_be_taken_by_several_rules),
		cmocka_unit_test(rules_for_services_behind_one_for_all_count_once),
		cmocka_unit_test(of_a_service_that_is_not_there_nothing_is_told),
		cmocka_unit_test(services_of_another_family_match_nothing),
	};
	return cmocka_run_group_tests(tests, services_make, services_free);
}
