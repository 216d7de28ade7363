/* SPDX-License-Identifier: Apache-2.0 */
/* Fixed answers on connections, and the exact text they become. */
#include "cli/render.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define WEB                                                                                 \
	"\"proto\":\"tcp\",\"src\":\"192.0.2.7\",\"sport\":40000,\"dst\":\"198.51.100.1\"," \
	"\"dport\":443,\"state\":\"fin_wait\",\"stage\":\"closing\",\"table\":\"proven\","  \
	"\"in\":\"eth0\",\"out\":\"eth1\",\"age_s\":3700,\"idle_s\":2,\"expires_s\":118,"   \
	"\"answered\":true,\"picked_up\":true,\"granted\":false,\"mark\":255,\"rule\":1200"
#define PING                                                                                \
	"\"proto\":\"icmpv6\",\"src\":\"2001:db8::1\",\"dst\":\"2001:db8::2\",\"icmp_id\":" \
	"7001,\"icmp_type\":128,\"state\":\"echo\",\"stage\":null,\"table\":\"half-open\"," \
	"\"in\":null,\"out\":\"eth0\",\"age_s\":1,\"idle_s\":1,\"expires_s\":29,"           \
	"\"answered\":false,\"picked_up\":false,\"granted\":true"
#define NAMES                                                                                 \
	"\"proto\":\"udp\",\"src\":\"2001:db8::1\",\"sport\":5353,\"dst\":\"2001:db8::2\","   \
	"\"dport\":53,\"state\":\"one_way\",\"stage\":null,\"table\":\"half-open\",\"in\":"   \
	"\"eth0\",\"out\":null,\"age_s\":0,\"idle_s\":0,\"expires_s\":30,\"answered\":false," \
	"\"picked_up\":false,\"granted\":false"
#define NOTE "connections are not tracked: nothing asks for them"

static void assert_shown(const char *op, const char *json, bool color, const char *text)
{
	_cleanup_json_ struct weir_json *answer = NULL;
	_cleanup_buf_ struct weir_buf out = { 0 };
	struct weir_view view = { .out = &out, .color = color };

	assert_int_equal(weir_json_parse(json, strlen(json), NULL, NULL, &answer), 0);
	view.answer = answer;
	weir_render(&view, op);
	assert_string_equal(weir_buf_str(&out), text);
}

static void flows_are_a_table_with_a_count(void **state)
{
	assert_shown("flow.list",
		     "{\"tracked\":true,\"flows\":[{" WEB "},{" PING "},{" NAMES
		     "}],\"shown\":3,\"total\":3}",
		     false,
		     "proto   source               destination       state     in > out      "
		     "age  idle   left\n"
		     "tcp     192.0.2.7:40000      198.51.100.1:443  fin_wait  eth0 > eth1  "
		     "1h1m    2s  1m58s\n"
		     "icmpv6  2001:db8::1 id 7001  2001:db8::2       echo      > eth0       "
		     "  1s    1s    29s\n"
		     "udp     [2001:db8::1]:5353   [2001:db8::2]:53  one_way   eth0 >       "
		     "  0s    0s    30s\n"
		     "3 flows\n");
}

#define CARRIED                                                                              \
	",\"packets\":1300,\"bytes\":1574864,\"orig_packets\":1234,\"orig_bytes\":1572864,"  \
	"\"reply_packets\":66,\"reply_bytes\":2000,\"first_seen\":\"2026-01-02T03:04:05Z\"," \
	"\"last_seen\":\"2026-01-02T03:04:06Z\""

static void flow_that_is_counted_has_packets_and_bytes_of_either_side(void **state)
{
	assert_shown("flow.list",
		     "{\"tracked\":true,\"flows\":[{" WEB CARRIED "}],\"shown\":1,\"total\":1}",
		     false,
		     "proto  source           destination       state     in > out        packets "
		     "         bytes   age  idle   left\n"
		     "tcp    192.0.2.7:40000  198.51.100.1:443  fin_wait  eth0 > eth1  1,234 / 66"
		     "  1.5MiB / 2KiB  1h1m    2s  1m58s\n"
		     "1 flow\n");
}

static void flows_have_vlans_where_one_came_by_a_tag(void **state)
{
	assert_shown("flow.list",
		     "{\"tracked\":true,\"flows\":[{" WEB CARRIED
		     ",\"tagged\":true,\"vlan\":10,\"inner_vlan\":0},{" WEB CARRIED
		     ",\"tagged\":true,\"vlan\":7},{" WEB CARRIED ",\"tagged\":false},{" WEB CARRIED
		     "}],\"shown\":4,\"total\":4}",
		     false,
		     "proto  source           destination       state     in > out     vlan     "
		     "packets          bytes   age  idle   left\n"
		     "tcp    192.0.2.7:40000  198.51.100.1:443  fin_wait  eth0 > eth1  10.0  "
		     "1,234 / 66  1.5MiB / 2KiB  1h1m    2s  1m58s\n"
		     "tcp    192.0.2.7:40000  198.51.100.1:443  fin_wait  eth0 > eth1  7     "
		     "1,234 / 66  1.5MiB / 2KiB  1h1m    2s  1m58s\n"
		     "tcp    192.0.2.7:40000  198.51.100.1:443  fin_wait  eth0 > eth1  none  "
		     "1,234 / 66  1.5MiB / 2KiB  1h1m    2s  1m58s\n"
		     "tcp    192.0.2.7:40000  198.51.100.1:443  fin_wait  eth0 > eth1  ?     "
		     "1,234 / 66  1.5MiB / 2KiB  1h1m    2s  1m58s\n"
		     "4 flows\n");
}

static void flows_have_backends_where_one_is_served(void **state)
{
	assert_shown("flow.list",
		     "{\"tracked\":true,\"flows\":[{" WEB "},{" WEB
		     ",\"backend\":\"web/10.0.0.10:8080\"}],\"shown\":2,\"total\":2}",
		     false,
		     "proto  source           destination       state     in > out     "
		     "backend              age  idle   left\n"
		     "tcp    192.0.2.7:40000  198.51.100.1:443  fin_wait  eth0 > eth1  "
		     "                    1h1m    2s  1m58s\n"
		     "tcp    192.0.2.7:40000  198.51.100.1:443  fin_wait  eth0 > eth1  "
		     "web/10.0.0.10:8080  1h1m    2s  1m58s\n"
		     "2 flows\n");
}

static void half_open_flow_is_dim(void **state)
{
	assert_shown("flow.list",
		     "{\"tracked\":true,\"flows\":[{" NAMES "}],\"shown\":1,\"total\":1}", true,
		     "\033[1mproto\033[0m  \033[1msource\033[0m              "
		     "\033[1mdestination\033[0m       \033[1mstate\033[0m    "
		     "\033[1min > out\033[0m  \033[1mage\033[0m  \033[1midle\033[0m  "
		     "\033[1mleft\033[0m\n"
		     "\033[2mudp\033[0m    \033[2m[2001:db8::1]:5353\033[0m  "
		     "\033[2m[2001:db8::2]:53\033[0m  \033[2mone_way\033[0m  "
		     "\033[2meth0 >\033[0m     \033[2m0s\033[0m    \033[2m0s\033[0m   "
		     "\033[2m30s\033[0m\n"
		     "\033[2m1 flow\033[0m\n");
}

static void list_that_is_cut_says_how_to_see_more(void **state)
{
	assert_shown("flow.list",
		     "{\"tracked\":true,\"flows\":[{" NAMES "}],\"shown\":1000,\"total\":12345}",
		     false,
		     "proto  source              destination       state    in > out  age  idle  "
		     "left\n"
		     "udp    [2001:db8::1]:5353  [2001:db8::2]:53  one_way  eth0 >     0s    0s  "
		     " 30s\n"
		     "1,000 of 12,345 flows; --limit shows more, a filter finds\n");
}

static void list_without_flows_says_so(void **state)
{
	assert_shown("flow.list", "{\"tracked\":true,\"flows\":[],\"shown\":0,\"total\":0}", false,
		     "no flows\n");
}

static void note_is_all_where_nothing_is_tracked(void **state)
{
	assert_shown("flow.list",
		     "{\"tracked\":false,\"note\":\"" NOTE
		     "\",\"flows\":[],\"shown\":0,\"total\":0}",
		     false, NOTE "\n");
	assert_shown("flow.count",
		     "{\"tracked\":false,\"note\":\"" NOTE "\",\"total\":0,\"proven\":0,"
		     "\"half_open\":0,\"capacity\":0,\"half_open_capacity\":0,"
		     "\"states\":{\"established\":0}}",
		     false, NOTE "\n");
	assert_shown("flow.flush", "{\"tracked\":false,\"note\":\"" NOTE "\",\"flushed\":0}", false,
		     NOTE "\n");
}

static void counts_are_a_table_without_zeros(void **state)
{
	assert_shown("flow.count",
		     "{\"tracked\":true,\"total\":12393,\"proven\":12345,\"half_open\":48,"
		     "\"capacity\":80000,\"places\":100000,\"half_open_capacity\":52428,"
		     "\"half_open_places\":65536,\"states\":{\"syn_sent\":48,"
		     "\"syn_received\":0,\"established\":12345}}",
		     false,
		     "state         flows\n"
		     "syn_sent         48\n"
		     "established  12,345\n"
		     "\n"
		     "proven       12,345  of 100,000, 12.3%\n"
		     "half-open        48  of 65,536, under 0.1%\n"
		     "total        12,393\n");
}

static void count_of_nothing_has_no_states_and_no_shares(void **state)
{
	assert_shown("flow.count",
		     "{\"tracked\":true,\"total\":0,\"proven\":0,\"half_open\":0,"
		     "\"capacity\":800,\"places\":1000,\"half_open_capacity\":400,"
		     "\"half_open_places\":500,\"states\":{\"syn_sent\":0}}",
		     false,
		     "state      flows\n"
		     "proven         0  of 1,000\n"
		     "half-open      0  of 500\n"
		     "total          0\n");
}

static void full_table_is_a_hundred_percent(void **state)
{
	assert_shown("flow.count",
		     "{\"tracked\":true,\"total\":1000,\"proven\":1000,\"half_open\":0,"
		     "\"capacity\":800,\"places\":1000,\"half_open_capacity\":400,"
		     "\"half_open_places\":500,\"states\":{\"stream\":1000}}",
		     false,
		     "state      flows\n"
		     "stream     1,000\n"
		     "\n"
		     "proven     1,000  of 1,000, 100.0%\n"
		     "half-open      0  of 500\n"
		     "total      1,000\n");
}

static void shown_association_has_the_tags_of_both_sides(void **state)
{
	assert_shown("flow.show",
		     "{\"tracked\":true,\"flows\":[{" WEB
		     ",\"initiator\":{\"tag\":11259375},\"responder\":{\"tag\":4123456789}}],"
		     "\"shown\":1,\"total\":1}",
		     false,
		     "tcp 192.0.2.7:40000 > 198.51.100.1:443\n"
		     "  state      fin_wait (closing), proven\n"
		     "  in > out   eth0 > eth1\n"
		     "  age        1h1m\n"
		     "  idle       2s\n"
		     "  left       1m58s\n"
		     "  flags      answered; picked up: its beginning was not seen\n"
		     "  rule       1200\n"
		     "  mark       0xff\n"
		     "  initiator  verification tag 0x00abcdef\n"
		     "  responder  verification tag 0xf5c6f515\n"
		     "\n"
		     "1 flow\n");
}

static void shown_flow_is_a_block_of_all_that_is_known(void **state)
{
	assert_shown("flow.show",
		     "{\"tracked\":true,\"flows\":[{" WEB ",\"backend\":\"web/"
		     "10.0.0.10:8080\",\"initiator\":{\"end\":4123456789,\"max_end\":4123522325,"
		     "\"max_window\":"
		     "65536,\"scale\":7},\"responder\":{\"end\":12,\"max_end\":77,\"max_window\":"
		     "64,\"scale\":0}},{" PING "}],\"shown\":2,\"total\":2}",
		     false,
		     "tcp 192.0.2.7:40000 > 198.51.100.1:443\n"
		     "  state      fin_wait (closing), proven\n"
		     "  in > out   eth0 > eth1\n"
		     "  backend    web/10.0.0.10:8080\n"
		     "  age        1h1m\n"
		     "  idle       2s\n"
		     "  left       1m58s\n"
		     "  flags      answered; picked up: its beginning was not seen\n"
		     "  rule       1200\n"
		     "  mark       0xff\n"
		     "  initiator  sent to 4123456789, room to 4123522325, largest window 65,536, "
		     "scale 7\n"
		     "  responder  sent to 12, room to 77, largest window 64, scale 0\n"
		     "\n"
		     "icmpv6 2001:db8::1 > 2001:db8::2\n"
		     "  state     echo, half-open\n"
		     "  ICMP      requests of type 128, identifier 7001\n"
		     "  in > out  > eth0\n"
		     "  age       1s\n"
		     "  idle      1s\n"
		     "  left      29s\n"
		     "  flags     not answered; granted: passes where no rule speaks\n"
		     "\n"
		     "2 flows\n");
}

static void shown_flows_that_are_cut_say_how_to_see_others(void **state)
{
	assert_shown("flow.show",
		     "{\"tracked\":true,\"flows\":[{" NAMES "}],\"shown\":20,\"total\":25}", false,
		     "udp [2001:db8::1]:5353 > [2001:db8::2]:53\n"
		     "  state     one_way, half-open\n"
		     "  in > out  eth0 >\n"
		     "  age       0s\n"
		     "  idle      0s\n"
		     "  left      30s\n"
		     "  flags     not answered\n"
		     "\n"
		     "20 of 25 flows; a narrower filter finds others\n");
}

static void flush_is_one_line(void **state)
{
	assert_shown("flow.flush", "{\"tracked\":true,\"flushed\":1}", false, "1 flow forgotten\n");
	assert_shown("flow.flush", "{\"tracked\":true,\"flushed\":2000}", false,
		     "2,000 flows forgotten\n");
}

static void status_has_a_line_on_connections(void **state)
{
	assert_shown("status",
		     "{\"version\":\"0.1.0\",\"pid\":1,\"revision\":1,\"interfaces\":[],"
		     "\"conntrack\":{\"on\":true,\"flows\":1277,\"capacity\":1024,\"places\":1280,"
		     "\"half_open\":12,\"half_open_capacity\":52428,"
		     "\"half_open_places\":65536,\"new\":5,\"refused\":0,"
		     "\"displaced\":0,\"invalid\":3}}",
		     false,
		     "weir 0.1.0  revision 1  running 0s (pid 1)\n"
		     "\n"
		     "Interfaces\n"
		     "none; add one with 'weir interface attach NAME'\n"
		     "\n"
		     "conntrack  on  1,277 of 1,280 flows  12 of 65,536 half-open  refused 0 "
		     "displaced 0 invalid 3\n");
}

static void status_says_where_connections_are_not_tracked(void **state)
{
	assert_shown("status",
		     "{\"version\":\"0.1.0\",\"pid\":1,\"revision\":1,\"interfaces\":[],"
		     "\"conntrack\":{\"on\":false,\"flows\":0,\"capacity\":0,\"half_open\":0,"
		     "\"half_open_capacity\":0}}",
		     false,
		     "weir 0.1.0  revision 1  running 0s (pid 1)\n"
		     "\n"
		     "Interfaces\n"
		     "none; add one with 'weir interface attach NAME'\n"
		     "\n"
		     "conntrack  off\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(flows_are_a_table_with_a_count),
		cmocka_unit_test(flow_that_is_counted_has_packets_and_bytes_of_either_side),
		cmocka_unit_test(flows_have_vlans_where_one_came_by_a_tag),
		cmocka_unit_test(flows_have_backends_where_one_is_served),
		cmocka_unit_test(half_open_flow_is_dim),
		cmocka_unit_test(list_that_is_cut_says_how_to_see_more),
		cmocka_unit_test(list_without_flows_says_so),
		cmocka_unit_test(note_is_all_where_nothing_is_tracked),
		cmocka_unit_test(counts_are_a_table_without_zeros),
		cmocka_unit_test(count_of_nothing_has_no_states_and_no_shares),
		cmocka_unit_test(full_table_is_a_hundred_percent),
		cmocka_unit_test(shown_association_has_the_tags_of_both_sides),
		cmocka_unit_test(shown_flow_is_a_block_of_all_that_is_known),
		cmocka_unit_test(shown_flows_that_are_cut_say_how_to_see_others),
		cmocka_unit_test(flush_is_one_line),
		cmocka_unit_test(status_has_a_line_on_connections),
		cmocka_unit_test(status_says_where_connections_are_not_tracked),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
