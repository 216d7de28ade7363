/* SPDX-License-Identifier: Apache-2.0 */
/* Tests of what a filter lets pass. Each row was worked out by hand from the grammar. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/addr.h"
#include "base/filter.h"

#define SECOND 1000000000ull

/* One thing with a value in each field; `port` and `host` are either end's, `none` never is. */
enum {
	SRC,
	DST,
	HOST,
	SPORT,
	DPORT,
	PORT,
	PROTO,
	SIZE,
	AGE,
	NAME,
	MARK,
	NONE
};

static const char *const protos[] = { "tcp", "udp", "icmp", NULL };
static const struct weir_filter_field fields[] = {
	[SRC] = { "src", "source", WEIR_FILTER_ADDRESS },
	[DST] = { "dst", "destination", WEIR_FILTER_ADDRESS },
	[HOST] = { "host", "either end", WEIR_FILTER_ADDRESS },
	[SPORT] = { "sport", "source port", WEIR_FILTER_NUMBER, .max = 65535 },
	[DPORT] = { "dport", "destination port", WEIR_FILTER_NUMBER, .max = 65535 },
	[PORT] = { "port", "either port", WEIR_FILTER_NUMBER, .max = 65535 },
	[PROTO] = { "proto", "protocol", WEIR_FILTER_WORD, .words = protos },
	[SIZE] = { "bytes", "bytes", WEIR_FILTER_BYTES },
	[AGE] = { "age", "age", WEIR_FILTER_DURATION },
	[NAME] = { "name", "name", WEIR_FILTER_TEXT },
	[MARK] = { "mark", "mark", WEIR_FILTER_NUMBER },
	[NONE] = { "none", "nothing", WEIR_FILTER_NUMBER },
	{ NULL },
};

struct thing {
	const char *src, *dst;
	uint64_t sport, dport;
	size_t proto;
	uint64_t size_bytes, age_ns;
	const char *name;
	uint64_t mark;
};

static struct weir_addr addr_of(const char *text)
{
	struct weir_addr addr;
	assert_int_equal(weir_addr_from_string(text, strlen(text), &addr), 0);
	return addr;
}

static size_t thing_get(const void *item, size_t field,
			union weir_filter_value values[WEIR_FILTER_EITHER_MAX])
{
	const struct thing *thing = item;
	switch (field) {
	case SRC:
		values[0].addr = addr_of(thing->src);
		return 1;
	case DST:
		values[0].addr = addr_of(thing->dst);
		return 1;
	case HOST:
		values[0].addr = addr_of(thing->src);
		values[1].addr = addr_of(thing->dst);
		return 2;
	case SPORT:
		values[0].number = thing->sport;
		return 1;
	case DPORT:
		values[0].number = thing->dport;
		return 1;
	case PORT:
		values[0].number = thing->sport;
		values[1].number = thing->dport;
		return 2;
	case PROTO:
		values[0].word = thing->proto;
		return 1;
	case SIZE:
		values[0].number = thing->size_bytes;
		return 1;
	case AGE:
		values[0].number = thing->age_ns;
		return 1;
	case NAME:
		values[0].text = thing->name;
		return 1;
	case MARK:
		values[0].number = thing->mark;
		return 1;
	default:
		return 0;
	}
}

static struct weir_filter *filter_of(const char *text)
{
	_cleanup_diag_ struct weir_diag diag = { 0 };
	struct weir_filter *filter = NULL;
	if (weir_filter_new(text, fields, &diag, &filter) < 0)
		fail_msg("'%s': %s", text, diag.entries[0].what);
	return filter;
}

static bool passes(const char *text, const struct thing *thing)
{
	_cleanup_filter_ struct weir_filter *filter = filter_of(text);
	return weir_filter_matches(filter, thing_get, thing);
}

static void assert_pass(const struct thing *thing, const char *const *texts)
{
	for (; *texts; texts++)
		if (!passes(*texts, thing))
			fail_msg("'%s' does not let pass", *texts);
}

static void assert_fail(const struct thing *thing, const char *const *texts)
{
	for (; *texts; texts++)
		if (passes(*texts, thing))
			fail_msg("'%s' lets pass", *texts);
}

#define PASS(thing, ...) assert_pass(thing, (const char *const[]){ __VA_ARGS__, NULL })
#define FAIL(thing, ...) assert_fail(thing, (const char *const[]){ __VA_ARGS__, NULL })

static const struct thing web = {
	.src = "10.1.2.3",
	.dst = "192.0.2.80",
	.sport = 40000,
	.dport = 443,
	.size_bytes = 10000000,
	.age_ns = 90 * SECOND,
	.name = "eth0",
	.mark = 16,
};
static const struct thing web6 = {
	.src = "2001:db8::7", .dst = "2001:db8:1::80", .proto = 1, .name = "a \"b\" *c"
};

static void empty_filter_lets_everything_pass(void **state)
{
	PASS(&web, "", " ", "\t\n ");
}

static void equal_is_true_of_the_value_alone(void **state)
{
	PASS(&web, "dport=443", "dport==443", "src=10.1.2.3", "proto=tcp", "name=eth0",
	     "bytes=10000000", "bytes=10MB", "age=90s", "age=1m30s", "mark=0x10", "mark=0X10",
	     "mark=16");
	FAIL(&web, "dport=44", "dport=4430", "src=10.1.2.4", "proto=udp", "name=eth", "name=eth01",
	     "name=ETH0", "bytes=10MiB", "age=90ms", "mark=10");
}

static void unequal_is_the_opposite_of_equal(void **state)
{
	FAIL(&web, "dport!=443", "src!=10.0.0.0/8", "proto!=tcp", "name!=eth*", "bytes!=10MB");
	PASS(&web, "dport!=80", "src!=10.1.2.4", "proto!=udp", "name!=eth1", "bytes!=10MiB");
}

static void order_operators_hold_at_their_limits(void **state)
{
	PASS(&web, "dport<444", "dport<=443", "dport>442", "dport>=443", "bytes>9MB", "age<2m",
	     "age>=90s", "dport<65535");
	FAIL(&web, "dport<443", "dport<=442", "dport>443", "dport>=444", "bytes>10MB", "age<90s");
}

static void order_at_the_ends_of_64_bits(void **state)
{
	static const struct thing least = { .mark = 0 };
	static const struct thing most = { .mark = UINT64_MAX };
	FAIL(&least, "mark<0", "mark>18446744073709551615");
	FAIL(&most, "mark<0", "mark>18446744073709551615", "mark<0xffffffffffffffff");
	PASS(&least, "mark>=0", "mark<=0", "not mark<0", "mark<18446744073709551615");
	PASS(&most, "mark>=0", "mark>=18446744073709551615", "mark>0", "mark=0xFFFFFFFFFFFFFFFF",
	     "mark=0-0xffffffffffffffff");
}

static void ranges_hold_both_their_ends(void **state)
{
	PASS(&web, "dport=443-443", "dport=443-500", "dport=1-443", "age=30s-2m", "bytes=1MB-10MB",
	     "src=10.1.2.3-10.1.2.9", "src=10.1.2.0-10.1.2.3", "src=10.0.0.0/8");
	FAIL(&web, "dport=444-500", "dport=1-442", "age=91s-2m", "src=10.1.2.4-10.1.2.9",
	     "src=10.1.2.0-10.1.2.2", "src=10.2.0.0/16", "dport!=1-1000");
}

static void list_is_any_of_its_values(void **state)
{
	PASS(&web, "dport=80,443", "dport=443,80", "dport = 80 , 400-450", "proto=udp,tcp",
	     "proto=tcp,udp", "name=eth*,lo", "name=lo,eth*", "src=192.0.2.0/24,10.0.0.0/8",
	     "dport!=80,8080");
	FAIL(&web, "dport=80,8080", "dport!=80,443", "proto!=udp,tcp", "name=lo,wlan*");
}

static void either_field_equals_when_any_value_does(void **state)
{
	PASS(&web, "port=443", "port=40000", "host=192.0.2.80", "host=10.0.0.0/8", "port<1024",
	     "port>1024", "port=1-500");
	FAIL(&web, "port=80", "host=192.0.2.81", "port>40000");
}

static void either_field_is_unequal_when_no_value_is_equal(void **state)
{
	PASS(&web, "port!=80", "host!=192.0.2.81", "not port=80");
	FAIL(&web, "port!=443", "port!=40000", "host!=10.0.0.0/8", "not port=443", "not port<1024");
}

static void absent_value_equals_nothing(void **state)
{
	FAIL(&web, "none=0", "none<5", "none>=0", "none=0-0xffffffffffffffff");
	PASS(&web, "none!=0", "not none>=0");
}

static void v4_and_v6_are_told_apart(void **state)
{
	PASS(&web, "src=::ffff:10.1.2.3", "src=0.0.0.0/0", "src!=::/0", "src=::ffff:10.0.0.0/104",
	     "src!=::-ffff::");
	PASS(&web6, "src=2001:db8::/32", "src=::/0", "src!=0.0.0.0/0", "host=2001:DB8:1::80",
	     "src=2001:db8::1-2001:db8::7");
	FAIL(&web6, "src=2001:db8::/126", "src=0.0.0.0/0", "src=2001:db8::1-2001:db8::6");
}

static void cidr_with_host_bits_is_its_network(void **state)
{
	PASS(&web, "src=10.9.9.9/8");
	FAIL(&web, "src=11.1.2.3/8");
}

static void words_and_fields_are_taken_in_whatever_case(void **state)
{
	PASS(&web, "PROTO=TCP", "Proto=Tcp AND Dport=443", "proto=udp OR proto=tcp",
	     "NOT proto=udp", "proto=\"TCP\"");
	PASS(&web6, "proto=udp");
}

static void word_past_the_table_is_none(void **state)
{
	static const struct thing odd = { .proto = 64 + 1 };
	FAIL(&odd, "proto=tcp,udp,icmp");
}

static void star_stands_for_any_text(void **state)
{
	PASS(&web, "name=*", "name=eth*", "name=*0", "name=e*0", "name=*th*", "name=eth0*",
	     "name=**e*t**h0", "name=\"eth*\"", "name='*'");
	FAIL(&web, "name=eth*1", "name=*1*", "name=e*h", "name=*eth", "name=eth0*0");
	static const struct thing repeated = { .name = "abababc" };
	PASS(&repeated, "name=*abc", "name=ab*abc", "name=*bab*c");
	FAIL(&repeated, "name=*abac*", "name=*abb*");
	static const struct thing nameless = { .name = "" };
	PASS(&nameless, "name=\"\"", "name=''", "name=*", "name!=eth0");
	FAIL(&nameless, "name=?", "name=*a*");
}

static void quotes_keep_what_stands_in_them(void **state)
{
	PASS(&web6, "name='a \"b\" \\*c'", "name=\"a \\\"b\\\" *c\"", "name='a *'",
	     "name=\"a \\\"b\\\" \\*c\" and proto=udp", "name='x',\"a*\"");
	FAIL(&web6, "name='a \"b\" \\*d'", "name='\\a'");
	FAIL(&web, "name='eth\\*'");
	static const struct thing special = { .name = "and(x)=1,2\\" };
	PASS(&special, "name='and(x)=1,2\\\\'", "name='and(*'");
	static const struct thing bare = { .name = "a\\*é" };
	PASS(&bare, "name=a\\*é", "name=a*é");
}

static void spaces_are_free_and_signs_stand_for_words(void **state)
{
	PASS(&web, "dport = 443", "dport\t==\n443", "proto=tcp&&dport=443", "proto=udp||dport=443",
	     "!proto=udp", "! proto=udp", "!(proto=udp)", "!!proto=tcp", "not not proto=tcp",
	     "(proto=tcp)", "((proto=tcp)(dport=443))", "name='eth0'dport=443", "\rproto=tcp\r\n");
	FAIL(&web, "!proto=tcp", "not not not proto=tcp", "proto=tcp&&!dport=443",
	     "!proto=tcp||dport=80");
}

static void side_by_side_means_and(void **state)
{
	PASS(&web, "proto=tcp dport=443", "proto=tcp (dport=80 or dport=443)",
	     "proto=tcp not dport=80", "proto=tcp !dport=80", "proto=udp or proto=tcp dport=443");
	FAIL(&web, "proto=tcp dport=80", "proto=tcp dport=80 or proto=udp dport=443",
	     "proto=udp not dport=80");
}

static void free_of_null_is_nothing(void **state)
{
	weir_filter_free(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(empty_filter_lets_everything_pass),
		cmocka_unit_test(equal_is_true_of_the_value_alone),
		cmocka_unit_test(unequal_is_the_opposite_of_equal),
		cmocka_unit_test(order_operators_hold_at_their_limits),
		cmocka_unit_test(order_at_the_ends_of_64_bits),
		cmocka_unit_test(ranges_hold_both_their_ends),
		cmocka_unit_test(list_is_any_of_its_values),
		cmocka_unit_test(either_field_equals_when_any_value_does),
		cmocka_unit_test(either_field_is_unequal_when_no_value_is_equal),
		cmocka_unit_test(absent_value_equals_nothing),
		cmocka_unit_test(v4_and_v6_are_told_apart),
		cmocka_unit_test(cidr_with_host_bits_is_its_network),
		cmocka_unit_test(words_and_fields_are_taken_in_whatever_case),
		cmocka_unit_test(word_past_the_table_is_none),
		cmocka_unit_test(star_stands_for_any_text),
		cmocka_unit_test(quotes_keep_what_stands_in_them),
		cmocka_unit_test(spaces_are_free_and_signs_stand_for_words),
		cmocka_unit_test(side_by_side_means_and),
		cmocka_unit_test(free_of_null_is_nothing),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
