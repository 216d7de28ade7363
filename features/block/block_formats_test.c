/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Each format read and written, by literal examples. How faults read to a user is in
 * tests/golden/lists.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/clock.h"
#include "features/block/block_formats.h"

/* 2030-01-01T00:00:00Z */
#define NOW_NS (1893456000ull * WEIR_NS_PER_S)

static const struct block_now now = { .real_ns = NOW_NS, .monotonic_ns = 1000 * WEIR_NS_PER_S };

static int read_as(const char *text, enum block_format format, struct weir_diag *diag,
		   struct block_import *import)
{
	struct block_import_options options = { .format = format, .now = now };
	return block_import_read(text, strlen(text), &options, diag, import);
}

/* Entries of the set as the text export writes them. */
static void assert_reads(const char *text, enum block_format expected_format, const char *expected)
{
	_cleanup_import_ struct block_import import = { 0 };
	_cleanup_diag_ struct weir_diag diag = { 0 };
	_cleanup_buf_ struct weir_buf written = { 0 };
	_cleanup_list_ struct block_list *list =
		block_list_new("x", BLOCK_DENY, BLOCK_FROM_RUNTIME);
	assert_int_equal(read_as(text, BLOCK_FORMAT_AUTO, &diag, &import), 0);
	assert_int_equal(import.format, expected_format);
	list->set = import.set;
	import.set = (struct block_set){ 0 };
	const struct block_list *lists[] = { list };
	block_export_write(lists, 1, BLOCK_FORMAT_TEXT, &now, &written);
	assert_string_equal(weir_buf_str(&written) + strlen("# deny list x\n"), expected);
}

static void assert_fault(const char *text, enum block_format format, unsigned line, unsigned column,
			 const char *what)
{
	_cleanup_import_ struct block_import import = { 0 };
	_cleanup_diag_ struct weir_diag diag = { 0 };
	assert_int_equal(read_as(text, format, &diag, &import), -EINVAL);
	assert_int_equal(diag.count, 1);
	assert_int_equal(diag.entries[0].line, line);
	assert_int_equal(diag.entries[0].column, column);
	assert_non_null(strstr(diag.entries[0].what, what));
	assert_non_null(diag.entries[0].mend);
}

static void text_takes_entries_remarks_and_notes(void **state)
{
	assert_reads(
		"\xef\xbb\xbf# head\r\n\r\n192.0.2.1 ; SBL1\r\n  10.0.0.0/8\t# two words "
		"\n;x\n2001:db8::/32\n"
		"192.0.2.5-192.0.2.9",
		BLOCK_FORMAT_TEXT,
		"10.0.0.0/8 # two words\n192.0.2.1 # SBL1\n192.0.2.5-192.0.2.9\n2001:db8::/32\n");
	(void)state;
}

static void text_remark_with_a_comma_is_not_csv(void **state)
{
	assert_reads("192.0.2.1 # a, b\n", BLOCK_FORMAT_TEXT, "192.0.2.1 # a, b\n");
	(void)state;
}

static void text_fault_names_line_and_column(void **state)
{
	assert_fault("192.0.2.1\n\n   192.0.2.256\n", BLOCK_FORMAT_TEXT, 3, 4, "'192.0.2.256'");
	assert_fault("192.0.2.1 junk\n", BLOCK_FORMAT_TEXT, 1, 11, "text follows");
	(void)state;
}

static void csv_header_names_the_columns(void **state)
{
	assert_reads("Comment,IP\n\"a \"\"b\"\", c\",192.0.2.1\nd,192.0.2.2\n", BLOCK_FORMAT_CSV,
		     "192.0.2.1 # a \"b\", c\n192.0.2.2 # d\n");
	(void)state;
}

static void csv_without_header_is_entry_note_lifetime(void **state)
{
	_cleanup_import_ struct block_import import = { 0 };
	_cleanup_diag_ struct weir_diag diag = { 0 };
	assert_int_equal(read_as("192.0.2.1,n,10m\n192.0.2.2,,2030-01-01T01:00:00Z\n192.0.2.3,,\n",
				 BLOCK_FORMAT_AUTO, &diag, &import),
			 0);
	assert_int_equal(block_set_count(&import.set), 1);
	assert_int_equal(import.single_count, 2);
	assert_true(import.singles[0].until_ns == NOW_NS + 600 * WEIR_NS_PER_S);
	assert_true(import.singles[0].expires_ns == 1600 * WEIR_NS_PER_S);
	assert_string_equal(import.singles[0].note, "n");
	assert_true(import.singles[1].until_ns == NOW_NS + 3600 * WEIR_NS_PER_S);
	(void)state;
}

static void csv_faults_name_line_and_column(void **state)
{
	assert_fault("entry,note\n192.0.2.1,\"open\n", BLOCK_FORMAT_CSV, 2, 11, "CSV");
	assert_fault("entry,note\n,x\n", BLOCK_FORMAT_CSV, 2, 1, "empty");
	assert_fault("entry,ttl\n192.0.2.1,soon\n", BLOCK_FORMAT_CSV, 2, 11, "lifetime");
	assert_fault("entry,ttl\n192.0.2.1,11000d\n", BLOCK_FORMAT_CSV, 2, 11, "lifetime");
	(void)state;
}

static void json_takes_strings_and_objects(void **state)
{
	static const char expected[] = "192.0.2.1 # n\n192.0.2.2\n";
	assert_reads("[\"192.0.2.2\", {\"entry\":\"192.0.2.1\",\"note\":\"n\"}]", BLOCK_FORMAT_JSON,
		     expected);
	assert_reads("{\"a\":[{\"entries\":1}],\"entries\":[\"192.0.2.2\",{\"entry\":\"192.0.2.1\","
		     "\"note\":\"n\"}]}",
		     BLOCK_FORMAT_JSON, expected);
	(void)state;
}

static void json_faults_name_the_element(void **state)
{
	assert_fault(
		"[\"192.0.2.1\",\n {\"entry\":\"192.0.2.2\",\"note\":\"a, ] b\"},\n  \"nope\"]",
		BLOCK_FORMAT_JSON, 3, 3, "'nope'");
	assert_fault("[\"192.0.2.1\",\n7]", BLOCK_FORMAT_JSON, 2, 1, "string");
	assert_fault("[\"192.0.2.1\",\n{\"entry\":\"192.0.2.2\",\"tll\":\"10m\"}]",
		     BLOCK_FORMAT_JSON, 2, 1, "'tll'");
	assert_fault("{\"x\":[1],\"entries\":[\"192.0.2.1\",\n \"x\"]}", BLOCK_FORMAT_JSON, 2, 2,
		     "'x'");
	(void)state;
}

static void netset_takes_what_ipset_saves(void **state)
{
	_cleanup_import_ struct block_import import = { 0 };
	_cleanup_diag_ struct weir_diag diag = { 0 };
	assert_int_equal(
		read_as("create bad hash:net family inet hashsize 1024 maxelem 65536\n"
			"add bad 192.0.2.0/24 packets 5 bytes 100 comment \"a b\"\n"
			"add bad 198.51.100.1 timeout 300\nadd bad 198.51.100.2 timeout 0\n",
			BLOCK_FORMAT_AUTO, &diag, &import),
		0);
	assert_int_equal(import.format, BLOCK_FORMAT_NETSET);
	assert_int_equal(block_set_count(&import.set), 2);
	assert_int_equal(import.single_count, 1);
	assert_true(import.singles[0].until_ns == NOW_NS + 300 * WEIR_NS_PER_S);
	struct block_entry entry;
	block_set_at(&import.set, BLOCK_V4, 0, &entry);
	assert_string_equal(entry.note, "a b");
	(void)state;
}

static void netset_nomatch_is_refused(void **state)
{
	assert_fault("add bad 192.0.2.0/24\nadd bad 192.0.2.1 nomatch\n", BLOCK_FORMAT_NETSET, 2,
		     19, "'nomatch'");
	(void)state;
}

static void import_counts_what_it_read(void **state)
{
	_cleanup_import_ struct block_import import = { 0 };
	_cleanup_diag_ struct weir_diag diag = { 0 };
	assert_int_equal(read_as("192.0.2.1\n192.0.2.1\n192.0.2.7/24\n", BLOCK_FORMAT_AUTO, &diag,
				 &import),
			 0);
	assert_int_equal(import.read, 3);
	assert_int_equal(import.duplicates, 1);
	assert_int_equal(import.host_bits, 1);
	(void)state;
}

static void import_expired_entries_are_left_out(void **state)
{
	_cleanup_import_ struct block_import import = { 0 };
	_cleanup_diag_ struct weir_diag diag = { 0 };
	assert_int_equal(read_as("entry,until\n192.0.2.1,2029-12-31T23:59:59Z\n", BLOCK_FORMAT_CSV,
				 &diag, &import),
			 0);
	assert_int_equal(block_set_count(&import.set) + import.single_count, 0);
	assert_int_equal(diag.count, 1);
	(void)state;
}

static void import_permanent_entry_wins_over_one_that_expires(void **state)
{
	_cleanup_import_ struct block_import import = { 0 };
	_cleanup_diag_ struct weir_diag diag = { 0 };
	assert_int_equal(
		read_as("entry,ttl\n192.0.2.1,10m\n192.0.2.1,\n192.0.2.2,10m\n192.0.2.2,20m\n",
			BLOCK_FORMAT_CSV, &diag, &import),
		0);
	assert_int_equal(block_set_count(&import.set), 1);
	assert_int_equal(import.single_count, 1);
	assert_true(import.singles[0].until_ns == NOW_NS + 1200 * WEIR_NS_PER_S);
	assert_int_equal(import.duplicates, 2);
	(void)state;
}

static void import_keeps_64_faults_and_counts_the_rest(void **state)
{
	_cleanup_import_ struct block_import import = { 0 };
	_cleanup_diag_ struct weir_diag diag = { 0 };
	_cleanup_buf_ struct weir_buf text = { 0 };
	for (int i = 0; i < 100; i++)
		weir_buf_addf(&text, "wrong%d\n", i);
	assert_int_equal(read_as(weir_buf_str(&text), BLOCK_FORMAT_TEXT, &diag, &import), -EINVAL);
	assert_int_equal(diag.count, 64);
	assert_int_equal(diag.errors, 100);
	assert_int_equal(diag.entries[63].line, 64);
	(void)state;
}

static struct block_list *sample(void)
{
	static const char *const entries[] = { "192.0.2.1", "10.0.0.1-10.0.0.2", "0.0.0.0/0",
					       "2001:db8::/32" };
	struct block_list *list = block_list_new("feed", BLOCK_DENY, BLOCK_FROM_RUNTIME);
	for (size_t i = 0; i < 4; i++) {
		struct weir_range range;
		assert_int_equal(weir_range_from_string(entries[i], strlen(entries[i]), &range,
							NULL, NULL),
				 0);
		assert_int_equal(block_set_append(&list->set, &range, "a \"b\", c", i ? 0 : 8), 0);
	}
	assert_int_equal(block_set_seal(&list->set, NULL), 0);
	struct block_single single = { .until_ns = NOW_NS + 60 * WEIR_NS_PER_S };
	assert_int_equal(weir_range_from_string("203.0.113.5", 11, &single.range, NULL, NULL), 0);
	assert_int_equal(block_list_insert_single(list, 0, &single), 0);
	return list;
}

static void assert_exports(enum block_format format, const char *expected)
{
	_cleanup_list_ struct block_list *list = sample();
	_cleanup_buf_ struct weir_buf text = { 0 };
	const struct block_list *lists[] = { list };
	block_export_write(lists, 1, format, &now, &text);
	assert_string_equal(weir_buf_str(&text), expected);
}

static void export_writes_each_format(void **state)
{
	assert_exports(BLOCK_FORMAT_TEXT,
		       "# deny list feed\n0.0.0.0/0\n10.0.0.1-10.0.0.2\n192.0.2.1 # a \"b\", c\n"
		       "203.0.113.5\n2001:db8::/32\n");
	assert_exports(BLOCK_FORMAT_CSV,
		       "entry,note,until\n0.0.0.0/0,,\n10.0.0.1-10.0.0.2,,\n"
		       "192.0.2.1,\"a \"\"b\"\", "
		       "c\",\n203.0.113.5,,2030-01-01T00:01:00Z\n2001:db8::/32,,\n");
	assert_exports(BLOCK_FORMAT_JSON,
		       "[\"0.0.0.0/0\"\n,\"10.0.0.1-10.0.0.2\"\n"
		       ",{\"entry\":\"192.0.2.1\",\"note\":\"a \\\"b\\\", c\"}\n"
		       ",{\"entry\":\"203.0.113.5\",\"until\":\"2030-01-01T00:01:00Z\"}\n"
		       ",\"2001:db8::/32\"\n]\n");
	assert_exports(BLOCK_FORMAT_NETSET, "create feed hash:net family inet maxelem 65536 "
					    "timeout 0\nadd feed 0.0.0.0/1\nadd feed 128.0.0.0/1\n"
					    "add feed 10.0.0.1/32\nadd feed 10.0.0.2/32\nadd feed "
					    "192.0.2.1/32\nadd feed 203.0.113.5/32 timeout 61\n"
					    "create feed-v6 hash:net family inet6 maxelem 65536 "
					    "timeout 0\nadd feed-v6 2001:db8::/32\n");
	(void)state;
}

static void export_is_read_back_the_same(void **state)
{
	for (enum block_format format = BLOCK_FORMAT_CSV; format <= BLOCK_FORMAT_JSON; format++) {
		_cleanup_list_ struct block_list *list = sample();
		_cleanup_buf_ struct weir_buf text = { 0 };
		_cleanup_import_ struct block_import import = { 0 };
		_cleanup_diag_ struct weir_diag diag = { 0 };
		const struct block_list *lists[] = { list };
		block_export_write(lists, 1, format, &now, &text);
		assert_int_equal(read_as(weir_buf_str(&text), BLOCK_FORMAT_AUTO, &diag, &import),
				 0);
		assert_int_equal(import.format, format);
		assert_int_equal(block_set_count_missing(&import.set, &list->set), 0);
		assert_int_equal(block_set_count_missing(&list->set, &import.set), 0);
		assert_int_equal(import.single_count, 1);
		assert_true(import.singles[0].until_ns == NOW_NS + 60 * WEIR_NS_PER_S);
	}
	(void)state;
}

static void compressed_file_is_refused_once_with_the_cure(void **state)
{
	assert_fault("\x1f\x8b\x08junk\n192.0.2.1\nmore\n", BLOCK_FORMAT_AUTO, 1, 1, "compressed");
	assert_fault("BZh91AY\nx\n", BLOCK_FORMAT_TEXT, 1, 1, "compressed");
	(void)state;
}

static void json_lifetime_of_another_type_is_refused(void **state)
{
	assert_fault("[{\"entry\":\"192.0.2.1\",\"ttl\":1.5}]", BLOCK_FORMAT_JSON, 1, 2,
		     "an entry is a string");
	(void)state;
}

static void time_of_expiry_past_what_fits_is_refused(void **state)
{
	assert_fault("entry,until\n192.0.2.1,42949672959\n", BLOCK_FORMAT_CSV, 2, 11, "expiry");
	(void)state;
}

static void assert_keeps_secret(const char *text)
{
	_cleanup_import_ struct block_import import = { 0 };
	_cleanup_diag_ struct weir_diag diag = { 0 };
	struct block_import_options options = { .file = "/etc/secret",
						.is_secret = true,
						.now = now };
	assert_int_equal(block_import_read(text, strlen(text), &options, &diag, &import), -EINVAL);
	_cleanup_buf_ struct weir_buf said = { 0 };
	weir_diag_format(&diag, &said);
	assert_non_null(strstr(weir_buf_str(&said), "/etc/secret:1"));
	assert_null(strstr(weir_buf_str(&said), "hunter2"));
}

static void fault_in_a_secret_file_does_not_quote_it(void **state)
{
	assert_keeps_secret("hunter2\n");
	assert_keeps_secret("[hunter2]");
	assert_keeps_secret("[{\"entry\":\"192.0.2.1\",\"hunter2\":1}]");
	assert_keeps_secret("[\"hunter2\"]");
	assert_keeps_secret("add x 192.0.2.1 hunter2\n");
	assert_keeps_secret("hunter2,x\n");
	assert_keeps_secret("192.0.2.1 hunter2\n");
	(void)state;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(text_takes_entries_remarks_and_notes),
		cmocka_unit_test(text_remark_with_a_comma_is_not_csv),
		cmocka_unit_test(text_fault_names_line_and_column),
		cmocka_unit_test(compressed_file_is_refused_once_with_the_cure),
		cmocka_unit_test(json_lifetime_of_another_type_is_refused),
		cmocka_unit_test(time_of_expiry_past_what_fits_is_refused),
		cmocka_unit_test(fault_in_a_secret_file_does_not_quote_it),
		cmocka_unit_test(csv_header_names_the_columns),
		cmocka_unit_test(csv_without_header_is_entry_note_lifetime),
		cmocka_unit_test(csv_faults_name_line_and_column),
		cmocka_unit_test(json_takes_strings_and_objects),
		cmocka_unit_test(json_faults_name_the_element),
		cmocka_unit_test(netset_takes_what_ipset_saves),
		cmocka_unit_test(netset_nomatch_is_refused),
		cmocka_unit_test(import_counts_what_it_read),
		cmocka_unit_test(import_expired_entries_are_left_out),
		cmocka_unit_test(import_permanent_entry_wins_over_one_that_expires),
		cmocka_unit_test(import_keeps_64_faults_and_counts_the_rest),
		cmocka_unit_test(export_writes_each_format),
		cmocka_unit_test(export_is_read_back_the_same),
	};
	return cmocka_run_group_tests_name("block_formats", tests, NULL, NULL);
}
