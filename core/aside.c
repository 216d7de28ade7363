/* SPDX-License-Identifier: Apache-2.0 */
#include "aside.h"

#include <bpf/bpf.h>
#include <string.h>

int weir_aside_quiet(enum libbpf_print_level level, const char *format, va_list args)
{
	(void)level, (void)format, (void)args;
	return 0;
}

bool weir_aside_map_fits(const struct bpf_map *map, int fd)
{
	struct bpf_map_info info = {};
	__u32 len = sizeof(info);

	return !bpf_obj_get_info_by_fd(fd, &info, &len) && info.type == bpf_map__type(map) &&
	       info.key_size == bpf_map__key_size(map) &&
	       info.value_size == bpf_map__value_size(map) &&
	       info.max_entries == bpf_map__max_entries(map);
}

bool weir_aside_has(const char *const *maps, const char *name)
{
	for (size_t i = 0; maps[i]; i++)
		if (strcmp(maps[i], name) == 0)
			return true;
	return false;
}
