/* SPDX-License-Identifier: Apache-2.0 */
/* What must hold between core's own keys, and of strings whose form the field tables cannot say. */
#ifndef WEIR_CORE_CONFIG_CROSS_H
#define WEIR_CORE_CONFIG_CROSS_H

#include "core/config.h"

/* -EINVAL when something does not hold; every problem is in diag with its key, without line. */
int weir_config_cross_check(const struct weir_config *config, struct weir_diag *diag);

#endif
