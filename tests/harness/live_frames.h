/* SPDX-License-Identifier: Apache-2.0 */
/* What live_frames.c and its program agree on. */
#ifndef WEIR_TESTS_LIVE_FRAMES_H
#define WEIR_TESTS_LIVE_FRAMES_H

#include <linux/types.h>

#define SOURCES_MAX 4096
#define FRAME_MAX 128 /* and a multiple of 8 */

/* IPv4 stands in the first word; the rest is zero. */
struct source {
	__be32 addr[4];
	__u32 any_of; /* so many addresses, or IPv6 networks /64, from it on; 0: itself */
	__u64 sent;
};

/* Constants of the program. */
struct shape {
	__u32 count; /* rows of sources */
	__u32 is_v6;
	__u64 frame[FRAME_MAX / 8];
};

#endif
