/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Network byte order for both compilers. Macros, so that constants fold and may stand in case
 * labels. Not libbpf's bpf_endian.h: that one does not compile natively.
 */
#ifndef WEIR_BPF_ENDIAN_H
#define WEIR_BPF_ENDIAN_H

#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
#define be16(x) ((__u16)__builtin_bswap16(x))
#define be32(x) ((__u32)__builtin_bswap32(x))
#define be64(x) ((__u64)__builtin_bswap64(x))
#elif __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
#define be16(x) ((__u16)(x))
#define be32(x) ((__u32)(x))
#define be64(x) ((__u64)(x))
#else
#error "unknown byte order"
#endif

#endif
