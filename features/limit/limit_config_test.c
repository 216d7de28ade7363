/* SPDX-License-Identifier: Apache-2.0 */
/* What of `limit:` is refused, and with which words; what is read, and as what. */
#include <arpa/inet.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "core/compile.h"
#include "features/limit/limit_state.h"
#include "tests/unit/refused.h"

#define ENTRY(rest) "limit:\n  limits:\n    - name: a\n      " rest "\n"

static void rates_that_are_none_are_refused(void **state)
{
	const char *at = "f:4:16: limit.limits[0].packets: ";

	is_refused(ENTRY("packets: 0/s"), at, "zero lets nothing pass; write at least 1/h");
	is_refused(ENTRY("packets: -1/s"), at, "'-1/s' is not a rate; write a whole number");
	is_refused(ENTRY("packets: 10"), at, "'10' is not a rate");
	is_refused(ENTRY("packets: 1.5/s"), at, "'1.5/s' is not a rate");
	is_refused(ENTRY("packets: 10/d"), at, "'10/d' is not a rate");
	is_refused(ENTRY("packets: 1000000001/s"), at, "is too large: 1000000000/s is the most");
	is_refused(ENTRY("packets: 99999999999999999999/h"), at, "is too large");
	is_refused(ENTRY("packets: 18446744073709551615G/s"), at, "is too large");
	is_refused(ENTRY("packets: 1MB/s"), at, "'1MB/s' is not a rate");
	at = "f:4:14: limit.limits[0].bytes: ";
	is_refused(ENTRY("bytes: 0MB/s"), at, "zero lets nothing pass");
	is_refused(ENTRY("bytes: 1MB"), at, "'1MB' is not a rate of bytes");
	is_refused(ENTRY("bytes: 1000pps"), at, "'1000pps' is not a rate of bytes");
	is_refused(ENTRY("bytes: 126GB/s"), at, "is too large: 125GB/s is the most");
	(void)state;
}

static void limit_counts_one_thing(void **state)
{
	is_refused(ENTRY("packets: 1/s\n      bytes: 1MB/s"),
		   "f:4:16: limit.limits[0].packets: ", "write two limits");
	is_refused(ENTRY("proto: tcp"), "f:3:7: limit.limits[0].packets: ",
		   "a limit counts either packets, bytes or connections; write packets: 10/s");
	is_refused(ENTRY("bytes: 1MB/s\n      burst: 5"),
		   "f:5:14: limit.limits[0].burst: ", "write burst-bytes");
	is_refused(ENTRY("packets: 1/s\n      burst-bytes: 5MB"),
		   "f:5:20: limit.limits[0].burst-bytes: ", "write burst");
	(void)state;
}

static void bursts_that_cannot_be_are_refused(void **state)
{
	is_refused(ENTRY("packets: 1/s\n      burst: 0"),
		   "f:5:14: limit.limits[0].burst: ", "too small");
	is_refused(ENTRY("packets: 1/s\n      burst: -1"), "f:5:14: limit.limits[0].burst: ", "-1");
	is_refused(ENTRY("bytes: 1MB/s\n      burst-bytes: 1513"),
		   "f:5:20: limit.limits[0].burst-bytes: ",
		   "a burst smaller than one packet lets none pass");
	is_refused(ENTRY("packets: 1/h\n      burst: 25"),
		   "f:5:14: limit.limits[0].burst: ", "takes more than a day to drain");
	is_refused(ENTRY("bytes: 2000/h\n      burst-bytes: 65550"),
		   "f:5:20: limit.limits[0].burst-bytes: ", "takes more than a day to drain");
	(void)state;
}

static void conditions_that_cannot_be_are_refused(void **state)
{
	is_refused(ENTRY("packets: 1/s\n      dport: 53"), "f:5:14: limit.limits[0].dport: ",
		   "only TCP and UDP have ports; write proto: tcp or proto: udp");
	is_refused(ENTRY("packets: 1/s\n      proto: udp\n      sport: 65536"),
		   "f:6:14: limit.limits[0].sport: ", "'65536' are no ports; write 53");
	is_refused(ENTRY("packets: 1/s\n      proto: udp\n      sport: 9-3"),
		   "f:6:14: limit.limits[0].sport: ", "'9-3' are no ports");
	is_refused(ENTRY("packets: 1/s\n      proto: udp\n      dport: 1,2,3,4,5,6,7,8,9"),
		   "f:6:14: limit.limits[0].dport: ", "more than 8 ports or ranges");
	is_refused(ENTRY("packets: 1/s\n      flags: syn"),
		   "f:5:14: limit.limits[0].flags: ", "only TCP has flags; write proto: tcp");
	is_refused(ENTRY("packets: 1/s\n      per: source/24"),
		   "f:5:12: limit.limits[0].per: ", "prefixes as source/24,/64");
	is_refused(ENTRY("packets: 1/s\n      per: source/33,/64"),
		   "f:5:12: limit.limits[0].per: ", "nothing a bucket can be for");
	is_refused(ENTRY("packets: 1/s\n      per: source/0,/64"),
		   "f:5:12: limit.limits[0].per: ", "nothing a bucket can be for");
	is_refused(ENTRY("packets: 1/s\n      per: total/24,/64"),
		   "f:5:12: limit.limits[0].per: ", "nothing a bucket can be for");
	is_refused(ENTRY("packets: 1/s\n      proto: icmpv6"),
		   "f:5:14: limit.limits[0].proto: ", "did you mean 'icmp'");
	is_refused(ENTRY("packets: 1/s\n      brust: 5"),
		   "f:5:7: limit.limits[0].brust: ", "burst");
	(void)state;
}

static void names_are_checked(void **state)
{
	is_refused("limit:\n  limits:\n    - {name: A, packets: 1/s}\n",
		   "f:3:14: limit.limits[0].name: ", "'A' is not a name");
	is_refused("limit:\n  limits:\n    - {name: a, packets: 1/s}\n    - {name: a, packets: "
		   "2/s}\n",
		   "f:4:14: limit.limits[1].name: ", "'a' is the name of limits[0] too");
	is_refused("limit:\n  sources: 7\n", "f:2:12: limit.sources: ", "too small");
	(void)state;
}

static void thirty_three_are_too_many(void **state)
{
	_cleanup_buf_ struct weir_buf text = { 0 };

	weir_buf_add_str(&text, "limit:\n  limits:\n");
	for (int i = 0; i < 33; i++)
		weir_buf_addf(&text, "    - {name: l%d, packets: 1/s}\n", i);
	is_refused(weir_buf_str(&text),
		   "f:3:5: limit.limits: ", "33 limits, where 32 are the most");
	(void)state;
}

static void connections_need_what_tells_of_them(void **state)
{
	is_refused(ENTRY("connections: 0/s"), "f:4:20: limit.limits[0].connections: ", "zero");
	is_refused(ENTRY("connections: 1MB/s"),
		   "f:4:20: limit.limits[0].connections: ", "'1MB/s' is not a rate");
	is_refused(ENTRY("connections: 1/s\n      bytes: 1MB/s"),
		   "f:5:14: limit.limits[0].bytes: ", "write two limits");
	is_refused(ENTRY("connections: 1/s\n      proto: tcp\n      flags: syn"),
		   "f:6:14: limit.limits[0].flags: ", "about what begins one by itself");
	is_refused(ENTRY("connections: 1/s\n      burst-bytes: 1MB"),
		   "f:5:20: limit.limits[0].burst-bytes: ", "this one counts connections");
	is_refused("conntrack: {enabled: false}\n" ENTRY("connections: 1/s"),
		   "f:5:20: limit.limits[0].connections: ",
		   "conntrack is off; write proto: tcp beside it, or conntrack: {enabled: auto}");
	is_refused("conntrack: {enabled: false}\n" ENTRY("connections: 1/s\n      proto: udp"),
		   "f:5:20: limit.limits[0].connections: ", "conntrack is off");
	(void)state;
}

static void small_burst_of_bytes_is_warned_of(void **state)
{
	static const char text[] = ENTRY("bytes: 1MB/s\n      burst-bytes: 10000");
	_cleanup_diag_ struct weir_diag diag = { 0 };
	struct weir_config *config = NULL;

	assert_int_equal(weir_config_parse(text, strlen(text), "f", &diag, &config), 0);
	assert_int_equal(diag.count, 1);
	assert_int_equal(diag.entries[0].level, WEIR_DIAG_WARNING);
	assert_string_equal(diag.entries[0].key, "limit.limits[0].burst-bytes");
	weir_config_free(config);
	(void)state;
}

/* The only thing told of it, a warning; NULL: nothing is. */
static void warning_is(const char *text, const char *what)
{
	_cleanup_diag_ struct weir_diag diag = { 0 };
	struct weir_config *config = NULL;

	assert_int_equal(weir_config_parse(text, strlen(text), "f", &diag, &config), 0);
	assert_int_equal(diag.count, what ? 1 : 0);
	if (what) {
		assert_int_equal(diag.entries[0].level, WEIR_DIAG_WARNING);
		assert_non_null(strstr(diag.entries[0].what, what));
	}
	weir_config_free(config);
}

static void forwarded_connections_are_warned_of_where_they_leave(void **state)
{
	warning_is(ENTRY("connections: 1/s\n      direction: egress"),
		   "a connection that is forwarded begins where it arrives");
	warning_is(ENTRY("connections: 1/s\n      direction: egress\n      proto: tcp"), NULL);
	warning_is(ENTRY("connections: 1/s"), NULL);
	warning_is("conntrack: {enabled: false}\n" ENTRY("connections: 1/s\n      proto: tcp"),
		   NULL);
	(void)state;
}

static void levels_need_who_judges_them(void **state)
{
	is_refused(ENTRY("packets: 1/s\n      when: attack"), "f:5:13: limit.limits[0].when: ",
		   "it would never act; write attack: {enabled: true}, or leave it out");
	is_refused("attack: {enabled: false}\n" ENTRY("packets: 1/s\n      when: elevated"),
		   "f:6:13: limit.limits[0].when: ", "it would never act");
	is_refused("attack: {enabled: true}\n" ENTRY("packets: 1/s\n      when: atack"),
		   "f:6:13: limit.limits[0].when: ", "did you mean 'attack'");
	warning_is("attack: {enabled: true}\n" ENTRY("packets: 1/s\n      when: attack"), NULL);
	warning_is(ENTRY("packets: 1/s\n      when: always"), NULL);
	(void)state;
}

static struct limit_meaning meaning_of(const char *entry)
{
	struct weir_config *config = NULL;
	struct limit_meaning meaning;

	assert_int_equal(weir_config_parse(entry, strlen(entry), NULL, NULL, &config), 0);
	const struct limit_section *section = config->sections[weir_feature_index(&weir_limit)];
	assert_int_equal(limit_read(&section->limits[0], "", NULL, &meaning), 0);
	weir_config_free(config);
	return meaning;
}

/* In units of 64 ns with 20 bits of fraction: ns * 2^14. */
static void cost_is(const char *entry, uint64_t cost, uint64_t burst)
{
	struct limit_meaning meaning = meaning_of(entry);

	assert_int_equal(meaning.row.per, cost);
	assert_int_equal(meaning.burst, burst);
	assert_int_equal(meaning.row.room, cost * burst + (64 << 20));
}

static void rates_cost_what_they_say(void **state)
{
	cost_is(ENTRY("packets: 1/s"), 1000000000ULL << 14, 1);
	cost_is(ENTRY("packets: 10/s"), 100000000ULL << 14, 10);
	cost_is(ENTRY("packets: 1/h"), 3600000000000ULL << 14, 1);
	cost_is(ENTRY("packets: 30/m"), 2000000000ULL << 14, 1);
	cost_is(ENTRY("packets: 10Mpps"), 100ULL << 14, 10000000);
	/* 7812.5 units are rounded to whole ones, 1562.5 are not */
	cost_is(ENTRY("packets: 2k/s"), 7813ULL << 20, 2000);
	cost_is(ENTRY("packets: 10k/s"), 100000ULL << 14, 10000);
	cost_is(ENTRY("packets: 1000000000/s"), 1 << 14, 1000000000);
	/* a third of a second, 5208333.3 units, is rounded to whole ones */
	cost_is(ENTRY("packets: 3/s"), 5208333ULL << 20, 3);
	/* 1.25 GB a second: 0.8 ns a byte */
	cost_is(ENTRY("bytes: 10Gbit/s"), 13107, 1250000000);
	cost_is(ENTRY("bytes: 1MB/s"), 1000ULL << 14, 1000000);
	cost_is(ENTRY("bytes: 4kbit/s"), 2000000ULL << 14, 65550);
	cost_is(ENTRY("bytes: 64KiB/s\n      burst-bytes: 1MiB"), 250000000, 1 << 20);
	(void)state;
}

static void slow_bursts_need_no_exact_clock(void **state)
{
	assert_false(meaning_of(ENTRY("packets: 10/s")).row.flags & LIMIT_IS_FINE);
	assert_false(meaning_of(ENTRY("packets: 10/s\n      burst: 50")).row.flags & LIMIT_IS_FINE);
	assert_true(meaning_of(ENTRY("packets: 10/s\n      burst: 9")).row.flags & LIMIT_IS_FINE);
	assert_false(meaning_of(ENTRY("packets: 10Mpps")).row.flags & LIMIT_IS_FINE);
	(void)state;
}

static void masks_are_those_of_the_lengths(void **state)
{
	struct limit_row row = meaning_of(ENTRY("packets: 1/s\n      per: destination/20,/56")).row;
	struct weir_addr mask = { .be32 = { 0, 0, 0xffffffff, htonl(0xfffff000) } };

	assert_int_equal(row.end, LIMIT_PER_DESTINATION);
	assert_int_equal(row.mask4, mask.be64[1]);
	mask = (struct weir_addr){ .be32 = { 0xffffffff, htonl(0xffffff00) } };
	assert_int_equal(row.mask6[0], mask.be64[0]);
	assert_int_equal(row.mask6[1], 0);
	row = meaning_of(ENTRY("packets: 1/s\n      per: source/32,/127")).row;
	mask = (struct weir_addr){ .be32 = { 0, 0, 0xffffffff, htonl(0xfffffffe) } };
	assert_int_equal(row.mask4, ~0ULL);
	assert_int_equal(row.mask6[0], ~0ULL);
	assert_int_equal(row.mask6[1], mask.be64[1]);
	row = meaning_of(ENTRY("packets: 1/s\n      per: total")).row;
	assert_int_equal(row.mask4 | row.mask6[0] | row.mask6[1], 0);
	(void)state;
}

static void services_are_read(void **state)
{
	struct limit_row row = meaning_of(ENTRY("packets: 1/s\n      per: service")).row;

	assert_int_equal(row.service, 0xffffffff);
	assert_int_equal(row.end, LIMIT_PER_TOTAL);
	assert_int_equal(row.mask4 | row.mask6[0] | row.mask6[1], 0);
	row = meaning_of(ENTRY("packets: 1/s\n      per: destination/24,/64 + service")).row;
	assert_int_equal(row.service, 0xffffffff);
	assert_int_equal(row.end, LIMIT_PER_DESTINATION);
	assert_int_equal(
		row.mask4,
		((struct weir_addr){ .be32 = { 0, 0, 0xffffffff, htonl(0xffffff00) } }).be64[1]);
	row = meaning_of(ENTRY("packets: 1/s\n      per: source+service")).row;
	assert_int_equal(row.service, 0xffffffff);
	assert_int_equal(row.mask4, ~0ULL);
	assert_int_equal(meaning_of(ENTRY("packets: 1/s")).row.service, 0);
	is_refused(ENTRY("packets: 1/s\n      per: service/24,/64"),
		   "f:5:12: limit.limits[0].per: ", "nothing a bucket can be for");
	is_refused(ENTRY("packets: 1/s\n      per: source + port"),
		   "f:5:12: limit.limits[0].per: ", "both as source + service");
	is_refused(ENTRY("packets: 1/s\n      per: + service"),
		   "f:5:12: limit.limits[0].per: ", "nothing a bucket can be for");
	(void)state;
}

static void ports_are_read(void **state)
{
	struct limit_meaning meaning = meaning_of(
		ENTRY("packets: 1/s\n      proto: udp\n      sport: 53 , 8000 - 8100,0-65535"));

	assert_int_equal(meaning.row.flags & (LIMIT_HAS_SPORTS | LIMIT_HAS_DPORTS),
			 LIMIT_HAS_SPORTS);
	assert_int_equal(meaning.ports.sport[0].from, 53);
	assert_int_equal(meaning.ports.sport[0].to, 53);
	assert_int_equal(meaning.ports.sport[1].from, 8000);
	assert_int_equal(meaning.ports.sport[1].to, 8100);
	assert_int_equal(meaning.ports.sport[2].to, 65535);
	assert_true(meaning.ports.sport[3].from > meaning.ports.sport[3].to);
	assert_true(meaning.ports.dport[0].from > meaning.ports.dport[0].to);
	(void)state;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rates_that_are_none_are_refused),
		cmocka_unit_test(limit_counts_one_thing),
		cmocka_unit_test(bursts_that_cannot_be_are_refused),
		cmocka_unit_test(conditions_that_cannot_be_are_refused),
		cmocka_unit_test(names_are_checked),
		cmocka_unit_test(connections_need_what_tells_of_them),
		cmocka_unit_test(services_are_read),
		cmocka_unit_test(thirty_three_are_too_many),
		cmocka_unit_test(forwarded_connections_are_warned_of_where_they_leave),
		cmocka_unit_test(levels_need_who_judges_them),
		cmocka_unit_test(small_burst_of_bytes_is_warned_of),
		cmocka_unit_test(rates_cost_what_they_say),
		cmocka_unit_test(slow_bursts_need_no_exact_clock),
		cmocka_unit_test(masks_are_those_of_the_lengths),
		cmocka_unit_test(ports_are_read),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
