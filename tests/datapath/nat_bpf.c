/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Loads nat_bpf.bpf.o, or encap_bpf.bpf.o, and runs frames through its programs by prog-run, or
 * pins them, with their map, for a live test. A line in is "PROGRAM FLAGS REPEAT TASK TASK FRAME"
 * (the tasks are rows of nat_tasks, in hex like the frame), a line out "RETURN NS FRAME" or "error
 * ERRNO". usage: nat_bpf OBJECT run | verified | pin FOLDER
 */
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#define BYTES_MAX 4096
#define ROWS 2

static size_t bytes_read(const char *hex, unsigned char *ret_bytes)
{
	size_t n = 0;

	while (isxdigit(hex[0]) && isxdigit(hex[1]) && n < BYTES_MAX) {
		const char digits[3] = { hex[0], hex[1] };

		ret_bytes[n++] = strtoul(digits, NULL, 16);
		hex += 2;
	}
	return n;
}

/* The map of tasks: NAME_tasks of NAME_bpf.bpf.c. */
static struct bpf_map *tasks_of(struct bpf_object *object)
{
	struct bpf_map *map;

	bpf_object__for_each_map(map, object) {
		const char *ending = strrchr(bpf_map__name(map), '_');

		if (ending && !strcmp(ending, "_tasks"))
			return map;
	}
	return NULL;
}

static int tasks_set(struct bpf_object *object, char **words)
{
	static unsigned char task[BYTES_MAX];
	struct bpf_map *map = tasks_of(object);

	for (__u32 row = 0; row < ROWS; row++) {
		if (bytes_read(words[row], task) != bpf_map__value_size(map))
			return -EINVAL;
		if (bpf_map_update_elem(bpf_map__fd(map), &row, task, BPF_ANY))
			return -errno;
	}
	return 0;
}

static int frame_run(struct bpf_object *object, char **words)
{
	static unsigned char in[BYTES_MAX], out[BYTES_MAX];
	struct bpf_program *program = bpf_object__find_program_by_name(object, words[0]);
	int r = program ? tasks_set(object, words + 3) : -ENOENT;

	if (r)
		return r;
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = in,
		    .data_size_in = bytes_read(words[5], in), .data_out = out,
		    .data_size_out = sizeof(out), .flags = strtoul(words[1], NULL, 10),
		    .repeat = strtoul(words[2], NULL, 10));
	r = bpf_prog_test_run_opts(bpf_program__fd(program), &opts);
	if (r) {
		printf("error %d\n", -r);
		return 0;
	}
	printf("%d %u ", (int)opts.retval, opts.duration);
	for (size_t n = 0; n < opts.data_size_out; n++)
		printf("%02x", out[n]);
	printf("\n");
	return 0;
}

static int frames_run(struct bpf_object *object)
{
	static char line[4 * BYTES_MAX];
	int r = 0;

	while (!r && fgets(line, sizeof(line), stdin)) {
		char *words[6], *rest = line;

		for (int n = 0; n < 6; n++)
			words[n] = strsep(&rest, " ") ?: "";
		r = rest || !words[5] ? -EINVAL : frame_run(object, words);
	}
	return r;
}

static int verified_print(struct bpf_object *object)
{
	struct bpf_program *program;

	bpf_object__for_each_program(program, object) {
		struct bpf_prog_info info = {};
		__u32 size = sizeof(info);

		if (bpf_obj_get_info_by_fd(bpf_program__fd(program), &info, &size))
			return -errno;
		printf("%s %u %u %u\n", bpf_program__name(program), info.verified_insns,
		       info.xlated_prog_len / 8, info.jited_prog_len);
	}
	return 0;
}

static int programs_pin(struct bpf_object *object, const char *folder)
{
	int r = bpf_object__pin_programs(object, folder);
	char path[512];

	snprintf(path, sizeof(path), "%s/nat_tasks", folder);
	return r ? r : bpf_map__pin(tasks_of(object), path);
}

int main(int argc, char **argv)
{
	if (argc < 3) {
		fprintf(stderr, "usage: nat_bpf OBJECT run | verified | pin FOLDER\n");
		return 2;
	}
	struct bpf_object *object = bpf_object__open_file(argv[1], NULL);
	int r = object ? bpf_object__load(object) : -errno;

	if (!r && argc == 4)
		r = programs_pin(object, argv[3]);
	else if (!r)
		r = strcmp(argv[2], "run") ? verified_print(object) : frames_run(object);
	if (r)
		fprintf(stderr, "nat_bpf: %s: %s\n", argv[2], strerror(-r));
	bpf_object__close(object);
	return r != 0;
}
