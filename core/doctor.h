/* SPDX-License-Identifier: Apache-2.0 */
/* Whether this machine can run Weir, and what mends it where it cannot. */
#ifndef WEIR_CORE_DOCTOR_H
#define WEIR_CORE_DOCTOR_H

#include "../base/json.h"

/*
 * Appends {"checks":[{"check":name,"ok":bool,"level":"ok|warning|error","found":sentence,
 * "mend":command or null}]}. Each hook is really tried, on devices of a network namespace made for
 * it; devices of the caller are only looked at. Mounts bpffs when it is missing and may be mounted,
 * and says so. Without capabilities it runs too: what could not be checked is said. Takes less than
 * three seconds; blocks, and starts a thread for the hooks. `more` (NULL: none) are checks of the
 * same form that somebody else made; they come last, and never stand in the way. -ENOMEM.
 */
int weir_doctor(const char *pin_dir, const struct weir_json *more, struct weir_buf *reply);

#endif
