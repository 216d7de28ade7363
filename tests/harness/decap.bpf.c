/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * What a backend behind a tunnel has of the kernel's tunl0, ip6tnl0, sit0 and of `ip fou`, where a
 * kernel lacks them: outer headers are taken away, and counted. For tests alone.
 */
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/udp.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#define GUE_PORT 6080
#define ROOM_MAC 1 /* BPF_ADJ_ROOM_MAC */
#define LONGER 20  /* bytes that a header of IPv6 has more than one of IPv4 */

static long outer_v4(struct __sk_buff *skb, __u8 *ret_proto)
{
	struct iphdr ip;

	if (bpf_skb_load_bytes(skb, ETH_HLEN, &ip, sizeof(ip)) || ip.ihl != 5)
		return 0;
	*ret_proto = ip.protocol;
	return sizeof(ip);
}

static long outer_v6(struct __sk_buff *skb, __u8 *ret_proto)
{
	struct ipv6hdr ip;

	if (bpf_skb_load_bytes(skb, ETH_HLEN, &ip, sizeof(ip)))
		return 0;
	*ret_proto = ip.nexthdr;
	return sizeof(ip);
}

/* How many bytes are not the packet's own. */
static long outer_bytes(struct __sk_buff *skb)
{
	__u8 proto = 0;
	long bytes = skb->protocol == bpf_htons(ETH_P_IP)   ? outer_v4(skb, &proto) :
		     skb->protocol == bpf_htons(ETH_P_IPV6) ? outer_v6(skb, &proto) :
							      0;
	struct udphdr udp;

	if (!bytes || proto == IPPROTO_IPIP || proto == IPPROTO_IPV6)
		return bytes;
	if (proto != IPPROTO_UDP || bpf_skb_load_bytes(skb, ETH_HLEN + bytes, &udp, sizeof(udp)) ||
	    udp.dest != bpf_htons(GUE_PORT))
		return 0;
	return bytes + sizeof(udp);
}

/* The packet is of the other family from here on; bpf_skb_adjust_room() says so from Linux 6.3
 * only. That makes room for a header translated, or takes it away. */
static long family_change(struct __sk_buff *skb, __be16 ethertype, long *bytes)
{
	if (ethertype == skb->protocol)
		return 0;
	*bytes += ethertype == bpf_htons(ETH_P_IPV6) ? LONGER : -LONGER;
	return bpf_skb_change_proto(skb, ethertype, 0);
}

SEC("tc")
int decap(struct __sk_buff *skb)
{
	long bytes = outer_bytes(skb);
	__u8 version = 0;

	if (!bytes || bpf_skb_load_bytes(skb, ETH_HLEN + bytes, &version, 1))
		return 0;
	__be16 ethertype = version >> 4 == 4 ? bpf_htons(ETH_P_IP) : bpf_htons(ETH_P_IPV6);

	if (family_change(skb, ethertype, &bytes) ||
	    bpf_skb_adjust_room(skb, -bytes, ROOM_MAC, BPF_F_ADJ_ROOM_FIXED_GSO) ||
	    bpf_skb_store_bytes(skb, ETH_HLEN - 2, &ethertype, 2, 0))
		return 2; /* TC_ACT_SHOT */
	return 0;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
