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
#include "tests/unit/drawn.h"

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

	for (uint32_t i = 0; i < CONNTRACK_TALLY_MOST + MORE; i++)
		flow_add(&groups, i, 100);
	flow_add(&groups, 77, 900); /* is kept already: has its place */
	assert_int_equal(conntrack_groups_rank(&groups, CONNTRACK_BY_BYTES, 1), 0);
	assert_int_equal(conntrack_groups_count(&groups), CONNTRACK_TALLY_MOST);
	assert_int_equal(conntrack_groups_crowded(&groups)->flows, MORE);
	assert_int_equal(conntrack_groups_crowded(&groups)->bytes[0], MORE * 100);
	assert_int_equal(groups.total.flows, CONNTRACK_TALLY_MOST + MORE + 1);
	assert_int_equal(groups.rank.count, 1);

	struct conntrack_group first = conntrack_groups_at(&groups, 0);
	struct conntrack_totals rest = conntrack_groups_rest(&groups);

	assert_int_equal(first.totals.bytes[0], 1000);
	assert_int_equal(first.totals.packets[1], 4);
	assert_int_equal(first.live, 2);
	assert_int_equal(rest.flows + first.totals.flows, groups.total.flows);
	assert_int_equal(rest.bytes[0] + 1000, groups.total.bytes[0]);
}

/* Of rows that are as they were drawn, without a table: each group's sums by adding up all. */
#define DRAWN 20000u
#define HOSTS 1000u

struct drawn {
	uint32_t host;
	uint64_t bytes;
};

static void assert_group(const struct conntrack_groups *groups, size_t place,
			 const struct drawn *drawn)
{
	struct conntrack_group group = conntrack_groups_at(groups, place);
	uint32_t host = ntohl(group.key.addr.be32[3]) - 0x0a000000;
	uint64_t flows = 0, bytes = 0;

	for (uint32_t i = 0; i < DRAWN; i++) {
		flows += drawn[i].host == host;
		bytes += drawn[i].host == host ? drawn[i].bytes : 0;
	}
	assert_int_equal(group.totals.flows, flows);
	assert_int_equal(group.live, flows);
	assert_int_equal(group.totals.bytes[0], bytes);
	assert_int_equal(group.totals.bytes[1], flows);
	assert_int_equal(group.totals.packets[0], flows);
	assert_int_equal(group.totals.packets[1], 2 * flows);
}

static void groups_have_what_was_drawn_for_them(void **state)
{
	_cleanup_groups_ struct conntrack_groups groups = { .kind = CONNTRACK_GROUP_SRC,
							    .length = { 32, 128 } };
	static struct drawn drawn[DRAWN];
	uint64_t last = UINT64_MAX, sum = 0;

	for (uint32_t i = 0; i < DRAWN; i++) {
		drawn[i] = (struct drawn){ (uint32_t)(draw() % HOSTS), draw() % 1000000 };
		flow_add(&groups, drawn[i].host, drawn[i].bytes);
	}
	assert_int_equal(conntrack_groups_rank(&groups, CONNTRACK_BY_BYTES, HOSTS), 0);
	assert_int_equal(groups.rank.count, HOSTS); /* 20 flows each: none is without */
	for (size_t i = 0; i < HOSTS; i++) {
		struct conntrack_group group = conntrack_groups_at(&groups, i);
		uint64_t bytes = group.totals.bytes[0] + group.totals.bytes[1];

		assert_group(&groups, i, drawn);
		assert_true(bytes <= last);
		last = bytes;
		sum += group.totals.bytes[0];
	}
	assert_int_equal(sum, groups.total.bytes[0]);
	assert_int_equal(conntrack_groups_rest(&groups).flows, 0);
}

static void share_put(struct conntrack_groups *groups, uint32_t number, uint64_t flows,
		      uint64_t missed)
{
	struct conntrack_share share = { .totals = { .flows = flows, .bytes = { 5000, 0 } } };

	share.key.addr = flow_from(number).key.addr[0];
	assert_int_equal(conntrack_groups_put(groups, &share, missed), 0);
}

static void what_ended_is_apart_from_what_lives(void **state)
{
	_cleanup_groups_ struct conntrack_groups groups = { .kind = CONNTRACK_GROUP_SRC,
							    .length = { 32, 128 } };

	share_put(&groups, 1, 7, 11);
	share_put(&groups, 2, 0, 12);
	groups.missed = 99;
	flow_add(&groups, 1, 3000);
	flow_add(&groups, 1, 3000);
	flow_add(&groups, 3, 100);
	assert_int_equal(conntrack_groups_rank(&groups, CONNTRACK_BY_BYTES, 2), 0);
	assert_int_equal(conntrack_groups_count(&groups), 3);
	assert_int_equal(groups.rank.count, 2);

	struct conntrack_group first = conntrack_groups_at(&groups, 0),
			       second = conntrack_groups_at(&groups, 1);

	assert_int_equal(first.totals.flows, 9);
	assert_int_equal(first.live, 2);
	assert_int_equal(first.missed, 11);
	assert_int_equal(second.totals.flows, 0);
	assert_int_equal(second.live, 0);
	assert_int_equal(second.missed, 12);
	assert_int_equal(conntrack_groups_rest(&groups).bytes[0], 100);
	groups.rank.at[0].item = 2; /* the third, of which no ended flow is known */
	assert_int_equal(conntrack_groups_at(&groups, 0).missed, 99);
	assert_int_equal(conntrack_groups_at(&groups, 0).live, 1);
}

/* Two backends of one service, which nobody has a name for, are named by their number alone. */
static void keys_of_one_name_are_one_group(void **state)
{
	_cleanup_groups_ struct conntrack_groups groups = { .kind = CONNTRACK_GROUP_BACKEND,
							    .length = { 32, 128 } };
	_cleanup_buf_ struct weir_buf name = { 0 };

	for (uint32_t i = 0; i < 6; i++) {
		struct conntrack_flow flow = flow_from(i);
		struct conntrack_view view = { .flow = &flow, .carried = { .bytes = { i, 0 } } };

		flow.key.addr[1].be32[3] = htonl(0xc0000200 + i % 3); /* services */
		flow.backend = 4 + i / 5;
		assert_int_equal(conntrack_groups_add(&groups, &view), 0);
	}
	assert_int_equal(conntrack_groups_rank(&groups, CONNTRACK_BY_FLOWS, 10), 0);
	assert_int_equal(conntrack_groups_count(&groups), 2);
	assert_int_equal(conntrack_groups_at(&groups, 0).totals.flows, 5);
	assert_int_equal(conntrack_groups_at(&groups, 0).totals.bytes[0], 10);
	assert_int_equal(conntrack_groups_at(&groups, 0).live, 5);
	assert_int_equal(conntrack_groups_at(&groups, 1).totals.bytes[0], 5);
	struct conntrack_group first = conntrack_groups_at(&groups, 0);

	conntrack_group_name(&groups, &first, &name);
	assert_string_equal(weir_buf_str(&name), "#4");
}

static void assert_name(unsigned v4, uint32_t number, const char *expected)
{
	_cleanup_groups_ struct conntrack_groups groups = { .kind = CONNTRACK_GROUP_SRC,
							    .length = { v4, 128 } };
	_cleanup_buf_ struct weir_buf name = { 0 };

	flow_add(&groups, number, 1);
	assert_int_equal(conntrack_groups_rank(&groups, CONNTRACK_BY_FLOWS, 1), 0);

	struct conntrack_group group = conntrack_groups_at(&groups, 0);

	conntrack_group_name(&groups, &group, &name);
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

static void assert_vlan(uint32_t vlan, const char *expected)
{
	static const unsigned length[2] = { 32, 128 };
	_cleanup_buf_ struct weir_buf name = { 0 };
	struct conntrack_flow flow = flow_from(1);
	struct conntrack_view view = { .flow = &flow,
				       .is_counted = true,
				       .carried = { .vlan = vlan } };
	struct conntrack_share shares[CONNTRACK_SHARES_MAX];

	assert_int_equal(conntrack_shares_of(CONNTRACK_GROUP_VLAN, length, &view, shares), 1);
	conntrack_group_key_name(CONNTRACK_GROUP_VLAN, length, NULL, &shares[0].key, &name);
	assert_string_equal(weir_buf_str(&name), expected);
}

static void vlan_is_named_by_its_tags(void **state)
{
	assert_vlan(0, "unknown");
	assert_vlan(0x2000, "none");
	assert_vlan(0x3000, "0");
	assert_vlan(0x3fff, "4095");
	assert_vlan(0x100c300a, "10.12");
	assert_vlan(0x1000300a, "10.0");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_has_no_room_is_crowded),
		cmocka_unit_test(groups_have_what_was_drawn_for_them),
		cmocka_unit_test(what_ended_is_apart_from_what_lives),
		cmocka_unit_test(keys_of_one_name_are_one_group),
		cmocka_unit_test(prefix_is_cut_to_the_bit),
		cmocka_unit_test(vlan_is_named_by_its_tags),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
