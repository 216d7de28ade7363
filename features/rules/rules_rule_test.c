/* SPDX-License-Identifier: Apache-2.0 */
/* A rule whole: what its fields say to one another, and the strings it owns. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "features/rules/rules_rule.h"

/* Rules own their strings where the configuration makes them; here nobody frees them. */
#pragma GCC diagnostic ignored "-Wdiscarded-qualifiers"

#define TEXT(...) ((struct rules_text){ .action = RULES_DENY, __VA_ARGS__ })

static struct rules_rule rule_of(const struct rules_text *text)
{
	_cleanup_diag_ struct weir_diag diag = { 0 };
	struct rules_rule rule = { 0 };
	int r = rules_rule_read(text, "", &diag, &rule);
	if (r < 0)
		fail_msg("%s", diag.entries[0].what);
	return rule;
}

static void assert_refused(struct rules_text text, const char *key, const char *why)
{
	_cleanup_diag_ struct weir_diag diag = { 0 };
	struct rules_rule rule = { 0 };
	assert_int_equal(rules_rule_read(&text, "rules.rules[3]", &diag, &rule), -EINVAL);
	assert_null(rule.text);
	assert_int_equal(diag.errors, 1);
	assert_string_equal(diag.entries[0].key, key);
	if (!strstr(diag.entries[0].what, why))
		fail_msg("said '%s'", diag.entries[0].what);
}

static void rule_without_conditions_asks_for_nothing(void **state)
{
	struct rules_text text = TEXT(.direction = RULES_OUT);
	struct rules_rule rule = rule_of(&text);
	assert_ptr_equal(rule.text, &text);
	assert_int_equal(rule.given, 0);
	assert_false(rule.src.is_given);
	assert_false(rule.dst.is_given);
	assert_null(rule.interface.in);
	assert_false(rule.has_mark);
	assert_int_equal(rule.direction, RULES_OUT);
	rules_rule_done(&rule);
}

static void every_condition_is_read_and_marked_as_given(void **state)
{
	struct rules_text text =
		TEXT(.family = "ipv4", .src = "10.0.0.0/8", .dst = "office", .proto = "tcp",
		     .sport = "1", .dport = "2", .tcp_flags = "syn", .state = "new",
		     .fragment = "none", .length = "3", .dscp = "ef", .vlan = "5",
		     .schedule = "mon", .interface = "eth0, not lo", .mark = "0x10");
	struct rules_rule rule = rule_of(&text);
	uint32_t all = (1u << RULES_KEYS) - 1;
	assert_int_equal(rule.given, all & ~(1u << RULES_KEY_FIELD(RULES_TYPE)) &
					     ~(1u << RULES_KEY_FIELD(RULES_CODE)));
	assert_true(rules_values_has(&rule.keys[RULES_KEY_WIDE(RULES_DPORT)], 2));
	assert_true(rules_values_has(&rule.keys[RULES_KEY_WIDE(RULES_LENGTH)], 3));
	assert_true(rules_values_has(&rule.keys[RULES_KEY_FIELD(RULES_DSCP)], 46));
	assert_int_equal(rule.src.in.range_count, 1);
	assert_string_equal(rule.dst.in.sets[0], "office");
	assert_string_equal(rule.interface.in[0], "eth0");
	assert_string_equal(rule.interface.out[0], "lo");
	assert_true(rule.has_mark);
	assert_int_equal(rule.mark, 16);
	rules_rule_done(&rule);
}

static void assert_types(struct rules_text text, uint32_t first, uint32_t count)
{
	struct rules_rule rule = rule_of(&text);
	const struct rules_values *types = &rule.keys[RULES_KEY_FIELD(RULES_TYPE)];
	assert_int_equal(types->count, count);
	assert_int_equal(types->at[0].from, first);
	rules_rule_done(&rule);
}

static void icmp_types_are_of_the_version_that_family_or_protocol_leave(void **state)
{
	assert_types(TEXT(.icmp_type = "echo-request"), 8, 2);
	assert_types(TEXT(.icmp_type = "echo-request", .proto = "icmp"), 8, 1);
	assert_types(TEXT(.icmp_type = "echo-request", .proto = "icmpv6"), 256 + 128, 1);
	assert_types(TEXT(.icmp_type = "echo-request", .family = "ipv4"), 8, 1);
	assert_types(TEXT(.icmp_type = "echo-request", .family = "ipv6"), 256 + 128, 1);
	assert_types(TEXT(.icmp_type = "echo-request", .proto = "not icmp"), 256 + 128, 1);
}

static void refusals_name_the_key_of_the_rule(void **state)
{
	assert_refused(TEXT(.dport = "x"), "rules.rules[3].dport", "'x'");
	assert_refused(TEXT(.src = "1.2.3"), "rules.rules[3].src", "'1.2.3'");
	assert_refused(TEXT(.dst = ""), "rules.rules[3].dst", "it says nothing");
	assert_refused(TEXT(.interface = "a b"), "rules.rules[3].interface", "'a b'");
	assert_refused(TEXT(.tcp_flags = "x"), "rules.rules[3].tcp-flags", "'x'");
	assert_refused(TEXT(.name = "-a"), "rules.rules[3].name", "begins with a letter or digit");
	assert_refused(TEXT(.icmp_type = "8", .proto = "tcp"), "rules.rules[3].icmp-type",
		       "has no ICMP types");
	assert_refused(TEXT(.icmp_type = "8", .dport = "5"), "rules.rules[3].icmp-type",
		       "matches nothing");
	assert_refused(TEXT(.icmp_code = "8", .tcp_flags = "syn"), "rules.rules[3].icmp-type",
		       "matches nothing");
	assert_refused(TEXT(.rate = "1/s"), "rules.rules[3].rate", "for rules with the action");
	assert_refused(TEXT(.burst = "1"), "rules.rules[3].burst", "for rules with the action");
	assert_refused(TEXT(.per = "source"), "rules.rules[3].per", "for rules with the action");
}

static void services_are_named_and_nothing_that_they_say_stands_beside_them(void **state)
{
	struct rules_text text = TEXT(.service = "web, dns", .src = "10.0.0.0/8",
				      .tcp_flags = "syn", .family = "ipv4");
	struct rules_rule rule = rule_of(&text);
	assert_string_equal(rule.services.in[0], "web");
	assert_string_equal(rule.services.in[1], "dns");
	assert_null(rule.services.in[2]);
	assert_false(rule.dst.is_given);
	rules_rule_done(&rule);
	assert_refused(TEXT(.service = "not web"), "rules.rules[3].service",
		       "'not web': services are named, not taken out");
	assert_refused(TEXT(.service = "web, dns, web"), "rules.rules[3].service",
		       "'web': is named twice");
	assert_refused(TEXT(.service = "Web"), "rules.rules[3].service",
		       "'Web': a name is of a-z, 0-9, '.', '_' and '-'");
	assert_refused(TEXT(.service = "web,"), "rules.rules[3].service",
		       "'web,': a separator stands at the end");
	assert_refused(TEXT(.service = " "), "rules.rules[3].service", "' ': it says nothing");
	assert_refused(TEXT(.service = "web", .dst = "10.0.0.1"), "rules.rules[3].dst",
		       "`service` says address, protocol and ports: `dst` cannot stand beside it");
	assert_refused(TEXT(.service = "web", .proto = "tcp"), "rules.rules[3].proto",
		       "`proto` cannot stand beside it");
	assert_refused(TEXT(.service = "web", .dport = "80"), "rules.rules[3].dport",
		       "`dport` cannot stand beside it");
	assert_refused(TEXT(.service = "web", .icmp_type = "8"), "rules.rules[3].icmp-type",
		       "ports and no ICMP type, so the rule matches nothing");
	assert_refused(TEXT(.service = "web", .icmp_code = "0"), "rules.rules[3].icmp-code",
		       "ports and no ICMP type, so the rule matches nothing");
}

#define LIMIT(...) ((struct rules_text){ .action = RULES_LIMIT, __VA_ARGS__ })

static void wrong_limits_are_refused_with_their_key(void **state)
{
	assert_refused(LIMIT(), "rules.rules[3].action", "needs a rate");
	assert_refused(LIMIT(.rate = "0/s"), "rules.rules[3].rate", "lets nothing pass");
	assert_refused(LIMIT(.rate = "0MB/s"), "rules.rules[3].rate", "lets nothing pass");
	assert_refused(LIMIT(.rate = "-1/s"), "rules.rules[3].rate", "'-1/s' is not a rate");
	assert_refused(LIMIT(.rate = "2000000000/s"), "rules.rules[3].rate", "too large");
	assert_refused(LIMIT(.rate = "99999999999999999999/s"), "rules.rules[3].rate", "too large");
	assert_refused(LIMIT(.rate = "126GB/s"), "rules.rules[3].rate", "125GB/s is the most");
	assert_refused(LIMIT(.rate = "1/s", .burst = "0"), "rules.rules[3].burst", "'0'");
	assert_refused(LIMIT(.rate = "1/s", .burst = "-3"), "rules.rules[3].burst", "'-3'");
	assert_refused(LIMIT(.rate = "1/s", .burst = "4294967296"), "rules.rules[3].burst",
		       "no burst of packets");
	assert_refused(LIMIT(.rate = "1/s", .burst = "64KiB"), "rules.rules[3].burst",
		       "no burst of packets");
	assert_refused(LIMIT(.rate = "1/h", .burst = "25"), "rules.rules[3].burst",
		       "more than a day to drain");
	assert_refused(LIMIT(.rate = "1MB/s", .burst = "1500"), "rules.rules[3].burst",
		       "smaller than one packet");
	assert_refused(LIMIT(.rate = "1MB/s", .burst = "x"), "rules.rules[3].burst",
		       "no burst of bytes");
	assert_refused(LIMIT(.rate = "1/s", .per = "host"), "rules.rules[3].per",
		       "nothing a bucket can be for");
}

static void limit_is_of_packets_or_bytes_by_its_unit(void **state)
{
	struct rules_text packets = LIMIT(.rate = "100/s", .burst = "50", .per = "source"),
			  bytes = LIMIT(.rate = "1MB/s"), mine = LIMIT(.rate = "30/m");
	struct rules_rule rule = rule_of(&packets);
	assert_false(rule.counts_bytes);
	assert_int_equal(rule.burst, 50);
	assert_int_equal(rule.limit.end, LIMIT_PER_SOURCE);
	/* A hundredth of a second in units of 64 ns, with 20 bits of fraction. */
	assert_int_equal(rule.limit.per, 10000000ULL / 64 << 20);
	rules_rule_done(&rule);
	rule = rule_of(&bytes);
	assert_true(rule.counts_bytes);
	assert_int_equal(rule.burst, 1000000);
	assert_int_equal(rule.limit.flags & LIMIT_COUNTS_BYTES, LIMIT_COUNTS_BYTES);
	rules_rule_done(&rule);
	rule = rule_of(&mine);
	assert_int_equal(rule.burst, 1);
	assert_int_equal(rule.limit.end, LIMIT_PER_TOTAL);
	rules_rule_done(&rule);
}

static void every_wrong_field_of_a_rule_is_told_at_once(void **state)
{
	_cleanup_diag_ struct weir_diag diag = { 0 };
	struct rules_rule rule = { 0 };
	struct rules_text text = TEXT(.dport = "x", .src = "y!", .mark = "z", .proto = "w");
	assert_int_equal(rules_rule_read(&text, "", &diag, &rule), -EINVAL);
	assert_int_equal(diag.errors, 4);
	assert_string_equal(diag.entries[0].key, "dport");
}

static void marks_are_numbers_of_32_bits(void **state)
{
	struct rules_text text = TEXT(.mark = "0xffffffff");
	struct rules_rule rule = rule_of(&text);
	assert_int_equal(rule.mark, UINT32_MAX);
	rules_rule_done(&rule);
	assert_refused(TEXT(.mark = "0x100000000"), "rules.rules[3].mark", "is no mark");
	assert_refused(TEXT(.mark = "-1"), "rules.rules[3].mark", "is no mark");
	assert_refused(TEXT(.mark = ""), "rules.rules[3].mark", "is no mark");
	assert_refused(TEXT(.mark = "5 "), "rules.rules[3].mark", "is no mark");
	assert_refused(((struct rules_text){ .action = RULES_MARK }), "rules.rules[3].mark",
		       "needs a mark to set");
}

static void names_have_1_to_31_of_few_bytes(void **state)
{
	assert_null(rules_name_fault("a"));
	assert_null(rules_name_fault("0.a_b-c"));
	assert_null(rules_name_fault("a234567890123456789012345678901"));
	assert_non_null(rules_name_fault("a2345678901234567890123456789012"));
	assert_non_null(rules_name_fault(""));
	assert_non_null(rules_name_fault("A"));
	assert_non_null(rules_name_fault("a b"));
	assert_non_null(rules_name_fault(".a"));
}

static void a_copy_has_strings_of_its_own(void **state)
{
	char src[] = "10.0.0.1";
	struct rules_text text = TEXT(.src = src, .name = "n", .schedule = "mon", .log = true,
				      .enabled = true, .direction = RULES_IN, .service = "web");
	struct rules_text copy = { 0 };
	assert_int_equal(rules_text_copy(&text, &copy), 0);
	src[0] = 'x';
	assert_string_equal(copy.src, "10.0.0.1");
	assert_string_equal(copy.name, "n");
	assert_string_equal(copy.schedule, "mon");
	assert_string_equal(copy.service, "web");
	assert_null(copy.dst);
	assert_true(copy.log && copy.enabled);
	assert_int_equal(copy.direction, RULES_IN);
	assert_int_equal(copy.action, RULES_DENY);
	rules_text_done(&copy);
	assert_null(copy.src);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rule_without_conditions_asks_for_nothing),
		cmocka_unit_test(every_condition_is_read_and_marked_as_given),
		cmocka_unit_test(icmp_types_are_of_the_version_that_family_or_protocol_leave),
		cmocka_unit_test(refusals_name_the_key_of_the_rule),
		cmocka_unit_test(services_are_named_and_nothing_that_they_say_stands_beside_them),
		cmocka_unit_test(wrong_limits_are_refused_with_their_key),
		cmocka_unit_test(limit_is_of_packets_or_bytes_by_its_unit),
		cmocka_unit_test(every_wrong_field_of_a_rule_is_told_at_once),
		cmocka_unit_test(marks_are_numbers_of_32_bits),
		cmocka_unit_test(names_have_1_to_31_of_few_bytes),
		cmocka_unit_test(a_copy_has_strings_of_its_own),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
