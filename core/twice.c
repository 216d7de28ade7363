/* SPDX-License-Identifier: Apache-2.0 */
#include "core/twice.h"

#include <stdlib.h>
#include <string.h>

static int named_compare(const void *a, const void *b)
{
	const struct weir_named *x = a, *y = b;
	int order = strcmp(x->name, y->name);

	return order ? order : (x->index > y->index) - (x->index < y->index);
}

int weir_twice(struct weir_named *names, size_t count, weir_twice_each *each, void *arg)
{
	int result = 0;

	qsort(names, count, sizeof(*names), named_compare);
	for (size_t i = 1; i < count; i++) {
		int r = 0;

		if (strcmp(names[i - 1].name, names[i].name) == 0)
			r = each(&names[i - 1], &names[i], arg);
		result = r ? r : result;
	}
	return result;
}
