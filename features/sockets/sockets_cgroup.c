/* SPDX-License-Identifier: Apache-2.0 */
/* The kernel opens a cgroup by its number; of one that is gone the data path has the names. */
#include "features/sockets/sockets_cgroup.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <mntent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/hash.h"
#include "features/sockets/sockets.h"

#define MOUNTS "/proc/self/mounts"
#define HANDLE_KERNFS 0xfe /* FILEID_KERNFS: the number alone */

void sockets_cgroups_init(struct sockets_cgroups *cgroups)
{
	*cgroups = (struct sockets_cgroups){ .mount = -1 };
}

void sockets_cgroups_done(struct sockets_cgroups *cgroups)
{
	if (cgroups->mount >= 0)
		close(cgroups->mount);
	free(cgroups->rows);
	free(cgroups->slots);
	sockets_cgroups_init(cgroups);
}

static void mount_find(struct sockets_cgroups *cgroups)
{
	FILE *mounts = setmntent(MOUNTS, "re");
	struct mntent entry, *found;
	char text[4096];

	while (mounts && cgroups->mount < 0 &&
	       (found = getmntent_r(mounts, &entry, text, sizeof(text)))) {
		if (strcmp(found->mnt_type, "cgroup2") != 0)
			continue;
		cgroups->mount = open(found->mnt_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		snprintf(cgroups->mount_path, sizeof(cgroups->mount_path), "%s", found->mnt_dir);
	}
	if (mounts)
		endmntent(mounts);
}

/* Its path below the mount, "/" for the topmost; false when it is gone. */
static bool path_ask(struct sockets_cgroups *cgroups, uint64_t id, char path[SOCKETS_CGROUP_PATH])
{
	union {
		struct file_handle handle;
		unsigned char bytes[sizeof(struct file_handle) + sizeof(id)];
	} asked = { .handle = { .handle_bytes = sizeof(id), .handle_type = HANDLE_KERNFS } };
	char link[64];
	char whole[SOCKETS_CGROUP_PATH];
	size_t above = strlen(cgroups->mount_path);

	memcpy(asked.bytes + sizeof(asked.handle), &id, sizeof(id));
	_cleanup_close_ int fd =
		open_by_handle_at(cgroups->mount, &asked.handle, O_PATH | O_CLOEXEC);

	if (fd < 0)
		return false;
	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	ssize_t len = readlink(link, whole, sizeof(whole) - 1);

	if (len < (ssize_t)above || strncmp(whole, cgroups->mount_path, above) != 0)
		return false;
	whole[len] = '\0';
	if (strstr(whole + above, " (deleted)"))
		return false;
	snprintf(path, SOCKETS_CGROUP_PATH, "%s", whole[above] ? whole + above : "/");
	return true;
}

static void path_recall(uint64_t id, struct weir_map *names, char path[SOCKETS_CGROUP_PATH])
{
	struct sockets_cgroup known = { .name = "" };

	if (!names || weir_map_get(names, &id, &known))
		return;
	known.name[sizeof(known.name) - 1] = known.parent[sizeof(known.parent) - 1] = '\0';
	snprintf(path, SOCKETS_CGROUP_PATH, "…/%s%s%s", known.parent, known.parent[0] ? "/" : "",
		 known.name);
}

static bool is_monitor(const char *start, size_t len)
{
	static const char word[] = "conmon";

	for (size_t i = 0; i + strlen(word) <= len; i++)
		if (strncmp(start + i, word, strlen(word)) == 0)
			return true;
	return false;
}

/* Of one name: digits that begin it or stand behind a dash, and end it or stand before a dot. */
static const char *digits_of(const char *name, size_t len)
{
	for (size_t at = 0; at + SOCKETS_CONTAINER_DIGITS <= len; at++) {
		size_t digits = 0;

		if (at && name[at - 1] != '-' && name[at - 1] != ':')
			continue;
		while (at + digits < len && isxdigit((unsigned char)name[at + digits]))
			digits++;
		if (digits == SOCKETS_CONTAINER_DIGITS &&
		    (at + digits == len || name[at + digits] == '.'))
			return name + at;
	}
	return NULL;
}

bool sockets_container_of(const char *path, char ret_id[SOCKETS_CONTAINER_DIGITS + 1])
{
	bool is_found = false;

	while (*path) {
		size_t len = strcspn(path, "/");
		const char *digits = is_monitor(path, len) ? NULL : digits_of(path, len);

		if (digits) {
			memcpy(ret_id, digits, SOCKETS_CONTAINER_DIGITS);
			ret_id[SOCKETS_CONTAINER_DIGITS] = '\0';
			is_found = true;
		}
		path += len + (path[len] == '/');
	}
	return is_found;
}

/* Where its number is, or would be: at most half of the slots are taken. */
static uint32_t *slot_of(const struct sockets_cgroups *cgroups, uint64_t id)
{
	size_t last = 2 * cgroups->room - 1, at = weir_hash_mix(id) & last;

	while (cgroups->slots[at] && cgroups->rows[cgroups->slots[at] - 1].id != id)
		at = (at + 1) & last;
	return &cgroups->slots[at];
}

static void slots_fill(struct sockets_cgroups *cgroups)
{
	memset(cgroups->slots, 0, 2 * cgroups->room * sizeof(*cgroups->slots));
	for (size_t i = 0; i < cgroups->count; i++)
		*slot_of(cgroups, cgroups->rows[i].id) = (uint32_t)i + 1;
}

static struct sockets_cgroup_row *row_find(const struct sockets_cgroups *cgroups, uint64_t id)
{
	uint32_t slot = cgroups->room ? *slot_of(cgroups, id) : 0;

	return slot ? &cgroups->rows[slot - 1] : NULL;
}

const struct sockets_cgroup_row *sockets_cgroup_known(const struct sockets_cgroups *cgroups,
						      uint64_t id)
{
	return row_find(cgroups, id);
}

static int room_make(struct sockets_cgroups *cgroups)
{
	if (cgroups->count < cgroups->room)
		return 0;
	size_t room = cgroups->room ? 2 * cgroups->room : 64;
	struct sockets_cgroup_row *rows = reallocarray(cgroups->rows, room, sizeof(*rows));

	if (!rows)
		return -ENOMEM;
	cgroups->rows = rows;
	uint32_t *slots = reallocarray(cgroups->slots, 2 * room, sizeof(*slots));

	if (!slots)
		return -ENOMEM;
	cgroups->slots = slots;
	cgroups->room = room;
	slots_fill(cgroups);
	return 0;
}

const struct sockets_cgroup_row *sockets_cgroup_find(struct sockets_cgroups *cgroups, uint64_t id,
						     struct weir_map *names)
{
	struct sockets_cgroup_row *row = row_find(cgroups, id);

	if (row) {
		row->pass = cgroups->pass;
		return row;
	}
	if (room_make(cgroups))
		return NULL;
	row = &cgroups->rows[cgroups->count++];
	*row = (struct sockets_cgroup_row){ .id = id, .pass = cgroups->pass };
	*slot_of(cgroups, id) = (uint32_t)cgroups->count;
	if (cgroups->mount < 0)
		mount_find(cgroups);
	if (cgroups->mount < 0 || !path_ask(cgroups, id, row->path))
		path_recall(id, names, row->path);
	sockets_container_of(row->path, row->container);
	return row;
}

static int lately_compare(const void *a, const void *b)
{
	uint64_t one = ((const struct sockets_cgroup_row *)a)->pass,
		 other = ((const struct sockets_cgroup_row *)b)->pass;

	return one > other ? -1 : one < other;
}

void sockets_cgroups_pass(struct sockets_cgroups *cgroups)
{
	size_t asked = 0;

	for (size_t i = 0; i < cgroups->count; i++)
		asked += cgroups->rows[i].pass == cgroups->pass;
	cgroups->pass++;
	size_t most = asked > SOCKETS_CGROUPS_KEPT ? asked : SOCKETS_CGROUPS_KEPT;

	if (cgroups->count <= most)
		return;
	qsort(cgroups->rows, cgroups->count, sizeof(cgroups->rows[0]), lately_compare);
	cgroups->count = most;
	slots_fill(cgroups);
}
