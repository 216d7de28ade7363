/* SPDX-License-Identifier: Apache-2.0 */
/* Constants of the packet programs, gathered from features before an object is loaded; for
 * object.c. The public half is in map.h. */
#ifndef WEIR_CORE_CONSTANTS_H
#define WEIR_CORE_CONSTANTS_H

#include "object.h"

struct bpf_object;

/* Writes all of them into the opened object's read-only data. */
int weir_constants_write(const struct weir_constants *constants, struct bpf_object *object);
/* One of them, outside of what makes programs equal. */
int weir_constant_write(struct bpf_object *object, const char *name, const void *value,
			size_t size);
/* What a variable is set to; NULL where nobody has set it, or with another size. Borrowed. */
const void *weir_constants_of(const struct weir_constants *constants, const char *variable,
			      size_t size);
/* 0 when nobody asked for a capacity of that map. */
uint32_t weir_constants_capacity_of(const struct weir_constants *constants, const char *map);
/* The probes' secret: its first word is of each load, so it does not count when constants are
 * compared. */
void weir_constants_secret(struct weir_constants *constants, const uint32_t secret[4]);

#endif
