/* SPDX-License-Identifier: Apache-2.0 */
/* Matches as the strings of a rule in weir.yaml. */
#ifndef WEIR_CLI_IMPORT_FIELDS_H
#define WEIR_CLI_IMPORT_FIELDS_H

#include "cli/import_flat.h"

/* Calls `put` for each field that the match has, in the order in which a rule is written. */
void import_fields_each(struct import *import, const struct import_flat *flat,
			void (*put)(const char *key, const char *value, void *arg), void *arg);

#endif
