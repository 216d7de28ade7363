/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Room for what the kernel makes of a program. */
#ifndef WEIR_BPF_ROOM_H
#define WEIR_BPF_ROOM_H

/* Zero, as the kernel knows and core/fold.h does not, which puts numbers of up to 32 bits in. */
const volatile __u64 room_wanted = 0;

/*
 * A look-up in an array becomes seven instructions while the kernel loads a program. It keeps more
 * than a hundred bytes for each, in one piece, and whenever that has grown by a page it copies all
 * of it: for 20,000 instructions some hundred megabytes, a tenth of the time that loading takes.
 * These here are taken out before that, as nothing leads to them, and leave their room.
 */
static __always_inline void room_leave(void)
{
	if (room_wanted)
		__asm__ volatile(".rept 3000\n"
				 "r0 = 0\n"
				 ".endr" ::
					 : "r0");
}

#endif
