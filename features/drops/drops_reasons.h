/* SPDX-License-Identifier: Apache-2.0 */
/* What the running kernel calls its reasons for giving up a packet: numbers differ from kernel to
 * kernel, names hardly. */
#ifndef WEIR_DROPS_REASONS_H
#define WEIR_DROPS_REASONS_H

#include <stddef.h>
#include <stdint.h>

#include "core/kernel_types.h"

#define DROPS_REASON_BYTES 64

struct drops_reason {
	uint32_t number;
	char name[DROPS_REASON_BYTES];
};

struct drops_reasons {
	struct drops_reason *at;
	size_t count, room;
};

int drops_reasons_read(const struct weir_kernel_types *types, struct drops_reasons *ret_reasons);
/* In the order in which they come; the first name of a number stays. -ENOMEM. */
int drops_reasons_add(struct drops_reasons *reasons, const char *name, uint32_t number);
void drops_reasons_done(struct drops_reasons *reasons);
/* Without what all of them begin with: "NO_SOCKET". "subsystem 3, reason 7" where no name is known;
 * `text` is for that. */
const char *drops_reason_name(const struct drops_reasons *reasons, uint32_t number,
			      char text[DROPS_REASON_BYTES]);
/* ~0 where this kernel has no reason of that name. */
uint32_t drops_reason_number(const struct drops_reasons *reasons, const char *name);

#endif
