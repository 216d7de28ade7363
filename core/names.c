/* SPDX-License-Identifier: Apache-2.0 */
/* A table of names. Thousands of lists are named and asked for in one compile, so by hash. */
#include "names.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"

#define SLOTS_FIRST 64

void weir_names_done(struct weir_names *names)
{
	for (uint32_t i = 0; i < names->count; i++)
		free(names->name[i]);
	free(names->name);
	free(names->slot);
	*names = (struct weir_names){};
}

/* The slot that has the name's number, or the free one where it would stand. */
static uint32_t *names_slot(const struct weir_names *names, const char *name)
{
	uint32_t mask = names->slots - 1;
	uint32_t at = (uint32_t)weir_hash_bytes(name, strlen(name), 0) & mask;

	while (names->slot[at] && strcmp(names->name[names->slot[at] - 1], name) != 0)
		at = (at + 1) & mask;
	return &names->slot[at];
}

/* At most half full, so that a search ends soon. */
static int names_grow(struct weir_names *names)
{
	uint32_t slots = names->slots ? names->slots * 2 : SLOTS_FIRST;
	char **name = reallocarray(names->name, slots / 2, sizeof(*name));

	if (!name)
		return -ENOMEM;
	names->name = name;

	uint32_t *slot = calloc(slots, sizeof(*slot));

	if (!slot)
		return -ENOMEM;
	free(names->slot);
	names->slot = slot;
	names->slots = slots;
	for (uint32_t i = 0; i < names->count; i++)
		*names_slot(names, name[i]) = i + 1;
	return 0;
}

int weir_names_add(struct weir_names *names, const char *name, uint32_t *ret_number)
{
	uint32_t number = weir_names_find(names, name);

	if (number) {
		*ret_number = number;
		return 0;
	}
	if (names->count == names->slots / 2 && names_grow(names))
		return -ENOMEM;

	char *copy = strdup(name);

	if (!copy)
		return -ENOMEM;
	names->name[names->count++] = copy;
	*names_slot(names, name) = *ret_number = names->count;
	return 0;
}

uint32_t weir_names_find(const struct weir_names *names, const char *name)
{
	return names->slots ? *names_slot(names, name) : 0;
}
