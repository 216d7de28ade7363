/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The shape of a configuration file as libcyaml loads it: text by key. Types and defaults are
 * config_fill.c's.
 */
#ifndef WEIR_CORE_CONFIG_CYAML_H
#define WEIR_CORE_CONFIG_CYAML_H

#include "core/config.h"

/*
 * What stands under one key; a mapping is an array of these, one a field of its table. `value` is
 * NULL when the key is absent or null, else: char * of a single value; char ** of strings; the
 * slots of a mapping; `count` times the slots of a sequence's entry, one after the other. All of
 * it is malloc()ed piece by piece, so that single pieces may be taken out (leave NULL and 0).
 */
struct weir_slot {
	void *value;
	unsigned count;
};

struct weir_slots; /* owner of the slots of a whole file */

/* -EINVAL: not of the shape of the fields; diag has libcyaml's words for it. Or -ENOMEM. */
int weir_slots_load(const struct weir_field *fields, const char *text, size_t len,
		    struct weir_diag *diag, struct weir_slots **ret_slots);
void weir_slots_free(struct weir_slots *slots);
static inline void weir_slots_freep(struct weir_slots **slots)
{
	weir_slots_free(*slots);
}
/* The slots of the outermost mapping. */
struct weir_slot *weir_slots_top(struct weir_slots *slots);
/* How many fields, that is slots, a table has. */
size_t weir_fields_count(const struct weir_field *fields);

#endif
