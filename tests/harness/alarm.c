/* SPDX-License-Identifier: Apache-2.0 */
/*
 * alarm OBJECT PINNED_MAP SLOT IFINDEX: what a program of the data path reads in cfg_alarm of a
 * live daemon about that interface. Prints its level, and those of its floods.
 */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "abi/alarm.h"

static int object_load(struct bpf_object *object, char **words)
{
	__u32 place[2] = { (__u32)strtoul(words[1], NULL, 10), (__u32)strtoul(words[2], NULL, 10) };
	struct bpf_map *map = bpf_object__find_map_by_name(object, "cfg_alarm");
	struct bpf_map *rodata = bpf_object__find_map_by_name(object, ".rodata");
	int fd = bpf_obj_get(words[0]);

	if (fd < 0 || !map || !rodata)
		return fd < 0 ? -errno : -ENOENT;
	int r = bpf_map__reuse_fd(map, fd);

	if (!r)
		r = bpf_map__set_initial_value(rodata, place, sizeof(place));
	return r ? r : bpf_object__load(object);
}

static int word_read(struct bpf_object *object, __u32 *ret_word)
{
	unsigned char frame[64] = { 0 };
	LIBBPF_OPTS(bpf_test_run_opts, run, .data_in = frame, .data_size_in = sizeof(frame));

	if (bpf_prog_test_run_opts(
		    bpf_program__fd(bpf_object__find_program_by_name(object, "look")), &run))
		return -errno;
	*ret_word = run.retval;
	return 0;
}

static void word_print(__u32 word)
{
	static const char *const floods[] = {
#define X(identifier, name, help) name,
		WEIR_FLOODS(X)
#undef X
	};

	printf("{\"level\":%d", weir_alarm_level(word));
	for (int i = 0; i < WEIR_FLOOD_COUNT; i++)
		printf(",\"%s\":%d", floods[i], weir_alarm_of_flood(word, (enum weir_flood)i));
	puts("}");
}

int main(int argc, char **argv)
{
	__u32 word = 0;

	if (argc != 5) {
		fprintf(stderr, "usage: alarm OBJECT PINNED_MAP SLOT IFINDEX\n");
		return 2;
	}
	struct bpf_object *object = bpf_object__open(argv[1]);
	int r = object ? object_load(object, argv + 2) : -errno;

	if (!r)
		r = word_read(object, &word);
	bpf_object__close(object);
	if (r) {
		fprintf(stderr, "alarm: %s\n", strerror(-r));
		return 1;
	}
	word_print(word);
	return 0;
}
