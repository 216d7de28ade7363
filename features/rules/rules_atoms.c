/* SPDX-License-Identifier: Apache-2.0 */
/* Addresses of rules as atoms: equal ones, whoever asks for them, are one label. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/hash.h"
#include "features/rules/rules_plan.h"

static int use_add(struct rules_atom *atom, const struct rules_use *use)
{
	/* A power of two is full: the next one. */
	if (!(atom->use_count & (atom->use_count - 1))) {
		uint32_t capacity = atom->use_count ? atom->use_count * 2 : 1;
		struct rules_use *uses = reallocarray(atom->uses, capacity, sizeof(*uses));
		if (!uses)
			return -ENOMEM;
		atom->uses = uses;
	}
	atom->uses[atom->use_count++] = *use;
	return 0;
}

static int slots_grow(struct rules_plan *plan)
{
	uint32_t count = plan->atom_slot_count ? plan->atom_slot_count * 2 : 256;
	uint32_t *slots = calloc(count, sizeof(*slots));
	struct rules_atom *atoms = reallocarray(plan->atoms, count / 2, sizeof(*atoms));
	if (atoms)
		plan->atoms = atoms;
	if (!slots || !atoms) {
		free(slots);
		return -ENOMEM;
	}
	for (uint32_t i = 0; i < plan->atom_count; i++) {
		const struct rules_atom *atom = &atoms[i];
		uint64_t hash =
			weir_hash_bytes(atom->ranges, atom->range_count * sizeof(*atom->ranges), 0);
		while (slots[hash & (count - 1)])
			hash++;
		slots[hash & (count - 1)] = i + 1;
	}
	free(plan->atom_slots);
	plan->atom_slots = slots;
	plan->atom_slot_count = count;
	return 0;
}

static bool atom_is(const struct rules_atom *atom, const struct rules_addresses *addresses)
{
	return atom->range_count == addresses->range_count &&
	       memcmp(atom->ranges, addresses->ranges,
		      addresses->range_count * sizeof(*addresses->ranges)) == 0;
}

static struct rules_atom *atom_get(struct rules_plan *plan, const struct rules_addresses *addresses)
{
	size_t bytes = addresses->range_count * sizeof(*addresses->ranges);
	if (2 * plan->atom_count + 2 > plan->atom_slot_count && slots_grow(plan))
		return NULL;
	uint64_t hash = weir_hash_bytes(addresses->ranges, bytes, 0);
	uint32_t *slot;
	for (;; hash++) {
		slot = &plan->atom_slots[hash & (plan->atom_slot_count - 1)];
		if (!*slot)
			break;
		if (atom_is(&plan->atoms[*slot - 1], addresses))
			return &plan->atoms[*slot - 1];
	}
	struct weir_range *ranges = malloc(bytes);
	if (!ranges)
		return NULL;
	memcpy(ranges, addresses->ranges, bytes);
	plan->atoms[plan->atom_count] =
		(struct rules_atom){ .ranges = ranges, .range_count = addresses->range_count };
	*slot = ++plan->atom_count;
	return &plan->atoms[plan->atom_count - 1];
}

static struct rules_atom *named_get(struct rules_plan *plan, uint32_t number)
{
	if (number >= plan->named_count) {
		struct rules_atom *named = reallocarray(plan->named, number + 1, sizeof(*named));
		if (!named)
			return NULL;
		memset(named + plan->named_count, 0,
		       (number + 1 - plan->named_count) * sizeof(*named));
		plan->named = named;
		plan->named_count = number + 1;
	}
	return &plan->named[number];
}

#define SET_MEND "define it under rules.sets, or as a list of block with action: set"

#define SERVICE_MEND "define it under balance.services, or make it with weir service add"

/* So that a set and a service of one name are two names that may be missing. */
enum named {
	NAMED_SET = 1,
	NAMED_SERVICE,
};

static uint64_t missing_key(enum named named, const char *name)
{
	return weir_hash_bytes(name, strlen(name), named) | 1;
}

/* Whether the live policy goes without it already: then a change of something else must be
 * possible, above all one that mends it. */
static bool was_missing(const struct weir_compile *compile, uint64_t key)
{
	const struct rules_state *state = compile->state;
	uint32_t one;
	return state && !rules_is_new_config(compile) &&
	       rules_index_get(&state->missing, key, &one);
}

/* A list of run time may be what is missing: where none is known, or when a start finds that one
 * went, the rule stays and the set counts as empty. */
static int set_unknown(struct weir_compile *compile, const char *path, const char *name)
{
	struct rules_state *state = compile->state;
	uint64_t key = missing_key(NAMED_SET, name);
	if (state && rules_index_set(&state->next.missing, key, 1) < 0)
		return -ENOMEM;
	if (rules_is_strict(compile) && !was_missing(compile, key))
		return weir_diag_key(compile->diag, path, SET_MEND,
				     "there is no set and no list '%s'", name);
	weir_diag_warning(compile->diag, SET_MEND ", or make it with weir set add",
			  "there is no set '%s' here: it matches nothing", name);
	struct weir_diag_entry *entry = weir_diag_last(compile->diag);
	if (entry && !entry->key)
		entry->key = strdup(path);
	return 0;
}

static int service_unknown(struct weir_compile *compile, const char *path, const char *name)
{
	struct rules_state *state = compile->state;
	uint64_t key = missing_key(NAMED_SERVICE, name);
	if (state && rules_index_set(&state->next.missing, key, 1) < 0)
		return -ENOMEM;
	if (rules_is_strict(compile) && !was_missing(compile, key))
		return weir_diag_key(compile->diag, path, SERVICE_MEND, "there is no service '%s'",
				     name);
	weir_diag_warning_key(compile->diag, path, SERVICE_MEND,
			      "there is no service '%s' here: it matches nothing", name);
	return 0;
}

int rules_plan_services_check(const struct rules_plan *plan, struct weir_compile *compile,
			      const struct rules_text *text, const char *path)
{
	struct rules_names names = { 0 };
	uint32_t count;
	char key[64];
	int r = text->service ? rules_services_read(text->service, "", NULL, &names) : 0;
	snprintf(key, sizeof(key), "%s.service", path);
	for (char *const *name = names.in; r == 0 && name && *name; name++)
		if (!weir_services_find(&plan->services, *name, &count))
			r = service_unknown(compile, key, *name);
	rules_names_done(&names);
	return r;
}

static const struct rules_addresses *set_of_section(const struct rules_plan *plan, const char *name)
{
	for (unsigned i = 0; i < plan->section->set_count; i++)
		if (strcmp(plan->section->sets[i].name, name) == 0)
			return &plan->sets[i];
	return NULL;
}

static int use_ranges(struct rules_plan *plan, const struct rules_addresses *addresses,
		      const struct rules_use *use)
{
	struct rules_atom *atom = addresses->range_count ? atom_get(plan, addresses) : NULL;
	if (!addresses->range_count)
		return 0;
	return atom ? use_add(atom, use) : -ENOMEM;
}

/* A list of another feature. */
static int use_named(struct rules_plan *plan, struct weir_compile *compile, const char *name,
		     const struct rules_use *use, const char *path)
{
	uint32_t number = weir_image_set_find(compile->image, name);
	struct rules_atom *atom = number ? named_get(plan, number) : NULL;
	if (!number)
		return set_unknown(compile, path, name);
	return atom ? use_add(atom, use) : -ENOMEM;
}

static int use_set(struct rules_plan *plan, struct weir_compile *compile, const char *name,
		   const struct rules_use *use, const char *path)
{
	const struct rules_addresses *set = set_of_section(plan, name);
	if (!set)
		return use_named(plan, compile, name, use, path);
	int r = use_ranges(plan, set, use);
	for (uint32_t i = 0; r == 0 && i < set->set_count; i++)
		r = use_named(plan, compile, set->sets[i], use, path);
	return r;
}

static int use_addresses(struct rules_plan *plan, struct weir_compile *compile,
			 const struct rules_addresses *addresses, const struct rules_use *use,
			 const char *path)
{
	int r = use_ranges(plan, addresses, use);
	for (uint32_t i = 0; r == 0 && i < addresses->set_count; i++)
		r = use_set(plan, compile, addresses->sets[i], use, path);
	return r;
}

int rules_plan_end(struct rules_plan *plan, struct weir_compile *compile,
		   const struct rules_end *end, uint32_t rank, enum rules_dimension dimension,
		   const char *path)
{
	struct rules_use use = { .rank = rank, .dimension = (uint8_t)dimension };
	int r = use_addresses(plan, compile, &end->in, &use, path);
	use.is_negated = true;
	return r ? r : use_addresses(plan, compile, &end->out, &use, path);
}

static int addresses_append(struct rules_addresses *to, const struct rules_addresses *from)
{
	struct weir_range *ranges =
		reallocarray(to->ranges, to->range_count + from->range_count + 1, sizeof(*ranges));
	if (!ranges)
		return -ENOMEM;
	to->ranges = ranges;
	for (uint32_t i = 0; i < from->range_count; i++)
		ranges[to->range_count++] = from->ranges[i];
	return 0;
}

static int name_append(struct rules_addresses *to, const char *name)
{
	char **sets = reallocarray(to->sets, to->set_count + 1, sizeof(*sets));
	if (!sets)
		return -ENOMEM;
	to->sets = sets;
	sets[to->set_count] = strdup(name);
	return sets[to->set_count] ? to->set_count++, 0 : -ENOMEM;
}

/* One set while all that is in it, at whatever depth, is put together. */
struct flattening {
	const struct rules_plan *plan;
	struct weir_compile *compile;
	bool *is_in; /* by set of the configuration: each is taken in once, however often named */
	struct rules_addresses *flat;
};

static int set_flatten(struct flattening *flattening, unsigned index);

static int member_flatten(struct flattening *flattening, const char *name, const char *path)
{
	const struct rules_section *section = flattening->plan->section;
	struct weir_compile *compile = flattening->compile;
	for (unsigned i = 0; i < section->set_count; i++)
		if (strcmp(section->sets[i].name, name) == 0)
			return set_flatten(flattening, i);
	if (compile && !weir_image_set_find(compile->image, name))
		return set_unknown(compile, path, name);
	return name_append(flattening->flat, name);
}

/* Loops were refused by rules_check(), which told the warnings too. */
static int set_flatten(struct flattening *flattening, unsigned index)
{
	const struct rules_plan *plan = flattening->plan;
	struct weir_diag told = { 0 };
	struct rules_end end = { 0 };
	char path[48];
	if (flattening->is_in[index])
		return 0;
	flattening->is_in[index] = true;
	snprintf(path, sizeof(path), "rules.sets[%u].members", index);
	int r = rules_end_read(plan->section->sets[index].members, path, &told, &end);
	if (r == 0)
		r = addresses_append(flattening->flat, &end.in);
	for (uint32_t i = 0; r == 0 && i < end.in.set_count; i++)
		r = member_flatten(flattening, end.in.sets[i], path);
	rules_end_done(&end);
	weir_diag_done(&told);
	return r;
}

/* The set hides the list from rules that name it, also from those of run time, which were added
 * when there was the list alone. */
static int set_twice(struct weir_compile *compile, unsigned index, const char *name)
{
	char key[48];
	snprintf(key, sizeof(key), "rules.sets[%u].name", index);
	if (rules_is_strict(compile) && rules_is_new_config(compile))
		return weir_diag_key(compile->diag, key, "give one of the two another name",
				     "'%s' is the name of a list already", name);
	weir_diag_warning_key(compile->diag, key, "give one of the two another name",
			      "'%s' is the name of a list, too: rules mean the set", name);
	return 0;
}

int rules_plan_set_names(const struct rules_plan *plan, struct weir_compile *compile)
{
	int result = 0;
	for (unsigned i = 0; i < plan->section->set_count; i++) {
		const char *name = plan->section->sets[i].name;
		if (weir_image_set_find(compile->image, name))
			result = set_twice(compile, i, name) ?: result;
	}
	return result;
}

int rules_plan_sets(struct rules_plan *plan, struct weir_compile *compile)
{
	const struct rules_section *section = plan->section;
	int r = 0;
	_cleanup_free_ bool *is_in = calloc(section->set_count + 1, sizeof(*is_in));
	plan->sets = calloc(section->set_count + 1, sizeof(*plan->sets));
	for (unsigned i = 0; plan->sets && is_in && r == 0 && i < section->set_count; i++) {
		struct flattening flattening = { plan, compile, is_in, &plan->sets[i] };
		memset(is_in, 0, section->set_count * sizeof(*is_in));
		r = set_flatten(&flattening, i);
	}
	return plan->sets && is_in ? r : -ENOMEM;
}

int rules_plan_labels(struct rules_plan *plan, struct weir_compile *compile)
{
	int r = 0;
	for (uint32_t i = 0; r == 0 && i < plan->atom_count; i++) {
		uint32_t label;
		r = weir_image_label(compile->image, &weir_rules, i, &label);
		for (uint32_t j = 0; r == 0 && j < plan->atoms[i].range_count; j++)
			r = weir_image_add_range(compile->image, label, &plan->atoms[i].ranges[j]);
	}
	return r;
}

void rules_plan_atoms_done(struct rules_plan *plan)
{
	for (uint32_t i = 0; i < plan->atom_count; i++) {
		free(plan->atoms[i].ranges);
		free(plan->atoms[i].uses);
	}
	for (uint32_t i = 0; i < plan->named_count; i++)
		free(plan->named[i].uses);
	for (unsigned i = 0; plan->sets && i < plan->section->set_count; i++) {
		struct rules_end end = { .in = plan->sets[i] };
		rules_end_done(&end);
	}
	free(plan->sets);
	free(plan->atoms);
	free(plan->named);
	free(plan->atom_slots);
}
