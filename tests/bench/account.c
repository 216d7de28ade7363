/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Counting flows by prog-run: Weir that tracks connections with their counts and without, and the
 * kernel's hashes, behind the same packets of the same flows.
 */
#include <bpf/bpf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "abi/account.h"
#include "base/cleanup.h"
#include "tests/bench/flows.h"
#include "tests/bench/policy.h"
#include "tests/bench/ruleset.h"
#include "tests/bench/timing.h"

#define CAPACITY_LEAST 1000

enum contender {
	CONTENDER_EMPTY,
	CONTENDER_TRACKED,
	CONTENDER_COUNTED,
	CONTENDER_HASH,
	CONTENDER_PERCPU,
	CONTENDER_LRU,
	CONTENDERS,
};

static const struct {
	const char *name, *program, *map;
} plain[CONTENDERS] = {
	[CONTENDER_HASH] = { "hash", "count_hash4", "count_hash" },
	[CONTENDER_PERCPU] = { "percpu", "count_percpu4", "count_percpu" },
	[CONTENDER_LRU] = { "lru", "count_lru4", "count_lru" },
};

struct account {
	uint32_t count; /* flows */
	uint32_t packets;
	unsigned rounds;
	struct bench_policy tracked, counted;
	struct bench_tables tracked_tables, counted_tables;
	struct bench_programs programs;
	struct bench_timing timing;
	struct bench_contender contenders[CONTENDERS];
};

static uint32_t capacity_of(const struct account *account)
{
	return account->count > CAPACITY_LEAST ? account->count : CAPACITY_LEAST;
}

static int policy_load(const struct account *account, const char *counts,
		       struct bench_policy *ret_policy, struct bench_tables *ret_tables)
{
	char text[256];

	snprintf(text, sizeof(text),
		 "memory: 1GiB\nconntrack: {enabled: true, account: %s, capacity: %u}\n", counts,
		 capacity_of(account));
	if (bench_policy_parse(text, strlen(text), ret_policy))
		return -1;
	return bench_tables_open(ret_policy->object, ret_tables);
}

/* Both tables have one seed: what finds room in one does in the other. */
static int flows_draw(struct account *account)
{
	const struct bench_flow_kind *kind = bench_flow_kind_find("udp");
	struct bench_tuple *tuples = account->programs.tuples;

	bench_tables_fill(&account->tracked_tables, kind, true, account->count, tuples);
	for (uint32_t i = 0; i < account->count; i++)
		if (!bench_flow_add(&account->counted_tables, kind, true, &tuples[i], 0))
			return bench_error("placing a flow again");
	return 0;
}

/* Each flow once: rules have let it in then, and hashes have an entry of it. */
static int flows_meet(struct account *account)
{
	uint32_t verdict;

	account->programs.state->tuple_mask = BENCH_TUPLES_MAX - 1;
	for (unsigned i = 0; i < CONTENDERS; i++) {
		account->programs.state->next = 0;
		if (bench_timing_choose(&account->timing, account->contenders[i].program) ||
		    bench_timing_run(&account->timing, account->count, &verdict))
			return -1;
	}
	return 0;
}

static int packets_draw(struct account *account)
{
	struct bench_tuple *tuples = account->programs.tuples;
	_cleanup_free_ struct bench_tuple *flows = calloc(account->count, sizeof(*flows));

	if (!flows)
		return bench_error("flows");
	memcpy(flows, tuples, account->count * sizeof(*flows));
	for (uint32_t i = 0; i < BENCH_TUPLES_MAX; i++)
		tuples[i] = flows[ruleset_below(account->count)];
	return 0;
}

static int account_prepare(struct account *account)
{
	bench_counts_hold(capacity_of(account));
	if (bench_pin() ||
	    policy_load(account, "false", &account->tracked, &account->tracked_tables) ||
	    policy_load(account, "true", &account->counted, &account->counted_tables) ||
	    bench_programs_load(NULL, &account->programs))
		return -1;
	bench_timing_tuples(&account->timing, &account->programs, true);
	account->contenders[CONTENDER_EMPTY] =
		(struct bench_contender){ "empty", bench_program(&account->programs, "empty"),
					  account->packets };
	account->contenders[CONTENDER_TRACKED] = (struct bench_contender){
		"tracked", weir_object_program_fd(account->tracked.object, WEIR_PROGRAM_XDP),
		account->packets
	};
	account->contenders[CONTENDER_COUNTED] = (struct bench_contender){
		"counted", weir_object_program_fd(account->counted.object, WEIR_PROGRAM_XDP),
		account->packets
	};
	for (unsigned i = CONTENDER_HASH; i < CONTENDERS; i++)
		account->contenders[i] = (struct bench_contender){
			plain[i].name, bench_program(&account->programs, plain[i].program),
			account->packets
		};
	return flows_draw(account) || flows_meet(account) || packets_draw(account) ? -1 : 0;
}

/* What the kernel says that a map takes, in bytes. */
static double map_bytes(int fd)
{
	char path[64], line[128];
	double bytes = 0;

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", fd);
	_cleanup_fclose_ FILE *in = fopen(path, "re");

	while (in && fgets(line, sizeof(line), in))
		if (sscanf(line, "memlock: %lf", &bytes) == 1)
			break;
	return bytes;
}

static void memory_print(const struct account *account)
{
	const struct conntrack_table *table = &account->counted_tables.at[CONNTRACK_TABLE_PROVEN];
	double flows = capacity_of(account),
	       sums = map_bytes(weir_object_map_fd(account->counted.object, "st_flow_sum"));

	printf(",\"flow_bytes\":%.1f,\"sum_bytes\":%.1f",
	       (double)(table->flow_memory.bytes + table->set_memory.bytes) / flows, sums / flows);
	for (unsigned i = CONTENDER_HASH; i < CONTENDERS; i++)
		printf(",\"%s_bytes\":%.1f", plain[i].name,
		       map_bytes(bench_map(&account->programs, plain[i].map)) / flows);
}

/* Every packet that was sent is in a flow. */
static int counts_check(const struct account *account)
{
	uint64_t sums[2] = {}, sent = account->count + (uint64_t)account->rounds * account->packets;

	weir_map_sum(weir_object_map(account->counted.object, "ctr_reason"),
		     WEIR_ACCOUNT_ROW(0, WEIR_INGRESS, WEIR_ACCOUNT_FLOW), 1, 2, sums);
	if (sums[0] == sent)
		return 0;
	fprintf(stderr, "weir-bench: account: of %llu packets %llu were counted in a flow\n",
		(unsigned long long)sent, (unsigned long long)sums[0]);
	return -1;
}

static int account_measure(struct account *account)
{
	putchar('{');
	if (bench_timing_rounds(&account->timing, account->contenders, CONTENDERS, account->rounds,
				NULL, NULL))
		return -1;
	memory_print(account);
	puts("}");
	return counts_check(account);
}

/* account FLOWS ROUNDS PACKETS: prints ns a packet of each round, and bytes a flow of capacity. */
int bench_account(int argc, char **argv)
{
	struct account account = {};

	if (argc != 3) {
		fputs("usage: weir-bench account FLOWS ROUNDS PACKETS\n", stderr);
		return 2;
	}
	account.count = (uint32_t)strtoul(argv[0], NULL, 10);
	account.rounds = (unsigned)strtoul(argv[1], NULL, 10);
	account.packets = (uint32_t)strtoul(argv[2], NULL, 10);

	int r = account_prepare(&account) ? -1 : account_measure(&account);

	bench_tables_done(&account.tracked_tables);
	bench_tables_done(&account.counted_tables);
	bench_programs_done(&account.programs);
	bench_policy_done(&account.tracked);
	bench_policy_done(&account.counted);
	return r ? 1 : 0;
}
