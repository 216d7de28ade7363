/* SPDX-License-Identifier: Apache-2.0 */
/* Asking the kernel for its connections, and what a person is told where it cannot say. */
#include "core/kernel_flows.h"

#include <errno.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/kernel_flows_private.h"

#define REPEATS_MAX 3

int weir_kernel_flow_tell(struct kernel_flow_telling *telling, const struct weir_kernel_flow *flow)
{
	telling->ended = telling->each(flow, telling->arg);
	return telling->ended;
}

static bool has_gaps(const struct kernel_flow_telling *telling, int r)
{
	return !telling->ended && (r == -EAGAIN || r == -ENOBUFS);
}

int weir_kernel_flows_ask(struct kernel_flow_telling *telling, int protocol,
			  const struct nlmsghdr *request, weir_netlink_fn *each, void *arg)
{
	int r = weir_netlink_ask(protocol, request, each, arg);

	for (int i = 0; i < REPEATS_MAX && has_gaps(telling, r); i++)
		r = weir_netlink_ask(protocol, request, each, arg);
	if (!has_gaps(telling, r))
		return r;
	telling->has_gaps = true;
	return 0;
}

static int entry_tell(const struct nlmsghdr *message, void *arg)
{
	struct weir_kernel_flow flows[KERNEL_FLOW_VIEWS];
	int count = weir_kernel_flows_read(message, flows), r = 0;

	for (int i = 0; i < count && !r; i++)
		r = weir_kernel_flow_tell(arg, &flows[i]);
	return r;
}

/* Asking ctnetlink would load it, and nf_conntrack with it. */
static bool conntrack_is_absent(void)
{
	return access("/sys/module", F_OK) == 0 && access("/sys/module/nf_conntrack", F_OK) != 0;
}

static int flows_of_conntrack(struct kernel_flow_telling *telling)
{
	struct {
		struct nlmsghdr header;
		struct nfgenmsg family; /* AF_UNSPEC: one walk for both */
	} request = {
		.header = { .nlmsg_len = sizeof(request),
			    .nlmsg_type = NFNL_SUBSYS_CTNETLINK << 8 | IPCTNL_MSG_CT_GET,
			    .nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP },
		.family = { .nfgen_family = AF_UNSPEC, .version = NFNETLINK_V0 },
	};

	if (conntrack_is_absent())
		return 0;
	int r = weir_kernel_flows_ask(telling, NETLINK_NETFILTER, &request.header, entry_tell,
				      telling);

	/* nfnetlink says EINVAL for a part that it does not have. */
	telling->has_no_conntrack = !telling->ended && (r == -EPROTONOSUPPORT || r == -EINVAL);
	return telling->has_no_conntrack ? 0 : r;
}

static void warn(const struct kernel_flow_telling *telling, struct weir_diag *diag)
{
	if (telling->has_no_conntrack)
		weir_diag_warning(diag, "load the kernel module nf_conntrack_netlink",
				  "the kernel does not tell what nf_conntrack knows: connections "
				  "that this host forwards are not taken over");
	if (telling->has_no_tcp || telling->has_no_udp)
		weir_diag_warning(diag, "load the kernel modules tcp_diag and udp_diag",
				  "the kernel does not list its %s sockets: their connections are "
				  "not taken over",
				  !telling->has_no_tcp ? "UDP" :
				  telling->has_no_udp  ? "TCP and UDP" :
							 "TCP");
	if (telling->has_gaps)
		weir_diag_warning(diag, NULL,
				  "the kernel's connections changed while they were read, %d times "
				  "over: some may not be taken over",
				  1 + REPEATS_MAX);
}

int weir_kernel_flows_each(struct weir_diag *diag, weir_kernel_flow_fn *each, void *arg)
{
	struct kernel_flow_telling telling = { .each = each, .arg = arg };
	int r = flows_of_conntrack(&telling);

	if (!r)
		r = weir_kernel_flows_of_sockets(&telling);
	if (!r)
		warn(&telling, diag);
	if (r && !telling.ended)
		weir_diag_error(diag, NULL, "the kernel's connections cannot be read: %s",
				strerror(-r));
	return r;
}
