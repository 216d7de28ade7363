/* SPDX-License-Identifier: Apache-2.0 */
/* Reading a daemon's table of flows: what they carried, drawn; and one plain pass over it, which is
 * what any answer about all flows takes at the least. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "features/conntrack/conntrack_carried.h"
#include "tests/bench/bench.h"
#include "tests/bench/flows.h"
#include "tests/bench/ruleset.h"

#define PACKETS_MOST 10000u
#define BYTES_MOST 1000u /* of a packet */

struct sums {
	uint64_t flows, packets, bytes;
};

static void carried_draw(struct conntrack_sum *sum, uint32_t word)
{
	uint64_t turn = conntrack_sum_turn(word);

	for (int side = 0; side < 2; side++) {
		uint64_t packets = 1 + ruleset_below(PACKETS_MOST);

		sum->words[CONNTRACK_SUM_PACKETS + side] = turn | packets;
		sum->words[CONNTRACK_SUM_BYTES + side] =
			turn | packets * (64 + ruleset_below(BYTES_MOST));
	}
}

static void table_draw(struct conntrack_table *table)
{
	for (uint32_t index = 0; index < table->set_count * CONNTRACK_WAYS; index++)
		if (table->flows[index].word & CONNTRACK_LIVE)
			carried_draw(&table->sums[CONNTRACK_SUM_ROW(index)],
				     table->flows[index].word);
}

static struct sums table_scan(const struct conntrack_table *table)
{
	uint32_t now = conntrack_now();
	struct sums sums = {};

	for (uint32_t index = 0; index < table->set_count * CONNTRACK_WAYS; index++) {
		const struct conntrack_flow *flow = &table->flows[index];
		const __u64 *words = table->sums[CONNTRACK_SUM_ROW(index)].words;

		if (!conntrack_is_there(flow->word, flow->expires_ticks, now))
			continue;
		sums.flows++;
		sums.packets += conntrack_sum_number(words, 0) + conntrack_sum_number(words, 1);
		sums.bytes += conntrack_sum_number(words, 2) + conntrack_sum_number(words, 3);
	}
	return sums;
}

static int64_t thread_ns(void)
{
	struct timespec now = {};

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
	return now.tv_sec * 1000000000LL + now.tv_nsec;
}

static int scan_print(const struct conntrack_table *table, unsigned rounds)
{
	struct sums sums = {};

	printf("{\"ms\":[");
	for (unsigned i = 0; i < rounds; i++) {
		int64_t before = thread_ns();

		sums = table_scan(table);
		printf("%s%.3f", i ? "," : "", (double)(thread_ns() - before) / 1e6);
	}
	printf("],\"total\":%llu,\"packets\":%llu,\"bytes\":%llu}\n",
	       (unsigned long long)sums.flows, (unsigned long long)sums.packets,
	       (unsigned long long)sums.bytes);
	return 0;
}

/* read draw PIN_DIR: the proven flows in the tables pinned there have carried something from now
 * on. read scan PIN_DIR ROUNDS: adds it up, and prints what that took. */
int bench_read(int argc, char **argv)
{
	struct bench_tables tables = {};
	struct conntrack_table *table = &tables.at[CONNTRACK_TABLE_PROVEN];

	if (argc < 2 || argc > 3 || strcmp(argv[0], argc == 2 ? "draw" : "scan") != 0) {
		fputs("usage: weir-bench read draw PIN_DIR | read scan PIN_DIR ROUNDS\n", stderr);
		return 2;
	}
	int r = bench_tables_open_pinned(argv[1], &tables);

	if (!r)
		r = bench_sums_open_pinned(argv[1], &tables);
	if (!r && argc == 2)
		table_draw(table);
	else if (!r)
		r = scan_print(table, (unsigned)strtoul(argv[2], NULL, 10));
	bench_tables_done(&tables);
	return r ? 1 : 0;
}
