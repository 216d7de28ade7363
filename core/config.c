/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From the text of weir.yaml to struct weir_config. The document is read twice: by libyaml's marks
 * to tell everything that is wrong with it at its place, then, when nothing is, by libcyaml into
 * values.
 */
#include "core/config.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "core/config_check.h"
#include "core/config_cross.h"
#include "core/config_cyaml.h"
#include "core/config_fill.h"
#include "core/feature.h"
#include "core/yaml_mark.h"

static const struct weir_field no_fields[] = { { 0 } };

static const struct weir_field *feature_fields(const struct weir_feature *feature)
{
	return feature->fields ? feature->fields : no_fields;
}

static size_t features_count(void)
{
	size_t count = 0;
	while (weir_features[count])
		count++;
	assert(count <= WEIR_FEATURES_MAX);
	return count;
}

/* Core's fields and then a mapping for each feature: what may stand at the top of a file. */
static struct weir_field *top_fields_new(void)
{
	size_t core = weir_fields_count(weir_config_fields);
	size_t features = features_count();
	struct weir_field *fields = calloc(core + features + 1, sizeof(*fields));
	if (!fields)
		return NULL;
	memcpy(fields, weir_config_fields, core * sizeof(*fields));
	for (size_t i = 0; i < features; i++)
		fields[core + i] = (struct weir_field){
			.key = weir_features[i]->name,
			.type = WEIR_FIELD_MAPPING,
			.fields = feature_fields(weir_features[i]),
			.help = weir_features[i]->summary,
		};
	return fields;
}

void weir_config_free(struct weir_config *config)
{
	if (!config)
		return;
	for (size_t i = 0; weir_features[i]; i++) {
		if (config->sections[i])
			weir_fields_done(feature_fields(weir_features[i]), config->sections[i]);
		free(config->sections[i]);
	}
	weir_fields_done(weir_config_fields, config);
	free(config->text);
	free(config->file);
	free(config);
}

static int sections_fill(struct weir_config *config, struct weir_slot *slots)
{
	for (size_t i = 0; weir_features[i]; i++) {
		const struct weir_feature *feature = weir_features[i];
		config->sections[i] = calloc(1, feature->section_size ? feature->section_size : 1);
		if (!config->sections[i])
			return -ENOMEM;
		int r = weir_fields_fill(feature_fields(feature), slots ? slots[i].value : NULL,
					 config->sections[i]);
		if (r < 0)
			return r;
	}
	return 0;
}

/* `slots` NULL: an empty document. */
static int config_fill(struct weir_config *config, struct weir_slot *slots, struct weir_diag *diag)
{
	struct weir_slot *sections = slots ? slots + weir_fields_count(weir_config_fields) : NULL;
	int r = weir_fields_fill(weir_config_fields, slots, config);
	if (r == 0)
		r = sections_fill(config, sections);
	if (r == -EINVAL)
		weir_diag_error(diag, "this is a defect of weir: please report it with the file",
				"the file was found right but cannot be read");
	return r;
}

/* Tells what is wrong; *ret_is_empty when there is nothing in it that cyaml could load. */
static int document_check(const struct weir_config *config, const struct weir_field *fields,
			  struct weir_diag *diag, bool *ret_is_empty)
{
	_cleanup_yaml_ struct weir_yaml *yaml = NULL;
	int r = weir_yaml_parse(config->text, config->len, diag, &yaml);
	if (r < 0)
		return r;
	const struct weir_yaml_node *root = weir_yaml_root(yaml);
	*ret_is_empty = !root || weir_yaml_is_null(root) || !weir_yaml_child(yaml, root);
	return weir_config_check(yaml, fields, diag);
}

static int document_read(struct weir_config *config, struct weir_diag *diag)
{
	_cleanup_free_ struct weir_field *fields = top_fields_new();
	if (!fields)
		return -ENOMEM;
	bool is_empty = false;
	int r = document_check(config, fields, diag, &is_empty);
	if (r < 0)
		return r;
	if (is_empty)
		return config_fill(config, NULL, diag);
	_cleanup_(weir_slots_freep) struct weir_slots *slots = NULL;
	r = weir_slots_load(fields, config->text, config->len, diag, &slots);
	if (r < 0)
		return r;
	return config_fill(config, weir_slots_top(slots), diag);
}

/* All of them run, so that one reading tells all. */
static int meaning_check(const struct weir_config *config, struct weir_diag *diag)
{
	int r = weir_config_cross_check(config, diag);
	for (size_t i = 0; weir_features[i]; i++) {
		if (!weir_features[i]->check)
			continue;
		int one = weir_features[i]->check(config, config->sections[i], diag);
		r = r < 0 ? r : one;
	}
	return r;
}

static struct weir_config *config_new(const char *text, size_t len, const char *file)
{
	_cleanup_config_ struct weir_config *config = calloc(1, sizeof(*config));
	if (!config)
		return NULL;
	config->text = malloc(len + 1);
	config->file = file ? strdup(file) : NULL;
	if (!config->text || (file && !config->file))
		return NULL;
	if (len > 0)
		memcpy(config->text, text, len);
	config->text[len] = 0;
	config->len = len;
	return weir_take(config);
}

/* What was in diag before is about something else: only what came since gets the file's name. */
static void diag_name_file(struct weir_diag *diag, size_t before, const char *file)
{
	for (size_t i = before; diag && file && i < diag->count; i++)
		if (!diag->entries[i].file)
			diag->entries[i].file = strdup(file);
}

static bool is_further_down(const struct weir_diag_entry *a, const struct weir_diag_entry *b)
{
	return a->line != b->line ? a->line > b->line : a->column > b->column;
}

/* In the order of the text, for reading it down; entries of one place stay as they came. */
static void diag_sort(struct weir_diag *diag, size_t before)
{
	for (size_t i = before + 1; diag && i < diag->count; i++) {
		struct weir_diag_entry entry = diag->entries[i];
		size_t j = i;
		for (; j > before && is_further_down(&diag->entries[j - 1], &entry); j--)
			diag->entries[j] = diag->entries[j - 1];
		diag->entries[j] = entry;
	}
}

static int config_read(struct weir_config *config, struct weir_diag *diag)
{
	int r = document_read(config, diag);
	if (r < 0)
		return r;
	r = meaning_check(config, diag);
	weir_config_locate(config, diag);
	return r;
}

int weir_config_parse(const char *text, size_t len, const char *file, struct weir_diag *diag,
		      struct weir_config **ret_config)
{
	size_t before = diag ? diag->count : 0;
	if (len > WEIR_CONFIG_BYTES_MAX) {
		weir_diag_error(diag, "put long lists into files of their own",
				"the configuration has %zu bytes, %u are the most", len,
				WEIR_CONFIG_BYTES_MAX);
		diag_name_file(diag, before, file);
		return -EINVAL;
	}
	_cleanup_config_ struct weir_config *config = config_new(text, len, file);
	int r = config ? config_read(config, diag) : -ENOMEM;
	if (r == -ENOMEM)
		weir_diag_error(diag, "end what else takes memory, or read a smaller file",
				"out of memory while reading the configuration");
	diag_name_file(diag, before, file);
	diag_sort(diag, before);
	if (r < 0)
		return r;
	*ret_config = weir_take(config);
	return 0;
}

static bool needs_place(const struct weir_diag_entry *entry)
{
	return entry->key && !entry->line;
}

void weir_config_locate(const struct weir_config *config, struct weir_diag *diag)
{
	_cleanup_yaml_ struct weir_yaml *yaml = NULL;
	for (size_t i = 0; diag && i < diag->count; i++) {
		struct weir_diag_entry *entry = &diag->entries[i];
		if (!needs_place(entry))
			continue;
		if (!yaml && weir_yaml_parse(config->text, config->len, NULL, &yaml) < 0)
			return;
		const struct weir_yaml_node *node = weir_yaml_find(yaml, entry->key);
		if (!node)
			continue; /* not of the text: of run time */
		entry->line = node->line;
		entry->column = node->column;
		if (!entry->file && config->file)
			entry->file = strdup(config->file);
	}
}

void weir_config_advise(const struct weir_config *config, struct weir_diag *diag)
{
	size_t before = diag->count;
	if (config->interface_count == 0)
		weir_diag_warning_key(diag, "interfaces",
				      "write interfaces: [{name: eth0}]; `ip link` lists the names",
				      "none is named: no packet is looked at");
	for (size_t i = 0; weir_features[i]; i++)
		if (weir_features[i]->advise)
			weir_features[i]->advise(config, config->sections[i], diag);
	weir_config_locate(config, diag);
	diag_name_file(diag, before, config->file);
	diag_sort(diag, before);
}

void weir_config_lines(const struct weir_config *config, const char *const *paths, size_t count,
		       unsigned *ret_lines)
{
	_cleanup_yaml_ struct weir_yaml *yaml = NULL;
	if (count > 0)
		(void)weir_yaml_parse(config->text, config->len, NULL, &yaml);
	for (size_t i = 0; i < count; i++) {
		const struct weir_yaml_node *node = yaml ? weir_yaml_find(yaml, paths[i]) : NULL;
		ret_lines[i] = node ? node->line : 0;
	}
}
