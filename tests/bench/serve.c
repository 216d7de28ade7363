/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The balancer by prog-run: packets of flows to services at each place where a program meets them,
 * and of the same flows where connections are tracked and nothing is balanced, or not even that.
 */
#include "tests/bench/served.h"

#include <linux/bpf.h>
#include <stdlib.h>
#include <string.h>

#include "abi/maps.h"
#include "base/cleanup.h"
#include "core/image.h"
#include "tests/bench/bench.h"
#include "tests/bench/policy.h"
#include "tests/bench/ruleset.h"
#include "tests/bench/timing.h"

#define REGIONS 8 /* of the tuples: one a leg, and one of new flows */
#define REGION (BENCH_TUPLES_MAX / REGIONS)
#define REGION_NEW BENCH_LEGS
#define CAPACITY_LEAST 100000
#define LOOKS 64
#define TC_NEXT 0xffffffffu

enum policy {
	POLICY_PLAIN,
	POLICY_TRACKED,
	POLICY_SERVED,
	POLICIES,
};

/* A program at a place, and what it makes of a packet that comes there. */
struct stage {
	const char *name;
	enum policy policy;
	enum weir_program program;
	unsigned sent, becomes; /* enum bench_leg, or REGION_NEW */
};

static const struct stage stages[] = {
	{ "plain tc in", POLICY_PLAIN, WEIR_PROGRAM_TC_IN, BENCH_TO_SERVICE, BENCH_TO_SERVICE },
	{ "plain tc out", POLICY_PLAIN, WEIR_PROGRAM_TC_OUT, BENCH_TO_SERVICE, BENCH_TO_SERVICE },
	{ "plain xdp", POLICY_PLAIN, WEIR_PROGRAM_XDP, BENCH_TO_SERVICE, BENCH_TO_SERVICE },
	{ "tracked tc in", POLICY_TRACKED, WEIR_PROGRAM_TC_IN, BENCH_TO_SERVICE, BENCH_TO_SERVICE },
	{ "tracked tc out", POLICY_TRACKED, WEIR_PROGRAM_TC_OUT, BENCH_TO_SERVICE,
	  BENCH_TO_SERVICE },
	{ "tracked xdp", POLICY_TRACKED, WEIR_PROGRAM_XDP, BENCH_TO_SERVICE, BENCH_TO_SERVICE },
	{ "tracked tc in, new", POLICY_TRACKED, WEIR_PROGRAM_TC_IN, REGION_NEW, REGION_NEW },
	{ "forward tc in", POLICY_SERVED, WEIR_PROGRAM_TC_IN, BENCH_TO_SERVICE, BENCH_TO_BACKEND },
	{ "forward tc out", POLICY_SERVED, WEIR_PROGRAM_TC_OUT, BENCH_TO_BACKEND,
	  BENCH_TO_BACKEND },
	{ "forward xdp", POLICY_SERVED, WEIR_PROGRAM_XDP, BENCH_TO_SERVICE, BENCH_TO_SERVICE },
	{ "forward behind xdp", POLICY_SERVED, WEIR_PROGRAM_TC_PROOF, BENCH_TO_SERVICE,
	  BENCH_TO_BACKEND },
	{ "reply tc in", POLICY_SERVED, WEIR_PROGRAM_TC_IN, BENCH_FROM_BACKEND,
	  BENCH_FROM_BACKEND },
	{ "reply tc out", POLICY_SERVED, WEIR_PROGRAM_TC_OUT, BENCH_FROM_BACKEND,
	  BENCH_FROM_SERVICE },
	{ "reply xdp", POLICY_SERVED, WEIR_PROGRAM_XDP, BENCH_FROM_BACKEND, BENCH_FROM_BACKEND },
	{ "reply behind xdp", POLICY_SERVED, WEIR_PROGRAM_TC_PROOF, BENCH_FROM_BACKEND,
	  BENCH_FROM_BACKEND },
	{ "new tc in", POLICY_SERVED, WEIR_PROGRAM_TC_IN, REGION_NEW, REGION_NEW },
};

#define STAGES WEIR_ARRAY_SIZE(stages)
#define EMPTIES 2 /* contenders before those of stages */

struct serve {
	struct bench_served served;
	uint32_t count, packets;
	unsigned rounds;
	const char *more; /* a file with the rest of what serves; NULL: nothing else is on */
	struct bench_policy policies[POLICIES];
	struct bench_tables tables[POLICIES];
	struct bench_programs programs;
	struct bench_timing frames, skbs;
	struct bench_contender contenders[EMPTIES + STAGES];
};

static bool is_xdp(const struct stage *stage)
{
	return stage->program == WEIR_PROGRAM_XDP;
}

static const struct bench_timing *timing_of(const struct serve *serve, const struct stage *stage)
{
	return is_xdp(stage) ? &serve->frames : &serve->skbs;
}

static int file_copy(const char *path, FILE *out)
{
	_cleanup_fclose_ FILE *in = fopen(path, "re");
	int byte;

	if (!in)
		return bench_error(path);
	while ((byte = fgetc(in)) != EOF)
		fputc(byte, out);
	return ferror(in) ? bench_error(path) : 0;
}

static uint32_t capacity_of(const struct serve *serve)
{
	return serve->count > CAPACITY_LEAST ? serve->count : CAPACITY_LEAST;
}

static int policy_open(struct serve *serve, enum policy policy)
{
	char *text = NULL;
	size_t bytes = 0;
	FILE *out = open_memstream(&text, &bytes);
	int r = out ? 0 : bench_error("a policy");

	if (r)
		return r;
	/* With everything on, flows are accounted. */
	fprintf(out, "memory: 4GiB\nconntrack: {enabled: %s, account: %s, capacity: %u}\n",
		policy == POLICY_PLAIN ? "false" : "true",
		policy == POLICY_SERVED && serve->more ? "true" : "false", capacity_of(serve));
	if (policy == POLICY_SERVED)
		bench_served_config(&serve->served, UINT32_MAX, out);
	if (policy == POLICY_SERVED && serve->more)
		r = file_copy(serve->more, out);
	fclose(out);
	if (!r)
		r = bench_policy_parse(text, bytes, &serve->policies[policy]);
	free(text);
	if (!r && policy != POLICY_PLAIN)
		r = bench_tables_open(serve->policies[policy].object, &serve->tables[policy]);
	return r;
}

static void region_fill(struct serve *serve, unsigned region, const struct bench_served_flow *flows)
{
	struct bench_tuple *tuples = serve->programs.tuples + (size_t)region * REGION;

	for (uint32_t i = 0; i < REGION; i++) {
		const struct bench_served_flow drawn = bench_served_draw(&serve->served);
		const struct bench_served_flow *flow =
			&flows[i < serve->count ? i : ruleset_below(serve->count)];

		tuples[i] = region == REGION_NEW ?
				    bench_served_leg(&serve->served, &drawn, BENCH_TO_SERVICE) :
				    bench_served_leg(&serve->served, flow, region);
	}
}

/* The same flows in both tables. What was drawn for one finds room in the other but for a few: they
 * are let in as new ones. */
static int flows_fill(struct serve *serve)
{
	struct bench_served_flow *flows = calloc(serve->count, sizeof(*flows));

	if (!flows)
		return bench_error("flows");
	bench_served_fill(&serve->served, &serve->tables[POLICY_SERVED], 1, serve->count, flows);
	for (uint32_t i = 0; i < serve->count; i++)
		bench_flow_add(&serve->tables[POLICY_TRACKED], serve->served.kind,
			       serve->served.is_v4, &flows[i].tuple, 0);
	for (unsigned region = 0; region <= REGION_NEW; region++)
		region_fill(serve, region, flows);
	free(flows);
	return 0;
}

static void region_set(const struct serve *serve, const struct stage *stage, uint32_t next)
{
	struct bench_state *state = serve->programs.state;

	state->tuple_mask = REGION - 1;
	state->tuple_first = stage ? stage->sent * REGION : 0;
	state->next = next;
}

/* As many packets go before: another table was in the caches, that of the program before. */
static int packets_ready(void *arg, unsigned contender, unsigned round)
{
	struct serve *serve = arg;
	const struct bench_contender *at = &serve->contenders[contender];
	uint32_t verdict;

	region_set(serve, contender < EMPTIES ? NULL : &stages[contender - EMPTIES],
		   2 * round * serve->packets);
	return bench_timing_choose(at->timing, at->program) ?:
		       bench_timing_run(at->timing, serve->packets, &verdict);
}

/* Every flow is let in at each place, so that what is timed are hits. */
static int flows_warm(const struct serve *serve)
{
	uint32_t verdict;

	for (size_t i = 0; i < STAGES; i++) {
		const struct bench_timing *timing = timing_of(serve, &stages[i]);

		region_set(serve, &stages[i], 0);
		if (bench_timing_choose(timing, serve->contenders[EMPTIES + i].program) ||
		    bench_timing_run(timing, REGION, &verdict))
			return -1;
	}
	return 0;
}

static bool frame_is(const unsigned char *frame, bool is_v4, const struct bench_tuple *tuple)
{
	size_t addr_bytes = is_v4 ? 4 : 16, at = is_v4 ? 26 : 22, ports = at + 2 * addr_bytes;
	unsigned word = is_v4 ? 3 : 0;

	return memcmp(frame + at, &tuple->src.be32[word], addr_bytes) == 0 &&
	       memcmp(frame + at + addr_bytes, &tuple->dst.be32[word], addr_bytes) == 0 &&
	       memcmp(frame + ports, &tuple->sport, 2) == 0 &&
	       memcmp(frame + ports + 2, &tuple->dport, 2) == 0 &&
	       (tuple->proto != CONNTRACK_UDP ||
		memcmp(frame + ports + 4, &tuple->tcp_seq, 4) == 0);
}

/* A figure counts only if packets become what they should, checksums included, and go on. */
static int stage_check(const struct serve *serve, const struct stage *stage, int program)
{
	const struct bench_timing *timing = timing_of(serve, stage);
	uint32_t passes = is_xdp(stage) ? XDP_PASS : TC_NEXT, verdict;
	unsigned char frame[BENCH_TUPLE_FRAME_BYTES];

	if (stage->sent == REGION_NEW)
		return 0;
	region_set(serve, stage, 0);
	if (bench_timing_choose(timing, program))
		return -1;
	for (uint32_t i = 0; i < LOOKS; i++) {
		const struct bench_tuple *want =
			&serve->programs.tuples[stage->becomes * REGION + i];

		if (bench_timing_look(timing, frame, &verdict))
			return -1;
		if (verdict == passes && frame_is(frame, serve->served.is_v4, want))
			continue;
		fprintf(stderr, "weir-bench: %s: packet %u became another, or ended with %u\n",
			stage->name, i, verdict);
		return -1;
	}
	return 0;
}

static int serve_prepare(struct serve *serve)
{
	if (bench_pin() || bench_programs_load(NULL, &serve->programs))
		return -1;
	for (unsigned policy = 0; policy < POLICIES; policy++)
		if (policy_open(serve, policy))
			return -1;
	bench_timing_tuples(&serve->frames, &serve->programs, serve->served.is_v4);
	bench_timing_skbs(&serve->skbs, &serve->programs, serve->served.is_v4);
	serve->contenders[0] =
		(struct bench_contender){ "empty xdp", bench_program(&serve->programs, "empty"),
					  serve->packets, &serve->frames };
	serve->contenders[1] =
		(struct bench_contender){ "empty tc", bench_program(&serve->programs, "skb_empty"),
					  serve->packets, &serve->skbs };
	for (size_t i = 0; i < STAGES; i++)
		serve->contenders[EMPTIES + i] = (struct bench_contender){
			stages[i].name,
			weir_object_program_fd(serve->policies[stages[i].policy].object,
					       stages[i].program),
			serve->packets, timing_of(serve, &stages[i])
		};
	return flows_fill(serve) ?: flows_warm(serve);
}

static int serve_measure(struct serve *serve)
{
	uint32_t jited = 0;
	uint64_t verified = 0;

	const struct bench_policy *policy = &serve->policies[POLICY_SERVED];
	const struct conntrack_table *table =
		&serve->tables[POLICY_SERVED].at[CONNTRACK_TABLE_PROVEN];

	weir_object_size(policy->object, &jited, &verified);
	printf("{\"verified\":%llu,\"jited_bytes\":%u,\"compile_ms\":%.1f,\"stage_ms\":%.1f,"
	       "\"bytes\":%llu,\"flow_bytes\":%.1f,",
	       (unsigned long long)verified, jited, policy->compile_ms, policy->stage_ms,
	       (unsigned long long)weir_image_bytes(policy->image),
	       (double)(table->flow_memory.bytes + table->set_memory.bytes) / capacity_of(serve));
	if (bench_timing_rounds(&serve->skbs, serve->contenders, EMPTIES + STAGES, serve->rounds,
				packets_ready, serve))
		return -1;
	puts("}");
	for (size_t i = 0; i < STAGES; i++)
		if (stage_check(serve, &stages[i], serve->contenders[EMPTIES + i].program))
			return -1;
	return 0;
}

static void serve_done(struct serve *serve)
{
	for (unsigned policy = 0; policy < POLICIES; policy++) {
		bench_tables_done(&serve->tables[policy]);
		bench_policy_done(&serve->policies[policy]);
	}
	bench_programs_done(&serve->programs);
	bench_served_done(&serve->served);
}

/* serve 4|6 KIND SERVICES BACKENDS FLOWS ROUNDS PACKETS [FILE]: prints ns a packet of each round.
 * FILE: more of the weir.yaml of what serves. */
int bench_serve(int argc, char **argv)
{
	const struct bench_flow_kind *kind =
		argc == 7 || argc == 8 ? bench_flow_kind_find(argv[1]) : NULL;
	struct serve serve = {};

	if (!kind) {
		fputs("usage: weir-bench serve 4|6 KIND SERVICES BACKENDS FLOWS ROUNDS PACKETS "
		      "[FILE]\n",
		      stderr);
		return 2;
	}
	serve.count = (uint32_t)strtoul(argv[4], NULL, 10);
	serve.rounds = (unsigned)strtoul(argv[5], NULL, 10);
	serve.packets = (uint32_t)strtoul(argv[6], NULL, 10);
	serve.more = argc == 8 ? argv[7] : NULL;

	int r = bench_served_new(argv[0][0] == '4', kind, (uint32_t)strtoul(argv[2], NULL, 10),
				 (uint32_t)strtoul(argv[3], NULL, 10), &serve.served);

	if (!r)
		r = serve_prepare(&serve) ? -1 : serve_measure(&serve);
	serve_done(&serve);
	return r ? 1 : 0;
}
