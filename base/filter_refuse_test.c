/* SPDX-License-Identifier: Apache-2.0 */
/* Tests of what is said of a filter that cannot be read. Columns were counted by hand. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/filter.h"

static const char *const protos[] = { "tcp", "udp", "icmp", NULL };
static const char *const states[] = { "new", "established", NULL };
static const struct weir_filter_field fields[] = {
	{ "src", "source", WEIR_FILTER_ADDRESS },
	{ "dst", "destination", WEIR_FILTER_ADDRESS },
	{ "port", "port", WEIR_FILTER_NUMBER, .max = 65535 },
	{ "proto", "protocol", WEIR_FILTER_WORD, .words = protos },
	{ "state", "state", WEIR_FILTER_WORD, .words = states },
	{ "bytes", "bytes", WEIR_FILTER_BYTES },
	{ "age", "age", WEIR_FILTER_DURATION },
	{ "name", "name", WEIR_FILTER_TEXT },
	{ "mark", "mark", WEIR_FILTER_NUMBER },
	{ NULL },
};

#define ADDRESS                                                                         \
	"write an address, a CIDR or a range, as in src=192.0.2.0/24 or src=192.0.2.1-" \
	"192.0.2.9"
#define PORT "write a number or a range, as in port=10 or port=10-20"
#define AGE "write a duration with its unit, or a range, as in age=30s or age=1m-5m"
#define BYTES "write a size or a range, as in bytes=10MB or bytes=1KiB-64KiB"
#define FIELDS "the fields are src, dst, port, proto, state, bytes, age, name, mark"

struct row {
	const char *text;
	unsigned column;
	const char *what; /* behind "column N: " */
	const char *mend;
};

static void assert_refused(const struct row *row)
{
	_cleanup_diag_ struct weir_diag diag = { 0 };
	_cleanup_buf_ struct weir_buf what = { 0 };
	struct weir_filter *filter = NULL;
	weir_buf_addf(&what, "column %u: %s", row->column, row->what);
	if (weir_filter_new(row->text, fields, &diag, &filter) != -EINVAL)
		fail_msg("'%s' is not refused", row->text);
	assert_null(filter);
	assert_int_equal(diag.count, 1);
	assert_int_equal(diag.errors, 1);
	const struct weir_diag_entry *entry = &diag.entries[0];
	if (entry->column != row->column || strcmp(entry->what, weir_buf_str(&what)) != 0 ||
	    strcmp(entry->mend, row->mend) != 0)
		fail_msg("'%s': %u: %s; %s", row->text, entry->column, entry->what, entry->mend);
	assert_string_equal(entry->key, "filter");
	assert_int_equal(entry->line, 0);
	assert_null(entry->file);
}

static void assert_all_refused(const struct row *rows, size_t count)
{
	for (size_t i = 0; i < count; i++)
		assert_refused(&rows[i]);
}

static void unknown_field_names_the_near_one(void **state)
{
	static const struct row rows[] = {
		{ "srcc=10.0.0.1", 1, "'srcc' is not a field", "did you mean 'src'?" },
		{ "port=1 and PROT=tcp", 12, "'PROT' is not a field", "did you mean 'port'?" },
		{ "porto=tcp", 1, "'porto' is not a field", "did you mean 'port'?" },
		{ "(stat=new)", 2, "'stat' is not a field", "did you mean 'state'?" },
		{ "  foo=1", 3, "'foo' is not a field", FIELDS },
		{ "a-name-that-goes-on-for-more-than-forty-bytes=1", 1,
		  "'a-name-that-goes-on-for-more-than-forty-...' is not a field", FIELDS },
		/* Cut where a letter begins: the 'é' would be the 40th byte and the 41st. */
		{ "a-name-that-goes-on-for-more-than-forty\u00e9=1", 1,
		  "'a-name-that-goes-on-for-more-than-forty...' is not a field", FIELDS },
	};
	assert_all_refused(rows, WEIR_ARRAY_SIZE(rows));
}

static void value_alone_names_its_field(void **state)
{
	static const struct row rows[] = {
		{ "tcp", 1, "'tcp' is not a field", "write proto=tcp" },
		{ "not Established", 5, "'Established' is not a field", "write state=established" },
		{ "10.0.0.0/8", 1, "'10.0.0.0/8' is not a field", "write src=10.0.0.0/8" },
		{ "2001:db8::1", 1, "'2001:db8::1' is not a field", "write src=2001:db8::1" },
		{ "443", 1, "'443' is not a field", "write port=443" },
		{ "port=80 443", 9, "'443' is not a field",
		  "write port=443, or a comma between values of one field" },
	};
	assert_all_refused(rows, WEIR_ARRAY_SIZE(rows));
}

static void missing_parts_are_told_where_they_should_be(void **state)
{
	static const struct row rows[] = {
		{ "port", 5, "an operator is missing behind 'port'", PORT },
		{ "port 80", 6, "an operator is missing behind 'port'", PORT },
		{ "port!80", 5, "an operator is missing behind 'port'", PORT },
		{ "port and proto=tcp", 6, "an operator is missing behind 'port'", PORT },
		{ "port=", 6, "the end where a value of 'port' should be", PORT },
		{ "port= ", 7, "the end where a value of 'port' should be", PORT },
		{ "(port=)", 7, "')' where a value of 'port' should be", PORT },
		{ "port=80,", 9, "the end where a value of 'port' should be", PORT },
		{ "port=80,,443", 9, "',' where a value of 'port' should be", PORT },
		{ "port= and proto=tcp", 7, "'and' where a value of 'port' should be", PORT },
		{ "port=>80", 6, "'>' where a value of 'port' should be", PORT },
		{ "port< ", 7, "the end where a value of 'port' should be",
		  "write one value, as in port<10" },
		{ "name=and", 6, "'and' where a value of 'name' should be",
		  "write a text, with * for anything, as in name=web or name=web*; "
		  "write \"and\" if that is the value" },
		{ "name=&&", 6, "'&&' where a value of 'name' should be",
		  "write a text, with * for anything, as in name=web or name=web*" },
		{ "port=80 and", 12, "the end where a field should be", ADDRESS },
		{ "port=80 or ", 12, "the end where a field should be", ADDRESS },
		{ "port=80 and or proto=tcp", 13, "'or' where a field should be", ADDRESS },
		{ "and port=80", 1, "'and' where a field should be", ADDRESS },
		{ "not", 4, "the end where a field should be", ADDRESS },
		{ "!!", 3, "the end where a field should be", ADDRESS },
		{ "=80", 1, "'=' where a field should be", ADDRESS },
		{ ",port=80", 1, "',' where a field should be", ADDRESS },
		{ "\"port\"=80", 1, "\"port\" where a field should be", ADDRESS },
	};
	assert_all_refused(rows, WEIR_ARRAY_SIZE(rows));
}

static void parentheses_must_close(void **state)
{
	static const struct row rows[] = {
		{ "(port=80", 1, "this '(' is not closed", "write ) where it ends" },
		{ "port=1 or (port=80", 11, "this '(' is not closed", "write ) where it ends" },
		{ "(port=80 and (proto=tcp)", 1, "this '(' is not closed",
		  "write ) where it ends" },
		{ "((port=80 or port=1", 2, "this '(' is not closed", "write ) where it ends" },
		{ "port=80)", 8, "this ')' closes nothing",
		  "take it out, or write ( where it begins" },
		{ "(port=80)) proto=tcp", 10, "this ')' closes nothing",
		  "take it out, or write ( where it begins" },
		{ "()", 2, "')' where a field should be", ADDRESS },
		{ "(", 2, "the end where a field should be", ADDRESS },
		{ ")", 1, "')' where a field should be", ADDRESS },
	};
	assert_all_refused(rows, WEIR_ARRAY_SIZE(rows));
}

static void what_may_not_follow_a_value_is_told(void **state)
{
	static const struct row rows[] = {
		{ "port=80=90", 8, "'=' behind a value",
		  "write 'and' or 'or', then another comparison" },
		{ "(port=80 <90)", 10, "'<' behind a value",
		  "write 'and' or 'or', then another comparison" },
		{ "port=80 'x'", 9, "'x' behind a value",
		  "write one value, or a comma between two" },
		{ "port=80 & proto=tcp", 9, "a single '&' means nothing", "write && or and" },
		{ "port=80 | proto=tcp", 9, "a single '|' means nothing", "write || or or" },
		{ "name=\"abc", 6, "the quote \" is not closed",
		  "write the same quote behind the value" },
		{ "name='abc\\' and port=80", 6, "the quote ' is not closed",
		  "write the same quote behind the value" },
		{ "name='abc\\", 6, "the quote ' is not closed",
		  "write the same quote behind the value" },
	};
	assert_all_refused(rows, WEIR_ARRAY_SIZE(rows));
}

static void order_operator_wants_one_number(void **state)
{
	static const struct row rows[] = {
		{ "state<new", 6,
		  "'<' is for numbers, sizes and durations, and 'state' is none of them",
		  "write state=new or established" },
		{ "src >= 10.0.0.1", 5,
		  "'>=' is for numbers, sizes and durations, and 'src' is none of them", ADDRESS },
		{ "name>a", 5,
		  "'>' is for numbers, sizes and durations, and 'name' is none of them",
		  "write a text, with * for anything, as in name=web or name=web*" },
		{ "port<80,443", 8, "'<' takes one value", "write a list behind = or != only" },
		{ "port<=80-90", 7, "'80-90': not a number", "write one value, as in port<=10" },
		{ "age>30", 5, "'30': not a duration", "write one value, as in age>30s" },
	};
	assert_all_refused(rows, WEIR_ARRAY_SIZE(rows));
}

static void value_of_the_wrong_type_is_told_with_an_example(void **state)
{
	static const struct row rows[] = {
		{ "port=abc", 6, "'abc': not a number", PORT },
		{ "port=80,http", 9, "'http': not a number", PORT },
		{ "port=''", 6, "'': not a number", PORT },
		{ "port=-5", 6, "'-5': not a number", PORT },
		{ "port=5-", 6, "'5-': not a number", PORT },
		{ "port=1-2-3", 6, "'1-2-3': not a number", PORT },
		{ "port=0x", 6, "'0x': not a number", PORT },
		{ "port=8*", 6, "'8*': not a number", PORT },
		{ "port=90-80", 6, "'90-80': a range goes from its lower to its higher end", PORT },
		{ "port=65536", 6, "'65536': too large, 65535 is the most", PORT },
		{ "port<65536", 6, "'65536': too large, 65535 is the most",
		  "write one value, as in port<10" },
		{ "mark=18446744073709551616", 6, "'18446744073709551616': too large",
		  "write a number or a range, as in mark=10 or mark=10-20" },
		{ "mark=0x10000000000000000", 6, "'0x10000000000000000': too large",
		  "write a number or a range, as in mark=10 or mark=10-20" },
		{ "bytes=10mb", 7, "'10mb': not a number of bytes", BYTES },
		{ "bytes=10MB-5MB", 7, "'10MB-5MB': a range goes from its lower to its higher end",
		  BYTES },
		{ "age=30", 5, "'30': not a duration", AGE },
		{ "age=40000w", 5, "'40000w': too large", AGE },
		{ "src=10.0.0.300", 5, "'10.0.0.300': not an IPv4 or IPv6 address, CIDR or range",
		  ADDRESS },
		{ "src!=10.0.0.0/33", 6, "'10.0.0.0/33': a v4 prefix length is 0 to 32", ADDRESS },
		{ "src=10.0.0.1,tcp", 14, "'tcp': not an IPv4 or IPv6 address, CIDR or range",
		  ADDRESS },
		{ "state=establishd", 7, "'establishd' is no value of 'state'",
		  "did you mean 'established'? It is new or established" },
		{ "state=\"ESTABLISHD\"", 7, "\"ESTABLISHD\" is no value of 'state'",
		  "did you mean 'established'? It is new or established" },
		{ "state='nev'", 7, "'nev' is no value of 'state'",
		  "did you mean 'new'? It is new or established" },
		{ "proto=new", 7, "'new' is no value of 'proto'", "write proto=tcp, udp or icmp" },
		{ "proto=", 7, "the end where a value of 'proto' should be",
		  "write proto=tcp, udp or icmp" },
	};
	assert_all_refused(rows, WEIR_ARRAY_SIZE(rows));
}

static void repeat(struct weir_buf *text, const char *what, size_t count)
{
	for (size_t i = 0; i < count; i++)
		weir_buf_add_str(text, what);
}

/* `most` is read; with one `more` behind it, it is refused. */
static void assert_limit(struct weir_buf *most, const char *more, const struct row *row)
{
	struct weir_filter *filter = NULL;
	assert_int_equal(weir_filter_new(weir_buf_str(most), fields, NULL, &filter), 0);
	weir_filter_free(filter);
	weir_buf_add_str(most, more);
	struct row refused = *row;
	refused.text = weir_buf_str(most);
	assert_refused(&refused);
}

static void length_of_a_filter_has_a_limit(void **state)
{
	_cleanup_buf_ struct weir_buf text = { 0 };
	repeat(&text, " ", 4096);
	assert_limit(&text, " ",
		     &(struct row){ NULL, 4097, "a filter of 4097 bytes, 4096 are the most",
				    "ask for less at once" });
}

static void number_of_comparisons_has_a_limit(void **state)
{
	_cleanup_buf_ struct weir_buf text = { 0 };
	repeat(&text, "port=1 ", 128);
	assert_limit(&text, "src=::",
		     &(struct row){ NULL, 128 * 7 + 1, "more than 128 comparisons",
				    "write values of one field as a list, as in port=80,443" });
}

static void number_of_values_has_a_limit(void **state)
{
	_cleanup_buf_ struct weir_buf text = { 0 };
	weir_buf_add_str(&text, "port=1");
	repeat(&text, ",1", 511);
	assert_limit(&text, ",2",
		     &(struct row){ NULL, 5 + 2 * 512 + 1, "more than 512 values",
				    "ask for less at once, or write ranges" });
}

static void length_of_a_value_has_a_limit(void **state)
{
	_cleanup_buf_ struct weir_buf text = { 0 };
	weir_buf_add_str(&text, "name=");
	repeat(&text, "x", 255);
	assert_limit(&text, "x",
		     &(struct row){ NULL, 6, "a value of 256 bytes, 255 are the most",
				    "write a shorter one" });
}

static void depth_of_parentheses_has_a_limit(void **state)
{
	_cleanup_buf_ struct weir_buf most = { 0 }, more = { 0 };
	struct weir_filter *filter = NULL;
	repeat(&most, "(", 32);
	weir_buf_add_str(&most, "port=1");
	repeat(&most, ")", 32);
	/* Beside one another they count for nothing. */
	weir_buf_add_str(&most, "((port=1))(port=2)");
	assert_int_equal(weir_filter_new(weir_buf_str(&most), fields, NULL, &filter), 0);
	weir_filter_free(filter);

	repeat(&more, "(", 4000);
	assert_refused(&(struct row){ weir_buf_str(&more), 33,
				      "more than 32 parentheses in one another",
				      "take out those that change nothing" });
}

/* No recursion: thousands of them are as good as one or none. */
static void not_may_stand_in_any_number(void **state)
{
	_cleanup_buf_ struct weir_buf text = { 0 };
	struct weir_filter *filter = NULL;
	repeat(&text, "!", 4000);
	weir_buf_add_str(&text, "port=1");
	assert_int_equal(weir_filter_new(weir_buf_str(&text), fields, NULL, &filter), 0);
	weir_filter_free(filter);
}

static void refusal_without_a_diag_is_only_an_error(void **state)
{
	struct weir_filter *filter = NULL;
	assert_int_equal(weir_filter_new("port", fields, NULL, &filter), -EINVAL);
	assert_null(filter);
}

static void refusal_as_text_says_key_and_column(void **state)
{
	_cleanup_diag_ struct weir_diag diag = { 0 };
	_cleanup_buf_ struct weir_buf text = { 0 };
	struct weir_filter *filter = NULL;
	weir_filter_new("port=80 prto=tcp", fields, &diag, &filter);
	weir_diag_format(&diag, &text);
	assert_string_equal(weir_buf_str(&text), "filter: column 9: 'prto' is not a field; "
						 "did you mean 'proto'?\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(unknown_field_names_the_near_one),
		cmocka_unit_test(value_alone_names_its_field),
		cmocka_unit_test(missing_parts_are_told_where_they_should_be),
		cmocka_unit_test(parentheses_must_close),
		cmocka_unit_test(what_may_not_follow_a_value_is_told),
		cmocka_unit_test(order_operator_wants_one_number),
		cmocka_unit_test(value_of_the_wrong_type_is_told_with_an_example),
		cmocka_unit_test(length_of_a_filter_has_a_limit),
		cmocka_unit_test(number_of_comparisons_has_a_limit),
		cmocka_unit_test(number_of_values_has_a_limit),
		cmocka_unit_test(length_of_a_value_has_a_limit),
		cmocka_unit_test(depth_of_parentheses_has_a_limit),
		cmocka_unit_test(not_may_stand_in_any_number),
		cmocka_unit_test(refusal_without_a_diag_is_only_an_error),
		cmocka_unit_test(refusal_as_text_says_key_and_column),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
