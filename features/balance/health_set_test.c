/* SPDX-License-Identifier: Apache-2.0 */
/* What it does to the shares of a service of three, of which the last is drained, that some are
 * down. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "features/balance/health_set.h"

#define BACKENDS 3

struct bench {
	struct balance_text text;
	struct balance_end service, backends[BACKENDS];
	struct health_set *set;
	struct balance_maglev_backend shares[BACKENDS];
};

static struct balance_end end_of(uint32_t number)
{
	struct balance_end end = { .port = 80, .proto = 6 };

	end.addr.be32[3] = number;
	return end;
}

static int setup(void **state)
{
	static struct bench bench;

	bench = (struct bench){
		.text = { .backend_count = BACKENDS, .health.type = HEALTH_TCP },
		.service = end_of(100),
		.set = calloc(1, sizeof(struct health_set) + BACKENDS * sizeof(struct health_key)),
		.shares = { { .weight = 5 }, { .weight = 7 }, { .weight = 0 } },
	};
	assert_non_null(bench.set);
	for (uint32_t i = 0; i < BACKENDS; i++)
		bench.backends[i] = end_of(i + 1);
	*state = &bench;
	return 0;
}

static int teardown(void **state)
{
	free(((struct bench *)*state)->set);
	return 0;
}

static void down(struct bench *bench, unsigned index)
{
	bench->set->keys[bench->set->count++] =
		(struct health_key){ bench->service, bench->backends[index] };
}

static void apply(struct bench *bench)
{
	health_set_apply(bench->set, &bench->text, &bench->service, bench->backends, bench->shares);
}

static void assert_weights(const struct bench *bench, uint32_t first, uint32_t second)
{
	assert_int_equal(bench->shares[0].weight, first);
	assert_int_equal(bench->shares[1].weight, second);
	assert_int_equal(bench->shares[2].weight, 0);
}

/* A letter for each: x leaves. */
static void assert_leaves(const struct bench *bench, const char *wanted)
{
	for (unsigned i = 0; i < BACKENDS; i++)
		assert_int_equal(health_set_leaves(bench->set, &bench->text, &bench->service,
						   &bench->backends[i], &bench->shares[i]),
				 wanted[i] == 'x');
}

static void set_takes_the_weight_of_who_is_down(void **state)
{
	struct bench *bench = *state;

	down(bench, 1);
	apply(bench);
	assert_weights(bench, 5, 0);
}

static void set_says_nothing_of_the_same_backend_in_another_service(void **state)
{
	struct bench *bench = *state;

	bench->set->keys[bench->set->count++] =
		(struct health_key){ end_of(101), bench->backends[0] };
	apply(bench);
	assert_weights(bench, 5, 7);
}

static void set_all_down_is_nobody_where_refused(void **state)
{
	struct bench *bench = *state;

	down(bench, 0);
	down(bench, 1);
	apply(bench);
	assert_weights(bench, 0, 0);
}

/* The drained one is not asked: it would get nothing anyway. */
static void set_all_down_is_everybody_where_kept(void **state)
{
	struct bench *bench = *state;

	bench->text.on_all_down = HEALTH_KEEP_ALL;
	down(bench, 0);
	apply(bench);
	assert_weights(bench, 0, 7);
	bench->shares[0].weight = 5;
	down(bench, 1);
	apply(bench);
	assert_weights(bench, 5, 7);
}

static void set_is_nothing_to_a_service_without_checks(void **state)
{
	struct bench *bench = *state;

	bench->text.health.type = HEALTH_NONE;
	down(bench, 0);
	apply(bench);
	assert_weights(bench, 5, 7);
	health_set_apply(NULL, &bench->text, &bench->service, bench->backends, bench->shares);
	assert_leaves(bench, "---");
}

/* The drained one is down too, and that it has no weight anyway hides nothing. */
static void set_has_what_asks_anew_leave_who_is_down(void **state)
{
	struct bench *bench = *state;

	apply(bench);
	assert_leaves(bench, "---");
	down(bench, 1);
	down(bench, 2);
	apply(bench);
	assert_leaves(bench, "-xx");
}

static void set_has_nobody_leave_who_is_kept(void **state)
{
	struct bench *bench = *state;

	bench->text.on_all_down = HEALTH_KEEP_ALL;
	for (unsigned i = 0; i < BACKENDS; i++)
		down(bench, i);
	apply(bench);
	assert_leaves(bench, "--x");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(set_takes_the_weight_of_who_is_down, setup,
						teardown),
		cmocka_unit_test_setup_teardown(
			set_says_nothing_of_the_same_backend_in_another_service, setup, teardown),
		cmocka_unit_test_setup_teardown(set_all_down_is_nobody_where_refused, setup,
						teardown),
		cmocka_unit_test_setup_teardown(set_all_down_is_everybody_where_kept, setup,
						teardown),
		cmocka_unit_test_setup_teardown(set_is_nothing_to_a_service_without_checks, setup,
						teardown),
		cmocka_unit_test_setup_teardown(set_has_what_asks_anew_leave_who_is_down, setup,
						teardown),
		cmocka_unit_test_setup_teardown(set_has_nobody_leave_who_is_kept, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
