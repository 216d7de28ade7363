/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sets of labels and their numbers. A class is one distinct set of labels; numbers are given in the
 * order in which sets are first asked for, 0 being the empty set.
 */
#ifndef WEIR_CORE_ADDR_CLASSES_H
#define WEIR_CORE_ADDR_CLASSES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct weir_addr_classes {
	uint32_t count;	 /* class 0 included */
	uint32_t *first; /* count + 1 offsets into `label`: class c is label[first[c]] up to
			    label[first[c + 1]] */
	uint32_t *label; /* ascending within a class */
	uint32_t first_capacity;
	uint32_t label_capacity;
	uint32_t *bucket; /* class numbers by hash of their labels, 0 for none */
	uint32_t bucket_mask;
	uint64_t *hash; /* of each class */
};

/* The labels that hold at one place of the sweep, each with how many ranges give it. */
struct weir_active {
	uint32_t *label; /* ascending */
	uint32_t *times;
	uint32_t count;
	uint32_t capacity;
	uint64_t hash; /* of the set, whatever the order in which it came about */
};

int weir_classes_init(struct weir_addr_classes *classes);
void weir_classes_done(struct weir_addr_classes *classes);

/* The number of the set that is active now. Sets are compared, not only their hashes. -E2BIG past
 * WEIR_ADDR_CLASSES_MAX. */
int weir_classes_get(struct weir_addr_classes *classes, const struct weir_active *active,
		     uint32_t *ret_class);

/* A range of this label begins or has ended here. Cost grows with the number of labels active at
 * once. */
int weir_active_add(struct weir_active *active, uint32_t label);
void weir_active_del(struct weir_active *active, uint32_t label);
void weir_active_done(struct weir_active *active);

#endif
