/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * The sanity stage: what no honest packet looks like ends before any list or rule is asked. Its
 * first part looks at headers alone; the second, at the source, comes when the address has been
 * looked up.
 */
#ifndef WEIR_SANITY_BPF_H
#define WEIR_SANITY_BPF_H

#include "../../abi/reason.h"
#include "../../bpf/lib/generation.h"
#include "../../bpf/lib/route.h"
#include "sanity.h"
#include "sanity_fragment.bpf.h"

const volatile struct sanity_constants sanity_constants = { .checks = 0 };

#define SANITY_UDP 17
#define SANITY_IGMP 2
#define SANITY_TCP 6
#define SANITY_ICMPV6 58
#define SANITY_BOOTP_SERVER 67

/* What is checked here; NULL when the policy has nothing of it. */
static __always_inline const struct sanity_row *sanity_row(const struct pkt *p)
{
	const struct weir_policy_head *head = policy_head(p);
	__u32 first = head ? head->header.first_line[WEIR_SECTION_SANITY_IFACES] : 0;

	return first ? near_line(p, first + SANITY_ROW(p->iface_slot, p->direction)) : NULL;
}

/* Four at a time, without a branch: a lane that is equal becomes zero, and shows its top bit. */
static __always_inline bool ethertype_is_listed(const struct sanity_row *row, const struct pkt *p)
{
	const __u64 ones = 0x0001000100010001ULL, low15 = 0x7fff7fff7fff7fffULL;
	__u64 type = be16(p->ethertype) < SANITY_ETHERTYPE_LEAST ? SANITY_LLC : p->ethertype;
	__u64 found = 0;

	for (int i = 0; i < SANITY_ETHERTYPES / 4; i++) {
		__u64 lanes = row->ethertypes[i] ^ type * ones;

		found |= ~(((lanes & low15) + low15) | lanes | low15);
	}
	return found;
}

static __always_inline enum weir_reason judge_not_ip(const struct pkt *p,
						     const struct sanity_row *row, __u32 checks)
{
	if (p->seen & PKT_ARP)
		return checks & SANITY_ARP ? WEIR_DROP_ARP : WEIR_PASS;
	if (checks & SANITY_MALFORMED && p->seen & PKT_MALFORMED)
		return WEIR_DROP_MALFORMED;
	if (checks & SANITY_ETHERTYPE && !ethertype_is_listed(row, p))
		return WEIR_DROP_ETHERTYPE;
	return WEIR_PASS;
}

static __always_inline bool flags_are_impossible(const struct pkt *p)
{
	return p->seen & PKT_TCP && !(TCP_FLAGS_VALID >> (p->tcp_flags & 0x3f) & 1);
}

static __always_inline bool is_land(const struct pkt *p)
{
	__u64 differs = (p->src.be64[0] ^ p->dst.be64[0]) | (p->src.be64[1] ^ p->dst.be64[1]) |
			(p->sport ^ p->dport);

	return !differs;
}

/* A part that ends, or begins, inside a transport header hides it from whoever looks at one part
 * only (RFC 1858, 3128 and 7112). */
static __always_inline bool is_tiny(const struct pkt *p)
{
	if (!(p->seen & PKT_LATER_FRAGMENT))
		return p->seen & PKT_MALFORMED && !(p->seen & PKT_UNREADABLE);
	return p->proto == SANITY_TCP && (p->fragment & FRAGMENT_OFFSET_MASK) == FRAGMENT_BLOCK;
}

/* Only the last part may end within a block, none is empty, and no datagram is longer than IP can
 * say ("ping of death"). */
static __always_inline bool fragment_is_malformed(const struct pkt *p)
{
	__u32 end = (p->fragment & FRAGMENT_OFFSET_MASK) + p->fragment_bytes;

	return !p->fragment_bytes || end > 0xffff ||
	       (p->fragment & FRAGMENT_MORE && p->fragment_bytes % FRAGMENT_BLOCK);
}

/* A probe has less on the wire than it says. */
static __always_inline bool is_malformed(const struct pkt *p)
{
	if (p->seen & PKT_MALFORMED && !(p->seen & PKT_UNREADABLE))
		return true;
	if (!p->probe && (__u32)p->l3_offset + p->ip_len > p->len)
		return true;
	return p->seen & PKT_FRAGMENT && fragment_is_malformed(p);
}

static __always_inline enum weir_reason judge_fragment(struct pkt *p, __u32 checks)
{
	if (checks & SANITY_TINY && is_tiny(p))
		return WEIR_DROP_TINY_FRAGMENT;
	if (checks & SANITY_MALFORMED && is_malformed(p))
		return WEIR_DROP_MALFORMED;
	/* A probe is part of no datagram. */
	if (checks & SANITY_OVERLAP && !p->probe && fragment_note(p) != FRAGMENT_FITS)
		return WEIR_DROP_FRAGMENT_OVERLAP;
	return WEIR_PASS;
}

/* 0.0.0.0 is a source only for who asks for an address (RFC 1122, 3.2.1.3), and for IGMP (RFC 3376,
 * 4.2.13). */
static __always_inline bool martian_v4(const struct pkt *p)
{
	__u32 src = be32(p->src.be32[3]), dst = be32(p->dst.be32[3]);

	if (src >> 24 == 127 || dst >> 24 == 127 || dst >> 24 == 0)
		return true;
	if (!src)
		return p->proto != SANITY_IGMP &&
		       (p->proto != SANITY_UDP || be16(p->dport) != SANITY_BOOTP_SERVER);
	return src >> 24 == 0 || src >> 28 == 14 || src == 0xffffffff;
}

/* ::, ::1, IPv4-compatible and IPv4-mapped addresses. */
static __always_inline bool is_unsent_v6(const struct weir_addr *addr)
{
	return !addr->be64[0] && (!addr->be32[2] || addr->be32[2] == be32(0xffff));
}

/* :: is a source only before a host has an address: in ICMPv6 (RFC 4861, 3590). */
static __always_inline bool martian_v6(const struct pkt *p)
{
	if (is_unsent_v6(&p->dst) || p->src.bytes[0] == 0xff)
		return true;
	if (!is_unsent_v6(&p->src))
		return false;
	return p->src.be64[1] || p->proto != SANITY_ICMPV6;
}

static __always_inline bool is_martian(const struct pkt *p)
{
	return p->seen & PKT_IPV4 ? martian_v4(p) : martian_v6(p);
}

static __always_inline enum weir_reason judge_ip(const struct pkt *p, __u32 checks)
{
	if (checks & SANITY_TCP_FLAGS && flags_are_impossible(p))
		return WEIR_DROP_TCP_FLAGS;
	if (checks & SANITY_LAND && is_land(p))
		return WEIR_DROP_LAND;
	if (checks & SANITY_MARTIAN && is_martian(p))
		return WEIR_DROP_MARTIAN;
	return WEIR_PASS;
}

__noinline int sanity_judge(struct pkt *p)
{
	const struct sanity_row *row = p ? sanity_row(p) : NULL;

	if (!row)
		return WEIR_PASS;
	__u32 checks = row->checks & sanity_constants.checks;

	if (!(p->seen & PKT_IP))
		return judge_not_ip(p, row, checks);
	if (p->seen & PKT_NEIGHBOUR)
		return checks & SANITY_NEIGHBOUR ? WEIR_DROP_NEIGHBOUR : WEIR_PASS;
	enum weir_reason reason = judge_ip(p, checks);

	if (reason)
		return reason;
	if (p->seen & PKT_FRAGMENT)
		return judge_fragment(p, checks);
	return checks & SANITY_MALFORMED && is_malformed(p) ? WEIR_DROP_MALFORMED : WEIR_PASS;
}

/* Headers alone; before an address is looked up. */
static __always_inline enum weir_reason sanity_stage(struct pkt *p)
{
	return sanity_constants.checks ? sanity_judge(p) : WEIR_PASS;
}

static __always_inline bool class_is_bogon(const struct pkt *p)
{
	const struct weir_policy_head *head = policy_head(p);
	__u32 first = head ? head->header.first_line[WEIR_SECTION_SANITY] : 0;
	const struct weir_line *line =
		first ? near_line(p,
				  first + SANITY_LINE_CLASSES + p->class / SANITY_CLASSES_A_LINE) :
			NULL;

	return line && line->u8[p->class % SANITY_CLASSES_A_LINE / 8] >> (p->class % 8) & 1;
}

/*
 * Addresses without a route of their own, that are good on every link: before a host has one, and
 * IPv6 link-local.
 */
static __always_inline bool source_has_no_route(const struct pkt *p)
{
	if (p->seen & PKT_IPV4)
		return !p->src.be32[3];
	return (p->src.be16[0] & be16(0xffc0)) == be16(0xfe80) || is_unsent_v6(&p->src);
}

static __always_inline enum weir_reason path_judge(const struct pkt *p, int route, __u32 checks)
{
	if (route < 0) {
		if (!p->probe)
			sanity_count(route == ROUTE_NO_FORWARDING ? SANITY_PATH_NO_FORWARDING :
								    SANITY_PATH_UNKNOWN);
		return WEIR_PASS;
	}
	if (!route || (checks & SANITY_PATH_STRICT && (__u32)route != p->ifindex))
		return WEIR_DROP_SPOOFED;
	return WEIR_PASS;
}

/* An allow list may let in what is only set apart, but not what cannot have come this way. */
static __always_inline int source_judge(void *ctx, const struct pkt *p)
{
	const struct sanity_row *row = p ? sanity_row(p) : NULL;

	if (!row)
		return WEIR_PASS;
	__u32 checks = row->checks & sanity_constants.checks;

	if (checks & SANITY_BOGON && !p->allowed && class_is_bogon(p))
		return WEIR_DROP_BOGON;
	if (!(checks & SANITY_PATH) || source_has_no_route(p))
		return WEIR_PASS;
	return path_judge(p, route_back(ctx, p), checks);
}

/* One a kind of context: the verifier wants to see which it is. */
__noinline int source_judge_xdp(struct xdp_md *ctx, struct pkt *p)
{
	return source_judge(ctx, p);
}

__noinline int source_judge_tc(struct __sk_buff *ctx, struct pkt *p)
{
	return source_judge(ctx, p);
}

/* The source, where packets arrive; after its address was looked up. */
static __always_inline enum weir_reason source_stage(struct pkt *p, void *ctx, enum hook hook)
{
	if (!(sanity_constants.checks & (SANITY_BOGON | SANITY_PATH)) || hook == HOOK_TC_OUT)
		return WEIR_PASS;
	return hook == HOOK_XDP ? source_judge_xdp(ctx, p) : source_judge_tc(ctx, p);
}

#endif
