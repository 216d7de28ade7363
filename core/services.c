/* SPDX-License-Identifier: Apache-2.0 */
#include "services.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

void weir_services_done(struct weir_services *services)
{
	free(services->at);
	*services = (struct weir_services){};
}

int weir_services_add(struct weir_services *services, const struct weir_service_end *end)
{
	if (services->count == services->capacity) {
		uint32_t capacity = services->capacity ? 2 * services->capacity : 16;
		struct weir_service_end *at =
			reallocarray(services->at, capacity, sizeof(*services->at));

		if (!at)
			return -ENOMEM;
		services->at = at;
		services->capacity = capacity;
	}
	services->at[services->count++] = *end;
	return 0;
}

static int end_compare(const void *a, const void *b)
{
	const struct weir_service_end *x = a, *y = b;

	return strcmp(x->service, y->service) ?: x->ports.from - y->ports.from;
}

void weir_services_sort(struct weir_services *services)
{
	if (services->count)
		qsort(services->at, services->count, sizeof(*services->at), end_compare);
}

const struct weir_service_end *weir_services_find(const struct weir_services *services,
						  const char *name, uint32_t *ret_count)
{
	uint32_t low = 0, high = services->count;

	while (low < high) {
		uint32_t middle = low + (high - low) / 2;

		if (strcmp(services->at[middle].service, name) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	for (high = low; high < services->count; high++)
		if (strcmp(services->at[high].service, name) != 0)
			break;
	*ret_count = high - low;
	return high > low ? &services->at[low] : NULL;
}
