/* SPDX-License-Identifier: Apache-2.0 */
/* What must hold across the keys of `rules:`: names, groups, sets without loops, every field. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/hash.h"
#include "core/twice.h"
#include "features/rules/rules_parts.h"
#include "features/rules/rules_state.h"

static int check_name(const char *list, unsigned index, const char *name, struct weir_diag *diag)
{
	const char *fault = rules_name_fault(name);
	char key[64];
	snprintf(key, sizeof(key), "rules.%s[%u].name", list, index);
	return fault ? weir_diag_key(diag, key, "choose another name", "'%s': %s", name, fault) : 0;
}

static int check_twice(const char *list, unsigned index, unsigned before, const char *name,
		       struct weir_diag *diag)
{
	char key[64];
	snprintf(key, sizeof(key), "rules.%s[%u].name", list, index);
	return weir_diag_key(diag, key, "give each a name of its own",
			     "'%s' is the name of rules.%s[%u] already", name, list, before);
}

static int check_groups(const struct rules_section *section, struct weir_diag *diag)
{
	int result = 0;
	for (unsigned i = 0; i < section->group_count; i++) {
		const char *name = section->groups[i].name;
		int r = check_name("groups", i, name, diag);
		for (unsigned j = 0; j < i && !r; j++)
			if (strcmp(section->groups[j].name, name) == 0)
				r = check_twice("groups", i, j, name, diag);
		result = r < 0 ? r : result;
	}
	return result;
}

static int set_index(const struct rules_section *section, const char *name)
{
	for (unsigned i = 0; i < section->set_count; i++)
		if (strcmp(section->sets[i].name, name) == 0)
			return (int)i;
	return -1;
}

/* Walking sets of sets takes stack: nobody nests them so deep, and a daemon must not end by it. */
#define SETS_DEEP 32

/* Sets, read once. */
struct sets {
	const struct rules_section *section;
	struct rules_end *ends;
	unsigned char *marks; /* 0: not looked at, 1: on the way, 2: done */
	unsigned char *below; /* how many sets deep what is in a set goes; of those done */
	unsigned above;	      /* sets on the way to the one that is looked at */
};

static int set_refuse(const struct sets *sets, unsigned index, struct weir_diag *diag)
{
	const char *name = sets->section->sets[index].name;
	char key[64];
	snprintf(key, sizeof(key), "rules.sets[%u].members", index);
	if (sets->marks[index] == 1)
		return weir_diag_key(diag, key, "take one of them out of the other",
				     "the set '%s' is, by way of others, a member of itself", name);
	return weir_diag_key(diag, key, "name the members of inner sets in outer ones",
			     "the set '%s' is in sets that are nested more than %d deep", name,
			     SETS_DEEP);
}

static int set_visit(struct sets *sets, unsigned index, struct weir_diag *diag)
{
	const struct rules_addresses *in = &sets->ends[index].in;
	unsigned below = 0;
	if (sets->marks[index] == 1 || sets->above + sets->below[index] >= SETS_DEEP)
		return set_refuse(sets, index, diag);
	if (sets->marks[index] == 2)
		return 0;
	sets->marks[index] = 1;
	sets->above++;
	for (uint32_t i = 0; i < in->set_count; i++) {
		int member = set_index(sets->section, in->sets[i]);
		int r = member < 0 ? 0 : set_visit(sets, (unsigned)member, diag);
		if (r < 0)
			return r;
		if (member >= 0 && sets->below[member] >= below)
			below = sets->below[member] + 1;
	}
	sets->above--;
	sets->marks[index] = 2;
	sets->below[index] = (unsigned char)below;
	return 0;
}

static int check_set(const struct rules_section *section, unsigned index, struct rules_end *end,
		     struct weir_diag *diag)
{
	const char *name = section->sets[index].name;
	int r = check_name("sets", index, name, diag), before = set_index(section, name);
	char key[64];
	snprintf(key, sizeof(key), "rules.sets[%u].members", index);
	if (r == 0 && before < (int)index)
		r = check_twice("sets", index, (unsigned)before, name, diag);
	if (r == 0)
		r = rules_end_read(section->sets[index].members, key, diag, end);
	if (r == 0 && (end->out.range_count || end->out.set_count))
		r = weir_diag_key(diag, key, "write `not` in the rule",
				  "a set says what is in it, not what is not");
	return r;
}

static int check_sets(const struct rules_section *section, struct weir_diag *diag)
{
	_cleanup_free_ struct rules_end *ends = calloc(section->set_count + 1, sizeof(*ends));
	_cleanup_free_ unsigned char *marks = calloc(section->set_count + 1, 1);
	_cleanup_free_ unsigned char *below = calloc(section->set_count + 1, 1);
	struct sets sets = { section, ends, marks, below, 0 };
	int result = ends && marks && below ? 0 : -ENOMEM;
	for (unsigned i = 0; ends && i < section->set_count; i++) {
		int r = check_set(section, i, &ends[i], diag);
		result = r < 0 ? r : result;
	}
	for (unsigned i = 0; result == 0 && i < section->set_count; i++)
		result = set_visit(&sets, i, diag);
	for (unsigned i = 0; ends && i < section->set_count; i++)
		rules_end_done(&ends[i]);
	return result;
}

static int check_policies(const struct rules_section *section, struct weir_diag *diag)
{
	int result = 0;
	for (unsigned i = 0; i < section->policy_count; i++) {
		struct rules_names names = { 0 };
		char key[64];
		snprintf(key, sizeof(key), "rules.policy[%u].interface", i);
		int r = rules_names_read(section->policies[i].interface, key, diag, &names);
		rules_names_done(&names);
		result = r < 0 ? r : result;
	}
	return result;
}

bool rules_group_exists(const struct rules_section *section, const char *group)
{
	for (unsigned i = 0; i < section->group_count; i++)
		if (strcmp(section->groups[i].name, group) == 0)
			return true;
	return false;
}

static int check_group_of(const struct rules_section *section, unsigned index,
			  struct weir_diag *diag)
{
	const char *group = section->rules[index].group;
	char key[64];
	if (!group || rules_group_exists(section, group))
		return 0;
	snprintf(key, sizeof(key), "rules.rules[%u].group", index);
	return weir_diag_key(diag, key, "name it under rules.groups", "there is no group '%s'",
			     group);
}

static int name_twice(const struct weir_named *earlier, const struct weir_named *named, void *diag)
{
	return check_twice("rules", named->index, earlier->index, named->name, diag);
}

static int check_names(const struct rules_section *section, struct weir_diag *diag)
{
	_cleanup_free_ struct weir_named *named = calloc(section->rule_count + 1, sizeof(*named));
	size_t count = 0;

	if (!named)
		return -ENOMEM;
	for (unsigned i = 0; i < section->rule_count; i++)
		if (section->rules[i].name)
			named[count++] = (struct weir_named){ section->rules[i].name, i };
	return weir_twice(named, count, name_twice, diag);
}

static int check_rules(const struct weir_config *config, const struct rules_section *section,
		       struct weir_diag *diag)
{
	int result = 0;
	for (unsigned i = 0; i < section->rule_count; i++) {
		struct rules_rule rule = { 0 };
		char path[48];
		snprintf(path, sizeof(path), "rules.rules[%u]", i);
		int r = rules_rule_read(&section->rules[i], path, diag, &rule);
		if (r == 0) {
			rules_rule_warn(config, &rule, path, diag);
			r = check_group_of(section, i, diag);
		}
		rules_rule_done(&rule);
		result = r < 0 ? r : result;
	}
	return result;
}

static int check_count(const struct rules_section *section, struct weir_diag *diag)
{
	uint32_t count = section->rule_count,
		 weight = count > RULES_MAX ? count : rules_section_weight(section);
	bool has_parts = weight > count;
	if (weight <= RULES_MAX)
		return 0;
	return weir_diag_key(diag, "rules.rules", "put addresses together in sets",
			     "%u rules%s, where %d are the most", weight,
			     has_parts ? RULES_OF_SERVICES : "", RULES_MAX);
}

int rules_check(const struct weir_config *config, const void *data, struct weir_diag *diag)
{
	const struct rules_section *section = data;
	int r[5], refused = check_count(section, diag);
	if (refused)
		return refused;
	r[0] = check_groups(section, diag);
	r[1] = check_sets(section, diag);
	r[2] = check_policies(section, diag);
	r[3] = check_names(section, diag);
	r[4] = check_rules(config, section, diag);
	for (size_t i = 0; i < WEIR_ARRAY_SIZE(r); i++)
		if (r[i] < 0)
			return r[i];
	rules_check_egress(config, section, diag);
	return 0;
}
