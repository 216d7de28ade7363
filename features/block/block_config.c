/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The keys of `block:` in weir.yaml, and what must hold across them. Reading the files they name is
 * block_plan.c's.
 */
#include <stdio.h>
#include <string.h>

#include "features/block/block_state.h"

#define LIST(member) offsetof(struct block_list_config, member)
#define SECTION(member) offsetof(struct block_section, member)

static const struct weir_field list_fields[] = {
	{
		.key = "name",
		.type = WEIR_FIELD_STRING,
		.offset = LIST(name),
		.required = true,
		.help = "The list's name: 1 to 31 of a-z, 0-9, '.', '_' and '-', the first a "
			"letter or digit; shown with each "
			"packet it decides.",
	},
	{
		.key = "action",
		.type = WEIR_FIELD_ENUM,
		.offset = LIST(action),
		.values = block_action_names,
		.required = true,
		.help = "What happens to packets from (or, leaving, to) these addresses. Allow "
			"wins over deny; a set decides nothing and is a name for rules.",
	},
	{
		.key = "entries",
		.type = WEIR_FIELD_STRINGS,
		.offset = LIST(entries),
		.count_offset = LIST(entry_count),
		.help = "Addresses, CIDRs and ranges FROM-TO, IPv4 and IPv6 mixed.",
	},
	{
		.key = "file",
		.type = WEIR_FIELD_STRING,
		.offset = LIST(file),
		.help = "A file with more entries; a relative path starts at the configuration's "
			"folder.",
	},
	{
		.key = "format",
		.type = WEIR_FIELD_ENUM,
		.offset = LIST(format),
		.values = block_format_names,
		.fallback = "auto",
		.help = "How that file is written.",
	},
	{
		.key = "note",
		.type = WEIR_FIELD_STRING,
		.offset = LIST(note),
		.help = "A remark, shown with the list.",
	},
	{
		.key = "hits",
		.type = WEIR_FIELD_BOOL,
		.offset = LIST(hits),
		.fallback = "false",
		.help = "Count packets for each entry and not only for the list; 16384 entries at "
			"most in such lists together.",
	},
	{ 0 },
};

const struct weir_field block_fields[] = {
	{
		.key = "enabled",
		.type = WEIR_FIELD_BOOL,
		.offset = SECTION(enabled),
		.fallback = "true",
		.help = "Whether packets are held against the lists at all.",
	},
	{
		.key = "live",
		.type = WEIR_FIELD_UINT,
		.offset = SECTION(live),
		.fallback = "65536",
		.least = 16,
		.most = 1u << 24,
		.help = "How many prefixes may act through the live set: entries added one by one, "
			"and those that expire.",
	},
	{
		.key = "v4-entries",
		.type = WEIR_FIELD_UINT,
		.offset = SECTION(v4_entries),
		.fallback = "2000000",
		.least = 1,
		.most = 1u << 26,
		.help = "IPv4 entries in all lists together; more are refused.",
	},
	{
		.key = "v6-entries",
		.type = WEIR_FIELD_UINT,
		.offset = SECTION(v6_entries),
		.fallback = "1000000",
		.least = 1,
		.most = 1u << 26,
		.help = "IPv6 entries in all lists together; more are refused.",
	},
	{
		.key = "lists",
		.type = WEIR_FIELD_SEQUENCE,
		.offset = SECTION(lists),
		.count_offset = SECTION(list_count),
		.size = sizeof(struct block_list_config),
		.fields = list_fields,
		.help = "Lists that are part of the configuration. Those made by operations live "
			"beside them.",
	},
	{ 0 },
};

const struct block_section *block_section_of(const struct weir_config *config)
{
	return config->sections[weir_feature_index(&weir_block)];
}

static void list_warn(struct weir_diag *diag, const char *key, const char *mend, const char *text,
		      const char *range)
{
	weir_diag_warning_key(diag, key, mend, "%s has host bits set: taken as %s", text, range);
}

static int list_check_entries(const struct block_list_config *list, unsigned index,
			      struct weir_diag *diag)
{
	int result = 0;
	for (unsigned i = 0; i < list->entry_count; i++) {
		struct weir_range range;
		bool had_host_bits;
		const char *why, *text = list->entries[i];
		char key[64], canonical[WEIR_RANGE_TEXT];
		snprintf(key, sizeof(key), "block.lists[%u].entries[%u]", index, i);
		if (weir_range_from_string(text, strlen(text), &range, &had_host_bits, &why) < 0)
			result = weir_diag_key(diag, key, "write an address, a CIDR or FROM-TO",
					       "'%s': %s", text, why);
		else if (had_host_bits)
			list_warn(diag, key, "write the network itself", text,
				  weir_range_to_string(&range, canonical));
	}
	return result;
}

static int list_check_name(const struct block_section *section, unsigned index,
			   struct weir_diag *diag)
{
	const char *name = section->lists[index].name;
	char key[48];
	snprintf(key, sizeof(key), "block.lists[%u].name", index);
	const char *fault = block_name_fault(name);
	if (fault)
		return weir_diag_key(diag, key, "choose another name", "'%s': %s", name, fault);
	for (unsigned i = 0; i < index; i++)
		if (strcmp(section->lists[i].name, name) == 0)
			return weir_diag_key(diag, key, "give each list a name of its own",
					     "'%s' is the name of block.lists[%u] already", name,
					     i);
	return 0;
}

/* A label for each entry would make a class of each, for a count that nobody makes. */
static int list_check_hits(const struct block_list_config *list, unsigned index,
			   struct weir_diag *diag)
{
	char key[48];
	if (!list->hits || list->action != BLOCK_SET)
		return 0;
	snprintf(key, sizeof(key), "block.lists[%u].hits", index);
	return weir_diag_key(diag, key, "leave it out; rules count what they match",
			     "'%s' is a set, which decides about no packet", list->name);
}

int block_check(const struct weir_config *config, const void *data, struct weir_diag *diag)
{
	const struct block_section *section = data;
	int result = 0;
	if (section->list_count > BLOCK_LISTS_MAX / 2)
		return weir_diag_key(diag, "block.lists", "put entries together in fewer lists",
				     "%u lists, where %d are the most", section->list_count,
				     BLOCK_LISTS_MAX / 2);
	for (unsigned i = 0; i < section->list_count; i++) {
		int r = list_check_name(section, i, diag);
		result = r < 0 ? r : result;
		r = list_check_entries(&section->lists[i], i, diag);
		result = r < 0 ? r : result;
		r = list_check_hits(&section->lists[i], i, diag);
		result = r < 0 ? r : result;
	}
	return result;
}
