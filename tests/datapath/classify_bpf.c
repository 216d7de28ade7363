/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Compiles random address tables, gives each to the kernel as an image and compares its answers
 * with the native look-up, which core/addr_table_test.c compares with models. Prints what it found
 * as JSON for classify_bpf_test.py.
 */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <endian.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "core/addr_table.h"

#define INNER_MAP (1U << 12)
#define RANGES_MAX 3000
#define PROBES 600

struct question {
	uint32_t is_v4;
	uint32_t spare[3];
	struct weir_addr addr;
};

static uint64_t random_state = 1;

static uint64_t random_next(void)
{
	random_state += 0x9e3779b97f4a7c15ULL;

	uint64_t z = random_state;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
	return z ^ (z >> 31);
}

static void fatal(const char *what)
{
	perror(what);
	exit(1);
}

static int image_new(uint32_t lines)
{
	LIBBPF_OPTS(bpf_map_create_opts, opts, .map_flags = BPF_F_MMAPABLE | INNER_MAP);
	int fd = bpf_map_create(BPF_MAP_TYPE_ARRAY, "image", 4, WEIR_LINE_BYTES, lines, &opts);

	if (fd < 0)
		fatal("image");
	return fd;
}

static void image_load(int outer, const struct weir_addr_compiled *compiled)
{
	uint32_t lines = 1 + compiled->line_count, slot = 0;
	size_t bytes = (size_t)lines * WEIR_LINE_BYTES;
	int fd = image_new(lines);
	char *image = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	if (image == MAP_FAILED)
		fatal("mmap");
	memcpy(image + WEIR_LINE_BYTES, compiled->line, bytes - WEIR_LINE_BYTES);
	munmap(image, bytes);
	if (bpf_map_update_elem(outer, &slot, &fd, 0) < 0)
		fatal("tab_policy");
	close(fd);
}

/* Clustered at several depths, so that every kind of node occurs. */
static struct weir_addr addr_random(bool is_v4, uint32_t depth)
{
	uint64_t high = random_next(), low = random_next();

	if (is_v4)
		return (struct weir_addr){ .be32 = { 0, 0, htobe32(0xffff),
						     htobe32((uint32_t)low >> depth % 25) } };
	if (depth % 5 < 4)
		high = 0x20010db800000000ULL | (high >> (34 + depth % 5 * 6));
	if (depth % 3 == 0)
		low >>= depth;
	return (struct weir_addr){ .be64 = { htobe64(high), htobe64(low) } };
}

static void addr_step(struct weir_addr *addr, uint64_t by)
{
	uint64_t low = be64toh(addr->be64[1]);

	addr->be64[1] = htobe64(low + by < low ? ~0ULL : low + by);
}

static uint32_t kernel_answer(int prog, const struct question *question)
{
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = question, .data_size_in = sizeof(*question),
		    .repeat = 1);

	if (bpf_prog_test_run_opts(prog, &opts) < 0)
		fatal("prog run");
	return opts.retval;
}

struct tally {
	unsigned long checked, differing, found;
};

struct kernel {
	int head_prog, root_prog;
	int policy, head; /* maps */
};

static void set_check(const struct kernel *kernel, struct tally *tally)
{
	static struct weir_addr from[RANGES_MAX];
	struct weir_addr_table *table = weir_addr_table_new();
	struct weir_addr_compiled compiled;
	uint32_t depth = random_next() % 50,
		 count = random_next() % (random_next() % 4 ? 100 : RANGES_MAX),
		 labels = 1 + random_next() % 30;

	for (uint32_t i = 0; i < count; i++) {
		bool is_v4 = random_next() % 2;
		struct weir_addr to = from[i] = addr_random(is_v4, depth);
		uint64_t span =
			random_next() % 2 ? 0 : random_next() >> (is_v4 ? 50 : random_next() % 64);

		addr_step(&to, span);
		if (is_v4 && to.be32[2] != from[i].be32[2])
			to = from[i];
		if (!table || weir_addr_table_add(table, &from[i], &to,
						  (uint32_t)(random_next() % labels)) < 0)
			fatal("add");
	}
	if (weir_addr_table_compile(table, 1, &compiled) < 0)
		fatal("compile");
	image_load(kernel->policy, &compiled);
	if (bpf_map_update_elem(kernel->head, &(uint32_t){ 0 }, compiled.line, 0) < 0)
		fatal("tab_head");
	for (uint32_t i = 0; i < PROBES; i++) {
		struct question question = { .is_v4 = random_next() % 2 };

		question.addr = addr_random(question.is_v4, depth);
		if (count && random_next() % 4) {
			question.addr = from[random_next() % count];
			question.is_v4 =
				!question.addr.be64[0] && question.addr.be32[2] == htobe32(0xffff);
			if (random_next() % 2)
				addr_step(&question.addr, random_next() % 3);
		}

		uint32_t native =
			weir_addr_compiled_lookup(&compiled, &question.addr, question.is_v4);

		tally->checked++;
		tally->found += native != 0;
		tally->differing += kernel_answer(kernel->head_prog, &question) != native;
		tally->differing += kernel_answer(kernel->root_prog, &question) != native;
	}
	weir_addr_compiled_done(&compiled);
	weir_addr_table_free(table);
}

static uint32_t verified_count(int prog, uint32_t *ret_jited)
{
	struct bpf_prog_info info = {};
	uint32_t length = sizeof(info);

	if (bpf_obj_get_info_by_fd(prog, &info, &length) < 0)
		fatal("info");
	*ret_jited = info.jited_prog_len;
	return info.verified_insns;
}

int main(int argc, char **argv)
{
	if (argc != 3) {
		fprintf(stderr, "usage: classify_bpf OBJECT SETS\n");
		return 2;
	}

	struct bpf_object *object = bpf_object__open(argv[1]);
	struct bpf_map *outer = object ? bpf_object__find_map_by_name(object, "tab_policy") : NULL;
	int inner = image_new(1);

	if (!outer || bpf_map__set_inner_map_fd(outer, inner) < 0 || bpf_object__load(object) < 0)
		fatal(argv[1]);
	close(inner);

	struct kernel kernel = {
		.head_prog = bpf_program__fd(bpf_object__find_program_by_name(object, "classify")),
		.root_prog =
			bpf_program__fd(bpf_object__find_program_by_name(object, "classify_root")),
		.policy = bpf_map__fd(outer),
		.head = bpf_map__fd(bpf_object__find_map_by_name(object, "tab_head")),
	};
	uint32_t jited, verified = verified_count(kernel.head_prog, &jited);
	struct tally tally = {};

	for (long sets = strtol(argv[2], NULL, 10); sets > 0; sets--)
		set_check(&kernel, &tally);
	printf("{\"checked\": %lu, \"found\": %lu, \"differing\": %lu, \"verified\": %u, "
	       "\"jited\": %u}\n",
	       tally.checked, tally.found, tally.differing, verified, jited);
	bpf_object__close(object);
	return 0;
}
