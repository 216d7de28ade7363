/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Builds packets for the test written in Python: a line "SRC DST PROTO SPORT DPORT FLAGS TYPE CODE
 * VLAN LATER" in (numbers in decimal, PROTO as a person writes it), a line of hex out.
 */
#include <stdio.h>
#include <string.h>

#include "core/frame.h"

static int addr_read(const char *text, struct weir_addr *ret_addr)
{
	return weir_addr_from_string(text, strlen(text), ret_addr);
}

int main(void)
{
	char src[64], dst[64], proto[16];
	unsigned n[7];

	while (scanf("%63s %63s %15s %u %u %u %u %u %u %u", src, dst, proto, &n[0], &n[1], &n[2],
		     &n[3], &n[4], &n[5], &n[6]) == 10) {
		struct weir_frame_spec spec = { .sport = n[0],
						.dport = n[1],
						.tcp_flags = n[2],
						.icmp_type = n[3],
						.icmp_code = n[4],
						.vlan = n[5],
						.later_fragment = n[6] };
		unsigned char frame[WEIR_FRAME_BYTES];

		if (addr_read(src, &spec.src) || addr_read(dst, &spec.dst) ||
		    weir_proto_from_string(proto, weir_addr_is_v4(&spec.src), &spec.proto))
			return 1;
		size_t len = weir_frame_build(&spec, frame);

		for (size_t i = 0; i < len; i++)
			printf("%02x", frame[i]);
		printf("\n");
	}
	return 0;
}
