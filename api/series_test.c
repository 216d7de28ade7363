/* SPDX-License-Identifier: Apache-2.0 */
/* Which series are told where there are too many: none goes back, none comes and goes, and the sum
 * of a counter is whole. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "api/series_private.h"
#include "base/buf.h"

#define MOST 400
#define SHARE (MOST / WEIR_SERIES_SHARES)

struct fixture {
	struct weir_series *series;
	struct weir_sample samples[1000];
	char labels[1000][24];
	struct weir_snapshot snapshot;
	struct weir_interface_view interfaces[4];
};

static int fixture_make(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	*state = f;
	if (!f)
		return -1;
	f->series = weir_series_new(NULL);
	f->snapshot.samples = f->samples;
	f->snapshot.interfaces = f->interfaces;
	return f->series ? 0 : -1;
}

static int fixture_free(void **state)
{
	struct fixture *f = *state;

	weir_series_free(f->series);
	free(f);
	return 0;
}

static void sample_add(struct fixture *f, const char *name, enum weir_sample_kind kind,
		       unsigned number, double value)
{
	size_t i = f->snapshot.sample_count++;

	snprintf(f->labels[i], sizeof(f->labels[i]), "number=\"%u\"", number);
	f->samples[i] = (struct weir_sample){
		.name = name, .kind = kind, .labels = f->labels[i], .value = value
	};
}

/* Of the sample that was added last. */
static void label_set(struct fixture *f, unsigned number, int bucket)
{
	char *label = f->labels[f->snapshot.sample_count - 1];

	if (bucket >= 0)
		snprintf(label, sizeof(f->labels[0]), "s=\"%u\",le=\"%d\"", number, bucket);
	else
		snprintf(label, sizeof(f->labels[0]), "s=\"%u\"", number);
}

struct written {
	unsigned shown, left_out;
	double sum;		      /* of those that are shown */
	struct weir_series_rest rest; /* of the last metric */
	bool has[1000];
};

static struct written write_all(struct fixture *f)
{
	struct written written = { .shown = 0 };

	assert_int_equal(weir_series_begin(f->series, &f->snapshot, MOST), 0);
	for (size_t i = 0; i < f->snapshot.sample_count; i++) {
		written.has[i] = weir_series_shows(f->series, &f->samples[i]);
		written.shown += written.has[i];
		written.sum += written.has[i] ? f->samples[i].value : 0;
	}
	written.rest = weir_series_rest(f->series);
	written.left_out = weir_series_left_out(f->series);
	weir_series_end(f->series);
	f->snapshot.sample_count = f->snapshot.interface_count = 0;
	return written;
}

static void what_has_room_is_shown(void **state)
{
	struct fixture *f = *state;

	for (unsigned i = 0; i < SHARE; i++)
		sample_add(f, "a_total", WEIR_SAMPLE_COUNTER, i, 1);
	struct written written = write_all(f);

	assert_int_equal(written.shown, SHARE);
	assert_int_equal(written.left_out, 0);
	assert_false(written.rest.is_there);
}

static void further_ones_of_a_counter_are_summed_up(void **state)
{
	struct fixture *f = *state;

	for (unsigned i = 0; i < 300; i++)
		sample_add(f, "a_total", WEIR_SAMPLE_COUNTER, i, i);
	struct written written = write_all(f);

	assert_int_equal(written.shown, SHARE);
	assert_int_equal(written.left_out, 300 - SHARE);
	assert_true(written.rest.is_there);
	assert_int_equal(written.sum + written.rest.value, 300 * 299 / 2);
}

/* Those of the beginning stay, wherever they stand; new ones are of the rest. */
static void what_is_shown_stays_so(void **state)
{
	struct fixture *f = *state;

	for (unsigned i = 100; i < 200; i++)
		sample_add(f, "a_total", WEIR_SAMPLE_COUNTER, i, 1);
	write_all(f);
	for (unsigned i = 0; i < 200; i++)
		sample_add(f, "a_total", WEIR_SAMPLE_COUNTER, i, 1);
	struct written written = write_all(f);

	assert_int_equal(written.shown, SHARE);
	assert_false(written.has[0]);
	assert_true(written.has[100]);
	assert_true(written.has[100 + SHARE - 1]);
	assert_false(written.has[100 + SHARE]);
}

static void the_rest_never_goes_back(void **state)
{
	struct fixture *f = *state;

	for (unsigned i = 0; i < 100; i++)
		sample_add(f, "a_total", WEIR_SAMPLE_COUNTER, i, 10);
	struct written before = write_all(f);

	for (unsigned i = 0; i < 70; i++) /* thirty of the rest are gone */
		sample_add(f, "a_total", WEIR_SAMPLE_COUNTER, i, 11);
	struct written after = write_all(f);

	assert_int_equal(before.rest.value, (100 - SHARE) * 10);
	assert_int_equal(after.rest.value, (70 - SHARE) * 11 + 30 * 10);
	for (unsigned i = 0; i < SHARE; i++) /* all of the rest are */
		sample_add(f, "a_total", WEIR_SAMPLE_COUNTER, i, 12);
	struct written last = write_all(f);

	assert_true(last.rest.is_there);
	assert_int_equal(last.rest.value, after.rest.value);
}

static void what_began_anew_among_the_rest_is_added_to_it(void **state)
{
	struct fixture *f = *state;

	for (unsigned i = 0; i < SHARE; i++)
		sample_add(f, "a_total", WEIR_SAMPLE_COUNTER, i, 1);
	sample_add(f, "a_total", WEIR_SAMPLE_COUNTER, 500, 4294967295.0);
	assert_true(write_all(f).rest.value == 4294967295.0);
	for (unsigned i = 0; i < SHARE; i++)
		sample_add(f, "a_total", WEIR_SAMPLE_COUNTER, i, 1);
	sample_add(f, "a_total", WEIR_SAMPLE_COUNTER, 500, 7);
	assert_true(write_all(f).rest.value == 4294967302.0);
	for (unsigned i = 0; i < SHARE; i++)
		sample_add(f, "a_total", WEIR_SAMPLE_COUNTER, i, 1);
	sample_add(f, "a_total", WEIR_SAMPLE_COUNTER, 500, 9);
	assert_true(write_all(f).rest.value == 4294967304.0);
}

/* A counter of the rest beside those that are shown; NAN: it is not there for once. */
static double rest_with(struct fixture *f, double value)
{
	for (unsigned i = 0; i < SHARE; i++)
		sample_add(f, "a_total", WEIR_SAMPLE_COUNTER, i, 1);
	sample_add(f, "a_total", WEIR_SAMPLE_COUNTER, 400, 3); /* another of the rest */
	if (!isnan(value))
		sample_add(f, "a_total", WEIR_SAMPLE_COUNTER, 500, value);
	return write_all(f).rest.value;
}

/* An interface that was not watched for a while, a device that the kernel did not tell of. */
static void what_left_the_rest_and_came_back_is_in_it_once(void **state)
{
	static const struct {
		double told, rest;
	} steps[] = { { 100, 103 }, { NAN, 103 }, { 100, 103 }, { NAN, 103 }, { NAN, 103 },
		      { 110, 113 }, { NAN, 113 }, { 10, 123 },	{ 12, 125 },  { NAN, 125 } };
	struct fixture *f = *state;

	for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++)
		assert_true(rest_with(f, steps[i].told) == steps[i].rest);
}

/* Containers, each with a device of a name that no other ever has. */
static void who_is_waited_for_is_bounded_and_stays_in_the_rest(void **state)
{
	struct fixture *f = *state;

	assert_true(rest_with(f, 100) == 103);
	for (unsigned page = 0; page < 100; page++) {
		for (unsigned i = 0; i < SHARE; i++)
			sample_add(f, "a_total", WEIR_SAMPLE_COUNTER, i, 1);
		sample_add(f, "a_total", WEIR_SAMPLE_COUNTER, 400, 3);
		for (unsigned i = 0; i < 100; i++)
			sample_add(f, "a_total", WEIR_SAMPLE_COUNTER, 1000 + page * 100 + i, 2);
		assert_true(write_all(f).rest.value == 103 + 200 * (page + 1));
	}
	assert_true(f->series->count < 2500);
	assert_true(rest_with(f, NAN) == 103 + 20000);
}

/* But by new ones: who came when there was none is of the rest, and stays it. */
static void room_of_those_that_went_is_had_again(void **state)
{
	struct fixture *f = *state;

	for (unsigned i = 0; i < SHARE; i++)
		sample_add(f, "a_total", WEIR_SAMPLE_COUNTER, i, 1);
	write_all(f);
	sample_add(f, "a_total", WEIR_SAMPLE_COUNTER, 999, 1);
	write_all(f); /* all others go */
	for (unsigned i = 500; i < 500 + SHARE; i++)
		sample_add(f, "a_total", WEIR_SAMPLE_COUNTER, i, 1);
	sample_add(f, "a_total", WEIR_SAMPLE_COUNTER, 999, 1);
	struct written written = write_all(f);

	assert_int_equal(written.shown, SHARE);
	assert_int_equal(written.left_out, 1);
	assert_int_equal(written.rest.value, 1);
}

static void the_whole_has_its_bound(void **state)
{
	static const char *const names[] = { "a", "b", "c", "d", "e", "f", "g", "h", "i", "j" };
	struct fixture *f = *state;

	for (size_t i = 0; i < 10; i++)
		for (unsigned j = 0; j < 90; j++)
			sample_add(f, names[i], WEIR_SAMPLE_GAUGE, j, 1);
	struct written written = write_all(f);

	assert_true(written.shown <= MOST && written.shown > MOST * 3 / 4);
	assert_int_equal(written.left_out, 900 - written.shown);
	assert_false(written.rest.is_there); /* gauges have no sum */
}

/* Not only those that their names put first. One without labels is all there is of it. */
static void each_metric_has_as_many_and_none_is_without(void **state)
{
	static const char names[] = "abcdefghijklmnopqrstuvwxyz";
	struct fixture *f = *state;
	char name[26][2];

	for (unsigned i = 0; i < 26; i++) {
		snprintf(name[i], sizeof(name[i]), "%c", names[i]);
		for (unsigned j = 0; j < 30; j++)
			sample_add(f, name[i], i % 2 ? WEIR_SAMPLE_GAUGE : WEIR_SAMPLE_COUNTER, j,
				   1);
	}
	sample_add(f, "zz", WEIR_SAMPLE_GAUGE, 0, 1);
	f->samples[26 * 30].labels = NULL;
	struct written written = write_all(f);

	/* 48 are the page's own; 375 - 48 - 13 rests - 1 leave 12 each. */
	for (unsigned i = 0; i < 26 * 30; i++)
		assert_int_equal(written.has[i], i % 30 < 12);
	assert_true(written.has[26 * 30]);
	assert_int_equal(written.shown, 26 * 12 + 1);
}

static void rows_of_a_histogram_are_shown_together(void **state)
{
	struct fixture *f = *state;

	for (unsigned i = 0; i < 50; i++) {
		for (unsigned j = 0; j < 4; j++) {
			sample_add(f, "h", WEIR_SAMPLE_BUCKET, i, j);
			label_set(f, i, (int)j);
		}
		for (int kind = WEIR_SAMPLE_SUM; kind <= WEIR_SAMPLE_COUNT; kind++) {
			sample_add(f, "h", (enum weir_sample_kind)kind, i, 9);
			label_set(f, i, -1);
		}
	}
	struct written written = write_all(f);

	assert_int_equal(written.shown, 33 * 6); /* of half of all rows */
	for (unsigned i = 0; i < 50 * 6; i++)
		assert_int_equal(written.has[i], i < 33 * 6);
	assert_int_equal(written.left_out, 50 - 33);
}

/* A feature sums up by itself, too: of both there is one series, which nobody is told twice. */
static void what_a_feature_calls_other_is_of_the_rest(void **state)
{
	struct fixture *f = *state;

	sample_add(f, "a_total", WEIR_SAMPLE_COUNTER, 0, 5);
	snprintf(f->labels[0], sizeof(f->labels[0]), "number=\"other\"");
	for (unsigned i = 1; i < SHARE + 3; i++)
		sample_add(f, "a_total", WEIR_SAMPLE_COUNTER, i, 1);
	struct written written = write_all(f);

	assert_false(written.has[0]);
	assert_true(written.rest.value == 5 + 2);
	assert_int_equal(written.left_out, 2); /* itself it is told */
}

/* Of 100 thirty were those of a rule that was deleted. */
static void what_leaves_a_feature_s_other_stays_in_the_rest_once(void **state)
{
	static const struct {
		double told, rest;
	} steps[] = { { 100, 100 }, { 70, 100 }, { 75, 105 }, { 75, 105 }, { 0, 105 }, { 1, 106 } };
	struct fixture *f = *state;

	for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
		sample_add(f, "a_total", WEIR_SAMPLE_COUNTER, 0, steps[i].told);
		snprintf(f->labels[0], sizeof(f->labels[0]), "number=\"other\"");
		struct written written = write_all(f);

		assert_true(written.rest.value == steps[i].rest);
	}
}

/* What a device counts itself; `number`: the device, NULL for a name: it is not there. */
static void device_add(struct fixture *f, uint32_t number, const char *name, double value)
{
	struct weir_interface_view *view = &f->interfaces[f->snapshot.interface_count];

	if (!name)
		return;
	*view = (struct weir_interface_view){ .ifindex = number };
	snprintf(view->name, sizeof(view->name), "%s", name);
	f->snapshot.interface_count++;
	sample_add(f, "a_total", WEIR_SAMPLE_FOREIGN, number, value);
	snprintf(f->labels[f->snapshot.sample_count - 1], sizeof(f->labels[0]), "interface=\"%s\"",
		 name);
}

/* Two devices before or behind those that leave no room for more. */
struct device_step {
	const char *names[2];
	double values[2];
	double rest;
};

static void device_steps(struct fixture *f, const struct device_step *steps, size_t count,
			 bool are_shown)
{
	for (size_t i = 0; i < count; i++) {
		if (are_shown)
			for (unsigned j = 0; j < 2; j++)
				device_add(f, 7 + j, steps[i].names[j], steps[i].values[j]);
		for (unsigned j = 0; j < SHARE - 2; j++)
			sample_add(f, "a_total", WEIR_SAMPLE_FOREIGN, j, 1);
		for (unsigned j = 0; j < 2 && !are_shown; j++)
			sample_add(f, "a_total", WEIR_SAMPLE_FOREIGN, SHARE + j, 1);
		sample_add(f, "a_total", WEIR_SAMPLE_FOREIGN, 2 * SHARE, 3); /* of the rest */
		for (unsigned j = 0; j < 2 && !are_shown; j++)
			device_add(f, 7 + j, steps[i].names[j], steps[i].values[j]);
		struct written written = write_all(f);

		assert_int_equal(written.shown, SHARE);
		assert_true(!are_shown || (written.has[0] && written.has[1]));
		assert_true(written.rest.value == steps[i].rest);
	}
}

static void a_device_that_is_shown_is_so_by_its_next_name(void **state)
{
	static const struct device_step steps[] = {
		{ { "eth0", "eth1" }, { 1000, 500 }, 3 },
		{ { "lan0", "eth1" }, { 1001, 501 }, 3 },
		{ { "eth1", "lan0" }, { 1002, 502 }, 3 }, /* they change names */
		{ { "wan0", "wan1" }, { 1003, 503 }, 3 },
	};

	device_steps(*state, steps, sizeof(steps) / sizeof(steps[0]), true);
}

static void a_device_of_the_rest_is_in_it_once_by_whatever_name(void **state)
{
	static const struct device_step steps[] = {
		{ { "eth0", "eth1" }, { 1000, 500 }, 1503 },
		{ { "lan0", "eth1" }, { 1010, 500 }, 1513 },
		{ { "eth1", "lan0" }, { 1011, 502 }, 1516 },
		{ { "eth1", NULL }, { 1011, 0 }, 1516 },
		{ { "eth1", "lan0" }, { 1011, 504 }, 1518 }, /* it was not told of meanwhile */
		{ { "lan0", NULL }, { 1012, 0 }, 1519 },     /* the other is gone */
		{ { "lan0", NULL }, { 5, 0 }, 1524 },	     /* its counts begin anew */
	};

	device_steps(*state, steps, sizeof(steps) / sizeof(steps[0]), false);
}

/* An interface that is watched from now on, and had counted for long. */
static void a_device_that_comes_late_adds_what_it_counts_from_then_on(void **state)
{
	static const struct device_step steps[] = {
		{ { NULL, NULL }, { 0, 0 }, 3 },       { { "eth0", NULL }, { 1000, 0 }, 3 },
		{ { "eth0", NULL }, { 1007, 0 }, 10 }, { { "lan0", NULL }, { 1008, 0 }, 11 },
		{ { NULL, NULL }, { 0, 0 }, 11 },      { { "lan0", NULL }, { 1009, 0 }, 12 },
		{ { "lan0", NULL }, { 4, 0 }, 16 },
	};

	device_steps(*state, steps, sizeof(steps) / sizeof(steps[0]), false);
}

static void labels_are_other_in_each_value(void **state)
{
	struct weir_buf text = { 0 };

	weir_series_labels_other("a=\"x\",b=\"y\\\"z\\\\\",c=\"\"", &text);
	assert_string_equal(weir_buf_str(&text), "a=\"other\",b=\"other\",c=\"other\"");
	weir_buf_done(&text);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, fixture_make, fixture_free)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(what_has_room_is_shown),
		CASE(further_ones_of_a_counter_are_summed_up),
		CASE(what_is_shown_stays_so),
		CASE(the_rest_never_goes_back),
		CASE(what_began_anew_among_the_rest_is_added_to_it),
		CASE(what_left_the_rest_and_came_back_is_in_it_once),
		CASE(who_is_waited_for_is_bounded_and_stays_in_the_rest),
		CASE(room_of_those_that_went_is_had_again),
		CASE(the_whole_has_its_bound),
		CASE(each_metric_has_as_many_and_none_is_without),
		CASE(rows_of_a_histogram_are_shown_together),
		CASE(what_a_feature_calls_other_is_of_the_rest),
		CASE(what_leaves_a_feature_s_other_stays_in_the_rest_once),
		CASE(a_device_that_is_shown_is_so_by_its_next_name),
		CASE(a_device_of_the_rest_is_in_it_once_by_whatever_name),
		CASE(a_device_that_comes_late_adds_what_it_counts_from_then_on),
		cmocka_unit_test(labels_are_other_in_each_value),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
