/* SPDX-License-Identifier: Apache-2.0 */
/* Lines in, packets and refusals out. */
#include "cli/expect.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void read_all(const char *text, struct weir_expectations *ret)
{
	_cleanup_diag_ struct weir_diag diag = { 0 };

	assert_int_equal(weir_expectations_read(text, strlen(text), "f", &diag, ret), 0);
	assert_int_equal(diag.count, 0);
}

/* The one problem of the text, as it is printed. */
static void assert_refused(const char *text, const char *said)
{
	_cleanup_diag_ struct weir_diag diag = { 0 };
	_cleanup_expectations_ struct weir_expectations none = { 0 };
	_cleanup_buf_ struct weir_buf shown = { 0 };

	assert_int_equal(weir_expectations_read(text, strlen(text), "f", &diag, &none), -EINVAL);
	weir_diag_format(&diag, &shown);
	assert_string_equal(weir_buf_str(&shown), said);
	assert_null(none.rows);
}

static void assert_query(const char *text, const char *query)
{
	_cleanup_expectations_ struct weir_expectations got = { 0 };

	read_all(text, &got);
	assert_int_equal(got.count, 1);
	assert_string_equal(got.rows[0].query, query);
}

static void line_becomes_the_arguments_of_explain(void **state)
{
	assert_query("tcp 10.0.0.1:5 > 10.0.0.2:22 is denied by ssh-guard",
		     "src=10.0.0.1&sport=5&dst=10.0.0.2&dport=22&proto=tcp");
	assert_query("tcp [2001:db8::1]:5 > [2001:db8::2]:443 flags syn,ack in eth0 is allowed",
		     "src=2001%3Adb8%3A%3A1&sport=5&dst=2001%3Adb8%3A%3A2&dport=443&proto=tcp"
		     "&tcp-flags=syn%2Cack&interface=eth0&direction=ingress");
	assert_query("udp 10.0.0.1:53 > 10.0.0.2:1024 out eth1 is allowed by policy",
		     "src=10.0.0.1&sport=53&dst=10.0.0.2&dport=1024&proto=udp&interface=eth1"
		     "&direction=egress");
	assert_query("icmp 10.0.0.1 > 10.0.0.2 type 8 code 0 is rejected",
		     "src=10.0.0.1&dst=10.0.0.2&proto=icmp&icmp-type=8&icmp-code=0");
	assert_query("47 10.0.0.1 > 10.0.0.2 fragment later length 600 vlan 5 dscp ef ttl 3 is "
		     "denied",
		     "src=10.0.0.1&dst=10.0.0.2&proto=47&fragment=later&length=600&vlan=5&dscp=ef"
		     "&ttl=3");
	assert_query("udp 2001:db8::1 > [2001:db8::2] is denied",
		     "src=2001%3Adb8%3A%3A1&dst=2001%3Adb8%3A%3A2&proto=udp");
}

static void line_becomes_a_packet(void **state)
{
	_cleanup_expectations_ struct weir_expectations got = { 0 };

	read_all("47 10.0.0.1 > 10.0.0.2 fragment first length 600 vlan 5 dscp ef ttl 3 out ppp0 "
		 "is rejected by no-tunnels\n"
		 "tcp 10.0.0.1:5 > 10.0.0.2:65535 flags fin,psh is allowed\n"
		 "icmp ::1 > ::2 type echo-reply is denied\n",
		 &got);
	assert_int_equal(got.count, 3);
	const struct weir_expectation *row = &got.rows[0];
	assert_int_equal(row->spec.proto, 47);
	assert_int_equal(row->spec.fragment, WEIR_FRAGMENT_FIRST);
	assert_int_equal(row->spec.length, 600);
	assert_int_equal(row->spec.vlan, 5);
	assert_int_equal(row->spec.dscp, 46);
	assert_int_equal(row->spec.ttl, 3);
	assert_int_equal(row->direction, WEIR_EGRESS);
	assert_string_equal(row->interface, "ppp0");
	assert_int_equal(row->outcome, WEIR_REJECTED);
	assert_string_equal(row->by, "no-tunnels");
	row = &got.rows[1];
	assert_int_equal(row->spec.sport, 5);
	assert_int_equal(row->spec.dport, 65535);
	assert_int_equal(row->spec.tcp_flags, 0x09);
	assert_int_equal(row->spec.ttl, 64);
	assert_int_equal(row->direction, WEIR_INGRESS);
	assert_int_equal(row->outcome, WEIR_ALLOWED);
	assert_string_equal(row->by, "");
	assert_int_equal(got.rows[2].spec.proto, 58);
	assert_int_equal(got.rows[2].spec.icmp_type, 129);
	assert_int_equal(got.rows[2].outcome, WEIR_DENIED);
}

static void remarks_and_blanks_are_passed_over(void **state)
{
	_cleanup_expectations_ struct weir_expectations got = { 0 };

	read_all("\xef\xbb\xbf# all of them\r\n\r\n \t\r\n"
		 "\ttcp 10.0.0.1 >\t10.0.0.2  is denied   # by hand\r\n"
		 "gre 10.0.0.1 > 10.0.0.2 is allowed by a#b",
		 &got);
	assert_int_equal(got.count, 2);
	assert_int_equal(got.rows[0].line, 4);
	assert_string_equal(got.rows[0].text, "tcp 10.0.0.1 >\t10.0.0.2  is denied");
	assert_int_equal(got.rows[1].line, 5);
	assert_string_equal(got.rows[1].by, "a#b");
}

static void empty_file_has_no_expectations(void **state)
{
	_cleanup_expectations_ struct weir_expectations got = { 0 };

	read_all("", &got);
	read_all("\n# nothing\n", &got);
	assert_int_equal(got.count, 0);
}

#define EXAMPLE "write it like: tcp 192.0.2.1:5 > 192.0.2.2:22 in eth0 is denied by NAME\n"

static void what_is_missing_is_named_where_it_should_stand(void **state)
{
	assert_refused("tcp", "f:1:4: a source address is missing; " EXAMPLE);
	assert_refused("\ntcp 10.0.0.1", "f:2:13: '>' is missing; " EXAMPLE);
	assert_refused("tcp 10.0.0.1 >", "f:1:15: a destination address is missing; " EXAMPLE);
	assert_refused("tcp 10.0.0.1 > 10.0.0.2 # is denied",
		       "f:1:25: the word 'is' is missing; " EXAMPLE);
	assert_refused("tcp 10.0.0.1 > 10.0.0.2 is",
		       "f:1:27: allowed, denied or rejected is missing; " EXAMPLE);
	assert_refused(
		"tcp 10.0.0.1 > 10.0.0.2 is denied by",
		"f:1:37: the name of a rule or list, a reason or 'policy' is missing; " EXAMPLE);
	assert_refused("tcp 10.0.0.1 > 10.0.0.2 ttl",
		       "f:1:28: what follows 'ttl' is missing; " EXAMPLE);
}

static void what_is_wrong_is_pointed_at(void **state)
{
	assert_refused("tpc 10.0.0.1 > 10.0.0.2 is denied",
		       "f:1:1: 'tpc' is not a protocol; write tcp, udp, icmp, icmpv6, sctp, gre, "
		       "esp, ah, udplite, dccp, igmp, ospf, vrrp or a number to 255\n");
	assert_refused("tcp 10.0.0.256 > 10.0.0.2 is denied",
		       "f:1:5: '10.0.0.256' is not an address; write one address, v4 or v6\n");
	assert_refused("tcp 10.0.0.1:70000 > 10.0.0.2 is denied",
		       "f:1:14: '70000' is not a port; write 0 to 65535\n");
	assert_refused("tcp [2001:db8::1]:x > 10.0.0.2 is denied",
		       "f:1:19: 'x' is not a port; write 0 to 65535\n");
	assert_refused("tcp 10.0.0.1 - 10.0.0.2 is denied",
		       "f:1:14: '-' stands where '>' and the destination should; " EXAMPLE);
	assert_refused("tcp 10.0.0.1 > 10.0.0.2 flgs syn is denied",
		       "f:1:25: 'flgs' is not a word that may stand before 'is'; "
		       "did you mean 'flags'?\n");
	assert_refused("tcp 10.0.0.1 > 10.0.0.2 is dropped",
		       "f:1:28: 'dropped' is not what can be expected; "
		       "write one of: allowed, denied, rejected\n");
	assert_refused(
		"tcp 10.0.0.1 > 10.0.0.2 is denied for x",
		"f:1:35: 'for' stands after what is expected; write 'by NAME', or nothing\n");
	assert_refused("tcp 10.0.0.1 > 10.0.0.2 is denied by x y",
		       "f:1:40: 'y' stands after the end; "
		       "write it on a line of its own, or after '#'\n");
	assert_refused("tcp 10.0.0.1 > 10.0.0.2 in an-interface-too is denied",
		       "f:1:28: an interface's name has 15 characters at most; "
		       "write the name of an interface\n");
	assert_refused("tcp 10.0.0.1 > 10.0.0.2 \x1b[2J is denied",
		       "f:1:25: a control character; take it out\n");
}

static void what_no_packet_can_have_is_pointed_at(void **state)
{
	assert_refused("tcp 10.0.0.1 > ::1 is denied",
		       "f:1:16: src and dst are of different families; "
		       "write both as v4 or both as v6\n");
	assert_refused("gre 10.0.0.1:7 > 10.0.0.2 is denied",
		       "f:1:14: this protocol has no ports; leave it out\n");
	assert_refused("udp 10.0.0.1 > 10.0.0.2 ttl 9 flags syn is denied",
		       "f:1:37: only TCP has flags; leave it out, or write tcp as the protocol\n");
	assert_refused("tcp 10.0.0.1 > 10.0.0.2 length 39 is denied",
		       "f:1:32: 39 bytes are fewer than the headers of such a packet; "
		       "write 40 to 2034\n");
	assert_refused("tcp 10.0.0.1 > 10.0.0.2 length 9000 vlan 5 is denied",
		       "f:1:32: 9000 bytes are more than a packet can be tried with; "
		       "write 40 to 2030\n");
}

static void what_is_given_twice_is_refused(void **state)
{
	assert_refused("tcp 10.0.0.1 > 10.0.0.2 ttl 3 ttl 3 is denied",
		       "f:1:35: this was given already at column 29; leave one out\n");
	assert_refused("tcp 10.0.0.1 > 10.0.0.2 in a out b is denied",
		       "f:1:34: this was given already at column 28; leave one out\n");
}

static void each_bad_line_is_told(void **state)
{
	assert_refused("tcp x > 10.0.0.2 is denied\n"
		       "tcp 10.0.0.1 > 10.0.0.2 is denied\n"
		       "tcp 10.0.0.1 > y is denied\n",
		       "f:1:5: 'x' is not an address; write one address, v4 or v6\n"
		       "f:3:16: 'y' is not an address; write one address, v4 or v6\n");
}

static void word_that_is_too_long_is_refused(void **state)
{
	char text[300];

	memset(text, 'a', sizeof(text));
	memcpy(text, "tcp ", 4);
	text[sizeof(text) - 1] = '\0';
	assert_refused(text, "f:1:5: a word of 295 characters, 63 are the most; " EXAMPLE);
}

static void zero_byte_is_refused(void **state)
{
	static const char text[] = "tcp\0 10.0.0.1 > 10.0.0.2 is denied";
	_cleanup_diag_ struct weir_diag diag = { 0 };
	_cleanup_expectations_ struct weir_expectations none = { 0 };

	assert_int_equal(weir_expectations_read(text, sizeof(text) - 1, "f", &diag, &none),
			 -EINVAL);
	assert_int_equal(diag.entries[0].column, 4);
}

/* xorshift64 (Marsaglia 2003). */
static uint64_t random_next(uint64_t *seed)
{
	*seed ^= *seed << 13;
	*seed ^= *seed >> 7;
	*seed ^= *seed << 17;
	return *seed;
}

/* Swaps some bytes for others that mean something to the grammar. */
static void text_spoil(char *text, size_t len, uint64_t *seed)
{
	static const char bytes[] = " \t\r\n#:>[].,019afis\0\xff\x1b-";

	for (uint64_t n = random_next(seed) % 6; n; n--)
		text[random_next(seed) % len] = bytes[random_next(seed) % sizeof(bytes)];
}

/* `text` is on the heap and has no NUL behind it, so that a byte read too many is seen by ASan. */
static void assert_sound(const char *text, size_t len)
{
	_cleanup_diag_ struct weir_diag diag = { 0 };
	_cleanup_expectations_ struct weir_expectations got = { 0 };
	int r = weir_expectations_read(text, len, "f", &diag, &got);

	assert_true(r == 0 || r == -EINVAL);
	assert_int_equal(r == 0, diag.errors == 0);
	for (size_t i = 0; i < diag.count; i++) {
		assert_true(diag.entries[i].line > 0 && diag.entries[i].column > 0);
		assert_true(diag.entries[i].column <= len + 1);
		assert_non_null(diag.entries[i].mend);
	}
	for (size_t i = 0; i < got.count; i++) {
		unsigned char frame[WEIR_FRAME_BYTES];

		assert_non_null(got.rows[i].query);
		assert_in_range(weir_frame_build(&got.rows[i].spec, frame), 34, WEIR_FRAME_BYTES);
	}
}

static void spoilt_text_is_read_or_refused_with_its_place(void **state)
{
	static const char seed_text[] =
		"tcp [2001:db8::1]:5 > [2001:db8::2]:443 flags syn,ack in eth0 is allowed\n"
		"47 10.0.0.1 > 10.0.0.2 fragment later length 600 vlan 5 dscp ef is denied by a # "
		"b\n"
		"icmp 10.0.0.1 > 10.0.0.2 type 8 code 0 ttl 1 out eth1 is rejected";
	size_t len = sizeof(seed_text) - 1;
	uint64_t seed = 88172645463325252ull;
	char *text = malloc(len);

	assert_non_null(text);
	for (int i = 0; i < 20000; i++) {
		memcpy(text, seed_text, len);
		text_spoil(text, len, &seed);
		assert_sound(text, len);
	}
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(line_becomes_the_arguments_of_explain),
		cmocka_unit_test(line_becomes_a_packet),
		cmocka_unit_test(remarks_and_blanks_are_passed_over),
		cmocka_unit_test(empty_file_has_no_expectations),
		cmocka_unit_test(what_is_missing_is_named_where_it_should_stand),
		cmocka_unit_test(what_is_wrong_is_pointed_at),
		cmocka_unit_test(what_no_packet_can_have_is_pointed_at),
		cmocka_unit_test(what_is_given_twice_is_refused),
		cmocka_unit_test(each_bad_line_is_told),
		cmocka_unit_test(word_that_is_too_long_is_refused),
		cmocka_unit_test(zero_byte_is_refused),
		cmocka_unit_test(spoilt_text_is_read_or_refused_with_its_place),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
