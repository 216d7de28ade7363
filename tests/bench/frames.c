/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Packets end to end: live frames leave one end of a veth pair in a namespace, and whatever is set
 * up at the other end judges them. What is timed is generator and receiver together.
 */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_link.h>
#include <net/if.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "tests/bench/bench.h"
#include "tests/bench/bench_state.h"

#define TARGETS_MAX 8
#define BATCH 64
#define SLOW_BATCH 128 /* half of what a veth's ring holds */
#define ARRIVE_LIMIT_NS (2 * WEIR_NS_PER_S)

#ifndef BPF_F_TEST_XDP_LIVE_FRAMES
#define BPF_F_TEST_XDP_LIVE_FRAMES (1U << 1)
#endif

struct target {
	char *name;
	char *netns;
	char *out;     /* frames leave here */
	char *in;      /* and arrive there */
	char *program; /* "-": what is there already */
	char *back;    /* stands where they left, for answers; NULL: nothing does */
	int netns_fd;
	int link, back_link;
	uint32_t out_ifindex;
	/* A filter that takes microseconds a packet gets fewer, and no more at a time than its ring
	 * holds; 0: as many as the others. */
	uint32_t slow_packets;
};

struct frames {
	bool is_v4;
	bool has_tuples; /* whole five-tuples and not only sources */
	struct bench_programs programs;
	struct target targets[TARGETS_MAX];
	int target_count;
	unsigned rounds;
	uint32_t packets;
};

static int target_enter(const struct target *target)
{
	return setns(target->netns_fd, CLONE_NEWNET) ? bench_error(target->netns) : 0;
}

/* NAME,NETNS,OUT,IN,PROGRAM[,PACKETS[,BACK]] */
static int target_parse(char *text, struct target *target)
{
	char **parts[] = { &target->name, &target->netns, &target->out, &target->in,
			   &target->program };

	for (size_t i = 0; i < WEIR_ARRAY_SIZE(parts); i++)
		*parts[i] = strsep(&text, ",");
	if (!target->program) {
		errno = EINVAL;
		return bench_error("a target is NAME,NETNS,OUT,IN,PROGRAM[,PACKETS[,BACK]]");
	}
	const char *slow = strsep(&text, ",");

	target->slow_packets = slow ? (uint32_t)strtoul(slow, NULL, 10) : 0;
	target->back = text;
	return 0;
}

static int attach(const struct frames *frames, const char *program, const char *device,
		  int *ret_link)
{
	LIBBPF_OPTS(bpf_link_create_opts, opts, .flags = XDP_FLAGS_DRV_MODE);

	*ret_link = bpf_link_create(bench_program(&frames->programs, program),
				    (int)if_nametoindex(device), BPF_XDP, &opts);
	return *ret_link < 0 ? bench_error("attaching at XDP") : 0;
}

static int target_open(const struct frames *frames, struct target *target)
{
	char path[128];

	snprintf(path, sizeof(path), "/run/netns/%s", target->netns);
	target->netns_fd = open(path, O_RDONLY | O_CLOEXEC);
	target->link = target->back_link = -1;
	if (target->netns_fd < 0 || target_enter(target))
		return bench_error(path);
	target->out_ifindex = if_nametoindex(target->out);
	if (!target->out_ifindex)
		return bench_error(target->out);
	if (strcmp(target->program, "-") != 0 &&
	    attach(frames, target->program, target->in, &target->link))
		return -1;
	return target->back ? attach(frames, target->back, target->out, &target->back_link) : 0;
}

/* Packets that have come to the receiving end, dropped there or not. */
static uint64_t arrived(const struct target *target)
{
	_cleanup_fclose_ FILE *file = fopen("/proc/thread-self/net/dev", "re");
	char line[512], name[32];
	unsigned long long packets;

	while (file && fgets(line, sizeof(line), file))
		if (sscanf(line, " %31[^:]: %*u %llu", name, &packets) == 2 &&
		    strcmp(name, target->in) == 0)
			return packets;
	return 0;
}

static int send_frames(struct frames *frames, const struct target *target, uint32_t packets)
{
	static const char *const programs[2][2] = { { "live6", "live4" },
						    { "live_tuple6", "live_tuple4" } };
	const char *program = programs[frames->has_tuples][frames->is_v4];
	unsigned char frame[BENCH_TUPLE_FRAME_BYTES];
	uint32_t bytes = frames->has_tuples ? BENCH_TUPLE_FRAME_BYTES : BENCH_FRAME_BYTES;
	struct xdp_md context = { .data_end = bytes };
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = frame, .data_size_in = bytes,
		    .ctx_in = &context, .ctx_size_in = sizeof(context), .repeat = (int)packets,
		    .flags = BPF_F_TEST_XDP_LIVE_FRAMES, .batch_size = BATCH);

	if (frames->has_tuples)
		bench_tuple_frame_make(frames->is_v4, frame);
	else
		bench_frame_make(frames->is_v4, frame);
	memcpy(frames->programs.state->frame, frame, bytes);
	frames->programs.state->out_ifindex = target->out_ifindex;
	if (bpf_prog_test_run_opts(bench_program(&frames->programs, program), &opts))
		return bench_error("sending live frames");
	return 0;
}

struct burst {
	uint64_t cpu_ns;
	uint64_t arrived;
};

/* Waits, giving the CPU away, until ksoftirqd is through what is still queued; what does not come
 * was dropped on the way and is reported. */
static int burst_run(struct frames *frames, const struct target *target, uint32_t packets,
		     struct burst *ret_burst)
{
	if (target_enter(target))
		return -1;

	uint64_t before = arrived(target), limit = weir_clock_monotonic_ns() + ARRIVE_LIMIT_NS;
	int64_t start = bench_cpu_ns();

	if (send_frames(frames, target, packets))
		return -1;

	uint64_t spent = (uint64_t)(bench_cpu_ns() - start), last = 0;
	uint64_t now = arrived(target);

	while (now - before < packets && now != last && weir_clock_monotonic_ns() < limit) {
		sched_yield();
		last = now;
		now = arrived(target);
	}
	*ret_burst = (struct burst){ .cpu_ns = spent, .arrived = now - before };
	return 0;
}

/* What is still queued when sending is done is ksoftirqd's; the time this thread spends looking
 * whether it has come is nobody's. */
static int slow_run(struct frames *frames, const struct target *target, struct burst *ret_burst)
{
	struct burst all = {};

	if (target_enter(target))
		return -1;
	for (uint32_t left = target->slow_packets; left;) {
		uint32_t packets = left < SLOW_BATCH ? left : SLOW_BATCH;
		uint64_t before = arrived(target), now = before;
		uint64_t limit = weir_clock_monotonic_ns() + ARRIVE_LIMIT_NS;
		int64_t start = bench_cpu_ns();

		if (send_frames(frames, target, packets))
			return -1;
		int64_t sent = bench_cpu_ns(), behind = bench_softirq_ns();

		while (now - before < packets && weir_clock_monotonic_ns() < limit) {
			sched_yield();
			now = arrived(target);
		}
		all.cpu_ns += (uint64_t)(sent - start + bench_softirq_ns() - behind);
		all.arrived += now - before;
		left -= packets;
	}
	*ret_burst = all;
	return 0;
}

/* Each target of a round gets the same packets, as far as it gets them. */
static int round_run(struct frames *frames, const struct target *target, unsigned round,
		     struct burst *ret_burst)
{
	uint32_t packets = target->slow_packets ?: frames->packets;

	frames->programs.state->next = round * packets;
	return target->slow_packets ? slow_run(frames, target, ret_burst) :
				      burst_run(frames, target, packets, ret_burst);
}

static int frames_open(struct frames *frames, const char *folder)
{
	struct bench_list list = {};
	bool trie = false, linear = false;

	if (chdir(folder))
		return bench_error(folder);
	if (bench_pin() || bench_programs_load(NULL, &frames->programs))
		return -1;
	for (int i = 0; i < frames->target_count; i++) {
		if (target_open(frames, &frames->targets[i]))
			return -1;
		trie = trie || strncmp(frames->targets[i].program, "trie", 4) == 0;
		linear = linear || strncmp(frames->targets[i].program, "linear", 6) == 0;
	}
	if (linear && bench_rules_read(&frames->programs, "rules.bin"))
		return -1;
	if (!trie)
		return 0;
	int r = bench_list_read("list.bin", &list);

	if (!r)
		r = bench_trie_fill(&frames->programs, &list, frames->is_v4);
	bench_list_done(&list);
	return r;
}

static void frames_done(struct frames *frames)
{
	for (int i = 0; i < frames->target_count; i++) {
		weir_cleanup_close(&frames->targets[i].link);
		weir_cleanup_close(&frames->targets[i].back_link);
		weir_cleanup_close(&frames->targets[i].netns_fd);
	}
	bench_programs_done(&frames->programs);
}

static int frames_measure(struct frames *frames)
{
	_cleanup_free_ struct burst *bursts =
		calloc((size_t)frames->target_count * frames->rounds, sizeof(*bursts));

	if (!bursts)
		return -1;
	for (unsigned round = 0; round < frames->rounds; round++)
		for (int i = 0; i < frames->target_count; i++)
			if (round_run(frames, &frames->targets[i], round,
				      &bursts[i * frames->rounds + round]))
				return -1;
	putchar('{');
	for (int i = 0; i < frames->target_count; i++) {
		const struct burst *burst = bursts + i * frames->rounds;
		uint64_t came = 0;

		printf("%s\"%s\":{\"ns\":[", i ? "," : "", frames->targets[i].name);
		for (unsigned round = 0; round < frames->rounds; round++) {
			printf("%s%.2f", round ? "," : "",
			       (double)burst[round].cpu_ns / (double)(burst[round].arrived ?: 1));
			came += burst[round].arrived;
		}
		printf("],\"sent\":%llu,\"arrived\":%llu}",
		       (unsigned long long)frames->rounds *
			       (frames->targets[i].slow_packets ?: frames->packets),
		       (unsigned long long)came);
	}
	puts("}");
	return 0;
}

/* frames 4|6 FOLDER KEYS ROUNDS PACKETS TARGET...: prints ns a packet of each round. */
int bench_frames(int argc, char **argv)
{
	struct frames frames = {};
	int r = 0;

	if (argc < 6 || argc > 5 + TARGETS_MAX) {
		fputs("usage: weir-bench frames 4|6 FOLDER KEYS ROUNDS PACKETS TARGET...\n",
		      stderr);
		return 2;
	}
	frames.is_v4 = argv[0][0] == '4';
	frames.rounds = (unsigned)strtoul(argv[3], NULL, 10);
	frames.packets = (uint32_t)strtoul(argv[4], NULL, 10);
	frames.target_count = argc - 5;
	for (int i = 0; !r && i < frames.target_count; i++)
		r = target_parse(argv[5 + i], &frames.targets[i]);
	if (!r)
		r = frames_open(&frames, argv[1]);
	frames.has_tuples = strstr(argv[2], ".tuples");
	if (!r)
		r = frames.has_tuples ? bench_tuples_read(&frames.programs, argv[2]) :
					bench_keys_read(&frames.programs, argv[2]);
	if (!r)
		r = frames_measure(&frames);
	frames_done(&frames);
	return r ? 1 : 0;
}

/* flood 4|6 FOLDER KEYS SECONDS TARGET: sends as fast as it can, prints how many. */
int bench_flood(int argc, char **argv)
{
	struct frames frames = { .target_count = 1 };
	uint64_t sent = 0, came = 0, spent = 0;

	if (argc != 5) {
		fputs("usage: weir-bench flood 4|6 FOLDER KEYS SECONDS TARGET\n", stderr);
		return 2;
	}
	frames.is_v4 = argv[0][0] == '4';
	int r = target_parse(argv[4], &frames.targets[0]);

	if (!r)
		r = frames_open(&frames, argv[1]);
	if (!r)
		r = bench_keys_read(&frames.programs, argv[2]);

	uint64_t end = weir_clock_monotonic_ns() + strtoul(argv[3], NULL, 10) * WEIR_NS_PER_S;

	while (!r && weir_clock_monotonic_ns() < end) {
		struct burst burst;

		r = burst_run(&frames, &frames.targets[0], 100000, &burst);
		if (r)
			break;
		sent += 100000;
		came += burst.arrived;
		spent += burst.cpu_ns;
	}
	printf("{\"sent\":%llu,\"arrived\":%llu,\"cpu_ns\":%llu}\n", (unsigned long long)sent,
	       (unsigned long long)came, (unsigned long long)spent);
	frames_done(&frames);
	return r ? 1 : 0;
}
