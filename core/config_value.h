/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One value of the configuration: from its text to its type and bounds, with words for what is
 * wrong.
 */
#ifndef WEIR_CORE_CONFIG_VALUE_H
#define WEIR_CORE_CONFIG_VALUE_H

#include "core/config.h"

/* Whether the field holds a single value, not a list or a mapping. */
bool weir_field_is_scalar(const struct weir_field *field);
/*
 * Reads `text` as the field's type into ret_value (bool, uint32_t, int or the value of struct
 * weir_quantity, as enum weir_field_type says; any text is right for a string, and nothing is
 * written). ret_value may be NULL. -EINVAL: diag (may be NULL) says under `key` what is wrong.
 */
int weir_value_read(const struct weir_field *field, const char *text, const char *key,
		    struct weir_diag *diag, void *ret_value);
/* Writes a number as it would be written for this field (a quantity or a whole number). */
void weir_value_format(const struct weir_field *field, uint64_t value, struct weir_buf *text);

#endif
