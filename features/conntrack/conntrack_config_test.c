/* SPDX-License-Identifier: Apache-2.0 */
/* Which key of `conntrack.timeouts` a flow's time comes from. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "features/conntrack/conntrack_state.h"
#include "tests/unit/refused.h"

#define SYNS (CONNTRACK_SYN * CONNTRACK_BOTH)
#define OPEN (SYNS | CONNTRACK_SYN_ACKED * CONNTRACK_BOTH | CONNTRACK_ANSWERED)
#define FINS (CONNTRACK_FIN * CONNTRACK_BOTH)
#define TICK_S (1e9 / (1 << CONNTRACK_TICK_SHIFT)) /* ticks of a second */

/* Each has a number of minutes of its own. */
static const char states[] = "conntrack:\n"
			     "  timeouts:\n"
			     "    syn_sent: 1m\n    syn_received: 2m\n    established: 3m\n"
			     "    fin_wait: 4m\n    closing: 5m\n    time_wait: 6m\n    reset: 7m\n"
			     "    one_way: 8m\n    answered: 9m\n    stream: 10m\n"
			     "    echo: 11m\n    other: 12m\n";
static const char protos[] =
	"    tcp: {syn_sent: 21m, syn_received: 22m, established: 23m, fin_wait: 24m,\n"
	"          closing: 25m, time_wait: 26m, reset: 27m}\n"
	"    udp: {one_way: 28m, answered: 29m, stream: 30m}\n"
	"    icmp: 31m\n"
	"    sctp: {syn_sent: 41m, syn_received: 42m, established: 43m, fin_wait: 44m,\n"
	"           closing: 45m, time_wait: 46m, reset: 47m}\n"
	"    udplite: {one_way: 48m, answered: 49m, stream: 50m}\n"
	"    dccp: {one_way: 58m, answered: 59m, stream: 60m}\n"
	"    icmpv6: 61m\n    gre: 62m\n    esp: 63m\n";

static const struct row {
	uint8_t proto;
	uint32_t marks;
	unsigned of_state_min, of_proto_min;
} rows[] = {
	{ 6, CONNTRACK_SYN, 1, 21 },
	{ 6, SYNS, 2, 22 },
	{ 6, OPEN, 3, 23 },
	{ 6, OPEN | CONNTRACK_FIN, 4, 24 },
	{ 6, OPEN | FINS, 5, 25 },
	{ 6, OPEN | FINS | CONNTRACK_FIN_ACKED *CONNTRACK_BOTH, 6, 26 },
	{ 6, OPEN | CONNTRACK_RESET, 7, 27 },
	{ 17, 0, 8, 28 },
	{ 17, CONNTRACK_ANSWERED, 9, 29 },
	{ 17, CONNTRACK_ANSWERED | CONNTRACK_AGAIN, 10, 30 },
	{ 1, 0, 11, 31 },
	{ 132, CONNTRACK_SYN, 1, 41 },
	{ 132, SYNS, 2, 42 },
	{ 132, OPEN, 3, 43 },
	{ 132, OPEN | CONNTRACK_FIN, 4, 44 },
	{ 132, OPEN | FINS, 5, 45 },
	{ 132, OPEN | FINS | CONNTRACK_FIN_ACKED *CONNTRACK_BOTH, 6, 46 },
	{ 132, OPEN | CONNTRACK_RESET, 7, 47 },
	{ 136, 0, 8, 48 },
	{ 136, CONNTRACK_ANSWERED, 9, 49 },
	{ 136, CONNTRACK_ANSWERED | CONNTRACK_AGAIN, 10, 50 },
	{ 33, 0, 8, 58 },
	{ 33, CONNTRACK_ANSWERED, 9, 59 },
	{ 33, CONNTRACK_ANSWERED | CONNTRACK_AGAIN, 10, 60 },
	{ 58, 0, 11, 61 },
	{ 47, 0, 12, 62 },
	{ 50, 0, 12, 63 },
	{ 89, 0, 12, 12 },
};

static struct conntrack_timeouts read_timeouts(const char *more)
{
	_cleanup_diag_ struct weir_diag diag = { 0 };
	_cleanup_config_ struct weir_config *config = NULL;
	_cleanup_buf_ struct weir_buf text = { 0 };

	weir_buf_addf(&text, "%s%s", states, more);
	assert_int_equal(weir_config_parse(weir_buf_str(&text), text.len, "f", &diag, &config), 0);
	return conntrack_timeouts_of(config->sections[weir_feature_index(&weir_conntrack)]);
}

static unsigned minutes(const struct conntrack_timeouts *timeouts, const struct row *row)
{
	uint32_t which = conntrack_timeout_of(row->proto, row->marks);

	assert_true(which < CONNTRACK_TIMEOUT_COUNT);
	return (unsigned)(timeouts->ticks[which] / TICK_S / 60 + 0.5);
}

static void a_state_has_one_timeout_in_all_protocols(void **state)
{
	struct conntrack_timeouts timeouts = read_timeouts("");

	for (size_t i = 0; i < WEIR_ARRAY_SIZE(rows); i++)
		assert_int_equal(minutes(&timeouts, &rows[i]), rows[i].of_state_min);
	(void)state;
}

static void a_protocol_may_have_its_own(void **state)
{
	struct conntrack_timeouts timeouts = read_timeouts(protos);

	for (size_t i = 0; i < WEIR_ARRAY_SIZE(rows); i++)
		assert_int_equal(minutes(&timeouts, &rows[i]), rows[i].of_proto_min);
	(void)state;
}

static void what_a_protocol_does_not_say_is_as_the_state_has_it(void **state)
{
	struct conntrack_timeouts timeouts = read_timeouts("    sctp: {established: 43m}\n");

	for (size_t i = 0; i < WEIR_ARRAY_SIZE(rows); i++) {
		const struct row *row = &rows[i];
		bool is_said = row->of_proto_min == 43;

		assert_int_equal(minutes(&timeouts, row), is_said ? 43 : row->of_state_min);
	}
	(void)state;
}

static void timeouts_that_cannot_be_are_refused(void **state)
{
	is_refused("conntrack: {timeouts: {sctp: {established: 0s}}}\n",
		   "f:1:", "conntrack.timeouts.sctp.established: ");
	is_refused("conntrack: {timeouts: {gre: 101d}}\n", "f:1:", "conntrack.timeouts.gre: ");
	is_refused("conntrack: {timeouts: {dccp: {established: 5m}}}\n",
		   "f:1:", "conntrack.timeouts.dccp.established: ");
	is_refused("conntrack: {timeouts: {udp: 5m}}\n", "f:1:", "conntrack.timeouts.udp: ");
	is_refused("conntrack: {timeouts: {igmp: 5m}}\n", "f:1:", "conntrack.timeouts.igmp: ");
	(void)state;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_state_has_one_timeout_in_all_protocols),
		cmocka_unit_test(a_protocol_may_have_its_own),
		cmocka_unit_test(what_a_protocol_does_not_say_is_as_the_state_has_it),
		cmocka_unit_test(timeouts_that_cannot_be_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
