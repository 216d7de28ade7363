/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Taking away everything of ours. Programs go first, then what they use: a call that is cut short
 * leaves nothing that the next one would not find.
 */
#include <dirent.h>
#include <errno.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <bpf/bpf.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "base/json.h"
#include "core/feature.h"
#include "core/netlink.h"
#include "core/offline.h"
#include "core/pin.h"
#include "core/tc_filters.h"

#define SOCKET_NAME "weir.sock"
#define OUR_PROGRAMS "weir_tc_"
#define OUR_TRACING "trace-"
#define PROGRAM_MAPS_MAX 64

struct cleanup {
	const char *pin_dir;
	uint32_t live_id; /* of the pinned cfg_live, 0 when there is none */
	struct weir_buf removed_text, failed_text;
	struct weir_json_out removed, failed;
};

static void cleanup_done(struct cleanup *cleanup)
{
	weir_buf_done(&cleanup->removed_text);
	weir_buf_done(&cleanup->failed_text);
}

/* result: 0, -ENOENT (was not there: not worth a word) or why it stays. */
static void tell(struct cleanup *cleanup, int result, const char *what)
{
	if (result == 0) {
		weir_json_put_str(&cleanup->removed, NULL, what);
	} else if (result != -ENOENT) {
		weir_json_open_object(&cleanup->failed, NULL);
		weir_json_put_str(&cleanup->failed, "what", what);
		weir_json_put_str(&cleanup->failed, "why", strerror(-result));
		weir_json_close_object(&cleanup->failed);
	}
}

static const char *device_name(uint32_t ifindex, char name[IF_NAMESIZE])
{
	if (!if_indextoname(ifindex, name))
		snprintf(name, IF_NAMESIZE, "#%u", ifindex);
	return name;
}

/* The name without what an interrupted replacement appended to it. */
static size_t pin_name_len(const char *name)
{
	size_t len = strlen(name);

	return len > 4 && strcmp(name + len - 4, "-new") == 0 ? len - 4 : len;
}

static bool map_is_ours(const char *name)
{
	static const char *const lifetimes[] = { "cfg_", "tab_", "set_", "st_",
						 "ctr_", "evt_", "tmp_" };

	for (size_t i = 0; i < WEIR_ARRAY_SIZE(lifetimes); i++)
		if (strncmp(name, lifetimes[i], strlen(lifetimes[i])) == 0)
			return true;
	return false;
}

static bool slot_is_ours(const char *name)
{
	return name[0] >= '0' && name[0] <= '9' && pin_name_len(name) == 1;
}

/* "IFINDEX-HOOK"; the hook's name, or NULL when it is not one of ours. */
static const char *link_hook(const char *name, uint32_t *ret_ifindex)
{
	static const char *const hooks[] = { "xdp",    "xdpg",	"in",	  "out",
					     "clsact", "proof", "quality" };
	char *end = NULL;
	unsigned long ifindex = strtoul(name, &end, 10);

	if (end == name || *end != '-')
		return NULL;
	for (size_t i = 0; i < WEIR_ARRAY_SIZE(hooks); i++)
		if (strlen(hooks[i]) == pin_name_len(end + 1) &&
		    strncmp(hooks[i], end + 1, strlen(hooks[i])) == 0) {
			*ret_ifindex = (uint32_t)ifindex;
			return hooks[i];
		}
	return NULL;
}

static bool is_tracing(const char *name)
{
	return strncmp(name, OUR_TRACING, strlen(OUR_TRACING)) == 0;
}

static bool link_is_ours(const char *name)
{
	uint32_t ifindex;

	return is_tracing(name) || link_hook(name, &ifindex);
}

/* A clsact that others have put filters into since is theirs too: it stays. */
static void qdisc_remove(struct cleanup *cleanup, uint32_t ifindex)
{
	char name[IF_NAMESIZE], what[96];
	int in = weir_tc_foreign_count(ifindex, WEIR_INGRESS);
	int out = weir_tc_foreign_count(ifindex, WEIR_EGRESS);

	if (in || out || weir_tc_program_id(ifindex, WEIR_INGRESS) ||
	    weir_tc_program_id(ifindex, WEIR_EGRESS) || !if_indextoname(ifindex, name))
		return;
	snprintf(what, sizeof(what), "clsact qdisc of %s", name);
	int r = weir_tc_qdisc_remove(ifindex);

	tell(cleanup, r == -EINVAL ? -ENOENT : r, what);
}

static void link_remove(struct cleanup *cleanup, const char *name)
{
	uint32_t ifindex = 0;
	const char *hook = link_hook(name, &ifindex);
	bool is_qdisc = hook && strcmp(hook, "clsact") == 0;
	char what[WEIR_PIN_PATH], device[IF_NAMESIZE];

	if (is_tracing(name)) {
		snprintf(what, sizeof(what), "links/%s", name);
	} else if (is_qdisc) {
		qdisc_remove(cleanup, ifindex);
		snprintf(what, sizeof(what), "links/%s", name);
	} else {
		_cleanup_close_ int fd = weir_pin_get(cleanup->pin_dir, "links", name);

		/* Or a running daemon's descriptor would keep it. A dead link says ENOLINK. */
		if (fd >= 0)
			bpf_link_detach(fd);
		snprintf(what, sizeof(what), "links/%s (%s of %s)", name, hook,
			 device_name(ifindex, device));
	}
	tell(cleanup, weir_pin_remove(cleanup->pin_dir, "links", name), what);
}

static void map_remove(struct cleanup *cleanup, const char *name)
{
	char what[WEIR_PIN_PATH];

	snprintf(what, sizeof(what), "maps/%s", name);
	tell(cleanup, weir_pin_remove(cleanup->pin_dir, "maps", name), what);
}

static void slot_remove(struct cleanup *cleanup, const char *name)
{
	char what[WEIR_PIN_PATH];

	snprintf(what, sizeof(what), "policy/%s", name);
	tell(cleanup, weir_pin_remove(cleanup->pin_dir, "policy", name), what);
}

/* The directory goes too when nothing of others is in it. */
static int folder_remove(struct cleanup *cleanup, const char *folder,
			 bool (*is_ours)(const char *name),
			 void (*take)(struct cleanup *cleanup, const char *name))
{
	_cleanup_free_ char *path = weir_path_join(cleanup->pin_dir, folder);
	struct dirent **names = NULL;
	int count = path ? scandir(path, &names, NULL, alphasort) : -1;

	if (!path)
		return -ENOMEM;
	if (count < 0)
		return errno == ENOENT ? 0 : -errno;
	for (int i = 0; i < count; i++) {
		if (is_ours(names[i]->d_name))
			take(cleanup, names[i]->d_name);
		free(names[i]);
	}
	free(names);
	rmdir(path);
	return 0;
}

/* Its maps tell whose a program is, even beside another Weir; its name, when no maps are left. */
static bool program_is_ours(const struct cleanup *cleanup, uint32_t id)
{
	__u32 maps[PROGRAM_MAPS_MAX] = {};
	struct bpf_prog_info info = { .nr_map_ids = PROGRAM_MAPS_MAX, .map_ids = (uintptr_t)maps };
	__u32 len = sizeof(info);
	_cleanup_close_ int fd = bpf_prog_get_fd_by_id(id);

	if (fd < 0 || bpf_obj_get_info_by_fd(fd, &info, &len))
		return true; /* not readable; handle and priority are ours */
	for (uint32_t i = 0; i < info.nr_map_ids && i < PROGRAM_MAPS_MAX; i++)
		if (cleanup->live_id && maps[i] == cleanup->live_id)
			return true;
	return !cleanup->live_id && strncmp(info.name, OUR_PROGRAMS, strlen(OUR_PROGRAMS)) == 0;
}

static void device_clean(void *arg, enum weir_device_change change,
			 const struct weir_device *device)
{
	struct cleanup *cleanup = arg;
	char what[96];

	for (int direction = 0; direction < WEIR_DIRECTIONS; direction++) {
		uint32_t id = weir_tc_program_id(device->ifindex, direction);

		if (!id || !program_is_ours(cleanup, id))
			continue;
		snprintf(what, sizeof(what), "clsact filter of %s (%s)", device->name,
			 direction == WEIR_INGRESS ? "in" : "out");
		tell(cleanup, weir_tc_filter_remove(device->ifindex, direction), what);
	}
}

static uint32_t live_id_read(const char *pin_dir)
{
	_cleanup_close_ int fd = weir_pin_get(pin_dir, "maps", "cfg_live");
	struct bpf_map_info info = {};
	__u32 len = sizeof(info);

	return fd >= 0 && bpf_obj_get_info_by_fd(fd, &info, &len) == 0 ? info.id : 0;
}

static int socket_connect(const char *path)
{
	_cleanup_close_ int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	struct sockaddr_un addr = { .sun_family = AF_UNIX };

	if (fd < 0)
		return -errno;
	if (snprintf(addr.sun_path, sizeof(addr.sun_path), "%s", path) >=
	    (int)sizeof(addr.sun_path))
		return -ENAMETOOLONG;
	return connect(fd, (struct sockaddr *)&addr, sizeof(addr)) ? -errno : 0;
}

/* Whether a daemon listens. A socket that nobody listens on is what a killed one left. */
static bool daemon_answers(struct cleanup *cleanup, const char *run_dir)
{
	_cleanup_free_ char *path = run_dir ? weir_path_join(run_dir, SOCKET_NAME) : NULL;
	struct stat st;

	if (!path || lstat(path, &st) || !S_ISSOCK(st.st_mode))
		return false;
	int r = socket_connect(path);

	if (r == -ECONNREFUSED)
		tell(cleanup, unlink(path) ? -errno : 0, path);
	return r == 0 || r == -EAGAIN; /* EAGAIN: more clients wait than it can take */
}

static int pins_remove(struct cleanup *cleanup)
{
	struct stat st;

	if (stat(cleanup->pin_dir, &st))
		return errno == ENOENT ? 0 : -errno;
	if (!weir_pin_is_bpffs(cleanup->pin_dir))
		return -ENOTSUP; /* ordinary files of somebody */
	int r = folder_remove(cleanup, "links", link_is_ours, link_remove);

	if (!r)
		r = folder_remove(cleanup, "policy", slot_is_ours, slot_remove);
	if (!r)
		r = folder_remove(cleanup, "maps", map_is_ours, map_remove);
	if (!r && rmdir(cleanup->pin_dir) == 0)
		tell(cleanup, 0, cleanup->pin_dir);
	return r;
}

static void run_file_remove(struct cleanup *cleanup, const char *run_dir, const char *name)
{
	static const char *const suffixes[] = { "", ".new" };

	for (size_t i = 0; i < WEIR_ARRAY_SIZE(suffixes); i++) {
		_cleanup_buf_ struct weir_buf path = { 0 };
		struct stat st;

		weir_buf_addf(&path, "%s/%s%s", run_dir, name, suffixes[i]);
		if (path.failed || lstat(weir_buf_str(&path), &st) || !S_ISREG(st.st_mode))
			continue;
		tell(cleanup, unlink(weir_buf_str(&path)) ? -errno : 0, weir_buf_str(&path));
	}
}

/* What stands beside maps that are no more. A daemon that runs has it open, and it may be of other
 * maps than those below pin_dir. */
static void run_files_remove(struct cleanup *cleanup, const char *run_dir)
{
	for (size_t i = 0; weir_features[i]; i++)
		for (const char *const *name = weir_features[i]->run_files; name && *name; name++)
			run_file_remove(cleanup, run_dir, *name);
	run_file_remove(cleanup, run_dir, WEIR_SERIES_FILE);
}

static void reply_write(const struct cleanup *cleanup, bool is_running, struct weir_buf *reply)
{
	struct weir_json_out json = { .out = reply };

	weir_json_open_object(&json, NULL);
	weir_json_put_bool(&json, "daemon", is_running);
	weir_json_put_raw(&json, "removed", weir_buf_str(&cleanup->removed_text));
	weir_json_put_raw(&json, "failed", weir_buf_str(&cleanup->failed_text));
	if (is_running)
		weir_json_put_str(&json, "note",
				  "a daemon is running and filters nothing any more: stop it or "
				  "restart it");
	weir_json_close_object(&json);
}

int weir_cleanup(const char *pin_dir, const char *run_dir, struct weir_buf *reply)
{
	_cleanup_(cleanup_done) struct cleanup cleanup = { .pin_dir = pin_dir };

	cleanup.removed.out = &cleanup.removed_text;
	cleanup.failed.out = &cleanup.failed_text;
	cleanup.live_id = live_id_read(pin_dir);
	weir_json_open_array(&cleanup.removed, NULL);
	weir_json_open_array(&cleanup.failed, NULL);
	bool is_running = daemon_answers(&cleanup, run_dir);
	int r = weir_netlink_dump(device_clean, &cleanup);

	if (!r)
		r = pins_remove(&cleanup);
	if (r)
		return r;
	if (run_dir && !is_running)
		run_files_remove(&cleanup, run_dir);
	weir_json_close_array(&cleanup.removed);
	weir_json_close_array(&cleanup.failed);
	if (cleanup.removed_text.failed || cleanup.failed_text.failed)
		return -ENOMEM;
	reply_write(&cleanup, is_running, reply);
	return reply->failed ? -ENOMEM : 0;
}
