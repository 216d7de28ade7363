/* SPDX-License-Identifier: Apache-2.0 */
/* Ports as people write them: "80, 443, 8000-8100". */
#ifndef WEIR_BASE_SPANS_H
#define WEIR_BASE_SPANS_H

#include "../abi/packet.h"

/* Fills all `count` spans, those that are not written with none. NULL is no ports at all. -EINVAL,
 * or -E2BIG: more than `count`; spans are changed then, too. */
int weir_spans_read(const char *text, struct weir_span *spans, unsigned count);

#endif
