/* SPDX-License-Identifier: Apache-2.0 */
/* Map access for features, through libbpf. */
#include "map.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "base/cleanup.h"
#include "map_private.h"

uint32_t weir_map_capacity(const struct weir_map *map)
{
	return bpf_map__max_entries(map->bpf);
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

int weir_map_sum(struct weir_map *map, uint32_t first, uint32_t count, size_t words, uint64_t *sums)
{
	int cpus = libbpf_num_possible_cpus();

	if (cpus < 0)
		return cpus;
	_cleanup_free_ uint64_t *values = calloc((size_t)cpus * words, sizeof(*values));

	if (!values)
		return -ENOMEM;
	memset(sums, 0, count * words * sizeof(*sums));
	for (uint32_t row = 0; row < count; row++) {
		uint32_t key = first + row;

		if (bpf_map_lookup_elem(bpf_map__fd(map->bpf), &key, values))
			return -errno;
		for (size_t i = 0; i < (size_t)cpus * words; i++)
			sums[row * words + i % words] += values[i];
	}
	return 0;
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
