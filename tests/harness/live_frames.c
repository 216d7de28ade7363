/* SPDX-License-Identifier: Apache-2.0 */
/*
 * live_frames OBJECT NETNS DEVICE [FRAME]: sends IPv4 frames out of a device, made in the kernel
 * (BPF_F_TEST_XDP_LIVE_FRAMES), one for each source address read from standard input, a line each,
 * over and over until SIGTERM. A line "ADDRESS COUNT" stands for so many addresses from that one
 * on, of which each frame gets one by chance. Then prints a line "ADDRESS SENT" each, and on
 * standard error the rate. They are all alike but for the source: UDP, or FRAME, in hex, of up to
 * 64 bytes.
 */
#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#define SOURCES_MAX 4096
#define FRAME_BYTES 64
#define CHUNK 65536

struct source {
	struct in_addr addr;
	__u32 any_of;
	__u64 sent;
};

static volatile sig_atomic_t stop;

static unsigned char frame[FRAME_BYTES] = {
	0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x02, 0,   0,  0,  0, 2,  0x08, 0,
	0x45, 0,    0,	  50,	0,    0,    0,	  0,   64, 17, 0, 0,  10,   77,
	1,    99,   10,	  77,	2,    2,    0,	  100, 0,  9,  0, 30,
};

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
		if (inet_pton(AF_INET, line, &rows[count].addr) == 1)
			count++;
	}
	return count;
}

/* Zeros behind its end. */
static int frame_read(const char *hex)
{
	size_t len = strlen(hex) / 2;

	if (len < 34 || len > FRAME_BYTES)
		return -EINVAL;
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

/* Gives the frames sent, or a negative errno. */
static long long generate(int program, __u32 ifindex)
{
	struct xdp_md context = { .data_end = FRAME_BYTES, .ingress_ifindex = ifindex };
	long long sent = 0;

	while (!stop) {
		LIBBPF_OPTS(bpf_test_run_opts, run, .data_in = frame, .data_size_in = FRAME_BYTES,
			    .ctx_in = &context, .ctx_size_in = sizeof(context), .repeat = CHUNK,
			    .flags = BPF_F_TEST_XDP_LIVE_FRAMES, .batch_size = 64);

		if (bpf_prog_test_run_opts(program, &run)) {
			if (errno == EINTR) /* told to stop for good, or for a while */
				continue;
			return -errno;
		}
		sent += CHUNK;
	}
	return sent;
}

static struct bpf_object *load(const char *path, __u32 count)
{
	struct bpf_object *object = bpf_object__open(path);
	struct bpf_map *rodata = object ? bpf_object__find_map_by_name(object, ".rodata") : NULL;

	if (!rodata || bpf_map__set_initial_value(rodata, &count, sizeof(count)) ||
	    bpf_object__load(object)) {
		fprintf(stderr, "live_frames: cannot load %s: %s\n", path, strerror(errno));
		bpf_object__close(object);
		return NULL;
	}
	return object;
}

static int run(struct bpf_object *object, __u32 ifindex, const struct source *rows, __u32 count)
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
	long long sent = generate(
		bpf_program__fd(bpf_object__find_program_by_name(object, "generate")), ifindex);

	if (sent < 0) {
		fprintf(stderr, "live_frames: %s\n", strerror((int)-sent));
		return 1;
	}
	for (__u32 i = 0; i < count; i++) {
		char text[INET_ADDRSTRLEN];

		printf("%s %llu\n", inet_ntop(AF_INET, &live[i].addr, text, sizeof(text)),
		       (unsigned long long)live[i].sent);
	}
	fprintf(stderr, "%.2f Mpps\n", (double)sent / (now_s() - start) / 1e6);
	return 0;
}

int main(int argc, char **argv)
{
	static struct source rows[SOURCES_MAX];

	if (argc < 4 || argc > 5 || (argc == 5 && frame_read(argv[4]))) {
		fprintf(stderr, "usage: live_frames OBJECT NETNS DEVICE [FRAME] <SOURCES\n");
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
	int status = object ? run(object, ifindex, rows, count) : 1;

	bpf_object__close(object);
	return status;
}
