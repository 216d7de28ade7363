/* SPDX-License-Identifier: Apache-2.0 */
/* The numbers by which flows remember backends: each one's own, and kept. */
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "features/balance/balance_maglev.h"
#include "features/balance/balance_state.h"

#define MANY 300

static void ends_make(struct balance_end *ends)
{
	char text[16];

	for (unsigned i = 0; i < MANY; i++) {
		snprintf(text, sizeof(text), "10.0.%u.%u", i / 250, i % 250);
		ends[i] = (struct balance_end){ .port = 80, .proto = IPPROTO_TCP };
		assert_int_equal(weir_addr_from_string(text, strlen(text), &ends[i].addr), 0);
	}
}

static void numbers_are_each_ones_own_and_stay(void **state)
{
	struct balance_end ends[MANY], turned[MANY];
	uint16_t numbers[MANY], others[MANY], fewer[MANY];

	ends_make(ends);
	for (unsigned i = 0; i < MANY; i++)
		turned[i] = ends[MANY - 1 - i];
	assert_int_equal(balance_numbers(ends, MANY, NULL, numbers), 0);
	assert_int_equal(balance_numbers(turned, MANY, NULL, others), 0);
	assert_int_equal(balance_numbers(ends, MANY / 10, NULL, fewer), 0);
	for (unsigned i = 0; i < MANY; i++) {
		assert_true(numbers[i] != 0);
		assert_int_equal(numbers[i], others[MANY - 1 - i]);
		for (unsigned j = 0; j < i; j++)
			assert_true(numbers[i] != numbers[j]);
	}
	/* Of 30 no two have the same hash (1 in 150 that any would). */
	for (unsigned i = 0; i < MANY / 10; i++)
		assert_int_equal(fewer[i], numbers[i]);
	(void)state;
}

/* Two that ask for the same number, the one with the lesser bytes first. */
static void pair_find(struct balance_end pair[2])
{
	static struct balance_end by_number[65536];

	memset(by_number, 0, sizeof(by_number));
	for (unsigned i = 0; i < 65536; i++) {
		struct balance_end end = { .port = 80, .proto = IPPROTO_TCP };
		char text[16];

		snprintf(text, sizeof(text), "10.1.%u.%u", i / 256, i % 256);
		assert_int_equal(weir_addr_from_string(text, strlen(text), &end.addr), 0);
		struct balance_end *there = &by_number[balance_number_wanted(&end)];

		if (there->proto) {
			pair[0] = *there;
			pair[1] = end;
			return;
		}
		*there = end;
	}
	fail_msg("no two ask for the same");
}

static void who_has_a_number_keeps_it_when_one_comes_before_it(void **state)
{
	struct balance_end pair[2];
	uint16_t alone, numbers[2];

	pair_find(pair);
	assert_int_equal(balance_numbers(&pair[1], 1, NULL, &alone), 0);
	assert_int_equal(balance_numbers(pair, 2, NULL, numbers), 0);
	assert_int_equal(numbers[0], alone);
	assert_int_equal(numbers[1], alone % 65535 + 1);
	assert_int_equal(balance_numbers(pair, 2, (uint16_t[]){ 0, alone }, numbers), 0);
	assert_int_equal(numbers[0], alone % 65535 + 1);
	assert_int_equal(numbers[1], alone);
	(void)state;
}

static void what_two_claim_to_have_is_one_s(void **state)
{
	struct balance_end ends[MANY];
	uint16_t numbers[MANY], held[MANY];

	ends_make(ends);
	for (unsigned count = 2; count <= MANY; count += MANY - 2) {
		for (unsigned i = 0; i < count; i++)
			held[i] = 65535;
		assert_int_equal(balance_numbers(ends, count, held, numbers), 0);
		assert_int_equal(numbers[0], 65535);
		for (unsigned i = 1; i < count; i++)
			assert_true(numbers[i] && numbers[i] != 65535);
	}
	(void)state;
}

/* What is compiled: a service at 192.0.2.1:80 with these, behind what was in force. */
static struct balance_plan plan_of(const struct balance_end *ends, unsigned count,
				   const struct balance_counts *counts)
{
	struct balance_backend_text texts[2] = { 0 };
	struct balance_text text = { .backends = texts, .backend_count = count };
	const struct balance_section section = { .services = &text, .service_count = 1 };
	const struct balance_end service = { .port = 80, .proto = IPPROTO_TCP };
	uint16_t held[2] = { 0 }, numbers[2];
	struct balance_plan plan;

	for (unsigned i = 0; i < count; i++) {
		const struct balance_tally_row *row =
			balance_rows_row(&counts->live.rows, balance_identity(&service, &ends[i]));

		if (row)
			held[i] = row->number ? row->number : balance_number_wanted(&ends[i]);
	}
	assert_int_equal(balance_numbers(ends, count, held, numbers), 0);
	assert_int_equal(balance_plan_new(&section, &service, ends, numbers, counts, &plan), 0);
	return plan;
}

/* By way of the file, as behind a restart. */
static void counts_go_on(struct balance_counts *counts, const char *dir, struct balance_plan plan)
{
	_cleanup_diag_ struct weir_diag diag = { 0 };

	assert_int_equal(balance_rows_save(dir, &plan.rows), 0);
	balance_plan_done(&plan);
	balance_counts_done(counts);
	*counts = (struct balance_counts){ 0 };
	assert_int_equal(balance_rows_load(dir, &diag, &counts->live.rows), 0);
	assert_int_equal(diag.count, 0);
}

static void numbers_outlive_who_they_gave_way_to_and_restarts(void **state)
{
	char dir[] = "/tmp/weir-numbers-XXXXXX", file[64];
	struct balance_counts counts = { 0 };
	struct balance_end pair[2];

	pair_find(pair);
	uint16_t wanted = balance_number_wanted(&pair[1]);

	assert_non_null(mkdtemp(dir));
	snprintf(file, sizeof(file), "%s/%s", dir, BALANCE_ROWS_FILE);
	struct balance_plan both = plan_of(pair, 2, &counts);

	assert_int_equal(both.at[1].number, wanted % 65535 + 1);
	counts_go_on(&counts, dir, both);
	struct balance_plan later = plan_of(&pair[1], 1, &counts);

	assert_int_equal(later.at[0].number, wanted % 65535 + 1);
	counts_go_on(&counts, dir, later);
	struct balance_plan again = plan_of(pair, 2, &counts);

	assert_int_equal(again.at[0].number, wanted);
	assert_int_equal(again.at[1].number, wanted % 65535 + 1);
	balance_plan_done(&again);
	balance_counts_done(&counts);
	unlink(file);
	rmdir(dir);
	(void)state;
}

/* Hosts that came to the same backends in another order have the same slots, by backend. */
static void slots_are_the_same_whatever_numbers_there_are(void **state)
{
	struct balance_end pair[2];
	struct balance_maglev_backend shares[2];
	uint16_t *slots[2];

	pair_find(pair);
	for (unsigned turn = 0; turn < 2; turn++) {
		for (unsigned i = 0; i < 2; i++)
			shares[i] = (struct balance_maglev_backend){
				&pair[i],
				sizeof(pair[i]),
				1,
				(uint16_t)(i == turn ? 1 : 2),
				balance_number_wanted(&pair[i]),
			};
		slots[turn] = calloc(BALANCE_SLOTS, sizeof(*slots[turn]));
		assert_non_null(slots[turn]);
		assert_int_equal(balance_maglev_fill(shares, 2, slots[turn]), 1);
	}
	for (unsigned i = 0; i < BALANCE_SLOTS; i++)
		assert_int_equal(slots[0][i] + slots[1][i], 3);
	free(slots[0]);
	free(slots[1]);
	(void)state;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(numbers_are_each_ones_own_and_stay),
		cmocka_unit_test(who_has_a_number_keeps_it_when_one_comes_before_it),
		cmocka_unit_test(what_two_claim_to_have_is_one_s),
		cmocka_unit_test(numbers_outlive_who_they_gave_way_to_and_restarts),
		cmocka_unit_test(slots_are_the_same_whatever_numbers_there_are),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
