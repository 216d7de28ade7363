/* SPDX-License-Identifier: Apache-2.0 */
/* What a message of ctnetlink says (linux/netfilter/nfnetlink_conntrack.h). */
#include <arpa/inet.h>
#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netfilter/nf_conntrack_sctp.h>
#include <linux/netfilter/nf_conntrack_tcp.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <linux/rtnetlink.h>
#include <netinet/in.h>
#include <string.h>

#include "core/kernel_flows_private.h"

#define SCALE_MAX 14 /* RFC 7323, 2.3 */

enum tuple_seen {
	SEEN_SRC = 1 << 0,
	SEEN_DST = 1 << 1,
	SEEN_PROTO = 1 << 2,
	SEEN_SPORT = 1 << 3,
	SEEN_DPORT = 1 << 4,
	SEEN_ID = 1 << 5,
	SEEN_TYPE = 1 << 6,
};

/* One direction, as its packets say. */
struct tuple {
	struct weir_addr src, dst;
	__be16 sport, dport, id;
	uint8_t proto, type;
	__be16 zone;
	unsigned seen; /* enum tuple_seen */
};

struct entry {
	struct tuple original, reply;
	__be32 status, expires_s, mark; /* expires_s: from now */
	__be16 zone;
	uint8_t stage; /* the kernel's number of a TCP or SCTP state; 0 = not told */
	uint8_t scale[2];
	struct nf_ct_tcp_flags flags[2];
	__be32 tag[2]; /* that packets of each direction bear */
};

typedef void attr_fn(const struct rtattr *attr, unsigned type, void *arg);

/* The attributes of netlink are those of rtnetlink, but for two flags in the type. */
static void attrs_each(const void *first, int left, attr_fn *each, void *arg)
{
	for (const struct rtattr *a = first; RTA_OK(a, left); a = RTA_NEXT(a, left))
		each(a, a->rta_type & NLA_TYPE_MASK, arg);
}

static void nest_each(const struct rtattr *nest, attr_fn *each, void *arg)
{
	attrs_each(RTA_DATA(nest), (int)RTA_PAYLOAD(nest), each, arg);
}

/* False, and nothing is written, when there are fewer bytes. */
static bool value_get(const struct rtattr *attr, void *ret_value, size_t size)
{
	if (RTA_PAYLOAD(attr) < size)
		return false;
	memcpy(ret_value, RTA_DATA(attr), size);
	return true;
}

static bool v4_get(const struct rtattr *attr, struct weir_addr *ret_addr)
{
	*ret_addr = (struct weir_addr){ .bytes = { [10] = 0xff, [11] = 0xff } };
	return value_get(attr, &ret_addr->be32[3], sizeof(ret_addr->be32[3]));
}

static void addr_read(const struct rtattr *attr, unsigned type, void *arg)
{
	struct tuple *tuple = arg;

	if ((type == CTA_IP_V4_SRC && v4_get(attr, &tuple->src)) ||
	    (type == CTA_IP_V6_SRC && value_get(attr, &tuple->src, sizeof(tuple->src))))
		tuple->seen |= SEEN_SRC;
	if ((type == CTA_IP_V4_DST && v4_get(attr, &tuple->dst)) ||
	    (type == CTA_IP_V6_DST && value_get(attr, &tuple->dst, sizeof(tuple->dst))))
		tuple->seen |= SEEN_DST;
}

static void proto_read(const struct rtattr *attr, unsigned type, void *arg)
{
	struct tuple *tuple = arg;

	switch (type) {
	case CTA_PROTO_NUM:
		tuple->seen |= value_get(attr, &tuple->proto, 1) ? SEEN_PROTO : 0;
		break;
	case CTA_PROTO_SRC_PORT:
		tuple->seen |= value_get(attr, &tuple->sport, 2) ? SEEN_SPORT : 0;
		break;
	case CTA_PROTO_DST_PORT:
		tuple->seen |= value_get(attr, &tuple->dport, 2) ? SEEN_DPORT : 0;
		break;
	case CTA_PROTO_ICMP_ID:
	case CTA_PROTO_ICMPV6_ID:
		tuple->seen |= value_get(attr, &tuple->id, 2) ? SEEN_ID : 0;
		break;
	case CTA_PROTO_ICMP_TYPE:
	case CTA_PROTO_ICMPV6_TYPE:
		tuple->seen |= value_get(attr, &tuple->type, 1) ? SEEN_TYPE : 0;
		break;
	default:
		break;
	}
}

static void tuple_read(const struct rtattr *attr, unsigned type, void *arg)
{
	struct tuple *tuple = arg;

	if (type == CTA_TUPLE_IP)
		nest_each(attr, addr_read, tuple);
	if (type == CTA_TUPLE_PROTO)
		nest_each(attr, proto_read, tuple);
	if (type == CTA_TUPLE_ZONE)
		value_get(attr, &tuple->zone, sizeof(tuple->zone));
}

static void tcp_read(const struct rtattr *attr, unsigned type, void *arg)
{
	struct entry *entry = arg;

	if (type == CTA_PROTOINFO_TCP_STATE)
		value_get(attr, &entry->stage, sizeof(entry->stage));
	if (type == CTA_PROTOINFO_TCP_WSCALE_ORIGINAL)
		value_get(attr, &entry->scale[0], sizeof(entry->scale[0]));
	if (type == CTA_PROTOINFO_TCP_WSCALE_REPLY)
		value_get(attr, &entry->scale[1], sizeof(entry->scale[1]));
	if (type == CTA_PROTOINFO_TCP_FLAGS_ORIGINAL)
		value_get(attr, &entry->flags[0], sizeof(entry->flags[0]));
	if (type == CTA_PROTOINFO_TCP_FLAGS_REPLY)
		value_get(attr, &entry->flags[1], sizeof(entry->flags[1]));
}

static void sctp_read(const struct rtattr *attr, unsigned type, void *arg)
{
	struct entry *entry = arg;

	if (type == CTA_PROTOINFO_SCTP_STATE)
		value_get(attr, &entry->stage, sizeof(entry->stage));
	if (type == CTA_PROTOINFO_SCTP_VTAG_ORIGINAL)
		value_get(attr, &entry->tag[0], sizeof(entry->tag[0]));
	if (type == CTA_PROTOINFO_SCTP_VTAG_REPLY)
		value_get(attr, &entry->tag[1], sizeof(entry->tag[1]));
}

static void protoinfo_read(const struct rtattr *attr, unsigned type, void *arg)
{
	if (type == CTA_PROTOINFO_TCP)
		nest_each(attr, tcp_read, arg);
	if (type == CTA_PROTOINFO_SCTP)
		nest_each(attr, sctp_read, arg);
}

static void entry_read(const struct rtattr *attr, unsigned type, void *arg)
{
	struct entry *entry = arg;

	switch (type) {
	case CTA_TUPLE_ORIG:
		nest_each(attr, tuple_read, &entry->original);
		break;
	case CTA_TUPLE_REPLY:
		nest_each(attr, tuple_read, &entry->reply);
		break;
	case CTA_PROTOINFO:
		nest_each(attr, protoinfo_read, entry);
		break;
	case CTA_STATUS:
		value_get(attr, &entry->status, sizeof(entry->status));
		break;
	case CTA_TIMEOUT:
		value_get(attr, &entry->expires_s, sizeof(entry->expires_s));
		break;
	case CTA_MARK:
		value_get(attr, &entry->mark, sizeof(entry->mark));
		break;
	case CTA_ZONE:
		value_get(attr, &entry->zone, sizeof(entry->zone));
		break;
	default:
		break;
	}
}

static bool has_ports(uint8_t proto)
{
	return proto == IPPROTO_TCP || proto == IPPROTO_UDP || proto == IPPROTO_UDPLITE ||
	       proto == IPPROTO_SCTP || proto == IPPROTO_DCCP;
}

static bool is_icmp(uint8_t proto)
{
	return proto == IPPROTO_ICMP || proto == IPPROTO_ICMPV6;
}

static bool is_whole(const struct tuple *tuple)
{
	unsigned wanted = SEEN_SRC | SEEN_DST | SEEN_PROTO;

	if (has_ports(tuple->proto))
		wanted |= SEEN_SPORT | SEEN_DPORT;
	if (is_icmp(tuple->proto))
		wanted |= SEEN_ID | SEEN_TYPE;
	return (tuple->seen & wanted) == wanted;
}

static bool is_wanted(const struct entry *entry)
{
	bool is_dying = ntohl(entry->status) & IPS_DYING;

	return is_whole(&entry->original) && is_whole(&entry->reply) && !is_dying && !entry->zone &&
	       !entry->original.zone && !entry->reply.zone;
}

static enum weir_kernel_flow_stage tcp_stage(const struct entry *entry)
{
	bool reply_closed_first = entry->flags[1].flags & IP_CT_TCP_FLAG_CLOSE_INIT;

	switch (entry->stage) {
	case TCP_CONNTRACK_SYN_SENT:
	case TCP_CONNTRACK_SYN_RECV:
	case TCP_CONNTRACK_SYN_SENT2:
		return WEIR_KERNEL_FLOW_OPENING;
	case TCP_CONNTRACK_FIN_WAIT:
	case TCP_CONNTRACK_CLOSE_WAIT: /* the one FIN was acknowledged */
		return reply_closed_first ? WEIR_KERNEL_FLOW_RESPONDER_CLOSED :
					    WEIR_KERNEL_FLOW_INITIATOR_CLOSED;
	case TCP_CONNTRACK_LAST_ACK:
		return WEIR_KERNEL_FLOW_BOTH_CLOSED;
	case TCP_CONNTRACK_TIME_WAIT:
		return WEIR_KERNEL_FLOW_TIME_WAIT;
	case TCP_CONNTRACK_CLOSE:
		return WEIR_KERNEL_FLOW_RESET;
	default:
		return WEIR_KERNEL_FLOW_ESTABLISHED;
	}
}

static bool is_answered(const struct entry *entry)
{
	return ntohl(entry->status) & IPS_SEEN_REPLY;
}

static enum weir_kernel_flow_stage sctp_stage(const struct entry *entry)
{
	switch (entry->stage) {
	case SCTP_CONNTRACK_CLOSED: /* with which newer kernels begin, too */
		return is_answered(entry) ? WEIR_KERNEL_FLOW_RESET : WEIR_KERNEL_FLOW_OPENING;
	case SCTP_CONNTRACK_COOKIE_WAIT:
	case SCTP_CONNTRACK_COOKIE_ECHOED:
	case SCTP_CONNTRACK_HEARTBEAT_SENT: /* of one it picked up, with no answer yet */
		return WEIR_KERNEL_FLOW_OPENING;
	case SCTP_CONNTRACK_SHUTDOWN_SENT: /* sent by the original side, received from it */
		return WEIR_KERNEL_FLOW_INITIATOR_CLOSED;
	case SCTP_CONNTRACK_SHUTDOWN_RECD:
		return WEIR_KERNEL_FLOW_RESPONDER_CLOSED;
	case SCTP_CONNTRACK_SHUTDOWN_ACK_SENT:
		return WEIR_KERNEL_FLOW_BOTH_CLOSED;
	default:
		return WEIR_KERNEL_FLOW_ESTABLISHED;
	}
}

/* An entry that the kernel handed to a flow table has no state any more, and an open connection. */
static enum weir_kernel_flow_stage entry_stage(const struct entry *entry)
{
	bool is_open = ntohl(entry->status) & (IPS_OFFLOAD | IPS_HW_OFFLOAD | IPS_ASSURED);

	if (entry->original.proto != IPPROTO_TCP && entry->original.proto != IPPROTO_SCTP)
		return WEIR_KERNEL_FLOW_UNSTAGED;
	if (!entry->stage)
		return is_open ? WEIR_KERNEL_FLOW_ESTABLISHED : WEIR_KERNEL_FLOW_OPENING;
	return entry->original.proto == IPPROTO_TCP ? tcp_stage(entry) : sctp_stage(entry);
}

/* Of one that it picked up half-way the kernel knows no scale, and marks both sides as liberal. */
static bool scales_are_known(const struct entry *entry)
{
	uint8_t either = entry->flags[0].flags | entry->flags[1].flags;

	return entry->original.proto == IPPROTO_TCP && entry->stage &&
	       entry->stage != TCP_CONNTRACK_SYN_SENT && !(either & IP_CT_TCP_FLAG_BE_LIBERAL) &&
	       entry->scale[0] <= SCALE_MAX && entry->scale[1] <= SCALE_MAX;
}

static void scales_set(const struct entry *entry, struct weir_kernel_flow *flow)
{
	uint8_t both = entry->flags[0].flags & entry->flags[1].flags;
	bool is_scaled = both & IP_CT_TCP_FLAG_WINDOW_SCALE;

	flow->initiator_scale = flow->responder_scale = WEIR_KERNEL_FLOW_SCALE_UNKNOWN;
	if (!scales_are_known(entry))
		return;
	flow->initiator_scale = (int8_t)(is_scaled ? entry->scale[0] : 0);
	flow->responder_scale = (int8_t)(is_scaled ? entry->scale[1] : 0);
}

/*
 * Of an entry that was answered both, else that of its INIT: one that began by another chunk has
 * what that bore, and not always as that of the side it is of.
 */
static bool tags_are_known(const struct entry *entry)
{
	if (is_answered(entry))
		return entry->tag[0] && entry->tag[1];
	return !entry->tag[0] && (entry->stage == SCTP_CONNTRACK_COOKIE_WAIT ||
				  entry->stage == SCTP_CONNTRACK_CLOSED);
}

static void tags_set(const struct entry *entry, struct weir_kernel_flow *flow)
{
	if (entry->original.proto != IPPROTO_SCTP || !tags_are_known(entry))
		return;
	flow->initiator_tag = ntohl(entry->tag[1]);
	flow->responder_tag = ntohl(entry->tag[0]);
}

static void ends_original(const struct entry *entry, struct weir_kernel_flow *flow)
{
	const struct tuple *original = &entry->original;

	flow->initiator = original->src;
	flow->responder = original->dst;
	if (has_ports(original->proto)) {
		flow->initiator_port = original->sport;
		flow->responder_port = original->dport;
	}
	if (is_icmp(original->proto)) {
		flow->initiator_port = original->id;
		flow->responder_port = htons(original->type);
	}
}

/* What the answers show: the same ends, as they are behind the translation. */
static void ends_mirrored(const struct entry *entry, struct weir_kernel_flow *flow)
{
	const struct tuple *reply = &entry->reply;

	flow->initiator = reply->dst;
	flow->responder = reply->src;
	if (has_ports(reply->proto)) {
		flow->initiator_port = reply->dport;
		flow->responder_port = reply->sport;
	}
	if (is_icmp(reply->proto)) /* its type is that of an answer */
		flow->initiator_port = reply->id;
}

static bool ends_are_equal(const struct weir_kernel_flow *a, const struct weir_kernel_flow *b)
{
	return memcmp(&a->initiator, &b->initiator, sizeof(a->initiator)) == 0 &&
	       memcmp(&a->responder, &b->responder, sizeof(a->responder)) == 0 &&
	       a->initiator_port == b->initiator_port && a->responder_port == b->responder_port;
}

int weir_kernel_flows_read(const struct nlmsghdr *message,
			   struct weir_kernel_flow ret_flows[KERNEL_FLOW_VIEWS])
{
	int left = (int)message->nlmsg_len - (int)NLMSG_LENGTH(sizeof(struct nfgenmsg));
	struct entry entry = { 0 };

	if (message->nlmsg_type != (NFNL_SUBSYS_CTNETLINK << 8 | IPCTNL_MSG_CT_NEW) || left < 0)
		return 0;
	attrs_each((const char *)NLMSG_DATA(message) + NLMSG_ALIGN(sizeof(struct nfgenmsg)), left,
		   entry_read, &entry);
	if (!is_wanted(&entry))
		return 0;
	struct weir_kernel_flow flow = {
		.proto = entry.original.proto,
		.source = WEIR_KERNEL_FLOW_CONNTRACK,
		.stage = entry_stage(&entry),
		.answered = is_answered(&entry),
		.assured = ntohl(entry.status) & IPS_ASSURED,
		.timeout_s = ntohl(entry.expires_s),
		.mark = ntohl(entry.mark),
	};

	scales_set(&entry, &flow);
	tags_set(&entry, &flow);
	ends_original(&entry, &flow);
	ret_flows[0] = ret_flows[1] = flow;
	ends_mirrored(&entry, &ret_flows[1]);
	return ends_are_equal(&ret_flows[0], &ret_flows[1]) ? 1 : 2;
}
