/* SPDX-License-Identifier: Apache-2.0 */
/* Constants by the name of their variable: found in the object's BTF, so that no list of them is
 * kept anywhere. */
#include "constants.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <bpf/btf.h>
#include <bpf/libbpf.h>

#include "base/cleanup.h"

#define CONSTANTS_MAX 64
#define CONSTANT_BYTES_MAX 128

struct constant {
	char name[64];
	size_t size;
	unsigned char value[CONSTANT_BYTES_MAX];
};

struct capacity {
	char map[16];
	uint32_t entries;
};

struct weir_constants {
	struct constant values[CONSTANTS_MAX];
	size_t count;
	struct capacity capacities[CONSTANTS_MAX];
	size_t capacity_count;
	uint32_t probe[5]; /* struct probe_constants of bpf/lib/probe.h */
};

struct weir_constants *weir_constants_new(void)
{
	return calloc(1, sizeof(struct weir_constants));
}

struct weir_constants *weir_constants_copy(const struct weir_constants *constants)
{
	struct weir_constants *copy = weir_constants_new();

	if (copy)
		*copy = *constants;
	return copy;
}

void weir_constants_free(struct weir_constants *constants)
{
	free(constants);
}

bool weir_constants_equal(const struct weir_constants *a, const struct weir_constants *b)
{
	return a->count == b->count && a->capacity_count == b->capacity_count &&
	       memcmp(a->values, b->values, sizeof(a->values)) == 0 &&
	       memcmp(a->capacities, b->capacities, sizeof(a->capacities)) == 0;
}

int weir_constants_set(struct weir_constants *constants, const char *variable, const void *value,
		       size_t size)
{
	if (constants->count == CONSTANTS_MAX || size > CONSTANT_BYTES_MAX ||
	    strlen(variable) >= sizeof(constants->values[0].name))
		return -E2BIG;
	struct constant *constant = &constants->values[constants->count++];

	memcpy(constant->name, variable, strlen(variable));
	memcpy(constant->value, value, size);
	constant->size = size;
	return 0;
}

const void *weir_constants_of(const struct weir_constants *constants, const char *variable,
			      size_t size)
{
	for (size_t i = 0; i < constants->count; i++)
		if (strcmp(constants->values[i].name, variable) == 0)
			return constants->values[i].size == size ? constants->values[i].value :
								   NULL;
	return NULL;
}

int weir_constants_capacity(struct weir_constants *constants, const char *map, uint32_t entries)
{
	if (constants->capacity_count == CONSTANTS_MAX ||
	    strlen(map) >= sizeof(constants->capacities[0].map))
		return -E2BIG;
	struct capacity *capacity = &constants->capacities[constants->capacity_count++];

	memcpy(capacity->map, map, strlen(map));
	capacity->entries = entries;
	return 0;
}

uint32_t weir_constants_capacity_of(const struct weir_constants *constants, const char *map)
{
	for (size_t i = 0; i < constants->capacity_count; i++)
		if (strcmp(constants->capacities[i].map, map) == 0)
			return constants->capacities[i].entries;
	return 0;
}

void weir_constants_secret(struct weir_constants *constants, const uint32_t secret[4])
{
	memcpy(constants->probe, secret, 4 * sizeof(*secret));
}

void weir_constants_learn(struct weir_constants *constants)
{
	constants->probe[4] = true;
}

static const struct btf_var_secinfo *variable_find(const struct btf *btf,
						   const struct btf_type *section, const char *name)
{
	const struct btf_var_secinfo *variable = btf_var_secinfos(section);

	for (int i = 0; i < btf_vlen(section); i++, variable++) {
		const struct btf_type *type = btf__type_by_id(btf, variable->type);

		if (type && strcmp(btf__name_by_offset(btf, type->name_off), name) == 0)
			return variable;
	}
	return NULL;
}

static struct bpf_map *rodata_find(struct bpf_object *object)
{
	struct bpf_map *map;

	bpf_object__for_each_map(map, object) {
		const char *name = bpf_map__name(map);

		if (bpf_map__is_internal(map) && strlen(name) >= 7 &&
		    strcmp(name + strlen(name) - 7, ".rodata") == 0)
			return map;
	}
	return NULL;
}

int weir_constant_write(struct bpf_object *object, const char *name, const void *value, size_t size)
{
	const struct btf *btf = bpf_object__btf(object);
	int id = btf ? btf__find_by_name_kind(btf, ".rodata", BTF_KIND_DATASEC) : -ENOENT;
	struct bpf_map *rodata = rodata_find(object);
	size_t total = 0;
	const void *initial = rodata ? bpf_map__initial_value(rodata, &total) : NULL;

	if (id < 0 || !initial)
		return -ENOENT;
	const struct btf_var_secinfo *variable = variable_find(btf, btf__type_by_id(btf, id), name);

	if (!variable)
		return -ENOENT;
	if (variable->size != size || variable->offset + size > total)
		return -EINVAL;
	_cleanup_free_ unsigned char *bytes = malloc(total);

	if (!bytes)
		return -ENOMEM;
	memcpy(bytes, initial, total);
	memcpy(bytes + variable->offset, value, size);
	return bpf_map__set_initial_value(rodata, bytes, total);
}

int weir_constants_write(const struct weir_constants *constants, struct bpf_object *object)
{
	for (size_t i = 0; i < constants->count; i++) {
		const struct constant *constant = &constants->values[i];
		int r = weir_constant_write(object, constant->name, constant->value,
					    constant->size);

		if (r)
			return r;
	}
	return weir_constant_write(object, "probe_constants", constants->probe,
				   sizeof(constants->probe));
}
