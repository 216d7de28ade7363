/* SPDX-License-Identifier: Apache-2.0 */
/* What people see of a flow: names, fields of filters, JSON. */
#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/addr.h"
#include "base/cleanup.h"
#include "features/conntrack/conntrack_view.h"

#define OPEN                                                                           \
	((CONNTRACK_SYN | CONNTRACK_SYN_ACKED) * CONNTRACK_BOTH | CONNTRACK_ANSWERED | \
	 CONNTRACK_LIVE)
#define LOOPBACK 1u /* the index of lo, in every network namespace */
#define NOWHERE 0x7ffeu

/* A tick is 2^24 ns, 16.777 ms: 60 of them are 1.007 s, 18,000 are 301.99 s. */
static const struct conntrack_past past = {
	.count = 1,
	.timeouts[0].ticks = {
		[CONNTRACK_SYN_SENT] = 6000,
		[CONNTRACK_ESTABLISHED] = 18000,
		[CONNTRACK_RESET_SEEN] = 600,
		[CONNTRACK_ONE_WAY] = 1800,
		[CONNTRACK_STREAM] = 7200,
		[CONNTRACK_ECHO] = 1800,
		[CONNTRACK_OTHER] = 36000,
	},
};

static struct weir_addr addr_of(const char *text)
{
	struct weir_addr addr;

	assert_int_equal(weir_addr_from_string(text, strlen(text), &addr), 0);
	return addr;
}

/* 10.0.0.7:40000 to 192.0.2.1:443, begun 600 ticks before now (3000), idle for 60. */
static struct conntrack_flow tcp_flow(void)
{
	return (struct conntrack_flow){
		.key = {
			.addr = { addr_of("10.0.0.7"), addr_of("192.0.2.1") },
			.port = { htons(40000), htons(443) },
			.proto = CONNTRACK_TCP,
			.family = 4,
		},
		.word = OPEN,
		.born = 2400,
		.expires_ticks = 3000 + 18000 - 60,
	};
}

static struct conntrack_view view_of(const struct conntrack_flow *flow)
{
	return (struct conntrack_view){
		.flow = flow,
		.table = CONNTRACK_TABLE_PROVEN,
		.now = 3000,
		.past = &past,
	};
}

static void put_is(const struct conntrack_flow *flow, const char *text)
{
	_cleanup_buf_ struct weir_buf out = { 0 };
	struct weir_json_out json = { .out = &out };
	struct conntrack_view view = view_of(flow);

	conntrack_view_put(&view, &json);
	assert_string_equal(weir_buf_str(&out), text);
}

static bool passes(const struct conntrack_view *view, const char *text)
{
	_cleanup_filter_ struct weir_filter *filter = NULL;

	assert_int_equal(weir_filter_new(text, conntrack_filter_fields, NULL, &filter), 0);
	return weir_filter_matches(filter, conntrack_filter_get, view);
}

/* Each filter of the list, up to NULL. */
static void all_pass(const struct conntrack_view *view, const char *const *texts)
{
	for (; *texts; texts++)
		if (!passes(view, *texts))
			fail_msg("does not pass: %s", *texts);
}

static void none_passes(const struct conntrack_view *view, const char *const *texts)
{
	for (; *texts; texts++)
		if (passes(view, *texts))
			fail_msg("passes: %s", *texts);
}

/* --- names ------------------------------------------------------------------------------- */

static void states_have_their_names(void **state)
{
	static const struct {
		enum conntrack_state state;
		const char *name, *stage;
	} names[] = {
		{ CONNTRACK_SYN_SENT, "syn_sent", "opening" },
		{ CONNTRACK_SYN_RECEIVED, "syn_received", "opening" },
		{ CONNTRACK_ESTABLISHED, "established", "established" },
		{ CONNTRACK_FIN_WAIT, "fin_wait", "closing" },
		{ CONNTRACK_CLOSING, "closing", "closing" },
		{ CONNTRACK_TIME_WAIT, "time_wait", "closing" },
		{ CONNTRACK_RESET_SEEN, "reset", "reset" },
		{ CONNTRACK_ONE_WAY, "one_way", NULL },
		{ CONNTRACK_REPLIED, "answered", NULL },
		{ CONNTRACK_STREAM, "stream", NULL },
		{ CONNTRACK_ECHO, "echo", NULL },
		{ CONNTRACK_OTHER, "other", NULL },
	};

	assert_int_equal(sizeof(names) / sizeof(*names), CONNTRACK_STATE_COUNT);
	for (size_t i = 0; i < CONNTRACK_STATE_COUNT; i++) {
		const char *stage = conntrack_stage_name(names[i].state);

		assert_string_equal(conntrack_state_name(names[i].state), names[i].name);
		assert_string_equal(stage ? stage : "none",
				    names[i].stage ? names[i].stage : "none");
	}
	assert_string_equal(conntrack_state_name(CONNTRACK_STATE_COUNT), "?");
}

static void other_protocols_are_named_by_what_was_seen(void **state)
{
	assert_int_equal(conntrack_state_of(17, 0), CONNTRACK_ONE_WAY);
	assert_int_equal(conntrack_state_of(17, CONNTRACK_ANSWERED), CONNTRACK_REPLIED);
	assert_int_equal(conntrack_state_of(17, CONNTRACK_ANSWERED | CONNTRACK_AGAIN),
			 CONNTRACK_STREAM);
	assert_int_equal(conntrack_state_of(136, 0), CONNTRACK_ONE_WAY);
	assert_int_equal(conntrack_state_of(33, 0), CONNTRACK_ONE_WAY);
	assert_int_equal(conntrack_state_of(1, 0), CONNTRACK_ECHO);
	assert_int_equal(conntrack_state_of(58, CONNTRACK_ANSWERED), CONNTRACK_ECHO);
	assert_int_equal(conntrack_state_of(47, CONNTRACK_ANSWERED), CONNTRACK_OTHER);
}

/* --- JSON -------------------------------------------------------------------------------- */

static void flow_is_put_from_its_initiator(void **state)
{
	struct conntrack_flow flow = tcp_flow();

	put_is(&flow, "{\"proto\":\"tcp\",\"src\":\"10.0.0.7\",\"sport\":40000,"
		      "\"dst\":\"192.0.2.1\",\"dport\":443,\"state\":\"established\","
		      "\"stage\":\"established\",\"table\":\"proven\",\"in\":null,\"out\":null,"
		      "\"born_ns\":40265318400,\"age_s\":10,\"idle_s\":1,\"expires_s\":300,"
		      "\"answered\":true,"
		      "\"picked_up\":false,\"granted\":false,\"relayed\":false}");
}

static void flow_whose_initiator_is_the_second_end_is_turned(void **state)
{
	struct conntrack_flow flow = tcp_flow();

	flow.word |= CONNTRACK_SECOND;
	assert_int_equal(conntrack_initiator(&flow), 1);
	put_is(&flow, "{\"proto\":\"tcp\",\"src\":\"192.0.2.1\",\"sport\":443,"
		      "\"dst\":\"10.0.0.7\",\"dport\":40000,\"state\":\"established\","
		      "\"stage\":\"established\",\"table\":\"proven\",\"in\":null,\"out\":null,"
		      "\"born_ns\":40265318400,\"age_s\":10,\"idle_s\":1,\"expires_s\":300,"
		      "\"answered\":true,"
		      "\"picked_up\":false,\"granted\":false,\"relayed\":false}");
}

static void mark_and_rule_are_put_where_there_are_any(void **state)
{
	struct conntrack_flow flow = tcp_flow();

	flow.word |= CONNTRACK_MARKED | CONNTRACK_PICKED_UP | CONNTRACK_GRANTED |
		     CONNTRACK_RELAYED | CONNTRACK_RESET;
	flow.word &= ~(uint32_t)CONNTRACK_ANSWERED;
	flow.mark = 0; /* a mark as good as any */
	flow.rule = 12;
	flow.backend = 65535;
	flow.expires_ticks = 3000 + 600;
	flow.let_in = 5ULL << 32 | (uint64_t)(0x8000 | LOOPBACK) << 16 | 0x8000 | NOWHERE;
	put_is(&flow, "{\"proto\":\"tcp\",\"src\":\"10.0.0.7\",\"sport\":40000,"
		      "\"dst\":\"192.0.2.1\",\"dport\":443,\"state\":\"reset\","
		      "\"stage\":\"reset\",\"table\":\"proven\",\"in\":\"lo\",\"out\":\"#32766\","
		      "\"backend\":\"#65535\","
		      "\"born_ns\":40265318400,\"age_s\":10,\"idle_s\":0,\"expires_s\":10,"
		      "\"answered\":false,"
		      "\"picked_up\":true,\"granted\":true,\"relayed\":true,\"mark\":0,"
		      "\"rule\":12,\"backend_number\":65535,\"verdict\":\"pass\","
		      "\"verdict_reason\":\"pass_rule\"}");
}

static void reason_is_told_by_what_it_was_let_in(void **state)
{
	static const struct {
		uint32_t marks, revision;
		uint16_t rule;
		const char *reason; /* NULL: nothing is known */
	} rows[] = {
		{ 0, 0, 0, NULL },
		{ CONNTRACK_PICKED_UP | CONNTRACK_GRANTED, 0, 0, NULL },
		{ 0, 5, 0, "pass_policy" },
		{ 0, 5, CONNTRACK_RULE_ALLOWED, "pass_allowed" },
		{ 0, 5, 10000, "pass_rule" },
		{ CONNTRACK_GRANTED, 5, 7, "pass_rule" },
		{ CONNTRACK_GRANTED, 5, 0, "pass_related" },
		{ CONNTRACK_GRANTED, 5, CONNTRACK_RULE_ALLOWED, "pass_related" },
		{ CONNTRACK_GRANTED | CONNTRACK_PICKED_UP, 5, 0, "pass_established" },
	};

	(void)state;
	for (size_t i = 0; i < WEIR_ARRAY_SIZE(rows); i++) {
		_cleanup_buf_ struct weir_buf text = { 0 };
		struct weir_json_out json = { .out = &text };
		struct conntrack_flow flow = tcp_flow();
		struct conntrack_view view = view_of(&flow);

		flow.word |= rows[i].marks;
		flow.rule = rows[i].rule;
		flow.let_in = (uint64_t)rows[i].revision << 32;
		conntrack_view_put(&view, &json);
		const char *found = strstr(weir_buf_str(&text), "\"verdict_reason\":\"");

		assert_int_equal(found != NULL, rows[i].reason != NULL);
		if (found)
			assert_memory_equal(found + 18, rows[i].reason, strlen(rows[i].reason));
		assert_int_equal(strstr(weir_buf_str(&text), "\"rule\"") != NULL,
				 rows[i].rule && rows[i].rule != CONNTRACK_RULE_ALLOWED);
	}
}

/* The requester's port is the identifier, the other's the type of the request. */
static void echo_has_an_identifier_and_a_type(void **state)
{
	struct conntrack_flow flow = {
		.key = {
			.addr = { addr_of("2001:db8::1"), addr_of("2001:db8::2") },
			.port = { htons(128), htons(4660) },
			.proto = CONNTRACK_ICMPV6,
			.family = 6,
		},
		.word = CONNTRACK_LIVE | CONNTRACK_SECOND,
		.born = 3000,
		.expires_ticks = 3000 + 1800,
	};

	put_is(&flow, "{\"proto\":\"icmpv6\",\"src\":\"2001:db8::2\",\"dst\":\"2001:db8::1\","
		      "\"icmp_id\":4660,\"icmp_type\":128,\"state\":\"echo\",\"stage\":null,"
		      "\"table\":\"proven\",\"in\":null,\"out\":null,\"born_ns\":50331648000,\"age_"
		      "s\":0,\"idle_s\":0,"
		      "\"expires_s\":30,\"answered\":false,\"picked_up\":false,"
		      "\"granted\":false,\"relayed\":false}");
}

static void protocol_without_a_name_is_its_number_and_has_no_ports(void **state)
{
	struct conntrack_flow flow = tcp_flow();

	flow.key.proto = 99;
	flow.key.port[0] = flow.key.port[1] = 0;
	flow.expires_ticks = 3000 + 36000;
	put_is(&flow, "{\"proto\":\"99\",\"src\":\"10.0.0.7\",\"dst\":\"192.0.2.1\","
		      "\"state\":\"other\",\"stage\":null,\"table\":\"proven\",\"in\":null,"
		      "\"out\":null,\"born_ns\":40265318400,\"age_s\":10,\"idle_s\":0,\"expires_"
		      "s\":603,\"answered\":true,"
		      "\"picked_up\":false,\"granted\":false,\"relayed\":false}");
}

static void idle_is_at_most_the_age(void **state)
{
	struct conntrack_flow flow = tcp_flow();
	struct conntrack_view view = view_of(&flow);

	flow.expires_ticks = 3000 + 36000; /* by a timeout that nobody knows of */
	assert_true(passes(&view, "idle=10s-11s"));
	assert_true(passes(&view, "expires>=10m"));
}

static void age_is_right_when_ticks_have_wrapped(void **state)
{
	struct conntrack_flow flow = tcp_flow();
	struct conntrack_view view = view_of(&flow);

	flow.born = 0xffffffff - 600;
	flow.expires_ticks = 18000 - 60;
	view.now = 0;
	assert_true(passes(&view, "age>=10s and age<11s"));
	assert_true(passes(&view, "idle>=1s and idle<2s"));
}

/* --- filters ----------------------------------------------------------------------------- */

static void filter_asks_of_ends_in_their_roles(void **state)
{
	static const char *const good[] = {
		"src=10.0.0.7",
		"src=10.0.0.0/8",
		"dst=192.0.2.1",
		"host=192.0.2.0/24",
		"host=10.0.0.7",
		"sport=40000",
		"dport=443",
		"port=443",
		"port=40000-40001",
		"not dport=40000",
		NULL,
	};
	static const char *const bad[] = {
		"src=192.0.2.1", "dst=10.0.0.7", "host=10.0.0.8",  "sport=443",
		"dport=40000",	 "port=80",	 "host!=10.0.0.7", NULL,
	};
	struct conntrack_flow flow = tcp_flow();
	struct conntrack_view view = view_of(&flow);

	all_pass(&view, good);
	none_passes(&view, bad);
	flow.key = (struct conntrack_key){
		.addr = { flow.key.addr[1], flow.key.addr[0] },
		.port = { flow.key.port[1], flow.key.port[0] },
		.proto = CONNTRACK_TCP,
		.family = 4,
	};
	flow.word |= CONNTRACK_SECOND;
	all_pass(&view, good);
	none_passes(&view, bad);
}

static void filter_asks_of_what_it_is(void **state)
{
	static const char *const good[] = {
		"proto=tcp",	"state=established", "stage=established", "family=ipv4",
		"table=proven", "age=10s-11s",	     "idle<2s",		  "expires>4m",
		"not mark=0",	"not rule=1",	     "not interface=*",	  NULL,
	};
	static const char *const bad[] = {
		"proto=udp", "proto=other",	"state=reset", "stage=opening", "family=ipv6",
		"age<10s",   "table=half-open", "idle>2s",     "expires<4m",	NULL,
	};
	struct conntrack_flow flow = tcp_flow();
	struct conntrack_view view = view_of(&flow);

	all_pass(&view, good);
	none_passes(&view, bad);
	view.table = CONNTRACK_TABLE_HALF;
	assert_true(passes(&view, "table=half-open"));
}

static void filter_asks_of_interface_mark_and_rule(void **state)
{
	static const char *const good[] = { "interface=lo", "interface=#32766", "mark=7",
					    "mark=0x7",	    "rule=12",		NULL };
	static const char *const bad[] = { "interface=eth*", "mark=8", "rule!=12", NULL };
	struct conntrack_flow flow = tcp_flow();
	struct conntrack_view view = view_of(&flow);

	flow.let_in = (uint64_t)(0x8000 | LOOPBACK) << 16 | 0x8000 | NOWHERE;
	flow.word |= CONNTRACK_MARKED;
	flow.mark = 7;
	flow.rule = 12;
	all_pass(&view, good);
	none_passes(&view, bad);
}

/* 16 names are known by where: 0x7fe1 has the place of 1, and nobody has it for an index. */
static void names_of_interfaces_are_kept_and_never_mixed_up(void **state)
{
	static const char *const in[] = { "interface=lo", NULL }, *const other[] = {
		"interface=\"#32737\"", NULL
	};
	struct conntrack_place_names names = { 0 };
	struct conntrack_flow flow = tcp_flow();
	struct conntrack_view view = view_of(&flow);

	view.names = &names;
	for (int i = 0; i < 3; i++) {
		flow.let_in = (uint64_t)(0x8000 | LOOPBACK) << 16;
		all_pass(&view, in);
		none_passes(&view, other);
		flow.let_in = (uint64_t)(0x8000 | 0x7fe1) << 16;
		all_pass(&view, other);
		none_passes(&view, in);
		flow.let_in = (uint64_t)(0x8000 | LOOPBACK) << 16 | 0x8000 | 0x7fe1;
		all_pass(&view, in);
		all_pass(&view, other);
		flow.let_in = 0;
		none_passes(&view, in);
	}
	names.known[1][1].index = LOOPBACK; /* from now on the kernel is not asked */
	names.known[1][1].name[0] = 'x';
	flow.let_in = (uint64_t)(0x8000 | LOOPBACK) << 16;
	none_passes(&view, in);
}

static void filter_asks_whether_a_backend_has_it(void **state)
{
	struct conntrack_flow flow = tcp_flow();
	struct conntrack_view view = view_of(&flow);

	assert_true(passes(&view, "served=no"));
	assert_false(passes(&view, "served=yes"));
	flow.backend = 1;
	assert_true(passes(&view, "served=yes"));
	(void)state;
}

static void filter_asks_how_much_was_carried_where_that_is_counted(void **state)
{
	struct conntrack_flow flow = tcp_flow();
	struct conntrack_view view = view_of(&flow);

	assert_false(passes(&view, "bytes>=0"));
	view.is_counted = true;
	view.carried = (struct conntrack_carried){ .packets = { 7, 5 }, .bytes = { 900, 1100 } };
	assert_true(passes(&view, "packets=12 and bytes=2kB and bytes<2KiB"));
	assert_false(passes(&view, "packets>12"));
	assert_false(passes(&view, "bytes>1MB"));
}

static void filter_asks_of_tags_where_they_are_known(void **state)
{
	static const struct {
		uint32_t vlan;
		const char *good[8], *bad[8];
	} rows[] = {
		/* not known */
		{ 0,
		  { "not tagged=yes,no", "vlan!=0", "not vlan=0-4095", NULL },
		  { "tagged=no", "tagged=yes", "vlan=0", "inner_vlan=0", NULL } },
		/* no tag */
		{ 0x2000,
		  { "tagged=no", "vlan!=0", NULL },
		  { "tagged=yes", "vlan=0", "vlan=0-4095", "inner_vlan>=0", NULL } },
		/* 0 */
		{ 0x3000,
		  { "tagged=yes", "vlan=0", "vlan<1", NULL },
		  { "tagged=no", "vlan=1", "inner_vlan=0", NULL } },
		/* 100.200 */
		{ 0x10c83064,
		  { "tagged=yes and vlan=100 and inner_vlan=200", "vlan=99,100", "inner_vlan>199",
		    NULL },
		  { "vlan=200", "inner_vlan=100", "vlan!=100", NULL } },
	};
	struct conntrack_flow flow = tcp_flow();
	struct conntrack_view view = view_of(&flow);

	view.is_counted = true;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		view.carried.vlan = rows[i].vlan;
		all_pass(&view, rows[i].good);
		none_passes(&view, rows[i].bad);
	}
	view.is_counted = false;
	none_passes(&view, (const char *const[]){ "tagged=yes", "vlan=100", NULL });
}

static void flow_without_ports_passes_no_filter_of_ports(void **state)
{
	static const char *const bad[] = { "port=8", "port=0", "sport=0-65535", "dport=8", NULL };
	struct conntrack_flow flow = tcp_flow();
	struct conntrack_view view = view_of(&flow);

	flow.key.proto = CONNTRACK_ICMP;
	flow.key.port[1] = htons(8);
	none_passes(&view, bad);
	assert_true(passes(&view, "proto=icmp and state=echo and not stage=established"));
	flow.key.proto = 47;
	flow.key.port[0] = flow.key.port[1] = 0;
	none_passes(&view, bad);
	assert_true(passes(&view, "proto=gre"));
	flow.key.proto = 99;
	assert_true(passes(&view, "proto=other and state=other"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(states_have_their_names),
		cmocka_unit_test(other_protocols_are_named_by_what_was_seen),
		cmocka_unit_test(flow_is_put_from_its_initiator),
		cmocka_unit_test(flow_whose_initiator_is_the_second_end_is_turned),
		cmocka_unit_test(mark_and_rule_are_put_where_there_are_any),
		cmocka_unit_test(reason_is_told_by_what_it_was_let_in),
		cmocka_unit_test(echo_has_an_identifier_and_a_type),
		cmocka_unit_test(protocol_without_a_name_is_its_number_and_has_no_ports),
		cmocka_unit_test(idle_is_at_most_the_age),
		cmocka_unit_test(age_is_right_when_ticks_have_wrapped),
		cmocka_unit_test(filter_asks_of_ends_in_their_roles),
		cmocka_unit_test(filter_asks_of_what_it_is),
		cmocka_unit_test(filter_asks_of_interface_mark_and_rule),
		cmocka_unit_test(names_of_interfaces_are_kept_and_never_mixed_up),
		cmocka_unit_test(filter_asks_whether_a_backend_has_it),
		cmocka_unit_test(filter_asks_how_much_was_carried_where_that_is_counted),
		cmocka_unit_test(filter_asks_of_tags_where_they_are_known),
		cmocka_unit_test(flow_without_ports_passes_no_filter_of_ports),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
