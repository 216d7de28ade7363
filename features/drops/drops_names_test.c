/* SPDX-License-Identifier: Apache-2.0 */
/* Names follow devices while they are there, and stay when they go. */
#include <net/if.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const char *called[10]; /* devices by number; NULL: there is none */

static char *name_of(unsigned ifindex, char *text)
{
	return ifindex < 10 && called[ifindex] ?
		       memcpy(text, called[ifindex], strlen(called[ifindex]) + 1) :
		       NULL;
}

#define if_indextoname name_of
#include "features/drops/drops_names.c"

struct fixture {
	struct drops_names names;
	struct drops_view view;
};

static int fixture_make(void **state)
{
	*state = calloc(1, sizeof(struct fixture));
	memset(called, 0, sizeof(called));
	return *state ? 0 : -1;
}

static int fixture_free(void **state)
{
	free(*state);
	return 0;
}

/* `device`: as the kernel had it when the row began, at `first_s`; "": it had none. */
static size_t row_add(struct fixture *f, uint32_t ifindex, const char *device, uint64_t first_s)
{
	struct drops_seen_row *row = &f->view.rows[f->view.row_count];

	row->key.ifindex = ifindex;
	row->row.first_ns = first_s;
	row->more.packets = 1;
	memcpy(row->row.device, device, strlen(device));
	return f->view.row_count++;
}

static void looked(struct fixture *f, uint64_t at_s)
{
	f->view.read_ns = at_s;
	drops_names_follow(&f->names, &f->view);
	for (size_t i = 0; i < f->view.row_count; i++)
		f->view.rows[i].more.packets = 0;
}

static void name_is(struct fixture *f, size_t row, const char *name)
{
	char text[DROPS_DEVICE_BYTES];

	assert_string_equal(drops_device_name(&f->names, &f->view.rows[row], text), name);
}

static void a_name_follows_its_device_for_each_row(void **state)
{
	struct fixture *f = *state;
	size_t one = row_add(f, 7, "old", 1), other = row_add(f, 7, "", 2),
	       none = row_add(f, 0, "", 3);

	called[7] = "old";
	looked(f, 4);
	name_is(f, one, "old");
	name_is(f, other, "old");
	name_is(f, none, "");
	called[7] = "new";
	looked(f, 5);
	name_is(f, one, "new");
	name_is(f, other, "new");
}

static void a_device_that_is_gone_keeps_its_last_name(void **state)
{
	struct fixture *f = *state;
	size_t one = row_add(f, 7, "first", 1), other = row_add(f, 7, "", 2);

	called[7] = "last";
	looked(f, 3);
	called[7] = NULL;
	for (uint64_t at_s = 4; at_s < 7; at_s++) {
		looked(f, at_s);
		name_is(f, one, "last");
		name_is(f, other, "last");
	}
	called[7] = "another"; /* nothing more is lost there: nobody asks */
	looked(f, 8);
	name_is(f, one, "last");
	f->view.rows[one].more.packets = 1;
	looked(f, 9);
	name_is(f, one, "another");
}

static void one_that_was_gone_before_anybody_asked_is_called_as_the_rows_have_it(void **state)
{
	struct fixture *f = *state;
	size_t late = row_add(f, 7, "second", 2), early = row_add(f, 7, "first", 1),
	       unnamed = row_add(f, 7, "", 3), nobody = row_add(f, 8, "", 1);

	looked(f, 4);
	name_is(f, late, "second");
	name_is(f, early, "second");
	name_is(f, unnamed, "second");
	name_is(f, nobody, "#8");
}

static void each_of_many_numbers_has_its_name(void **state)
{
	struct fixture *f = *state;

	for (uint32_t i = 0; i < DROPS_ROWS_MAX; i++)
		row_add(f, 100 + 2048 * (i % 512) + i, i % 2 ? "odd" : "even", 1);
	looked(f, 2);
	for (uint32_t i = 0; i < DROPS_ROWS_MAX; i++)
		name_is(f, i, i % 2 ? "odd" : "even");
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, fixture_make, fixture_free)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(a_name_follows_its_device_for_each_row),
		CASE(a_device_that_is_gone_keeps_its_last_name),
		CASE(one_that_was_gone_before_anybody_asked_is_called_as_the_rows_have_it),
		CASE(each_of_many_numbers_has_its_name),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
