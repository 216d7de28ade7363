/* SPDX-License-Identifier: Apache-2.0 */
/* Flows for live frames: in a daemon's tables, and in files, as packets to send and as what the
 * kernel's own tracking is filled with. */
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "tests/bench/bench.h"
#include "tests/bench/flows.h"
#include "tests/bench/ruleset.h"

/* Packets of the flows: one of each, then drawn evenly. Or each of a flow of its own. */
static int tuples_write(const struct bench_flow_kind *kind, bool is_v4,
			const struct bench_tuple *flows, uint32_t flow_count)
{
	uint32_t count = kind->table == CONNTRACK_TABLE_PROVEN ? flow_count : 0;
	_cleanup_fclose_ FILE *out = fopen("packets.tuples", "we");

	for (uint32_t i = 0; out && i < BENCH_TUPLES_MAX; i++) {
		uint32_t at = i < count ? i : count ? ruleset_below(count) : 0;
		struct bench_tuple tuple = count ? flows[at] : bench_flow_draw(kind, is_v4);

		fwrite(&tuple, sizeof(tuple), 1, out);
	}
	return out && !ferror(out) ? 0 : bench_error("packets.tuples");
}

/* A line of conntrack's own file format for each flow. */
static int kernel_write(bool is_v4, const struct bench_tuple *flows, uint32_t count)
{
	_cleanup_fclose_ FILE *out = fopen("flows.conntrack", "we");
	int family = is_v4 ? AF_INET : AF_INET6, word = is_v4 ? 3 : 0;

	for (uint32_t i = 0; out && i < count; i++) {
		char src[INET6_ADDRSTRLEN], dst[INET6_ADDRSTRLEN];

		inet_ntop(family, &flows[i].src.be32[word], src, sizeof(src));
		inet_ntop(family, &flows[i].dst.be32[word], dst, sizeof(dst));
		fprintf(out,
			"-A -p %s -s %s -d %s --sport %u --dport %u -t 3600 "
			"-u SEEN_REPLY,ASSURED%s\n",
			flows[i].proto == CONNTRACK_TCP ? "tcp" : "udp", src, dst,
			ntohs(flows[i].sport), ntohs(flows[i].dport),
			flows[i].proto == CONNTRACK_TCP ? " --state ESTABLISHED" : "");
	}
	return out && !ferror(out) ? 0 : bench_error("flows.conntrack");
}

/* Of that kind where its flows are to be there, or else of UDP. */
static const struct bench_flow_kind *filled(const struct bench_flow_kind *kind)
{
	return kind->table == CONNTRACK_TABLE_PROVEN ? kind : bench_flow_kind_find("udp");
}

/* flows 4|6 KIND COUNT FOLDER PIN_DIR [SECONDS]: fills the tables pinned there, writes
 * packets.tuples and flows.conntrack; the flows in the tables end within SECONDS. Where COUNT is 0
 * or packets of that kind have no flow, packets of flows that nobody knows. */
int bench_flows(int argc, char **argv)
{
	const struct bench_flow_kind *kind =
		argc == 5 || argc == 6 ? bench_flow_kind_find(argv[1]) : NULL;
	struct bench_tables tables = {};

	if (!kind || chdir(argv[3])) {
		fputs("usage: weir-bench flows 4|6 KIND COUNT FOLDER PIN_DIR [SECONDS]\n", stderr);
		return 2;
	}
	bool is_v4 = argv[0][0] == '4';
	uint32_t count = (uint32_t)strtoul(argv[2], NULL, 10);
	_cleanup_free_ struct bench_tuple *flows = calloc(count + 1, sizeof(*flows));

	if (!flows || bench_tables_open_pinned(argv[4], &tables))
		return 1;
	bench_tables_fill(&tables, filled(kind), is_v4, count, flows);
	int r = tuples_write(kind, is_v4, flows, count) ?: kernel_write(is_v4, flows, count);

	if (argc == 6)
		bench_tables_end(&tables, filled(kind)->table,
				 (uint32_t)strtoul(argv[5], NULL, 10));
	bench_tables_done(&tables);
	return r ? 1 : 0;
}

/* taken PIN_DIR: prints how many flows nobody has forgotten yet. */
int bench_taken(int argc, char **argv)
{
	struct bench_tables tables = {};

	if (argc != 1 || bench_tables_open_pinned(argv[0], &tables)) {
		fputs("usage: weir-bench taken PIN_DIR\n", stderr);
		return 2;
	}
	printf("%u\n", bench_tables_taken(&tables, CONNTRACK_TABLE_PROVEN));
	bench_tables_done(&tables);
	return 0;
}
