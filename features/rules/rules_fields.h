/* SPDX-License-Identifier: Apache-2.0 */
/* One small field: which of its values the same rules meet. */
#ifndef WEIR_RULES_FIELDS_H
#define WEIR_RULES_FIELDS_H

#include "features/rules/rules_tables.h"

struct rules_classified {
	uint32_t values;		 /* the field has, "absent" included */
	uint32_t classes;		 /* 0: no rule asks for the field */
	uint8_t *class_of;		 /* by value */
	__u64 (*words)[RULES_WORDS_MAX]; /* rules that a class meets, those that do not ask too */
};

/* -E2BIG past RULES_CLASSES_MAX classes, with a message. */
int rules_field_classify(const struct rules_build *build, enum rules_field field,
			 struct rules_classified *ret_classified);
void rules_classified_done(struct rules_classified *classified);

#endif
