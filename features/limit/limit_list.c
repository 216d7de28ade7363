/* SPDX-License-Identifier: Apache-2.0 */
/* Which limits are in force: what the configuration names, put together from where it stands. */
#include <string.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/nearest.h"
#include "features/limit/limit_state.h"

const char *const limit_origin_names[] = { "file", "preset", "runtime" };

#define PRESETS_MOST 16 /* there are fewer: weir_nearest() wants their names in a row */

const struct limit_preset *limit_preset_find(const char *name)
{
	for (const struct limit_preset *preset = limit_presets; preset->name; preset++)
		if (strcmp(preset->name, name) == 0)
			return preset;
	return NULL;
}

int limit_preset_refuse(const char *name, const char *key, struct weir_diag *diag)
{
	_cleanup_buf_ struct weir_buf mend = { 0 };
	const char *names[PRESETS_MOST] = { NULL };

	for (int i = 0; limit_presets[i].name && i < PRESETS_MOST - 1; i++)
		names[i] = limit_presets[i].name;
	const char *near = weir_nearest(name, names);

	for (int i = 0; names[i]; i++)
		weir_buf_addf(&mend, "%s%s", i ? ", " : "write one of ", names[i]);
	if (near)
		return weir_diag_key(diag, key, weir_buf_str(&mend),
				     "'%.40s' is not a preset; did you mean '%s'?", name, near);
	return weir_diag_key(diag, key, weir_buf_str(&mend), "'%.40s' is not a preset", name);
}

const struct limit_entry *limit_list_find(const struct limit_list *list, const char *name)
{
	for (unsigned i = 0; i < list->count; i++)
		if (strcmp(list->at[i].text->name, name) == 0)
			return &list->at[i];
	return NULL;
}

static void list_add(struct limit_list *list, const struct limit_entry *entry)
{
	if (list->count == LIMITS_MAX)
		list->left_out++;
	else
		list->at[list->count++] = *entry;
}

/* Whoever writes a limit of the same name has changed the preset's. */
static void preset_add(struct limit_list *list, const struct limit_preset *preset)
{
	for (unsigned i = 0; i < preset->count; i++)
		if (!limit_list_find(list, preset->rows[i].text.name))
			list_add(list, &(struct limit_entry){ &preset->rows[i].text,
							      LIMIT_FROM_PRESET, preset->name });
}

/* After a start, one of the configuration may have the name of one of run time: it acts. */
static void runtime_add(struct limit_list *list, const struct limit_runtime *runtime)
{
	for (unsigned i = 0; i < runtime->count; i++)
		if (!limit_list_find(list, runtime->at[i].name))
			list_add(list, &(struct limit_entry){ &runtime->at[i], LIMIT_FROM_RUNTIME,
							      NULL });
}

void limit_list_make(const struct limit_section *section, const struct limit_runtime *runtime,
		     struct limit_list *ret_list)
{
	ret_list->count = ret_list->left_out = 0;
	for (unsigned i = 0; i < section->limit_count; i++)
		list_add(ret_list,
			 &(struct limit_entry){ &section->limits[i], LIMIT_FROM_FILE, NULL });
	if (runtime)
		runtime_add(ret_list, runtime);
	for (unsigned i = 0; i < section->preset_count; i++) {
		const struct limit_preset *preset = limit_preset_find(section->presets[i]);

		if (preset)
			preset_add(ret_list, preset);
	}
}
