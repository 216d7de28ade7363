/* SPDX-License-Identifier: Apache-2.0 */
/* From text by key to the structs that the field tables describe, and their end. */
#ifndef WEIR_CORE_CONFIG_FILL_H
#define WEIR_CORE_CONFIG_FILL_H

#include "core/config.h"
#include "core/config_cyaml.h"

/*
 * Fills the zeroed struct `target` by its table: what a slot holds (it is taken out), else the
 * fallback. `slots` NULL: all fallbacks. -ENOMEM or -EINVAL (a value that weir_config_check()
 * would refuse); target can then be given to weir_fields_done() as after success.
 */
int weir_fields_fill(const struct weir_field *fields, struct weir_slot *slots, void *target);
/* Frees what target points to, not target. */
void weir_fields_done(const struct weir_field *fields, void *target);

#endif
