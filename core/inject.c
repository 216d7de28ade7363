/* SPDX-License-Identifier: Apache-2.0 */
/* Frames that go in once more by their interface: by the XDP program itself where the driver calls
 * it, else by what the kernel does with any frame that comes from a driver. */
#include <errno.h>
#include <stddef.h>

#include <bpf/bpf.h>

#include "base/cleanup.h"
#include "ethtool.h"
#include "interfaces_private.h"
#include "netlink.h"
#include "object_private.h"

/*
 * A frame that is tried with this program goes in by the interface that cb[0] names: past generic
 * XDP and TC, as it would from a driver.
 */
static int redirect_load(void)
{
	const int cb = offsetof(struct __sk_buff, cb);
	const struct bpf_insn redirect[] = {
		{ .code = BPF_LDX | BPF_MEM | BPF_W,
		  .dst_reg = BPF_REG_2,
		  .src_reg = BPF_REG_1,
		  .off = cb },
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_3, .imm = 0 },
		{ .code = BPF_STX | BPF_MEM | BPF_W,
		  .dst_reg = BPF_REG_1,
		  .src_reg = BPF_REG_3,
		  .off = cb },
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_3, .imm = BPF_F_INGRESS },
		{ .code = BPF_JMP | BPF_CALL, .imm = BPF_FUNC_clone_redirect },
		{ .code = BPF_JMP | BPF_EXIT },
	};
	int fd = bpf_prog_load(BPF_PROG_TYPE_SCHED_CLS, "weir_inject", "Dual BSD/GPL", redirect,
			       WEIR_ARRAY_SIZE(redirect), NULL);

	return fd < 0 ? -errno : fd;
}

static int inject_skb(struct weir_interfaces *interfaces, uint32_t ifindex, const void *frame,
		      size_t len)
{
	struct __sk_buff ctx = { .cb = { ifindex } };
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = frame, .data_size_in = (__u32)len,
		    .ctx_in = &ctx, .ctx_size_in = sizeof(ctx), .repeat = 1);

	if (interfaces->redirect_fd < 0)
		interfaces->redirect_fd = redirect_load();
	if (interfaces->redirect_fd < 0)
		return interfaces->redirect_fd;
	if (bpf_prog_test_run_opts(interfaces->redirect_fd, &opts))
		return -errno;
	return opts.retval ? -EIO : 0; /* it is gone, or down, or the queue is full */
}

static int inject_xdp(int fd, uint32_t ifindex, const void *frame, size_t len)
{
	struct xdp_md ctx = { .data_end = (__u32)len, .ingress_ifindex = ifindex };
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = frame, .data_size_in = (__u32)len,
		    .ctx_in = &ctx, .ctx_size_in = sizeof(ctx), .repeat = 1,
		    .flags = BPF_F_TEST_XDP_LIVE_FRAMES, .batch_size = 1);

	return bpf_prog_test_run_opts(fd, &opts) ? -errno : 0;
}

int weir_interfaces_inject(struct weir_interfaces *interfaces, uint32_t ifindex, const void *frame,
			   size_t len)
{
	for (size_t i = 0; i < interfaces->watched_count; i++) {
		const struct weir_watched *watched = &interfaces->watched[i];

		if (watched->present && watched->device.ifindex == ifindex &&
		    watched->ingress.mode == WEIR_MODE_XDP_NATIVE)
			return inject_xdp(weir_object_program_fd(interfaces->object,
								 WEIR_PROGRAM_XDP),
					  ifindex, frame, len);
	}
	return inject_skb(interfaces, ifindex, frame, len);
}

static void vlan_look(void *arg, enum weir_device_change change, const struct weir_device *device)
{
	bool *has = arg;

	(void)change;
	*has = *has || strcmp(device->kind, "vlan") == 0;
}

static bool is_by_xdp(const struct weir_watched *watched)
{
	return watched->present && (watched->ingress.mode == WEIR_MODE_XDP_NATIVE ||
				    watched->ingress.mode == WEIR_MODE_XDP_GENERIC);
}

/* Whether a tag may be lost on which something depends: the device takes it off, no XDP program is
 * told, and there is a VLAN. */
static bool hides_tags(const struct weir_interfaces *interfaces)
{
	bool hides = false, bridged = false, has_vlans = false;

	for (size_t i = 0; i < interfaces->watched_count; i++) {
		const struct weir_watched *watched = &interfaces->watched[i];

		if (!is_by_xdp(watched) ||
		    weir_ethtool_feature(watched->device.name, "rx-vlan-hw-parse") == 0)
			continue;
		hides = true;
		bridged = bridged || watched->device.in_bridge;
	}
	return hides && (bridged || weir_netlink_dump(vlan_look, &has_vlans) || has_vlans);
}

bool weir_interfaces_inject_by_xdp(const struct weir_interfaces *interfaces)
{
	return interfaces->object->takes_frags && !hides_tags(interfaces);
}
