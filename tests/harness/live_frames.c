/* SPDX-License-Identifier: Apache-2.0 */
/*
 * live_frames OBJECT NETNS DEVICE RATE [FRAME]: sends frames out of a device, made in the kernel
 * (BPF_F_TEST_XDP_LIVE_FRAMES), one for each source address read from standard input, a line each,
 * over and over until SIGTERM; about RATE a second, or as fast as it can with 0. A line "ADDRESS
 * COUNT" stands for so many addresses from that one on, of IPv6 for so many networks /64 and every
 * host of them, of which each frame gets one by chance. Then prints a line "ADDRESS SENT" each, and
 * on standard error the rate. They are all alike but for the source: UDP over IPv4, or FRAME, in
 * hex, of up to 128 bytes, whose family is that of all sources.
 */
#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "live_frames.h"

#define FRAME_MIN 64
#define CHUNK 65536
#define CHUNKS_PER_S 20 /* of a rate: to begin and end a chunk takes some 25 ms */
#define ETHER_TYPE 12

static volatile sig_atomic_t stop;

static unsigned char frame[FRAME_MAX] = {
	0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x02, 0,   0,  0,  0, 2,  0x08, 0,
	0x45, 0,    0,	  50,	0,    0,    0,	  0,   64, 17, 0, 0,  10,   77,
	1,    99,   10,	  77,	2,    2,    0,	  100, 0,  9,  0, 30,
};

static __u32 frame_bytes = FRAME_MIN;

static int frame_family(void)
{
	return frame[ETHER_TYPE] == 0x86 ? AF_INET6 : AF_INET;
}

static void on_signal(int number)
{
	(void)number;
	stop = 1;
}

static __u32 read_sources(struct source *rows)
{
	char line[64];
	__u32 count = 0;

	while (count < SOURCES_MAX && fgets(line, sizeof(line), stdin)) {
		char *many = line + strcspn(line, " \n");

		rows[count].any_of = (__u32)strtoul(many, NULL, 10);
		*many = '\0';
		if (inet_pton(frame_family(), line, rows[count].addr) == 1)
			count++;
	}
	return count;
}

/* Zeros behind its end. */
static int frame_read(const char *hex)
{
	size_t len = strlen(hex) / 2;

	if (len < 34 || len > FRAME_MAX)
		return -EINVAL;
	frame_bytes = len < FRAME_MIN ? FRAME_MIN : (__u32)(len + 7) / 8 * 8;
	memset(frame, 0, sizeof(frame));
	for (size_t i = 0; i < len; i++)
		if (sscanf(hex + 2 * i, "%2hhx", &frame[i]) != 1)
			return -EINVAL;
	return 0;
}

static int enter(const char *netns)
{
	int fd = open(netns, O_RDONLY | O_CLOEXEC);
	int err = fd < 0 || setns(fd, CLONE_NEWNET) ? -errno : 0;

	if (fd >= 0)
		close(fd);
	return err;
}

static double now_s(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

/* Until as many are due as have been sent. */
static void pace(double start_s, long long sent, __u32 rate)
{
	double ahead_s = rate ? start_s + (double)sent / rate - now_s() : 0;

	if (ahead_s > 0)
		poll(NULL, 0, (int)(ahead_s * 1000));
}

/* Gives the frames sent, or a negative errno. */
static long long generate(int program, __u32 ifindex, __u32 rate)
{
	struct xdp_md context = { .data_end = frame_bytes, .ingress_ifindex = ifindex };
	__u32 chunk = rate ? rate / CHUNKS_PER_S + 1 : CHUNK;
	long long sent = 0;

	for (double start_s = now_s(); !stop; pace(start_s, sent, rate)) {
		LIBBPF_OPTS(bpf_test_run_opts, run, .data_in = frame, .data_size_in = frame_bytes,
			    .ctx_in = &context, .ctx_size_in = sizeof(context), .repeat = chunk,
			    .flags = BPF_F_TEST_XDP_LIVE_FRAMES, .batch_size = 64);

		if (bpf_prog_test_run_opts(program, &run)) {
			if (errno == EINTR) /* told to stop for good, or for a while */
				continue;
			return -errno;
		}
		sent += chunk;
	}
	return sent;
}

static struct bpf_object *load(const char *path, __u32 count)
{
	struct bpf_object *object = bpf_object__open(path);
	struct bpf_map *rodata = object ? bpf_object__find_map_by_name(object, ".rodata") : NULL;
	struct shape shape = { .count = count, .is_v6 = frame_family() == AF_INET6 };

	memcpy(shape.frame, frame, sizeof(shape.frame));
	if (!rodata || bpf_map__set_initial_value(rodata, &shape, sizeof(shape)) ||
	    bpf_object__load(object)) {
		fprintf(stderr, "live_frames: cannot load %s: %s\n", path, strerror(errno));
		bpf_object__close(object);
		return NULL;
	}
	return object;
}

static void print_sent(const struct source *rows, __u32 count)
{
	char text[INET6_ADDRSTRLEN];

	for (__u32 i = 0; i < count; i++)
		printf("%s %llu\n", inet_ntop(frame_family(), rows[i].addr, text, sizeof(text)),
		       (unsigned long long)rows[i].sent);
}

static int run(struct bpf_object *object, __u32 ifindex, __u32 rate, const struct source *rows,
	       __u32 count)
{
	int map = bpf_object__find_map_fd_by_name(object, "sources"), zero = 0;
	struct source *live =
		mmap(NULL, sizeof(*live) * SOURCES_MAX, PROT_READ | PROT_WRITE, MAP_SHARED, map, 0);

	if (live == MAP_FAILED ||
	    bpf_map_update_elem(bpf_object__find_map_fd_by_name(object, "out"), &zero, &ifindex,
				0)) {
		fprintf(stderr, "live_frames: maps: %s\n", strerror(errno));
		return 1;
	}
	memcpy(live, rows, sizeof(*rows) * count);
	double start = now_s();
	long long sent =
		generate(bpf_program__fd(bpf_object__find_program_by_name(object, "generate")),
			 ifindex, rate);

	if (sent < 0) {
		fprintf(stderr, "live_frames: %s\n", strerror((int)-sent));
		return 1;
	}
	print_sent(live, count);
	fprintf(stderr, "%.2f Mpps\n", (double)sent / (now_s() - start) / 1e6);
	return 0;
}

int main(int argc, char **argv)
{
	static struct source rows[SOURCES_MAX];

	if (argc < 5 || argc > 6 || (argc == 6 && frame_read(argv[5]))) {
		fprintf(stderr, "usage: live_frames OBJECT NETNS DEVICE RATE [FRAME] <SOURCES\n");
		return 2;
	}
	signal(SIGTERM, on_signal);
	__u32 count = read_sources(rows);
	int err = enter(argv[2]);
	__u32 ifindex = err ? 0 : if_nametoindex(argv[3]);

	if (!count || !ifindex) {
		fprintf(stderr, "live_frames: %s\n", count ? "no such device" : "no sources");
		return 1;
	}
	struct bpf_object *object = load(argv[1], count);
	__u32 rate = (__u32)strtoul(argv[4], NULL, 10);
	int status = object ? run(object, ifindex, rate, rows, count) : 1;

	bpf_object__close(object);
	return status;
}
