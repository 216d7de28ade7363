/* SPDX-License-Identifier: Apache-2.0 */
/* rules.json in the state directory: rules of run time, and which counter is whose. */
#ifndef WEIR_RULES_STORE_H
#define WEIR_RULES_STORE_H

#include "base/diag.h"
#include "features/rules/rules_index.h"
#include "features/rules/rules_list.h"

/* `dir` NULL, here and in load: nothing is kept (a configuration is only tried out). */
int rules_store_save(const char *dir, const struct rules_list *list,
		     const struct rules_index *rows);
/*
 * What is damaged is kept aside and told of as a warning; rules that are good are read even so,
 * and then *ret_is_damaged says that the file is to be written again. -ENOMEM.
 */
int rules_store_load(const char *dir, struct weir_diag *diag, struct rules_list *ret_list,
		     struct rules_index *ret_rows, bool *ret_is_damaged);

#endif
