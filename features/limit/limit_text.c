/* SPDX-License-Identifier: Apache-2.0 */
/* A limit as text: by the table of keys, so that a new key is in it. */
#include "features/limit/limit_state.h"

/* What is written; nothing where nothing is, or what holds without being written. */
static void member_yaml(const struct limit_text *text, const struct weir_field *field,
			struct weir_buf *yaml)
{
	const char *member = (const char *)text + field->offset;
	const char *value = NULL;
	uint32_t number = 0;

	if (field->type == WEIR_FIELD_STRING)
		value = *(char *const *)member;
	else if (field->type == WEIR_FIELD_SIZE)
		value = ((const struct weir_quantity *)member)->text;
	else if (field->type == WEIR_FIELD_ENUM && *(const int *)member)
		value = field->values[*(const int *)member];
	else if (field->type == WEIR_FIELD_BOOL && *(const bool *)member)
		value = "true";
	else if (field->type == WEIR_FIELD_UINT)
		number = *(const uint32_t *)member;
	if (value)
		weir_buf_addf(yaml, "      %s: %s\n", field->key, value);
	else if (number)
		weir_buf_addf(yaml, "      %s: %u\n", field->key, number);
}

static void row_yaml(const struct limit_preset_row *row, struct weir_buf *yaml)
{
	weir_buf_addf(yaml, "    # %s\n    - name: %s\n", row->why, row->text.name);
	/* The first key is the name. */
	for (const struct weir_field *field = limit_limit_fields + 1; field->key; field++)
		member_yaml(&row->text, field, yaml);
}

void limit_preset_yaml(const struct limit_preset *preset, struct weir_buf *yaml)
{
	weir_buf_addf(yaml,
		      "# %s: %s\n# As `presets: [%s]`. What is changed and named as here stands in "
		      "its place.\nlimit:\n  limits:\n",
		      preset->name, preset->summary, preset->name);
	for (unsigned i = 0; i < preset->count; i++)
		row_yaml(&preset->rows[i], yaml);
}
