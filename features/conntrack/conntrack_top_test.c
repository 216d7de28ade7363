/* SPDX-License-Identifier: Apache-2.0 */
/* Groups of flows: more than there is room for are counted together, and nothing is lost. */
#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "features/conntrack/conntrack_top.h"

#define MORE 5000u

static struct conntrack_flow flow_from(uint32_t number)
{
	struct conntrack_flow flow = { .key = { .family = 4, .proto = CONNTRACK_UDP } };

	for (int end = 0; end < 2; end++) {
		flow.key.addr[end].be32[2] = htonl(0xffff);
		flow.key.addr[end].be32[3] = htonl(end ? 0xc0000201 : 0x0a000000 + number);
	}
	return flow;
}

static void flow_add(struct conntrack_groups *groups, uint32_t number, uint64_t bytes)
{
	struct conntrack_flow flow = flow_from(number);
	struct conntrack_view view = {
		.flow = &flow,
		.is_counted = true,
		.carried = { .packets = { 1, 2 }, .bytes = { bytes, 1 } },
	};

	assert_int_equal(conntrack_groups_add(groups, &view), 0);
}

static void what_has_no_room_is_crowded(void **state)
{
	_cleanup_groups_ struct conntrack_groups groups = { .kind = CONNTRACK_GROUP_SRC,
							    .length = { 32, 128 } };

	for (uint32_t i = 0; i < CONNTRACK_GROUPS_MOST + MORE; i++)
		flow_add(&groups, i, 100);
	flow_add(&groups, 77, 900); /* is kept already: has its place */
	assert_int_equal(groups.count, CONNTRACK_GROUPS_MOST);
	assert_int_equal(groups.crowded.flows, MORE);
	assert_int_equal(groups.crowded.bytes[0], MORE * 100);
	assert_int_equal(groups.total.flows, CONNTRACK_GROUPS_MOST + MORE + 1);
	conntrack_groups_sort(&groups, CONNTRACK_BY_BYTES);
	assert_int_equal(groups.at[0].totals.bytes[0], 1000);
	assert_int_equal(groups.at[0].totals.packets[1], 4);

	struct conntrack_totals rest = conntrack_groups_rest(&groups, 1);

	assert_int_equal(rest.flows + groups.at[0].totals.flows, groups.total.flows);
	assert_int_equal(rest.bytes[0] + 1000, groups.total.bytes[0]);
}

static void assert_name(unsigned v4, uint32_t number, const char *expected)
{
	_cleanup_groups_ struct conntrack_groups groups = { .kind = CONNTRACK_GROUP_SRC,
							    .length = { v4, 128 } };
	_cleanup_buf_ struct weir_buf name = { 0 };

	flow_add(&groups, number, 1);
	conntrack_groups_sort(&groups, CONNTRACK_BY_FLOWS);
	conntrack_group_name(&groups, &groups.at[0], &name);
	assert_string_equal(weir_buf_str(&name), expected);
}

static void prefix_is_cut_to_the_bit(void **state)
{
	assert_name(32, 0xffffff, "10.255.255.255");
	assert_name(31, 0xffffff, "10.255.255.254/31");
	assert_name(25, 0xffffff, "10.255.255.128/25");
	assert_name(24, 0xffffff, "10.255.255.0/24");
	assert_name(9, 0xffffff, "10.128.0.0/9");
	assert_name(7, 0xffffff, "10.0.0.0/7");
	assert_name(1, 0xffffff, "0.0.0.0/1");
	assert_name(0, 0xffffff, "0.0.0.0/0");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_has_no_room_is_crowded),
		cmocka_unit_test(prefix_is_cut_to_the_bit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
