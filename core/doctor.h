/* SPDX-License-Identifier: Apache-2.0 */
/* Whether this machine can run Weir, and what mends it where it cannot. */
#ifndef WEIR_CORE_DOCTOR_H
#define WEIR_CORE_DOCTOR_H

#include "../base/buf.h"

/*
 * Appends {"checks":[{"check":name,"ok":bool,"level":"ok|warning|error","found":sentence,
 * "mend":command or null}]}. Each hook is really tried, on devices of a network namespace made for
 * it; devices of the caller are only looked at. Mounts bpffs when it is missing and may be mounted,
 * and says so. Without capabilities it runs too: what could not be checked is said. Takes less than
 * three seconds; blocks, and starts a thread for the hooks. -ENOMEM.
 */
int weir_doctor(const char *pin_dir, struct weir_buf *reply);

#endif
