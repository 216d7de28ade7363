/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Types, defaults and ownership of configuration structs. Messages are config_check.c's: here is
 * nothing to tell.
 */
#include "core/config_fill.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "core/config_value.h"

static void *member(void *target, size_t offset)
{
	return (char *)target + offset;
}

/*
 * Where a text is kept: strings as they are, quantities for messages that cite them. NULL:
 * nowhere.
 */
static char **member_text(const struct weir_field *field, void *target)
{
	switch (field->type) {
	case WEIR_FIELD_STRING:
		return member(target, field->offset);
	case WEIR_FIELD_DURATION:
	case WEIR_FIELD_SIZE:
	case WEIR_FIELD_RATE:
		return &((struct weir_quantity *)member(target, field->offset))->text;
	default:
		return NULL;
	}
}

static int scalar_fill(const struct weir_field *field, struct weir_slot *slot, void *target)
{
	const char *text = slot && slot->value ? slot->value : field->fallback;
	if (!text)
		return field->required ? -EINVAL : 0;
	int r = weir_value_read(field, text, NULL, NULL, member(target, field->offset));
	if (r < 0)
		return r;
	char **keep = member_text(field, target);
	if (keep && slot && slot->value) {
		*keep = slot->value;
		slot->value = NULL;
	} else if (field->type == WEIR_FIELD_STRING) {
		*keep = strdup(text);
		return *keep ? 0 : -ENOMEM;
	}
	return 0;
}

static void strings_fill(const struct weir_field *field, struct weir_slot *slot, void *target)
{
	if (!slot)
		return;
	*(char ***)member(target, field->offset) = slot->value;
	*(unsigned *)member(target, field->count_offset) = slot->value ? slot->count : 0;
	*slot = (struct weir_slot){ 0 };
}

static int sequence_fill(const struct weir_field *field, struct weir_slot *slot, void *target)
{
	unsigned count = slot && slot->value ? slot->count : 0;
	if (count == 0)
		return 0;
	char *entries = calloc(count, field->size);
	if (!entries)
		return -ENOMEM;
	*(void **)member(target, field->offset) = entries;
	*(unsigned *)member(target, field->count_offset) = count;
	size_t width = weir_fields_count(field->fields);
	struct weir_slot *slots = slot->value;
	for (unsigned i = 0; i < count; i++) {
		int r = weir_fields_fill(field->fields, slots + i * width,
					 entries + i * field->size);
		if (r < 0)
			return r;
	}
	return 0;
}

static int field_fill(const struct weir_field *field, struct weir_slot *slot, void *target)
{
	switch (field->type) {
	case WEIR_FIELD_STRINGS:
		strings_fill(field, slot, target);
		return 0;
	case WEIR_FIELD_SEQUENCE:
		return sequence_fill(field, slot, target);
	case WEIR_FIELD_MAPPING:
		return weir_fields_fill(field->fields, slot ? slot->value : NULL,
					member(target, field->offset));
	default:
		return scalar_fill(field, slot, target);
	}
}

int weir_fields_fill(const struct weir_field *fields, struct weir_slot *slots, void *target)
{
	for (size_t i = 0; fields[i].key; i++) {
		int r = field_fill(&fields[i], slots ? &slots[i] : NULL, target);
		if (r < 0)
			return r;
	}
	return 0;
}

static void strings_done(const struct weir_field *field, void *target)
{
	char **strings = *(char ***)member(target, field->offset);
	unsigned count = *(unsigned *)member(target, field->count_offset);
	for (unsigned i = 0; i < count; i++)
		free(strings[i]);
	free(strings);
}

static void sequence_done(const struct weir_field *field, void *target)
{
	char *entries = *(char **)member(target, field->offset);
	unsigned count = *(unsigned *)member(target, field->count_offset);
	for (unsigned i = 0; i < count; i++)
		weir_fields_done(field->fields, entries + i * field->size);
	free(entries);
}

void weir_fields_done(const struct weir_field *fields, void *target)
{
	for (; fields->key; fields++) {
		char **text = member_text(fields, target);
		if (text)
			free(*text);
		else if (fields->type == WEIR_FIELD_STRINGS)
			strings_done(fields, target);
		else if (fields->type == WEIR_FIELD_SEQUENCE)
			sequence_done(fields, target);
		else if (fields->type == WEIR_FIELD_MAPPING)
			weir_fields_done(fields->fields, member(target, fields->offset));
	}
}
