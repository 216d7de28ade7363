/* SPDX-License-Identifier: Apache-2.0 */
/* clsact through libbpf where it can, and rtnetlink for what libbpf does not list. */
#include "core/tc_filters.h"

#include <errno.h>
#include <linux/pkt_sched.h>
#include <linux/rtnetlink.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <bpf/libbpf.h>

#include "base/cleanup.h"
#include "core/kernel_abi.h"
#include "core/quiet.h"

#define ANSWER_BYTES 32768

static enum bpf_tc_attach_point attach_point(enum weir_direction direction)
{
	return direction == WEIR_INGRESS ? BPF_TC_INGRESS : BPF_TC_EGRESS;
}

uint32_t weir_tc_program_id(uint32_t ifindex, enum weir_direction direction)
{
	LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = (int)ifindex,
		    .attach_point = attach_point(direction));
	LIBBPF_OPTS(bpf_tc_opts, opts, .handle = CLSACT_HANDLE, .priority = CLSACT_PRIORITY);
	_cleanup_quiet_ libbpf_print_fn_t print = weir_quiet();

	return bpf_tc_query(&hook, &opts) ? 0 : opts.prog_id;
}

int weir_tc_filter_remove(uint32_t ifindex, enum weir_direction direction)
{
	LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = (int)ifindex,
		    .attach_point = attach_point(direction));
	LIBBPF_OPTS(bpf_tc_opts, opts, .handle = CLSACT_HANDLE, .priority = CLSACT_PRIORITY);
	_cleanup_quiet_ libbpf_print_fn_t print = weir_quiet();

	return bpf_tc_detach(&hook, &opts);
}

int weir_tc_qdisc_remove(uint32_t ifindex)
{
	LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = (int)ifindex,
		    .attach_point = BPF_TC_INGRESS | BPF_TC_EGRESS);
	_cleanup_quiet_ libbpf_print_fn_t print = weir_quiet();

	return bpf_tc_hook_destroy(&hook);
}

static bool filter_is_foreign(const struct nlmsghdr *message)
{
	const struct tcmsg *filter = NLMSG_DATA(message);

	/* Handle 0 announces a priority; its filters follow. */
	if (message->nlmsg_type != RTM_NEWTFILTER || !filter->tcm_handle)
		return false;
	return filter->tcm_handle != CLSACT_HANDLE ||
	       (filter->tcm_info >> 16 != CLSACT_PRIORITY &&
		filter->tcm_info >> 16 != CLSACT_MEASURE_PRIORITY);
}

/* 1 at the end of the dump, 0 to go on, or the kernel's -errno. */
static int answer_read(const char *bytes, ssize_t len, int *count)
{
	int left = (int)len;

	for (const struct nlmsghdr *m = (const void *)bytes; NLMSG_OK(m, (unsigned)left);
	     m = NLMSG_NEXT(m, left)) {
		if (m->nlmsg_type == NLMSG_DONE)
			return 1;
		if (m->nlmsg_type == NLMSG_ERROR)
			return ((const struct nlmsgerr *)NLMSG_DATA(m))->error ?: 1;
		*count += filter_is_foreign(m);
	}
	return 0;
}

static int filters_ask(int fd, uint32_t ifindex, enum weir_direction direction)
{
	struct {
		struct nlmsghdr header;
		struct tcmsg filter;
	} request = {
		.header = { .nlmsg_len = sizeof(request),
			    .nlmsg_type = RTM_GETTFILTER,
			    .nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP },
		.filter = { .tcm_ifindex = (int)ifindex,
			    .tcm_parent = TC_H_MAKE(TC_H_CLSACT, direction == WEIR_INGRESS ?
									 TC_H_MIN_INGRESS :
									 TC_H_MIN_EGRESS) },
	};

	return send(fd, &request, sizeof(request), 0) < 0 ? -errno : 0;
}

int weir_tc_foreign_count(uint32_t ifindex, enum weir_direction direction)
{
	_cleanup_close_ int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
	_cleanup_free_ char *bytes = malloc(ANSWER_BYTES);
	int count = 0;

	if (fd < 0 || !bytes)
		return fd < 0 ? -errno : -ENOMEM;
	int r = filters_ask(fd, ifindex, direction);

	while (!r) {
		ssize_t n = recv(fd, bytes, ANSWER_BYTES, 0);

		if (n < 0 && errno != EINTR)
			return -errno;
		r = n < 0 ? 0 : answer_read(bytes, n, &count);
	}
	/* No clsact, so no filters. */
	if (r == -ENOENT || r == -EINVAL)
		return 0;
	return r < 0 ? r : count;
}
