/* SPDX-License-Identifier: Apache-2.0 */
/* What people call the numbers in packet headers. Each reads a whole text, a name in lower case or
 * a number in decimal, and returns -EINVAL for what is neither. */
#ifndef WEIR_CORE_PACKET_NAMES_H
#define WEIR_CORE_PACKET_NAMES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define WEIR_PROTO_WORDS                                                                           \
	"tcp, udp, icmp, icmpv6, sctp, gre, esp, ah, udplite, dccp, igmp, ospf, vrrp or a number " \
	"to 255"
#define WEIR_DSCP_WORDS "ef, va, be, le, cs0 to cs7, af11 to af43 or a number to 63"
#define WEIR_TCP_FLAG_WORDS "some of fin, syn, rst, psh, ack, urg, ece, cwr with commas, or none"
#define WEIR_ICMP_TYPE_WORDS "a number to 255 or a name such as echo-request"

/* "icmp" is that of the family. */
int weir_proto_from_string(const char *text, bool v4, uint8_t *ret_proto);
/* Names as nft has them; those of ICMP for v4, else those of ICMPv6. */
int weir_icmp_type_from_string(const char *text, bool v4, uint8_t *ret_type);
/* The six bits of RFC 2474, without ECN. */
int weir_dscp_from_string(const char *text, uint8_t *ret_dscp);
/* "syn,ack"; "none" is no flag at all. Bits as in byte 13 of the header. No numbers. */
int weir_tcp_flags_from_string(const char *text, uint8_t *ret_flags);

/* The tables alone, for languages that have numbers, ranges and lists of their own. "icmp" is 1. */
enum weir_packet_names {
	WEIR_NAMES_PROTO,
	WEIR_NAMES_ICMP_TYPE,
	WEIR_NAMES_ICMPV6_TYPE,
	WEIR_NAMES_DSCP,
	WEIR_NAMES_TCP_FLAG, /* each a bit of byte 13 */
};

/* `len` bytes, in any case of letters. */
bool weir_packet_name_find(enum weir_packet_names names, const char *text, size_t len,
			   uint8_t *ret_number);

#endif
