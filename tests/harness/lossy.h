/* SPDX-License-Identifier: Apache-2.0 */
/* What lossy.c and lossy.bpf.c share. */
#ifndef WEIR_TESTS_LOSSY_H
#define WEIR_TESTS_LOSSY_H

#include <linux/types.h>

#define LOSSY_WAYS 2
#define LOSSY_FRAME_MAX 1600 /* longer ones are never held */

/* One of so many frames; 0: none. */
struct lossy_does {
	__u32 lost_each, held_each;
	__u32 devices[LOSSY_WAYS];
};

/* What leaves by a device. */
struct lossy_way {
	__u64 drawn, seed;
	__u64 lost, held; /* so far */
	__u64 since_ns; /* of the one that is held: the bytes of its frame, and who may overtake */
	__u32 state, bytes;
	__s32 overtakers;
	__u32 pad;
	__u8 frame[LOSSY_FRAME_MAX];
};

#endif
