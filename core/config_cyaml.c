/* SPDX-License-Identifier: Apache-2.0 */
/*
 * libcyaml, driven by our field tables. Each value is loaded as text: its own types could not tell
 * an absent number from 0, and take any word that is not "false" for true.
 */
#include "core/config_cyaml.h"

#include <cyaml/cyaml.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "core/config_value.h"

/* One piece of the schema; they live as long as the slots, which cannot be freed without. */
struct schema_piece {
	struct schema_piece *next;
	union {
		cyaml_schema_value_t value;
		cyaml_schema_field_t field;
	} items[];
};

struct weir_slots {
	cyaml_schema_value_t schema;
	struct schema_piece *pieces;
	void *top;
};

static void *slots_mem(void *ctx, void *ptr, size_t size)
{
	(void)ctx;
	if (size)
		return realloc(ptr, size);
	free(ptr);
	return NULL;
}

__attribute__((format(printf, 3, 0))) static void slots_log(cyaml_log_t level, void *ctx,
							    const char *format, va_list args)
{
	(void)level;
	weir_buf_vaddf(ctx, format, args);
}

static const cyaml_config_t slots_config = {
	.mem_fn = slots_mem,
	.log_level = CYAML_LOG_WARNING,
	.flags = CYAML_CFG_NO_ALIAS,
};

size_t weir_fields_count(const struct weir_field *fields)
{
	size_t count = 0;
	while (fields[count].key)
		count++;
	return count;
}

/* Zeroed room for `count` fields or values. */
static void *piece_new(struct weir_slots *slots, size_t count)
{
	struct schema_piece *piece = calloc(1, sizeof(*piece) + count * sizeof(piece->items[0]));
	if (!piece)
		return NULL;
	piece->next = slots->pieces;
	slots->pieces = piece;
	return piece->items;
}

static int mapping_schema(struct weir_slots *slots, const struct weir_field *fields,
			  cyaml_schema_value_t *ret_value);

static int entry_schema(struct weir_slots *slots, const struct weir_field *field,
			cyaml_schema_value_t *entry)
{
	if (field->type == WEIR_FIELD_SEQUENCE)
		return mapping_schema(slots, field->fields, entry);
	*entry = (cyaml_schema_value_t){ CYAML_VALUE_STRING(CYAML_FLAG_POINTER, char *, 0,
							    CYAML_UNLIMITED) };
	return 0;
}

static int value_schema(struct weir_slots *slots, const struct weir_field *field,
			cyaml_schema_value_t *ret_value)
{
	enum cyaml_flag flags = CYAML_FLAG_OPTIONAL | CYAML_FLAG_POINTER_NULL_STR;
	if (weir_field_is_scalar(field)) {
		*ret_value = (cyaml_schema_value_t){ CYAML_VALUE_STRING(flags, char *, 0,
									CYAML_UNLIMITED) };
		return 0;
	}
	if (field->type == WEIR_FIELD_MAPPING) {
		int r = mapping_schema(slots, field->fields, ret_value);
		ret_value->flags = flags;
		return r;
	}
	cyaml_schema_value_t *entry = piece_new(slots, 1);
	if (!entry)
		return -ENOMEM;
	int r = entry_schema(slots, field, entry);
	*ret_value = (cyaml_schema_value_t){
		.type = CYAML_SEQUENCE,
		.flags = flags,
		.data_size = entry->data_size,
		.sequence = { .entry = entry, .min = 0, .max = CYAML_UNLIMITED },
	};
	return r;
}

static int mapping_schema(struct weir_slots *slots, const struct weir_field *fields,
			  cyaml_schema_value_t *ret_value)
{
	size_t count = weir_fields_count(fields);
	cyaml_schema_field_t *rows = piece_new(slots, count + 1);
	if (!rows)
		return -ENOMEM;
	for (size_t i = 0; i < count; i++) {
		rows[i].key = fields[i].key;
		rows[i].data_offset = (uint32_t)(i * sizeof(struct weir_slot));
		rows[i].count_offset = rows[i].data_offset + offsetof(struct weir_slot, count);
		rows[i].count_size = sizeof(unsigned);
		int r = value_schema(slots, &fields[i], &rows[i].value);
		if (r < 0)
			return r;
	}
	*ret_value = (cyaml_schema_value_t){
		.type = CYAML_MAPPING,
		.flags = CYAML_FLAG_DEFAULT,
		/* A table without keys has one slot too: cyaml takes a block of 0 bytes for
		   failure. */
		.data_size = (uint32_t)((count ? count : 1) * sizeof(struct weir_slot)),
		.mapping = { .fields = rows },
	};
	return 0;
}

void weir_slots_free(struct weir_slots *slots)
{
	if (!slots)
		return;
	cyaml_free(&slots_config, &slots->schema, slots->top, 0);
	while (slots->pieces) {
		struct schema_piece *piece = slots->pieces;
		slots->pieces = piece->next;
		free(piece);
	}
	free(slots);
}

struct weir_slot *weir_slots_top(struct weir_slots *slots)
{
	return slots->top;
}

/* The first line of the log says what, the others where: only the first is for people. */
static int load_refuse(cyaml_err_t error, struct weir_buf *log, struct weir_diag *diag)
{
	if (error == CYAML_ERR_OOM)
		return -ENOMEM;
	const char *words = weir_buf_str(log);
	int len = (int)strcspn(words, "\n");
	return weir_diag_error(diag, NULL, "libcyaml refuses the file: %.*s (%s)", len, words,
			       cyaml_strerror(error));
}

int weir_slots_load(const struct weir_field *fields, const char *text, size_t len,
		    struct weir_diag *diag, struct weir_slots **ret_slots)
{
	_cleanup_(weir_slots_freep) struct weir_slots *slots = calloc(1, sizeof(*slots));
	int r = slots ? mapping_schema(slots, fields, &slots->schema) : -ENOMEM;
	if (r < 0)
		return r;
	slots->schema.flags = CYAML_FLAG_POINTER;

	_cleanup_buf_ struct weir_buf log = { 0 };
	cyaml_config_t config = slots_config;
	config.log_fn = slots_log;
	config.log_ctx = &log;
	cyaml_err_t error = cyaml_load_data((const uint8_t *)text, len, &config, &slots->schema,
					    &slots->top, NULL);
	if (error != CYAML_OK)
		return load_refuse(error, &log, diag);
	*ret_slots = weir_take(slots);
	return 0;
}
