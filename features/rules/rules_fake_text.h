/* SPDX-License-Identifier: Apache-2.0 */
/* For the tests of fields: a text in, the ranges it means out, as text too. */
#ifndef WEIR_RULES_FAKE_TEXT_H
#define WEIR_RULES_FAKE_TEXT_H

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "features/rules/rules_items.h"

#define BOTH (RULES_V4 | RULES_V6)

/* One field, and what it must mean ("1-3 7") or why it must be refused. */
struct field_row {
	const char *text;
	const char *expected;
};

static inline void field_assert_means(unsigned key, unsigned families, const char *text,
				      const char *expected)
{
	_cleanup_values_ struct rules_values values = { 0 };
	_cleanup_diag_ struct weir_diag diag = { 0 };
	_cleanup_buf_ struct weir_buf means = { 0 };
	int r = rules_values_read(&rules_kinds[key], text, "k", families, &diag, &values);
	if (r < 0)
		fail_msg("%s: %s", text, diag.count ? diag.entries[0].what : "?");
	for (uint32_t i = 0; i < values.count; i++) {
		weir_buf_addf(&means, "%s%u", i ? " " : "", values.at[i].from);
		if (values.at[i].to != values.at[i].from)
			weir_buf_addf(&means, "-%u", values.at[i].to);
	}
	assert_string_equal(weir_buf_str(&means), expected);
}

/* The message says `why`; key and cure are there; nothing is given back. */
static inline void field_assert_refused(unsigned key, unsigned families, const char *text,
					const char *why)
{
	struct rules_values values = { 0 };
	_cleanup_diag_ struct weir_diag diag = { 0 };
	int r = rules_values_read(&rules_kinds[key], text, "k", families, &diag, &values);
	if (r != -EINVAL)
		fail_msg("'%s' is taken", text);
	assert_int_equal(diag.errors, 1);
	assert_string_equal(diag.entries[0].key, "k");
	assert_string_equal(diag.entries[0].mend, rules_kinds[key].mend);
	if (!strstr(diag.entries[0].what, why))
		fail_msg("'%s': said '%s', not '%s'", text, diag.entries[0].what, why);
	assert_int_equal(values.count, 0);
}

#define FIELD_ASSERT_ALL_MEAN(key, rows)                      \
	for (size_t i_ = 0; i_ < WEIR_ARRAY_SIZE(rows); i_++) \
	field_assert_means(key, BOTH, rows[i_].text, rows[i_].expected)

#define FIELD_ASSERT_ALL_REFUSED(key, rows)                   \
	for (size_t i_ = 0; i_ < WEIR_ARRAY_SIZE(rows); i_++) \
	field_assert_refused(key, BOTH, rows[i_].text, rows[i_].expected)

#endif
