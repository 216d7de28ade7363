/* SPDX-License-Identifier: Apache-2.0 */
/* A question against the bytes that scapy makes of it:
 * DNS(id=0x1234, rd=1, qd=DNSQR(qname="www.example.org", qtype="AAAA")). Answers by hand. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "features/balance/health_dns.h"

#define LABEL_63 "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"

static int ask(const char *name, enum health_record record, struct weir_buf *message)
{
	return health_dns_ask(name, record, 0x1234, message);
}

static void question_is_what_scapy_makes_of_it(void **state)
{
	static const char wanted[] = "\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00"
				     "\x03www\x07"
				     "example\x03org\x00\x00\x1c\x00\x01";
	_cleanup_buf_ struct weir_buf message = { 0 }, dotted = { 0 };

	(void)state;
	assert_int_equal(ask("www.example.org", HEALTH_AAAA, &message), 0);
	assert_int_equal(message.len, sizeof(wanted) - 1);
	assert_memory_equal(message.data, wanted, message.len);
	assert_int_equal(ask("www.example.org.", HEALTH_AAAA, &dotted), 0);
	assert_int_equal(dotted.len, message.len);
}

static void question_about_the_root_has_no_labels(void **state)
{
	_cleanup_buf_ struct weir_buf message = { 0 };

	(void)state;
	assert_int_equal(ask(".", HEALTH_NS, &message), 0);
	assert_int_equal(message.len, 12 + 1 + 4);
	assert_memory_equal(message.data + 12, "\x00\x00\x02\x00\x01", 5);
}

static void question_without_a_name_is_refused(void **state)
{
	static const char *const wrong[] = {
		"",   "a..b",		".a",
		"..", LABEL_63 "a.org", LABEL_63 "." LABEL_63 "." LABEL_63 "." LABEL_63
	};

	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		_cleanup_buf_ struct weir_buf message = { 0 };

		assert_int_equal(ask(wrong[i], HEALTH_A, &message), -EINVAL);
	}
	_cleanup_buf_ struct weir_buf message = { 0 };

	assert_int_equal(ask(LABEL_63 "." LABEL_63 "." LABEL_63, HEALTH_A, &message), 0);
}

static void answer_is_judged_by_its_code(void **state)
{
	static const struct {
		const char *head, *reason;
		enum health_result result;
	} answers[] = {
		{ "\x12\x34\x85\x80", "NOERROR", HEALTH_OK },
		{ "\x12\x34\x81\x83", "NXDOMAIN", HEALTH_FAILED },
		{ "\x12\x34\x81\x02", "SERVFAIL", HEALTH_FAILED },
		{ "\x12\x34\x81\x05", "REFUSED", HEALTH_FAILED },
		{ "\x12\x34\x81\x09", "answered with code 9", HEALTH_FAILED },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(answers) / sizeof(answers[0]); i++) {
		char message[12] = { 0 }, reason[HEALTH_REASON_TEXT] = "";

		memcpy(message, answers[i].head, 4);
		assert_int_equal(health_dns_judge(0x1234, message, sizeof(message), reason),
				 answers[i].result);
		assert_string_equal(reason, answers[i].reason);
	}
}

static void answer_to_something_else_is_passed_over(void **state)
{
	char reason[HEALTH_REASON_TEXT] = "";

	(void)state;
	assert_int_equal(health_dns_judge(0x1234, "\x12\x35\x85\x80\0\0\0\0\0\0\0\0", 12, reason),
			 HEALTH_PENDING);
	assert_int_equal(health_dns_judge(0x1234, "\x12\x34\x05\x80\0\0\0\0\0\0\0\0", 12, reason),
			 HEALTH_PENDING);
	assert_int_equal(health_dns_judge(0x1234, "\x12\x34\x85\x80\0\0\0\0\0\0\0", 11, reason),
			 HEALTH_PENDING);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(question_is_what_scapy_makes_of_it),
		cmocka_unit_test(question_about_the_root_has_no_labels),
		cmocka_unit_test(question_without_a_name_is_refused),
		cmocka_unit_test(answer_is_judged_by_its_code),
		cmocka_unit_test(answer_to_something_else_is_passed_over),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
