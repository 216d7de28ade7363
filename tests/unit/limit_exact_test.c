/* SPDX-License-Identifier: Apache-2.0 */
/* How exactly rates are held, from one an hour to ten million a second, beside a model that rounds
 * nothing. Prints a table of the figures. */
#include <stdio.h>

#include "tests/unit/limit_model.h"

/* What comes, and at which times. */
enum shape {
	FOUR_TIMES, /* four times as much as the rate, by chance */
	AS_MUCH,    /* the rate itself, evenly */
	HALF,	    /* half of it, by chance: all of it is to pass */
	BY_TURNS,   /* a second at ten times the rate or a burst at once, then silence */
	SHAPES,
};

static const char *const shape_names[SHAPES] = { "four times", "as much", "half", "by turns" };

struct measured {
	uint64_t came, expected, passed;
	bool is_fine; /* by the exact clock */
};

/* The coarse clock of the data path stands still for so long. */
#define COARSE_NS 10000000ULL

static uint64_t clock_of(const struct table *table, uint64_t now_ns)
{
	return table->row.flags & LIMIT_IS_FINE ? now_ns : now_ns / COARSE_NS * COARSE_NS;
}

/* Time until the next packet; `apart_ns` is how far they are apart at the rate itself. */
static uint64_t gap_of(enum shape shape, uint64_t apart_ns, uint64_t burst, uint64_t i)
{
	switch (shape) {
	case FOUR_TIMES:
		return apart_ns / 2 ? roll() % (apart_ns / 2 + 1) : roll() % 2;
	case AS_MUCH:
		return apart_ns;
	case HALF:
		return roll() % (4 * apart_ns + 1);
	case BY_TURNS:
		return i % (2 * burst) ? apart_ns / 10 : 2 * burst * apart_ns;
	case SHAPES:
		break;
	}
	return 0;
}

/*
 * One in a thousand under a flood. Whoever comes by turns has the slack besides, 4 us each time,
 * and where a bucket is judged by the coarse clock all have up to a tick, 10 ms.
 */
static bool is_close(const struct measured *m, enum shape shape)
{
	uint64_t per_mille = !m->is_fine ? 20 : shape == BY_TURNS ? 4 : 1;
	uint64_t room = m->expected * per_mille + 1000; /* and one packet */

	return m->passed * 1000 + room >= m->expected * 1000 &&
	       m->passed * 1000 <= m->expected * 1000 + room;
}

static void row_print(const char *rate, const char *what, const char *shape,
		      const struct measured *m)
{
	double off = m->expected ? ((double)m->passed / (double)m->expected - 1) * 100 : 0;

	printf("# %-14s %-12s %-11s %12llu %12llu %12llu %+8.3f %%\n", rate, what, shape,
	       (unsigned long long)m->came, (unsigned long long)m->expected,
	       (unsigned long long)m->passed, off);
}

static void head_print(void)
{
	printf("# %-14s %-12s %-11s %12s %12s %12s %10s\n", "limit", "burst", "what comes", "came",
	       "of the model", "passed", "off");
}

struct rate {
	const char *text;
	uint64_t count, period_ns;
	uint64_t burst;
};

static const struct rate rates[] = {
	{ "1/h", 1, 3600 * SECOND, 5 },
	{ "1/m", 1, 60 * SECOND, 1 },
	{ "1/s", 1, SECOND, 1 },
	{ "3/s", 3, SECOND, 7 },
	{ "10/s", 10, SECOND, 50 },
	{ "100/s", 100, SECOND, 90 },
	{ "999/s", 999, SECOND, 20 },
	{ "12345/s", 12345, SECOND, 100 },
	{ "100k/s", 100000, SECOND, 100000 },
	{ "999983/s", 999983, SECOND, 1000 },
	{ "3Mpps", 3000000, SECOND, 100000 },
	{ "7654321pps", 7654321, SECOND, 1000000 },
	{ "10Mpps", 10000000, SECOND, 1000000 },
};

static struct measured packets_measure(const struct rate *rate, enum shape shape)
{
	struct table table = table_new(1, &(struct limit_text){ .packets = (char *)rate->text,
								.burst = (uint32_t)rate->burst });
	struct model model = { .count = rate->count,
			       .period_ns = rate->period_ns,
			       .burst = rate->burst };
	uint64_t now = START, enough = 2 * rate->burst + 20000;
	struct measured m = { .is_fine = table.row.flags & LIMIT_IS_FINE };

	while (m.expected < enough) {
		now += gap_of(shape, rate->period_ns / rate->count, rate->burst, m.came++);
		m.expected += model_passes(&model, now, 1);
		m.passed += packet(&table, clock_of(&table, now), 7, 64) == LIMIT_PASSES;
	}
	free(table.lines);
	return m;
}

static void packets_are_held_as_a_model_holds_them(void **state)
{
	unsigned failed = 0;

	head_print();
	for (size_t i = 0; i < WEIR_ARRAY_SIZE(rates); i++)
		for (enum shape shape = 0; shape < SHAPES; shape++) {
			struct measured m = packets_measure(&rates[i], shape);
			char burst[24];

			snprintf(burst, sizeof(burst), "%llu", (unsigned long long)rates[i].burst);
			row_print(rates[i].text, burst, shape_names[shape], &m);
			failed += !is_close(&m, shape);
		}
	assert_int_equal(failed, 0);
	(void)state;
}

static const struct rate byte_rates[] = {
	{ "1KiB/s", 1024, SECOND, 65550 },
	{ "1MB/m", 1000000, 60 * SECOND, 70000 },
	{ "64KiB/s", 65536, SECOND, 65550 },
	{ "100Mbit/s", 12500000, SECOND, 1000000 },
	{ "10Gbit/s", 1250000000, SECOND, 12500000 },
	{ "100Gbit/s", 12500000000, SECOND, 125000000 },
};

/* Frames of 60 to 1,514 bytes, and of 65,550, which the kernel joined; counted in bytes. */
static struct measured bytes_measure(const struct rate *rate, enum shape shape)
{
	struct limit_text text = { .bytes = (char *)rate->text,
				   .burst_bytes = { (char *)"x", rate->burst } };
	struct table table = table_new(1, &text);
	struct model model = { .count = rate->count,
			       .period_ns = rate->period_ns,
			       .burst = rate->burst };
	__extension__ typedef unsigned __int128 wide;
	struct measured m = { .is_fine = table.row.flags & LIMIT_IS_FINE };
	uint64_t now = START;

	for (uint64_t i = 0; i < 200000; i++) {
		uint64_t bytes = roll() % 50 ? 60 + roll() % 1455 : 65550;
		uint64_t apart = (uint64_t)((wide)bytes * rate->period_ns / rate->count);

		now += gap_of(shape, apart, 100, i);
		m.came += bytes;
		m.expected += model_passes(&model, now, bytes) ? bytes : 0;
		m.passed +=
			packet(&table, clock_of(&table, now), 7, bytes) == LIMIT_PASSES ? bytes : 0;
	}
	free(table.lines);
	return m;
}

static void bytes_are_held_as_a_model_holds_them(void **state)
{
	unsigned failed = 0;

	head_print();
	for (size_t i = 0; i < WEIR_ARRAY_SIZE(byte_rates); i++)
		for (enum shape shape = 0; shape < SHAPES; shape++) {
			struct measured m = bytes_measure(&byte_rates[i], shape);
			char burst[24];

			snprintf(burst, sizeof(burst), "%llu B",
				 (unsigned long long)byte_rates[i].burst);
			row_print(byte_rates[i].text, burst, shape_names[shape], &m);
			failed += !is_close(&m, shape);
		}
	assert_int_equal(failed, 0);
	(void)state;
}

/* Of no second, wherever it begins, more than the burst and what comes in it; a clock that errs by
 * the slack is let pass (LIMIT_SLACK: 4 us). */
static void no_second_has_more_than_burst_and_rate(void **state)
{
	for (size_t i = 0; i < WEIR_ARRAY_SIZE(rates); i++) {
		struct rate rate = rates[i];
		struct table table =
			table_new(1, &(struct limit_text){ .packets = (char *)rate.text,
							   .burst = (uint32_t)rate.burst });
		uint64_t apart = rate.period_ns / rate.count, most, now = START, passed = 0;

		/* From an idle bucket, at ten times the rate: the worst that there is. */
		for (uint64_t n = 0; n < 20 * rate.burst + 1000; n++, now += apart / 10)
			passed += packet(&table, now, 7, 64) == LIMIT_PASSES;
		most = rate.burst + (now - START) / apart + 4096 / apart + 1;
		if (passed > most + most / 1000)
			fail_msg("%s: %llu passed, %llu are the most", rate.text,
				 (unsigned long long)passed, (unsigned long long)most);
		free(table.lines);
	}
	(void)state;
}

/* Each 100 ns one, which leaves nothing over for what chance rounds up. */
static void ten_million_a_second_pass_a_limit_of_as_many(void **state)
{
	struct table table =
		table_new(1, &(struct limit_text){ .packets = (char *)"10Mpps", .burst = 10000 });
	uint64_t over = 0;

	for (uint64_t i = 0; i < 2000000; i++)
		over += packet(&table, START + i * 100, 7, 64) != LIMIT_PASSES;
	assert_in_range(over, 0, 2000); /* one in a thousand, of chance */
	free(table.lines);
	(void)state;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(packets_are_held_as_a_model_holds_them),
		cmocka_unit_test(bytes_are_held_as_a_model_holds_them),
		cmocka_unit_test(no_second_has_more_than_burst_and_rate),
		cmocka_unit_test(ten_million_a_second_pass_a_limit_of_as_many),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
