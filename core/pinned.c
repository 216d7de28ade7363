/* SPDX-License-Identifier: Apache-2.0 */
/* Pinned maps and links by descriptor. Sizes are asked for first: a map of another version would be
 * written past the buffer. */
#include "core/pinned.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "base/cleanup.h"
#include "core/pin.h"

#define BATCH 4096

int weir_pinned_info(int fd, struct bpf_map_info *ret_info)
{
	struct bpf_map_info info = {};
	__u32 len = sizeof(info);

	if (bpf_obj_get_info_by_fd(fd, &info, &len))
		return -errno;
	*ret_info = info;
	return 0;
}

static int value_size_check(int fd, size_t size)
{
	struct bpf_map_info info = {};
	int r = weir_pinned_info(fd, &info);

	if (r)
		return r;
	return info.value_size == size && info.key_size == sizeof(uint32_t) ? 0 : -EPROTO;
}

int weir_pinned_get(int fd, uint32_t row, void *ret_value, size_t size)
{
	int r = value_size_check(fd, size);

	if (r)
		return r;
	return bpf_map_lookup_elem(fd, &row, ret_value) ? -errno : 0;
}

int weir_pinned_sum(int fd, uint32_t row, void *ret_sums, size_t size)
{
	int cpus = libbpf_num_possible_cpus(), r = value_size_check(fd, size);
	size_t words = size / sizeof(uint64_t);
	_cleanup_free_ uint64_t *values = cpus > 0 ? calloc((size_t)cpus, size) : NULL;
	uint64_t *sums = ret_sums;

	if (r)
		return r;
	if (!values)
		return cpus < 0 ? cpus : -ENOMEM;
	if (bpf_map_lookup_elem(fd, &row, values))
		return -errno;
	memset(sums, 0, size);
	for (size_t i = 0; i < (size_t)cpus * words; i++)
		sums[i % words] += values[i];
	return 0;
}

uint64_t weir_pinned_bytes(int fd)
{
	char path[48], line[128];
	unsigned long long bytes = 0;

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", fd);
	_cleanup_fclose_ FILE *file = fopen(path, "re");

	while (file && fgets(line, sizeof(line), file))
		if (sscanf(line, "memlock: %llu", &bytes) == 1)
			break;
	return bytes;
}

static uint64_t entries_walk(int fd, void *key, void *next, size_t key_size)
{
	uint64_t count = 0;

	for (bool first = true; bpf_map_get_next_key(fd, first ? NULL : key, next) == 0;
	     first = false, count++)
		memcpy(key, next, key_size);
	return count;
}

uint64_t weir_pinned_entries(int fd)
{
	struct bpf_map_info info = {};

	if (weir_pinned_info(fd, &info))
		return 0;
	_cleanup_free_ unsigned char *keys = calloc(BATCH, info.key_size);
	_cleanup_free_ unsigned char *values = calloc(BATCH, info.value_size);
	_cleanup_free_ unsigned char *at = calloc(1, info.key_size + sizeof(uint64_t));
	uint64_t total = 0;
	bool first = true;

	while (keys && values && at) {
		__u32 count = BATCH;
		int r = bpf_map_lookup_batch(fd, first ? NULL : at, at, keys, values, &count, NULL);

		if (r && errno != ENOENT) /* no batches for this kind of map */
			return entries_walk(fd, keys, values, info.key_size);
		total += count;
		first = false;
		if (r)
			break;
	}
	return total;
}

bool weir_pinned_link_is_live(const char *pin_dir, uint32_t ifindex, const char *hook)
{
	struct bpf_link_info info = {};
	__u32 len = sizeof(info);
	char name[48];

	snprintf(name, sizeof(name), "%u-%s", ifindex, hook);
	_cleanup_close_ int fd = weir_pin_get(pin_dir, "links", name);

	if (fd < 0 || bpf_obj_get_info_by_fd(fd, &info, &len))
		return false;
	/* XDP and TCX say the device in the same place, and 0 once it is gone. */
	return info.xdp.ifindex == ifindex;
}
