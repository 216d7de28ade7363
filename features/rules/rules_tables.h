/* SPDX-License-Identifier: Apache-2.0 */
/* What the compiler of the rules makes, part by part: each writes its lines and its piece of the
 * root. */
#ifndef WEIR_RULES_TABLES_H
#define WEIR_RULES_TABLES_H

#include "features/rules/rules_rows.h"

struct rules_build {
	struct weir_compile *compile;
	const struct rules_plan *plan;
	struct rules_bits bits;
	struct rules_lines lines;
	struct rules_root *root;
	uint32_t checked; /* bit for each wide dimension whose values were put together */
	__u64 base[RULES_DIMENSIONS][RULES_WORDS_MAX]; /* rules that do not ask */
};

/* Notes which rules ask for a dimension: the others are its base. */
void rules_build_ask(struct rules_build *build, enum rules_dimension dimension,
		     bool (*asks)(const struct rules_rule *rule, const void *arg), const void *arg);
/* 16-bit row numbers by value. */
int rules_build_table(struct rules_build *build, enum rules_dimension dimension,
		      const uint16_t *rows_by_value, uint32_t values,
		      const struct rules_rows *rows);

/* rules_classes.c: addresses. rules_wide.c, rules_mixes.c: numbers. rules_ifaces.c */
int rules_build_addresses(struct rules_build *build, enum rules_dimension dimension);
int rules_build_wide(struct rules_build *build, enum rules_dimension dimension);
int rules_build_mixes(struct rules_build *build);
int rules_build_ifaces(struct rules_build *build);
int rules_build_records(struct rules_build *build);
/* The whole: weir_feature.classes. */
int rules_classes(struct weir_compile *compile);
/* weir_feature.interface */
void rules_interface(const struct weir_iface_patch *patch);

#endif
