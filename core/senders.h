/* SPDX-License-Identifier: Apache-2.0 */
/* Which interfaces send what an XDP program of another hands them. */
#ifndef WEIR_CORE_SENDERS_H
#define WEIR_CORE_SENDERS_H

#include <stdint.h>

/*
 * Calls each for every one in this network namespace: by what drivers say of themselves (generic
 * netlink, family "netdev", Linux 6.3), which may change as programs come and go. Blocks for the
 * kernel's answer only. -ENOENT: the kernel does not say; else as weir_netlink_ask().
 */
int weir_senders_each(void (*each)(void *arg, uint32_t ifindex), void *arg);

#endif
