/* SPDX-License-Identifier: Apache-2.0 */
/* The devices as they are: who else is attached, and which offloads get in the way. Changes
 * nothing. */
#include <errno.h>
#include <linux/if_arp.h>
#include <linux/if_link.h>
#include <stdio.h>
#include <string.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "base/cleanup.h"
#include "core/doctor_checks.h"
#include "core/ethtool.h"
#include "core/kernel_abi.h"
#include "core/netlink.h"
#include "core/pinned.h"
#include "core/tc_filters.h"

#define TCX_PROGRAMS_MAX 64
#define OUR_PREFIX "weir_"

struct devices {
	struct weir_doctor *doctor;
	unsigned count;
	unsigned foreign;
	unsigned foreign_tc;
	struct weir_buf foreign_tc_text;
};

static bool program_name(uint32_t id, char name[BPF_OBJ_NAME_LEN])
{
	struct bpf_prog_info info = {};
	__u32 len = sizeof(info);
	_cleanup_close_ int fd = bpf_prog_get_fd_by_id(id);

	if (fd < 0 || bpf_obj_get_info_by_fd(fd, &info, &len))
		return false;
	memcpy(name, info.name, BPF_OBJ_NAME_LEN);
	return true;
}

/* Ours by the pin, or another Weir's by its name. */
static bool xdp_is_ours(const struct weir_doctor *doctor, uint32_t ifindex, const char *name)
{
	return weir_pinned_link_is_live(doctor->pin_dir, ifindex, "xdp") ||
	       weir_pinned_link_is_live(doctor->pin_dir, ifindex, "xdpg") ||
	       strncmp(name, OUR_PREFIX, strlen(OUR_PREFIX)) == 0;
}

static void xdp_check(struct devices *devices, const struct weir_device *device)
{
	LIBBPF_OPTS(bpf_xdp_query_opts, query);
	char check[48], mend[96], name[BPF_OBJ_NAME_LEN] = "";

	if (bpf_xdp_query((int)device->ifindex, 0, &query) || !query.prog_id)
		return;
	if (!program_name(query.prog_id, name))
		snprintf(name, sizeof(name), "name hidden");
	if (xdp_is_ours(devices->doctor, device->ifindex, name))
		return;
	devices->foreign++;
	snprintf(check, sizeof(check), "xdp on %s", device->name);
	snprintf(mend, sizeof(mend), "ip link set dev %s xdp off, or use hook: tc for it",
		 device->name);
	weir_doctor_tell(devices->doctor, check, DOCTOR_WARNING, mend,
			 "XDP program %u (%s) of somebody else is attached; it is not replaced",
			 query.prog_id, name);
}

/* TCX programs that are not the link of our pin. */
static int tcx_foreign_count(const struct weir_doctor *doctor, uint32_t ifindex,
			     enum weir_direction direction)
{
	int type = direction == WEIR_INGRESS ? KERNEL_TCX_INGRESS : KERNEL_TCX_EGRESS;
	__u32 ids[TCX_PROGRAMS_MAX], count = TCX_PROGRAMS_MAX;
	bool is_ours = weir_pinned_link_is_live(doctor->pin_dir, ifindex,
						direction == WEIR_INGRESS ? "in" : "out");

	if (bpf_prog_query((int)ifindex, type, 0, NULL, ids, &count))
		return 0;
	return (int)count - (is_ours && count);
}

static void tc_check(struct devices *devices, const struct weir_device *device)
{
	for (int direction = 0; direction < WEIR_DIRECTIONS; direction++) {
		int tcx = tcx_foreign_count(devices->doctor, device->ifindex, direction);
		int clsact = weir_tc_foreign_count(device->ifindex, direction);

		if (tcx + (clsact > 0 ? clsact : 0) == 0)
			continue;
		weir_buf_addf(&devices->foreign_tc_text, "%s%s %s: %d tcx, %d clsact",
			      devices->foreign_tc++ ? "; " : "", device->name,
			      direction == WEIR_INGRESS ? "in" : "out", tcx,
			      clsact > 0 ? clsact : 0);
	}
}

/* Frames that the card has glued together are refused by native XDP, or seen as one. */
static void receive_offload_check(struct devices *devices, const struct weir_device *device)
{
	static const struct {
		const char *feature, *option;
	} offloads[] = { { "rx-lro", "lro" }, { "rx-gro-hw", "rx-gro-hw" } };
	char check[48], mend[96];

	if (device->kind[0] || device->type != ARPHRD_ETHER)
		return;
	for (size_t i = 0; i < WEIR_ARRAY_SIZE(offloads); i++) {
		if (weir_ethtool_feature(device->name, offloads[i].feature) != 1)
			continue;
		snprintf(check, sizeof(check), "%s on %s", offloads[i].option, device->name);
		snprintf(mend, sizeof(mend), "ethtool -K %s %s off", device->name,
			 offloads[i].option);
		weir_doctor_tell(devices->doctor, check, DOCTOR_WARNING, mend,
				 "the card joins frames before XDP sees them; many drivers refuse "
				 "native XDP then, and TC is used");
	}
}

static void device_check(void *arg, enum weir_device_change change,
			 const struct weir_device *device)
{
	struct devices *devices = arg;

	devices->count++;
	xdp_check(devices, device);
	tc_check(devices, device);
	receive_offload_check(devices, device);
}

static void devices_tell(struct devices *devices)
{
	struct weir_doctor *doctor = devices->doctor;

	if (!devices->foreign)
		weir_doctor_tell(doctor, "foreign xdp", DOCTOR_OK, NULL,
				 "no XDP program of others on %u devices", devices->count);
	if (!doctor->may_net)
		weir_doctor_tell(doctor, "foreign tc", DOCTOR_WARNING, "run weir doctor as root",
				 "not checked: CAP_NET_ADMIN is missing");
	else
		weir_doctor_tell(doctor, "foreign tc", DOCTOR_OK, NULL, "%s%s",
				 devices->foreign_tc ? "programs of others run beside Weir's: " :
						       "none",
				 weir_buf_str(&devices->foreign_tc_text));
}

void weir_doctor_devices(struct weir_doctor *doctor)
{
	struct devices devices = { .doctor = doctor };
	int r = weir_netlink_dump(device_check, &devices);

	if (r)
		weir_doctor_tell(doctor, "devices", DOCTOR_WARNING, "run weir doctor as root",
				 "not checked: the list of devices cannot be read: %s",
				 strerror(-r));
	else
		devices_tell(&devices);
	weir_buf_done(&devices.foreign_tc_text);
}
