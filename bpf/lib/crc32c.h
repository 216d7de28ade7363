/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * What becomes of a CRC32c (RFC 9260, appendix A) when a few bytes change, without the rest of what
 * it covers. It is linear: that of the changed bytes differs by that of what they differ by, with
 * zeros behind to the end; and so many zeros are a product modulo the polynomial.
 */
#ifndef WEIR_BPF_CRC32C_H
#define WEIR_BPF_CRC32C_H

#include "cursor.h"
#include "endian.h"

#define CRC32C_POLYNOMIAL 0x82f63b78u /* the lowest power in the highest bit, as all here */

/* As they stand in a packet: the other way round than all else. */
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
#define crc32c_le16(x) ((__u16)(x))
#define crc32c_le32(x) ((__u32)(x))
#else
#define crc32c_le16(x) ((__u16)__builtin_bswap16(x))
#define crc32c_le32(x) ((__u32)__builtin_bswap32(x))
#endif

static __always_inline __u32 crc32c_times(__u32 a, __u32 b)
{
	__u32 product = 0;

	LOOP_ROLLED
	for (int i = 0; i < 32; i++) {
		product ^= b & -(a >> 31);
		a <<= 1;
		b = (b >> 1) ^ (CRC32C_POLYNOMIAL & -(b & 1));
	}
	return product;
}

/* What so many bytes of zeros multiply by: row n has 0 to 15 times 16^n. */
static const __u32 crc32c_zeros[4][16] = {
	{ 0x80000000, 0x00800000, 0x00008000, 0x00000080, 0x82f63b78, 0xfbc3faf9, 0x8b277743,
	  0x52a0c93f, 0x6ea2d55c, 0x1c08b7d6, 0xf56e0ef4, 0x34019664, 0xa66805eb, 0x7a1f6b24,
	  0xe75d06aa, 0xc94ec098 },
	{ 0x80000000, 0x18b8ea18, 0x510ac59a, 0xb2dea967, 0xb82be955, 0x36c41f1c, 0x19b29a35,
	  0xc9e90b9e, 0xb8fdb1e7, 0xe55ef1f3, 0x1fe0b5c3, 0xe0553f1e, 0x18e4a304, 0x2b830011,
	  0x56993a31, 0x0246e2e6 },
	{ 0x80000000, 0x88e56f72, 0x74c360a4, 0x631bb273, 0xe4172b16, 0x71892b1b, 0x835305c9,
	  0x196b1eae, 0x0d65762a, 0xafc81338, 0xb5a50ab7, 0xf373c3ac, 0x5f60970f, 0xd46d3063,
	  0x3a5275ea, 0x02331c01 },
	{ 0x80000000, 0x35d73a62, 0x28461564, 0x43eefc9f, 0xbf455269, 0x5edcdeb9, 0x65059450,
	  0x4e6f41a4, 0xe2ea32dc, 0xf5b95b32, 0x695a4c87, 0xf204502c, 0x9a4f01b6, 0x941a0916,
	  0x4303cb97, 0x4c3d3d65 },
};

/* By what the sum changes, of at most 65,535 bytes: `bytes` of them, the last ones, begin with 16
 * bits that differ by `difference`, both as they stand in the packet. */
static __always_inline __u32 crc32c_change(__u32 difference, __u32 bytes)
{
	__u32 crc = crc32c_le16(difference);

	LOOP_ROLLED
	for (int i = 0; i < 4; i++)
		crc = crc32c_times(crc, crc32c_zeros[i][bytes >> 4 * i & 15]);
	return crc32c_le32(crc);
}

#endif
