/* SPDX-License-Identifier: Apache-2.0 */
/* What reasons are called, one fact a test. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "features/drops/drops_reasons.h"

static void fill(struct drops_reasons *reasons)
{
	assert_int_equal(drops_reasons_add(reasons, "SKB_NOT_DROPPED_YET", 0), 0);
	assert_int_equal(drops_reasons_add(reasons, "SKB_DROP_REASON_NO_SOCKET", 3), 0);
	assert_int_equal(drops_reasons_add(reasons, "SKB_DROP_REASON_MAX", 4), 0);
	assert_int_equal(drops_reasons_add(reasons, "OVS_DROP_LAST_ACTION", 2 << 16), 0);
}

static void reason_is_named_without_what_all_begin_with(void **state)
{
	struct drops_reasons reasons = { 0 };
	char text[DROPS_REASON_BYTES];

	(void)state;
	fill(&reasons);
	assert_string_equal(drops_reason_name(&reasons, 3, text), "NO_SOCKET");
	assert_string_equal(drops_reason_name(&reasons, 2 << 16, text), "OVS_DROP_LAST_ACTION");
	assert_int_equal(drops_reason_number(&reasons, "NOT_DROPPED_YET"), 0);
	drops_reasons_done(&reasons);
}

static void reason_without_a_name_is_told_by_its_number(void **state)
{
	struct drops_reasons reasons = { 0 };
	char text[DROPS_REASON_BYTES];

	(void)state;
	fill(&reasons);
	assert_string_equal(drops_reason_name(&reasons, 4, text), "reason 4");
	assert_string_equal(drops_reason_name(&reasons, (1 << 16) + 7, text),
			    "subsystem 1, reason 7");
	assert_int_equal(drops_reason_number(&reasons, "CONSUMED"), UINT32_MAX);
	drops_reasons_done(&reasons);
}

static void reasons_are_as_many_as_the_kernel_has(void **state)
{
	struct drops_reasons reasons = { 0 };
	char name[DROPS_REASON_BYTES], text[DROPS_REASON_BYTES];

	(void)state;
	for (uint32_t i = 0; i < 1000; i++) {
		snprintf(name, sizeof(name), "SKB_DROP_REASON_N%u", i);
		assert_int_equal(drops_reasons_add(&reasons, name, i), 0);
	}
	assert_string_equal(drops_reason_name(&reasons, 0, text), "N0");
	assert_string_equal(drops_reason_name(&reasons, 999, text), "N999");
	drops_reasons_done(&reasons);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reason_is_named_without_what_all_begin_with),
		cmocka_unit_test(reason_without_a_name_is_told_by_its_number),
		cmocka_unit_test(reasons_are_as_many_as_the_kernel_has),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
