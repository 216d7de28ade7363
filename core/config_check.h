/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Compares a YAML document with field tables and tells all that is wrong with it, each thing at
 * its place.
 */
#ifndef WEIR_CORE_CONFIG_CHECK_H
#define WEIR_CORE_CONFIG_CHECK_H

#include "core/config.h"
#include "core/yaml_mark.h"

/*
 * Unknown, doubled and missing keys, wrong shapes and types, values out of bounds. -EINVAL when
 * there is any, all of them in diag with line, column and key; what concerns several keys at once
 * is not looked at.
 */
int weir_config_check(const struct weir_yaml *yaml, const struct weir_field *fields,
		      struct weir_diag *diag);

#endif
