/* SPDX-License-Identifier: Apache-2.0 */
/* Bytes as they are written in a configuration: text as it is, or hexadecimal behind "hex:". */
#ifndef WEIR_HEALTH_BYTES_H
#define WEIR_HEALTH_BYTES_H

#include "base/buf.h"

/* Adds them; NULL is none. -EINVAL: they are not written rightly; -ENOMEM. */
int health_bytes_add(const char *text, struct weir_buf *bytes);

#endif
