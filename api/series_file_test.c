/* SPDX-License-Identifier: Apache-2.0 */
/* A run goes on with what the one before has told, wherever that ended; and with nothing where what
 * is there is not whole. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "api/series.h"
#include "base/buf.h"
#include "base/file.h"

#define MOST 400
#define SHARE (MOST / WEIR_SERIES_SHARES)
#define FILE_BYTES_MAX (1u << 20)

struct fixture {
	char dir[32], path[64];
	struct weir_series *series;
	struct weir_sample samples[200];
	char labels[200][16];
	struct weir_snapshot snapshot;
};

static int fixture_make(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	*state = f;
	if (!f)
		return -1;
	snprintf(f->dir, sizeof(f->dir), "/tmp/weir-series-XXXXXX");
	if (!mkdtemp(f->dir))
		return -1;
	snprintf(f->path, sizeof(f->path), "%s/series", f->dir);
	f->series = weir_series_new(f->path);
	f->snapshot.samples = f->samples;
	return f->series ? 0 : -1;
}

static int fixture_free(void **state)
{
	struct fixture *f = *state;

	weir_series_free(f->series);
	unlink(f->path);
	int r = rmdir(f->dir); /* nothing beside it is left */

	free(f);
	return r;
}

static void next_run(struct fixture *f)
{
	weir_series_free(f->series);
	f->series = weir_series_new(f->path);
	assert_non_null(f->series);
}

/* Those of these numbers, each with that value; gives which are shown. */
static unsigned write_some(struct fixture *f, unsigned first, unsigned end, double value,
			   bool has[200], double *ret_rest)
{
	unsigned shown = 0;

	for (unsigned i = first; i < end; i++) {
		snprintf(f->labels[i], sizeof(f->labels[i]), "n=\"%03u\"", i);
		f->samples[i - first] = (struct weir_sample){ .name = "a_total",
							      .kind = WEIR_SAMPLE_COUNTER,
							      .labels = f->labels[i],
							      .value = value };
	}
	f->snapshot.sample_count = end - first;
	assert_int_equal(weir_series_begin(f->series, &f->snapshot, MOST), 0);
	for (unsigned i = first; i < end; i++) {
		has[i] = weir_series_shows(f->series, &f->samples[i - first]);
		shown += has[i];
	}
	*ret_rest = weir_series_rest(f->series).value;
	weir_series_end(f->series);
	assert_int_equal(weir_series_keep(f->series), 0);
	return shown;
}

/* In the next run some stand before them in the order of labels. */
static void series_and_sum_stay_as_they_were(void **state)
{
	struct fixture *f = *state;
	bool has[200] = { false };
	double rest = 0;

	assert_int_equal(write_some(f, 100, 180, 7, has, &rest), SHARE);
	assert_true(rest == 7 * (80 - SHARE));
	next_run(f);
	assert_int_equal(write_some(f, 0, 180, 7, has, &rest), SHARE);
	assert_false(has[0]);
	assert_true(has[100] && has[100 + SHARE - 1] && !has[100 + SHARE]);
	assert_true(rest == 7 * (180 - SHARE));
}

static void what_was_gone_stays_in_the_sum(void **state)
{
	struct fixture *f = *state;
	bool has[200] = { false };
	double rest = 0;

	write_some(f, 0, 80, 7, has, &rest);
	write_some(f, 0, 70, 7, has, &rest); /* ten are gone in this run */
	assert_true(rest == 7 * (80 - SHARE));
	next_run(f);
	write_some(f, 0, 60, 8, has, &rest); /* and ten between this and that */
	assert_true(rest == 8 * (60 - SHARE) + 7 * 20);
}

static void what_begins_anew_adds_to_the_sum(void **state)
{
	struct fixture *f = *state;
	bool has[200] = { false };
	double rest = 0;

	write_some(f, 0, 80, 7, has, &rest);
	next_run(f);
	write_some(f, 0, 80, 1, has, &rest);
	assert_true(rest == 8 * (80 - SHARE));
}

static void assert_begins_with_nothing(struct fixture *f)
{
	bool has[200] = { false };
	double rest = 0;

	next_run(f);
	write_some(f, 0, 80, 1, has, &rest);
	assert_true(has[0] && rest == 80 - SHARE);
}

/* Of eighty series, of which not all are shown. */
static void file_make(struct fixture *f, struct weir_buf *file)
{
	bool has[200] = { false };
	double rest = 0;

	write_some(f, 100, 180, 7, has, &rest);
	assert_int_equal(weir_file_read(f->path, FILE_BYTES_MAX, file), 0);
}

static void what_is_not_whole_is_as_nothing(void **state)
{
	struct fixture *f = *state;
	struct weir_buf whole = { 0 };

	file_make(f, &whole);
	for (size_t len = 0; len < whole.len; len += 1 + whole.len / 50) {
		assert_int_equal(weir_file_replace(f->path, whole.data, len, 0600), 0);
		assert_begins_with_nothing(f);
	}
	whole.data[0] ^= 1; /* another layout */
	assert_int_equal(weir_file_replace(f->path, whole.data, whole.len, 0600), 0);
	assert_begins_with_nothing(f);
	weir_buf_done(&whole);
}

/* Whatever stands there: no crash, and a whole page. */
static void any_byte_may_be_another(void **state)
{
	struct fixture *f = *state;
	struct weir_buf whole = { 0 };
	bool has[200] = { false };
	double rest = 0;

	file_make(f, &whole);
	for (size_t i = 0; i < whole.len; i++) {
		whole.data[i] ^= (char)0xff;
		assert_int_equal(weir_file_replace(f->path, whole.data, whole.len, 0600), 0);
		next_run(f);
		write_some(f, 100, 180, 7, has, &rest);
		assert_true(rest >= 0);
		whole.data[i] ^= (char)0xff;
	}
	weir_buf_done(&whole);
}

static void what_has_no_place_is_told_as_before(void **state)
{
	struct fixture *f = *state;
	bool has[200] = { false };
	double rest = 0;

	weir_series_free(f->series);
	f->series = weir_series_new("/tmp/weir-series-nowhere/series");
	assert_non_null(f->series);
	f->samples[0] = (struct weir_sample){ .name = "a_total", .kind = WEIR_SAMPLE_COUNTER };
	f->snapshot.sample_count = 1;
	assert_int_equal(weir_series_begin(f->series, &f->snapshot, MOST), 0);
	assert_true(weir_series_shows(f->series, &f->samples[0]));
	weir_series_end(f->series);
	assert_true(weir_series_keep(f->series) < 0);
	weir_series_free(f->series);
	f->series = weir_series_new(NULL);
	assert_int_equal(write_some(f, 0, 80, 1, has, &rest), SHARE);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, fixture_make, fixture_free)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(series_and_sum_stay_as_they_were), CASE(what_was_gone_stays_in_the_sum),
		CASE(what_begins_anew_adds_to_the_sum), CASE(what_is_not_whole_is_as_nothing),
		CASE(any_byte_may_be_another),		CASE(what_has_no_place_is_told_as_before),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
