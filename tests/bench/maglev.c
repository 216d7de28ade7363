/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Maglev on compiled services: how long the slots take, how even the shares are, and which flows
 * another backend gets when one of them goes.
 */
#include <stdlib.h>
#include <string.h>

#include "abi/policy_head.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "core/compile.h"
#include "features/balance/balance_maglev.h"
#include "features/balance/balance_state.h"
#include "tests/bench/bench.h"
#include "tests/bench/ruleset.h"
#include "tests/bench/served.h"

#define FLOWS 1000000
#define TAKEN_OUT 20 /* backends, one after the other */

/* A service as packets see it. */
struct compiled {
	struct weir_config *config;
	struct weir_image *image;
	const struct weir_line *lines; /* of the section */
	double ms;
};

static void compiled_done(struct compiled *compiled)
{
	weir_image_free(compiled->image);
	weir_config_free(compiled->config);
}

/* One service, without that backend. */
static int compile(const struct bench_served *served, uint32_t left_out, struct compiled *ret)
{
	struct compiled compiled = {};
	char *text = NULL;
	size_t bytes = 0;
	FILE *out = open_memstream(&text, &bytes);
	uint32_t count;

	if (!out)
		return bench_error("a policy");
	bench_served_config(served, left_out, out);
	fclose(out);

	uint64_t start = weir_clock_monotonic_ns();
	int r = weir_config_parse(text, bytes, "bench", NULL, &compiled.config);

	if (!r)
		r = weir_compile(compiled.config, NULL, &compiled.image);
	if (!r)
		r = weir_image_parts_make(compiled.image);
	compiled.ms = (weir_clock_monotonic_ns() - start) / 1e6;
	free(text);
	if (r) {
		compiled_done(&compiled);
		return bench_error("compiling services");
	}
	const struct weir_line *lines = weir_image_lines(compiled.image, &count);
	const struct weir_policy_head *head = (const void *)lines;

	compiled.lines = &lines[head->header.first_line[WEIR_SECTION_BALANCE]];
	*ret = compiled;
	return 0;
}

static const struct balance_service *service_of(const struct compiled *compiled)
{
	const struct balance_head *head = (const void *)compiled->lines;

	return (const void *)&compiled->lines[head->services];
}

static const struct balance_backend *backends_of(const struct compiled *compiled,
						 uint32_t *ret_count)
{
	const struct balance_head *head = (const void *)compiled->lines;

	*ret_count = head->backend_count;
	return (const void *)&compiled->lines[head->backends];
}

/* Who a connection goes to: addresses in a row, from 1 on. */
struct owners {
	uint32_t of[UINT16_MAX + 1]; /* by number */
};

static void owners_read(const struct compiled *compiled, struct owners *owners)
{
	uint32_t count;
	const struct balance_backend *backends = backends_of(compiled, &count);

	for (uint32_t i = 0; i < count; i++)
		owners->of[backends[i].number] = be32toh(backends[i].addr.be32[3]);
}

static uint32_t owner_of(const struct compiled *compiled, const struct owners *owners,
			 const struct bench_tuple *tuple)
{
	const struct balance_service *service = service_of(compiled);
	uint32_t slot = balance_slot(&tuple->src, tuple->sport, service->slots);

	return owners->of[compiled->lines[service->slot].u16[slot]];
}

static int fill_time(const struct compiled *compiled, unsigned rounds)
{
	uint32_t count;
	const struct balance_backend *backends = backends_of(compiled, &count);
	_cleanup_free_ struct balance_end *ends = calloc(count, sizeof(*ends));
	_cleanup_free_ struct balance_maglev_backend *shares = calloc(count, sizeof(*shares));
	_cleanup_free_ uint16_t *slots = calloc(BALANCE_SLOTS, sizeof(*slots));

	if (!ends || !shares || !slots)
		return bench_error("slots");
	for (uint32_t i = 0; i < count; i++) {
		ends[i] = (struct balance_end){ .addr = backends[i].addr,
						.port = be16toh(backends[i].port),
						.proto = service_of(compiled)->proto };
		shares[i] = (struct balance_maglev_backend){ &ends[i], sizeof(ends[i]), 1,
							     backends[i].number,
							     balance_number_wanted(&ends[i]) };
	}
	printf("\"fill_ms\":[");
	for (unsigned i = 0; i < rounds; i++) {
		int64_t start = bench_cpu_ns();

		if (balance_maglev_fill(shares, count, slots) != 1)
			return bench_error("slots");
		printf("%s%.3f", i ? "," : "", (bench_cpu_ns() - start) / 1e6);
	}
	const struct balance_service *service = service_of(compiled);

	/* What was timed is what packets are sent by. */
	return memcmp(slots, compiled->lines[service->slot].u16, sizeof(*slots) * BALANCE_SLOTS) ?
		       (fputs("weir-bench: slots differ from the compiled ones\n", stderr), -1) :
		       0;
}

static double max_over_mean(const uint32_t *shares, uint32_t count)
{
	uint64_t sum = 0;
	uint32_t most = 0;

	for (uint32_t i = 0; i < count; i++) {
		sum += shares[i];
		most = shares[i] > most ? shares[i] : most;
	}
	return (double)most * count / (double)sum;
}

static int shares_print(const struct compiled *compiled, const struct owners *owners,
			const struct bench_tuple *flows, uint32_t first)
{
	const struct balance_service *service = service_of(compiled);
	uint32_t count;

	backends_of(compiled, &count);

	_cleanup_free_ uint32_t *slots = calloc(count, sizeof(*slots));
	_cleanup_free_ uint32_t *connections = calloc(count, sizeof(*connections));

	if (!slots || !connections)
		return bench_error("shares");
	for (uint32_t i = 0; i < service->slots; i++)
		slots[owners->of[compiled->lines[service->slot].u16[i]] - first]++;
	for (uint32_t i = 0; i < FLOWS; i++)
		connections[owner_of(compiled, owners, &flows[i]) - first]++;
	printf("],\"slots_max_mean\":%.5f,\"flows_max_mean\":%.5f", max_over_mean(slots, count),
	       max_over_mean(connections, count));
	return 0;
}

/* Of a million connections, those that lose a backend which is still there. */
static int moved(const struct bench_served *served, const struct compiled *before,
		 const struct owners *owners, const struct bench_tuple *flows, uint32_t victim,
		 uint32_t first)
{
	_cleanup_free_ struct owners *others = calloc(1, sizeof(*others));
	struct compiled after = {};
	int count = 0;

	if (!others || compile(served, victim, &after))
		return -1;
	owners_read(&after, others);
	for (uint32_t i = 0; i < FLOWS; i++) {
		uint32_t owner = owner_of(before, owners, &flows[i]);

		count += owner != first + victim && owner != owner_of(&after, others, &flows[i]);
	}
	compiled_done(&after);
	return count;
}

static int disruption_print(const struct bench_served *served, const struct compiled *compiled,
			    const struct owners *owners, const struct bench_tuple *flows,
			    uint32_t first)
{
	uint32_t victims = served->backends < TAKEN_OUT ? served->backends : TAKEN_OUT;

	printf(",\"moved\":[");
	for (uint32_t i = 0; i < victims; i++) {
		uint32_t victim = i * (served->backends / victims);
		int count = moved(served, compiled, owners, flows, victim, first);

		if (count < 0)
			return -1;
		printf("%s%.6f", i ? "," : "", (double)count / FLOWS);
	}
	printf("]");
	return 0;
}

static int maglev_measure(const struct bench_served *served, unsigned rounds)
{
	_cleanup_free_ struct bench_tuple *flows = calloc(FLOWS, sizeof(*flows));
	_cleanup_free_ struct owners *owners = calloc(1, sizeof(*owners));
	struct compiled compiled = {};

	if (!flows || !owners || bench_pin() || compile(served, UINT32_MAX, &compiled))
		return -1;
	uint32_t count, first = be32toh(backends_of(&compiled, &count)->addr.be32[3]);

	for (uint32_t i = 0; i < FLOWS; i++)
		flows[i] = bench_served_draw(served).tuple;
	owners_read(&compiled, owners);
	printf("{\"compile_ms\":%.2f,\"bytes\":%llu,", compiled.ms,
	       (unsigned long long)weir_image_bytes(compiled.image));
	int r = fill_time(&compiled, rounds)			      ?:
			shares_print(&compiled, owners, flows, first) ?:
			disruption_print(served, &compiled, owners, flows, first);

	puts("}");
	compiled_done(&compiled);
	return r;
}

/* maglev 4|6 BACKENDS ROUNDS: prints how one service with so many is filled, and shared out. */
int bench_maglev(int argc, char **argv)
{
	struct bench_served served = {};

	if (argc != 3) {
		fputs("usage: weir-bench maglev 4|6 BACKENDS ROUNDS\n", stderr);
		return 2;
	}
	if (bench_served_new(argv[0][0] == '4', bench_flow_kind_find("tcp"), 1,
			     (uint32_t)strtoul(argv[1], NULL, 10), &served))
		return 1;
	int r = maglev_measure(&served, (unsigned)strtoul(argv[2], NULL, 10));

	bench_served_done(&served);
	return r ? 1 : 0;
}
