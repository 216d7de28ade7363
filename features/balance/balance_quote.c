/* SPDX-License-Identifier: Apache-2.0 */
/* ICMP errors (RFC 792, 1191; RFC 4443, 3.2) about packets that tunnels of ours sent. */
#include <netinet/icmp6.h>
#include <netinet/ip.h>
#include <netinet/ip6.h>
#include <netinet/ip_icmp.h>
#include <netinet/udp.h>
#include <string.h>

#include "abi/served.h"
#include "features/balance/balance_paths.h"

#define ICMP_HEADER_BYTES 8

/* `len` bytes behind the outer IP header. */
static bool is_tunnel(uint8_t proto, const uint8_t *bytes, size_t len)
{
	struct udphdr udp;

	if (proto == IPPROTO_IPIP || proto == IPPROTO_IPV6)
		return true;
	if (proto != IPPROTO_UDP || len < sizeof(udp))
		return false;
	memcpy(&udp, bytes, sizeof(udp));
	return ntohs(udp.dest) == WEIR_GUE_PORT;
}

static struct weir_addr addr_v4(uint32_t be32)
{
	return (struct weir_addr){ .be32 = { [2] = htonl(0xffff), [3] = be32 } };
}

static bool quote_v4(const uint8_t *packet, size_t len, struct balance_quote *ret_quote)
{
	struct iphdr ip;

	if (len < sizeof(ip))
		return false;
	memcpy(&ip, packet, sizeof(ip));
	size_t header = ip.ihl * 4u;

	if (ip.version != 4 || header < sizeof(ip) || header > len ||
	    ntohs(ip.frag_off) & IP_OFFMASK)
		return false;
	*ret_quote = (struct balance_quote){ .from = addr_v4(ip.saddr),
					     .to = addr_v4(ip.daddr),
					     .proto = ip.protocol };
	return is_tunnel(ip.protocol, packet + header, len - header);
}

static bool quote_v6(const uint8_t *packet, size_t len, struct balance_quote *ret_quote)
{
	struct ip6_hdr ip;

	if (len < sizeof(ip))
		return false;
	memcpy(&ip, packet, sizeof(ip));
	if (ip.ip6_vfc >> 4 != 6)
		return false;
	memcpy(&ret_quote->from, &ip.ip6_src, sizeof(ret_quote->from));
	memcpy(&ret_quote->to, &ip.ip6_dst, sizeof(ret_quote->to));
	ret_quote->proto = ip.ip6_nxt; /* our tunnels have no extension headers */
	return is_tunnel(ip.ip6_nxt, packet + sizeof(ip), len - sizeof(ip));
}

bool balance_quote_read(const uint8_t *message, size_t len, bool is_v4,
			struct balance_quote *ret_quote)
{
	bool is_wanted =
		len >= ICMP_HEADER_BYTES &&
		(is_v4 ? message[0] == ICMP_DEST_UNREACH && message[1] == ICMP_FRAG_NEEDED :
			 message[0] == ICMP6_PACKET_TOO_BIG);

	*ret_quote = (struct balance_quote){ .proto = 0 };
	return is_wanted && (is_v4 ? quote_v4 : quote_v6)(message + ICMP_HEADER_BYTES,
							  len - ICMP_HEADER_BYTES, ret_quote);
}
