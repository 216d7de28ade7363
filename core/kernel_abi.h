/* SPDX-License-Identifier: Apache-2.0 */
/* Numbers of the kernel's interface that are newer than the headers we build with (Linux 6.6: TCX).
 */
#ifndef WEIR_CORE_KERNEL_ABI_H
#define WEIR_CORE_KERNEL_ABI_H

#define KERNEL_TCX_INGRESS 46
#define KERNEL_TCX_EGRESS 47

/* Generic netlink, family "netdev" (Linux 6.3). */
#define KERNEL_NETDEV_DEV_GET 1
#define KERNEL_NETDEV_IFINDEX 1	     /* u32 */
#define KERNEL_NETDEV_XDP_FEATURES 3 /* u64 */
#define KERNEL_NETDEV_XDP_NDO_XMIT 4

/* Identity of our clsact filters, on kernels without TCX: "weir" as a handle cannot be (it must fit
 * 16 bits in some tools). */
#define CLSACT_HANDLE 0x7765
#define CLSACT_PRIORITY 119
#define CLSACT_MEASURE_PRIORITY 120 /* of what only measures: behind the other */

#endif
