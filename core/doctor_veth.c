/* SPDX-License-Identifier: Apache-2.0 */
/* One rtnetlink message (RTM_NEWLINK of kind veth), built by hand. */
#include "core/doctor_veth.h"

#include <errno.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <linux/veth.h>
#include <net/if.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/cleanup.h"

#define REQUEST_BYTES 512

static const char *const ends[] = { "weir-doctor0", "weir-doctor1" };

struct request {
	union {
		struct nlmsghdr header;
		unsigned char bytes[REQUEST_BYTES];
	};
};

static void *request_grow(struct request *request, size_t len)
{
	void *at = request->bytes + request->header.nlmsg_len;

	request->header.nlmsg_len += (uint32_t)NLMSG_ALIGN(len);
	return at;
}

static struct rtattr *attr_open(struct request *request, unsigned short type)
{
	struct rtattr *attr = request_grow(request, sizeof(*attr));

	attr->rta_type = type;
	return attr;
}

static void attr_close(struct request *request, struct rtattr *attr)
{
	unsigned char *end = request->bytes + request->header.nlmsg_len;

	attr->rta_len = (unsigned short)(end - (unsigned char *)attr);
}

static void attr_text(struct request *request, unsigned short type, const char *text)
{
	struct rtattr *attr = attr_open(request, type);
	size_t size = strlen(text) + 1;

	memcpy(request_grow(request, size), text, size);
	attr->rta_len = (unsigned short)(RTA_LENGTH(0) + size);
}

static void request_build(struct request *request)
{
	memset(request, 0, sizeof(*request));
	request->header.nlmsg_len = NLMSG_LENGTH(0);
	request->header.nlmsg_type = RTM_NEWLINK;
	request->header.nlmsg_flags = NLM_F_REQUEST | NLM_F_CREATE | NLM_F_EXCL | NLM_F_ACK;
	request_grow(request, sizeof(struct ifinfomsg));
	attr_text(request, IFLA_IFNAME, ends[0]);
	struct rtattr *info = attr_open(request, IFLA_LINKINFO);

	attr_text(request, IFLA_INFO_KIND, "veth");
	struct rtattr *of_kind = attr_open(request, IFLA_INFO_DATA);
	struct rtattr *peer = attr_open(request, VETH_INFO_PEER);

	request_grow(request, sizeof(struct ifinfomsg));
	attr_text(request, IFLA_IFNAME, ends[1]);
	attr_close(request, peer);
	attr_close(request, of_kind);
	attr_close(request, info);
}

static int pair_make(void)
{
	_cleanup_close_ int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
	struct request request;
	struct {
		struct nlmsghdr header;
		struct nlmsgerr error;
		unsigned char rest[REQUEST_BYTES];
	} answer;

	request_build(&request);
	if (fd < 0 || send(fd, &request, request.header.nlmsg_len, 0) < 0)
		return -errno;
	ssize_t len = recv(fd, &answer, sizeof(answer), 0);

	if (len < (ssize_t)NLMSG_LENGTH(sizeof(answer.error)))
		return len < 0 ? -errno : -EIO;
	return answer.header.nlmsg_type == NLMSG_ERROR ? answer.error.error : -EIO;
}

static int end_up(const char *name)
{
	_cleanup_close_ int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct ifreq request = { .ifr_flags = IFF_UP };

	snprintf(request.ifr_name, sizeof(request.ifr_name), "%s", name);
	return fd < 0 || ioctl(fd, SIOCSIFFLAGS, &request) ? -errno : 0;
}

int weir_doctor_veth(void)
{
	int r = pair_make();

	for (size_t i = 0; i < WEIR_ARRAY_SIZE(ends) && !r; i++)
		r = end_up(ends[i]);
	return r ? r : (int)if_nametoindex(ends[0]);
}
