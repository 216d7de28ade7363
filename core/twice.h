/* SPDX-License-Identifier: Apache-2.0 */
/* Names that stand twice in a list of the configuration. */
#ifndef WEIR_CORE_TWICE_H
#define WEIR_CORE_TWICE_H

#include <stddef.h>

struct weir_named {
	const char *name;
	unsigned index; /* in the list */
};

/* `named` has the name of an earlier one in the list. Returns an error that is kept. */
typedef int weir_twice_each(const struct weir_named *earlier, const struct weir_named *named,
			    void *arg);

/* Sorts `names`. 0, or the last error of `each`. */
int weir_twice(struct weir_named *names, size_t count, weir_twice_each *each, void *arg);

#endif
