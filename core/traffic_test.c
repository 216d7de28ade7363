/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/traffic.c"

/* A device of which every counter stands at `count`, looked at in second `at_s`. */
static struct weir_traffic_counts looked(struct device *device, uint64_t at_s, uint64_t count)
{
	struct look look = { .at_ns = at_s * WEIR_NS_PER_S };
	struct weir_traffic_counts counts = { 0 };

	for (int kind = 0; kind < WEIR_TRAFFIC_KINDS; kind++)
		look.counts[kind] = count;
	look_add(device, &look);
	device_read(device, &counts);
	return counts;
}

static void rate_is_of_the_last_five_seconds(void **state)
{
	struct device device = { .ifindex = 1 };

	(void)state;
	assert_false(looked(&device, 1, 1000).has_rates);
	assert_true(looked(&device, 2, 1500).rates[0] == 500);
	for (uint64_t s = 3; s < 20; s++)
		looked(&device, s, 1500);
	struct weir_traffic_counts last = looked(&device, 20, 2500);

	assert_true(last.rates[WEIR_TRAFFIC_TX_BYTES] == 200);
	assert_int_equal(last.totals[WEIR_TRAFFIC_TX_BYTES], 2500);
}

/* Who asks right after the start: a burst in 50 ms is no rate of a second. */
static void rate_is_of_a_second_at_the_least(void **state)
{
	struct device device = { .ifindex = 1, .look_count = 1 };
	struct weir_traffic_counts counts;

	(void)state;
	device.looks[0] = (struct look){ .at_ns = WEIR_NS_PER_S };
	for (uint64_t ms = 50; ms <= 1000; ms += 50) {
		struct look look = { .at_ns = WEIR_NS_PER_S + ms * WEIR_NS_PER_MS,
				     .counts = { 1000 } };

		look_add(&device, &look);
		device_read(&device, &counts);
		assert_int_equal(counts.has_rates, ms >= 900);
		assert_true(!counts.has_rates || counts.rates[0] <= 1000 / 0.9);
	}
}

/* A driver with counters of 32 bits, one of 64 that wraps, another device by that number. */
static void counter_that_goes_back_has_no_rate_until_the_next_look(void **state)
{
	static const struct {
		uint64_t before, after;
	} cases[] = {
		{ UINT32_MAX - 10, 20 },
		{ UINT64_MAX - 10, 20 },
		{ 1000000, 0 },
		{ 1000000, 999999 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct device device = { .ifindex = 1 };

		looked(&device, 1, cases[i].before - 100);
		looked(&device, 2, cases[i].before);
		struct weir_traffic_counts back = looked(&device, 3, cases[i].after);

		assert_true(back.is_known);
		assert_false(back.has_rates);
		assert_int_equal(back.totals[0], cases[i].after);
		assert_true(looked(&device, 4, cases[i].after + 50).rates[0] == 50);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rate_is_of_the_last_five_seconds),
		cmocka_unit_test(rate_is_of_a_second_at_the_least),
		cmocka_unit_test(counter_that_goes_back_has_no_rate_until_the_next_look),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
