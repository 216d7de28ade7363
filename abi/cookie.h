/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* What the two sides of the kernel boundary agree on about SYNs that Weir answers itself. */
#ifndef WEIR_ABI_COOKIE_H
#define WEIR_ABI_COOKIE_H

#include <linux/types.h>

#define WEIR_COOKIE_NO_SCALE 15 /* of a window: the option is not there */

/*
 * Rodata `cookie_constants`: what an answer offers, which is what the kernel would. No SACK or
 * scale without time stamps, in which they come back.
 */
struct weir_cookie_constants {
	__u8 enabled; /* 0: no SYN is answered, and the code for it is not even looked at */
	__u8 scale;   /* of the window, or WEIR_COOKIE_NO_SCALE */
	__u8 sack;
	__u8 time;
	__u16 mss4, mss6;
	__u8 relays;	 /* connections to servers, translated (relay.h) */
	__u8 hands;	 /* connections to listeners of this host, by the kernel's means */
	__u8 behind_xdp; /* a program stands behind XDP, which relays */
	__u8 spare[5];
};

_Static_assert(sizeof(struct weir_cookie_constants) == 16, "as user space sets it");

#endif
