/* SPDX-License-Identifier: Apache-2.0 */
/* The fields of a synthetic packet as people write them: arguments of explain, words of an
 * expectation. */
#ifndef WEIR_CORE_FRAME_FIELDS_H
#define WEIR_CORE_FRAME_FIELDS_H

#include <stdbool.h>

#include "frame.h"

/* The values of "fragment", by enum weir_frame_fragment; NULL ends them. */
extern const char *const weir_fragment_names[];

/* Whether `key` ("src", "proto", "tcp-flags" …) is a field of a packet. */
bool weir_frame_has_field(const char *key);
/*
 * Sets one; -EINVAL with the key in diag. "src" must be set before "proto" and "icmp-type": what
 * their names stand for depends on its family.
 */
int weir_frame_set(struct weir_frame_spec *spec, const char *key, const char *text,
		   struct weir_diag *diag);

#endif
