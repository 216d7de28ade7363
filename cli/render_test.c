/* SPDX-License-Identifier: Apache-2.0 */
/* Fixed answers and the exact text they become. */
#include "cli/render.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

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

static void generic_object_is_keys_and_values(void **state)
{
	assert_shown("new.thing",
		     "{\"name\":\"eth0\",\"uptime_s\":3700,\"used_bytes\":2048,\"pid\":12345,"
		     "\"packets\":1234567,\"on\":true}",
		     false,
		     "name        eth0\n"
		     "uptime      1h1m\n"
		     "used bytes  2KiB\n"
		     "pid         12345\n"
		     "packets     1,234,567\n"
		     "on          yes\n");
}

static void generic_array_of_objects_is_a_table(void **state)
{
	assert_shown("new.thing",
		     "{\"total\":2,\"rows\":[{\"name\":\"a\",\"packets\":5},{\"name\":\"long\","
		     "\"packets\":1000,"
		     "\"note\":\"x\"}]}",
		     false,
		     "total  2\n"
		     "\n"
		     "rows\n"
		     "  name  packets  note\n"
		     "  a           5\n"
		     "  long    1,000  x\n");
}

static void generic_nested_object_is_indented(void **state)
{
	assert_shown("new.thing", "{\"a\":1,\"b\":{\"c\":\"x\",\"d\":{\"e\":2}}}", false,
		     "a  1\n"
		     "\n"
		     "b\n"
		     "  c  x\n"
		     "  d\n"
		     "    e  2\n");
}

static void control_characters_become_visible(void **state)
{
	assert_shown("new.thing", "{\"note\":\"\\u001b[2Jx\\n\"}", false, "note  \\x1b[2Jx\\x0a\n");
}

static void entries_are_a_table_with_a_count(void **state)
{
	assert_shown("block.list",
		     "{\"entries\":[{\"entry\":\"192.0.2.0/"
		     "24\",\"list\":\"runtime-deny\",\"origin\":\"runtime\","
		     "\"note\":\"scan\",\"ttl_s\":598,\"hits\":{\"packets\":12345,\"bytes\":1}},"
		     "{\"entry\":\"2001:db8::1\",\"list\":\"spam\",\"origin\":\"file\"}],\"total\":"
		     "5000,\"shown\":2}",
		     false,
		     "entry         list          origin    left    hits  note\n"
		     "192.0.2.0/24  runtime-deny  runtime  9m58s  12,345  scan\n"
		     "2001:db8::1   spam          file\n"
		     "2 of 5,000 entries; --limit and --offset show others, --match finds\n");
}

static void entry_that_was_added_is_one_line(void **state)
{
	assert_shown("block.add",
		     "{\"entry\":\"192.0.2.1\",\"list\":\"runtime-deny\",\"action\":\"deny\","
		     "\"result\":\"added\",\"until\":\"2031-05-01T12:30:00Z\",\"ttl_s\":600,"
		     "\"revision\":2}",
		     false, "192.0.2.1 is now in deny list runtime-deny for 10m, revision 2\n");
	assert_shown("allow.add",
		     "{\"entry\":\"192.0.2.1\",\"list\":\"runtime-allow\",\"action\":\"allow\","
		     "\"result\":\"unchanged\",\"until\":null,\"revision\":2}",
		     false, "192.0.2.1 unchanged in allow list runtime-allow, revision 2\n");
}

static void entry_that_was_removed_is_one_line(void **state)
{
	assert_shown("block.del", "{\"entry\":\"192.0.2.1\",\"removed\":1,\"revision\":4}", false,
		     "192.0.2.1 is out again, revision 4\n");
	assert_shown("block.clear", "{\"removed\":1200,\"lists\":2,\"revision\":5}", false,
		     "1,200 entries removed, revision 5\n");
}

static void no_entries_are_said_to_be_none(void **state)
{
	assert_shown("allow.list", "{\"entries\":[],\"total\":0,\"shown\":0}", false,
		     "no entries\n");
}

static void import_is_one_line(void **state)
{
	assert_shown("block.import",
		     "{\"list\":\"spamhaus\",\"read\":1000000,\"added\":999812,\"replaced\":0,"
		     "\"duplicates\":188,"
		     "\"entries_v4\":900000,\"entries_v6\":99812,\"revision\":12,\"ms\":610}",
		     false,
		     "999,812 entries in list spamhaus (999,812 new, 188 duplicates) live in 0.61 "
		     "s, revision 12\n");
}

static void import_of_one_known_entry_has_singulars(void **state)
{
	assert_shown("allow.import",
		     "{\"list\":\"a\",\"read\":2,\"added\":0,\"duplicates\":1,\"entries_v4\":1,"
		     "\"entries_v6\":0,"
		     "\"revision\":3,\"ms\":4}",
		     false, "1 entry in list a (1 duplicate) live in 4 ms, revision 3\n");
}

static void explain_names_packet_list_and_entry(void **state)
{
	assert_shown(
		"explain",
		"{\"verdict\":\"drop\",\"reason\":\"drop_blocked\",\"help\":\"on a deny list\","
		"\"stage\":\"block\",\"list\":\"spam\",\"entry\":\"192.0.2.0/24\",\"revision\":7,"
		"\"direction\":\"ingress\",\"program_id\":99,\"packet\":{\"src\":\"192.0.2.1\","
		"\"dst\":\"198.51.100.1\",\"proto\":6,\"sport\":1234,\"dport\":443,\"vlan\":7,"
		"\"seen\":[]}}",
		false,
		"drop  drop_blocked: on a deny list\n"
		"  packet      tcp 192.0.2.1:1234 > 198.51.100.1:443 vlan 7\n"
		"  stage       block\n"
		"  list        spam\n"
		"  entry       192.0.2.0/24\n"
		"  direction   ingress\n"
		"  revision    7\n"
		"  program id  99\n");
}

static void drop_is_red_and_pass_green(void **state)
{
	assert_shown("explain", "{\"verdict\":\"drop\",\"reason\":\"r\"}", true,
		     "\033[31mdrop\033[0m  r\n");
	assert_shown("explain", "{\"verdict\":\"pass\",\"reason\":\"r\"}", true,
		     "\033[32mpass\033[0m  r\n");
}

static void event_is_one_line(void **state)
{
	assert_shown("events",
		     "{\"events\":[{\"time\":\"2031-05-01T12:30:00Z\",\"kind\":\"drop\",\"reason\":"
		     "\"drop_blocked\","
		     "\"interface\":\"eth0\",\"direction\":\"ingress\",\"src\":\"2001:db8::1\","
		     "\"dst\":\"2001:db8::2\","
		     "\"proto\":17,\"sport\":53,\"dport\":9999,\"len\":120,\"revision\":4,\"list\":"
		     "\"spam\","
		     "\"action\":\"deny\",\"entry\":\"2001:db8::/64\"}]}",
		     false,
		     "12:30:00 drop eth0 in  udp [2001:db8::1]:53 > [2001:db8::2]:9999 len 120  "
		     "drop_blocked"
		     "  list spam (2001:db8::/64)\n");
}

static void event_of_an_interface_says_what_happened(void **state)
{
	assert_shown("events",
		     "{\"events\":[{\"time\":\"2031-05-01T12:30:00Z\",\"kind\":\"interface\","
		     "\"what\":\"attached\","
		     "\"interface\":\"eth0\",\"detail\":\"tcx\",\"extra\":5}]}",
		     false, "12:30:00 interface eth0  attached: tcx  extra=5\n");
}

static void diff_has_signs(void **state)
{
	assert_shown("diff",
		     "{\"changed\":true,\"changes\":[{\"op\":\"add\",\"key\":\"block.lists[0]\","
		     "\"to\":\"x\"},"
		     "{\"op\":\"remove\",\"key\":\"interfaces[1]\",\"from\":\"eth1\"},"
		     "{\"op\":\"change\",\"key\":\"memory\",\"from\":\"1MiB\",\"to\":\"2MiB\"},\"+ "
		     "line\"]}",
		     false,
		     "+ block.lists[0]: x\n"
		     "- interfaces[1]: eth1\n"
		     "~ memory: 1MiB -> 2MiB\n"
		     "+ line\n");
}

static void diff_shows_what_an_added_mapping_holds(void **state)
{
	assert_shown("diff",
		     "{\"changed\":true,\"changes\":[{\"op\":\"add\",\"key\":\"block\",\"to\":"
		     "{\"live\":\"16\",\"lists\":[{\"name\":\"a\",\"action\":\"deny\",\"entries\":"
		     "[\"1\",\"2\",\"3\",\"4\",\"5\",\"6\"]},{\"name\":\"b\\u001b[31m\"}]}}]}",
		     false,
		     "+ block:\n"
		     "    live: 16\n"
		     "    lists:\n"
		     "      - name: a\n"
		     "        action: deny\n"
		     "        entries: 1, 2, 3, 4 and 2 more\n"
		     "      - name: b\\x1b[31m\n");
}

static void diff_without_changes_says_so(void **state)
{
	assert_shown("diff", "{\"changed\":false,\"changes\":[]}", false, "no difference\n");
	assert_shown("diff", "{\"changed\":true,\"changes\":[]}", false,
		     "only the text differs, not what it means\n");
}

static void apply_tells_changes_and_revision(void **state)
{
	assert_shown("apply",
		     "{\"revision\":13,\"changed\":true,\"ms\":120,\"changes\":[\"list a: 3 "
		     "entries more\"]}",
		     false, "list a: 3 entries more\nrevision 13 live in 0.12 s\n");
	assert_shown("apply", "{\"revision\":13,\"changed\":false}", false,
		     "nothing to change; revision 13 stays\n");
}

static void reload_tells_what_became_of_program_and_flows(void **state)
{
	assert_shown(
		"reload",
		"{\"revision\":7,\"changed\":true,\"ms\":1204,\"program\":\"replaced\","
		"\"steps_ms\":{\"compile\":0.767,\"load\":401.9,\"stage\":0.2,\"switch\":0.973,"
		"\"settle\":612.4},\"state\":{\"moved\":12345,\"dropped\":0}}",
		false,
		"revision 7 live in 1.20 s: program replaced (load 0.40 s, switch 1 ms, "
		"12,345 flows moved in 0.61 s, none dropped)\n");
	assert_shown("reload",
		     "{\"revision\":8,\"changed\":true,\"ms\":600,\"program\":\"replaced\","
		     "\"steps_ms\":{\"load\":300,\"switch\":12,\"settle\":250},"
		     "\"state\":{\"moved\":1,\"dropped\":2500}}",
		     false,
		     "revision 8 live in 0.60 s: program replaced (load 0.30 s, switch 0.01 s, "
		     "1 flow moved in 0.25 s, 2,500 dropped)\n");
}

static void reload_tells_of_flows_when_tracking_begins_or_ends(void **state)
{
	assert_shown("reload",
		     "{\"revision\":7,\"changed\":true,\"ms\":600,\"program\":\"replaced\","
		     "\"steps_ms\":{\"load\":300,\"switch\":12,\"settle\":1},"
		     "\"state\":{\"moved\":0,\"dropped\":0,\"forgotten\":6,\"adopted\":0}}",
		     false,
		     "revision 7 live in 0.60 s: program replaced (load 0.30 s, switch 0.01 s, "
		     "6 flows forgotten, nothing is tracked now)\n");
	assert_shown("reload",
		     "{\"revision\":8,\"changed\":true,\"ms\":600,\"program\":\"replaced\","
		     "\"steps_ms\":{\"load\":300,\"switch\":12,\"settle\":1},"
		     "\"state\":{\"moved\":0,\"dropped\":0,\"forgotten\":0,\"adopted\":1}}",
		     false,
		     "revision 8 live in 0.60 s: program replaced (load 0.30 s, switch 0.01 s, "
		     "1 connection taken over from the kernel)\n");
}

static void reload_of_the_same_tables_tells_of_no_flows(void **state)
{
	assert_shown("reload",
		     "{\"revision\":7,\"changed\":true,\"ms\":310,\"program\":\"replaced\","
		     "\"steps_ms\":{\"load\":300,\"switch\":1}}",
		     false,
		     "revision 7 live in 0.31 s: program replaced (load 0.30 s, switch 1 ms)\n");
	assert_shown("reload",
		     "{\"revision\":7,\"changed\":true,\"ms\":2,\"program\":\"kept\","
		     "\"steps_ms\":{\"compile\":1.5}}",
		     false, "revision 7 live in 2 ms\n");
	assert_shown("reload", "{\"revision\":7,\"changed\":false,\"program\":\"kept\"}", false,
		     "nothing to change; revision 7 stays\n");
}

static void preview_is_what_would_be_cut(void **state)
{
	assert_shown(
		"apply",
		"{\"cut\":[{\"proto\":\"tcp\",\"peer\":\"2001:db8::7\",\"peer_port\":50000,"
		"\"forwarded\":false,\"local\":\"2001:db8::1\",\"local_port\":22,"
		"\"interface\":\"eth0\",\"reason\":\"drop_policy\",\"program\":\"sshd\"},"
		"{\"proto\":\"udp\",\"peer\":\"192.0.2.7\",\"peer_port\":9,"
		"\"forwarded\":true,\"local\":\"10.0.0.1\",\"local_port\":53,"
		"\"interface\":\"eth1\",\"reason\":\"drop_policy\"}],"
		"\"closed_ports\":[{\"proto\":\"tcp\",\"local\":\"0.0.0.0\",\"local_port\":80,"
		"\"reason\":\"drop_policy\",\"program\":\"nginx\"}],\"looked_at\":9}",
		false,
		"Would be cut\n"
		"  proto  peer                 local             interface  program      reason\n"
		"  tcp    [2001:db8::7]:50000  [2001:db8::1]:22  eth0       sshd         "
		"drop_policy\n"
		"  udp    192.0.2.7:9          10.0.0.1:53       eth1       (forwarded)  "
		"drop_policy\n"
		"\n"
		"Strangers would no longer reach\n"
		"  proto  local       program  reason\n"
		"  tcp    0.0.0.0:80  nginx    drop_policy\n");
	assert_shown("apply", "{\"cut\":[],\"closed_ports\":[],\"looked_at\":1}", false,
		     "no live connection would be cut, of 1 connection and port\n");
}

static void apply_on_trial_tells_how_long(void **state)
{
	assert_shown("apply",
		     "{\"revision\":13,\"changed\":true,\"ms\":610,\"confirm\":{\"until\":"
		     "\"2031-05-01T12:30:00Z\",\"within_s\":90,\"seconds_left\":90}}",
		     false,
		     "revision 13 live in 0.61 s\n"
		     "on trial: rolled back in 1m30s unless 'weir confirm' comes before\n");
	assert_shown("confirm", "{\"revision\":13,\"confirmed\":true}", false,
		     "revision 13 stays\n");
}

static void config_is_shown_as_it_stands(void **state)
{
	assert_shown("config.show", "{\"text\":\"a: 1\\n# \\u00fc\"}", false, "a: 1\n# \xc3\xbc\n");
}

static void status_shows_interfaces_lists_and_reasons(void **state)
{
	assert_shown("status",
		     "{\"version\":\"0.1.0\",\"pid\":77,\"uptime_s\":90,\"revision\":5,\"config_"
		     "file\":\"/etc/weir/weir.yaml\","
		     "\"policy\":{\"bytes\":1048576,\"limit_bytes\":268435456},"
		     "\"interfaces\":[{\"name\":\"eth0\",\"attached\":true,\"mode\":\"xdp "
		     "native\",\"egress\":\"off\","
		     "\"why\":\"the driver has "
		     "it\",\"ingress_counts\":{\"pass_packets\":1000,\"drop_packets\":20},"
		     "\"egress_counts\":{\"pass_packets\":1,\"drop_packets\":0}}],"
		     "\"reasons\":[{\"reason\":\"pass_policy\",\"verdict\":\"pass\",\"help\":"
		     "\"nobody spoke\",\"packets\":1001,"
		     "\"bytes\":64000},{\"reason\":\"drop_blocked\",\"verdict\":\"drop\",\"help\":"
		     "\"deny list\",\"packets\":20,"
		     "\"bytes\":1434},{\"reason\":\"pass_arp\",\"verdict\":\"pass\",\"help\":\"\","
		     "\"packets\":0,\"bytes\":0}],"
		     "\"events\":{\"drop\":{\"sent\":20,\"capped\":1,\"lost\":0}},"
		     "\"block_lists\":[{\"name\":\"spam\",\"action\":\"deny\",\"origin\":\"file\","
		     "\"v4\":1000,\"v6\":7,\"hits\":{\"packets\":20,\"bytes\":1280}},"
		     "{\"name\":\"work\",\"action\":\"set\",\"origin\":\"file\","
		     "\"v4\":2,\"v6\":0,\"hits\":null}],"
		     "\"block_live\":{\"entries\":3,\"capacity\":65536},\"flow\":{\"active\":12}}",
		     false,
		     "weir 0.1.0  revision 5  running 1m30s (pid 77)\n"
		     "policy 1MiB of 256MiB  from /etc/weir/weir.yaml\n"
		     "\n"
		     "Interfaces\n"
		     "interface  hook        egress  passed  dropped  why\n"
		     "eth0       xdp native  off      1,001       20  the driver has it\n"
		     "\n"
		     "Lists\n"
		     "list  action   IPv4  IPv6  hits  origin  note\n"
		     "spam  deny    1,000     7    20  file\n"
		     "work  set         2     0        file\n"
		     "3 of 65,536 places of the live set in use\n"
		     "\n"
		     "flow\n"
		     "active  12\n"
		     "\n"
		     "Packets\n"
		     "reason        packets    bytes\n"
		     "pass_policy     1,001  62.5KiB  nobody spoke\n"
		     "drop_blocked       20   1.4KiB  deny list\n"
		     "\n"
		     "Events\n"
		     "drop: 20 told, 1 over the rate, 0 lost\n");
}

static void status_counts_rules_and_tells_default_policies(void **state)
{
	assert_shown(
		"status",
		"{\"version\":\"0.1.0\",\"revision\":1,\"interfaces\":[],\"rules\":{\"file\":1,"
		"\"runtime\":2,\"acting\":3,\"most\":10000,\"policy\":[{\"interface\":\"eth*\","
		"\"ingress\":\"deny\",\"egress\":\"allow\"}]}}",
		false,
		"weir 0.1.0  revision 1  no daemon; the data path filters on\n\nInterfaces\n"
		"none; add one with 'weir interface attach NAME'\n\nRules\n1 rule of the file, 2 "
		"of run time; 3 of at most 10,000 act\n"
		"default on eth*: ingress deny, egress allow\n");
	(void)state;
}

static void interfaces_have_rates_once_they_are_known(void **state)
{
	assert_shown("interface.list",
		     "{\"interfaces\":[{\"name\":\"eth0\",\"attached\":true,\"mode\":\"tcx\","
		     "\"egress\":\"off\",\"why\":\"asked for\",\"ingress_counts\":"
		     "{\"pass_packets\":5,\"drop_packets\":1},\"device\":{\"rx_bytes\":9,"
		     "\"rx_bytes_per_s\":2047.6,\"tx_bytes_per_s\":0}},"
		     "{\"name\":\"eth1\",\"attached\":false,\"mode\":\"detached\","
		     "\"egress\":\"off\",\"why\":\"there is no such device\"}]}",
		     false,
		     "interface  hook      egress  passed  dropped      in   out  why\n"
		     "eth0       tcx       off          5        1  2KiB/s  0B/s  asked for\n"
		     "eth1       detached  off          0        0                "
		     "there is no such device\n");
}

static void what_is_a_second_is_no_time(void **state)
{
	assert_shown("service.stats",
		     "{\"rows\":[{\"name\":\"web\",\"new_per_s\":48,\"in_bytes_per_s\":3900,"
		     "\"wait_s\":90}]}",
		     false,
		     "rows\n"
		     "  name  new per s  in bytes per s   wait\n"
		     "  web          48          3.8KiB  1m30s\n");
}

static void where_there_are_no_services_is_said_how_to_add_one(void **state)
{
	static const char add[] =
		"no services; add one with 'weir service add NAME --address ADDRESS --port PORT "
		"--backend ADDRESS[:PORT]'\n";

	assert_shown("service.list", "{\"services\":[],\"backends\":[]}", false, add);
	assert_shown("service.stats", "{\"services\":[],\"backends\":[]}", false, add);
	assert_shown("service.list",
		     "{\"services\":[],\"backends\":[],\"do_not_act\":[{\"name\":\"web\"}]}", false,
		     "services  none\n"
		     "backends  none\n"
		     "\n"
		     "do not act\n"
		     "  name\n"
		     "  web\n");
	assert_shown("service.backend.list", "{\"backends\":[]}", false,
		     "no backends; add one with 'weir service backend add SERVICE "
		     "ADDRESS[:PORT]'\n");
	assert_shown("service.health", "{\"backends\":[]}", false,
		     "no backend is checked; 'weir service set NAME --health TYPE' checks those of "
		     "a service of run time, `health` in weir.yaml those of others\n");
}

static void a_clock_of_programs_is_not_shown_and_durations_are(void **state)
{
	assert_shown("new.thing",
		     "{\"born_ns\":4026531840000,\"as_of_ns\":5,\"duration_ns\":1500000000,"
		     "\"rows\":[{\"name\":\"a\",\"born_ns\":7}]}",
		     false,
		     "duration  1s500ms\n"
		     "\n"
		     "rows\n"
		     "  name\n"
		     "  a\n");
}

static void status_without_interfaces_says_what_to_do(void **state)
{
	assert_shown("status", "{\"version\":\"0.1.0\",\"revision\":1,\"interfaces\":[]}", false,
		     "weir 0.1.0  revision 1  no daemon; the data path filters on\n"
		     "\n"
		     "Interfaces\n"
		     "none; add one with 'weir interface attach NAME'\n");
}

static void doctor_gives_the_cure_with_the_fault(void **state)
{
	assert_shown("doctor",
		     "{\"checks\":[{\"check\":\"kernel\",\"ok\":true,\"level\":\"error\",\"found\":"
		     "\"6.12\"},"
		     "{\"check\":\"JIT\",\"ok\":false,\"level\":\"warning\",\"found\":\"off\","
		     "\"mend\":\"turn it on\"},"
		     "{\"check\":\"bpffs\",\"ok\":false,\"level\":\"error\",\"found\":\"missing\","
		     "\"mend\":\"mount it\"}]}",
		     false,
		     "ok    kernel: 6.12\n"
		     "warn  JIT: off\n"
		     "      turn it on\n"
		     "FAULT bpffs: missing\n"
		     "      mount it\n"
		     "\n"
		     "1 fault stands in the way; each says what mends it\n");
}

static void replay_shows_reasons_and_sources(void **state)
{
	assert_shown("replay",
		     "{\"packets\":3,\"bytes\":300,\"duration_ms\":2000,\"took_ms\":0,\"cut_"
		     "short\":1,\"reasons\":"
		     "[{\"reason\":\"drop_blocked\",\"verdict\":\"drop\",\"help\":\"h\","
		     "\"packets\":3,\"bytes\":300}],"
		     "\"sources\":[{\"source\":\"192.0.2.1\",\"passed\":0,\"dropped\":2,\"bytes\":"
		     "200}],\"source_count\":2}",
		     false,
		     "3 packets, 300B, 2s of traffic; 1 captured only in part\n"
		     "\n"
		     "How they end\n"
		     "reason        packets  bytes\n"
		     "drop_blocked        3   300B  h\n"
		     "\n"
		     "Sources\n"
		     "source     passed  dropped  bytes\n"
		     "192.0.2.1       0        2   200B\n"
		     "and 1 more\n");
}

static void expectations_tell_what_failed_and_sum_up(void **state)
{
	assert_shown("rule.test",
		     "{\"file\":\"e.txt\",\"failures\":["
		     "{\"line\":3,\"text\":\"tcp a > b is denied by guard\",\"expected\":"
		     "{\"outcome\":\"denied\",\"by\":\"guard\"},\"found\":{\"outcome\":"
		     "\"allowed\",\"reason\":\"pass_allowed\",\"list\":\"office\"}},"
		     "{\"line\":4,\"text\":\"t4\",\"expected\":{\"outcome\":\"allowed\"},"
		     "\"found\":{\"outcome\":\"rejected\",\"reason\":\"drop_reject\","
		     "\"rule\":{\"name\":null,\"id\":12},\"list\":\"office\"}},"
		     "{\"line\":5,\"text\":\"t5\",\"expected\":{\"outcome\":\"allowed\"},"
		     "\"found\":{\"outcome\":\"denied\",\"reason\":\"drop_rule\","
		     "\"rule\":{\"name\":\"guard\",\"id\":1}}},"
		     "{\"line\":9,\"text\":\"t9\",\"expected\":{\"outcome\":\"allowed\"},"
		     "\"error\":\"eth9 is not watched\"}],\"passed\":1,\"failed\":4}",
		     false,
		     "e.txt:3: expected denied by guard, found allowed by office (pass_allowed)\n"
		     "    tcp a > b is denied by guard\n"
		     "e.txt:4: expected allowed, found rejected by rule 12 (drop_reject)\n"
		     "    t4\n"
		     "e.txt:5: expected allowed, found denied by guard (drop_rule)\n"
		     "    t5\n"
		     "e.txt:9: expected allowed, but cannot be asked: eth9 is not watched\n"
		     "    t9\n"
		     "1 passed, 4 failed\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(generic_object_is_keys_and_values),
		cmocka_unit_test(generic_array_of_objects_is_a_table),
		cmocka_unit_test(generic_nested_object_is_indented),
		cmocka_unit_test(control_characters_become_visible),
		cmocka_unit_test(entries_are_a_table_with_a_count),
		cmocka_unit_test(entry_that_was_added_is_one_line),
		cmocka_unit_test(entry_that_was_removed_is_one_line),
		cmocka_unit_test(no_entries_are_said_to_be_none),
		cmocka_unit_test(import_is_one_line),
		cmocka_unit_test(import_of_one_known_entry_has_singulars),
		cmocka_unit_test(explain_names_packet_list_and_entry),
		cmocka_unit_test(drop_is_red_and_pass_green),
		cmocka_unit_test(event_is_one_line),
		cmocka_unit_test(event_of_an_interface_says_what_happened),
		cmocka_unit_test(diff_has_signs),
		cmocka_unit_test(diff_shows_what_an_added_mapping_holds),
		cmocka_unit_test(diff_without_changes_says_so),
		cmocka_unit_test(apply_tells_changes_and_revision),
		cmocka_unit_test(reload_tells_what_became_of_program_and_flows),
		cmocka_unit_test(reload_tells_of_flows_when_tracking_begins_or_ends),
		cmocka_unit_test(reload_of_the_same_tables_tells_of_no_flows),
		cmocka_unit_test(preview_is_what_would_be_cut),
		cmocka_unit_test(apply_on_trial_tells_how_long),
		cmocka_unit_test(config_is_shown_as_it_stands),
		cmocka_unit_test(status_shows_interfaces_lists_and_reasons),
		cmocka_unit_test(status_counts_rules_and_tells_default_policies),
		cmocka_unit_test(interfaces_have_rates_once_they_are_known),
		cmocka_unit_test(what_is_a_second_is_no_time),
		cmocka_unit_test(where_there_are_no_services_is_said_how_to_add_one),
		cmocka_unit_test(a_clock_of_programs_is_not_shown_and_durations_are),
		cmocka_unit_test(status_without_interfaces_says_what_to_do),
		cmocka_unit_test(doctor_gives_the_cure_with_the_fault),
		cmocka_unit_test(replay_shows_reasons_and_sources),
		cmocka_unit_test(expectations_tell_what_failed_and_sum_up),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
