/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * A bounded place in a packet: the only way from an offset to bytes. parse.h moves it, rewrite.h
 * and nat.h reuse it; stages never see it. Knows no protocol.
 */
#ifndef WEIR_BPF_CURSOR_H
#define WEIR_BPF_CURSOR_H

#include <stdbool.h>
#include <stddef.h>
#include <linux/types.h>

/* The kernel's own header makes this a plain "inline", with which clang leaves calls in. */
#undef __always_inline
#define __always_inline inline __attribute__((always_inline))

/*
 * Unrolled, a loop of header reads is many times the code, and the verifier walks the same states
 * anyway. Such a loop must end in its condition: kernels up to 6.1 at least refuse one whose last
 * instruction is no jump and falls into the first ("back-edge"), which is how clang lays out a loop
 * that leaves from its middle only.
 */
#ifdef __clang__
#define LOOP_ROLLED _Pragma("clang loop unroll(disable)")
#else
#define LOOP_ROLLED
#endif

/*
 * The verifier follows an offset into a packet only below 0xffff. The deepest header parse.h can
 * reach lies below 17,000 (its static assertion), so the mask changes no offset: it only says so in
 * a way the verifier reads. It is applied at each step, not at each read: the offset then has the
 * same range on every way round a loop, and the verifier sees that it has been there before.
 * (Without: over a million instructions instead of some thousands.)
 */
#define CURSOR_OFFSET_MASK 0x7fff
#define CURSOR_NO_LIMIT 0xffffffffu

/*
 * A hook sets data and data_end from its context and limit to CURSOR_NO_LIMIT (cursor_init does),
 * and nothing else. In BPF data and data_end must be fresh from the context: any helper that may
 * move the packet voids them.
 */
struct cursor {
	void *data; /* first byte of the buffer: Ethernet header, or IP header on devices without
		       one */
	void *data_end; /* one past the last byte that can be read; a packet may go on past it */
	const void *at; /* the header last looked for; to be read only when it was found whole */
	__u32 offset;	/* bytes from data to the header that is read next */
	__u32 limit;	/* offset at which the packet ends by its own length field */
};

enum cursor_reach {
	CURSOR_WHOLE,
	CURSOR_PAST_LIMIT,  /* the packet says of itself that it ends sooner */
	CURSOR_PAST_BUFFER, /* the packet may go on, but not here */
};

static __always_inline struct cursor cursor_init(void *data, void *data_end)
{
	return (struct cursor){ .data = data, .data_end = data_end, .limit = CURSOR_NO_LIMIT };
}

/*
 * Looks for `size` whole bytes at the offset, not moving; CURSOR_WHOLE leaves them in c->at. The
 * result is not a pointer with NULL for "none": the verifier cannot rule that out for a packet
 * pointer and walks it too. The barrier keeps the pointer that is checked and the one that is read
 * in the same register: clang would derive the second anew, and the verifier knows nothing of that
 * one.
 */
static __always_inline enum cursor_reach cursor_peek(struct cursor *c, __u32 size)
{
	__u8 *at = (__u8 *)c->data + c->offset;

	__asm__ volatile("" : "+r"(at));
	c->at = at;
	if (c->offset + size > c->limit)
		return CURSOR_PAST_LIMIT;
	return at + size > (__u8 *)c->data_end ? CURSOR_PAST_BUFFER : CURSOR_WHOLE;
}

static __always_inline void cursor_advance(struct cursor *c, __u32 bytes)
{
	c->offset = (c->offset + bytes) & CURSOR_OFFSET_MASK;
}

#endif
