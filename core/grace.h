/* SPDX-License-Identifier: Apache-2.0 */
/* Waiting for BPF programs that are under way. */
#ifndef WEIR_CORE_GRACE_H
#define WEIR_CORE_GRACE_H

#include <errno.h>
#include <linux/membarrier.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Until every program that was under way is done: membarrier waits for every CPU to leave the RCU
 * section that they run in. Milliseconds. -errno: refused here (nohz_full), some may go on. */
static inline int weir_grace_wait(void)
{
	return syscall(SYS_membarrier, MEMBARRIER_CMD_GLOBAL, 0, 0) ? -errno : 0;
}

#endif
