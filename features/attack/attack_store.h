/* SPDX-License-Identifier: Apache-2.0 */
/* What is usual at interfaces, by their names, and the file that keeps it: attack.json. */
#ifndef WEIR_ATTACK_STORE_H
#define WEIR_ATTACK_STORE_H

#include <stddef.h>

#include "abi/alarm.h"
#include "base/diag.h"

/* Those that are here and those that were; the one not seen for longest makes room. */
#define ATTACK_USUAL_MAX 256
#define ATTACK_NAME_BYTES 16

struct attack_usual {
	char name[ATTACK_NAME_BYTES];
	double rates[WEIR_FLOOD_COUNT]; /* a second */
};

struct attack_usuals {
	size_t count;
	struct attack_usual at[ATTACK_USUAL_MAX];
};

/* NULL: nothing is known of it. */
const struct attack_usual *attack_usual_find(const struct attack_usuals *list, const char *name);
void attack_usual_note(struct attack_usuals *list, const struct attack_usual *usual);

/* A damaged file is kept aside and told of; then the list is empty. `dir` NULL: no file. */
int attack_store_load(const char *dir, struct weir_diag *diag, struct attack_usuals *ret_list);
int attack_store_save(const char *dir, const struct attack_usuals *list);

#endif
