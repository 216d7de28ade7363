/* SPDX-License-Identifier: Apache-2.0 */
/* What struct weir_map is, for who loads objects and for map.c. */
#ifndef WEIR_CORE_MAP_PRIVATE_H
#define WEIR_CORE_MAP_PRIVATE_H

#include <stdbool.h>

#include "map.h"

struct bpf_map;

struct weir_map {
	struct bpf_map *bpf;
	char name[16]; /* libbpf gives a map that is taken over the name it has in the kernel */
	bool reused;   /* taken over with its content */
};

#endif
