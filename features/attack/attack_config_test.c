/* SPDX-License-Identifier: Apache-2.0 */
/* What of `attack:` is refused, and with which words; what is read, and as what. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "features/attack/attack_state.h"
#include "tests/unit/refused.h"

#define SECOND 1000000000ULL

static void settings_of(const char *text, bool *ret_enabled, struct attack_settings *ret_settings)
{
	_cleanup_diag_ struct weir_diag diag = { 0 };
	_cleanup_config_ struct weir_config *config = NULL;

	assert_int_equal(weir_config_parse(text, strlen(text), "f", &diag, &config), 0);
	const struct attack_section *section = config->sections[weir_feature_index(&weir_attack)];

	*ret_enabled = section->enabled;
	attack_settings_read(section, ret_settings);
}

#define RATE(levels) "attack:\n  rates:\n    syn:\n      " levels "\n"

static void rates_that_are_none_are_refused(void **state)
{
	const char *at = "f:4:15: attack.rates.syn.attack: ";

	is_refused(RATE("attack: 0/s"), at, "'0/s' is too small; write 1/s to 10000000000/s");
	is_refused(RATE("attack: -5/s"), at, "'-5/s' is not a rate; write a number and a unit");
	is_refused(RATE("attack: 5000"), at, "'5000' is not a rate");
	is_refused(RATE("attack: 1.5k/s"), at, "'1.5k/s' is not a rate");
	is_refused(RATE("attack: 10000000001/s"), at, "'10000000001/s' is too large");
	is_refused(RATE("attack: 99999999999999999999/s"), at, "is too large");
	is_refused(RATE("attack: 1MB/s"), at, "is not a rate");
	is_refused(RATE("attack:"), "f:4:14: attack.rates.syn.attack: ", "has no value");
	(void)state;
}

static void levels_out_of_order_are_refused(void **state)
{
	is_refused(RATE("attack: 1000/s"), "f:4:15: attack.rates.syn.attack: ",
		   "attack (1000/s) is not above elevated (1000/s); write a higher attack, or a "
		   "lower elevated");
	is_refused(RATE("elevated: 5kpps"), "f:4:17: attack.rates.syn.elevated: ",
		   "attack (5000/s) is not above elevated (5000/s)");
	is_refused("attack: {attack-factor: 4}", "f:1:25: attack.attack-factor: ",
		   "attack-factor (4) is not above elevated-factor (4)");
	is_refused("attack: {elevated-after: 10s, attack-after: 5s}",
		   "f:1:45: attack.attack-after: ", "attack-after is shorter than elevated-after");
	(void)state;
}

static void times_that_cannot_be_are_refused(void **state)
{
	is_refused("attack: {elevated-after: 0}", "f:1:26: attack.elevated-after: ", "too small");
	is_refused("attack: {elevated-after: 999ms}",
		   "f:1:26: attack.elevated-after: ", "'999ms' is too small; write 1s to 1h");
	is_refused("attack: {attack-after: 2h}", "f:1:24: attack.attack-after: ", "too large");
	is_refused("attack: {calm-after: 30}",
		   "f:1:22: attack.calm-after: ", "'30' is not a duration");
	is_refused("attack: {learn-over: 59m}", "f:1:22: attack.learn-over: ",
		   "in less than an hour an attack would be learned as usual; write 0, or 1h to "
		   "30d");
	is_refused("attack: {learn-over: 31d}", "f:1:22: attack.learn-over: ", "too large");
	(void)state;
}

static void numbers_that_cannot_be_are_refused(void **state)
{
	is_refused("attack: {falls-below: 96}",
		   "f:1:23: attack.falls-below: ", "'96' is too large; write 10 to 95");
	is_refused("attack: {falls-below: 9}", "f:1:23: attack.falls-below: ", "too small");
	is_refused("attack: {elevated-factor: 1}", "f:1:27: attack.elevated-factor: ", "too small");
	is_refused("attack: {enabled: maybe}",
		   "f:1:19: attack.enabled: ", "neither true nor false");
	is_refused("attack: {rates: {sin: {attack: 5/s}}}", "f:1:18: attack.rates.sin: ", "syn");
	(void)state;
}

static void left_out_it_is_off(void **state)
{
	struct attack_settings settings;
	bool is_enabled;

	settings_of("attack: {}", &is_enabled, &settings);
	assert_false(is_enabled);
	(void)state;
}

static void keys_mean_what_they_say(void **state)
{
	struct attack_settings s;
	bool is_enabled;

	settings_of("attack: {enabled: true, elevated-after: 3s, attack-after: 1m, calm-after: 2m, "
		    "falls-below: 50, learn-over: 2h, elevated-factor: 3, attack-factor: 9, rates: "
		    "{syn: {elevated: 1/s, attack: 2/s}, icmp: {elevated: 3/s, attack: 4/s}, udp: "
		    "{elevated: 5/s, attack: 6kpps}, new-flows: {elevated: 7/s, attack: 8/s}, "
		    "bad-flags: {elevated: 9/s, attack: 10/s}}}",
		    &is_enabled, &s);
	assert_true(is_enabled);
	assert_int_equal(s.after_ns[WEIR_ELEVATED], 3 * SECOND);
	assert_int_equal(s.after_ns[WEIR_ATTACK], 60 * SECOND);
	assert_int_equal(s.calm_after_ns, 120 * SECOND);
	assert_int_equal(s.learn_ns, 7200 * SECOND);
	assert_true(s.falls_below == 0.5);
	assert_true(s.factor[WEIR_ELEVATED] == 3 && s.factor[WEIR_ATTACK] == 9);
	assert_true(s.floor[WEIR_FLOOD_SYN][WEIR_ELEVATED] == 1);
	assert_true(s.floor[WEIR_FLOOD_SYN][WEIR_ATTACK] == 2);
	assert_true(s.floor[WEIR_FLOOD_ICMP][WEIR_ELEVATED] == 3);
	assert_true(s.floor[WEIR_FLOOD_ICMP][WEIR_ATTACK] == 4);
	assert_true(s.floor[WEIR_FLOOD_UDP][WEIR_ELEVATED] == 5);
	assert_true(s.floor[WEIR_FLOOD_UDP][WEIR_ATTACK] == 6000);
	assert_true(s.floor[WEIR_FLOOD_NEW_FLOWS][WEIR_ELEVATED] == 7);
	assert_true(s.floor[WEIR_FLOOD_NEW_FLOWS][WEIR_ATTACK] == 8);
	assert_true(s.floor[WEIR_FLOOD_BAD_FLAGS][WEIR_ELEVATED] == 9);
	assert_true(s.floor[WEIR_FLOOD_BAD_FLAGS][WEIR_ATTACK] == 10);
	(void)state;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rates_that_are_none_are_refused),
		cmocka_unit_test(levels_out_of_order_are_refused),
		cmocka_unit_test(times_that_cannot_be_are_refused),
		cmocka_unit_test(numbers_that_cannot_be_are_refused),
		cmocka_unit_test(left_out_it_is_off),
		cmocka_unit_test(keys_mean_what_they_say),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
