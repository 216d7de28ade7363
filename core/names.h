/* SPDX-License-Identifier: Apache-2.0 */
/* Names and their numbers: from 1, in the order in which they came. */
#ifndef WEIR_CORE_NAMES_H
#define WEIR_CORE_NAMES_H

#include <stdint.h>

/* Zero-initialised is empty. */
struct weir_names {
	char **name;	/* number 1 is name[0] */
	uint32_t *slot; /* numbers by hash, open addressing; 0 = free */
	uint32_t count;
	uint32_t slots; /* a power of two, or 0 */
};

void weir_names_done(struct weir_names *names);
/* The number of the name, a new one when it had none. -ENOMEM. */
int weir_names_add(struct weir_names *names, const char *name, uint32_t *ret_number);
/* 0 = no such name. */
uint32_t weir_names_find(const struct weir_names *names, const char *name);

#endif
