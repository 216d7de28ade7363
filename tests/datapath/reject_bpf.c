/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Loads reject_bpf.bpf.o with its constants, and either runs frames through one of its programs by
 * prog-run (lines of hex in; RETURN HEX out) or pins the programs, ctr_reason and cfg_iface for
 * a live test.
 * usage: reject_bpf OBJECT EVERYTHING PER_SECOND BURST run PROGRAM | pin FOLDER
 */
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>

#include "abi/reject.h"

#define FRAME_BYTES_MAX 4096

/* Where a constant lies in the object's read-only data; NULL when it has no such constant. */
static void *constant_find(struct bpf_object *object, const char *name)
{
	const struct btf *btf = bpf_object__btf(object);
	const struct btf_type *section =
		btf__type_by_id(btf, btf__find_by_name_kind(btf, ".rodata", BTF_KIND_DATASEC));
	struct btf_var_secinfo *variable = btf_var_secinfos(section);
	struct bpf_map *map;
	size_t size;

	for (int i = 0; i < btf_vlen(section); i++, variable++) {
		const struct btf_type *type = btf__type_by_id(btf, variable->type);

		if (strcmp(btf__name_by_offset(btf, type->name_off), name))
			continue;
		bpf_object__for_each_map(map, object) {
			if (strstr(bpf_map__name(map), ".rodata"))
				return (char *)bpf_map__initial_value(map, &size) +
				       variable->offset;
		}
	}
	return NULL;
}

static int constants_set(struct bpf_object *object, char **words)
{
	struct weir_reject_constants *reject = constant_find(object, "reject_constants");
	__u32 *everything = constant_find(object, "reject_everything");
	__u32 *secret = constant_find(object, "probe_constants");

	if (!reject || !everything || !secret)
		return -ENOENT;
	*everything = strtoul(words[0], NULL, 10);
	*reject = (struct weir_reject_constants){
		.enabled = 1,
		.per_second = strtoul(words[1], NULL, 10),
		.burst = strtoul(words[2], NULL, 10),
	};
	secret[0] = 0x12345678; /* any: a secret that is not set marks nothing */
	return 0;
}

static size_t frame_read(const char *hex, unsigned char *ret_frame)
{
	size_t n = 0;

	while (isxdigit(hex[0]) && isxdigit(hex[1]) && n < FRAME_BYTES_MAX) {
		const char digits[3] = { hex[0], hex[1] };

		ret_frame[n++] = strtoul(digits, NULL, 16);
		hex += 2;
	}
	return n;
}

static int frames_run(struct bpf_object *object, const char *name)
{
	static char line[2 * FRAME_BYTES_MAX + 16];
	static unsigned char in[FRAME_BYTES_MAX], out[FRAME_BYTES_MAX + 512];
	struct bpf_program *program = bpf_object__find_program_by_name(object, name);

	if (!program)
		return -ENOENT;
	while (fgets(line, sizeof(line), stdin)) {
		LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = in,
			    .data_size_in = frame_read(line, in), .data_out = out,
			    .data_size_out = sizeof(out));
		int r = bpf_prog_test_run_opts(bpf_program__fd(program), &opts);

		if (r)
			return r;
		printf("%d ", (int)opts.retval);
		for (size_t n = 0; n < opts.data_size_out; n++)
			printf("%02x", out[n]);
		printf("\n");
	}
	return 0;
}

static int map_pin(struct bpf_object *object, const char *folder, const char *name)
{
	char path[512];

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	return bpf_map__pin(bpf_object__find_map_by_name(object, name), path);
}

static int programs_pin(struct bpf_object *object, const char *folder)
{
	int r = bpf_object__pin_programs(object, folder);

	r = r ? r : map_pin(object, folder, "ctr_reason");
	return r ? r : map_pin(object, folder, "cfg_iface");
}

int main(int argc, char **argv)
{
	if (argc != 7) {
		fprintf(stderr, "usage: reject_bpf OBJECT EVERYTHING PER_SECOND BURST "
				"run PROGRAM | pin FOLDER\n");
		return 2;
	}
	struct bpf_object *object = bpf_object__open_file(argv[1], NULL);
	int r = object ? constants_set(object, argv + 2) : -errno;

	if (!r)
		r = bpf_object__load(object);
	if (!r)
		r = strcmp(argv[5], "pin") ? frames_run(object, argv[6]) :
					     programs_pin(object, argv[6]);
	if (r)
		fprintf(stderr, "reject_bpf: %s %s: %s\n", argv[5], argv[6], strerror(-r));
	bpf_object__close(object);
	return r != 0;
}
