/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Times the address table against the kernel's LPM trie by prog-run, net of an empty program:
 * shapes x sizes x hit or miss. Usage: spike_addr OBJECT [largest size] [shape]. A measurement, not
 * a test; it prints a Markdown table.
 */
#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "../../base/cleanup.h"
#include "../../core/addr_table.h"

#define KEYS (1 << 20)
#define REPEAT (1 << 20)
#define ROUNDS 9
#define INNER_MAP (1U << 12)

static uint64_t random_state = 88172645463325252ULL;

static uint64_t random_next(void)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return random_state * 0x2545f4914f6cdd1dULL;
}

static uint32_t random_below(uint32_t n)
{
	return (uint32_t)(((random_next() >> 32) * n) >> 32);
}

struct prefix {
	struct weir_addr addr;
	uint8_t length; /* in the family's own bits */
	uint8_t label;
};

struct shape {
	const char *name;
	bool is_v4;
	uint32_t labels;
	void (*draw)(struct prefix *prefix);
};

static void prefix4_set(struct prefix *prefix, uint32_t addr, uint8_t length)
{
	memset(&prefix->addr, 0, sizeof(prefix->addr));
	prefix->addr.be32[2] = htonl(0xffff);
	prefix->addr.be32[3] = htonl(length ? addr & ~0U << (32 - length) : 0);
	prefix->length = length;
}

static void hosts4_draw(struct prefix *prefix)
{
	bool host = random_below(100) < 95;

	prefix4_set(prefix, (uint32_t)random_next(), host ? 32 : (uint8_t)(16 + random_below(14)));
}

/* Lengths in about the shares of a full IPv4 table, in three quarters of the /16s, the crowded ones
 * more crowded. */
static void routes4_draw(struct prefix *prefix)
{
	static const uint8_t lengths[32] = { 24, 24, 24, 24, 24, 24, 24, 24, 24, 24, 24,
					     24, 24, 24, 24, 24, 24, 24, 24, 23, 23, 23,
					     22, 22, 22, 22, 21, 21, 20, 20, 19, 18 };
	uint32_t part = random_below(65536);

	if (part % 4 == 0)
		part = part * 7 % 16384 * 4 + 1;
	prefix4_set(prefix, part << 16 | random_below(65536),
		    random_below(100) < 3 ? (uint8_t)(12 + random_below(6)) :
					    lengths[random_below(32)]);
}

static void prefix6_set(struct prefix *prefix, uint64_t high, uint64_t low, uint8_t length)
{
	if (length < 64)
		high &= ~0ULL << (64 - length), low = 0;
	else if (length < 128)
		low = length == 64 ? 0 : low & ~0ULL << (128 - length);
	prefix->addr.be64[0] = htobe64(high);
	prefix->addr.be64[1] = htobe64(low);
	prefix->length = length;
}

/* About a hundred /16s are in use; in each some thousand /32s, skewed. */
static uint64_t routes6_high(void)
{
	static const uint16_t tops[16] = { 0x2001, 0x2400, 0x2402, 0x2404, 0x2405, 0x2600,
					   0x2604, 0x2607, 0x2620, 0x2800, 0x2803, 0x2804,
					   0x2a00, 0x2a02, 0x2a06, 0x2c0f };
	uint64_t top = tops[random_below(16)] + random_below(8);
	uint64_t site = random_below(8192), skew = random_below(8192);

	return top << 48 | (site & skew) * 8 << 32 | (random_next() >> 32);
}

static void routes6_draw(struct prefix *prefix)
{
	static const uint8_t lengths[16] = { 48, 48, 48, 48, 48, 48, 48, 48,
					     44, 44, 40, 36, 32, 32, 46, 29 };

	prefix6_set(prefix, routes6_high(), 0, lengths[random_below(16)]);
}

static void hosts6_draw(struct prefix *prefix)
{
	bool host = random_below(100) < 95;

	if (host)
		prefix6_set(prefix, routes6_high(), random_next(), 128);
	else
		routes6_draw(prefix);
}

static void subnets6_draw(struct prefix *prefix)
{
	prefix6_set(prefix, routes6_high(), 0, 64);
}

static const struct shape shapes[] = {
	{ "v4 95 % /32", true, 1, hosts4_draw },
	{ "v4 routes", true, 1, routes4_draw },
	{ "v4 routes, 4 lists", true, 4, routes4_draw },
	{ "v6 95 % /128", false, 1, hosts6_draw },
	{ "v6 routes", false, 1, routes6_draw },
	{ "v6 routes, 4 lists", false, 4, routes6_draw },
	{ "v6 /64s", false, 1, subnets6_draw },
};

static void prefix_last(const struct prefix *prefix, bool is_v4, struct weir_addr *last)
{
	uint32_t bits = prefix->length + (is_v4 ? 96 : 0);

	*last = prefix->addr;
	for (uint32_t bit = bits; bit < 128; bit++)
		last->bytes[bit / 8] |= 0x80 >> (bit % 8);
}

/* A random address of the prefix. */
static struct weir_addr prefix_inside(const struct prefix *prefix, bool is_v4)
{
	struct weir_addr addr = prefix->addr;
	uint64_t low = random_next(), high = random_next();

	for (uint32_t bit = prefix->length + (is_v4 ? 96 : 0); bit < 128; bit++)
		if ((bit < 64 ? high >> (63 - bit) : low >> (127 - bit)) & 1)
			addr.bytes[bit / 8] |= 0x80 >> (bit % 8);
	return addr;
}

static double cpu_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return t.tv_sec * 1e9 + t.tv_nsec;
}

static double wall_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1e3 + t.tv_nsec / 1e6;
}

static double run_ns(int prog)
{
	static char frame[64];
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = frame, .data_size_in = sizeof(frame),
		    .repeat = REPEAT);
	double before = cpu_ns();

	if (bpf_prog_test_run_opts(prog, &opts) < 0)
		perror("test_run"), exit(1);
	return (cpu_ns() - before) / REPEAT;
}

static int double_compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static double median(double *v, int n)
{
	qsort(v, n, sizeof(*v), double_compare);
	return v[n / 2];
}

struct bench {
	struct bpf_object *object;
	int outer, head, keys_fd;
	struct weir_addr *keys; /* KEYS of 16 bytes */
	struct prefix *prefixes;
};

static int prog_fd(struct bench *bench, const char *name)
{
	return bpf_program__fd(bpf_object__find_program_by_name(bench->object, name));
}

static int map_fd(struct bench *bench, const char *name)
{
	return bpf_map__fd(bpf_object__find_map_by_name(bench->object, name));
}

static int image_create(const char *name, uint32_t lines)
{
	LIBBPF_OPTS(bpf_map_create_opts, opts, .map_flags = BPF_F_MMAPABLE | INNER_MAP);

	return bpf_map_create(BPF_MAP_TYPE_ARRAY, name, 4, WEIR_LINE_BYTES, lines, &opts);
}

static double image_load(struct bench *bench, const struct weir_addr_compiled *compiled)
{
	double before = wall_ms();
	uint32_t lines = compiled->first_line + compiled->line_count, slot = 0;
	int fd = image_create("image", lines);
	void *image = mmap(NULL, (size_t)lines * WEIR_LINE_BYTES, PROT_READ | PROT_WRITE,
			   MAP_SHARED, fd, 0);

	if (image == MAP_FAILED)
		perror("mmap"), exit(1);
	memcpy((char *)image + compiled->first_line * WEIR_LINE_BYTES, compiled->line,
	       (size_t)compiled->line_count * WEIR_LINE_BYTES);
	munmap(image, (size_t)lines * WEIR_LINE_BYTES);
	if (bpf_map_update_elem(bench->outer, &slot, &fd, 0) < 0)
		perror("outer"), exit(1);
	if (bpf_map_update_elem(bench->head, &slot, compiled->line, 0) < 0)
		perror("head"), exit(1);
	close(fd);
	return wall_ms() - before;
}

static void trie_fill(struct bench *bench, const struct shape *shape, uint32_t n, bool add)
{
	int fd = map_fd(bench, shape->is_v4 ? "lpm4" : "lpm6");
	uint32_t one = 1;

	for (uint32_t i = 0; i < n; i++) {
		const struct prefix *prefix = &bench->prefixes[i];
		struct {
			uint32_t length;
			struct weir_addr addr;
		} __attribute__((packed)) key = { .length = prefix->length, .addr = prefix->addr };

		if (shape->is_v4)
			key.addr.be32[0] = prefix->addr.be32[3];
		if (add && bpf_map_update_elem(fd, &key, &one, 0) < 0)
			perror("trie"), exit(1);
		else if (!add)
			bpf_map_delete_elem(fd, &key);
	}
}

static void measure(struct bench *bench, const struct shape *shape, uint32_t n, const char *what,
		    const char *extra)
{
	const char *names[4] = { "empty", shape->is_v4 ? "weir4" : "weir6",
				 shape->is_v4 ? "trie4" : "trie6",
				 shape->is_v4 ? "root4" : "root6" };
	double ns[4][ROUNDS], ratio[ROUNDS];

	memcpy(mmap(NULL, KEYS * 16UL, PROT_READ | PROT_WRITE, MAP_SHARED, bench->keys_fd, 0),
	       bench->keys, KEYS * 16UL);
	for (int i = 0; i < ROUNDS; i++) {
		for (int p = 0; p < 4; p++)
			ns[p][i] = run_ns(prog_fd(bench, names[p]));
		ratio[i] = (ns[2][i] - ns[0][i]) / (ns[1][i] - ns[0][i]);
	}

	double empty = median(ns[0], ROUNDS), weir = median(ns[1], ROUNDS) - empty,
	       trie = median(ns[2], ROUNDS) - empty;

	double root = median(ns[3], ROUNDS) - empty;

	printf("| %s | %u | %s | %.1f | %.1f | %.0f | %.1fx | %s |\n", shape->name, n, what, weir,
	       root, trie, median(ratio, ROUNDS), extra);
	fflush(stdout);
}

static void shape_run(struct bench *bench, const struct shape *shape, uint32_t n)
{
	struct weir_addr_table *table = weir_addr_table_new();
	struct weir_addr_compiled compiled;
	double before = wall_ms();

	for (uint32_t i = 0; i < n; i++) {
		struct weir_addr last;

		shape->draw(&bench->prefixes[i]);
		bench->prefixes[i].label = (uint8_t)(1 + random_below(shape->labels));
		prefix_last(&bench->prefixes[i], shape->is_v4, &last);
		if (weir_addr_table_add(table, &bench->prefixes[i].addr, &last,
					bench->prefixes[i].label) < 0)
			exit(1);
	}

	double added = wall_ms();
	int r = weir_addr_table_compile(table, 1, &compiled);
	double built = wall_ms();

	if (r < 0)
		fprintf(stderr, "compile: %s\n", strerror(-r)), exit(1);

	double load = image_load(bench, &compiled);
	char extra[128];

	(void)before;
	(void)added;
	snprintf(extra, sizeof(extra), "%.2f MiB, compile %.0f ms, load %.0f ms, %u classes",
		 compiled.line_count / 16384.0, built - added, load, compiled.classes.count);
	bool with_trie = !getenv("NO_TRIE");

	if (with_trie)
		trie_fill(bench, shape, n, true);
	for (uint32_t i = 0; i < KEYS; i++)
		bench->keys[i] = prefix_inside(&bench->prefixes[random_below(n)], shape->is_v4);
	measure(bench, shape, n, "hit", extra);
	for (uint32_t i = 0; i < KEYS; i++) {
		struct prefix any;

		if (shape->is_v4)
			prefix4_set(&any, (uint32_t)random_next(), 32);
		else
			prefix6_set(&any, routes6_high(), random_next(), 128);
		bench->keys[i] = any.addr;
	}
	measure(bench, shape, n, "random", "");
	if (with_trie)
		trie_fill(bench, shape, n, false);
	weir_addr_compiled_done(&compiled);
	weir_addr_table_free(table);
}

int main(int argc, char **argv)
{
	struct bench bench = {};
	uint32_t largest = argc > 2 ? (uint32_t)strtoul(argv[2], NULL, 10) : 1000000;
	int inner = image_create("inner", 1);

	if (argc < 2)
		return 2;
	bench.object = bpf_object__open(argv[1]);
	bpf_map__set_inner_map_fd(bpf_object__find_map_by_name(bench.object, "tab_policy"), inner);
	if (bpf_object__load(bench.object) < 0)
		return 1;
	bench.outer = map_fd(&bench, "tab_policy");
	bench.head = map_fd(&bench, "tab_head");
	bench.keys_fd = map_fd(&bench, "keys");
	bench.keys = malloc(KEYS * sizeof(*bench.keys));
	bench.prefixes = malloc(largest * sizeof(*bench.prefixes));
	printf("| shape | entries | sources | Weir ns | without head | LPM_TRIE ns | ratio | table "
	       "|\n|---|---|---|---|---|---|---|---|\n");
	for (size_t i = 0; i < WEIR_ARRAY_SIZE(shapes); i++) {
		if (argc > 3 && !strstr(shapes[i].name, argv[3]))
			continue;
		for (uint32_t n = argc > 4 ? largest : 1000; n <= largest; n *= 10)
			shape_run(&bench, &shapes[i], n);
	}
	bpf_object__close(bench.object);
	return 0;
}
