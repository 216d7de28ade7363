/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reads a configuration as a tree with one made-up feature would, and prints what it came to: every
 * value, or every problem. For tests/golden/config_test.py, so that its files need no real feature.
 */
#include <stdio.h>

#include "base/file.h"
#include "base/ports.h"
#include "tests/unit/fake_features.h"

static void fields_print(const struct weir_field *fields, const void *target, const char *path);

static const void *member(const void *target, size_t offset)
{
	return (const char *)target + offset;
}

static void quantity_print(const struct weir_quantity *quantity, const char *path)
{
	printf("%s = %llu (%s)\n", path, (unsigned long long)quantity->value,
	       quantity->text ? quantity->text : "default");
}

static void strings_print(const struct weir_field *field, const void *target, const char *path)
{
	char *const *strings = *(char **const *)member(target, field->offset);
	unsigned count = *(const unsigned *)member(target, field->count_offset);
	for (unsigned i = 0; i < count; i++)
		printf("%s[%u] = '%s'\n", path, i, strings[i]);
}

static void sequence_print(const struct weir_field *field, const void *target, const char *path)
{
	const char *entries = *(const char *const *)member(target, field->offset);
	unsigned count = *(const unsigned *)member(target, field->count_offset);
	for (unsigned i = 0; i < count; i++) {
		_cleanup_buf_ struct weir_buf entry = { 0 };
		weir_buf_addf(&entry, "%s[%u]", path, i);
		fields_print(field->fields, entries + i * field->size, weir_buf_str(&entry));
	}
}

static void field_print(const struct weir_field *field, const void *target, const char *path)
{
	const void *value = member(target, field->offset);
	switch (field->type) {
	case WEIR_FIELD_STRING: {
		const char *text = *(const char *const *)value;
		printf(text ? "%s = '%s'\n" : "%s is absent\n", path, text);
		return;
	}
	case WEIR_FIELD_BOOL:
		printf("%s = %s\n", path, *(const bool *)value ? "true" : "false");
		return;
	case WEIR_FIELD_UINT:
		printf("%s = %u\n", path, *(const uint32_t *)value);
		return;
	case WEIR_FIELD_PORTS: {
		char text[WEIR_PORTS_TEXT];

		printf("%s = %s\n", path, weir_ports_to_string(*(const uint32_t *)value, text));
		return;
	}
	case WEIR_FIELD_ENUM:
		printf("%s = %s\n", path, field->values[*(const int *)value]);
		return;
	case WEIR_FIELD_STRINGS:
		strings_print(field, target, path);
		return;
	case WEIR_FIELD_MAPPING:
		fields_print(field->fields, value, path);
		return;
	case WEIR_FIELD_SEQUENCE:
		sequence_print(field, target, path);
		return;
	default:
		quantity_print(value, path);
	}
}

static void fields_print(const struct weir_field *fields, const void *target, const char *path)
{
	for (; fields->key; fields++) {
		_cleanup_buf_ struct weir_buf inner = { 0 };
		weir_buf_addf(&inner, "%s%s%s", path, *path ? "." : "", fields->key);
		field_print(fields, target, weir_buf_str(&inner));
	}
}

static void config_print(const struct weir_config *config)
{
	fields_print(weir_config_fields, config, "");
	fields_print(fake_fields, config->sections[0], "fake");
}

int main(int argc, char **argv)
{
	_cleanup_buf_ struct weir_buf text = { 0 };
	if (argc != 2 || weir_file_read(argv[1], 2ul * WEIR_CONFIG_BYTES_MAX, &text) < 0) {
		fprintf(stderr, "usage: config-print FILE\n");
		return 2;
	}
	const char *name = strrchr(argv[1], '/');
	_cleanup_diag_ struct weir_diag diag = { 0 };
	_cleanup_config_ struct weir_config *config = NULL;
	int r = weir_config_parse(weir_buf_str(&text), text.len, name ? name + 1 : argv[1], &diag,
				  &config);
	_cleanup_buf_ struct weir_buf problems = { 0 };
	weir_diag_format(&diag, &problems);
	fputs(weir_buf_str(&problems), stdout);
	if (config)
		config_print(config);
	return r < 0 ? 1 : 0;
}
