/* SPDX-License-Identifier: Apache-2.0 */
/* Rates between two looks, the order of rows, and which of them is selected. */
#include "cli/top/model.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define SECOND 1000000000ull
/* The tabs. */
#define FLOWS 0
#define HOSTS 1
#define PROCESSES 3
#define INTERFACES 4

#define HOST(NAME, SENT, RECEIVED)                                                 \
	"{\"name\": \"" NAME "\", \"flows\": 1, \"packets\": 1, \"bytes\": " #SENT \
	", \"sent_bytes\": " #SENT ", \"received_bytes\": " #RECEIVED "}"
#define MISSED(NAME, SENT, MISSED_AT_MOST)                                                         \
	"{\"name\": \"" NAME "\", \"flows\": 1, \"packets\": 1, \"bytes\": " #SENT                 \
	", \"sent_bytes\": " #SENT ", \"received_bytes\": 0, \"missed_at_most\": " #MISSED_AT_MOST \
	"}"
#define UNSTEADY(ROWS) "{\"groups\": 1, \"steady\": false, \"rows\": [" ROWS "]}"
#define TOTALS(MEANWHILE, SINCE, ROWS)                                                 \
	"{\"groups\": 1, \"steady\": true, \"ended\": {\"since\": \"2031-05-0" #SINCE  \
	"\"}, \"unknown\": {\"packets\": 0}, \"meanwhile\": {\"packets\": " #MEANWHILE \
	"}, \"rows\": [" ROWS "]}"
#define FLOW(BORN, BYTES)                                                                        \
	"{\"proto\": \"tcp\", \"src\": \"10.0.0.1\", \"sport\": 1, \"dst\": \"10.0.0.2\","       \
	" \"dport\": 2, \"born_ns\": " #BORN ", \"orig_bytes\": " #BYTES ", \"reply_bytes\": 0," \
	" \"packets\": 1}"
#define ALL_FLOWS(AS_OF, ROWS) \
	"{\"total\": 1, \"as_of_ns\": " #AS_OF ", \"steady\": true, \"flows\": [" ROWS "]}"
#define PROCESS(SENT)                                                                \
	"{\"matching\": 1, \"groups\": [{\"process\": \"cat\", \"own_sent\": " #SENT \
	", \"own_received\": 0}]}"
#define IFACE(INDEX, IN)                                           \
	"{\"interfaces\": [{\"name\": \"a\", \"ifindex\": " #INDEX \
	", \"device\": {\"rx_bytes\": " #IN                        \
	", \"rx_packets\": 5, \"tx_bytes\": 0, \"tx_packets\": 0}}]}"
#define GONE(NAME, INDEX) "{\"name\": \"" NAME "\", \"ifindex\": " #INDEX ", " COUNTS(0) "}"
#define DEVICE(NAME, INDEX, IN, DROPPED)                \
	"{\"name\": \"" NAME "\", \"ifindex\": " #INDEX \
	", " COUNTS(DROPPED) ", \"device\": {\"rx_bytes\": " #IN "}}"
#define COUNTS(DROPPED)                                    \
	"\"ingress_counts\": {\"drop_packets\": " #DROPPED \
	"}, \"egress_counts\": {\"drop_packets\": 4}"
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

static void row_text_is(const struct top_model *model, const struct top_row *row, const char *title,
			const char *wanted)
{
	const struct top_column *column = top_model_way(model)->columns;
	_cleanup_buf_ struct weir_buf text = { 0 };

	while (strcmp(column->title, title) != 0)
		column++;
	top_row_text(row, column, &text);
	assert_string_equal(weir_buf_str(&text), wanted);
}

static void text_is(const struct top_model *model, const char *name, const char *title,
		    const char *wanted)
{
	row_text_is(model, row_named(model, name), title, wanted);
}

/* Of the only row. */
static void flow_text_is(const struct top_model *model, const char *title, const char *wanted)
{
	assert_int_equal(model->rows.count, 1);
	row_text_is(model, &model->rows.at[0], title, wanted);
}

static void process_text_is(const struct top_model *model, const char *wanted)
{
	flow_text_is(model, "rate/s", wanted);
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
	text_is(model, "10.0.0.1", "rate/s", "-");
	seen(model, 5 * SECOND, STATUS(0, 9), ROWS("1", HOST("10.0.0.1", 1072, 0)));
	text_is(model, "10.0.0.1", "rate/s", "1KiB");
}

static void a_counter_that_began_anew_has_no_rate(void **state)
{
	struct top_model *model = *state;

	model->tab = INTERFACES;
	seen(model, 1 * SECOND, STATUS(5000, 0), NULL);
	seen(model, 2 * SECOND, STATUS(1024, 0), NULL);
	text_is(model, "a", "in/s", "-");
	assert_true(isnan(model->pace.in_bytes));
	seen(model, 3 * SECOND, STATUS(3072, 0), NULL);
	text_is(model, "a", "in/s", "2KiB");
}

/* Of devices of which the head has the sum: their rates, and not what they ever counted. */
static void the_head_has_rates_of_devices_that_stayed(void **state)
{
	static const struct {
		const char *interfaces;
		double in_bytes, dropped; /* -1: not known */
	} looks[] = {
		{ DEVICE("a", 3, 1000, 7) "," DEVICE("b", 4, 500000, 900), -1, -1 },
		{ DEVICE("a", 3, 1100, 9) "," DEVICE("c", 5, 900000, 8000), 100, 2 },
		{ DEVICE("a", 3, 1300, 9) "," DEVICE("c", 5, 900050, 8001), 250, 1 },
		{ DEVICE("a", 6, 9000, 70) "," DEVICE("c", 5, 900050, 8002), 0, 1 },
		{ DEVICE("a", 6, 10, 70) "," DEVICE("c", 5, 900350, 0), 300, 0 },
		{ DEVICE("a", 6, 20, 71), 10, 1 },
		{ GONE("a", 6), -1, -1 },
		{ DEVICE("a", 7, 80000, 71), -1, -1 },
		{ DEVICE("b", 8, 80000, 71), -1, -1 },
		{ "", 0, 0 },
	};
	struct top_model *model = *state;
	char text[1000];

	for (size_t i = 0; i < sizeof(looks) / sizeof(looks[0]); i++) {
		snprintf(text, sizeof(text), "{\"interfaces\": [%s]}", looks[i].interfaces);
		seen(model, (i + 1) * SECOND, text, ROWS("0", ""));
		double in = model->pace.in_bytes, dropped = model->pace.dropped;

		assert_true(looks[i].in_bytes < 0 ? isnan(in) : in == looks[i].in_bytes);
		assert_true(looks[i].dropped < 0 ? isnan(dropped) : dropped == looks[i].dropped);
	}
}

static void a_device_that_took_the_name_of_another_has_no_rate_yet(void **state)
{
	struct top_model *model = *state;

	model->tab = INTERFACES;
	seen(model, 1 * SECOND, IFACE(3, 1000), NULL);
	seen(model, 2 * SECOND, IFACE(4, 5000), NULL);
	text_is(model, "a", "in/s", "-");
	seen(model, 3 * SECOND, IFACE(4, 6024), NULL);
	text_is(model, "a", "in/s", "1KiB");
}

/* The first's 1,000,000 bytes are not taken off the second's, nor is it as fast as the sum. */
static void a_flow_with_the_ends_of_another_counts_from_nothing(void **state)
{
	struct top_model *model = *state;

	model->tab = FLOWS;
	seen(model, 1 * SECOND, STATUS(0, 0), ALL_FLOWS(100, FLOW(50, 1000000)));
	seen(model, 2 * SECOND, STATUS(0, 0), ALL_FLOWS(200, FLOW(150, 1003520)));
	flow_text_is(model, "rate/s", "980KiB");
	seen(model, 3 * SECOND, STATUS(0, 0), ALL_FLOWS(300, FLOW(150, 1005568)));
	flow_text_is(model, "rate/s", "2KiB");
	seen(model, 4 * SECOND, STATUS(0, 0), ALL_FLOWS(400, FLOW(350, 3072)));
	flow_text_is(model, "rate/s", "3KiB");
}

/* As one that a filter lets pass from now on, or that was on its way to another table. */
static void a_flow_that_was_there_before_and_not_shown_has_no_rate_yet(void **state)
{
	struct top_model *model = *state;

	model->tab = FLOWS;
	seen(model, 1 * SECOND, STATUS(0, 0), ALL_FLOWS(100, ""));
	seen(model, 2 * SECOND, STATUS(0, 0), ALL_FLOWS(200, FLOW(50, 1000000)));
	flow_text_is(model, "rate/s", "-");
	seen(model, 3 * SECOND, STATUS(0, 0), ALL_FLOWS(300, FLOW(50, 1001024)));
	flow_text_is(model, "rate/s", "1KiB");
}

static void groups_whose_flows_come_and_go_have_no_rate(void **state)
{
	struct top_model *model = *state;

	for (uint64_t at = 1; at <= 2; at++) {
		seen(model, at * SECOND, STATUS(0, 0),
		     at == 1 ? UNSTEADY(HOST("10.0.0.1", 1000, 0)) :
			       UNSTEADY(HOST("10.0.0.1", 5000, 0) "," HOST("10.0.0.2", 7, 0)));
		text_is(model, "10.0.0.1", "rate/s", "-");
	}
	text_is(model, "10.0.0.2", "rate/s", "-");
}

/* A flow of 5000 bytes ends as the third look is taken, and is told of before the fourth. */
static void what_is_late_in_the_totals_is_no_rate(void **state)
{
	struct top_model *model = *state;

	seen(model, 1 * SECOND, STATUS(0, 0), TOTALS(0, 0, HOST("10.0.0.1", 5000, 0)));
	seen(model, 2 * SECOND, STATUS(0, 0), TOTALS(0, 0, HOST("10.0.0.1", 6024, 0)));
	text_is(model, "10.0.0.1", "rate/s", "1KiB");
	seen(model, 3 * SECOND, STATUS(0, 0), TOTALS(7, 0, HOST("10.0.0.1", 2048, 0)));
	text_is(model, "10.0.0.1", "rate/s", "-");
	seen(model, 4 * SECOND, STATUS(0, 0), TOTALS(0, 0, HOST("10.0.0.1", 8072, 0)));
	text_is(model, "10.0.0.1", "rate/s", "~1KiB"); /* 2048 in two seconds */
	seen(model, 5 * SECOND, STATUS(0, 0), TOTALS(0, 0, HOST("10.0.0.1", 9096, 0)));
	text_is(model, "10.0.0.1", "rate/s", "1KiB");
}

static void a_group_that_is_late_is_not_new(void **state)
{
	struct top_model *model = *state;

	seen(model, 1 * SECOND, STATUS(0, 0),
	     TOTALS(0, 0, HOST("10.0.0.1", 5000, 0) "," HOST("10.0.0.2", 1, 0)));
	seen(model, 2 * SECOND, STATUS(0, 0), TOTALS(7, 0, HOST("10.0.0.2", 1, 0)));
	seen(model, 3 * SECOND, STATUS(0, 0),
	     TOTALS(0, 0,
		    HOST("10.0.0.1", 7048, 0) "," HOST("10.0.0.2", 1, 0) "," HOST("10.0.0.3", 1024,
										  0)));
	text_is(model, "10.0.0.1", "rate/s", "~1KiB"); /* 2048 in two seconds */
	text_is(model, "10.0.0.3", "rate/s", "~1KiB");
}

static void a_group_that_lost_its_place_counts_from_what_it_has(void **state)
{
	struct top_model *model = *state;

	seen(model, 1 * SECOND, STATUS(0, 0), TOTALS(0, 0, HOST("10.0.0.1", 5000, 0)));
	seen(model, 2 * SECOND, STATUS(0, 0), TOTALS(0, 0, MISSED("10.0.0.1", 1000, 5000)));
	text_is(model, "10.0.0.1", "rate/s", "-");
	seen(model, 3 * SECOND, STATUS(0, 0), TOTALS(0, 0, MISSED("10.0.0.1", 2024, 5000)));
	text_is(model, "10.0.0.1", "rate/s", "1KiB");
}

static void totals_that_began_anew_have_no_rate_yet(void **state)
{
	struct top_model *model = *state;

	seen(model, 1 * SECOND, STATUS(0, 0), TOTALS(0, 0, HOST("10.0.0.1", 5000, 0)));
	seen(model, 2 * SECOND, STATUS(0, 0), TOTALS(0, 1, HOST("10.0.0.1", 9000, 0)));
	text_is(model, "10.0.0.1", "rate/s", "-");
}

static void a_rate_of_another_run_of_the_daemon_is_none(void **state)
{
	struct top_model *model = *state;

	model->tab = PROCESSES;
	seen(model, 1 * SECOND, "{\"uptime_s\": 7}", PROCESS(1000));
	seen(model, 2 * SECOND, "{\"uptime_s\": 8}", PROCESS(2024));
	process_text_is(model, "1KiB");
	seen(model, 3 * SECOND, "{\"uptime_s\": 0}", PROCESS(50000));
	process_text_is(model, "-");
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
		CASE(a_counter_that_began_anew_has_no_rate),
		CASE(the_head_has_rates_of_devices_that_stayed),
		CASE(a_device_that_took_the_name_of_another_has_no_rate_yet),
		CASE(a_flow_with_the_ends_of_another_counts_from_nothing),
		CASE(a_flow_that_was_there_before_and_not_shown_has_no_rate_yet),
		CASE(groups_whose_flows_come_and_go_have_no_rate),
		CASE(what_is_late_in_the_totals_is_no_rate),
		CASE(a_group_that_is_late_is_not_new),
		CASE(a_group_that_lost_its_place_counts_from_what_it_has),
		CASE(totals_that_began_anew_have_no_rate_yet),
		CASE(a_rate_of_another_run_of_the_daemon_is_none),
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
