/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Lists to measure with, drawn at random from a fixed seed, and the sources of the packets: inside
 * the list and outside it. docs/design/speed.md says what the shapes are like.
 */
#include <arpa/inet.h>
#include <endian.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "core/addr_table.h"
#include "tests/bench/bench.h"
#include "tests/bench/bench_state.h"

#define SEED 88172645463325252ULL

static uint64_t random_state = SEED;

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

struct shape {
	const char *name;
	bool is_v4;
	struct bench_prefix (*draw)(void);
	struct weir_addr (*outside)(void); /* a source, most likely in no entry */
};

static struct bench_prefix prefix4(uint32_t addr, uint32_t length)
{
	struct bench_prefix prefix = { .length = length };

	prefix.addr.be32[2] = htonl(0xffff);
	prefix.addr.be32[3] = htonl(addr & ~0U << (32 - length));
	return prefix;
}

static struct bench_prefix prefix6(uint64_t high, uint64_t low, uint32_t length)
{
	struct bench_prefix prefix = { .length = length };

	if (length <= 64)
		low = 0;
	if (length < 64)
		high &= ~0ULL << (64 - length);
	prefix.addr.be64[0] = htobe64(high);
	prefix.addr.be64[1] = htobe64(low);
	return prefix;
}

static struct bench_prefix single4_draw(void)
{
	return prefix4((uint32_t)random_next(), 32);
}

static struct bench_prefix hosts4_draw(void)
{
	return random_below(100) < 95 ? single4_draw() :
					prefix4((uint32_t)random_next(), 16 + random_below(14));
}

/* Draws a prefix length by its share of 10,000. */
static uint32_t length_draw(const uint16_t *share, uint32_t shortest)
{
	uint32_t at = random_below(10000), length = shortest;

	for (; at >= *share; share++, length++)
		at -= *share;
	return length;
}

/*
 * Shares near those of a full BGP table: /10 to /24. Three quarters of the /16s are in use, some
 * thirty times as full as others.
 */
static struct bench_prefix routes4_draw(void)
{
	static const uint16_t share[15] = { 1,	 2,   4,   7,	14,   22,   140, 90,
					    150, 270, 450, 530, 1130, 1010, 6180 };
	uint32_t part = random_below(65536), full = random_below(65536);

	if (full % 3)
		part = (part & full) ^ 0x5a5a;
	if (part % 4 == 0)
		part ^= 1;
	return prefix4(part << 16 | random_below(65536), length_draw(share, 10));
}

static struct weir_addr any4(void)
{
	return prefix4((uint32_t)random_next(), 32).addr;
}

/* A hundred /16s in use, in each some thousand /32s, the first of them fuller. */
static uint64_t site6(void)
{
	static const uint16_t tops[16] = { 0x2001, 0x2400, 0x2402, 0x2404, 0x2405, 0x2600,
					   0x2604, 0x2607, 0x2620, 0x2800, 0x2803, 0x2804,
					   0x2a00, 0x2a02, 0x2a06, 0x2c0f };
	uint64_t top = tops[random_below(16)] + random_below(8);
	uint64_t site = random_below(8192), skew = random_below(8192);

	return top << 48 | (site & skew) * 8 << 32 | (random_next() >> 32);
}

static struct bench_prefix routes6_draw(void)
{
	static const uint16_t share[21] = {
		[0] = 100, /* /28 */
		[1] = 300, [4] = 1400, [8] = 600, [12] = 900, [16] = 1100, [18] = 600, [20] = 5000
	};

	return prefix6(site6(), 0, length_draw(share, 28));
}

static struct bench_prefix single6_draw(void)
{
	uint64_t high = site6();

	return prefix6(high, random_next(), 128);
}

static struct bench_prefix hosts6_draw(void)
{
	return random_below(100) < 95 ? single6_draw() : routes6_draw();
}

static struct weir_addr any6(void)
{
	return single6_draw().addr;
}

static const struct shape shapes[] = {
	{ "v4-single", true, single4_draw, any4 }, { "v4-hosts", true, hosts4_draw, any4 },
	{ "v4-routes", true, routes4_draw, any4 }, { "v6-single", false, single6_draw, any6 },
	{ "v6-hosts", false, hosts6_draw, any6 },  { "v6-routes", false, routes6_draw, any6 },
};

static struct weir_addr last_of(const struct bench_prefix *prefix, bool is_v4, uint64_t high,
				uint64_t low)
{
	struct weir_addr addr = prefix->addr;

	for (uint32_t bit = prefix->length + (is_v4 ? 96 : 0); bit < 128; bit++)
		if ((bit < 64 ? high >> (63 - bit) : low >> (127 - bit)) & 1)
			addr.bytes[bit / 8] |= 0x80 >> (bit % 8);
	return addr;
}

static int prefix_compare(const void *a, const void *b)
{
	return memcmp(a, b, sizeof(struct bench_prefix));
}

/* `count` different ones, in random order no longer: peers that want none twice are content. */
static int list_draw(const struct shape *shape, struct bench_list *list)
{
	size_t have = 0;

	while (have < list->count) {
		for (size_t i = have; i < list->count; i++)
			list->prefixes[i] = shape->draw();
		qsort(list->prefixes, list->count, sizeof(*list->prefixes), prefix_compare);
		have = 0;
		for (size_t i = 0; i < list->count; i++)
			if (!have || prefix_compare(&list->prefixes[i], &list->prefixes[have - 1]))
				list->prefixes[have++] = list->prefixes[i];
	}
	return 0;
}

static int list_write(const struct shape *shape, const struct bench_list *list)
{
	_cleanup_fclose_ FILE *text = fopen("list.txt", "we"), *binary = fopen("list.bin", "we");
	char name[INET6_ADDRSTRLEN];

	if (!text || !binary)
		return bench_error("list.txt");
	for (size_t i = 0; i < list->count; i++) {
		const struct bench_prefix *prefix = &list->prefixes[i];

		inet_ntop(shape->is_v4 ? AF_INET : AF_INET6,
			  shape->is_v4 ? (void *)&prefix->addr.be32[3] : (void *)&prefix->addr,
			  name, sizeof(name));
		if (prefix->length == (shape->is_v4 ? 32 : 128))
			fprintf(text, "%s\n", name);
		else
			fprintf(text, "%s/%u\n", name, prefix->length);
	}
	fwrite(list->prefixes, sizeof(*list->prefixes), list->count, binary);
	return ferror(text) || ferror(binary) ? bench_error("list.txt") : 0;
}

static int hits_write(const struct shape *shape, const struct bench_list *list)
{
	_cleanup_fclose_ FILE *out = fopen("hit.keys", "we");

	for (uint32_t i = 0; out && i < BENCH_KEYS; i++) {
		uint32_t at = random_below((uint32_t)list->count);
		struct weir_addr key =
			last_of(&list->prefixes[at], shape->is_v4, random_next(), random_next());

		fwrite(&key, sizeof(key), 1, out);
	}
	return out && !ferror(out) ? 0 : bench_error("hit.keys");
}

/* Which sources are outside is asked of Weir's own table; weir-bench net asks the kernel's too. */
static int misses_write(const struct shape *shape, const struct weir_addr_compiled *compiled)
{
	_cleanup_fclose_ FILE *out = fopen("miss.keys", "we");

	for (uint32_t i = 0; out && i < BENCH_KEYS; i++) {
		struct weir_addr key = shape->outside();

		while (weir_addr_compiled_lookup(compiled, &key, shape->is_v4))
			key = shape->outside();
		fwrite(&key, sizeof(key), 1, out);
	}
	return out && !ferror(out) ? 0 : bench_error("miss.keys");
}

static int misses_make(const struct shape *shape, const struct bench_list *list)
{
	struct weir_addr_table *table = weir_addr_table_new();
	struct weir_addr_compiled compiled;
	int r = table ? 0 : -ENOMEM;

	for (size_t i = 0; !r && i < list->count; i++) {
		struct weir_addr last = last_of(&list->prefixes[i], shape->is_v4, ~0ULL, ~0ULL);

		r = weir_addr_table_add(table, &list->prefixes[i].addr, &last, 1);
	}
	if (!r)
		r = weir_addr_table_compile(table, 1, &compiled);
	if (!r) {
		r = misses_write(shape, &compiled);
		weir_addr_compiled_done(&compiled);
	}
	weir_addr_table_free(table);
	return r;
}

/* shape NAME COUNT FOLDER: writes list.txt, list.bin, hit.keys and miss.keys there. */
int bench_shape(int argc, char **argv)
{
	const struct shape *shape = NULL;

	for (size_t i = 0; argc == 3 && i < WEIR_ARRAY_SIZE(shapes); i++)
		if (strcmp(shapes[i].name, argv[0]) == 0)
			shape = &shapes[i];
	if (!shape || chdir(argv[2])) {
		fputs("usage: weir-bench shape NAME COUNT FOLDER\n", stderr);
		return 2;
	}

	struct bench_list list = { .count = strtoul(argv[1], NULL, 10) };

	list.prefixes = calloc(list.count, sizeof(*list.prefixes));
	int r = list.prefixes ? list_draw(shape, &list) : bench_error("memory");

	if (!r)
		r = list_write(shape, &list);
	if (!r)
		r = hits_write(shape, &list);
	if (!r)
		r = misses_make(shape, &list);
	bench_list_done(&list);
	return r ? 1 : 0;
}
