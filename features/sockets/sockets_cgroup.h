/* SPDX-License-Identifier: Apache-2.0 */
/* What a cgroup is called, and whose container it is. */
#ifndef WEIR_SOCKETS_CGROUP_H
#define WEIR_SOCKETS_CGROUP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/map.h"

#define SOCKETS_CGROUP_PATH 512
#define SOCKETS_CONTAINER_DIGITS 64

/* So many stay, asked for or not: flows ask for those of sockets that are long gone. */
#define SOCKETS_CGROUPS_KEPT 4096

struct sockets_cgroup_row {
	uint64_t id;
	uint64_t pass;				      /* the last that asked for it */
	char path[SOCKETS_CGROUP_PATH];		      /* "" when nothing tells */
	char container[SOCKETS_CONTAINER_DIGITS + 1]; /* "" when it is none */
};

/* Those that were asked for; a number never comes again while the machine runs. */
struct sockets_cgroups {
	struct sockets_cgroup_row *rows;
	uint32_t *slots;    /* where in `rows`, and 1, by a hash of the number; 0: nowhere */
	size_t count, room; /* of rows; there are twice as many slots, a power of two */
	uint64_t pass;
	int mount; /* -1: not opened */
	char mount_path[SOCKETS_CGROUP_PATH];
};

/* Of those that were found before; changes nothing. NULL: it was not. */
const struct sockets_cgroup_row *sockets_cgroup_known(const struct sockets_cgroups *cgroups,
						      uint64_t id);
/* Lasts until the next call. `names` is the data path's own list, for those that are gone. NULL: no
 * memory. */
const struct sockets_cgroup_row *sockets_cgroup_find(struct sockets_cgroups *cgroups, uint64_t id,
						     struct weir_map *names);
/* All that may be asked for has been: of those that were not, the ones that were least lately make
 * room. So there are never more than one pass asks for, or SOCKETS_CGROUPS_KEPT. */
void sockets_cgroups_pass(struct sockets_cgroups *cgroups);
void sockets_cgroups_init(struct sockets_cgroups *cgroups);
void sockets_cgroups_done(struct sockets_cgroups *cgroups);
/* The identifier in the path of a cgroup, as Docker, containerd, CRI-O and Podman call theirs, with
 * systemd or without: 64 hexadecimal digits. False: it is no container. */
bool sockets_container_of(const char *path, char ret_id[SOCKETS_CONTAINER_DIGITS + 1]);

#endif
