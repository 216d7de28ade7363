/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tests of lines of FTP. Lines and what they mean are from RFC 959, RFC 1123 and RFC 2428, the
 * ports worked out by hand: p1 * 256 + p2.
 */
#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/addr.h"
#include "features/conntrack/conntrack_ftp.h"

#define CLIENT "132.235.1.2"
#define SERVER "2001:db8::21"

static struct weir_addr addr_of(const char *text)
{
	struct weir_addr addr;

	assert_int_equal(weir_addr_from_string(text, strlen(text), &addr), 0);
	return addr;
}

static struct conntrack_ftp_payload payload_of(enum conntrack_ftp_side side, const char *text)
{
	return (struct conntrack_ftp_payload){
		.bytes = text,
		.len = strlen(text),
		.side = side,
		.sender = addr_of(side == CONNTRACK_FTP_CLIENT ? CLIENT : SERVER),
	};
}

/* All that a payload says: "KIND ADDR PORT", with " foreign", or "KIND refused"; one a line. */
static const char *said(const struct conntrack_ftp_payload *payload)
{
	static const char *const kinds[] = { "PORT", "EPRT", "227", "229" };
	static char text[1024];
	struct conntrack_ftp_offer offer = { 0 };
	size_t offset = 0, len = 0;
	enum conntrack_ftp_found found;

	text[0] = '\0';
	while ((found = conntrack_ftp_next(payload, &offset, &offer)) != CONNTRACK_FTP_NOTHING) {
		char addr[WEIR_ADDR_TEXT];
		const char *between = len ? "\n" : "";

		assert_int_equal(found == CONNTRACK_FTP_REFUSED, offer.why != NULL);
		if (offer.why)
			len += (size_t)snprintf(text + len, sizeof(text) - len, "%s%s refused",
						between, kinds[offer.kind]);
		else
			len += (size_t)snprintf(text + len, sizeof(text) - len, "%s%s %s %u%s",
						between, kinds[offer.kind],
						weir_addr_to_string(&offer.addr, addr),
						ntohs(offer.port),
						offer.is_foreign ? " foreign" : "");
		assert_true(len < sizeof(text));
	}
	return text;
}

static const char *client_said(const char *text)
{
	struct conntrack_ftp_payload payload = payload_of(CONNTRACK_FTP_CLIENT, text);

	return said(&payload);
}

static const char *server_said(const char *text)
{
	struct conntrack_ftp_payload payload = payload_of(CONNTRACK_FTP_SERVER, text);

	return said(&payload);
}

static const char *why_of(enum conntrack_ftp_side side, const char *text)
{
	struct conntrack_ftp_payload payload = payload_of(side, text);
	struct conntrack_ftp_offer offer = { 0 };
	size_t offset = 0;

	assert_int_equal(conntrack_ftp_next(&payload, &offset, &offer), CONNTRACK_FTP_REFUSED);
	return offer.why;
}

static void port_is_read(void **state)
{
	/* 24 * 256 + 131 = 6275 */
	assert_string_equal(client_said("PORT 132,235,1,2,24,131\r\n"), "PORT 132.235.1.2 6275");
	assert_string_equal(client_said("PORT 132,235,1,2,255,255\r\n"), "PORT 132.235.1.2 65535");
	assert_string_equal(client_said("PORT 132,235,1,2,4,0\r\n"), "PORT 132.235.1.2 1024");
}

static void commands_are_of_either_case_and_any_spaces(void **state)
{
	assert_string_equal(client_said("port 132,235,1,2,24,131\r\n"), "PORT 132.235.1.2 6275");
	assert_string_equal(client_said("PoRt   132,235,1,2,24,131  \r\n"),
			    "PORT 132.235.1.2 6275");
	assert_string_equal(client_said("PORT 132,235,1,2,24,131\n"), "PORT 132.235.1.2 6275");
	assert_string_equal(client_said("eprt |1|132.235.1.2|6275|\r\n"), "EPRT 132.235.1.2 6275");
}

static void leading_zeros_are_decimal(void **state)
{
	assert_string_equal(client_said("PORT 132,235,001,002,024,131\r\n"),
			    "PORT 132.235.1.2 6275");
}

static void port_of_another_shape_is_refused(void **state)
{
	static const char *const lines[] = {
		"PORT \r\n",
		"PORT 132,235,1,2,24\r\n",
		"PORT 132,235,1,2,24,\r\n",
		"PORT 132,235,1,2,24,131,1\r\n",
		"PORT ,132,235,1,2,24,131\r\n",
		"PORT 132,235,1,2,24,131x\r\n",
		"PORT 132,235,1,2,,131\r\n",
		"PORT 132.235.1.2,24,131\r\n",
		"PORT (132,235,1,2,24,131)\r\n",
		"PORT 132, 235,1,2,24,131\r\n",
		"PORT -132,235,1,2,24,131\r\n",
		"PORT 0x84,235,1,2,24,131\r\n",
	};

	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++)
		assert_string_equal(client_said(lines[i]), "PORT refused");
}

static void numbers_past_255_are_refused(void **state)
{
	const char *why = "a number is past 255";

	assert_string_equal(why_of(CONNTRACK_FTP_CLIENT, "PORT 256,235,1,2,24,131\r\n"), why);
	assert_string_equal(why_of(CONNTRACK_FTP_CLIENT, "PORT 132,235,1,2,256,131\r\n"), why);
	assert_string_equal(why_of(CONNTRACK_FTP_CLIENT, "PORT 132,235,1,2,24,256\r\n"), why);
	/* 2^32 + 24 */
	assert_string_equal(why_of(CONNTRACK_FTP_CLIENT, "PORT 132,235,1,2,4294967320,131\r\n"),
			    why);
	assert_string_equal(why_of(CONNTRACK_FTP_SERVER, "227 ok (10,0,0,999,24,131)\r\n"), why);
}

static void port_0_is_refused(void **state)
{
	const char *why = "port 0 is none";

	assert_string_equal(why_of(CONNTRACK_FTP_CLIENT, "PORT 132,235,1,2,0,0\r\n"), why);
	assert_string_equal(why_of(CONNTRACK_FTP_CLIENT, "EPRT |1|132.235.1.2|0|\r\n"), why);
	assert_string_equal(why_of(CONNTRACK_FTP_SERVER, "227 ok (10,0,0,1,0,0)\r\n"), why);
	assert_string_equal(why_of(CONNTRACK_FTP_SERVER, "229 ok (|||0|)\r\n"), why);
}

static void port_below_1024_is_a_bounce_of_a_client_alone(void **state)
{
	/* 3 * 256 + 255 = 1023 */
	assert_non_null(strstr(why_of(CONNTRACK_FTP_CLIENT, "PORT 132,235,1,2,3,255\r\n"),
			       "bounce attack"));
	assert_non_null(strstr(why_of(CONNTRACK_FTP_CLIENT, "EPRT |1|132.235.1.2|25|\r\n"),
			       "bounce attack"));
	assert_string_equal(server_said("227 ok (10,0,0,1,0,20)\r\n"), "227 10.0.0.1 20 foreign");
	assert_string_equal(server_said("229 ok (|||20|)\r\n"), "229 2001:db8::21 20");
}

static void address_of_another_is_told(void **state)
{
	assert_string_equal(client_said("PORT 132,235,1,3,24,131\r\n"),
			    "PORT 132.235.1.3 6275 foreign");
	assert_string_equal(client_said("EPRT |1|10.0.0.1|6275|\r\n"),
			    "EPRT 10.0.0.1 6275 foreign");
}

/* The two lines of RFC 2428, section 2. */
static void eprt_is_read_of_both_families(void **state)
{
	assert_string_equal(client_said("EPRT |1|132.235.1.2|6275|\r\n"), "EPRT 132.235.1.2 6275");
	assert_string_equal(client_said("EPRT |2|1080::8:800:200C:417A|5282|\r\n"),
			    "EPRT 1080::8:800:200c:417a 5282 foreign");
}

static void eprt_takes_any_printable_delimiter(void **state)
{
	assert_string_equal(client_said("EPRT !1!132.235.1.2!6275!\r\n"), "EPRT 132.235.1.2 6275");
	assert_string_equal(client_said("EPRT ~1~132.235.1.2~6275~\r\n"), "EPRT 132.235.1.2 6275");
	assert_string_equal(client_said("EPRT x1x132.235.1.2x6275x\r\n"), "EPRT 132.235.1.2 6275");
	assert_string_equal(client_said("EPRT \x7f"
					"1\x7f"
					"132.235.1.2\x7f"
					"6275\x7f\r\n"),
			    "EPRT refused");
	assert_string_equal(client_said("EPRT \xff"
					"1\xff"
					"132.235.1.2\xff"
					"6275\xff\r\n"),
			    "EPRT refused");
}

static void eprt_that_is_not_as_it_should_be_is_refused(void **state)
{
	static const char *const lines[] = {
		"EPRT \r\n",
		"EPRT |\r\n",
		"EPRT |1|132.235.1.2|6275\r\n",
		"EPRT |1|132.235.1.2|6275|x\r\n",
		"EPRT |1|132.235.1.2|6275|1|\r\n",
		"EPRT |1|132.235.1.2|65536|\r\n",
		"EPRT |1|132.235.1.2|4294973571|\r\n", /* 2^32 + 6275 */
		"EPRT |1|132.235.1.2| 6275|\r\n",
		"EPRT |1|132.235.1.2|+6275|\r\n",
		"EPRT |1|132.235.1.2||\r\n",
		"EPRT |1||6275|\r\n",
		"EPRT ||132.235.1.2|6275|\r\n",
		"EPRT |3|132.235.1.2|6275|\r\n",
		"EPRT |257|132.235.1.2|6275|\r\n",
		"EPRT |1|1080::8|6275|\r\n",
		"EPRT |2|132.235.1.2|6275|\r\n",
		"EPRT |2|::ffff:132.235.1.2|6275|\r\n", /* no address of the wire */
		"EPRT |2|fe80::1%eth0|6275|\r\n",
		"EPRT |1|132.235.1|6275|\r\n",
		"EPRT |1|132.235.1.256|6275|\r\n",
		"EPRT 1111111111\r\n",
	};

	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++)
		assert_string_equal(client_said(lines[i]), "EPRT refused");
}

static void passive_reply_is_read_however_it_is_written(void **state)
{
	static const char *const lines[] = {
		"227 Entering Passive Mode (132,235,1,2,24,131)\r\n",
		"227 Entering Passive Mode (132,235,1,2,24,131).\r\n",
		"227 Entering Passive Mode 132,235,1,2,24,131\r\n",
		"227 132,235,1,2,24,131\r\n",
		"227 =132,235,1,2,24,131\r\n",
		"227 server 2.0 at 12:30, passive (132,235,1,2,24,131)\r\n",
		"227 1,2,3 and (132,235,1,2,24,131)\r\n",
		"227 Mode passif \xe9t\xe9 (132,235,1,2,24,131)\r\n",
	};

	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++)
		assert_string_equal(server_said(lines[i]), "227 132.235.1.2 6275 foreign");
}

static void passive_reply_without_six_numbers_is_refused(void **state)
{
	assert_string_equal(server_said("227 Entering Passive Mode\r\n"), "227 refused");
	assert_string_equal(server_said("227 Mode (132,235,1,2,24)\r\n"), "227 refused");
	assert_string_equal(server_said("227 Mode (132,235,1,2,24,131,7)\r\n"), "227 refused");
	assert_string_equal(server_said("227 \r\n"), "227 refused");
}

static void passive_reply_of_the_sender_is_not_foreign(void **state)
{
	struct conntrack_ftp_payload payload = payload_of(
		CONNTRACK_FTP_SERVER, "227 Entering Passive Mode (132,235,1,2,24,131)\r\n");

	payload.sender = addr_of("132.235.1.2");
	assert_string_equal(said(&payload), "227 132.235.1.2 6275");
}

/* The line of RFC 2428, section 3. */
static void extended_passive_reply_is_the_senders_own(void **state)
{
	assert_string_equal(server_said("229 Entering Extended Passive Mode (|||6446|)\r\n"),
			    "229 2001:db8::21 6446");
	assert_string_equal(server_said("229 (!!!6446!)\r\n"), "229 2001:db8::21 6446");
	assert_string_equal(server_said("229 ok (|||65535|) go on\r\n"), "229 2001:db8::21 65535");
}

static void extended_passive_reply_of_another_shape_is_refused(void **state)
{
	static const char *const lines[] = {
		"229 Entering Extended Passive Mode\r\n",
		"229 |||6446|\r\n",
		"229 (\r\n",
		"229 (|||6446\r\n",
		"229 (|||6446|\r\n",
		"229 (||6446|)\r\n",
		"229 (|||65536|)\r\n",
		"229 (||| 6446|)\r\n",
		"229 (||||)\r\n",
		"229 (|1|10.0.0.1|6446|)\r\n",
		"229 (||10.0.0.1|6446|)\r\n",
		"229 (   6446 )\r\n",
	};

	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++)
		assert_string_equal(server_said(lines[i]), "229 refused");
}

static void other_lines_say_nothing(void **state)
{
	static const char *const lines[] = {
		"",
		"\r\n",
		"\n\n\n",
		"USER anonymous\r\n",
		"PORTAL 132,235,1,2,24,131\r\n",
		"PORT\r\n",
		" PORT 132,235,1,2,24,131\r\n",
		"RETR PORT 132,235,1,2,24,131\r\n",
		"227-Entering Passive Mode (132,235,1,2,24,131)\r\n",
		"2270 (132,235,1,2,24,131)\r\n",
		"500 227 (132,235,1,2,24,131)\r\n",
		"220 ready\r\n",
	};

	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		assert_string_equal(client_said(lines[i]), "");
		assert_string_equal(server_said(lines[i]), "");
	}
}

static void each_side_has_its_own_lines(void **state)
{
	assert_string_equal(server_said("PORT 132,235,1,2,24,131\r\n"), "");
	assert_string_equal(server_said("EPRT |1|132.235.1.2|6275|\r\n"), "");
	assert_string_equal(client_said("227 ok (132,235,1,2,24,131)\r\n"), "");
	assert_string_equal(client_said("229 ok (|||6446|)\r\n"), "");
}

static void every_line_of_a_segment_is_read(void **state)
{
	assert_string_equal(client_said("TYPE I\r\nPORT 132,235,1,2,24,131\r\nPORT 1,2\r\n"
					"NOOP\nEPRT |1|132.235.1.2|6276|\nRETR x\r\n"),
			    "PORT 132.235.1.2 6275\nPORT refused\nEPRT 132.235.1.2 6276");
}

static void line_without_its_end_says_nothing(void **state)
{
	const char *line = "PORT 132,235,1,2,24,131\r\n";
	struct conntrack_ftp_payload payload = payload_of(CONNTRACK_FTP_CLIENT, line);

	/* On the heap and not a byte longer, so that the sanitizers see a read past the end. */
	for (size_t len = 0; len < strlen(line); len++) {
		char *cut = malloc(len ? len : 1);

		assert_non_null(cut);
		memcpy(cut, line, len);
		payload.bytes = cut;
		payload.len = len;
		assert_string_equal(said(&payload), "");
		free(cut);
	}
	assert_string_equal(server_said("227 ok (132,235,1,2,24,131)"), "");
	assert_string_equal(client_said("NOOP\r\nPORT 132,235,1,2,24,13"), "");
}

static void no_bytes_say_nothing(void **state)
{
	struct conntrack_ftp_payload payload = payload_of(CONNTRACK_FTP_SERVER, "");

	payload.bytes = NULL;
	assert_string_equal(said(&payload), "");
}

static void zero_bytes_end_nothing(void **state)
{
	static const char bytes[] =
		"NOOP\0\r\nPORT 132,235,1,2,24,131\r\nPORT 132,235,1,2\0,24,131\n";
	struct conntrack_ftp_payload payload = payload_of(CONNTRACK_FTP_CLIENT, "");

	payload.bytes = bytes;
	payload.len = sizeof(bytes) - 1;
	assert_string_equal(said(&payload), "PORT 132.235.1.2 6275\nPORT refused");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(port_is_read),
		cmocka_unit_test(commands_are_of_either_case_and_any_spaces),
		cmocka_unit_test(leading_zeros_are_decimal),
		cmocka_unit_test(port_of_another_shape_is_refused),
		cmocka_unit_test(numbers_past_255_are_refused),
		cmocka_unit_test(port_0_is_refused),
		cmocka_unit_test(port_below_1024_is_a_bounce_of_a_client_alone),
		cmocka_unit_test(address_of_another_is_told),
		cmocka_unit_test(eprt_is_read_of_both_families),
		cmocka_unit_test(eprt_takes_any_printable_delimiter),
		cmocka_unit_test(eprt_that_is_not_as_it_should_be_is_refused),
		cmocka_unit_test(passive_reply_is_read_however_it_is_written),
		cmocka_unit_test(passive_reply_without_six_numbers_is_refused),
		cmocka_unit_test(passive_reply_of_the_sender_is_not_foreign),
		cmocka_unit_test(extended_passive_reply_is_the_senders_own),
		cmocka_unit_test(extended_passive_reply_of_another_shape_is_refused),
		cmocka_unit_test(other_lines_say_nothing),
		cmocka_unit_test(each_side_has_its_own_lines),
		cmocka_unit_test(every_line_of_a_segment_is_read),
		cmocka_unit_test(line_without_its_end_says_nothing),
		cmocka_unit_test(no_bytes_say_nothing),
		cmocka_unit_test(zero_bytes_end_nothing),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
