/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Headers as they lie on the wire, and the numbers that name them. Shapes only: parse.h reads them,
 * rewrite.h and rewrite_nat.h write them, nothing else includes this. Multi-byte fields are in
 * network byte order, as their types say.
 */
#ifndef WEIR_BPF_WIRE_H
#define WEIR_BPF_WIRE_H

#include "../../abi/packet.h"

/*
 * A header starts at any byte. Natively that must be told to the compiler; in BPF it must not be,
 * or each field is read byte by byte, and the kernel allows unaligned packet loads where the
 * machine does.
 */
#ifdef __bpf__
#define WIRE_HEADER
#else
#define WIRE_HEADER __attribute__((packed))
#endif

/* EtherTypes (IEEE 802 numbers), host byte order: use with be16(). */
enum wire_ethertype {
	WIRE_IPV4 = 0x0800,
	WIRE_ARP = 0x0806,
	WIRE_TAG = 0x8100, /* 802.1Q */
	WIRE_IPV6 = 0x86dd,
	WIRE_MPLS = 0x8847,
	WIRE_MPLS_UPSTREAM = 0x8848,   /* RFC 5332: upstream-assigned labels, once "multicast" */
	WIRE_PPPOE = 0x8864,	       /* session stage; discovery carries no IP */
	WIRE_SERVICE_TAG = 0x88a8,     /* 802.1ad */
	WIRE_OLD_SERVICE_TAG = 0x9100, /* QinQ before 802.1ad, still sent */
};

/* PPP protocol numbers, host byte order. */
enum wire_ppp {
	PPP_IPV4 = 0x0021,
	PPP_IPV6 = 0x0057,
	PPP_MPLS = 0x0281,
};

struct eth_header {
	__u8 dst[6];
	__u8 src[6];
	__be16 ethertype;
} WIRE_HEADER;

/* What follows 0x8100: priority (3 bits), drop eligible (1), id (12); then the next EtherType. */
struct tag_header {
	__be16 tci;
	__be16 ethertype;
} WIRE_HEADER;

#define TAG_ID_MASK 0x0fff

/* label (20 bits), traffic class (3), bottom of stack (1), ttl (8) */
struct label_header {
	__u8 label[2];
	__u8 bottom; /* low bit */
	__u8 ttl;
} WIRE_HEADER;

#define LABEL_BOTTOM 0x01

/* RFC 2516. ppp[1] is already payload when ppp[0] is odd: a compressed protocol number (RFC
 * 1661, 6.5). */
struct pppoe_header {
	__u8 version_type; /* 0x11 */
	__u8 code;	   /* 0 in a session */
	__be16 session;
	__be16 length; /* of what follows, the PPP protocol number included */
	__u8 ppp[2];
} WIRE_HEADER;

struct ipv4_header {
	__u8 version_ihl;
	__u8 tos;
	__be16 total_length;
	__be16 id;
	__be16 fragment;
	__u8 ttl;
	__u8 proto;
	__be16 checksum;
	__be32 src;
	__be32 dst;
} WIRE_HEADER;

#define IPV4_MORE 0x2000
#define IPV4_OFFSET_MASK 0x1fff
#define IPV4_IHL_MIN 5 /* 32-bit words */

struct ipv6_header {
	__be32 version_class_flow;
	__be16 payload_length;
	__u8 next;
	__u8 hop_limit;
	struct weir_addr src;
	struct weir_addr dst;
} WIRE_HEADER;

/* The first 8 bytes of every extension header; the fragment header is exactly this. */
struct extension_header {
	__u8 next;
	__u8 length;
	__be16 fragment; /* offset (13 bits), reserved (2), more (1); in other headers their own
			    data */
	__be32 id;
} WIRE_HEADER;

#define IPV6_MORE 0x0001
#define IPV6_OFFSET_MASK 0xfff8

/* The first 8 bytes of TCP, UDP, UDP-Lite, SCTP and DCCP; what follows the ports differs. */
struct ports_header {
	__be16 sport;
	__be16 dport;
	__be32 rest;
} WIRE_HEADER;

struct tcp_header {
	__be16 sport;
	__be16 dport;
	__be32 seq;
	__be32 ack;
	__u8 offset; /* header length in 32-bit words, in the high 4 bits */
	__u8 flags;
	__be16 window;
	__be16 checksum;
	__be16 urgent;
} WIRE_HEADER;

#define TCP_WORDS_MIN 5

/* An option of a SYN and the first byte of its value; the last may be what follows the option. */
struct tcp_option {
	__u8 kind;
	__u8 length; /* of all of it; not there in those of one byte */
	__u8 value;
} WIRE_HEADER;

#define TCP_OPTION_END 0
#define TCP_OPTION_NONE 1 /* one byte, to fill up */
#define TCP_OPTION_SCALE 3
#define TCP_OPTIONS_MAX 40 /* bytes, and so options */
#define TCP_SCALE_MAX 14
#define SCTP_NO_CHUNK 255

enum sctp_chunk {
	SCTP_INIT = 1,
	SCTP_INIT_ACK = 2,
	SCTP_ABORT = 6,
	SCTP_SHUTDOWN = 7,
	SCTP_SHUTDOWN_ACK = 8,
	SCTP_COOKIE_ECHO = 10,
	SCTP_SHUTDOWN_COMPLETE = 14,
};

#define SCTP_HEADER_BYTES 12 /* the common header */

/* The common header, and what an INIT or INIT ACK begins with behind it. */
struct sctp_header {
	__be16 sport;
	__be16 dport;
	__be32 tag;
	__be32 checksum;
	__u8 chunk;
	__u8 flags;
	__be16 length;
	__be32 initiate; /* in other chunks their own */
} WIRE_HEADER;

#define SCTP_CHUNK_BYTES 4   /* of any chunk, before what is its own */
#define DCCP_HEADER_BYTES 12 /* the generic header with short sequence numbers */

struct icmp_header {
	__u8 type;
	__u8 code;
	__be16 checksum;
	union {
		__be32 rest;
		struct {
			__be16 id; /* of requests and answers */
			__be16 sequence;
		};
	};
} WIRE_HEADER;

/* RFC 4861: router solicitation to redirect. A receiver refuses any with a hop limit below 255 or a
 * code. */
#define NEIGHBOUR_TYPE_FIRST 133
#define NEIGHBOUR_TYPE_LAST 137
#define NEIGHBOUR_HOP_LIMIT 255

_Static_assert(sizeof(struct eth_header) == 14, "as on the wire");
_Static_assert(sizeof(struct tag_header) == 4, "as on the wire");
_Static_assert(sizeof(struct label_header) == 4, "as on the wire");
_Static_assert(sizeof(struct pppoe_header) == 8, "as on the wire");
_Static_assert(sizeof(struct ipv4_header) == 20, "as on the wire");
_Static_assert(sizeof(struct ipv6_header) == 40, "as on the wire");
_Static_assert(sizeof(struct extension_header) == 8, "as on the wire");
_Static_assert(sizeof(struct ports_header) == 8, "as on the wire");
_Static_assert(sizeof(struct tcp_header) == 20, "as on the wire");
_Static_assert(sizeof(struct sctp_header) == 20, "as on the wire");
_Static_assert(sizeof(struct icmp_header) == 8, "as on the wire");

#endif
