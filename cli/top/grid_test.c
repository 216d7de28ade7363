/* SPDX-License-Identifier: Apache-2.0 */
/* No text leaves its cells. */
#include "cli/top/grid.h"

#include <locale.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define WIDTH 12

/* What a line shows, '.' for the right half of a wide character. */
static const wchar_t *line_of(const struct top_grid *grid, int y)
{
	static wchar_t line[WIDTH + 1];

	for (int x = 0; x < WIDTH; x++) {
		wchar_t c = grid->cells[y * WIDTH + x].c;

		line[x] = c ? c : L'.';
	}
	return line;
}

static void line_is(const struct top_grid *grid, int y, const wchar_t *wanted)
{
	assert_memory_equal(line_of(grid, y), wanted, WIDTH * sizeof(*wanted));
}

static int grid_open(void **state)
{
	static struct top_grid grid;

	grid.is_utf8 = true;
	*state = &grid;
	return top_grid_clear(&grid, WIDTH, 2);
}

static int grid_close(void **state)
{
	top_grid_done(*state);
	return 0;
}

static void text_that_is_longer_ends_with_an_ellipsis(void **state)
{
	assert_int_equal(top_grid_text(*state, 1, 0, 5, TOP_BAD, "abcdefg"), 5);
	line_is(*state, 0, L" abcd…      ");
	assert_int_equal(top_grid_text(*state, 1, 1, 5, TOP_BAD, "abcde"), 5);
	line_is(*state, 1, L" abcde      ");
}

static void text_outside_is_nowhere(void **state)
{
	assert_int_equal(top_grid_text(*state, 10, 0, 50, TOP_PLAIN, "abc"), 2);
	line_is(*state, 0, L"          a…");
	assert_int_equal(top_grid_text(*state, 0, 2, 5, TOP_PLAIN, "x"), 0);
	assert_int_equal(top_grid_text(*state, -1, 0, 5, TOP_PLAIN, "x"), 0);
	assert_int_equal(top_grid_text(*state, WIDTH, 0, 5, TOP_PLAIN, "x"), 0);
	assert_int_equal(top_grid_text(*state, 0, 1, 0, TOP_PLAIN, "x"), 0);
	line_is(*state, 1, L"            ");
}

static void wide_characters_take_two_cells_or_none(void **state)
{
	assert_int_equal(top_grid_text(*state, 0, 0, 5, TOP_PLAIN, "流量x"), 5);
	line_is(*state, 0, L"流.量.x       ");
	assert_int_equal(top_grid_text(*state, 0, 1, 4, TOP_PLAIN, "流量x"), 3);
	line_is(*state, 1, L"流.…         ");
	top_grid_text(*state, 1, 0, 1, TOP_PLAIN, "y");
	line_is(*state, 0, L" y量.x       ");
	top_grid_text(*state, 2, 0, 1, TOP_PLAIN, "z");
	line_is(*state, 0, L" yz x       ");
}

static void control_characters_steer_nothing(void **state)
{
	assert_int_equal(top_grid_text(*state, 0, 0, 12, TOP_PLAIN, "a\033[2Jb"), 9);
	line_is(*state, 0, L"a\\x1b[2Jb   ");
	top_grid_text(*state, 0, 1, 12, TOP_PLAIN, "a\nb\302\233c\342\200\256d\314\201");
	line_is(*state, 1, L"a\\x0ab?cd   ");
}

static void bytes_that_are_no_text_are_shown_as_such(void **state)
{
	top_grid_text(*state, 0, 0, 12, TOP_PLAIN,
		      "a\xff\xc3"
		      "b\xe6\xb5");
	assert_int_equal(line_of(*state, 0)[0], L'a');
	assert_int_equal(top_grid_columns(*state, "\xe6"), 1);
}

static void without_utf8_all_is_ascii(void **state)
{
	struct top_grid *grid = *state;

	grid->is_utf8 = false;
	top_grid_text(grid, 0, 0, 12, TOP_PLAIN, "é流x");
	line_is(grid, 0, L"??x         ");
	top_grid_text(grid, 0, 1, 3, TOP_PLAIN, "abcd");
	line_is(grid, 1, L"ab~         ");
}

static void right_is_right(void **state)
{
	top_grid_right(*state, 2, 0, 6, TOP_PLAIN, "12流");
	line_is(*state, 0, L"    12流.    ");
	top_grid_right(*state, 2, 1, 3, TOP_PLAIN, "12345");
	line_is(*state, 1, L"  12…       ");
}

#define CASE(NAME) cmocka_unit_test_setup_teardown(NAME, grid_open, grid_close)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(text_that_is_longer_ends_with_an_ellipsis),
		CASE(text_outside_is_nowhere),
		CASE(wide_characters_take_two_cells_or_none),
		CASE(control_characters_steer_nothing),
		CASE(bytes_that_are_no_text_are_shown_as_such),
		CASE(without_utf8_all_is_ascii),
		CASE(right_is_right),
	};

	if (!setlocale(LC_CTYPE, "C.UTF-8"))
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
