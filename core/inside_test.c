/* SPDX-License-Identifier: Apache-2.0 */
/* Operations run from inside: what cannot be is told, once. What can, tests/e2e/limit_auto_test.py
 * has run. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "core/feature.h"
#include "core/inside.h"

static int never_run(struct weir_engine *engine, struct weir_call *call)
{
	(void)engine, (void)call;
	fail_msg("its arguments are wrong, and it ran");
	return 0;
}

static const struct weir_arg args[] = {
	{ "count", WEIR_ARG_UINT, WEIR_ARG_REQUIRED, "N", "how many", NULL, NULL },
	{ 0 },
};

static const struct weir_op for_operators = {
	.name = "fake.write",
	.summary = "Do it",
	.kind = WEIR_OP_WRITE,
	.role = WEIR_ROLE_OPERATOR,
	.args = args,
	.run = never_run,
};

static const struct weir_op for_admins = {
	.name = "fake.admin",
	.summary = "Do more",
	.kind = WEIR_OP_WRITE,
	.role = WEIR_ROLE_ADMIN,
	.run = never_run,
};

static const struct weir_op *const ops[] = { &for_operators, &for_admins, NULL };
static const struct weir_feature fake = { .name = "fake", .ops = ops };
const struct weir_feature *const weir_features[] = { &fake, NULL };

struct told {
	int times, result;
	char key[16];
};

static void note(void *arg, int result, const struct weir_json *reply, const struct weir_diag *diag)
{
	struct told *told = arg;

	told->times++;
	told->result = result;
	assert_null(reply);
	if (diag->count && diag->entries[0].key)
		snprintf(told->key, sizeof(told->key), "%s", diag->entries[0].key);
}

static int ask(const char *op, const char *text, struct told *told)
{
	*told = (struct told){ 0 };
	return weir_inside_run(NULL, op, text, "test", note, told);
}

static void what_is_not_there_is_not_run(void **state)
{
	struct told told;

	assert_int_equal(ask("fake.none", "{}", &told), -ENOENT);
	assert_int_equal(ask("fake.write", "{\"count\":", &told), -EINVAL);
	assert_int_equal(told.times, 0);
	(void)state;
}

static void wrong_arguments_are_told_of_once(void **state)
{
	struct told told;

	assert_int_equal(ask("fake.write", "{\"count\":\"many\"}", &told), 0);
	assert_int_equal(told.times, 1);
	assert_int_equal(told.result, -EINVAL);
	assert_string_equal(told.key, "count");
	assert_int_equal(ask("fake.write", "{}", &told), 0);
	assert_int_equal(told.result, -EINVAL);
	(void)state;
}

static void what_only_admins_may_is_refused(void **state)
{
	struct told told;

	assert_int_equal(ask("fake.admin", "{}", &told), 0);
	assert_int_equal(told.times, 1);
	assert_int_equal(told.result, -EACCES);
	(void)state;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_not_there_is_not_run),
		cmocka_unit_test(wrong_arguments_are_told_of_once),
		cmocka_unit_test(what_only_admins_may_is_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
