/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Status from pins: descriptors of pinned maps are opened, read once and closed. Taking things away
 * is offline_cleanup.c's.
 */
#include "core/offline.h"

#include <dirent.h>
#include <errno.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "abi/event.h"
#include "abi/image.h"
#include "abi/maps.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/file.h"
#include "core/hook.h"
#include "core/pin.h"
#include "core/pinned.h"
#include "core/snapshot.h"
#include "core/status.h"
#include "core/tc_filters.h"

/* The live word, when the maps mean what this program thinks they do. */
static int live_read(const char *pin_dir, struct weir_live *ret_live)
{
	_cleanup_close_ int fd = weir_pin_get(pin_dir, "maps", "cfg_live");
	struct bpf_map_info info = {};
	__u32 zero = 0;

	if (fd < 0)
		return fd;
	int r = weir_pinned_info(fd, &info);

	if (r)
		return r;
	if (info.value_size != sizeof(*ret_live) || info.key_size != sizeof(zero))
		return -EPROTO;
	return bpf_map_lookup_elem(fd, &zero, ret_live) ? -errno : 0;
}

static enum weir_mode ingress_mode(const char *pin_dir, uint32_t ifindex)
{
	static const struct {
		const char *hook;
		enum weir_mode mode;
	} links[] = {
		{ "xdp", WEIR_MODE_XDP_NATIVE },
		{ "xdpg", WEIR_MODE_XDP_GENERIC },
		{ "in", WEIR_MODE_TCX },
	};

	for (size_t i = 0; i < WEIR_ARRAY_SIZE(links); i++)
		if (weir_pinned_link_is_live(pin_dir, ifindex, links[i].hook))
			return links[i].mode;
	return weir_tc_program_id(ifindex, WEIR_INGRESS) ? WEIR_MODE_CLSACT : WEIR_MODE_NONE;
}

static enum weir_mode egress_mode(const char *pin_dir, uint32_t ifindex)
{
	if (weir_pinned_link_is_live(pin_dir, ifindex, "out"))
		return WEIR_MODE_TCX;
	return weir_tc_program_id(ifindex, WEIR_EGRESS) ? WEIR_MODE_CLSACT : WEIR_MODE_NONE;
}

static void view_fill(const char *pin_dir, const struct weir_iface_cell *cell,
		      struct weir_interface_view *view)
{
	enum weir_mode mode = ingress_mode(pin_dir, cell->ifindex);
	enum weir_mode egress = egress_mode(pin_dir, cell->ifindex);
	char name[IF_NAMESIZE];
	bool is_here = if_indextoname(cell->ifindex, name);

	view->ifindex = cell->ifindex;
	view->slot = cell->slot;
	view->attached = mode != WEIR_MODE_NONE;
	if (is_here)
		snprintf(view->name, sizeof(view->name), "%s", name);
	else
		snprintf(view->name, sizeof(view->name), "#%u", cell->ifindex);
	snprintf(view->mode, sizeof(view->mode), "%s", weir_mode_name(mode));
	snprintf(view->egress, sizeof(view->egress), "%s",
		 egress == WEIR_MODE_NONE ? "off" : weir_mode_name(egress));
	snprintf(view->why, sizeof(view->why), "%s",
		 !is_here	? "no device of that number in this network namespace" :
		 view->attached ? "left attached by a daemon that no longer runs" :
				  "its program is no longer attached");
}

static int counts_read(int fd, struct weir_interface_view *view)
{
	for (int direction = 0; direction < WEIR_DIRECTIONS; direction++)
		for (int reason = 0; reason < WEIR_REASON_COUNT; reason++) {
			__u32 row = WEIR_REASON_ROW(view->slot, direction, reason);
			int r = weir_pinned_sum(fd, row, &view->counts[direction][reason],
						sizeof(struct weir_count));

			if (r)
				return r;
		}
	return 0;
}

static int interfaces_read(const char *pin_dir, struct weir_snapshot *snapshot)
{
	_cleanup_close_ int cells = weir_pin_get(pin_dir, "maps", "cfg_iface");
	_cleanup_close_ int counters = weir_pin_get(pin_dir, "maps", "ctr_reason");

	snapshot->interfaces = calloc(WEIR_INTERFACES_MAX, sizeof(*snapshot->interfaces));
	if (!snapshot->interfaces)
		return -ENOMEM;
	if (cells < 0 || counters < 0) /* a daemon was killed while it pinned them */
		return 0;
	for (__u32 at = 0; at < WEIR_IFACE_CELLS; at++) {
		struct weir_iface_cell cell = {};
		struct weir_interface_view *view = &snapshot->interfaces[snapshot->interface_count];
		int r = weir_pinned_get(cells, at, &cell, sizeof(cell));

		if (r)
			return r;
		if (!cell.ifindex || cell.slot >= WEIR_INTERFACES_MAX ||
		    snapshot->interface_count == WEIR_INTERFACES_MAX)
			continue;
		view_fill(pin_dir, &cell, view);
		snapshot->interface_count++;
		r = counts_read(counters, view);
		if (r)
			return r;
	}
	return 0;
}

static int events_read(const char *pin_dir, struct weir_snapshot *snapshot)
{
	_cleanup_close_ int fd = weir_pin_get(pin_dir, "maps", "ctr_event");

	for (__u32 kind = 0; fd >= 0 && kind < WEIR_EVENT_KIND_COUNT; kind++) {
		struct weir_event_count count = {};
		int r = weir_pinned_sum(fd, kind, &count, sizeof(count));

		if (r)
			return r;
		snapshot->events[kind].sent = count.sent;
		snapshot->events[kind].capped = count.capped;
		snapshot->events[kind].lost = count.lost;
	}
	return 0;
}

static void policy_put(const char *pin_dir, const struct weir_live *live,
		       struct weir_json_out *json)
{
	unsigned slot = live->word & 1;
	_cleanup_close_ int near = weir_pin_get(pin_dir, "maps", "tab_near");
	uint64_t kernel_bytes = near < 0 ? 0 : weir_pinned_bytes(near);
	struct weir_line line = {};

	for (unsigned i = 0; i < WEIR_POLICY_SLOTS; i++) {
		_cleanup_close_ int fd = weir_pin_get(pin_dir, "policy", i ? "1" : "0");

		if (fd < 0)
			continue;
		kernel_bytes += weir_pinned_bytes(fd);
		if (i == slot)
			weir_pinned_get(fd, 0, &line, sizeof(line));
	}
	const struct weir_image_header *header = (const void *)&line;
	bool is_filled = header->magic == WEIR_IMAGE_MAGIC;

	weir_json_open_object(json, "policy");
	weir_json_put_uint(json, "slot", slot);
	weir_json_put_uint(
		json, "bytes",
		is_filled ? ((uint64_t)header->lines + header->near_lines) * WEIR_LINE_BYTES : 0);
	weir_json_put_uint(json, "kernel_bytes", kernel_bytes);
	weir_json_put_uint(json, "classes", is_filled ? header->classes : 0);
	weir_json_close_object(json);
}

static void map_put(const char *name, int fd, struct weir_json_out *json)
{
	struct bpf_map_info info = {};

	if (weir_pinned_info(fd, &info))
		return;
	weir_json_open_object(json, NULL);
	weir_json_put_str(json, "name", name);
	if (strncmp(name, "set_", 4) == 0)
		weir_json_put_uint(json, "entries", weir_pinned_entries(fd));
	weir_json_put_uint(json, "capacity", info.max_entries);
	weir_json_put_uint(json, "bytes", weir_pinned_bytes(fd));
	weir_json_close_object(json);
}

/* By the prefix of its name, a map says what it is for. */
static int maps_put(const char *pin_dir, const char *key, const char *prefix,
		    struct weir_json_out *json)
{
	_cleanup_free_ char *dir = weir_path_join(pin_dir, "maps");
	struct dirent **names = NULL;
	int count = dir ? scandir(dir, &names, NULL, alphasort) : -1;

	if (count < 0)
		return dir ? -errno : -ENOMEM;
	weir_json_open_array(json, key);
	for (int i = 0; i < count; i++) {
		const char *name = names[i]->d_name;
		bool is_wanted = name[0] != '.' && strncmp(name, prefix, strlen(prefix)) == 0;
		_cleanup_close_ int fd = is_wanted ? weir_pin_get(pin_dir, "maps", name) : -1;

		if (fd >= 0)
			map_put(name, fd, json);
		free(names[i]);
	}
	free(names);
	weir_json_close_array(json);
	return 0;
}

static int status_put(const char *pin_dir, const struct weir_live *live,
		      const struct weir_snapshot *snapshot, struct weir_json_out *json)
{
	weir_json_open_object(json, NULL);
	weir_json_put_str(json, "version", WEIR_VERSION);
	weir_json_put_bool(json, "daemon", false);
	weir_json_put_str(json, "pin_dir", pin_dir);
	weir_json_put_uint(json, "layout", live->layout);
	if (snapshot) {
		weir_json_put_uint(json, "revision", live->word >> 1);
		policy_put(pin_dir, live, json);
		weir_status_put_interfaces(snapshot, json);
		weir_status_put_reasons(snapshot, json);
		weir_status_put_events(snapshot, json);
	} else {
		weir_json_put_str(
			json, "note",
			"these maps were made by another version of Weir, which must read them, or "
			"by a start that did not come to its end");
	}
	int r = maps_put(pin_dir, "sets", "set_", json);

	if (!r)
		r = maps_put(pin_dir, "maps", "", json);
	weir_json_close_object(json);
	return r;
}

int weir_offline_status(const char *pin_dir, struct weir_buf *reply)
{
	_cleanup_snapshot_ struct weir_snapshot *snapshot = calloc(1, sizeof(*snapshot));
	struct weir_json_out json = { .out = reply };
	struct weir_live live = {};

	if (!snapshot)
		return -ENOMEM;
	snapshot->references = 1;
	int r = live_read(pin_dir, &live);

	if (r == -EPROTO) /* of another layout, whose word has another size */
		return status_put(pin_dir, &live, NULL, &json);
	if (r)
		return r;
	if (live.layout != WEIR_LAYOUT_VERSION)
		return status_put(pin_dir, &live, NULL, &json);
	snapshot->real_ns = weir_clock_real_ns();
	r = interfaces_read(pin_dir, snapshot);
	if (!r)
		r = events_read(pin_dir, snapshot);
	if (!r)
		r = status_put(pin_dir, &live, snapshot, &json);
	return r ? r : reply->failed ? -ENOMEM : 0;
}
