/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "core/netlink.h"

static int netlink_ask(int protocol, const struct nlmsghdr *request, weir_netlink_fn *each,
		       void *arg);

#define weir_netlink_ask netlink_ask
#include "core/traffic.c"

static struct {
	uint32_t ifindexes[2]; /* 0: none */
	uint64_t count;	       /* of each */
	int result;
} answer;

static int netlink_ask(int protocol, const struct nlmsghdr *request, weir_netlink_fn *each,
		       void *arg)
{
	struct {
		struct nlmsghdr head;
		struct if_stats_msg stats;
		struct rtattr attribute;
		uint64_t counts[4];
	} message = { .head = { .nlmsg_len = sizeof(message), .nlmsg_type = RTM_NEWSTATS },
		      .attribute = { RTA_LENGTH(sizeof(message.counts)), IFLA_STATS_LINK_64 } };

	(void)protocol;
	(void)request;
	for (int i = 0; i < 4; i++)
		message.counts[i] = answer.count;
	for (int i = 0; i < 2; i++) {
		message.stats.ifindex = answer.ifindexes[i];
		if (answer.ifindexes[i])
			each(&message.head, arg);
	}
	return answer.result;
}

/* Of eth8, what its device counts; -1: nothing is told of it. */
static double told(struct weir_traffic *traffic)
{
	_cleanup_snapshot_ struct weir_snapshot *snapshot = calloc(1, sizeof(*snapshot));
	double value = -1;

	snapshot->references = 1;
	snapshot->interfaces = calloc(2, sizeof(*snapshot->interfaces));
	snapshot->interface_count = 2;
	for (uint32_t i = 0; i < 2; i++) {
		snapshot->interfaces[i].ifindex = 7 + i;
		snprintf(snapshot->interfaces[i].name, 16, "eth%u", 7 + i);
	}
	assert_int_equal(weir_traffic_sample(traffic, snapshot), 0);
	for (size_t i = 0; i < snapshot->sample_count; i++)
		if (strcmp(snapshot->samples[i].name, "interface_rx_bytes_total") == 0 &&
		    strcmp(snapshot->samples[i].labels, "interface=\"eth8\"") == 0)
			value = snapshot->samples[i].value;
	return value;
}

/* A device that came or went meanwhile makes gaps in the kernel's answer. */
static void what_the_kernel_failed_to_tell_is_as_it_was(void **state)
{
	static const int errors[] = { -EAGAIN, -ENOBUFS, -ETIMEDOUT };
	struct weir_traffic *traffic = weir_traffic_new();

	(void)state;
	for (size_t i = 0; i < sizeof(errors) / sizeof(*errors); i++) {
		answer = (typeof(answer)){ { 7, 8 }, 100 * (i + 1), 0 };
		assert_true(told(traffic) == 100 * (i + 1));
		answer = (typeof(answer)){ { 7, 0 }, 100 * (i + 1) + 50, errors[i] };
		assert_true(told(traffic) == 100 * (i + 1));
	}
	answer = (typeof(answer)){ { 7, 0 }, 500, 0 };
	assert_true(told(traffic) == -1);
	weir_traffic_free(traffic);
}

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
		cmocka_unit_test(what_the_kernel_failed_to_tell_is_as_it_was),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
