/* SPDX-License-Identifier: Apache-2.0 */
/* What the running kernel has that a feature needs, and what it has since when. */
#ifndef WEIR_CORE_KERNEL_MEANS_H
#define WEIR_CORE_KERNEL_MEANS_H

#include <stdbool.h>

/* Each is asked of the kernel once: what was found holds for this run. */

/* SYN cookies of the kernel's own secret, sent and checked by programs: Linux 6.0. */
bool weir_kernel_has_raw_cookies(void);
/* More than one program at TC, and so one behind XDP: TCX, Linux 6.6. */
bool weir_kernel_has_tcx(void);

#endif
