/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lossy OBJECT NETNS DEVICE DEVICE LOST HELD: has lossy.bpf.c, of frames that leave by either
 * device, lose one of each LOST, and let some that came after overtake one of each HELD; 0: none.
 * Says "ready" and waits until its standard input ends; then it says how many were lost and held.
 * A kernel without netem is no excuse.
 */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lossy.h"

static int load(struct bpf_object *object, const struct lossy_does *does)
{
	struct bpf_map *rodata = bpf_object__find_map_by_name(object, ".rodata");
	int r = rodata ? bpf_map__set_initial_value(rodata, does, sizeof(*does)) : -ENOENT;

	return r ? r : bpf_object__load(object);
}

/* Each way draws something else. */
static int seed(int ways)
{
	int r = 0;

	for (__u32 i = 0; i < LOSSY_WAYS && !r; i++) {
		const struct lossy_way way = { .seed = i * 0x123456789abcdefULL };

		r = bpf_map_update_elem(ways, &i, &way, BPF_ANY);
	}
	return r;
}

/* It stays until the device goes. */
static int attach(const struct bpf_object *object, __u32 ifindex)
{
	const struct bpf_program *program = bpf_object__find_program_by_name(object, "leave");
	LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = (int)ifindex, .attach_point = BPF_TC_EGRESS);
	LIBBPF_OPTS(bpf_tc_opts, opts, .prog_fd = bpf_program__fd(program));
	int r = bpf_tc_hook_create(&hook);

	return r ? r : bpf_tc_attach(&hook, &opts);
}

static int begin(struct bpf_object *object, const struct lossy_does *does)
{
	int r = load(object, does);

	if (!r)
		r = seed(bpf_object__find_map_fd_by_name(object, "ways"));
	for (int i = 0; i < LOSSY_WAYS && !r; i++)
		r = attach(object, does->devices[i]);
	return r;
}

static void count_print(int ways)
{
	unsigned long long lost = 0, held = 0;
	struct lossy_way way;

	for (__u32 i = 0; i < LOSSY_WAYS; i++) {
		if (bpf_map_lookup_elem(ways, &i, &way))
			continue;
		lost += way.lost;
		held += way.held;
	}
	printf("%llu %llu\n", lost, held);
}

static int enter(const char *netns)
{
	int fd = open(netns, O_RDONLY | O_CLOEXEC);
	int r = fd < 0 || setns(fd, CLONE_NEWNET) ? -errno : 0;

	if (fd >= 0)
		close(fd);
	return r;
}

static int wait_for_end(struct bpf_object *object)
{
	puts("ready");
	fflush(stdout);
	while (getchar() != EOF)
		;
	count_print(bpf_object__find_map_fd_by_name(object, "ways"));
	return 0;
}

int main(int argc, char **argv)
{
	if (argc != 7) {
		fputs("usage: lossy OBJECT NETNS DEVICE DEVICE LOST HELD\n", stderr);
		return 2;
	}
	int r = enter(argv[2]);
	struct bpf_object *object = r ? NULL : bpf_object__open(argv[1]);
	const struct lossy_does does = {
		.lost_each = (__u32)strtoul(argv[5], NULL, 10),
		.held_each = (__u32)strtoul(argv[6], NULL, 10),
		.devices = { if_nametoindex(argv[3]), if_nametoindex(argv[4]) },
	};

	if (!r)
		r = object ? begin(object, &does) : -errno;
	if (!r)
		r = wait_for_end(object);
	else
		fprintf(stderr, "lossy: %s\n", strerror(-r));
	bpf_object__close(object);
	return r ? 1 : 0;
}
