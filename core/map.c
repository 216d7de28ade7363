/* SPDX-License-Identifier: Apache-2.0 */
/* Map access for features, through libbpf. */
#include "map.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "base/cleanup.h"
#include "map_private.h"

uint32_t weir_map_capacity(const struct weir_map *map)
{
	return bpf_map__max_entries(map->bpf);
}

bool weir_map_is_reused(const struct weir_map *map)
{
	return map->reused;
}

int weir_map_get(struct weir_map *map, const void *key, void *value)
{
	return bpf_map_lookup_elem(bpf_map__fd(map->bpf), key, value) ? -errno : 0;
}

int weir_map_set(struct weir_map *map, const void *key, const void *value)
{
	return bpf_map_update_elem(bpf_map__fd(map->bpf), key, value, BPF_ANY) ? -errno : 0;
}

int weir_map_del(struct weir_map *map, const void *key)
{
	return bpf_map_delete_elem(bpf_map__fd(map->bpf), key) ? -errno : 0;
}

int weir_map_each(struct weir_map *map, int (*each)(const void *key, const void *value, void *arg),
		  void *arg)
{
	int fd = bpf_map__fd(map->bpf);
	_cleanup_free_ unsigned char *key = calloc(1, bpf_map__key_size(map->bpf));
	_cleanup_free_ unsigned char *next = calloc(1, bpf_map__key_size(map->bpf));
	_cleanup_free_ unsigned char *value = calloc(1, bpf_map__value_size(map->bpf));
	bool first = true;

	if (!key || !next || !value)
		return -ENOMEM;
	while (bpf_map_get_next_key(fd, first ? NULL : key, next) == 0) {
		int r = bpf_map_lookup_elem(fd, next, value) ? 0 : each(next, value, arg);

		if (r)
			return r;
		memcpy(key, next, bpf_map__key_size(map->bpf));
		first = false;
	}
	return errno == ENOENT ? 0 : -errno;
}

int weir_map_walk(struct weir_map *map, struct weir_map_walk *walk, void *keys, void *values,
		  uint32_t room)
{
	LIBBPF_OPTS(bpf_map_batch_opts, opts, .elem_flags = walk->is_unlocked ? 0 : BPF_F_LOCK);
	uint32_t next = 0, count = room;
	int r = bpf_map_lookup_batch(bpf_map__fd(map->bpf), walk->begun ? &walk->at : NULL, &next,
				     keys, values, &count, &opts);

	if (r && errno != ENOENT)
		return -errno;
	walk->at = next;
	walk->begun = true;
	walk->done = r;
	return (int)count;
}

/* Rows read by one system call: bounds the scratch memory, of which each CPU has its part. */
#define SUM_ROWS 1024

struct summing {
	int fd;
	size_t words; /* of a row */
	size_t cpus;
	uint32_t *keys;
	uint64_t *values; /* row by row, CPU by CPU */
};

/* One by one: where the kernel reads no per-CPU array in batches (before 5.13). */
static int rows_read_each(struct summing *summing, uint32_t first, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++) {
		uint32_t key = first + i;

		if (bpf_map_lookup_elem(summing->fd, &key,
					summing->values + i * summing->cpus * summing->words))
			return -errno;
	}
	return 0;
}

static int rows_read(struct summing *summing, uint32_t first, uint32_t count)
{
	LIBBPF_OPTS(bpf_map_batch_opts, opts);
	uint32_t before = first - 1, last = 0, got = count;

	if (count == 1)
		return rows_read_each(summing, first, count);
	int r = bpf_map_lookup_batch(summing->fd, first ? &before : NULL, &last, summing->keys,
				     summing->values, &got, &opts);

	/* ENOENT with all rows there: they were the last of the map. */
	if ((r && errno != ENOENT) || got != count)
		return rows_read_each(summing, first, count);
	return 0;
}

static void rows_add(const struct summing *summing, uint32_t count, uint64_t *sums)
{
	const uint64_t *value = summing->values;

	for (uint32_t row = 0; row < count; row++, sums += summing->words)
		for (size_t cpu = 0; cpu < summing->cpus; cpu++)
			for (size_t word = 0; word < summing->words; word++)
				sums[word] += *value++;
}

int weir_map_sum(struct weir_map *map, uint32_t first, uint32_t count, size_t words, uint64_t *sums)
{
	uint32_t at_once = count < SUM_ROWS ? count : SUM_ROWS;
	int cpus = libbpf_num_possible_cpus(), r = 0;

	if (cpus < 0)
		return cpus;
	_cleanup_free_ uint32_t *keys = calloc(at_once + 1, sizeof(*keys));
	_cleanup_free_ uint64_t *values =
		calloc((at_once + 1) * (size_t)cpus * words, sizeof(*values));
	struct summing summing = { bpf_map__fd(map->bpf), words, (size_t)cpus, keys, values };

	if (!keys || !values)
		return -ENOMEM;
	memset(sums, 0, count * words * sizeof(*sums));
	for (uint32_t done = 0; done < count && !r; done += at_once) {
		uint32_t rows = count - done < at_once ? count - done : at_once;

		r = rows_read(&summing, first + done, rows);
		if (!r)
			rows_add(&summing, rows, sums + done * words);
	}
	return r;
}

/* The kernel lays values of an array at multiples of 8 bytes. */
static size_t memory_bytes(const struct weir_map *map)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	size_t value = (bpf_map__value_size(map->bpf) + 7) / 8 * 8;

	return (value * bpf_map__max_entries(map->bpf) + page - 1) / page * page;
}

int weir_map_memory_open(const struct weir_map *map, struct weir_map_memory *ret_memory)
{
	size_t bytes = memory_bytes(map);
	void *at = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, bpf_map__fd(map->bpf), 0);

	if (at == MAP_FAILED)
		return -errno;
	*ret_memory = (struct weir_map_memory){ at, bytes };
	return 0;
}

void weir_map_memory_done(struct weir_map_memory *memory)
{
	if (memory->at)
		munmap(memory->at, memory->bytes);
	*memory = (struct weir_map_memory){};
}

int weir_map_cpus(void)
{
	return libbpf_num_possible_cpus();
}

int weir_map_zero(struct weir_map *map, uint32_t row)
{
	int cpus = libbpf_num_possible_cpus();

	if (cpus < 0)
		return cpus;
	_cleanup_free_ void *zeros =
		calloc((size_t)cpus, (bpf_map__value_size(map->bpf) + 7) / 8 * 8);

	return zeros ? weir_map_set(map, &row, zeros) : -ENOMEM;
}
