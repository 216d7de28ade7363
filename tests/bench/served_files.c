/* SPDX-License-Identifier: Apache-2.0 */
/* Services for a daemon, and flows to them: in its tables, and in files as packets to send. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "tests/bench/bench.h"
#include "tests/bench/ruleset.h"
#include "tests/bench/served.h"

#define TABLES_MAX 4

/* services 4|6 KIND SERVICES BACKENDS: prints the section `balance`. */
int bench_services(int argc, char **argv)
{
	const struct bench_flow_kind *kind = argc == 4 ? bench_flow_kind_find(argv[1]) : NULL;
	struct bench_served served = {};

	if (!kind) {
		fputs("usage: weir-bench services 4|6 KIND SERVICES BACKENDS\n", stderr);
		return 2;
	}
	if (bench_served_new(argv[0][0] == '4', kind, (uint32_t)strtoul(argv[2], NULL, 10),
			     (uint32_t)strtoul(argv[3], NULL, 10), &served))
		return 1;
	bench_served_config(&served, UINT32_MAX, stdout);
	bench_served_done(&served);
	return 0;
}

static const struct {
	const char *file;
	enum bench_leg leg;
} legs[] = {
	{ "forward.tuples", BENCH_TO_SERVICE },
	{ "direct.tuples", BENCH_TO_BACKEND },
	{ "reply.tuples", BENCH_FROM_BACKEND },
};

/* One of each flow, then drawn evenly; where there are no flows, each of one of its own. */
static int leg_write(const struct bench_served *served, const struct bench_served_flow *flows,
		     uint32_t count, const char *file, enum bench_leg leg)
{
	_cleanup_fclose_ FILE *out = fopen(file, "we");

	for (uint32_t i = 0; out && i < BENCH_TUPLES_MAX; i++) {
		const struct bench_served_flow flow =
			count ? flows[i < count ? i : ruleset_below(count)] :
				bench_served_draw(served);
		const struct bench_tuple tuple = bench_served_leg(served, &flow, leg);

		fwrite(&tuple, sizeof(tuple), 1, out);
	}
	return out && !ferror(out) ? 0 : bench_error(file);
}

static int files_write(const struct bench_served *served, struct bench_tables *tables,
		       unsigned table_count, uint32_t count)
{
	_cleanup_free_ struct bench_served_flow *flows = calloc(count + 1, sizeof(*flows));
	int r = flows ? 0 : bench_error("flows");

	if (!r)
		bench_served_fill(served, tables, table_count, count, flows);
	for (size_t i = 0; i < WEIR_ARRAY_SIZE(legs) && !r; i++)
		r = leg_write(served, flows, count, legs[i].file, legs[i].leg);
	return r;
}

/* serve-files 4|6 KIND SERVICES BACKENDS COUNT FOLDER PIN_DIR...: fills the tables pinned there
 * with the same flows, writes packets of them to files of FOLDER. */
int bench_serve_files(int argc, char **argv)
{
	const struct bench_flow_kind *kind = argc > 6 ? bench_flow_kind_find(argv[1]) : NULL;
	struct bench_tables tables[TABLES_MAX] = {};
	unsigned table_count = 0;
	struct bench_served served = {};

	if (!kind || argc - 6 > TABLES_MAX || chdir(argv[5])) {
		fputs("usage: weir-bench serve-files 4|6 KIND SERVICES BACKENDS COUNT FOLDER "
		      "PIN_DIR...\n",
		      stderr);
		return 2;
	}
	int r = bench_served_new(argv[0][0] == '4', kind, (uint32_t)strtoul(argv[2], NULL, 10),
				 (uint32_t)strtoul(argv[3], NULL, 10), &served);

	for (; !r && table_count < (unsigned)argc - 6; table_count += !r)
		r = bench_tables_open_pinned(argv[6 + table_count], &tables[table_count]);
	if (!r)
		r = files_write(&served, tables, table_count, (uint32_t)strtoul(argv[4], NULL, 10));
	bench_served_done(&served);
	for (unsigned i = 0; i < table_count; i++)
		bench_tables_done(&tables[i]);
	return r ? 1 : 0;
}
