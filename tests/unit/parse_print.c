/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Parses packets natively for the tests written in Python: a line `LINK HEX` in, a line of JSON
 * out. LINK is "eth", or the EtherType of a packet without link header as four hex digits. Wire
 * length is the number of bytes given.
 */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bpf/lib/parse.h"

#define LINE_BYTES (2 * 65536 + 16)

static size_t bytes_from_hex(const char *hex, __u8 *ret_bytes)
{
	size_t n = 0;

	for (; isxdigit(hex[2 * n]) && isxdigit(hex[2 * n + 1]); n++) {
		const char digits[3] = { hex[2 * n], hex[2 * n + 1] };

		ret_bytes[n] = strtoul(digits, NULL, 16);
	}
	return n;
}

/* As 32 hex digits: how an address is written is not this test's subject. */
static void addr_print(const char *name, const struct weir_addr *addr)
{
	printf("\"%s\": \"", name);
	for (int i = 0; i < 16; i++)
		printf("%02x", addr->bytes[i]);
	printf("\", ");
}

static void pkt_print(const struct pkt *p)
{
	printf("{");
	addr_print("src", &p->src);
	addr_print("dst", &p->dst);
	printf("\"seen\": %u, \"ethertype\": %u, \"vlan\": %u, \"inner_vlan\": %u, ", p->seen,
	       be16(p->ethertype), p->vlan, p->inner_vlan);
	printf("\"sport\": %u, \"dport\": %u, \"proto\": %u, ", be16(p->sport), be16(p->dport),
	       p->proto);
	printf("\"tcp_flags\": %u, \"icmp_type\": %u, \"icmp_code\": %u, ", p->tcp_flags,
	       p->icmp_type, p->icmp_code);
	printf("\"ttl\": %u, \"dscp\": %u, ", p->ttl, p->dscp);
	if (p->seen & PKT_FRAGMENT)
		printf("\"fragment\": %u, \"fragment_bytes\": %u, \"fragment_id\": %u, ",
		       p->fragment, p->fragment_bytes, be32(p->fragment_id));
	printf("\"l3_offset\": %u, \"l4_offset\": %u}\n", p->l3_offset, p->l4_offset);
}

/* The bytes go into a block of just their size, so that a sanitizer sees a read past them. */
static void line_parse(const char *link, const __u8 *bytes, size_t length)
{
	__u8 *packet = malloc(length ? length : 1);
	struct cursor c = cursor_init(packet, packet + length);
	struct pkt p = { .len = length };

	if (!packet)
		abort();
	memcpy(packet, bytes, length);
	if (!strcmp(link, "eth"))
		parse_packet(&c, &p);
	else
		parse_ip(&c, &p, be16(strtoul(link, NULL, 16)));
	pkt_print(&p);
	free(packet);
}

int main(void)
{
	static char line[LINE_BYTES];
	static __u8 bytes[LINE_BYTES / 2];

	while (fgets(line, sizeof(line), stdin)) {
		char *space = strchr(line, ' ');

		if (!space)
			return 1;
		*space = 0;
		line_parse(line, bytes, bytes_from_hex(space + 1, bytes));
	}
	return 0;
}
