/* SPDX-License-Identifier: Apache-2.0 */
/* Rates between two looks, the order of rows, and which of them is selected. */
#include "cli/top/model.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define SECOND 1000000000ull
#define HOSTS 1 /* the tab */

#define HOST(NAME, SENT, RECEIVED)                                                 \
	"{\"name\": \"" NAME "\", \"flows\": 1, \"packets\": 1, \"bytes\": " #SENT \
	", \"sent_bytes\": " #SENT ", \"received_bytes\": " #RECEIVED "}"
#define ROWS(GROUPS, ROWS) "{\"groups\": " GROUPS ", \"rows\": [" ROWS "]}"
#define STATUS(IN, ENDED)                                                                         \
	"{\"revision\": 1, \"interfaces\": [{\"name\": \"a\", \"device\": {\"rx_bytes\": " #IN    \
	", \"rx_packets\": 5, \"tx_bytes\": 0, \"tx_packets\": 0},"                               \
	" \"ingress_counts\": {\"drop_packets\": 3}, \"egress_counts\": {\"drop_packets\": 4}}]," \
	" \"conntrack\": {\"account\": {\"ended_packets\": " #ENDED "}}}"

static struct weir_json *read_json(const char *text)
{
	struct weir_json *json = NULL;

	if (text)
		assert_int_equal(weir_json_parse(text, strlen(text), NULL, NULL, &json), 0);
	return json;
}

static void seen(struct top_model *model, uint64_t at_ns, const char *status, const char *answer)
{
	struct top_look *look = top_model_ask(model);

	assert_non_null(look);
	look->at_ns = at_ns;
	look->status = read_json(status);
	look->answer = read_json(answer);
	top_model_take(model, look);
}

static void failed(struct top_model *model, enum top_fate fate, uint64_t at_ns, const char *problem)
{
	struct top_look *look = top_model_ask(model);

	look->fate = fate;
	look->at_ns = at_ns;
	look->problem = strdup(problem);
	top_model_take(model, look);
}

static int model_open(void **state)
{
	struct top_model *model = calloc(1, sizeof(*model));

	model->tab = HOSTS;
	*state = model;
	return 0;
}

static int model_close(void **state)
{
	top_model_done(*state);
	free(*state);
	return 0;
}

static const struct top_row *row_named(const struct top_model *model, const char *name)
{
	for (size_t i = 0; i < model->rows.count; i++)
		if (strcmp(weir_json_str(weir_json_get(model->rows.at[i].json, "name"), ""),
			   name) == 0)
			return &model->rows.at[i];
	fail_msg("there is no %s", name);
	return NULL;
}

static void text_is(const struct top_model *model, const char *name, const char *title,
		    const char *wanted)
{
	const struct top_column *column = top_model_way(model)->columns;
	_cleanup_buf_ struct weir_buf text = { 0 };

	while (strcmp(column->title, title) != 0)
		column++;
	top_row_text(row_named(model, name), column, &text);
	assert_string_equal(weir_buf_str(&text), wanted);
}

static void rates_take_two_looks(void **state)
{
	struct top_model *model = *state;

	seen(model, 5 * SECOND, STATUS(1000, 0), ROWS("1", HOST("10.0.0.1", 1000, 0)));
	text_is(model, "10.0.0.1", "rate/s", "-");
	assert_true(isnan(model->pace.in_bytes));
	seen(model, 7 * SECOND, STATUS(5096, 0), ROWS("1", HOST("10.0.0.1", 3048, 2048)));
	text_is(model, "10.0.0.1", "rate/s", "2KiB");
	text_is(model, "10.0.0.1", "sent/s", "1KiB");
	text_is(model, "10.0.0.1", "recv/s", "1KiB");
	assert_true(model->pace.in_bytes == 2048);
	assert_true(model->pace.dropped == 0);
	assert_true(model->totals.dropped == 7);
}

static void a_row_that_is_new_began_with_nothing(void **state)
{
	struct top_model *model = *state;

	seen(model, 1 * SECOND, STATUS(0, 0), ROWS("1", HOST("10.0.0.1", 1, 0)));
	seen(model, 2 * SECOND, STATUS(0, 0),
	     ROWS("2", HOST("10.0.0.1", 1, 0) "," HOST("10.0.0.2", 1024, 0)));
	text_is(model, "10.0.0.2", "rate/s", "1KiB");
}

/* Of the rest of them nothing was told: it may have been there for long. */
static void a_row_that_was_not_among_the_largest_has_no_rate_yet(void **state)
{
	struct top_model *model = *state;

	seen(model, 1 * SECOND, STATUS(0, 0), ROWS("2", HOST("10.0.0.1", 1, 0)));
	seen(model, 2 * SECOND, STATUS(0, 0), ROWS("2", HOST("10.0.0.2", 1024, 0)));
	text_is(model, "10.0.0.2", "rate/s", "-");
}

static void a_rate_that_lacks_what_ended_says_so(void **state)
{
	struct top_model *model = *state;

	seen(model, 1 * SECOND, STATUS(0, 7), ROWS("1", HOST("10.0.0.1", 1000, 0)));
	seen(model, 2 * SECOND, STATUS(0, 9), ROWS("1", HOST("10.0.0.1", 2024, 0)));
	text_is(model, "10.0.0.1", "rate/s", "~1KiB");
	seen(model, 3 * SECOND, STATUS(0, 9), ROWS("1", HOST("10.0.0.1", 3048, 0)));
	text_is(model, "10.0.0.1", "rate/s", "1KiB");
	seen(model, 4 * SECOND, STATUS(0, 9), ROWS("1", HOST("10.0.0.1", 48, 0)));
	text_is(model, "10.0.0.1", "rate/s", "~0B");
}

static void a_counter_that_began_anew_counts_from_nothing(void **state)
{
	struct top_model *model = *state;

	model->tab = 4;
	seen(model, 1 * SECOND, STATUS(5000, 0), NULL);
	seen(model, 2 * SECOND, STATUS(1024, 0), NULL);
	text_is(model, "a", "in/s", "~1KiB");
	assert_true(isnan(model->pace.in_bytes));
}

static void another_filter_is_another_list(void **state)
{
	struct top_model *model = *state;

	seen(model, 1 * SECOND, STATUS(0, 0), ROWS("1", HOST("10.0.0.1", 1000, 0)));
	assert_int_equal(top_model_filter_set(model, "port=22"), 0);
	seen(model, 2 * SECOND, STATUS(0, 0), ROWS("1", HOST("10.0.0.1", 5000, 0)));
	text_is(model, "10.0.0.1", "rate/s", "-");
}

static void names_are(const struct top_model *model, const char *one, const char *two,
		      const char *three)
{
	const char *wanted[] = { one, two, three };

	assert_int_equal(model->rows.count, 3);
	for (size_t i = 0; i < 3; i++)
		assert_string_equal(weir_json_str(weir_json_get(model->rows.at[i].json, "name"),
						  ""),
				    wanted[i]);
}

static void rows_are_sorted_by_any_column_and_back(void **state)
{
	struct top_model *model = *state;

	seen(model, 1 * SECOND, STATUS(0, 0),
	     ROWS("3",
		  HOST("10.0.0.10", 3, 0) "," HOST("10.0.0.9", 9, 0) "," HOST("10.0.0.2", 5, 0)));
	names_are(model, "10.0.0.9", "10.0.0.2", "10.0.0.10"); /* no rates yet: by bytes */
	top_model_sort_column(model, 0);
	names_are(model, "10.0.0.2", "10.0.0.9", "10.0.0.10");
	top_model_sort_reverse(model);
	names_are(model, "10.0.0.10", "10.0.0.9", "10.0.0.2");
	seen(model, 2 * SECOND, STATUS(0, 0),
	     ROWS("3",
		  HOST("10.0.0.10", 3, 0) "," HOST("10.0.0.9", 9, 0) "," HOST("10.0.0.2", 6, 0)));
	top_model_sort_step(model, 1);
	top_model_sort_step(model, 1);
	names_are(model, "10.0.0.2", "10.0.0.9", "10.0.0.10");
	for (size_t i = 0; i < top_columns_count(top_model_way(model)); i++) {
		top_model_sort_step(model, -1);
		assert_true(top_column_sorts(
			&top_model_way(model)->columns[top_model_sorting(model)->column]));
	}
}

static void selection_follows_its_row(void **state)
{
	struct top_model *model = *state;

	seen(model, 1 * SECOND, STATUS(0, 0),
	     ROWS("2", HOST("10.0.0.1", 9, 0) "," HOST("10.0.0.2", 5, 0)));
	top_model_move(model, 1);
	assert_int_equal(top_model_selected(model), 1);
	seen(model, 2 * SECOND, STATUS(0, 0),
	     ROWS("2", HOST("10.0.0.1", 9, 0) "," HOST("10.0.0.2", 5000, 0)));
	assert_int_equal(top_model_selected(model), 0);
	assert_ptr_equal(top_model_row(model), row_named(model, "10.0.0.2"));
	top_model_move(model, 100);
	assert_int_equal(top_model_selected(model), 1);
	top_model_move(model, -100);
	assert_int_equal(top_model_selected(model), 0);
}

static void selection_stays_in_its_place_when_its_row_is_gone(void **state)
{
	struct top_model *model = *state;

	seen(model, 1 * SECOND, STATUS(0, 0),
	     ROWS("3",
		  HOST("10.0.0.1", 9, 0) "," HOST("10.0.0.2", 5, 0) "," HOST("10.0.0.3", 3, 0)));
	top_model_move(model, 1);
	seen(model, 2 * SECOND, STATUS(0, 0),
	     ROWS("2", HOST("10.0.0.1", 9, 0) "," HOST("10.0.0.3", 3, 0)));
	assert_ptr_equal(top_model_row(model), row_named(model, "10.0.0.3"));
}

static void scrolling_keeps_the_selection_in_sight(void **state)
{
	struct top_model *model = *state;

	seen(model, 1 * SECOND, STATUS(0, 0),
	     ROWS("3",
		  HOST("10.0.0.1", 9, 0) "," HOST("10.0.0.2", 5, 0) "," HOST("10.0.0.3", 3, 0)));
	top_model_move(model, 2);
	top_model_scroll(model, 2);
	assert_int_equal(model->first, 1);
	top_model_move(model, -2);
	top_model_scroll(model, 2);
	assert_int_equal(model->first, 0);
	model->first = 2;
	top_model_move(model, 2);
	top_model_scroll(model, 5);
	assert_int_equal(model->first, 0);
}

static void a_daemon_that_is_gone_leaves_what_was_seen(void **state)
{
	struct top_model *model = *state;

	seen(model, 1 * SECOND, STATUS(0, 0), ROWS("1", HOST("10.0.0.1", 9, 0)));
	failed(model, TOP_GONE, 2 * SECOND, "nobody listens");
	assert_true(model->is_gone);
	assert_int_equal(model->rows.count, 1);
	seen(model, 4 * SECOND, STATUS(0, 0), ROWS("1", HOST("10.0.0.1", 3081, 0)));
	assert_false(model->is_gone);
	text_is(model, "10.0.0.1", "rate/s", "1KiB"); /* 3072 in three seconds */
}

static void what_is_refused_has_no_rows(void **state)
{
	struct top_model *model = *state;

	seen(model, 1 * SECOND, STATUS(0, 0), ROWS("1", HOST("10.0.0.1", 9, 0)));
	failed(model, TOP_REFUSED, 2 * SECOND, "not counted");
	assert_int_equal(model->rows.count, 0);
	assert_string_equal(model->problem, "not counted");
	assert_false(model->is_gone);
}

static void an_answer_for_another_tab_is_dropped(void **state)
{
	struct top_model *model = *state;
	struct top_look *late = top_model_ask(model);

	late->status = read_json(STATUS(0, 0));
	late->answer = read_json(ROWS("1", HOST("10.0.0.1", 9, 0)));
	top_model_tab(model, 0);
	top_model_take(model, late);
	assert_int_equal(model->rows.count, 0);
	assert_null(model->look);
}

#define CASE(NAME) cmocka_unit_test_setup_teardown(NAME, model_open, model_close)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(rates_take_two_looks),
		CASE(a_row_that_is_new_began_with_nothing),
		CASE(a_row_that_was_not_among_the_largest_has_no_rate_yet),
		CASE(a_rate_that_lacks_what_ended_says_so),
		CASE(a_counter_that_began_anew_counts_from_nothing),
		CASE(another_filter_is_another_list),
		CASE(rows_are_sorted_by_any_column_and_back),
		CASE(selection_follows_its_row),
		CASE(selection_stays_in_its_place_when_its_row_is_gone),
		CASE(scrolling_keeps_the_selection_in_sight),
		CASE(a_daemon_that_is_gone_leaves_what_was_seen),
		CASE(what_is_refused_has_no_rows),
		CASE(an_answer_for_another_tab_is_dropped),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
