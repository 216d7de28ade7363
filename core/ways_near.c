/* SPDX-License-Identifier: Apache-2.0 */
#include "ways_near.h"

#include <errno.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <search.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "netlink.h"

#define FORGOTTEN_MOST 16384
#define LINK_ADDRESS_MOST 32 /* MAX_ADDR_LEN of the kernel */
/* NUD_VALID, which it keeps to itself: the link address is good to send to. */
#define STATES_VALID (NUD_PERMANENT | NUD_NOARP | NUD_REACHABLE | NUD_PROBE | NUD_STALE | NUD_DELAY)

struct neighbour {
	struct neighbour_key {
		int ifindex;
		unsigned char family, zero[3], address[16];
	} key;
	unsigned char link[LINK_ADDRESS_MOST]; /* behind its end zeros */
	bool is_forgotten; /* by the kernel, unused; ways may still lead there */
};

static int neighbour_compare(const void *a, const void *b)
{
	return memcmp(a, b, sizeof(struct neighbour_key));
}

static void payload_copy(void *to, size_t size, const struct rtattr *attribute)
{
	size_t len = RTA_PAYLOAD(attribute);

	memcpy(to, RTA_DATA(attribute), len < size ? len : size);
}

/* False: nothing that packets of IP are sent by, such as what a bridge has learned. */
static bool neighbour_read(const struct nlmsghdr *message, struct neighbour *ret_neighbour)
{
	const struct ndmsg *told = NLMSG_DATA(message);
	int left = (int)message->nlmsg_len - (int)NLMSG_LENGTH(sizeof(*told));
	struct rtattr *a = (void *)((char *)NLMSG_DATA(message) + NLMSG_ALIGN(sizeof(*told)));

	if (left < 0 || (told->ndm_family != AF_INET && told->ndm_family != AF_INET6) ||
	    told->ndm_flags & NTF_PROXY)
		return false;
	*ret_neighbour = (struct neighbour){
		.key = { .ifindex = told->ndm_ifindex, .family = told->ndm_family },
	};
	for (; RTA_OK(a, left); a = RTA_NEXT(a, left)) {
		if (a->rta_type == NDA_DST)
			payload_copy(ret_neighbour->key.address, sizeof(ret_neighbour->key.address),
				     a);
		else if (a->rta_type == NDA_LLADDR)
			payload_copy(ret_neighbour->link, sizeof(ret_neighbour->link), a);
	}
	return true;
}

static struct neighbour *own_of(struct weir_ways_near *near, const struct neighbour *told)
{
	struct neighbour **found = tfind(told, &near->tree, neighbour_compare);

	return found ? *found : NULL;
}

static void forgotten_set(struct weir_ways_near *near, struct neighbour *own, bool is_forgotten)
{
	near->forgotten += is_forgotten;
	near->forgotten -= own->is_forgotten;
	own->is_forgotten = is_forgotten;
}

/* Who was unknown had no link address, so no way has led there: that alone changes none. */
static bool new_note(struct weir_ways_near *near, const struct neighbour *told)
{
	struct neighbour *own = malloc(sizeof(*own));

	if (own)
		*own = *told;
	if (own && tsearch(own, &near->tree, neighbour_compare))
		return false;
	free(own);
	near->is_whole = false;
	return true;
}

static bool valid_note(struct weir_ways_near *near, const struct neighbour *told)
{
	struct neighbour *own = own_of(near, told);

	if (!own)
		return new_note(near, told);
	bool has_moved = memcmp(own->link, told->link, sizeof(told->link)) != 0;

	memcpy(own->link, told->link, sizeof(told->link));
	forgotten_set(near, own, false);
	return has_moved;
}

static bool failed_note(struct weir_ways_near *near, const struct neighbour *told)
{
	struct neighbour *own = own_of(near, told);

	if (!own)
		return false;
	forgotten_set(near, own, false);
	tdelete(told, &near->tree, neighbour_compare);
	free(own);
	return true;
}

/* Nobody has looked whether its address is still good: the kernel sent nothing there for long. It
 * learns that anew with the next packet that it sends, and tells. */
static bool unused_note(struct weir_ways_near *near, const struct neighbour *told)
{
	struct neighbour *own = own_of(near, told);

	if (own)
		forgotten_set(near, own, true);
	if (near->forgotten <= FORGOTTEN_MOST)
		return false;
	near->is_whole = false; /* asks for those that are left */
	return true;
}

bool weir_ways_near_note(struct weir_ways_near *near, const struct nlmsghdr *message)
{
	const struct ndmsg *head = NLMSG_DATA(message);
	struct neighbour told;
	bool changes;

	if (!neighbour_read(message, &told))
		return false;
	if (!(head->ndm_state & STATES_VALID))
		changes = failed_note(near, &told);
	else if (message->nlmsg_type == RTM_DELNEIGH)
		changes = unused_note(near, &told);
	else
		changes = valid_note(near, &told);
	return changes || !near->is_whole;
}

static int each_note(const struct nlmsghdr *message, void *arg)
{
	weir_ways_near_note(arg, message);
	return 0;
}

void weir_ways_near_ask(struct weir_ways_near *near)
{
	struct {
		struct nlmsghdr header;
		struct ndmsg of; /* of either family */
	} request = {
		.header = { .nlmsg_len = sizeof(request),
			    .nlmsg_type = RTM_GETNEIGH,
			    .nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP },
	};

	weir_ways_near_clear(near);
	near->is_whole = true; /* until memory is short */
	if (weir_netlink_ask(NETLINK_ROUTE, &request.header, each_note, near))
		near->is_whole = false;
}

void weir_ways_near_clear(struct weir_ways_near *near)
{
	while (near->tree) {
		struct neighbour *own = *(struct neighbour **)near->tree;

		tdelete(own, &near->tree, neighbour_compare);
		free(own);
	}
	near->forgotten = 0;
	near->is_whole = false;
}
