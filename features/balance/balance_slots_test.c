/* SPDX-License-Identifier: Apache-2.0 */
/* Where slots lie: at their place while they are what they were, once for all who have the same. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "features/balance/balance_slots.h"

#define SERVICES 40
#define LINES_EACH 2049u /* 65,537 slots, 32 a line */

/* Services with two backends each; those of service i are named by letters[i]. */
struct services {
	struct balance_spread at[SERVICES];
	struct balance_maglev_backend shares[SERVICES][2];
	struct balance_spreads spreads;
};

static void services_make(struct services *services, const char *letters)
{
	unsigned count = (unsigned)strlen(letters);

	memset(services, 0, sizeof(*services));
	for (unsigned i = 0; i < count; i++) {
		for (unsigned j = 0; j < 2; j++)
			services->shares[i][j] =
				(struct balance_maglev_backend){ &letters[i], 1, 1,
								 (uint16_t)(1 + j) };
		services->at[i] = (struct balance_spread){ .shares = services->shares[i],
							   .count = 2,
							   .slots = BALANCE_SLOTS };
	}
	services->spreads = (struct balance_spreads){ services->at, count, 0 };
}

static void place(struct services *services, const char *letters, uint32_t behind,
		  const struct balance_plan *before, struct balance_plan *plan)
{
	*plan = (struct balance_plan){ 0 };
	services_make(services, letters);
	assert_int_equal(balance_slots_place(&services->spreads, behind, before, plan), 0);
}

static void who_stays_as_he_is_stays_where_he_is(void **state)
{
	static struct services first, second;
	struct balance_plan before, plan;

	place(&first, "abcd", 100, NULL, &before);
	place(&second, "aXd", 100, &before, &plan);
	assert_int_equal(second.at[0].line, first.at[0].line);
	assert_int_equal(second.at[2].line, first.at[3].line);
	assert_true(second.at[1].line == first.at[1].line ||
		    second.at[1].line == first.at[2].line); /* of those who went */
	balance_plan_done(&before);
	balance_plan_done(&plan);
	(void)state;
}

static void same_backends_and_weights_share_their_slots(void **state)
{
	static struct services services;
	struct balance_plan plan;

	place(&services, "aab", 100, NULL, &plan);
	assert_int_equal(services.at[0].line, services.at[1].line);
	assert_int_not_equal(services.at[0].line, services.at[2].line);
	assert_int_equal(plan.places.count, 2);
	services.shares[1][0].weight = 2;
	balance_plan_done(&plan);
	assert_int_equal(balance_slots_place(&services.spreads, 100, NULL, &plan), 0);
	assert_int_not_equal(services.at[0].line, services.at[1].line);
	balance_plan_done(&plan);
	(void)state;
}

static void slots_begin_behind_all_else_and_stay_there_while_that_grows_a_little(void **state)
{
	static struct services services;
	struct balance_plan before, plan;

	place(&services, "ab", 100, NULL, &before);
	assert_true(before.slots_base >= 100 && before.slots_base <= 200);
	assert_int_equal(services.at[0].line % LINES_EACH, services.at[1].line % LINES_EACH);
	place(&services, "ab", before.slots_base, &before, &plan);
	assert_int_equal(plan.slots_base, before.slots_base);
	balance_plan_done(&plan);
	place(&services, "ab", before.slots_base / 2 - 1, &before, &plan);
	assert_int_equal(plan.slots_base, before.slots_base);
	balance_plan_done(&plan);
	place(&services, "ab", before.slots_base + 1, &before, &plan);
	assert_true(plan.slots_base > before.slots_base);
	balance_plan_done(&plan);
	place(&services, "ab", before.slots_base / 8, &before, &plan);
	assert_true(plan.slots_base < before.slots_base);
	balance_plan_done(&plan);
	balance_plan_done(&before);
	(void)state;
}

/* Each round has 40 services none of which was there before. */
static void holes_do_not_grow_without_end(void **state)
{
	static struct services services;
	struct balance_plan before = { 0 }, plan;
	char letters[SERVICES + 1] = "";

	for (unsigned round = 0; round < 6; round++) {
		for (unsigned i = 0; i < SERVICES; i++)
			letters[i] = (char)(1 + i + SERVICES * round);
		place(&services, letters, 100, &before, &plan);
		assert_true(balance_rows_end(&plan.places) <= 3 * SERVICES + 65);
		balance_plan_done(&before);
		before = plan;
	}
	balance_plan_done(&before);
	(void)state;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(who_stays_as_he_is_stays_where_he_is),
		cmocka_unit_test(same_backends_and_weights_share_their_slots),
		cmocka_unit_test(
			slots_begin_behind_all_else_and_stay_there_while_that_grows_a_little),
		cmocka_unit_test(holes_do_not_grow_without_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
