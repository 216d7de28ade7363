/* SPDX-License-Identifier: Apache-2.0 */
/* What differs in meaning between two configurations: comments, order of keys and layout do not. */
#ifndef WEIR_CORE_CONFIG_DIFF_H
#define WEIR_CORE_CONFIG_DIFF_H

#include "../base/buf.h"
#include "../base/diag.h"

/*
 * Appends {"changed":bool,"changes":[{"op":"add|remove|change","key":path,"from":…,"to":…}]};
 * "from" is missing in an addition, "to" in a removal. Values are strings, objects and arrays as
 * written. Both are NUL-terminated YAML texts; empty is a configuration.
 *
 * Keys are compared by name; entries that are mappings with a name by that name ("lists[office]"),
 * other mappings by position; plain entries by themselves, whatever their order, each with the path
 * of its sequence. A key with no value is as good as none.
 *
 * O(n log n). -EINVAL: one of them is not YAML, told in diag; -ENOMEM. reply is then unchanged.
 */
int weir_config_diff(const char *from, const char *to, struct weir_diag *diag,
		     struct weir_buf *reply);

#endif
