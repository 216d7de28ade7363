/* SPDX-License-Identifier: Apache-2.0 */
/* What levels, switches and interfaces come to, as the data path reads it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <arpa/inet.h>
#include <cmocka.h>

#include "core/compile.h"
#include "features/sanity/sanity_state.h"

#define BASIC_CHECKS \
	(SANITY_MALFORMED | SANITY_TINY | SANITY_TCP_FLAGS | SANITY_LAND | SANITY_MARTIAN)

/* A configuration that must be right. */
static struct weir_config *config_of(const char *text)
{
	struct weir_config *config = NULL;
	assert_int_equal(weir_config_parse(text, strlen(text), NULL, NULL, &config), 0);
	return config;
}

static uint32_t checks_of(const char *text)
{
	struct weir_config *config = config_of(text);
	uint32_t checks = sanity_checks(config->sections[weir_feature_index(&weir_sanity)]);
	weir_config_free(config);
	return checks;
}

static void nothing_is_checked_without_a_word(void **state)
{
	assert_int_equal(checks_of(""), 0);
	assert_int_equal(checks_of("sanity: {level: off}"), 0);
	(void)state;
}

static void levels_are_what_they_say(void **state)
{
	assert_int_equal(checks_of("sanity: {level: basic}"), BASIC_CHECKS);
	assert_int_equal(checks_of("sanity: {level: strict}"),
			 BASIC_CHECKS | SANITY_OVERLAP | SANITY_ETHERTYPE);
	(void)state;
}

static void switch_outranks_level_either_way(void **state)
{
	assert_int_equal(checks_of("sanity: {level: basic, land: false}"),
			 BASIC_CHECKS & ~(uint32_t)SANITY_LAND);
	assert_int_equal(checks_of("sanity: {land: true}"), SANITY_LAND);
	assert_int_equal(checks_of("sanity: {level: strict, ethertype: any, "
				   "fragments: {overlapping: false}}"),
			 BASIC_CHECKS);
	assert_int_equal(checks_of("sanity: {fragments: {overlapping: true}}"), SANITY_OVERLAP);
	assert_int_equal(checks_of("sanity: {ethertype: strict}"), SANITY_ETHERTYPE);
	(void)state;
}

static void what_no_level_has_is_asked_for_by_name(void **state)
{
	assert_int_equal(checks_of("sanity: {arp: drop}"), SANITY_ARP);
	assert_int_equal(checks_of("sanity: {neighbour: drop}"), SANITY_NEIGHBOUR);
	assert_int_equal(checks_of("sanity: {bogons: [eth0]}"), SANITY_BOGON);
	assert_int_equal(checks_of("sanity: {reverse-path: {interfaces: [eth0]}}"),
			 SANITY_PATH_STRICT);
	assert_int_equal(checks_of("sanity: {reverse-path: {interfaces: [e*], mode: loose}}"),
			 SANITY_PATH_LOOSE);
	assert_int_equal(checks_of("sanity: {reverse-path: {mode: loose}}"), 0);
	(void)state;
}

/* A policy, and its near lines as tab_near has them. */
struct policy {
	struct weir_config *config;
	struct weir_image *image;
	const struct weir_policy_head *head;
	struct weir_line *near;
};

static struct policy policy_of(const char *text)
{
	struct policy policy = { .config = config_of(text) };
	uint32_t count;
	assert_int_equal(weir_compile(policy.config, NULL, &policy.image), 0);
	policy.head = (const void *)weir_image_lines(policy.image, &count);
	const struct weir_line *near = weir_image_near(policy.image, &count);
	policy.near = aligned_alloc(WEIR_LINE_BYTES, count * sizeof(*near));
	assert_non_null(policy.near);
	memcpy(policy.near, near, count * sizeof(*near));
	return policy;
}

static void policy_done(struct policy *policy)
{
	free(policy->near);
	weir_image_free(policy->image);
	weir_config_free(policy->config);
}

static const struct sanity_row *row_of(const struct policy *policy, uint32_t slot,
				       enum weir_direction direction)
{
	uint32_t first = policy->head->header.first_line[WEIR_SECTION_SANITY_IFACES];
	assert_int_not_equal(first, 0);
	return (const struct sanity_row *)&policy->near[first] + SANITY_ROW(slot, direction);
}

/* What is checked where that interface comes to be. */
static uint32_t checks_at(struct policy *policy, const char *name, enum weir_direction direction)
{
	sanity_interface(&(struct weir_iface_patch){
		.head = policy->head, .near = policy->near, .slot = 5, .name = name });
	return row_of(policy, 5, direction)->checks;
}

static void patterns_choose_the_interfaces(void **state)
{
	struct policy policy = policy_of("sanity: {land: true, bogons: [ppp0, 'eth*', a, b, c], "
					 "reverse-path: {interfaces: ['eth[01]']}}");
	assert_int_equal(row_of(&policy, 5, WEIR_INGRESS)->checks, SANITY_LAND);
	assert_int_equal(checks_at(&policy, "ppp0", WEIR_INGRESS), SANITY_LAND | SANITY_BOGON);
	assert_int_equal(checks_at(&policy, "eth1", WEIR_INGRESS),
			 SANITY_LAND | SANITY_BOGON | SANITY_PATH_STRICT);
	assert_int_equal(checks_at(&policy, "eth2", WEIR_INGRESS), SANITY_LAND | SANITY_BOGON);
	assert_int_equal(checks_at(&policy, "c", WEIR_INGRESS), SANITY_LAND | SANITY_BOGON);
	assert_int_equal(checks_at(&policy, "wlan0", WEIR_INGRESS), SANITY_LAND);
	assert_int_equal(row_of(&policy, 4, WEIR_INGRESS)->checks, SANITY_LAND);
	policy_done(&policy);
	(void)state;
}

static void what_leaves_is_not_asked_where_it_came_from(void **state)
{
	struct policy policy = policy_of("sanity: {level: strict, bogons: ['*'], "
					 "reverse-path: {interfaces: ['*']}}");
	assert_int_equal(checks_at(&policy, "eth0", WEIR_EGRESS), BASIC_CHECKS | SANITY_ETHERTYPE);
	policy_done(&policy);
	(void)state;
}

static void loopback_device_may_have_loopback_addresses(void **state)
{
	struct policy policy = policy_of("sanity: {level: basic, bogons: ['*'], "
					 "reverse-path: {interfaces: ['*']}}");
	assert_int_equal(checks_at(&policy, "lo", WEIR_INGRESS),
			 SANITY_MALFORMED | SANITY_TINY | SANITY_TCP_FLAGS);
	policy_done(&policy);
	(void)state;
}

static void ethertypes_are_those_listed_and_our_own(void **state)
{
	struct policy policy =
		policy_of("sanity: {ethertype: strict, ethertypes: [0x88cc, llc, 35041]}");
	const struct sanity_row *row = row_of(&policy, 5, WEIR_INGRESS);
	const uint16_t wanted[] = { 0x0800, 0x0806, 0x86dd, 0x88cc, 0, 0x88e1 };
	for (unsigned i = 0; i < sizeof(wanted) / sizeof(*wanted); i++) {
		unsigned found = 0;
		for (unsigned j = 0; j < SANITY_ETHERTYPES; j++)
			found += row->ethertype[j] == htons(wanted[i]);
		assert_int_not_equal(found, 0);
	}
	policy_done(&policy);
	(void)state;
}

static bool is_bogon(const struct policy *policy, const char *text)
{
	uint32_t first = policy->head->header.first_line[WEIR_SECTION_SANITY];
	struct weir_addr addr;
	assert_int_equal(weir_addr_from_string(text, strlen(text), &addr), 0);
	uint32_t class_id = weir_image_lookup(policy->image, &addr);
	return policy->near[first + SANITY_LINE_CLASSES].u8[class_id / 8] >> class_id % 8 & 1;
}

static void bogons_are_told_apart_from_lists(void **state)
{
	struct policy policy =
		policy_of("sanity: {bogons: [eth0]}\n"
			  "block: {lists: [{name: some, action: deny, "
			  "entries: [10.0.0.0/9, 9.9.9.9, '2001:db8::/33', '2a00::/16']}]}");
	assert_true(is_bogon(&policy, "10.0.0.1"));
	assert_true(is_bogon(&policy, "10.200.0.1"));
	assert_true(is_bogon(&policy, "2001:db8::1"));
	assert_true(is_bogon(&policy, "2001:db8:ffff::1"));
	assert_false(is_bogon(&policy, "9.9.9.9"));
	assert_false(is_bogon(&policy, "9.9.9.8"));
	assert_false(is_bogon(&policy, "2a00::1"));
	assert_false(is_bogon(&policy, "0.0.0.0"));
	assert_false(is_bogon(&policy, "fe80::1"));
	policy_done(&policy);
	(void)state;
}

static void no_section_is_made_for_nothing(void **state)
{
	struct policy policy = policy_of("");
	assert_int_equal(policy.head->header.first_line[WEIR_SECTION_SANITY], 0);
	assert_int_equal(policy.head->header.first_line[WEIR_SECTION_SANITY_IFACES], 0);
	policy_done(&policy);
	(void)state;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_is_checked_without_a_word),
		cmocka_unit_test(levels_are_what_they_say),
		cmocka_unit_test(switch_outranks_level_either_way),
		cmocka_unit_test(what_no_level_has_is_asked_for_by_name),
		cmocka_unit_test(patterns_choose_the_interfaces),
		cmocka_unit_test(what_leaves_is_not_asked_where_it_came_from),
		cmocka_unit_test(loopback_device_may_have_loopback_addresses),
		cmocka_unit_test(ethertypes_are_those_listed_and_our_own),
		cmocka_unit_test(bogons_are_told_apart_from_lists),
		cmocka_unit_test(no_section_is_made_for_nothing),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
