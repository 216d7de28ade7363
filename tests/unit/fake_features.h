/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A made-up feature for tests of the configuration: one key of every type, and a check across
 * keys.
 */
#ifndef WEIR_TESTS_FAKE_FEATURES_H
#define WEIR_TESTS_FAKE_FEATURES_H

#include <stdio.h>
#include <string.h>

#include "core/feature.h"

enum fake_action {
	FAKE_ALLOW,
	FAKE_DENY,
};

struct fake_list {
	char *name;
	int action;
	char **entries;
	unsigned entry_count;
	struct weir_quantity ttl;
};

struct fake_pool {
	uint32_t slots;
	char *label;
};

struct fake_section {
	bool enabled;
	uint32_t live;
	struct weir_quantity pace;
	struct fake_pool pool;
	struct fake_list *lists;
	unsigned list_count;
};

static const char *const fake_actions[] = { "allow", "deny", NULL };

static const struct weir_field fake_list_fields[] = {
	{ .key = "name",
	  .type = WEIR_FIELD_STRING,
	  .offset = offsetof(struct fake_list, name),
	  .required = true,
	  .help = "What the list is called." },
	{ .key = "action",
	  .type = WEIR_FIELD_ENUM,
	  .offset = offsetof(struct fake_list, action),
	  .values = fake_actions,
	  .required = true,
	  .help = "What happens to a match." },
	{ .key = "entries",
	  .type = WEIR_FIELD_STRINGS,
	  .offset = offsetof(struct fake_list, entries),
	  .count_offset = offsetof(struct fake_list, entry_count),
	  .help = "Addresses." },
	{ .key = "ttl",
	  .type = WEIR_FIELD_DURATION,
	  .offset = offsetof(struct fake_list, ttl),
	  .least = 1000000000,
	  .help = "How long entries last." },
	{ 0 }
};

static const struct weir_field fake_pool_fields[] = { { .key = "slots",
							.type = WEIR_FIELD_UINT,
							.offset = offsetof(struct fake_pool, slots),
							.fallback = "8",
							.least = 2,
							.most = 1024,
							.help = "How many." },
						      { .key = "label",
							.type = WEIR_FIELD_STRING,
							.offset = offsetof(struct fake_pool, label),
							.help = "A word." },
						      { 0 } };

static const struct weir_field fake_fields[] = { { .key = "enabled",
						   .type = WEIR_FIELD_BOOL,
						   .offset = offsetof(struct fake_section, enabled),
						   .fallback = "true",
						   .help = "On." },
						 { .key = "live",
						   .type = WEIR_FIELD_UINT,
						   .offset = offsetof(struct fake_section, live),
						   .fallback = "65536",
						   .least = 16,
						   .help = "Capacity." },
						 { .key = "pace",
						   .type = WEIR_FIELD_RATE,
						   .offset = offsetof(struct fake_section, pace),
						   .fallback = "10kpps",
						   .least = 1,
						   .help = "Pace." },
						 { .key = "pool",
						   .type = WEIR_FIELD_MAPPING,
						   .offset = offsetof(struct fake_section, pool),
						   .size = sizeof(struct fake_pool),
						   .fields = fake_pool_fields,
						   .help = "A mapping." },
						 { .key = "lists",
						   .type = WEIR_FIELD_SEQUENCE,
						   .offset = offsetof(struct fake_section, lists),
						   .count_offset = offsetof(struct fake_section,
									    list_count),
						   .size = sizeof(struct fake_list),
						   .fields = fake_list_fields,
						   .help = "Lists." },
						 { 0 } };

/* Refuses the entry "wrong", by its path and without a line: that must be found. */
static int fake_check(const struct weir_config *config, const void *section, struct weir_diag *diag)
{
	const struct fake_section *fake = section;
	int r = 0;
	(void)config;
	for (unsigned i = 0; i < fake->list_count; i++) {
		for (unsigned j = 0; j < fake->lists[i].entry_count; j++) {
			if (strcmp(fake->lists[i].entries[j], "wrong") != 0)
				continue;
			char key[64];
			snprintf(key, sizeof(key), "fake.lists[%u].entries[%u]", i, j);
			r = weir_diag_key(diag, key, "write 192.0.2.1", "'wrong' is no address");
		}
	}
	return r;
}

/* Advises against each entry "odd", by its path, the last first. */
static void fake_advise(const struct weir_config *config, const void *section,
			struct weir_diag *diag)
{
	const struct fake_section *fake = section;

	(void)config;
	for (unsigned i = fake->list_count; i-- > 0;) {
		for (unsigned j = fake->lists[i].entry_count; j-- > 0;) {
			if (strcmp(fake->lists[i].entries[j], "odd") != 0)
				continue;
			char key[64];
			snprintf(key, sizeof(key), "fake.lists[%u].entries[%u]", i, j);
			weir_diag_warning_key(diag, key, "write even", "'odd' is odd");
		}
	}
}

static bool fake_denies_by_default(const void *section)
{
	const struct fake_section *fake = section;

	return !fake->enabled;
}

static bool fake_tracks(const void *section)
{
	const struct fake_section *fake = section;

	return fake->enabled;
}

static const struct weir_feature fake_feature = {
	.name = "fake",
	.summary = "A made-up feature.",
	.fields = fake_fields,
	.section_size = sizeof(struct fake_section),
	.check = fake_check,
	.advise = fake_advise,
	.denies_by_default = fake_denies_by_default,
	.tracks = fake_tracks,
};

static const struct weir_feature bare_feature = { .name = "bare", .summary = "Has no keys." };

const struct weir_feature *const weir_features[] = { &fake_feature, &bare_feature, NULL };

#endif
